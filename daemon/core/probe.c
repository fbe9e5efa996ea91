#include "core/probe.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/world.h"

enum { LINE_MAX = OUTCOME_TEXT_MAX + 128 };

struct probe *probe_check(struct probe *p)
{
    CORE_ASSERT(p && p->magic == PROBE_MAGIC);
    return p;
}

struct vital_probe *probe_handle(struct probe *p)
{
    return &probe_check(p)->handle;
}

struct probe *probe_of(struct vital_probe *handle)
{
    return probe_check(TIMER_OWNER(handle, struct probe, handle));
}

const struct conf_probe *probe_conf(const struct probe *p)
{
    return p->conf;
}

const struct conf_options *probe_options(const struct probe *p)
{
    return p->options;
}

void **probe_host_slot(struct probe *p)
{
    return &probe_check(p)->host_slot;
}

bool probe_in_attempt(const struct probe *p)
{
    return p->attempt != ATTEMPT_NONE;
}

/* ---- what can be said of it ---- */

bool probe_is_active(const struct probe *p)
{
    return p->options->module && !p->quarantined && p->order.mode != MODE_PAUSED;
}

bool probe_is_known(const struct probe *p)
{
    return p->record.settle.known && !p->record.stale;
}

bool probe_is_unsettled(const struct probe *p)
{
    return !probe_is_known(p) || settle_is_contradicted(&p->record.settle);
}

enum state probe_settled(const struct probe *p)
{
    static const enum state states[] = { [LEVEL_PASS] = STATE_UP, [LEVEL_WARN] = STATE_DEGRADED, [LEVEL_FAIL] = STATE_DOWN };
    return p->record.settle.known ? states[settle_level(&p->record.settle)] : STATE_UNKNOWN;
}

enum state probe_state(const struct probe *p)
{
    return probe_is_known(p) ? probe_settled(p) : STATE_UNKNOWN;
}

uint64_t probe_reasons_ok(const struct record *r)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        n += r->attempts[i];
    for (unsigned i = 0; i < r->reason_count; i++)
        n -= r->reasons[i].count;
    return n;
}

struct settle_rule probe_rule(const struct probe *p)
{
    return (struct settle_rule){ .rise = p->conf->rise, .fall = p->conf->fall };
}

uint64_t probe_fresh_until(const struct probe *p)
{
    const struct record *r = &p->record;
    uint64_t until = p->conf->max_age > TIME_NEVER - r->fresh_from ? TIME_NEVER : r->fresh_from + p->conf->max_age;
    return until > r->lease ? until : r->lease;
}

/* A paused probe does not become stale; one that already was stays so. */
uint64_t probe_stale_at(const struct probe *p)
{
    return probe_is_known(p) && p->order.mode != MODE_PAUSED ? probe_fresh_until(p) : TIME_NEVER;
}

/* Startup waits for those only that can still have a first outcome by themselves. */
static bool is_awaited(const struct probe *p)
{
    return !p->record.sampled && probe_is_active(p) && p->order.mode == MODE_NORMAL && !p->pending;
}

void probe_cast(const struct probe *p, struct vote *v)
{
    const struct standing s = {
        .mode = p->order.mode,
        .forced = p->order.forced,
        .pending = p->pending,
        .known = p->record.settle.known,
        .stale = p->record.stale,
        .shared = p->conf->shared,
        .awaited = is_awaited(p),
        .settled = settle_level(&p->record.settle),
    };
    standing_vote(&s, v);
}

/* ---- telling ---- */

static int importance(enum state from, enum state to)
{
    if (to == STATE_UP)
        return from == STATE_UNKNOWN ? LOG_INFO : LOG_NOTICE;
    return LOG_WARNING;
}

void probe_tell(const struct probe *p, enum state before, const char *reason, const char *text)
{
    enum state after = probe_state(p);
    if (after == before)
        return;
    char line[LINE_MAX];
    snprintf(line, sizeof line, "%s -> %s%s%s%s%s", state_text(before), state_text(after), *reason ? ": " : "", reason,
             *text ? ": " : "", text);
    journal_add(JOURNAL_PROBE, p->conf->name, state_text(before), state_text(after), reason, text);
    engine_log(importance(before, after), "probe", p->conf->name, line);
}

/* ---- time alone: stale, no longer pending, the mode's end ---- */

static uint64_t expiry_at(const struct probe *p)
{
    uint64_t at = probe_stale_at(p);
    if (p->pending && p->pending_until < at)
        at = p->pending_until;
    if (p->order.until && p->order.until < at)
        at = p->order.until;
    return at;
}

/* Only ever makes the timer earlier: outcomes postpone expiry all the time, and moving it then would cost more than
 * looking again when it fires. */
void probe_arm_expiry(struct probe *p)
{
    uint64_t at = expiry_at(p);
    if (at != TIME_NEVER && (!timer_is_set(&p->expiry) || at < p->expiry.at))
        timer_set(&engine.expiries, &p->expiry, at);
}

static void become_stale(struct probe *p, uint64_t now)
{
    char span[CLOCK_TEXT], text[64 + CLOCK_TEXT];
    enum state before = probe_state(p);
    p->record.stale = true;
    snprintf(text, sizeof text, "stale: no outcome for %s", clock_span(now - p->record.fresh_from, span));
    probe_tell(p, before, "", text);
}

