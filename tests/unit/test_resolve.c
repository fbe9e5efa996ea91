#include "unit.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/resolve.h"

/* ---- a resolver that does as it is told, in place of the C library's ---- */

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static atomic_int script;              /* the error to answer with; 0 = addresses */
static atomic_uint asked;
static atomic_bool held;
static sem_t go;

static struct addrinfo *addresses(const char *const *texts, getaddrinfo_fn *real)
{
    struct addrinfo *list = NULL, **end = &list, hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    for (; *texts; texts++, end = &(*end)->ai_next)
        if (real(*texts, NULL, &hints, end) != 0)
            abort();
    return list;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    static const char *const few[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", NULL };
    getaddrinfo_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!strstr(host, ".test"))
        return real(host, port, hints, out);
    asked++;
    if (held)
        while (sem_wait(&go) < 0) {
        }
    if (script) {
        errno = ENETDOWN;
        return script;
    }
    *out = addresses(few, real);
    return 0;
}

static _Atomic uint64_t skew;
static uint64_t skewed(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000 + skew;
}

struct seen { unsigned calls; struct resolve_answer answer; };

static void note(void *arg, const struct resolve_answer *a)
{
    struct seen *s = arg;
    s->calls++;
    s->answer = *a;
}

static void start(void)
{
    clock_replace(skewed, NULL);
    sem_init(&go, 0, 0);
    loop_open();
}

static void turn(void)
{
    loop_wait(timer_next(loop_timers()));
    timer_run(loop_timers(), loop_now());
}

static void until(const unsigned *counter, unsigned n)
{
    while (*counter < n)
        turn();
}

static struct resolve_answer answer_of(const char *host)
{
    struct seen s = { 0 };
    resolve_name(host, note, &s);
    until(&s.calls, 1);
    CHECK_INT(s.calls, 1);
    return s.answer;
}

static const char *text(const struct resolve_answer *a, unsigned i)
{
    static char texts[4][INET6_ADDRSTRLEN];
    static unsigned next;
    char *out = texts[next++ % 4];
    const struct resolve_address *at = &a->addresses[i];
    return inet_ntop(at->u.any.sa_family, at->u.any.sa_family == AF_INET ? (const void *)&at->u.v4.sin_addr : (const void *)&at->u.v6.sin6_addr, out, INET6_ADDRSTRLEN);
}

static struct resolve_stats stats(void)
{
    struct resolve_stats s;
    resolve_stats(&s);
    return s;
}

TEST(numeric_hosts_are_answered_at_once_without_a_thread)
{
    static const char *const good[] = { "127.0.0.1", "::1", "2001:DB8::7", "::ffff:1.2.3.4", "fe80::1%lo", "fe80::1%1" };
    static const char *const bad[] = { "127.1", "1", "0x7f.0.0.1", "localhost", "::1%", "fe80::1%nosuchinterface", ":", "", "1.2.3.4.5", "[::1]" };
    start();
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        struct seen s = { 0 };
        CHECK(!resolve_name(good[i], note, &s));
        CHECK_INT(s.calls, 1);
        CHECK_INT(s.answer.count, 1);
        CHECK_INT(s.answer.addresses[0].u.v6.sin6_port, 0);
    }
    struct resolve_address a;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!resolve_numeric(bad[i], &a));
    CHECK(resolve_numeric("fe80::1%lo", &a));
    CHECK(a.u.v6.sin6_scope_id > 0);
    CHECK_INT(stats().misses, 0);
    CHECK_INT(stats().cached, 0);
}

TEST(impossible_names_fail_at_once)
{
    char longer[300];
    memset(longer, 'a', sizeof longer);
    longer[299] = '\0';
    start();
    CHECK_INT(answer_of("").count, 0);
    CHECK(answer_of(longer).error != NULL);
    CHECK_INT(stats().misses, 0);
}

TEST(localhost_is_found_for_real)
{
    start();
    struct resolve_answer a = answer_of("localhost");
    CHECK(a.count >= 1);
    bool loopback = false;
    for (unsigned i = 0; i < a.count; i++)
        loopback |= !strcmp(text(&a, i), "127.0.0.1") || !strcmp(text(&a, i), "::1");
    CHECK(loopback);
    a = answer_of("no-such-name.invalid");
    CHECK_INT(a.count, 0);
    CHECK(a.error != NULL);
}

TEST(families_alternate_ipv6_first)
{
    start();
    struct resolve_answer a = answer_of("some.test");
    CHECK_INT(a.count, 4);
    CHECK_TEXT(text(&a, 0), "2001:db8::1");
    CHECK_TEXT(text(&a, 1), "192.0.2.1");
    CHECK_TEXT(text(&a, 2), "192.0.2.2");
    CHECK_TEXT(text(&a, 3), "192.0.2.3");
    CHECK(!a.stale && !a.refused && !a.error);
}

TEST(one_look_up_serves_all_who_ask_meanwhile)
{
    struct seen s = { 0 }, cancelled = { 0 };
    start();
    held = true;
    for (unsigned i = 0; i < 10; i++)
        CHECK(resolve_name(i % 2 ? "some.test" : "SOME.Test", note, &s) != NULL);
    struct resolve *r = resolve_name("some.test", note, &cancelled);
    CHECK_INT(stats().waiting, 11);
    resolve_cancel(r);
    sem_post(&go);
    until(&s.calls, 10);
    CHECK_INT(asked, 1);
    CHECK_INT(cancelled.calls, 0);
    CHECK_INT(stats().waiting, 0);
}

