#include "core/painter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/admin.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/world.h"

/* The picture belongs to its arena; the caller holds the first field only. */
struct frame { struct picture picture; struct arena *arena; };

static uint64_t wall_of(const struct painter *a, uint64_t when)
{
    return when == 0 || when == TIME_NEVER ? 0 : when + a->to_wall;
}

/* ---- probes ---- */

static void paint_numbers(const struct painter *a, const struct probe *p, struct picture_probe *o)
{
    const struct packed *n = &p->record.numbers;
    const char *labels = NULL;
    struct picture_number *numbers = arena_alloc(a->arena, n->count * sizeof *numbers);
    for (unsigned i = 0; i < n->count; i++) {
        const struct number one = packed_next(n, i, &labels);
        const struct vital_number *row = &p->options->module->numbers[one.row];
        numbers[i] = (struct picture_number){
            .name = row->name,
            .unit = row->unit,
            .help = row->help,
            .label = row->label,
            .label_value = row->label ? arena_copy(a->arena, one.label ? one.label : "") : NULL,
            .counter = row->counter,
            .value = one.value,
        };
    }
    o->numbers = numbers;
    o->number_count = n->count;
}

static void paint_depends(const struct painter *a, const struct probe *p, struct picture_probe *o)
{
    const struct conf_probe *c = p->conf;
    const char **names = arena_alloc(a->arena, c->depends_count * sizeof *names);
    for (uint32_t i = 0; i < c->depends_count; i++) {
        const struct probe *parent = a->world->probes[c->depends_on[i]];
        names[i] = arena_copy(a->arena, parent->conf->name);
        if (!o->caused_by && probe_settled(p) != STATE_UP && probe_settled(parent) == STATE_DOWN)
            o->caused_by = names[i];
    }
    o->depends_on = names;
    o->depends_count = c->depends_count;
}

static void paint_history(const struct painter *a, const struct probe *p, struct picture_probe *o)
{
    const struct record *r = &p->record;
    struct picture_reason *reasons = arena_alloc(a->arena, (r->reason_count + 1u) * sizeof *reasons);
    uint64_t fine = probe_reasons_ok(r);
    unsigned n = 0;
    if (fine)
        reasons[n++] = (struct picture_reason){ VITAL_R_OK, fine };
    for (unsigned i = 0; i < r->reason_count; i++)
        reasons[n++] = (struct picture_reason){ (enum vital_reason)r->reasons[i].reason, r->reasons[i].count };
    o->reasons = reasons;
    o->reason_count = n;
    o->history = r->history;
    memcpy(o->attempts, r->attempts, sizeof o->attempts);
}

static void paint_run(const struct probe *p, struct picture_probe *o)
{
    static const enum state states[] = { [LEVEL_PASS] = STATE_UP, [LEVEL_WARN] = STATE_DEGRADED, [LEVEL_FAIL] = STATE_DOWN };
    const struct settle_rule rule = probe_rule(p);
    struct settle_run run;
    o->rise = rule.rise;
    o->fall = rule.fall;
    if (!settle_run(&p->record.settle, &rule, &run))
        return;
    o->run_towards = states[run.towards];
    o->run_have = run.have;
    o->run_need = run.need;
}

/* Without a module there will never be an outcome: what the configuration knows of it stands in its place. */
static void paint_outcome(const struct painter *a, const struct probe *p, struct picture_probe *o)
{
    const struct record *r = &p->record;
    o->had_outcome = r->had_outcome;
    o->outcome = r->class;
    o->reason = p->options->module ? r->reason : VITAL_R_NO_MODULE;
    o->text = arena_copy(a->arena, p->options->module ? r->text : p->conf->missing);
    if (!o->text)
        o->text = "";
    o->at = r->had_outcome ? wall_of(a, r->at) : 0;
    o->duration = r->duration;
    o->last_pass = wall_of(a, r->last_pass);
}

