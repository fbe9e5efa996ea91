#include "dns_message.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LABEL_MAX = 63, JUMPS_MAX = 64, CLASS_IN = 1 };
enum { A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, CAA = 257 };

const struct dns_type dns_types[] = {
    { "A", A }, { "AAAA", AAAA }, { "CNAME", CNAME }, { "MX", MX }, { "TXT", TXT },
    { "NS", NS }, { "SRV", SRV }, { "PTR", PTR }, { "SOA", SOA }, { "CAA", CAA }, { NULL, 0 },
};
const char *const dns_type_words[] = { "A", "AAAA", "CNAME", "MX", "TXT", "NS", "SRV", "PTR", "SOA", "CAA", NULL };
_Static_assert(sizeof dns_types / sizeof *dns_types == sizeof dns_type_words / sizeof *dns_type_words, "a word for every type");

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

static uint8_t *put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

/* ---- the question ----------------------------------------------------------------------------------------- */

static size_t put_name(uint8_t *out, const char *name)
{
    size_t at = 0;
    if (!strcmp(name, "."))
        name = "";
    while (*name) {
        size_t len = strcspn(name, ".");
        if (!len || len > LABEL_MAX || at + len + 2 > DNS_WIRE_NAME_MAX)
            return 0;
        out[at++] = (uint8_t)len;
        memcpy(out + at, name, len);
        at += len;
        name += len;
        if (*name == '.')
            name++;
    }
    out[at++] = 0;
    return at;
}

size_t dns_query(uint8_t out[DNS_QUERY_MAX], uint16_t id, const char *name, uint16_t type)
{
    enum { RECURSION_DESIRED = 0x0100 };
    memset(out, 0, DNS_HEADER);
    put16(out, id);
    put16(out + 2, RECURSION_DESIRED);
    put16(out + 4, 1);
    size_t len = put_name(out + DNS_HEADER, name);
    if (!len)
        return 0;
    uint8_t *at = out + DNS_HEADER + len;
    put16(put16(at, type), CLASS_IN);
    return DNS_HEADER + len + 4;
}

bool dns_reverse_name(const char *address, char *room, size_t size)
{
    uint8_t b[16];
    if (inet_pton(AF_INET, address, b) == 1)
        return snprintf(room, size, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]) < (int)size;
    if (inet_pton(AF_INET6, address, b) != 1 || size < 74)
        return false;
    for (unsigned i = 0; i < 16; i++, room += 4)
        snprintf(room, 5, "%x.%x.", b[15 - i] & 15, b[15 - i] >> 4);
    memcpy(room, "ip6.arpa", 9);
    return true;
}

/* ---- text that is built ----------------------------------------------------------------------------------- */

struct text { char *at; size_t len, size; };

static void add(struct text *t, const char *bytes, size_t len)
{
    size_t room = t->size - 1 - t->len, n = len < room ? len : room;
    memcpy(t->at + t->len, bytes, n);
    t->len += n;
    t->at[t->len] = '\0';
}

static void add_number(struct text *t, const char *before, uint32_t value)
{
    char number[16];
    int n = snprintf(number, sizeof number, "%s%u", before, value);
    add(t, number, (size_t)n);
}

static size_t escape_byte(char four[5], uint8_t byte)
{
    return (size_t)snprintf(four, 5, "\\%03u", byte);
}

/* As zone files write it: \DDD for what is not printable, a backslash before dots inside of labels. */
static void add_escaped(struct text *t, const uint8_t *bytes, size_t len, bool label)
{
    for (size_t i = 0; i < len; i++) {
        char four[5];
        bool plain = bytes[i] > 0x20 && bytes[i] < 0x7f;
        if (plain && label && (bytes[i] == '.' || bytes[i] == '\\'))
            add(t, "\\", 1);
        if (plain || (bytes[i] == ' ' && !label))
            add(t, (const char *)&bytes[i], 1);
        else
            add(t, four, escape_byte(four, bytes[i]));
    }
}

/* ---- names ------------------------------------------------------------------------------------------------ */

/* Appends the name at *at as text (NULL: only passes over it) and moves *at behind it. A pointer must lead to an
 * earlier place than the one before, so that no ring is possible. */
static bool take_name(const uint8_t *bytes, size_t len, size_t *at, struct text *out)
{
    size_t i = *at, limit = i, wire = 0;
    bool jumped = false, first = true;
    for (unsigned jumps = 0;;) {
        if (i >= len)
            return false;
        uint8_t n = bytes[i];
        if ((n & 0xc0) == 0xc0) {
            if (i + 1 >= len || ++jumps > JUMPS_MAX)
                return false;
            size_t to = (size_t)(n & 0x3f) << 8 | bytes[i + 1];
            if (!jumped)
                *at = i + 2;
            if (to >= limit)
                return false;
            jumped = true;
            i = limit = to;
            continue;
        }
        wire += (size_t)n + 1;
        if (n > LABEL_MAX || wire > DNS_WIRE_NAME_MAX || i + 1 + n > len)
            return false;
        if (!n)
            break;
        if (out && !first)
            add(out, ".", 1);
        if (out)
            add_escaped(out, bytes + i + 1, n, true);
        first = false;
        i += (size_t)n + 1;
    }
    if (out && first)
        add(out, ".", 1);
    if (!jumped)
        *at = i + 1;
    return true;
}

/* ---- the answer ------------------------------------------------------------------------------------------- */

/* The question comes back as it was asked, but for the case of its letters. */
static bool same_question(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool letters = (a[i] | 0x20) >= 'a' && (a[i] | 0x20) <= 'z';
        if (a[i] != b[i] && !(letters && (a[i] ^ b[i]) == 0x20))
            return false;
    }
    return true;
}

