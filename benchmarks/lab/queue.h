/*
 * A direction of the link: its queue (droptail, CoDel by RFC 8289, FQ-CoDel by RFC 8290, with the
 * default parameters of the RFCs) and its server.
 */

#include <math.h>

#include "packet.h"

#define FLOWS 1024
#define MTU 1500
#define TARGET_NS 5000000ull
#define INTERVAL_NS 100000000ull

struct flow {
    struct list packets;
    struct flow *next;
    int64_t bytes, deficit;
    int listed, dropping;
    uint32_t count, last_count;
    uint64_t first_above, drop_next;
};

struct turns {
    struct flow *head, *tail;
};

enum aqm { FIFO, CODEL, FQ_CODEL };

struct way {
    int in, out;
    double ns_per_byte, loss;
    uint64_t delay, jitter, random, free_at, last_due;
    int64_t limit, backlog;
    enum aqm aqm;
    struct flow flows[FLOWS];
    struct turns fresh, old;
    struct list line;
    uint64_t seen, lost, dropped, delivered, delivered_bytes;
};

/* xorshift64*: the same seed gives the same losses. */
static double chance(struct way *w)
{
    w->random ^= w->random >> 12;
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;
    return ((w->random * 2685821657736338717ull) >> 11) * 0x1p-53;
}

static void enlist(struct turns *t, struct flow *f)
{
    f->next = NULL;
    f->listed = 1;
    if (t->head)
        t->tail->next = f;
    else
        t->head = f;
    t->tail = f;
}

static struct flow *flow_of(struct way *w, const struct packet *p)
{
    const unsigned char *ip = p->data + prefix;
    size_t at = ip[0] >> 4 == 4 ? 12 : 8, end = ip[0] >> 4 == 4 ? (ip[0] & 15) * 4 + 4 : 44;
    uint32_t hash = 2166136261u;
    if (w->aqm != FQ_CODEL)
        return &w->flows[0];
    hash = (hash ^ (ip[0] >> 4 == 4 ? ip[9] : ip[6])) * 16777619u;
    for (; at < end && prefix + at < p->length; at++)
        hash = (hash ^ ip[at]) * 16777619u;
    return &w->flows[(hash ^ hash >> 16) % FLOWS];
}

static void drop(struct way *w, struct packet *p)
{
    w->dropped += p->segments;
    free(p);
}

static struct packet *take(struct way *w, struct flow *f)
{
    struct packet *p = shift(&f->packets);
    if (p) {
        f->bytes -= p->wire;
        w->backlog -= p->wire;
    }
    return p;
}

static void enqueue(struct way *w, struct packet *p)
{
    int64_t room = w->limit - w->backlog;
    if (w->aqm != FQ_CODEL && p->wire > room) {
        uint32_t fit = p->segments > 1 ? room / (p->wire / p->segments + 1) : 0;
        struct packet *rest = p;
        if (fit) {
            p = cut(rest, 0, fit);
            rest->segments -= fit;
        }
        drop(w, rest);
        if (!fit)
            return;
    }
    struct flow *f = flow_of(w, p);
    push(&f->packets, p);
    f->bytes += p->wire;
    w->backlog += p->wire;
    if (!f->listed) {
        f->deficit = MTU;
        enlist(&w->fresh, f);
    }
    while (w->backlog > w->limit) {
        struct flow *fattest = f;
        for (int i = 0; i < FLOWS; i++)
            if (w->flows[i].bytes > fattest->bytes)
                fattest = &w->flows[i];
        drop(w, take(w, fattest));
    }
}

/* RFC 8289, 5.3: has the packet waited too long, for long enough? */
static int too_long(struct flow *f, const struct packet *p, uint64_t now)
{
    if (!p || now - p->at < TARGET_NS || f->bytes <= MTU) {
        f->first_above = 0;
        return 0;
    }
    if (!f->first_above)
        f->first_above = now + INTERVAL_NS;
    else
        return now >= f->first_above;
    return 0;
}

/* RFC 8289, 5.5 */
static struct packet *codel(struct way *w, struct flow *f, uint64_t now)
{
    struct packet *p = take(w, f);
    int late = too_long(f, p, now);
    if (!late) {
        f->dropping = 0;
    } else if (!f->dropping) {
        uint32_t since = f->count - f->last_count;
        drop(w, p);
        p = take(w, f);
        too_long(f, p, now);
        f->dropping = 1;
        f->count = since > 1 && now - f->drop_next < 16 * INTERVAL_NS ? since : 1;
        f->last_count = f->count;
        f->drop_next = now + INTERVAL_NS / sqrt(f->count);
    }
    while (f->dropping && p && now >= f->drop_next) {
        drop(w, p);
        f->count++;
        p = take(w, f);
        f->dropping = too_long(f, p, now);
        f->drop_next += INTERVAL_NS / sqrt(f->count);
    }
    return p;
}

/* RFC 8290, 4.2 */
static struct packet *dequeue(struct way *w, uint64_t now)
{
    for (;;) {
        struct turns *turns = w->fresh.head ? &w->fresh : &w->old;
        struct flow *f = turns->head;
        if (!f)
            return NULL;
        if (f->deficit <= 0) {
            f->deficit += MTU;
            turns->head = f->next;
            enlist(&w->old, f);
            continue;
        }
        struct packet *p = w->aqm == FIFO ? take(w, f) : codel(w, f, now);
        if (p) {
            f->deficit -= p->wire;
            return p;
        }
        turns->head = f->next;
        f->listed = 0;
        if (turns == &w->fresh && w->old.head)
            enlist(&w->old, f);
    }
}

/* Serve what the link could have sent by now. */
static void serve(struct way *w, uint64_t now)
{
    while (w->backlog && w->free_at <= now) {
        struct packet *p = dequeue(w, w->free_at);
        if (!p)
            return;
        w->free_at += p->wire * w->ns_per_byte;
        p->due = w->free_at + w->delay + (w->jitter ? w->jitter * chance(w) : 0);
        if (p->due < w->last_due)
            p->due = w->last_due;
        w->last_due = p->due;
        push(&w->line, p);
    }
}
