/* What the core's unit tests and the simulation share: a clock that is set, a turn without a loop, configurations built
 * by hand, and a module whose attempts end as a test says. One program, one kit: all is static. */
#ifndef WORLD_KIT_H
#define WORLD_KIT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/timer.h"
#include "config/conf.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/picture.h"
#include "core/probe.h"
#include "core/sched.h"
#include "core/world.h"

#define KIT __attribute__((unused)) static

#define KIT_BOOT (UINT64_C(1000) * USEC_S)
#define KIT_WALL (UINT64_C(1795198147) * USEC_S)

static uint64_t kit_time = KIT_BOOT;
static struct timer_heap kit_heap;

KIT uint64_t kit_now(void) { return kit_time; }
KIT uint64_t kit_wall(void) { return KIT_WALL + kit_time; }

/* ---- the fake module ---- */

struct fake_conf { const char *target; int64_t variant; };

/* Lives in priv: starts from zero for every new object. */
struct fake {
    unsigned starts, cancels, releases, received;
    bool running;
    uint64_t began;
    struct timer reply;       /* the simulation's: when its attempt will be answered */
    struct vital_probe *self;
};

static const struct vital_opt fake_rows[] = {
    VITAL_OPT(struct fake_conf, target, STRING, .flags = VITAL_TARGET | VITAL_BARE, .help = "where"),
    VITAL_OPT(struct fake_conf, variant, INT, .help = "anything else"),
    VITAL_OPT_END,
};
static const struct vital_number fake_numbers[] = {
    { .name = "plain", .unit = "seconds", .help = "a number" },
    { .name = "each", .unit = "bytes", .help = "one per something", .label = "thing" },
    { .name = NULL },
};

/* Set by tests; called after the books are kept. */
static void (*kit_on_start)(struct vital_probe *);
static void (*kit_on_cancel)(struct vital_probe *);
static unsigned kit_releases;

KIT struct fake *kit_fake(struct vital_probe *p) { return p->priv; }

static void fake_start(struct vital_probe *p)
{
    struct fake *f = p->priv;
    if (f->running)
        abort(); /* never two attempts of one probe */
    f->running = true;
    f->starts++;
    f->began = kit_time;
    if (kit_on_start)
        kit_on_start(p);
}

static void fake_cancel(struct vital_probe *p)
{
    struct fake *f = p->priv;
    if (!f->running)
        abort();
    f->running = false;
    f->cancels++;
    if (kit_on_cancel)
        kit_on_cancel(p);
}

static void fake_release(struct vital_probe *p)
{
    if (kit_fake(p)->running)
        abort();
    kit_releases++;
}

static void fake_receive(struct vital_probe *p, const char *text, size_t len)
{
    (void)text, (void)len;
    kit_fake(p)->received++;
}

static const struct vital_module fake_module = {
    VITAL_MODULE_HEAD,
    .name = "fake",
    .summary = "ends as a test says",
    .opts = fake_rows,
    .numbers = fake_numbers,
    .conf_size = sizeof(struct fake_conf),
    .priv_size = sizeof(struct fake),
    .start = fake_start,
    .cancel = fake_cancel,
    .release = fake_release,
    .receive = fake_receive,
};

KIT void kit_finish(struct vital_probe *p, enum vital_class class, enum vital_reason reason, const char *text)
{
    kit_fake(p)->running = false;
    probe_finish(probe_of(p), class, reason, text);
}

/* ---- hooks ---- */

static unsigned kit_closes, kit_closes_kept, kit_serves, kit_lines;
static void (*kit_on_serve)(void);
static void (*kit_on_close)(struct probe *);
static bool (*kit_on_refresh)(struct probe *);
static char kit_log[512];

static void kit_close_all(struct probe *p, bool kept_too)
{
    kit_closes++;
    kit_closes_kept += kept_too;
    if (kit_on_close)
        kit_on_close(p);
}

static void kit_serve_ready(void)
{
    kit_serves++;
    if (kit_on_serve)
        kit_on_serve();
}

static void kit_take_log(int level, const char *kind, const char *name, const char *text)
{
    kit_lines++;
    snprintf(kit_log, sizeof kit_log, "%d %s %s: %s", level, kind, name ? name : "-", text);
}

static bool kit_refresh(struct probe *p)
{
    return kit_on_refresh && kit_on_refresh(p);
}

