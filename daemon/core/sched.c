#include "core/sched.h"

#include <string.h>

#include "base/clock.h"
#include "core/address.h"
#include "core/engine.h"
#include "core/index.h"
#include "core/probe.h"
#include "core/world.h"

enum { NUDGED_SHARE = 4 };

static struct {
    struct list ready;           /* in the order in which they became due */
    struct list nudged;          /* edges beyond their share of the attempts in flight */
    struct list running;
    unsigned in_flight, nudged_in_flight, queued;
} sched;

static struct probe *owner(struct list *link)
{
    return probe_check(LIST_OWNER(link, struct probe, plan.link));
}

/* ---- queues ---- */

static void queue_leave(struct probe *p)
{
    if (p->plan.queue == QUEUE_NONE)
        return;
    sched.queued -= p->plan.queue != QUEUE_RUNNING;
    p->plan.queue = QUEUE_NONE;
    list_remove(&p->plan.link);
}

static void queue_enter(struct probe *p, enum sched_queue queue, struct list *head)
{
    queue_leave(p);
    p->plan.queue = (uint8_t)queue;
    sched.queued += queue != QUEUE_RUNNING;
    list_append(head, &p->plan.link);
}

static void queue_ready(struct probe *p)
{
    queue_enter(p, QUEUE_READY, &sched.ready);
}

/* It had to wait for a place and there is one: before all others, lest they take it again and again. */
static void readmit(struct list *waiting)
{
    struct list *first = list_first(waiting);
    if (first)
        queue_enter(owner(first), QUEUE_READY, sched.ready.next);
}

/* What an edge could only ask for is its right once it is due by itself. */
static void become_due(struct probe *p, uint64_t now)
{
    struct plan *plan = &p->plan;
    if (plan->regular <= now)
        plan->nudged = false;
    if (plan->due > now)
        plan->due = now;
    if (plan->queue == QUEUE_NONE || (plan->queue == QUEUE_NUDGED && !plan->nudged))
        queue_ready(p);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct probe *p = probe_check(TIMER_OWNER(t, struct probe, plan.timer));
    engine_catch_up(now);
    if (timer_is_set(t))
        return; /* catching up moved it */
    if (probe_in_attempt(p))
        probe_due(p, now);
    else
        become_due(p, now);
}

/* ---- when ---- */

/* Plain xorshift: good enough to spread, the same for the same name. */
static double next_random(struct plan *plan)
{
    plan->random ^= plan->random << 13;
    plan->random ^= plan->random >> 7;
    plan->random ^= plan->random << 17;
    return (double)(plan->random >> 11) / (double)(UINT64_C(1) << 53);
}

static uint64_t interval_in_force(const struct probe *p, double *jitter)
{
    bool unsettled = probe_is_unsettled(p), down = probe_settled(p) == STATE_DOWN;
    *jitter = unsettled || down ? p->conf->jitter_unsettled : p->conf->jitter;
    return unsettled ? p->conf->interval_unsettled : down ? p->conf->interval_down : p->conf->interval;
}

static uint64_t not_before(uint64_t at, uint64_t floor)
{
    return at > floor ? at : floor;
}

static void plan_at(struct probe *p, uint64_t at)
{
    p->plan.due = at;
    timer_set(engine.timers, &p->plan.timer, at);
}

static void plan_regular(struct probe *p, uint64_t at)
{
    p->plan.regular = at;
    plan_at(p, at);
}

static void plan_edge(struct probe *p, uint64_t at)
{
    p->plan.nudged = true;
    plan_at(p, at);
}

static uint64_t regular_start(struct probe *p, uint64_t now)
{
    double jitter;
    uint64_t interval = interval_in_force(p, &jitter);
    if (p->plan.crowded && jitter > 0 && !probe_is_unsettled(p)) { /* once: 5 % an interval would take minutes to part them */
        jitter = 1;
        p->plan.crowded = false;
    }
    uint64_t shorter = (uint64_t)((double)interval * jitter * next_random(&p->plan));
    uint64_t at = slot_down(p->plan.base + interval - shorter);
    return not_before(not_before(at, slot_up(now)), slot_down(p->plan.base) + SLOT);
}

/* An edge may not drive attempts faster than an unsettled probe's are. */
static uint64_t earliest_nudged(const struct probe *p, uint64_t now)
{
    return p->plan.base ? not_before(p->started + p->conf->interval_unsettled, now) : now;
}

/* After an edge that is to be confirmed, attempts follow at once as long as they contradict the state. */
static bool confirms_on(struct probe *p)
{
    struct plan *plan = &p->plan;
    if (!plan->confirm)
        return false;
    plan->confirm--;
    if (!settle_is_contradicted(&p->record.settle))
        plan->confirm = 0;
    return plan->confirm > 0;
}

static void expect_edge(struct probe *p)
{
    if (p->conf->on_edge == EDGE_CONFIRM)
        p->plan.confirm = p->conf->fall;
}

void sched_next(struct probe *p, uint64_t now)
{
    struct plan *plan = &p->plan;
    bool again = plan->again, confirm = confirms_on(p);
    plan->nudged = plan->again = false;
    if (!probe_is_active(p))
        return;
    plan_regular(p, regular_start(p, now));
    if (again && !confirm)
        expect_edge(p);
    uint64_t edge = confirm ? now : earliest_nudged(p, now);
    if ((again || confirm) && edge < plan->regular)
        plan_edge(p, edge);
}

void sched_first(struct probe *p, bool urgent, uint64_t now)
{
    if (!probe_is_active(p))
        return;
    uint64_t spread = p->conf->interval < FIRST_SPREAD ? p->conf->interval : FIRST_SPREAD;
    if (urgent && spread > FIRST_URGENT)
        spread = FIRST_URGENT;
    p->plan.crowded = spread < p->conf->interval;
    plan_regular(p, not_before(slot_down(now + p->plan.random % (spread ? spread : 1)), now));
}