static void paint_probe(const struct painter *a, const struct probe *p, struct picture_probe *o)
{
    const struct record *r = &p->record;
    uint64_t stale_at = r->stale ? probe_fresh_until(p) : probe_stale_at(p);
    o->name = arena_copy(a->arena, p->conf->name);
    o->type = arena_copy(a->arena, p->conf->type);
    o->target = arena_copy(a->arena, p->options->target ? p->options->target : "");
    o->state = probe_state(p);
    o->settled = probe_settled(p);
    o->stale = r->stale;
    o->pending = p->pending;
    o->quarantined = p->quarantined;
    o->shared = p->conf->shared;
    o->in_flight = probe_in_attempt(p);
    o->mode = p->order.mode;
    o->forced = p->order.forced;
    o->mode_until = wall_of(a, p->order.until);
    o->since = wall_of(a, r->since);
    o->next_due = probe_is_active(p) && !o->in_flight ? wall_of(a, p->plan.due) : 0;
    o->stale_at = wall_of(a, stale_at);
    o->interval = p->conf->interval;
    o->timeout = p->conf->timeout;
    o->cancelled = r->cancelled;
    o->transitions = r->transitions;
    o->duration_sum = r->duration_sum;
    paint_outcome(a, p, o);
    paint_run(p, o);
    paint_history(a, p, o);
    paint_numbers(a, p, o);
    paint_depends(a, p, o);
}

/* ---- groups ---- */

static const char *rule_text(const struct painter *a, const struct conf_group *c)
{
    static const char *const rules[] = { [GROUP_ALL] = "all", [GROUP_ANY] = "any", [GROUP_HAD_OUTCOME] = "every member had an outcome" };
    return c->kind == GROUP_AT_LEAST ? arena_printf(a->arena, "at least %u of %u", c->need, c->member_count) : rules[c->kind];
}

static void paint_members(const struct painter *a, const struct group *g, struct picture_group *o)
{
    const struct conf_group *c = g->conf;
    uint32_t count = c->member_count + c->advisory_count;
    struct picture_member *members = arena_alloc(a->arena, count * sizeof *members);
    for (uint32_t i = 0; i < count; i++) {
        bool advisory = i >= c->member_count;
        const struct conf_member *m = advisory ? &c->advisory[i - c->member_count] : &c->members[i];
        const struct vote *v = m->is_group ? &a->world->groups[m->index].vote : &a->world->probes[m->index]->vote;
        uint32_t place = (m->is_group ? a->group_places : a->probe_places)[m->index] - 1;
        members[i] = (struct picture_member){
            .name = m->is_group ? a->groups[place].name : a->probes[place].name,
            .is_group = m->is_group,
            .advisory = advisory,
            .index = place,
            .level = v->level[g->policy],
            .unknown = v->unknown,
            .left_out = v->left_out != LEFT_IN,
        };
    }
    o->members = members;
    o->member_count = count;
}

static void paint_dependants(const struct painter *a, const struct group *g, struct picture_group *o)
{
    uint32_t count;
    const struct edge *edges = world_edges_of_group(a->world, g->index, &count);
    const char **names = arena_alloc(a->arena, count * sizeof *names);
    for (uint32_t i = 0; i < count; i++)
        names[i] = arena_copy(a->arena, a->world->groups[edges[i].group].conf->name);
    o->dependants = names;
    o->dependant_count = count;
}

static void paint_group(struct painter *a, struct group *g, struct picture_group *o)
{
    o->level = g->shown.level;
    o->why = g->shown.why;
    o->code = g->shown.code;
    o->draining = g->shown.draining;
    o->unknown = g->shown.unknown;
    o->forced = g->shown.forced;
    o->configured = g->conf->configured;
    o->rule = rule_text(a, g->conf);
    o->since = wall_of(a, g->shown.since);
    o->oldest = wall_of(a, world_oldest(a->world, g->index));
    paint_members(a, g, o);
    painter_causes(a, g, o);
    paint_dependants(a, g, o);
}

/* ---- the whole ---- */