static uint64_t kit_held_for;     /* by a helper thread */
static uint64_t kit_held(struct probe *p) { (void)p; return kit_held_for; }

static const struct core_hooks kit_hooks = {
    .close_all = kit_close_all, .serve_ready = kit_serve_ready, .log = kit_take_log, .refresh = kit_refresh, .held = kit_held,
};

/* Each list of members is a block of its own that ends with the last one, so that the sanitizer sees who looks beyond. */
struct kit_list { struct kit_list *next; struct conf_member members[]; };
static struct kit_list *kit_lists;

/* ---- time and turns ---- */

KIT void kit_open(void)
{
    clock_replace(kit_now, kit_wall);
    core_open(&kit_heap, &kit_hooks);
}

KIT void kit_close(void)
{
    core_close();
    CORE_ASSERT(kit_heap.count == 0 && !core_conf());
    engine.adopt_next = NULL; /* what core_close() may have forgotten hides from the leak checker nowhere */
    engine.expiries = (struct timer_heap){ 0 };
    timer_heap_free(&kit_heap);
    for (struct kit_list *l = kit_lists, *next; l; l = next) {
        next = l->next;
        mem_free(l);
    }
    kit_lists = NULL;
}

KIT void kit_turn(void)
{
    timer_run(&kit_heap, kit_time);
    core_publish(kit_time);
}

/* Turns as long as there is something to do right now. */
KIT void kit_settle(void)
{
    do
        kit_turn();
    while (core_busy() || timer_next(&kit_heap) <= kit_time);
}

KIT void kit_until(uint64_t when)
{
    kit_settle();
    while (timer_next(&kit_heap) <= when) {
        kit_time = timer_next(&kit_heap);
        kit_settle();
    }
    kit_time = when;
    kit_settle();
}

KIT void kit_pass_time(uint64_t period)
{
    kit_until(kit_time + period);
}

/* ---- configurations by hand ---- */

enum { KIT_PROBES = 64, KIT_GROUPS = 64 };

/* Member lists are words: "a b c"; names of probes or groups, of later ones too. */
struct kit_group { struct conf_group conf; const char *members, *advisory; };
struct kit_world {
    struct conf *conf;
    struct conf_probe *probes;
    struct kit_group *groups;
    uint32_t probe_room, group_room;
};

KIT struct kit_world kit_world_of(uint32_t probes, uint32_t groups)
{
    struct conf *c = mem_alloc(sizeof *c);
    c->arena = arena_new();
    c->source = "kit";
    c->max_in_flight = 256;
    c->max_per_address = 8;
    c->startup_timeout = 300 * USEC_S;
    return (struct kit_world){
        .conf = c,
        .probes = arena_alloc(c->arena, probes * sizeof(struct conf_probe)),
        .groups = arena_alloc(c->arena, (groups + 4) * sizeof(struct kit_group)),
        .probe_room = probes,
        .group_room = groups + 4,
    };
}

KIT struct kit_world kit_world(void) { return kit_world_of(KIT_PROBES, KIT_GROUPS); }

KIT struct conf_options *kit_options(const struct vital_module *module, const char *target, int64_t variant)
{
    struct conf_options *o = conf_options_new(0);
    o->module = module;
    if (module) {
        struct fake_conf *f = arena_alloc(o->arena, sizeof *f);
        f->target = arena_copy(o->arena, target);
        f->variant = variant;
        o->data = f;
    }
    o->target = arena_copy(o->arena, target);
    return o;
}

KIT struct conf_probe *kit_probe_with(struct kit_world *w, const char *name, const char *target, int64_t variant)
{
    CORE_ASSERT(w->conf->probe_count < w->probe_room);
    struct conf_probe *p = &w->probes[w->conf->probe_count++];
    *p = (struct conf_probe){
        .name = arena_copy(w->conf->arena, name), .type = "fake", .options = kit_options(&fake_module, target, variant),
        .interval = 10 * USEC_S, .interval_unsettled = USEC_S, .interval_down = 10 * USEC_S, .timeout = 2 * USEC_S,
        .max_age = 33 * USEC_S, .jitter = 0, .jitter_unsettled = 0, .rise = 2, .fall = 3,
    };
    return p;
}

KIT struct conf_probe *kit_probe(struct kit_world *w, const char *name)
{
    return kit_probe_with(w, name, "", 0);
}

