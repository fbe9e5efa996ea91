#include "front/source.h"

#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

enum { BUCKETS = 1024 };         /* sources are at most as many as connections */

static struct source *buckets[BUCKETS];

static bool key_of(const struct sockaddr_storage *at, uint64_t key[2])
{
    key[0] = key[1] = 0;
    if (at->ss_family == AF_INET) {
        key[1] = ((const struct sockaddr_in *)(const void *)at)->sin_addr.s_addr;
        return true;
    }
    if (at->ss_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(six))
        memcpy(&key[1], six->s6_addr + 12, 4);
    else
        memcpy(&key[0], six->s6_addr, 8);
    return true;
}

static struct source **find(const struct listener *l, const uint64_t key[2])
{
    uint64_t h = (key[0] ^ key[1] ^ (uintptr_t)l) * UINT64_C(0x9e3779b97f4a7c15);
    struct source **at = &buckets[h >> 54];
    while (*at && ((*at)->listener != l || (*at)->key[0] != key[0] || (*at)->key[1] != key[1]))
        at = &(*at)->next;
    return at;
}

struct source *source_enter(const struct listener *l, const struct sockaddr_storage *from)
{
    uint64_t key[2];
    if (!key_of(from, key))
        return NULL;
    struct source **at = find(l, key);
    if (!*at) {
        struct source *s = mem_alloc(sizeof *s);
        s->listener = l;
        s->key[0] = key[0];
        s->key[1] = key[1];
        list_init(&s->waiting);
        list_init(&s->shaking);
        *at = s;
    }
    (*at)->connections++;
    return *at;
}

void source_leave(struct source *s)
{
    if (!s || --s->connections > 0)
        return;
    struct source **at = find(s->listener, s->key);
    *at = s->next;
    mem_free(s);
}
