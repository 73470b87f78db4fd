/*
 * IP packets, and TCP packets of many segments that are cut where one is lost.
 */

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Whether packets carry a virtio_net_hdr before their IP header, and how long it is. */
static int gso;
static size_t prefix;

struct packet {
    struct packet *next;
    uint64_t at, due;
    uint32_t wire, length, segments;
    unsigned char data[];
};

struct list {
    struct packet *head, *tail;
};

static void push(struct list *l, struct packet *p)
{
    p->next = NULL;
    if (l->head)
        l->tail->next = p;
    else
        l->head = p;
    l->tail = p;
}

static struct packet *shift(struct list *l)
{
    struct packet *p = l->head;
    if (p)
        l->head = p->next;
    return p;
}

static size_t header_bytes(const struct packet *p)
{
    const struct virtio_net_hdr *v = (const void *)p->data;
    return v->csum_start + (p->data[prefix + v->csum_start + 12] >> 4) * 4;
}

static uint32_t sum16(const unsigned char *data, size_t length)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += data[i] << 8 | data[i + 1];
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void put16(unsigned char *at, uint16_t value)
{
    at[0] = value >> 8;
    at[1] = value;
}

static void measure(struct packet *p)
{
    const struct virtio_net_hdr *v = (const void *)p->data;
    p->segments = 1;
    p->wire = p->length - prefix;
    if (gso && v->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        size_t header = header_bytes(p), payload = p->wire - header;
        p->segments = (payload + v->gso_size - 1) / v->gso_size;
        p->wire = payload + p->segments * header;
    }
}

/* Give some of a packet's segments as a packet of its own. */
static struct packet *cut(const struct packet *p, uint32_t from, uint32_t count)
{
    const struct virtio_net_hdr *v = (const void *)p->data;
    size_t header = header_bytes(p), size = v->gso_size, start = from * size;
    size_t payload = p->length - prefix - header - start;
    int last = payload <= count * size;
    if (!last)
        payload = count * size;
    struct packet *piece = malloc(sizeof *piece + prefix + header + payload);
    memcpy(piece->data, p->data, prefix + header);
    memcpy(piece->data + prefix + header, p->data + prefix + header + start, payload);
    piece->at = p->at;
    piece->length = prefix + header + payload;
    struct virtio_net_hdr *w = (void *)piece->data;
    unsigned char *ip = piece->data + prefix, *tcp = ip + w->csum_start;
    uint32_t seq, tcp_length = header + payload - w->csum_start, sum = 6 + tcp_length;
    if (payload <= size)
        w->gso_type = VIRTIO_NET_HDR_GSO_NONE, w->gso_size = 0;
    if (ip[0] >> 4 == 4) {
        put16(ip + 2, header + payload);
        put16(ip + 4, (ip[4] << 8 | ip[5]) + from);
        put16(ip + 10, 0);
        put16(ip + 10, ~fold(sum16(ip, (ip[0] & 15) * 4)));
        sum += sum16(ip + 12, 8);
    } else {
        put16(ip + 4, header + payload - 40);
        sum += sum16(ip + 8, 32);
    }
    memcpy(&seq, tcp + 4, 4);
    seq = htonl(ntohl(seq) + start);
    memcpy(tcp + 4, &seq, 4);
    tcp[13] &= (last ? 0xff : 0xf6) & (from ? 0x7f : 0xff); /* FIN, PSH: last; CWR: first */
    put16(tcp + 16, fold(sum));
    measure(piece);
    return piece;
}