void sched_resume(struct probe *p, uint64_t due, uint64_t now)
{
    if (!probe_is_active(p) || due <= now)
        return;
    plan_regular(p, due < now + p->conf->interval ? due : now + p->conf->interval);
}

void sched_soon(struct probe *p, uint64_t now)
{
    if (!probe_is_active(p) || probe_in_attempt(p))
        return;
    p->plan.regular = now;
    become_due(p, now);
}

void sched_replan(struct probe *p, uint64_t now)
{
    if (!probe_is_active(p) || p->plan.queue != QUEUE_NONE || !p->plan.base || p->plan.nudged)
        return;
    plan_regular(p, regular_start(p, now));
}

void sched_stop(struct probe *p)
{
    if (p->plan.queue == QUEUE_RUNNING)
        return;
    queue_leave(p);
    timer_clear(engine.timers, &p->plan.timer);
    p->plan.nudged = p->plan.again = false;
    p->plan.confirm = 0;
}

void sched_nudge(struct probe *p, uint64_t now)
{
    struct plan *plan = &p->plan;
    engine.stats.nudges++;
    if (plan->queue == QUEUE_RUNNING) {
        plan->again = true;
        return;
    }
    uint64_t at = earliest_nudged(p, now);
    if (plan->queue != QUEUE_NONE || at >= plan->due)
        return; /* it comes as early as it may */
    expect_edge(p);
    if (at > now) {
        plan_edge(p, at);
        return;
    }
    plan->nudged = true;
    plan->due = now;
    queue_ready(p); /* its timer stays at the regular start: see become_due() */
}

/* ---- starting and ending ---- */

static unsigned nudged_room(void)
{
    unsigned room = core_conf()->max_in_flight / NUDGED_SHARE;
    return room ? room : 1;
}

/* False: it waits elsewhere now. */
static bool has_room(struct probe *p)
{
    struct plan *plan = &p->plan;
    if (plan->nudged && sched.nudged_in_flight >= nudged_room()) {
        queue_enter(p, QUEUE_NUDGED, &sched.nudged);
        timer_set(engine.timers, &plan->timer, plan->regular);
        return false;
    }
    if (plan->address && plan->address->in_flight >= core_conf()->max_per_address) {
        queue_enter(p, QUEUE_ADDRESS, &plan->address->waiting);
        return false;
    }
    return true;
}

/* Lateness within reason does not move the grid; after more, the grid begins anew, so that nothing is caught up. */
static uint64_t base_of(const struct probe *p, uint64_t now)
{
    const struct plan *plan = &p->plan;
    bool near = !plan->nudged && (now - plan->due) * LATE_SHARE < p->conf->interval_unsettled;
    return near ? plan->due : now;
}

static void start(struct probe *p, uint64_t now)
{
    struct plan *plan = &p->plan;
    engine.stats.starts_delayed += now > plan->due + SLOT;
    plan->base = base_of(p, now);
    queue_enter(p, QUEUE_RUNNING, &sched.running);
    sched.in_flight++;
    sched.nudged_in_flight += plan->nudged;
    if (plan->address)
        plan->address->in_flight++;
    engine.stats.progress = now;
    probe_begin(p, now);
}

static bool may_start(void)
{
    return !list_empty(&sched.ready) && sched.in_flight < core_conf()->max_in_flight;
}

void sched_run(uint64_t now)
{
    unsigned starts = STARTS_PER_TURN;
    for (unsigned looks = LOOKS_PER_TURN; looks && starts && may_start(); looks--) {
        struct probe *p = owner(list_first(&sched.ready));
        if (!has_room(p))
            continue;
        start(p, now);
        starts--;
    }
    if (list_empty(&sched.ready))
        engine.stats.progress = now;
}

void sched_ended(struct probe *p)
{
    struct plan *plan = &p->plan;
    CORE_ASSERT(plan->queue == QUEUE_RUNNING && sched.in_flight > 0);
    queue_leave(p);
    sched.in_flight--;
    if (plan->nudged) {
        sched.nudged_in_flight--;
        readmit(&sched.nudged);
    }
    if (plan->address) {
        plan->address->in_flight--;
        readmit(&plan->address->waiting);
    }
}

void sched_shift(uint64_t gap)
{
    LIST_EACH(at, &sched.running) {
        struct probe *p = owner(at);
        uint64_t most = p->conf->max_age;
        if (p->shifted)
            continue;
        p->shifted = true;
        p->deadline += gap < most ? gap : most;
        timer_set(engine.timers, &p->plan.timer, p->deadline);
    }
}

/* ---- coming and going ---- */

void sched_enter(struct probe *p)
{
    struct plan *plan = &p->plan;
    timer_init(&plan->timer, on_timer);
    plan->random = index_hash(p->conf->name, strlen(p->conf->name)) | 1;
    plan->address = address_hold(p->options->target);
}

void sched_leave(struct probe *p)
{
    CORE_ASSERT(p->plan.queue != QUEUE_RUNNING);
    sched_stop(p);
    address_release(p->plan.address);
}

void sched_open(void)
{
    list_init(&sched.ready);
    list_init(&sched.nudged);
    list_init(&sched.running);
}

void sched_close(void)
{
    CORE_ASSERT(!sched.in_flight && !sched.queued);
    address_close();
}

bool sched_busy(void)
{
    return may_start();
}

unsigned sched_in_flight(void)
{
    return sched.in_flight;
}

unsigned sched_queued(void)
{
    return sched.queued;
}
