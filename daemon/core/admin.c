#include "core/admin.h"

#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/world.h"

static void tell(const char *from, const char *to, const char *text)
{
    journal_add(JOURNAL_SELF, "vitald", from, to, "", text);
    engine_log(LOG_NOTICE, "self", NULL, text);
    world_touch_all(engine.world);
}

static uint64_t orders;

uint64_t admin_orders(void)
{
    return orders;
}

void admin_drain(bool by_order)
{
    orders += by_order;
    engine.drain_ordered |= by_order;
    if (engine.draining)
        return;
    engine.draining = true;
    engine.draining_since = clock_now();
    tell("normal", "draining", by_order ? "draining: ordered" : "draining: about to stop");
}

void admin_undrain(void)
{
    orders++;
    if (!engine.draining)
        return;
    engine.draining = engine.drain_ordered = false;
    engine.draining_since = 0;
    tell("draining", "normal", "no longer draining: ordered");
}

bool admin_is_draining(void)
{
    return engine.draining;
}

bool admin_drain_is_ordered(void)
{
    return engine.drain_ordered;
}

uint64_t admin_draining_since(void)
{
    return engine.draining_since;
}

static const char *name_at(const void *names, size_t i)
{
    return ((const struct conf_probe *)names)[i].name;
}

static char *unknown_name(const char *name)
{
    const struct conf *c = engine.world->conf;
    const char *near = diag_nearest(name, name_at, c->probes, c->probe_count);
    if (core_group_find(name, strlen(name)) != UINT32_MAX)
        return mem_printf("\"%s\" is a group; modes are for single probes", name);
    if (near)
        return mem_printf("no probe is called \"%s\"; did you mean \"%s\"?", name, near);
    return mem_printf("no probe is called \"%s\"; `vitalctl status` lists them", name);
}

static struct probe *find(const char *name, char **error)
{
    uint32_t index = core_probe_find(name, strlen(name));
    *error = index == UINT32_MAX ? unknown_name(name) : NULL;
    return *error ? NULL : engine.world->probes[index];
}

char *admin_mode(const char *name, enum mode mode, enum level forced, uint64_t period)
{
    char *error;
    struct probe *p = find(name, &error);
    if (!p)
        return error;
    uint64_t now = clock_now();
    orders++;
    struct order order = { .mode = mode };
    if (mode == MODE_FORCED)
        order.forced = forced;
    if (mode != MODE_NORMAL && period)
        order.until = period < TIME_NEVER - now ? now + period : TIME_NEVER;
    engine_catch_up(now);
    probe_set_order(p, &order, "ordered", now);
    return NULL;
}

char *admin_resume(const char *name)
{
    return admin_mode(name, MODE_NORMAL, LEVEL_PASS, 0);
}

char *admin_run(const char *name)
{
    char *error;
    struct probe *p = find(name, &error);
    if (!p)
        return error;
    if (!p->options->module)
        return mem_printf("\"%s\" cannot run: %s", name, p->conf->missing ? p->conf->missing : "its module is not installed");
    if (p->quarantined)
        return mem_printf("\"%s\" is quarantined, for its module broke its contract three times; change its options and reload", name);
    if (p->order.mode == MODE_PAUSED)
        return mem_printf("\"%s\" is paused; `vitalctl resume %s` comes first", name, name);
    sched_soon(p, clock_now());
    return NULL;
}
