/* DNS messages, RFC 1035: one question out, one answer in. Pure, strict, nothing allocated; every name and every walk
 * along compression pointers is bounded. */
#ifndef PROBES_DNS_MESSAGE_H
#define PROBES_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DNS_NAME_MAX = 1024,        /* as text, escapes included */
    DNS_WIRE_NAME_MAX = 255,
    DNS_HEADER = 12,
    DNS_QUERY_MAX = DNS_HEADER + DNS_WIRE_NAME_MAX + 4,
    DNS_VALUE_MAX = 2304,       /* a record's data as text; what is longer is cut */
    DNS_UDP_MAX = 4096,
};

struct dns_type { const char *name; uint16_t number; };
extern const struct dns_type dns_types[];            /* ended by a row without a name; in the order of dns_type_words */
extern const char *const dns_type_words[];           /* A, AAAA ...: for the option row */

/* A query: recursion desired, one question of class IN. Its length, or 0 when the name is not one. */
size_t dns_query(uint8_t out[DNS_QUERY_MAX], uint16_t id, const char *name, uint16_t type);
/* The name under which an address is looked up: 4.3.2.1.in-addr.arpa. False when it is no address. */
bool dns_reverse_name(const char *address, char *room, size_t size);

struct dns_answer {
    const uint8_t *bytes;
    size_t len, at;             /* at: the next record */
    unsigned rcode, left;       /* answer records not read yet */
    bool truncated;
};
struct dns_record {
    uint16_t type;
    uint32_t ttl;
    char value[DNS_VALUE_MAX];
};

/* Is this the answer to that query (id, question, QR)? NULL when it is and its head is sound; else why not. */
const char *dns_answer_open(const uint8_t *bytes, size_t len, const uint8_t *query, size_t query_len, struct dns_answer *);
/* The next record of class IN in the answer section. 1: one; 0: no more; -1: malformed. */
int dns_answer_next(struct dns_answer *, struct dns_record *);
const char *dns_rcode_text(unsigned rcode);

/* Do two values say the same? Names without regard to case and a last dot, addresses by value, texts exactly. */
bool dns_same(uint16_t type, const char *a, const char *b);

#endif