KIT struct conf_group *kit_group(struct kit_world *w, const char *name, enum conf_kind kind, uint32_t need, const char *members, const char *advisory)
{
    CORE_ASSERT(w->conf->group_count < w->group_room);
    struct kit_group *g = &w->groups[w->conf->group_count++];
    *g = (struct kit_group){
        .conf = { .name = arena_copy(w->conf->arena, name), .kind = kind, .need = need, .unknown = UNKNOWN_FAIL,
                  .codes = { 200, 200, 503, 503 }, .configured = true },
        .members = arena_copy(w->conf->arena, members), .advisory = arena_copy(w->conf->arena, advisory),
    };
    return &g->conf;
}

KIT uint32_t kit_find(const struct kit_world *w, const char *name, size_t len, bool *is_group)
{
    for (uint32_t i = 0; i < w->conf->probe_count; i++)
        if (strlen(w->probes[i].name) == len && !strncmp(w->probes[i].name, name, len))
            return *is_group = false, i;
    for (uint32_t i = 0; i < w->conf->group_count; i++)
        if (strlen(w->groups[i].conf.name) == len && !strncmp(w->groups[i].conf.name, name, len))
            return *is_group = true, i;
    return UINT32_MAX;
}

KIT uint32_t kit_words(const char *words)
{
    uint32_t count = 0;
    for (const char *at = words; *(at += strspn(at, " ")); at += strcspn(at, " "))
        count++;
    return count;
}

KIT const struct conf_member *kit_members(const struct kit_world *w, const char *words, uint32_t *count)
{
    struct kit_list *list = mem_alloc(sizeof *list + kit_words(words) * sizeof list->members[0]);
    struct conf_member *out = list->members;
    list->next = kit_lists;
    kit_lists = list;
    *count = 0;
    for (const char *at = words; *(at += strspn(at, " ")); at += strcspn(at, " ")) {
        struct conf_member *m = &out[(*count)++];
        m->index = kit_find(w, at, strcspn(at, " "), &m->is_group);
        CORE_ASSERT(m->index != UINT32_MAX);
    }
    return out;
}

KIT uint32_t kit_default_group(struct kit_world *w, const char *name, enum conf_unknown unknown)
{
    bool is_group;
    uint32_t index = kit_find(w, name, strlen(name), &is_group);
    if (index != UINT32_MAX)
        return index;
    struct conf_group *g = kit_group(w, name, GROUP_ALL, 0, "", "");
    g->configured = false;
    g->unknown = unknown;
    return w->conf->group_count - 1;
}

/* Adds what is missing of the four groups, resolves names, and gives the whole away. */
KIT struct conf *kit_conf(struct kit_world *w)
{
    struct conf *c = w->conf;
    c->live = kit_default_group(w, "live", UNKNOWN_PASS);
    c->ready = kit_default_group(w, "ready", UNKNOWN_FAIL);
    c->startup = kit_default_group(w, "startup", UNKNOWN_FAIL);
    c->health = kit_default_group(w, "health", UNKNOWN_PASS);
    struct conf_group *groups = arena_alloc(c->arena, c->group_count * sizeof *groups);
    for (uint32_t i = 0; i < c->group_count; i++) {
        struct kit_group *g = &w->groups[i];
        g->conf.members = kit_members(w, g->members ? g->members : "", &g->conf.member_count);
        g->conf.advisory = kit_members(w, g->advisory ? g->advisory : "", &g->conf.advisory_count);
        groups[i] = g->conf;
    }
    c->probes = w->probes;
    c->groups = groups;
    return c;
}

/* ---- looking ---- */

KIT struct probe *kit_find_probe(const char *name)
{
    uint32_t index = core_probe_find(name, strlen(name));
    CORE_ASSERT(index != UINT32_MAX);
    return engine.world->probes[index];
}

KIT struct vital_probe *kit_handle(const char *name) { return probe_handle(kit_find_probe(name)); }

KIT struct verdict kit_verdict(const char *name)
{
    struct verdict v;
    uint32_t index = core_group_find(name, strlen(name));
    CORE_ASSERT(index != UINT32_MAX);
    core_verdict(index, &v);
    return v;
}

KIT enum level kit_level(const char *name) { return kit_verdict(name).level; }

#endif
