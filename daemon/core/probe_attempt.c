#include "core/probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/text.h"
#include "core/world.h"

enum { SCRUB_ROOM = 4096, LAG_SHARE = 8 };

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
        r->text_room = (uint16_t)(len + 1);
        r->text = mem_grow(r->text, len + 1);
    }
    memcpy(r->text, scrubbed, len);
    r->text[len] = 0;
}

static void count_reason(struct record *r, enum vital_reason reason)
{
    unsigned i = 0;
    if (reason == VITAL_R_OK)
        return;
    while (i < r->reason_count && r->reasons[i].reason != reason)
        i++;
    if (i == r->reason_count) {
        r->reasons = mem_grow(r->reasons, (i + 1) * sizeof *r->reasons);
        r->reasons[i] = (struct reason_count){ .reason = (uint16_t)reason };
        r->reason_count++;
    }
    r->reasons[i].count++;
}

static void keep_outcome(struct probe *p, const struct outcome *o, uint64_t now)
{
    struct record *r = &p->record;
    r->had_outcome = true;
    r->class = (uint8_t)o->class;
    r->reason = (uint8_t)o->reason;
    r->at = now;
    r->duration = now - p->started;
    r->duration_sum += r->duration;
    if (o->class == VITAL_PASS)
        r->last_pass = now;
    r->attempts[o->class]++;
    count_reason(r, o->reason);
    keep_text(p, o->text);
    history_add(&r->history, o->class, r->duration);
    engine.stats.attempts[o->class]++;
}

void probe_stall_over(struct probe *p)
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
    r->lease = 0;
    p->pending = false;
    if (probe_settled(p) != was) {
        r->since = now;
        r->transitions++;
    }
    packed_keep(&r->numbers, &p->reported);
    probe_stall_over(p);
    probe_tell(p, before, reason_text(r->reason), r->text);
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
    numbers_close(&p->reported);
}

static void attempt_cut(struct probe *p, enum vital_class class, enum vital_reason reason, const char *text)
{
    attempt_end(p, &(struct outcome){ .class = class, .reason = reason, .text = text }, false);
}

void probe_cancel(struct probe *p)
{
    if (p->attempt)
        attempt_end(p, NULL, false);
}

/* ---- the life of an attempt ---- */

uint64_t probe_left(const struct probe *p)
{
    uint64_t now = clock_now();
    return p->attempt && p->deadline > now ? p->deadline - now : 0;
}

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

/* A deadline that was moved by a stall noticed just now is as late as that was long: nobody has looked since. And what lies
 * with a helper of ours has been there in time. */
static uint64_t lateness(struct probe *p, uint64_t now)
{
    uint64_t stalled = engine.stall_noticed && p->shifted ? engine.stalled : 0, held = engine.hooks.held ? engine.hooks.held(p) : 0;
    return now - p->deadline + stalled + held;
}

void probe_due(struct probe *p, uint64_t now)
{
    char span[CLOCK_TEXT], text[64 + CLOCK_TEXT];
    uint64_t late = lateness(p, now);
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
        if (n->items[i].row == row && !strcmp(n->items[i].label ? n->items[i].label : "", label))
            return &n->items[i];
    if (!n->items)
        numbers_open(n);
    if (n->count == n->room)
        return NULL;
    n->items[n->count] = (struct number){ .row = (uint16_t)row, .label = *label ? mem_copy(label) : NULL };
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
    n->value = value;
}

void probe_nudge(struct probe *p)
{
    if (probe_is_active(probe_check(p)))
        sched_nudge(p, clock_now());
}
