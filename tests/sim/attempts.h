/* The simulated outside: chance, the names that probes may have, what an attempt of each comes to, and targets that break and
 * mend. What is checked about a single attempt is checked here, as it happens. */
#ifndef ATTEMPTS_H
#define ATTEMPTS_H

#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world_kit.h"

#include "plain.h"

enum { NAMES = 4096, GROUPS_MOST = 14, TARGETS = 12 };

/* ---- chance ---- */

static uint64_t chance_state;

static uint64_t chance(void)
{
    uint64_t z = chance_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
static uint64_t below(uint64_t n) { return n ? chance() % n : 0; }
static uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
static bool one_in(uint64_t n) { return below(n) == 0; }

/* ---- what there is ---- */

enum manner { STEADY, NOISY };      /* steady: tells the truth about its target; noisy: anything at all */

/* A name, its present options, and its target's real condition. */
struct name {
    char name[16];
    bool present;
    struct conf_probe policy;
    unsigned target;
    int64_t variant;
    enum manner manner;
    struct plain plain;
    /* the target */
    bool broken;
    uint64_t broken_at;
    struct timer flip, detect;
    bool disturbed;                 /* something since it broke excuses a late detection */
    /* schedule */
    struct vital_probe *handle;
    bool open;                      /* an attempt runs */
    bool answer_bad;
    uint64_t began, ended;          /* of the last attempt; 0 = none by this object */
    uint64_t interval; double jitter;   /* in force when it ended */
    bool unsettled;
    bool crowded, parting;          /* since its first start: once, the next settled interval is any part of a whole one */
    uint64_t free_from;             /* starts after this are not bound to the grid: reload, orders, lags */
    uint64_t nudged_at;
    bool confirmable;
    uint64_t starts;
};

static struct name names[NAMES];
static unsigned name_count;
static struct plain_world world;
static struct plain *by_index[NAMES];
static struct timer_heap replies, events;
static struct timer action, latest;
static uint64_t seed, expected, steps, checks, detections, reloads, stalls_seen;
static bool strict;                 /* neither lags nor caps: bounds are exact */
static bool expect_cancel;
static unsigned in_flight, most_in_flight, at_target[TARGETS];
static const char *doing = "";

static _Noreturn void broken(const struct name *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static _Noreturn void broken(const struct name *n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "sim: seed %llu, %.6f s, %s, after %s: ", (unsigned long long)seed, (double)(kit_time - KIT_BOOT) / 1e6, n ? n->name : "-", doing);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    abort();
}

#define MUST(n, condition) do { checks++; if (!(condition)) broken(n, "line %d: %s", __LINE__, #condition); } while (0)

static struct name *named(const char *name)
{
    return &names[strtoul(name + 1, NULL, 10)];
}

static uint64_t slots(unsigned count) { return (uint64_t)count * SLOT; }

/* ---- attempts ---- */

static void close_books(struct name *n)
{
    n->open = false;
    n->ended = kit_time;
    in_flight--;
    at_target[n->target]--;
}

static void take_outcome(struct name *n, enum vital_class class)
{
    const struct conf_probe *c = probe_conf(probe_of(n->handle));
    plain_outcome(&n->plain, c, class, kit_time);
    bool down = n->plain.bad[1];
    n->confirmable |= n->nudged_at >= n->began && c->on_edge == EDGE_CONFIRM; /* an edge meanwhile: what is the rule when it can be followed */
    n->unsettled = plain_is_unsettled(&n->plain);
    n->interval = n->unsettled ? c->interval_unsettled : down ? c->interval_down : c->interval;
    n->jitter = n->unsettled || down ? c->jitter_unsettled : c->jitter;
    n->parting = n->crowded && n->jitter > 0 && !n->unsettled;
    n->crowded = n->crowded && !n->parting;
}

static void finish(struct name *n, enum vital_class class)
{
    MUST(n, n->open);
    struct vital_probe *p = n->handle;
    close_books(n);
    take_outcome(n, class);
    if (one_in(8))
        probe_number(probe_of(p), 0, NULL, 1.0);
    kit_finish(p, class, class == VITAL_PASS ? VITAL_R_OK : VITAL_R_REFUSED, "said so");
}

static enum vital_class answer_of(const struct name *n)
{
    static const enum vital_class any[] = { VITAL_PASS, VITAL_PASS, VITAL_PASS, VITAL_WARN, VITAL_FAIL, VITAL_FAIL, VITAL_INTERNAL };
    if (n->manner == NOISY)
        return any[below(7)];
    return n->answer_bad ? VITAL_FAIL : VITAL_PASS;
}

static void break_contract(struct name *n)
{
    struct probe *p = probe_of(n->handle);
    n->plain.bugs++;
    probe_number(p, 99, NULL, 0);
}

static void on_reply(struct timer *t, uint64_t now)
{
    (void)now;
    struct fake *f = TIMER_OWNER(t, struct fake, reply);
    struct name *n = named(f->self->name);
    if (n->manner == NOISY && one_in(3000))
        break_contract(n);
    else
        finish(n, answer_of(n));
}

/* The rate: what the words of the design allow, from what is known without asking the core. */
static void check_start(struct name *n)
{
    const struct conf_probe *c = probe_conf(probe_of(n->handle));
    uint64_t now = kit_time;
    MUST(n, n->present && plain_is_active(&n->plain));
    MUST(n, in_flight <= core_conf()->max_in_flight);
    MUST(n, at_target[n->target] <= core_conf()->max_per_address);
    if (!n->began) {
        n->crowded = true;
        return;
    }
    uint64_t gap = now - n->began, shortest = (uint64_t)((double)n->interval * (1 - n->jitter));
    if (n->parting)
        shortest = 0;
    n->parting = false;
    MUST(n, now >= n->ended);
    if (n->free_from >= n->began)
        return;
    if (n->nudged_at >= n->began || (n->confirmable && n->unsettled)) {
        MUST(n, gap >= c->interval_unsettled || gap + slots(1) + (strict ? 0 : c->interval_unsettled / LATE_SHARE) >= shortest || n->confirmable);
        return;
    }
    if (strict) {
        MUST(n, gap + slots(1) >= shortest);
        uint64_t latest_start = n->began + n->interval > n->ended ? n->began + n->interval : n->ended;
        MUST(n, now <= latest_start + slots(1));
    } else {
        MUST(n, gap + slots(1) + c->interval_unsettled / LATE_SHARE >= shortest);
    }
}

static void on_start(struct vital_probe *p)
{
    struct name *n = named(p->name);
    struct fake *f = kit_fake(p);
    MUST(n, !n->open && n->handle == p);
    in_flight++;
    at_target[n->target]++;
    most_in_flight = in_flight > most_in_flight ? in_flight : most_in_flight;
    check_start(n);
    n->open = true;
    n->starts++;
    n->began = kit_time;
    n->answer_bad = n->broken;
    timer_init(&f->reply, on_reply);
    f->self = p;
    uint64_t timeout = probe_conf(probe_of(p))->timeout;
    if (n->answer_bad && one_in(3))
        return; /* silence: the deadline ends it */
    if (one_in(3))
        finish(n, answer_of(n));
    else
        timer_set(&replies, &f->reply, kit_time + (one_in(4) ? below(timeout - 1) : below(50 * USEC_MS) % timeout));
}

static void on_close(struct probe *p)
{
    timer_clear(&replies, &kit_fake(probe_handle(p))->reply);
}

/* Who ends an attempt without an answer: the deadline, a mistake of the module, or people. */
static void on_cancel(struct vital_probe *p)
{
    struct name *n = named(p->name);
    const struct probe *probe = probe_of(p);
    MUST(n, n->open);
    close_books(n);
    if (expect_cancel) {
        n->plain.cancelled++;
        return;
    }
    MUST(n, probe->record.had_outcome && probe->record.at == kit_time);
    enum vital_reason reason = probe->record.reason;
    if (reason == VITAL_R_TIMEOUT) {
        MUST(n, kit_time >= n->began + probe->allowed);
        MUST(n, !strict || kit_time < n->began + probe->allowed + slots(1));
        take_outcome(n, VITAL_FAIL);
    } else {
        MUST(n, reason == VITAL_R_OWN_LAG || reason == VITAL_R_MODULE_BUG);
        MUST(n, !strict || reason != VITAL_R_OWN_LAG);
        MUST(n, reason != VITAL_R_OWN_LAG || kit_time > n->began + probe->allowed + slots(2));
        take_outcome(n, VITAL_INTERNAL);
    }
}

/* ---- targets break and mend ---- */

/* The linter's formula, and two slots for each attempt. Where the timeout is longer than the interval (the linter warns
 * of that), it is the timeout that the first attempt may have to wait for. */
static uint64_t detection_bound(const struct conf_probe *c)
{
    uint64_t step = c->interval_unsettled > c->timeout ? c->interval_unsettled : c->timeout;
    uint64_t first = c->interval > c->timeout ? c->interval : c->timeout;
    return first + c->timeout + (uint64_t)(c->fall - 1) * step + slots(2) * c->fall;
}

static void on_detect(struct timer *t, uint64_t now)
{
    struct name *n = TIMER_OWNER(t, struct name, detect);
    (void)now;
    if (!strict || n->disturbed || !n->present || n->manner != STEADY || !n->broken)
        return;
    detections++;
    MUST(n, n->plain.known && n->plain.bad[1]);
}

static void disturb(struct name *n)
{
    n->disturbed = true;
    n->free_from = kit_time;
}

static void on_flip(struct timer *t, uint64_t now)
{
    struct name *n = TIMER_OWNER(t, struct name, flip);
    n->broken = !n->broken;
    timer_set(&events, t, now + between(USEC_S, n->broken ? 200 * USEC_S : 900 * USEC_S));
    if (n->broken && n->present) {
        n->disturbed = !n->plain.sampled || !plain_is_active(&n->plain);
        timer_set(&events, &n->detect, now + detection_bound(&n->policy) + 1);
    } else {
        timer_clear(&events, &n->detect);
    }
    if (n->present && n->handle && n->variant % 2) {
        doing = "an edge";
        if (plain_is_active(&n->plain)) {
            n->nudged_at = now;
            n->confirmable |= probe_conf(probe_of(n->handle))->on_edge == EDGE_CONFIRM;
        }
        probe_nudge(probe_of(n->handle));
    }
}

#endif
