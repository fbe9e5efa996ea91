#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/probe.h"
#include "core/sched.h"
#include "core/stall.h"
#include "core/world.h"

struct engine engine;

void core_abort(const char *invariant, const char *file, int line)
{
    char text[256];
    int n = snprintf(text, sizeof text, "vitald: broken invariant: %s (%s:%d)\n", invariant, file, line);
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0) {
        /* nothing is left to tell it to */
    }
    abort();
}

void engine_log(int level, const char *kind, const char *name, const char *text)
{
    engine.hooks.log(level, kind, name, text);
}

bool engine_is_starting(void)
{
    return !engine.startup_latched && !engine.startup_over;
}

/* ---- what time alone brings ---- */

/* Waking up is all: whatever the turn does begins with catching up. */
static void wake(struct timer *t, uint64_t now)
{
    (void)t, (void)now;
}

static void end_startup(struct timer *t, uint64_t now)
{
    (void)t, (void)now;
    engine.startup_over = true;
    world_touch_all(engine.world);
}

static void end_stall(struct timer *t, uint64_t now)
{
    (void)t, (void)now;
    engine.stalled = 0;
    engine.stall_left = 0;
    for (uint32_t i = 0; i < engine.world->conf->probe_count; i++)
        engine.world->probes[i]->stall_awaited = false;
    world_touch_all(engine.world);
}

void engine_catch_up(uint64_t now)
{
    if (stall_size(now, engine.expected, 0)) /* how long it slept is dearer to find out */
        core_stalled(stall_size(now, engine.expected, clock_slept() - engine.slept));
    if (timer_next(&engine.expiries) <= now)
        timer_run(&engine.expiries, now);
}

/* What we knew before our own standstill goes on counting just long enough for every probe to be attempted again, and
 * never beyond one max_age after it: however long it was, waking up is no reason to take everything out of service. */
static uint64_t lease_of(const struct probe *p, uint64_t gap, uint64_t now)
{
    uint64_t again = p->conf->timeout + ATTEMPT_AGAIN;
    uint64_t until = now + (again < p->conf->max_age ? again : p->conf->max_age);
    return stall_lease(probe_stale_at(p), gap, until);
}

void core_stalled(uint64_t gap)
{
    uint64_t now = clock_now();
    if (!engine.world || gap <= STALL_GAP || engine.stall_noticed)
        return;
    engine.stall_noticed = true; /* once per standstill, whoever notices first */
    char span[CLOCK_TEXT], text[64 + CLOCK_TEXT];
    engine.stats.stalls++;
    engine.stalled = gap;
    engine.stood += gap;
    engine.stood_until = now;
    engine.stall_left = 0;
    for (uint32_t i = 0; i < engine.world->conf->probe_count; i++) {
        struct probe *p = engine.world->probes[i];
        if (!p->record.lease)
            p->record.lease = lease_of(p, gap, now);
        p->stall_awaited = probe_is_active(p);
        engine.stall_left += p->stall_awaited;
    }
    sched_shift(gap);
    timer_set(&engine.expiries, &engine.stall_end, engine.stall_left ? now + STALL_SHOWN : now); /* nobody to wait for: over at once */
    world_touch_all(engine.world);
    snprintf(text, sizeof text, "stalled for %s: deadlines are shifted", clock_span(gap, span));
    journal_add(JOURNAL_SELF, "vitald", "", "stalled", "", text);
    engine_log(LOG_WARNING, "self", NULL, text);
}

uint64_t core_stood(uint64_t *until)
{
    engine_catch_up(clock_now());
    *until = engine.stood_until;
    return engine.stood;
}

void engine_settle(uint64_t now)
{
    engine_catch_up(now);
    world_update(engine.world, now);
}

/* ---- opening, closing, turning ---- */

void core_open(struct timer_heap *timers, const struct core_hooks *hooks)
{
    CORE_ASSERT(timers && hooks->close_all && hooks->serve_ready && hooks->log);
    engine = (struct engine){ .timers = timers, .hooks = *hooks, .expected = TIME_NEVER };
    engine.stats.started = engine.stats.progress = clock_now();
    timer_init(&engine.wake, wake);
    timer_init(&engine.startup_end, end_startup);
    timer_init(&engine.stall_end, end_stall);
    sched_open();
}

void core_close(void)
{
    if (engine.world) {
        for (uint32_t i = 0; i < engine.world->conf->probe_count; i++)
            probe_free(engine.world->probes[i]);
        conf_free(engine.world->conf);
        world_free(engine.world);
    }
    if (engine.adopt_next)
        conf_free(engine.adopt_next);
    timer_clear(engine.timers, &engine.wake);
    timer_heap_free(&engine.expiries);
    sched_close();
    engine.world = NULL;
}

void engine_arm_wake(void)
{
    uint64_t at = timer_next(&engine.expiries);
    if (at == TIME_NEVER)
        timer_clear(engine.timers, &engine.wake);
    else if (!timer_is_set(&engine.wake) || engine.wake.at != at)
        timer_set(engine.timers, &engine.wake, at);
}

