#include "io/resolve.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/pool.h"

enum { BUCKETS = 1024, HOST_MAX = 255, THREADS = 2, QUEUE_MAX = 256 };
#define KEEP_GOOD (30 * USEC_S)
#define KEEP_BAD (5 * USEC_S)
#define KEEP_STALE (6 * 3600 * USEC_S)
#define PATIENCE (250 * USEC_MS)       /* with last good addresses at hand, a slow resolver is not waited for longer */
#define QUEUE_PATIENCE (10 * USEC_S)   /* a look-up that stood in line longer is not made: nobody waits any more */

struct entry {
    struct list age;                   /* all, oldest first */
    struct entry *next;                /* in its bucket */
    char *host;                        /* lower case */
    struct resolve_answer last;        /* of the last look-up; count > 0 also when only older addresses are good */
    uint64_t good_at;                  /* when the addresses were found; 0 = there are none */
    uint64_t fresh_until;              /* no new look-up before */
    bool busy;                         /* a look-up is under way */
    struct list waiting;
    struct timer patience;
};

/* One who waits. */
struct resolve {
    struct list link;
    resolve_fn *fn;
    void *arg;
};

/* Self-contained: the thread sees this and nothing else. */
struct lookup {
    struct pool_job job;
    struct entry *entry;               /* the loop's; pinned while busy */
    uint64_t asked;
    int result, system_error;
    unsigned count;
    struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];
    char host[];
};

static struct pool *pool;
static struct entry *buckets[BUCKETS];
static struct list entries = { &entries, &entries };
static struct resolve_stats stats;

/* ---- numeric ---- */

static bool numeric_v6(const char *host, struct resolve_address *a)
{
    char text[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t len = zone ? (size_t)(zone - host) : strlen(host);
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    if (inet_pton(AF_INET6, text, &a->u.v6.sin6_addr) != 1)
        return false;
    if (zone) {
        char *end;
        unsigned long scope = if_nametoindex(zone + 1);
        if (!scope)
            scope = strtoul(zone + 1, &end, 10);
        if (!scope || scope > UINT32_MAX)
            return false;
        a->u.v6.sin6_scope_id = (uint32_t)scope;
    }
    a->u.v6.sin6_family = AF_INET6;
    a->len = sizeof a->u.v6;
    return true;
}

bool resolve_numeric(const char *host, struct resolve_address *a)
{
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &a->u.v4.sin_addr) == 1) {
        a->u.v4.sin_family = AF_INET;
        a->len = sizeof a->u.v4;
        return true;
    }
    return strchr(host, ':') && numeric_v6(host, a);
}

/* ---- the thread's side ---- */

/* Families in turn, IPv6 first; within a family the order of getaddrinfo, which knows the rules of address selection. */
static void interleave(struct lookup *l, const struct addrinfo *list)
{
    const struct addrinfo *next[2] = { list, list };
    static const int families[2] = { AF_INET6, AF_INET };
    for (unsigned turn = 0; (next[0] || next[1]) && l->count < RESOLVE_ADDRESSES_MAX; turn ^= 1) {
        const struct addrinfo *at = next[turn];
        while (at && at->ai_family != families[turn])
            at = at->ai_next;
        next[turn] = at ? at->ai_next : NULL;
        if (!at || at->ai_addrlen > sizeof l->addresses->u)
            continue;
        memcpy(&l->addresses[l->count].u, at->ai_addr, at->ai_addrlen);
        l->addresses[l->count++].len = at->ai_addrlen;
    }
}

static void look_up(struct pool_job *job)
{
    struct lookup *l = LIST_OWNER(job, struct lookup, job);
    /* No AI_ADDRCONFIG: it does not count loopback, so in a namespace that has nothing else it hides ::1 and 127.0.0.1.
     * An address that cannot be reached fails at once, and the next one is tried. */
    static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    l->result = EAI_AGAIN;
    if (clock_now() > l->asked + QUEUE_PATIENCE)
        return;
    l->result = getaddrinfo(l->host, NULL, &hints, &list);
    l->system_error = errno;
    if (l->result == 0) {
        interleave(l, list);
        freeaddrinfo(list);
    }
}

/* ---- the cache ---- */

static unsigned bucket_of(const char *host)
{
    uint32_t h = 2166136261u;
    for (; *host; host++)
        h = (h ^ (unsigned char)*host) * 16777619u;
    return h % BUCKETS;
}

static void entry_drop(struct entry *e)
{
    for (struct entry **at = &buckets[bucket_of(e->host)]; *at; at = &(*at)->next)
        if (*at == e) {
            *at = e->next;
            break;
        }
    list_remove(&e->age);
    timer_clear(loop_timers(), &e->patience);
    mem_free(e->host);
    mem_free(e);
    stats.cached--;
}

static void make_room(void)
{
    LIST_EACH(l, &entries) {
        struct entry *e = LIST_OWNER(l, struct entry, age);
        if (e->busy)
            continue;
        entry_drop(e);
        return;
    }
}

static void patience_ends(struct timer *t, uint64_t now);

static struct entry *entry_of(const char *host)
{
    unsigned b = bucket_of(host);
    for (struct entry *e = buckets[b]; e; e = e->next)
        if (!strcmp(e->host, host))
            return e;
    if (stats.cached >= RESOLVE_CACHE_MAX)
        make_room();
    struct entry *e = mem_alloc(sizeof *e);
    e->host = mem_copy(host);
    e->next = buckets[b];
    buckets[b] = e;
    list_init(&e->waiting);
    list_append(&entries, &e->age);
    timer_init(&e->patience, patience_ends);
    stats.cached++;
    return e;
}