const char *dns_answer_open(const uint8_t *bytes, size_t len, const uint8_t *query, size_t query_len, struct dns_answer *a)
{
    enum { RESPONSE = 0x8000, OPCODE = 0x7800, TRUNCATED = 0x0200 };
    *a = (struct dns_answer){ .bytes = bytes, .len = len };
    if (len < DNS_HEADER || get16(bytes) != get16(query))
        return "another id";
    uint16_t flags = get16(bytes + 2);
    if (!(flags & RESPONSE) || (flags & OPCODE))
        return "not an answer";
    a->rcode = flags & 15;
    a->truncated = flags & TRUNCATED;
    a->at = DNS_HEADER;
    /* servers that cannot even parse the question leave it out */
    if (!get16(bytes + 4) && a->rcode && !get16(bytes + 6))
        return NULL;
    if (get16(bytes + 4) != 1 || len < query_len || !same_question(bytes + DNS_HEADER, query + DNS_HEADER, query_len - DNS_HEADER))
        return "another question";
    a->at = query_len;
    a->left = get16(bytes + 6);
    return NULL;
}

/* Numbers of 16 bits, then names: what MX, SRV and the plain name types consist of. */
static bool take_names(const struct dns_answer *a, size_t at, size_t end, unsigned numbers, unsigned names, struct text *t)
{
    for (unsigned i = 0; i < numbers; i++, at += 2) {
        if (at + 2 > end)
            return false;
        add_number(t, t->len ? " " : "", get16(a->bytes + at));
    }
    for (unsigned i = 0; i < names; i++) {
        if (t->len)
            add(t, " ", 1);
        if (at >= end || !take_name(a->bytes, a->len, &at, t) || at > end)
            return false;
    }
    return at == end;
}

static bool take_soa(const struct dns_answer *a, size_t at, size_t end, struct text *t)
{
    enum { NUMBERS = 20 };
    if (end - at < NUMBERS + 2 || !take_names(a, at, end - NUMBERS, 0, 2, t))
        return false;
    for (size_t i = end - NUMBERS; i < end; i += 4)
        add_number(t, " ", get32(a->bytes + i));
    return true;
}

static bool take_txt(const struct dns_answer *a, size_t at, size_t end, struct text *t)
{
    while (at < end) {
        size_t n = a->bytes[at++];
        if (n > end - at)
            return false;
        add_escaped(t, a->bytes + at, n, false);
        at += n;
    }
    return true;
}

static bool take_caa(const struct dns_answer *a, size_t at, size_t end, struct text *t)
{
    if (end - at < 2 || !a->bytes[at + 1] || a->bytes[at + 1] > end - at - 2)
        return false;
    add_number(t, "", a->bytes[at]);
    add(t, " ", 1);
    size_t tag = a->bytes[at + 1], value = at + 2 + tag;
    add_escaped(t, a->bytes + at + 2, tag, false);
    add(t, " ", 1);
    add_escaped(t, a->bytes + value, end - value, false);
    return true;
}

static bool take_data(const struct dns_answer *a, uint16_t type, size_t at, size_t end, struct text *t)
{
    size_t len = end - at;
    switch (type) {
    case A:
    case AAAA:
        if (len != (type == A ? 4 : 16) || !inet_ntop(type == A ? AF_INET : AF_INET6, a->bytes + at, t->at, (socklen_t)t->size))
            return false;
        return true;
    case MX: return take_names(a, at, end, 1, 1, t);
    case SRV: return take_names(a, at, end, 3, 1, t);
    case NS:
    case CNAME:
    case PTR: return take_names(a, at, end, 0, 1, t);
    case SOA: return take_soa(a, at, end, t);
    case TXT: return take_txt(a, at, end, t);
    case CAA: return take_caa(a, at, end, t);
    }
    return true; /* a type that nobody asked for */
}

int dns_answer_next(struct dns_answer *a, struct dns_record *r)
{
    while (a->left) {
        if (!take_name(a->bytes, a->len, &a->at, NULL) || a->len - a->at < 10)
            return -1;
        const uint8_t *fixed = a->bytes + a->at;
        size_t data = a->at + 10, end = data + get16(fixed + 8);
        if (end > a->len)
            return -1;
        a->at = end;
        a->left--;
        r->type = get16(fixed);
        r->ttl = get32(fixed + 4) & 0x80000000u ? 0 : get32(fixed + 4); /* RFC 2181 8 */
        if (get16(fixed + 2) != CLASS_IN)
            continue;
        r->value[0] = '\0';
        struct text text = { r->value, 0, sizeof r->value };
        return take_data(a, r->type, data, end, &text) ? 1 : -1;
    }
    return 0;
}

const char *dns_rcode_text(unsigned rcode)
{
    static const char *const texts[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE" };
    return rcode < sizeof texts / sizeof *texts ? texts[rcode] : "an unknown code";
}

static size_t without_dot(const char *name)
{
    size_t len = strlen(name);
    return len > 1 && name[len - 1] == '.' ? len - 1 : len;
}

bool dns_same(uint16_t type, const char *a, const char *b)
{
    uint8_t x[16], y[16];
    size_t len = without_dot(a);
    switch (type) {
    case A:
    case AAAA:
        return inet_pton(type == A ? AF_INET : AF_INET6, a, x) == 1 && inet_pton(type == A ? AF_INET : AF_INET6, b, y) == 1 &&
               !memcmp(x, y, type == A ? 4 : 16);
    case TXT:
    case CAA:
        return !strcmp(a, b);
    }
    return len == without_dot(b) && !strncasecmp(a, b, len);
}
