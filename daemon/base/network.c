#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { MAPPED_BITS = 96, TEXT_MAX = INET6_ADDRSTRLEN };

static void map_v4(const void *four, uint8_t out[16])
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, four, 4);
}

/* True when nothing but zeros follows the first `bits`. */
static bool is_whole(const struct network *n)
{
    for (unsigned bit = n->bits; bit < 128; bit++)
        if (n->bytes[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static bool parse_bits(const char *text, unsigned most, uint8_t *bits)
{
    char *end;
    if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 3)
        return false;
    unsigned long n = strtoul(text, &end, 10);
    *bits = (uint8_t)n;
    return n <= most;
}

const char *network_parse(const char *text, struct network *n)
{
    char address[TEXT_MAX];
    struct in_addr four;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    uint8_t bits = 0;
    if (len >= sizeof address)
        return "is no address";
    memcpy(address, text, len);
    address[len] = '\0';
    bool v4 = inet_pton(AF_INET, address, &four) == 1;
    if (v4)
        map_v4(&four, n->bytes);
    else if (inet_pton(AF_INET6, address, n->bytes) != 1)
        return "is no network: write 10.0.0.0/8, 2001:db8::/32 or one address";
    if (slash && !parse_bits(slash + 1, v4 ? 32 : 128, &bits))
        return v4 ? "has a prefix length that is not 0 to 32" : "has a prefix length that is not 0 to 128";
    n->bits = slash ? (uint8_t)(v4 ? bits + MAPPED_BITS : bits) : 128;
    return is_whole(n) ? NULL : "has bits set behind its prefix: is the network or the length meant otherwise?";
}

static bool has_prefix(const uint8_t at[16], const struct network *n)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(at, n->bytes, whole) != 0)
        return false;
    return !rest || (at[whole] ^ n->bytes[whole]) >> (8 - rest) == 0;
}

bool network_holds(const struct network *n, const struct sockaddr *from)
{
    uint8_t at[16];
    if (from->sa_family == AF_INET)
        map_v4(&((const struct sockaddr_in *)(const void *)from)->sin_addr, at);
    else if (from->sa_family == AF_INET6)
        memcpy(at, ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr.s6_addr, sizeof at);
    else
        return false;
    return has_prefix(at, n);
}
