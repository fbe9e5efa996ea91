#include "core/address.h"

#include <string.h>

#include "base/mem.h"
#include "core/assert.h"
#include "core/index.h"

enum { FIRST_BUCKETS = 64 };

static struct address **buckets;
static uint32_t bucket_count, address_count;


/* The host in "http://host:port/path", "[v6]:port", "host:port"; a socket's path as a whole. Length 0: not on the network. */
static size_t host_part(const char *target, const char **host)
{
    *host = target;
    if (!target || *target == '/')
        return 0;
    if (!strncmp(target, "unix:", 5))
        return strlen(target);
    const char *scheme = strstr(target, "://");
    const char *at = scheme ? scheme + 3 : target;
    size_t authority = strcspn(at, "/?#, ");
    const char *user = memrchr(at, '@', authority);
    if (user)
        at = user + 1;
    *host = at;
    size_t bracket = *at == '[' ? strcspn(at, "]") : 0;
    return bracket ? bracket : strcspn(at, ":/?#, ");
}

static void grow_buckets(void)
{
    uint32_t count = bucket_count ? bucket_count * 2 : FIRST_BUCKETS;
    struct address **wider = mem_alloc(count * sizeof *wider);
    for (uint32_t i = 0; i < bucket_count; i++)
        for (struct address *a = buckets[i], *next; a; a = next) {
            next = a->next;
            a->next = wider[a->key % count];
            wider[a->key % count] = a;
        }
    mem_free(buckets);
    buckets = wider;
    bucket_count = count;
}

struct address *address_hold(const char *target)
{
    const char *host;
    size_t len = host_part(target, &host);
    if (!len)
        return NULL;
    if (address_count >= bucket_count)
        grow_buckets();
    uint64_t key = index_hash(host, len);
    struct address *a = buckets[key % bucket_count];
    while (a && a->key != key)
        a = a->next;
    if (!a) {
        a = mem_alloc(sizeof *a);
        a->key = key;
        list_init(&a->waiting);
        a->next = buckets[key % bucket_count];
        buckets[key % bucket_count] = a;
        address_count++;
    }
    a->probes++;
    return a;
}

void address_release(struct address *a)
{
    if (!a || --a->probes)
        return;
    CORE_ASSERT(!a->in_flight && list_empty(&a->waiting));
    struct address **at = &buckets[a->key % bucket_count];
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    address_count--;
    mem_free(a);
}

void address_close(void)
{
    CORE_ASSERT(!address_count);
    mem_free(buckets);
    buckets = NULL;
    bucket_count = 0;
}