static bool has_addresses(const struct entry *e, uint64_t now)
{
    return e->good_at && now < e->good_at + KEEP_STALE;
}

/* ---- answers ---- */

static void tell(const struct resolve_answer *answer, resolve_fn *fn, void *arg)
{
    stats.stale += answer->stale;
    fn(arg, answer);
}

static void tell_all(struct entry *e, const struct resolve_answer *shared)
{
    struct resolve_answer answer = *shared; /* the entry may change under a callback */
    struct list batch;
    list_init(&batch);
    while (!list_empty(&e->waiting)) {
        struct list *l = list_first(&e->waiting);
        list_remove(l);
        list_append(&batch, l);
    }
    for (struct list *l; (l = list_first(&batch));) { /* a callback may cancel another of the batch */
        struct resolve *r = LIST_OWNER(l, struct resolve, link), gone = *r;
        resolve_cancel(r);
        tell(&answer, gone.fn, gone.arg);
    }
}

static void say_stale(struct entry *e, const char *why)
{
    e->last.stale = true;
    e->last.error = why;
}

static void patience_ends(struct timer *t, uint64_t now)
{
    struct entry *e = TIMER_OWNER(t, struct entry, patience);
    (void)now;
    say_stale(e, "the resolver does not answer");
    tell_all(e, &e->last);
}

static bool is_final(int result)
{
    return result == EAI_NONAME || result == EAI_NODATA || result == EAI_ADDRFAMILY;
}

static void learn(struct entry *e, const struct lookup *l, uint64_t now)
{
    e->busy = false;
    timer_clear(loop_timers(), &e->patience);
    e->fresh_until = now + (l->count ? KEEP_GOOD : KEEP_BAD);
    if (l->count) {
        e->good_at = now;
        e->last = (struct resolve_answer){ .count = l->count };
        memcpy(e->last.addresses, l->addresses, sizeof l->addresses);
        return;
    }
    stats.failures++;
    const char *why = l->result == EAI_SYSTEM ? strerrordesc_np(l->system_error) : l->result ? gai_strerror(l->result) : "the name has no address";
    if (has_addresses(e, now) && !is_final(l->result) && l->result) {
        say_stale(e, why);
        return;
    }
    e->good_at = 0;
    e->last = (struct resolve_answer){ .error = why };
}

static void looked_up(struct pool_job *job)
{
    struct lookup *l = LIST_OWNER(job, struct lookup, job);
    struct entry *e = l->entry;
    learn(e, l, clock_now());
    mem_free(l);
    tell_all(e, &e->last); /* last: a callback may evict the entry */
}

static bool look_up_later(struct entry *e, uint64_t now)
{
    size_t len = strlen(e->host) + 1;
    struct lookup *l = mem_alloc(sizeof *l + len);
    l->job.run = look_up;
    l->job.done = looked_up;
    l->entry = e;
    l->asked = now;
    memcpy(l->host, e->host, len);
    if (!pool)
        pool = pool_new("resolver", THREADS, QUEUE_MAX);
    if (!pool_submit(pool, &l->job)) {
        mem_free(l);
        return false;
    }
    e->busy = true;
    if (has_addresses(e, now))
        timer_set(loop_timers(), &e->patience, now + PATIENCE);
    return true;
}

static struct resolve *wait_for(struct entry *e, resolve_fn *fn, void *arg)
{
    struct resolve *r = mem_alloc(sizeof *r);
    r->fn = fn;
    r->arg = arg;
    list_append(&e->waiting, &r->link);
    stats.waiting++;
    return r;
}

void resolve_cancel(struct resolve *r)
{
    list_remove(&r->link);
    stats.waiting--;
    mem_free(r);
}

static bool lower(const char *host, char out[HOST_MAX + 1])
{
    size_t len = strlen(host);
    if (len == 0 || len > HOST_MAX)
        return false;
    for (size_t i = 0; i <= len; i++)
        out[i] = (char)tolower((unsigned char)host[i]);
    return true;
}

static struct resolve *answer_now(const struct resolve_answer *known, resolve_fn *fn, void *arg)
{
    struct resolve_answer answer = *known;
    tell(&answer, fn, arg);
    return NULL;
}

struct resolve *resolve_name(const char *host, resolve_fn *fn, void *arg)
{
    char name[HOST_MAX + 1] = "";
    struct resolve_answer answer = { 0 };
    if (resolve_numeric(host, &answer.addresses[0])) {
        answer.count = 1;
        return answer_now(&answer, fn, arg);
    }
    if (!lower(host, name)) {
        answer.error = "not a name: empty, or longer than 255 bytes";
        return answer_now(&answer, fn, arg);
    }
    uint64_t now = clock_now();
    struct entry *e = entry_of(name);
    if (e->last.count && !has_addresses(e, now)) { /* hours old: of no use any more */
        e->good_at = 0;
        e->last = (struct resolve_answer){ .error = e->last.error };
    }
    if (!e->busy && now < e->fresh_until) {
        stats.hits++;
        return answer_now(&e->last, fn, arg);
    }
    stats.misses++;
    if (!e->busy && !look_up_later(e, now)) {
        stats.refused++;
        answer.refused = true;
        answer.error = "no thread takes the look-up: too many wait, or none can be started";
        if (has_addresses(e, now))
            say_stale(e, answer.error);
        return answer_now(has_addresses(e, now) ? &e->last : &answer, fn, arg);
    }
    if (has_addresses(e, now) && !timer_is_set(&e->patience)) /* it ran out for those before */
        return answer_now(&e->last, fn, arg);
    return wait_for(e, fn, arg);
}

void resolve_stats(struct resolve_stats *s)
{
    *s = stats;
}
