/*
 * A link between two network namespaces: rate, delay, jitter, loss and a queue for each direction.
 *
 * Makes a TUN device named "link" in each namespace and carries IP packets between them. Each
 * direction is a loss, then a queue in front of a server of a given rate, then a delay line:
 * the order of the kernel's netem. Time is virtual: a packet's way is computed from the moment it
 * was read, so that a late wake-up delays packets but costs no capacity while the queue is not
 * empty. Lines on stdin ask for counters; the end of stdin ends it, so it cannot outlive its parent.
 *
 * emulator NS_A NS_B GSO SEED  then for A to B, then for B to A:
 *          RATE_BIT_S DELAY_NS JITTER_NS LOSS QUEUE_BYTES fifo|codel|fq_codel
 *
 * RATE 0 is unlimited. Jitter is uniform between 0 and JITTER_NS and keeps the order. With GSO, TCP
 * packets of up to 64 KiB pass whole, yet are counted, lost and dropped by segment.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"

#define BIGGEST (1 << 17)
#define BATCH 32
#define NEVER UINT64_MAX

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void enter(struct way *w, struct packet *p)
{
    uint32_t start = 0;
    w->seen += p->segments;
    serve(w, p->at);
    if (!w->backlog && w->free_at < p->at)
        w->free_at = p->at;
    for (uint32_t i = 0; w->loss > 0 && i < p->segments; i++)
        if (chance(w) < w->loss) {
            w->lost++;
            if (i > start)
                enqueue(w, cut(p, start, i - start));
            start = i + 1;
        }
    if (start == 0) {
        enqueue(w, p);
        return;
    }
    if (start < p->segments)
        enqueue(w, cut(p, start, p->segments - start));
    free(p);
}

static int receive(struct way *w)
{
    static unsigned char buffer[BIGGEST];
    for (int i = 0; i < BATCH; i++) {
        ssize_t length = read(w->in, buffer, sizeof buffer);
        if (length <= (ssize_t)prefix)
            return i;
        struct packet *p = malloc(sizeof *p + length);
        memcpy(p->data, buffer, length);
        p->length = length;
        p->at = now_ns();
        measure(p);
        enter(w, p);
    }
    return BATCH;
}

static void deliver(struct way *w)
{
    uint64_t now = now_ns();
    serve(w, now);
    while (w->line.head && w->line.head->due <= now) {
        struct packet *p = shift(&w->line);
        if (write(w->out, p->data, p->length) > 0) {
            w->delivered += p->segments;
            w->delivered_bytes += p->wire;
        }
        free(p);
    }
}

static uint64_t next_due(const struct way *w)
{
    uint64_t due = w->line.head ? w->line.head->due : NEVER;
    uint64_t served = w->backlog ? w->free_at + w->delay : NEVER;
    return due < served ? due : served;
}

static int open_tun(const char *netns)
{
    char path[256];
    struct ifreq request = {0};
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET))
        die(path);
    close(space);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    strcpy(request.ifr_name, "link");
    request.ifr_flags = IFF_TUN | IFF_NO_PI | (gso ? IFF_VNET_HDR : 0);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
        die("/dev/net/tun");
    if (gso && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
        die("TUNSETOFFLOAD");
    return fd;
}

static void set_up(struct way *w, int in, int out, char **words, uint64_t seed)
{
    double rate = atof(words[0]);
    w->in = in;
    w->out = out;
    w->ns_per_byte = rate > 0 ? 8e9 / rate : 0;
    w->delay = strtoull(words[1], NULL, 10);
    w->jitter = strtoull(words[2], NULL, 10);
    w->loss = atof(words[3]);
    w->limit = strtoll(words[4], NULL, 10);
    w->aqm = !strcmp(words[5], "codel") ? CODEL : !strcmp(words[5], "fq_codel") ? FQ_CODEL : FIFO;
    w->random = (seed + 1) * 0x9e3779b97f4a7c15ull;
}

static void tell(const struct way *w, const char *end)
{
    printf("{\"seen\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"dropped\":%" PRIu64
           ",\"delivered\":%" PRIu64 ",\"delivered_bytes\":%" PRIu64 "}%s",
           w->seen, w->lost, w->dropped, w->delivered, w->delivered_bytes, end);
}

int main(int argc, char **argv)
{
    static struct way ways[2];
    struct sched_param priority = {.sched_priority = 10};
    if (argc != 17)
        return fprintf(stderr, "16 arguments are needed, see the source\n"), 2;
    gso = atoi(argv[3]);
    prefix = gso ? sizeof(struct virtio_net_hdr) : 0;
    uint64_t seed = strtoull(argv[4], NULL, 10);
    int a = open_tun(argv[1]), b = open_tun(argv[2]);
    set_up(&ways[0], a, b, argv + 5, 2 * seed);
    set_up(&ways[1], b, a, argv + 11, 2 * seed + 1);
    prctl(PR_SET_TIMERSLACK, 1);
    mlockall(MCL_CURRENT);
    sched_setscheduler(0, SCHED_FIFO, &priority); /* where it is not permitted, without it */
    puts("ready");
    fflush(stdout);
    for (;;) {
        uint64_t first = next_due(&ways[0]), second = next_due(&ways[1]), now = now_ns();
        uint64_t due = first < second ? first : second;
        uint64_t left = due == NEVER ? 1000000000ull : due > now ? due - now : 0;
        struct timespec pause = {left / 1000000000, left % 1000000000};
        struct pollfd fds[] = {{a, POLLIN, 0}, {b, POLLIN, 0}, {0, POLLIN, 0}};
        if (ppoll(fds, 3, &pause, NULL) < 0 && errno != EINTR)
            die("ppoll");
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents & POLLIN)
                receive(&ways[i]);
            deliver(&ways[i]);
        }
        if (fds[2].revents) {
            char line[64];
            if (read(0, line, sizeof line) <= 0)
                return 0;
            printf("[");
            tell(&ways[0], ",");
            tell(&ways[1], "]\n");
            fflush(stdout);
        }
    }
}
