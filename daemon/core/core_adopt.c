#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "core/core.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/probe.h"
#include "core/state.h"
#include "core/world.h"

static struct probe *find_old(const struct world *old, const char *name)
{
    uint32_t index = old ? index_find(&old->probe_names, name, strlen(name)) : UINT32_MAX;
    return index == UINT32_MAX ? NULL : old->probes[index];
}

/* Without a module there is nothing decoded to compare, and nothing to lose. */
static bool same_type(const struct probe *old, const struct conf_probe *conf)
{
    return old->options->module && old->options->module == conf->options->module;
}

static bool can_move(const struct probe *old, const struct conf_probe *conf)
{
    return same_type(old, conf) && conf_options_equal(old->options, conf->options);
}

static bool can_inherit(const struct probe *old, const struct conf_probe *conf)
{
    return same_type(old, conf) && conf_options_same_target(old->options, conf->options);
}

/* Until startup has latched everything is as at boot: nothing may be left out. */
static void make_new(struct probe *p, const struct probe *old, bool reload, uint64_t now)
{
    if (old)
        p->order = old->order;
    if (reload && engine.startup_latched && p->conf->initial == INITIAL_FIRST && p->options->module)
        probe_set_pending(p, now);
    probe_arm_expiry(p);
}

static void adopt_probe(struct world *w, uint32_t index, struct world *old_world, uint64_t now)
{
    const struct conf_probe *conf = &w->conf->probes[index];
    struct probe *old = find_old(old_world, conf->name);
    if (old && can_move(old, conf)) {
        old_world->probes[old->index] = NULL;
        world_place(w, index, old);
        probe_set_policy(old, conf, now);
        return;
    }
    struct probe *p = probe_new(conf, engine.hooks.host, now);
    if (old && can_inherit(old, conf))
        probe_inherit(p, old);
    else
        make_new(p, old, old_world != NULL, now);
    world_place(w, index, p);
    sched_first(p, w->urgent[index], now);
}

static void drop_old(struct world *old)
{
    for (uint32_t i = 0; i < old->conf->probe_count; i++)
        if (old->probes[i])
            probe_free(old->probes[i]);
    conf_free(old->conf);
    world_free(old);
}

static void note_adoption(const struct world *w, bool reload, uint64_t now)
{
    char text[128];
    engine.generation++;
    engine.stats.last_reload = now;
    engine.stats.last_reload_ok = true;
    snprintf(text, sizeof text, "configuration %llu: %u probes, %u groups", (unsigned long long)engine.generation,
             w->conf->probe_count, w->conf->group_count);
    if (!reload)
        return;
    engine.stats.reloads++;
    journal_add(JOURNAL_SELF, "vitald", "", "reloaded", "", text);
    engine_log(LOG_NOTICE, "self", NULL, text);
}

void core_adopt(struct conf *conf)
{
    if (engine.serving) {
        if (engine.adopt_next)
            conf_free(engine.adopt_next);
        engine.adopt_next = conf;
        return;
    }
    CORE_ASSERT(conf->max_in_flight && conf->max_per_address);
    uint64_t now = clock_now();
    struct world *old = engine.world, *w = world_new(conf);
    if (old)
        engine_settle(now);
    for (uint32_t i = 0; i < conf->probe_count; i++)
        adopt_probe(w, i, old, now);
    if (!old)
        state_apply(w, now);
    engine.world = w;
    if (engine_is_starting())
        timer_set(&engine.expiries, &engine.startup_end, engine.stats.started + conf->startup_timeout);
    world_begin(w, old, now);
    if (old)
        drop_old(old);
    note_adoption(w, old != NULL, now);
    engine_arm_wake();
}

void core_reload_failed(void)
{
    engine.stats.reload_failures++;
    engine.stats.last_reload = clock_now();
    engine.stats.last_reload_ok = false;
    journal_add(JOURNAL_SELF, "vitald", "", "reload failed", "", "the configuration before goes on; see the log");
}