void probe_expire(struct timer *t, uint64_t now)
{
    struct probe *p = probe_check(TIMER_OWNER(t, struct probe, expiry));
    if (p->pending && p->pending_until <= now)
        p->pending = false;
    if (probe_stale_at(p) <= now)
        become_stale(p, now);
    if (p->order.until && p->order.until <= now)
        probe_set_order(p, &(struct order){ .mode = MODE_NORMAL }, "its time is over", now);
    probe_arm_expiry(p);
    world_cast(engine.world, p);
}

/* ---- modes ---- */

static const char *order_text(const struct order *o)
{
    return mode_text(o->mode);
}

void probe_set_order(struct probe *p, const struct order *order, const char *text, uint64_t now)
{
    struct order old = p->order;
    bool was_paused = old.mode == MODE_PAUSED;
    p->order = *order;
    if (was_paused && order->mode != MODE_PAUSED) {
        if (probe_is_known(p)) {
            p->record.fresh_from = now; /* it could not be younger; what is seen as its time stays true */
            p->record.lease = 0;
        }
        sched_soon(p, now);
    }
    if (!was_paused && order->mode == MODE_PAUSED) {
        probe_cancel(p);
        sched_stop(p);
    }
    probe_arm_expiry(p);
    world_cast(engine.world, p);
    if (old.mode == order->mode && old.forced == order->forced)
        return;
    char line[LINE_MAX];
    snprintf(line, sizeof line, "mode %s -> %s: %s", order_text(&old), order_text(order), text);
    journal_add(JOURNAL_MODE, p->conf->name, order_text(&old), order_text(order), "", text);
    engine_log(LOG_NOTICE, "probe", p->conf->name, line);
}

/* ---- from and to configurations ---- */

static uint16_t count_rows(const struct vital_module *m)
{
    uint16_t n = 0;
    while (m && m->numbers && m->numbers[n].name)
        n++;
    return n;
}

static size_t priv_size(const struct vital_module *m)
{
    return m ? m->priv_size : 0;
}

static void start_with(struct record *r, enum conf_initial initial, uint64_t now)
{
    static const enum level levels[] = { [INITIAL_UP] = LEVEL_PASS, [INITIAL_DOWN] = LEVEL_FAIL };
    r->since = now;
    if (initial == INITIAL_FIRST)
        return;
    settle_set(&r->settle, levels[initial]);
    r->fresh_from = now;
}

struct probe *probe_new(const struct conf_probe *conf, const struct vital_host *host, uint64_t now)
{
    const struct vital_module *m = conf->options->module;
    struct probe *p = mem_alloc(sizeof *p + priv_size(m));
    p->magic = PROBE_MAGIC;
    p->conf = conf;
    p->options = conf->options;
    conf_options_hold(p->options);
    p->handle = (struct vital_probe){ .host = host, .name = conf->name, .conf = p->options->data, .priv = p->priv };
    p->number_rows = count_rows(m);
    timer_init(&p->expiry, probe_expire);
    start_with(&p->record, conf->initial, now);
    sched_enter(p);
    return p;
}

static void record_free(struct record *r)
{
    mem_free(r->text);
    mem_free(r->reasons);
    mem_free(r->numbers.values);
}

void probe_free(struct probe *p)
{
    probe_check(p);
    probe_cancel(p);
    sched_leave(p);
    timer_clear(&engine.expiries, &p->expiry);
    engine.hooks.close_all(p, true);
    const struct vital_module *m = p->options->module;
    if (m && m->release)
        m->release(&p->handle);
    if (p->quarantined)
        engine.stats.quarantined--;
    probe_stall_over(p);
    mem_wipe(p->priv, priv_size(m));
    conf_options_release(p->options);
    record_free(&p->record);
    p->magic = 0;
    mem_free(p);
}

/* What was counted under another policy may not exceed what this one allows. */
static void follow_policy(struct probe *p)
{
    const struct settle_rule rule = probe_rule(p);
    settle_clamp(&p->record.settle, &rule);
}

void probe_set_policy(struct probe *p, const struct conf_probe *conf, uint64_t now)
{
    const struct conf_probe *old = p->conf;
    p->conf = conf;
    p->handle.name = conf->name;
    follow_policy(p);
    if (old->interval != conf->interval || old->interval_unsettled != conf->interval_unsettled ||
        old->interval_down != conf->interval_down)
        sched_replan(p, now);
    probe_arm_expiry(p);
}

void probe_inherit(struct probe *p, struct probe *old)
{
    probe_cancel(old);
    p->record = old->record; /* a new one owns nothing yet */
    old->record = (struct record){ 0 };
    p->order = old->order;
    p->pending = old->pending;
    p->pending_until = old->pending_until;
    follow_policy(p);
    probe_arm_expiry(p);
}

void probe_set_pending(struct probe *p, uint64_t now)
{
    p->pending = true;
    p->pending_until = now + p->conf->timeout + PENDING_EXTRA;
    probe_arm_expiry(p);
}