void core_publish(uint64_t now)
{
    if (engine.adopt_next) {
        struct conf *next = engine.adopt_next;
        engine.adopt_next = NULL;
        core_adopt(next);
    }
    if (!engine.world)
        return;
    engine_catch_up(now);
    sched_run(now);
    world_update(engine.world, now);
    engine_arm_wake();
    uint64_t next = core_busy() ? now : timer_next(engine.timers);
    engine.expected = next > now ? next : now;
    engine.slept = clock_slept();
    engine.stall_noticed = false;
}

bool core_busy(void)
{
    return sched_busy();
}

/* ---- questions ---- */

const struct conf *core_conf(void)
{
    return engine.world ? engine.world->conf : NULL;
}

uint64_t core_generation(void)
{
    return engine.generation;
}

void core_verdict(uint32_t group, struct verdict *v)
{
    CORE_ASSERT(engine.world && group < engine.world->conf->group_count);
    engine_settle(clock_now());
    *v = engine.world->groups[group].shown;
    v->oldest = world_oldest(engine.world, group);
}

uint32_t core_group_find(const char *name, size_t len)
{
    return engine.world ? index_find(&engine.world->group_names, name, len) : UINT32_MAX;
}

uint32_t core_probe_find(const char *name, size_t len)
{
    return engine.world ? index_find(&engine.world->probe_names, name, len) : UINT32_MAX;
}

static bool is_direct_member(const struct conf_group *g, uint32_t probe)
{
    for (uint32_t i = 0; i < g->member_count + g->advisory_count; i++) {
        const struct conf_member *m = i < g->member_count ? &g->members[i] : &g->advisory[i - g->member_count];
        if (!m->is_group && m->index == probe)
            return true;
    }
    return false;
}

bool core_is_member(uint32_t group, uint32_t probe)
{
    const uint32_t *below;
    uint32_t count = world_below(engine.world, group, true, &below);
    for (uint32_t i = 0; i < count; i++)
        if (is_direct_member(engine.world->groups[below[i]].conf, probe))
            return true;
    return false;
}

/* A tally from scratch, of votes that are given: what `?exclude=` needs, for it changes nothing that lasts. */
static void tally_members(struct tally *t, const struct conf_group *g, const struct vote *probes, const struct vote *groups)
{
    for (uint32_t i = 0; i < g->member_count + g->advisory_count; i++) {
        bool advisory = i >= g->member_count;
        const struct conf_member *m = advisory ? &g->advisory[i - g->member_count] : &g->members[i];
        tally_add(t, m->is_group ? &groups[m->index] : &probes[m->index], advisory);
    }
}

static struct vote *votes_without(const struct world *w, const uint32_t *probes, unsigned count, uint32_t *awaited)
{
    struct vote *votes = mem_alloc(w->conf->probe_count * sizeof *votes);
    for (uint32_t i = 0; i < w->conf->probe_count; i++)
        votes[i] = w->probes[i]->vote;
    *awaited = w->awaited;
    for (unsigned i = 0; i < count; i++) {
        struct vote *v = &votes[probes[i]];
        *awaited -= w->awaited_in[probes[i]] && v->awaited;
        *v = (struct vote){ .left_out = LEFT_PENDING };
    }
    return votes;
}

void core_verdict_without(uint32_t group, const uint32_t *probes, unsigned count, struct verdict *v)
{
    struct world *w = engine.world;
    core_verdict(group, v);
    uint32_t awaited;
    struct vote *leaves = votes_without(w, probes, count, &awaited);
    struct vote *groups = mem_alloc(w->conf->group_count * sizeof *groups);
    const uint32_t *below;
    uint32_t below_count = world_below(w, group, true, &below);
    for (uint32_t i = 0; i < below_count; i++) {
        struct tally t = { 0 };
        tally_members(&t, w->groups[below[i]].conf, leaves, groups);
        tally_vote(&t, w->groups[below[i]].conf, awaited, &groups[below[i]]);
    }
    const struct group *g = &w->groups[group];
    const struct gate gate = world_gate(w, g);
    const struct answer a = gate_apply(&gate, &groups[group], g->policy);
    v->level = a.level;
    v->why = a.why;
    v->unknown = groups[group].unknown;
    v->forced = groups[group].forced;
    v->code = g->conf->codes[a.code];
    mem_free(leaves);
    mem_free(groups);
}

const char *core_beat(const char *name, const char *text, size_t len)
{
    uint32_t index = core_probe_find(name, strlen(name));
    if (index == UINT32_MAX)
        return "no probe has this name";
    struct probe *p = engine.world->probes[index];
    const struct vital_module *m = p->options->module;
    if (!m || !m->receive)
        return "this probe is not of a type that is pushed to, such as heartbeat";
    if (p->quarantined)
        return "this probe is quarantined, for its module broke its contract";
    m->receive(&p->handle, text, len);
    return NULL;
}

void core_stats(struct core_stats *s)
{
    *s = engine.stats;
    s->in_flight = sched_in_flight();
    s->queued = sched_queued();
    s->probes = engine.world ? engine.world->conf->probe_count : 0;
    s->groups = engine.world ? engine.world->conf->group_count : 0;
}