static struct resolve *other;
static void cancels_the_other(void *arg, const struct resolve_answer *a)
{
    (void)a;
    ++*(unsigned *)arg;
    resolve_cancel(other);
    struct seen s = { 0 };
    CHECK(!resolve_name("some.test", note, &s)); /* from the cache, inside a callback */
    CHECK_INT(s.calls, 1);
}

TEST(a_callback_may_cancel_its_neighbour_and_ask_again)
{
    struct seen s = { 0 };
    unsigned calls = 0;
    start();
    held = true;
    resolve_name("some.test", cancels_the_other, &calls);
    other = resolve_name("some.test", note, &s);
    sem_post(&go);
    until(&calls, 1);
    CHECK_INT(s.calls, 0);
    CHECK_INT(stats().waiting, 0);
}

TEST(good_answers_are_kept_30_s_and_bad_ones_5_s)
{
    start();
    answer_of("some.test");
    skew += 29 * USEC_S;
    answer_of("some.test");
    CHECK_INT(asked, 1);
    skew += 2 * USEC_S;
    answer_of("some.test");
    CHECK_INT(asked, 2);

    script = EAI_NONAME;
    CHECK_INT(answer_of("none.test").count, 0);
    skew += 4 * USEC_S;
    CHECK_TEXT(answer_of("none.test").error, gai_strerror(EAI_NONAME));
    CHECK_INT(asked, 3);
    skew += 2 * USEC_S;
    answer_of("none.test");
    CHECK_INT(asked, 4);
    CHECK_INT(stats().failures, 2);
}

TEST(the_last_good_addresses_outlive_a_dead_resolver_for_hours)
{
    start();
    answer_of("some.test");
    script = EAI_AGAIN;
    skew += 31 * USEC_S;
    struct resolve_answer a = answer_of("some.test");
    CHECK_INT(a.count, 4);
    CHECK(a.stale);
    CHECK_TEXT(a.error, gai_strerror(EAI_AGAIN));
    CHECK_INT(asked, 2);
    CHECK(answer_of("some.test").stale); /* also from the cache */
    CHECK_INT(asked, 2);
    script = EAI_SYSTEM;
    skew += 3 * 3600 * USEC_S;
    a = answer_of("some.test");
    CHECK(a.stale && a.count == 4);
    CHECK_TEXT(a.error, "Network is down");
    skew += 4 * 3600 * USEC_S;
    a = answer_of("some.test");
    CHECK_INT(a.count, 0);
    CHECK(!a.stale);

    script = 0;
    skew += 6 * USEC_S;
    a = answer_of("some.test");
    CHECK(a.count == 4 && !a.stale);
}

TEST(a_name_that_is_gone_is_not_kept)
{
    start();
    answer_of("some.test");
    script = EAI_NONAME;
    skew += 31 * USEC_S;
    CHECK_INT(answer_of("some.test").count, 0);
    script = EAI_AGAIN;
    skew += 6 * USEC_S;
    CHECK_INT(answer_of("some.test").count, 0);
}

TEST(a_slow_resolver_is_not_waited_for_when_there_are_older_addresses)
{
    struct seen first = { 0 }, second = { 0 };
    start();
    answer_of("some.test");
    held = true;
    skew += 31 * USEC_S;
    CHECK(resolve_name("some.test", note, &first) != NULL);
    until(&first.calls, 1); /* the thread still hangs */
    CHECK(first.answer.stale && first.answer.count == 4);
    CHECK(!resolve_name("some.test", note, &second)); /* its patience is used up: at once */
    CHECK(second.calls == 1 && second.answer.stale);
    sem_post(&go);
    while (answer_of("some.test").stale)
        loop_wait(0);
    CHECK_INT(asked, 2);
}

TEST(a_full_queue_is_our_own_fault)
{
    struct seen s = { 0 };
    char name[64];
    unsigned n = 0;
    start();
    held = true;
    for (struct resolve *r = NULL; n == 0 || r; n++) {
        snprintf(name, sizeof name, "n%u.test", n);
        r = resolve_name(name, note, &s);
    }
    CHECK(s.answer.refused);
    CHECK(n >= 257 && n <= 259); /* 256 in line and what the two threads took meanwhile */
    CHECK_INT(stats().refused, 1);
    while (asked < 2) { /* both threads are in it */
    }
    skew += 11 * USEC_S;
    sem_post(&go);
    sem_post(&go);
    until(&s.calls, n); /* those that stood in line too long are not even tried */
    CHECK_INT(asked, 2);
    CHECK_INT(stats().failures, n - 3); /* all but the two that ran and the one that was refused */
}

TEST(the_cache_is_bounded)
{
    char name[64];
    start();
    for (unsigned i = 0; i < RESOLVE_CACHE_MAX + 10; i++) {
        snprintf(name, sizeof name, "n%u.test", i);
        answer_of(name);
    }
    CHECK_INT(stats().cached, RESOLVE_CACHE_MAX);
    unsigned before = asked;
    answer_of(name);
    CHECK_INT(asked, before);
    answer_of("n0.test"); /* the oldest went first */
    CHECK_INT(asked, before + 1);
}