static void open_painter(struct painter *a)
{
    CORE_ASSERT(engine.world);
    uint64_t now = clock_now();
    engine_catch_up(now);
    world_update(engine.world, now);
    const struct conf *c = engine.world->conf;
    *a = (struct painter){ .arena = arena_new(), .world = engine.world, .to_wall = clock_to_wall() };
    struct frame *f = arena_alloc(a->arena, sizeof *f);
    f->arena = a->arena;
    a->picture = &f->picture;
    a->probe_places = mem_alloc(c->probe_count * sizeof *a->probe_places);
    a->group_places = mem_alloc(c->group_count * sizeof *a->group_places);
    a->seen = mem_alloc(c->probe_count * sizeof *a->seen);
}

static void take_probe(struct painter *a, uint32_t probe)
{
    if (!a->probe_places[probe])
        a->probe_places[probe] = ++a->picture->probe_count;
}

static void take_group(struct painter *a, uint32_t group)
{
    if (!a->group_places[group])
        a->group_places[group] = ++a->picture->group_count;
}

static void paint_self(const struct painter *a)
{
    struct picture *o = a->picture;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    o->wall = clock_wall();
    o->version = VITALD_VERSION;
    o->host = arena_copy(a->arena, host);
    o->source = arena_copy(a->arena, a->world->conf->source);
    o->started = wall_of(a, engine.stats.started);
    o->generation = engine.generation;
    o->last_reload = wall_of(a, engine.stats.last_reload);
    o->last_reload_ok = engine.stats.last_reload_ok;
    o->stalled = engine.stalled;
    o->draining = engine.draining;
    o->draining_since = wall_of(a, admin_draining_since());
    o->journal_last = journal_last();
}

static const struct picture *close_painter(struct painter *a)
{
    struct picture *o = a->picture;
    const struct conf *c = a->world->conf;
    a->probes = arena_alloc(a->arena, o->probe_count * sizeof *a->probes);
    a->groups = arena_alloc(a->arena, o->group_count * sizeof *a->groups);
    o->probes = a->probes;
    o->groups = a->groups;
    paint_self(a);
    for (uint32_t i = 0; i < c->probe_count; i++)
        if (a->probe_places[i])
            paint_probe(a, a->world->probes[i], &a->probes[a->probe_places[i] - 1]);
    for (uint32_t i = 0; i < c->group_count; i++)
        if (a->group_places[i])
            a->groups[a->group_places[i] - 1].name = arena_copy(a->arena, c->groups[i].name);
    for (uint32_t i = 0; i < c->group_count; i++)
        if (a->group_places[i])
            paint_group(a, &a->world->groups[i], &a->groups[a->group_places[i] - 1]);
    mem_free(a->probe_places);
    mem_free(a->group_places);
    mem_free(a->seen);
    return o;
}

const struct picture *picture_all(void)
{
    struct painter a;
    open_painter(&a);
    for (uint32_t i = 0; i < a.world->conf->probe_count; i++)
        take_probe(&a, i);
    for (uint32_t i = 0; i < a.world->conf->group_count; i++)
        take_group(&a, i);
    return close_painter(&a);
}

const struct picture *picture_group(uint32_t group)
{
    struct painter a;
    const uint32_t *below;
    open_painter(&a);
    CORE_ASSERT(group < a.world->conf->group_count);
    take_group(&a, group);
    uint32_t count = world_below(a.world, group, true, &below);
    for (uint32_t i = 0; i < count; i++) {
        const struct conf_group *c = &a.world->conf->groups[below[i]];
        take_group(&a, below[i]);
        for (uint32_t m = 0; m < c->member_count; m++)
            if (!c->members[m].is_group)
                take_probe(&a, c->members[m].index);
        for (uint32_t m = 0; m < c->advisory_count; m++)
            if (!c->advisory[m].is_group)
                take_probe(&a, c->advisory[m].index);
    }
    return close_painter(&a);
}

const struct picture *picture_probe(uint32_t probe)
{
    struct painter a;
    open_painter(&a);
    CORE_ASSERT(probe < a.world->conf->probe_count);
    take_probe(&a, probe);
    return close_painter(&a);
}

void picture_free(const struct picture *picture)
{
    if (picture)
        arena_free(((const struct frame *)(const void *)picture)->arena);
}
