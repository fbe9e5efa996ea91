#include "core/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/text.h"
#include "core/world.h"

enum { SCRUB_ROOM = 4096, LAG_SHARE = 8, LINE_MAX = OUTCOME_TEXT_MAX + 128 };

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

struct settle_rule probe_rule(const struct probe *p)
{
    return (struct settle_rule){ .rise = p->conf->rise, .fall = p->conf->fall };
}

/* A paused probe does not become stale; one that already was stays so. */
uint64_t probe_stale_at(const struct probe *p)
{
    const struct record *r = &p->record;
    if (!probe_is_known(p) || p->order.mode == MODE_PAUSED || p->conf->max_age > TIME_NEVER - r->fresh_from - r->fresh_shift)
        return TIME_NEVER;
    return r->fresh_from + p->conf->max_age + r->fresh_shift;
}

uint64_t probe_left(const struct probe *p)
{
    uint64_t now = clock_now();
    return p->attempt && p->deadline > now ? p->deadline - now : 0;
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

static void tell(const struct probe *p, enum state before, const char *reason, const char *text)
{
    enum state after = probe_state(p);
    if (after == before)
        return;
    char line[LINE_MAX];
    snprintf(line, sizeof line, "%s -> %s%s%s%s%s", state_text(before), state_text(after), *reason ? ": " : "", reason,
             text && *text ? ": " : "", text ? text : "");
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
    tell(p, before, "", text);
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

/* ---- the end of an attempt ---- */

struct outcome {
    enum vital_class class;
    enum vital_reason reason;
    const char *text;
};

/* Libraries echo connection strings: the probe's own secrets leave the text here, for every consumer. Before the cut, so
 * that no half of one stays. */
static void keep_text(struct probe *p, const char *text)
{
    struct record *r = &p->record;
    char scrubbed[SCRUB_ROOM];
    text_cut(scrubbed, sizeof scrubbed, text);
    for (unsigned i = 0; i < p->options->secret_count; i++)
        secret_scrub(p->options->secrets[i], scrubbed);
    size_t len = text_cut_at(scrubbed, OUTCOME_TEXT_MAX - 1);
    if (len + 1 > r->text_room) {
        r->text_room = len + 1;
        r->text = mem_grow(r->text, r->text_room);
    }
    memcpy(r->text, scrubbed, len);
    r->text[len] = 0;
}

static void keep_history(struct record *r, enum vital_class class, uint64_t duration)
{
    unsigned place = (unsigned)(r->history_count++ % PICTURE_HISTORY);
    r->history[place] = (uint8_t)class;
    r->durations[place] = duration > UINT32_MAX ? UINT32_MAX : (uint32_t)duration;
}

static void keep_outcome(struct probe *p, const struct outcome *o, uint64_t now)
{
    struct record *r = &p->record;
    r->had_outcome = true;
    r->class = o->class;
    r->reason = o->reason;
    r->at = now;
    r->duration = now - p->started;
    r->duration_sum += r->duration;
    if (o->class == VITAL_PASS)
        r->last_pass = now;
    r->attempts[o->class]++;
    r->reasons[o->reason]++;
    keep_text(p, o->text);
    keep_history(r, o->class, r->duration);
    engine.stats.attempts[o->class]++;
}

static void stall_is_over_for(struct probe *p)
{
    if (!p->stall_awaited)
        return;
    p->stall_awaited = false;
    if (!--engine.stall_left)
        timer_set(&engine.expiries, &engine.stall_end, clock_now());
}

/* Classes up to fail are the levels. */
static void settle(struct probe *p, enum vital_class class, uint64_t now)
{
    struct record *r = &p->record;
    const struct settle_rule rule = probe_rule(p);
    enum state was = probe_settled(p), before = probe_state(p);
    if (r->stale)
        r->settle.known = false;
    settle_step(&r->settle, &rule, (enum level)class);
    r->stale = false;
    r->sampled = true;
    r->sample_at = r->fresh_from = now;
    r->fresh_shift = 0;
    p->pending = false;
    if (probe_settled(p) != was) {
        r->since = now;
        r->transitions++;
    }
    struct numbers old = r->numbers;
    r->numbers = p->reported;
    p->reported = old;
    engine.samples++;
    stall_is_over_for(p);
    tell(p, before, reason_text(r->reason), r->text);
}

/* The one sink. outcome NULL: cancelled. finished: the module said so itself, and is not told again. */
static void attempt_end(struct probe *p, const struct outcome *outcome, bool finished)
{
    CORE_ASSERT(p->attempt != ATTEMPT_NONE);
    uint64_t now = clock_now();
    bool begun = p->attempt == ATTEMPT_RUNNING;
    if (outcome)
        engine_catch_up(now); /* the state may have grown stale meanwhile, and then this outcome settles at once */
    p->attempt = ATTEMPT_NONE;
    timer_clear(engine.timers, &p->plan.timer);
    if (outcome)
        keep_outcome(p, outcome, now); /* first of all: the text may lie in what is closed next */
    engine.hooks.close_all(p, false);
    if (begun && !finished && p->options->module->cancel)
        p->options->module->cancel(&p->handle);
    sched_ended(p);
    engine.stats.progress = now;
    if (outcome) {
        if (outcome->class != VITAL_INTERNAL)
            settle(p, outcome->class, now);
        sched_next(p, now);
        probe_arm_expiry(p);
        world_cast(engine.world, p);
    } else {
        p->record.cancelled++;
        engine.stats.cancelled++;
    }
    p->reported.count = 0;
}

static void attempt_cut(struct probe *p, enum vital_class class, enum vital_reason reason, const char *text)
{
    attempt_end(p, &(struct outcome){ .class = class, .reason = reason, .text = text }, false);
}

/* ---- the life of an attempt ---- */

void probe_begin(struct probe *p, uint64_t now)
{
    CORE_ASSERT(p->attempt == ATTEMPT_NONE);
    CORE_ASSERT(probe_is_active(p));
    p->attempt = ATTEMPT_REFRESHING;
    p->started = now;
    p->allowed = p->conf->timeout;
    p->deadline = slot_up(now + p->allowed);
    p->shifted = false;
    timer_set(engine.timers, &p->plan.timer, p->deadline);
    if (!engine.hooks.refresh || !engine.hooks.refresh(p))
        probe_begin_module(p);
}

void probe_begin_module(struct probe *p)
{
    if (probe_check(p)->attempt != ATTEMPT_REFRESHING)
        return; /* it was over before its secrets were there */
    p->attempt = ATTEMPT_RUNNING;
    p->options->module->start(&p->handle);
}

/* What is ready is served at most once for all that is due in this turn. No configuration is adopted meanwhile. */
static void serve_ready(uint64_t now)
{
    engine.stats.deferred_deadlines++;
    if (engine.served == now)
        return;
    engine.served = now;
    engine.serving = true;
    engine.hooks.serve_ready();
    engine.serving = false;
}

/* Replies that were already there have been served, so only a lag that took a good part of the attempt excuses it. */
static bool lag_explains(const struct probe *p, uint64_t late)
{
    return late > 2 * SLOT && late > p->allowed / LAG_SHARE;
}

void probe_due(struct probe *p, uint64_t now)
{
    char span[CLOCK_TEXT], text[64 + CLOCK_TEXT];
    uint64_t late = now - p->deadline;
    if (late > SLOT)
        serve_ready(now);
    if (p->attempt == ATTEMPT_NONE)
        return;
    if (lag_explains(p, late)) {
        snprintf(text, sizeof text, "vitald came back to it %s too late", clock_span(late, span));
        attempt_cut(p, VITAL_INTERNAL, VITAL_R_OWN_LAG, text);
    } else if (p->attempt == ATTEMPT_REFRESHING) {
        snprintf(text, sizeof text, "its secret files could not be read within %s", clock_span(p->allowed, span));
        attempt_cut(p, VITAL_FAIL, VITAL_R_HUNG, text);
    } else {
        snprintf(text, sizeof text, "no answer within %s", clock_span(p->allowed, span));
        attempt_cut(p, VITAL_FAIL, VITAL_R_TIMEOUT, text);
    }
}

static void quarantine(struct probe *p)
{
    p->quarantined = true;
    engine.stats.quarantined++;
    sched_stop(p);
    const char *text = "its module broke its contract three times: no further attempts until a reload changes its options";
    journal_add(JOURNAL_PROBE, p->conf->name, state_text(probe_state(p)), "quarantined", reason_text(VITAL_R_MODULE_BUG), text);
    engine_log(LOG_ERR, "probe", p->conf->name, text);
}

void probe_module_bug(struct probe *p, const char *what)
{
    probe_check(p);
    engine.stats.module_bugs++;
    engine_log(LOG_ERR, "probe", p->conf->name, what);
    if (p->bugs < PROBE_BUGS_MAX && ++p->bugs == PROBE_BUGS_MAX)
        quarantine(p);
    if (p->attempt)
        attempt_cut(p, VITAL_INTERNAL, VITAL_R_MODULE_BUG, what);
    else
        world_cast(engine.world, p);
}

void probe_finish(struct probe *p, enum vital_class class, enum vital_reason reason, const char *text)
{
    if (probe_check(p)->attempt != ATTEMPT_RUNNING)
        probe_module_bug(p, "finish() outside of an attempt, or a second one");
    else if ((unsigned)class >= VITAL_CLASS_COUNT || (unsigned)reason >= VITAL_REASON_COUNT)
        probe_module_bug(p, "finish() with a class or reason that does not exist");
    else
        attempt_end(p, &(struct outcome){ .class = class, .reason = reason, .text = text }, true);
}

static const char *number_mistake(const struct probe *p, unsigned row, const char *label, double value)
{
    if (p->attempt != ATTEMPT_RUNNING)
        return "number() outside of an attempt";
    if (row >= p->number_rows)
        return "number() with a row that is not declared";
    if (!p->options->module->numbers[row].label != !label)
        return "number() with a label where none is declared, or without one where it is";
    if (!isfinite(value))
        return "number() with a value that is not finite";
    return NULL;
}

/* Reported twice: the later one counts. NULL when there are too many. */
static struct number *number_place(struct numbers *n, unsigned row, const char *label)
{
    for (unsigned i = 0; i < n->count; i++)
        if (n->items[i].row == row && !strcmp(n->items[i].label, label))
            return &n->items[i];
    if (n->count == OUTCOME_NUMBERS_MAX)
        return NULL;
    if (n->count == n->room) {
        n->room = n->room ? (uint16_t)(n->room * 2) : 4;
        n->items = mem_grow(n->items, n->room * sizeof *n->items);
    }
    return &n->items[n->count++];
}

void probe_number(struct probe *p, unsigned row, const char *label, double value)
{
    const char *mistake = number_mistake(probe_check(p), row, label, value);
    if (mistake) {
        probe_module_bug(p, mistake);
        return;
    }
    char cut[OUTCOME_LABEL_MAX];
    text_cut(cut, sizeof cut, label);
    struct number *n = number_place(&p->reported, row, cut);
    if (!n) {
        engine.stats.numbers_dropped++;
        return;
    }
    n->row = (uint16_t)row;
    n->value = value;
    memcpy(n->label, cut, sizeof cut);
}

void probe_nudge(struct probe *p)
{
    if (probe_is_active(probe_check(p)))
        sched_nudge(p, clock_now());
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
            p->record.fresh_shift = 0;
        }
        sched_soon(p, now);
    }
    if (!was_paused && order->mode == MODE_PAUSED) {
        if (p->attempt)
            attempt_end(p, NULL, false);
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

static unsigned count_rows(const struct vital_module *m)
{
    unsigned n = 0;
    while (m && m->numbers && m->numbers[n].name)
        n++;
    return n;
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
    struct probe *p = mem_alloc(sizeof *p);
    p->magic = PROBE_MAGIC;
    p->conf = conf;
    p->options = conf->options;
    conf_options_hold(p->options);
    const struct vital_module *m = p->options->module;
    p->handle = (struct vital_probe){ .host = host, .name = conf->name, .conf = p->options->data };
    p->handle.priv = mem_alloc(m ? m->priv_size : 0);
    p->number_rows = count_rows(m);
    timer_init(&p->expiry, probe_expire);
    start_with(&p->record, conf->initial, now);
    sched_enter(p);
    return p;
}

static void record_free(struct record *r)
{
    mem_free(r->text);
    mem_free(r->numbers.items);
}

void probe_free(struct probe *p)
{
    probe_check(p);
    if (p->attempt)
        attempt_end(p, NULL, false);
    sched_leave(p);
    timer_clear(&engine.expiries, &p->expiry);
    engine.hooks.close_all(p, true);
    const struct vital_module *m = p->options->module;
    if (m && m->release)
        m->release(&p->handle);
    if (p->quarantined)
        engine.stats.quarantined--;
    stall_is_over_for(p);
    mem_wipe(p->handle.priv, m ? m->priv_size : 0);
    mem_free(p->handle.priv);
    conf_options_release(p->options);
    record_free(&p->record);
    mem_free(p->reported.items);
    p->magic = 0;
    mem_free(p);
}

/* What was counted under another policy may not exceed what this one allows. */
static void follow_policy(struct probe *p)
{
    const struct settle_rule rule = probe_rule(p);
    settle_clamp(&p->record.settle, &rule);
    if (p->record.fresh_shift > p->conf->max_age)
        p->record.fresh_shift = p->conf->max_age;
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
    if (old->attempt)
        attempt_end(old, NULL, false);
    record_free(&p->record);
    p->record = old->record;
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
