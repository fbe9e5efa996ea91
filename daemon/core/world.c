#include "core/world.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/engine.h"
#include "core/journal.h"

enum { WORD = 64 };

/* ---- building ---- */

static uint32_t member_id(const struct conf *c, const struct conf_member *m)
{
    CORE_ASSERT(m->index < (m->is_group ? c->group_count : c->probe_count));
    return m->is_group ? c->probe_count + m->index : m->index;
}

/* Counting sort of all (member, group) pairs by member. */
static void count_edges(const struct conf *c, uint32_t *start)
{
    for (uint32_t g = 0; g < c->group_count; g++) {
        const struct conf_group *group = &c->groups[g];
        for (uint32_t i = 0; i < group->member_count; i++)
            start[member_id(c, &group->members[i]) + 1]++;
        for (uint32_t i = 0; i < group->advisory_count; i++)
            start[member_id(c, &group->advisory[i]) + 1]++;
    }
    for (uint32_t i = 0; i < c->probe_count + c->group_count; i++)
        start[i + 1] += start[i];
}

static void fill_edges(struct world *w)
{
    const struct conf *c = w->conf;
    uint32_t *next = mem_alloc((c->probe_count + c->group_count + 1) * sizeof *next);
    memcpy(next, w->edge_start, (c->probe_count + c->group_count) * sizeof *next);
    for (uint32_t g = 0; g < c->group_count; g++) {
        const struct conf_group *group = &c->groups[g];
        for (uint32_t i = 0; i < group->member_count; i++)
            w->edges[next[member_id(c, &group->members[i])]++] = (struct edge){ .group = g };
        for (uint32_t i = 0; i < group->advisory_count; i++)
            w->edges[next[member_id(c, &group->advisory[i])]++] = (struct edge){ .group = g, .advisory = true };
    }
    mem_free(next);
}

static uint32_t count_groups(const struct conf_member *members, uint32_t count)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < count; i++)
        groups += members[i].is_group;
    return groups;
}

/* Members first. A cycle cannot be ranked; the configuration has none. */
static void rank_groups(struct world *w)
{
    const struct conf *c = w->conf;
    uint32_t ranked = 0, *waits = mem_alloc((c->group_count + 1) * sizeof *waits);
    for (uint32_t g = 0; g < c->group_count; g++) {
        waits[g] = count_groups(c->groups[g].members, c->groups[g].member_count) +
                   count_groups(c->groups[g].advisory, c->groups[g].advisory_count);
        if (!waits[g])
            w->by_rank[ranked++] = g;
    }
    for (uint32_t r = 0; r < ranked; r++) {
        uint32_t count;
        const struct edge *edges = world_edges_of_group(w, w->by_rank[r], &count);
        w->groups[w->by_rank[r]].rank = r;
        for (uint32_t i = 0; i < count; i++)
            if (!--waits[edges[i].group])
                w->by_rank[ranked++] = edges[i].group;
    }
    mem_free(waits);
    CORE_ASSERT(ranked == c->group_count);
}

uint32_t world_below(struct world *w, uint32_t group, bool advisory_too, const uint32_t **groups)
{
    uint32_t depth = 0, count = 0;
    *groups = w->walk;
    w->mark++;
    w->groups[group].mark = w->mark;
    w->walk_at[depth] = 0;
    w->walk[w->conf->group_count - ++depth] = group; /* the stack grows down from the end, the result up from the start */
    while (depth) {
        uint32_t at = w->walk[w->conf->group_count - depth];
        const struct conf_group *c = &w->conf->groups[at];
        uint32_t i = w->walk_at[depth - 1]++, total = c->member_count + (advisory_too ? c->advisory_count : 0);
        if (i >= total) {
            depth--;
            w->walk[count++] = at;
            continue;
        }
        const struct conf_member *m = i < c->member_count ? &c->members[i] : &c->advisory[i - c->member_count];
        if (!m->is_group || w->groups[m->index].mark == w->mark)
            continue;
        w->groups[m->index].mark = w->mark;
        w->walk_at[depth] = 0;
        w->walk[w->conf->group_count - ++depth] = m->index;
    }
    return count;
}

static void flag_probes_below(struct world *w, uint32_t group, bool *flags)
{
    const uint32_t *groups;
    uint32_t count = world_below(w, group, false, &groups);
    for (uint32_t g = 0; g < count; g++) {
        const struct conf_group *c = &w->conf->groups[groups[g]];
        for (uint32_t i = 0; i < c->member_count; i++)
            if (!c->members[i].is_group)
                flags[c->members[i].index] = true;
    }
}

struct world *world_new(struct conf *c)
{
    struct world *w = mem_alloc(sizeof *w);
    uint32_t members = c->probe_count + c->group_count;
    w->conf = c;
    w->probes = mem_alloc(c->probe_count * sizeof *w->probes);
    w->groups = mem_alloc(c->group_count * sizeof *w->groups);
    w->by_rank = mem_alloc(c->group_count * sizeof *w->by_rank);
    w->walk = mem_alloc(c->group_count * sizeof *w->walk);
    w->walk_at = mem_alloc(c->group_count * sizeof *w->walk_at);
    w->sampled = mem_alloc(c->probe_count * sizeof *w->sampled);
    w->urgent = mem_alloc(c->probe_count);
    w->awaited_in = mem_alloc(c->probe_count);
    w->dirty = mem_alloc((c->group_count / WORD + 1) * sizeof *w->dirty);
    w->edge_start = mem_alloc((members + 1) * sizeof *w->edge_start);
    count_edges(c, w->edge_start);
    w->edges = mem_alloc(w->edge_start[members] * sizeof *w->edges);
    fill_edges(w);
    index_open(&w->probe_names, c->probe_count);
    index_open(&w->group_names, c->group_count);
    for (uint32_t i = 0; i < c->probe_count; i++)
        index_add(&w->probe_names, c->probes[i].name, i);
    for (uint32_t i = 0; i < c->group_count; i++) {
        index_add(&w->group_names, c->groups[i].name, i);
        w->groups[i].conf = &c->groups[i];
        w->groups[i].index = i;
        w->groups[i].policy = policy_of(c->groups[i].unknown, c->groups[i].on_shared);
    }
    rank_groups(w);
    flag_probes_below(w, c->startup, w->urgent);
    flag_probes_below(w, c->ready, w->urgent);
    if (c->groups[c->startup].kind == GROUP_HAD_OUTCOME)
        flag_probes_below(w, c->startup, w->awaited_in);
    return w;
}

void world_free(struct world *w)
{
    mem_free(w->probes);
    mem_free(w->groups);
    mem_free(w->by_rank);
    mem_free(w->walk);
    mem_free(w->walk_at);
    mem_free(w->sampled);
    mem_free(w->urgent);
    mem_free(w->awaited_in);
    mem_free(w->dirty);
    mem_free(w->edge_start);
    mem_free(w->edges);
    index_close(&w->probe_names);
    index_close(&w->group_names);
    mem_free(w);
}

void world_place(struct world *w, uint32_t index, struct probe *p)
{
    w->probes[index] = p;
    p->index = index;
}

/* ---- votes travel upward ---- */

static void touch(struct world *w, uint32_t group)
{
    uint32_t rank = w->groups[group].rank;
    uint64_t bit = UINT64_C(1) << rank % WORD;
    w->dirty_count += !(w->dirty[rank / WORD] & bit);
    w->dirty[rank / WORD] |= bit;
}

void world_touch_all(struct world *w)
{
    for (uint32_t g = 0; g < w->conf->group_count; g++)
        touch(w, g);
}

static void carry(struct world *w, uint32_t member, const struct vote *old, const struct vote *new)
{
    for (uint32_t e = w->edge_start[member]; e < w->edge_start[member + 1]; e++) {
        const struct edge *edge = &w->edges[e];
        tally_remove(&w->groups[edge->group].tally, old, edge->advisory);
        tally_add(&w->groups[edge->group].tally, new, edge->advisory);
        touch(w, edge->group);
    }
}

static void note_sample(struct world *w, const struct probe *p, const struct vote *v)
{
    uint64_t at = p->record.sampled && !v->left_out ? p->record.sample_at : TIME_NEVER;
    if (w->sampled[p->index] == at)
        return;
    w->sampled[p->index] = at;
    engine.samples++;
}

static void await(struct world *w, const struct probe *p, bool old, bool new)
{
    if (!w->awaited_in[p->index] || old == new)
        return;
    w->awaited += new ? 1 : UINT32_MAX;
    touch(w, w->conf->startup);
}

void world_cast(struct world *w, struct probe *p)
{
    struct vote new;
    if (p->index >= w->conf->probe_count || w->probes[p->index] != p)
        return; /* on its way in or out */
    probe_cast(p, &new);
    note_sample(w, p, &new);
    if (vote_equal(&new, &p->vote))
        return;
    carry(w, p->index, &p->vote, &new);
    await(w, p, p->vote.awaited, new.awaited);
    p->vote = new;
}

/* ---- verdicts ---- */

struct gate world_gate(const struct world *w, const struct group *g)
{
    const struct conf *c = w->conf;
    bool live_waits = c->groups[c->live].configured && engine_is_starting();
    /* An unconfigured health stands on the members of live, and is as patient. */
    bool like_live = g->index == c->live || (g->index == c->health && !g->conf->configured);
    return (struct gate){
        .passes_starting = like_live && live_waits,
        .fails_starting = g->index == c->ready && !engine.startup_latched,
        .latched = g->index == c->startup && engine.startup_latched,
        .draining = g->conf->drains && engine.draining,
        .stalled = engine.stalled > 0,
    };
}

static void tell(const struct group *g, const struct verdict *old, const struct verdict *new)
{
    char line[128];
    const char *why = new->why == WHY_MEMBERS ? "" : why_text(new->why);
    snprintf(line, sizeof line, "%s -> %s%s%s", level_text(old->level), level_text(new->level), *why ? ": " : "", why);
    journal_add(JOURNAL_GROUP, g->conf->name, level_text(old->level), level_text(new->level), why, "");
    engine_log(new->level > old->level ? LOG_WARNING : LOG_NOTICE, "group", g->conf->name, line);
}

static bool verdict_differs(const struct verdict *a, const struct verdict *b)
{
    return a->level != b->level || a->why != b->why || a->draining != b->draining || a->unknown != b->unknown ||
           a->forced != b->forced || a->code != b->code || a->stalled != b->stalled;
}

static void show(const struct world *w, struct group *g, uint64_t now)
{
    const struct gate gate = world_gate(w, g);
    const struct answer a = gate_apply(&gate, &g->vote, g->policy);
    struct verdict old = g->shown, new = {
        .level = a.level,
        .why = a.why,
        .draining = gate.draining,
        .unknown = g->vote.unknown,
        .forced = g->vote.forced,
        .code = g->conf->codes[a.code],
        .since = old.since,
        .stalled = engine.stalled,
        .version = old.version,
    };
    if (g->is_shown && !verdict_differs(&old, &new))
        return;
    new.version = ++engine.version;
    if (!g->is_shown || old.level != new.level)
        new.since = now;
    g->shown = new;
    if (g->is_shown && old.level != new.level)
        tell(g, &old, &new);
    g->is_shown = true;
}

static void refresh(struct world *w, struct group *g, uint64_t now)
{
    struct vote new;
    tally_vote(&g->tally, g->conf, w->awaited, &new);
    if (!vote_equal(&new, &g->vote)) {
        carry(w, w->conf->probe_count + g->index, &g->vote, &new);
        g->vote = new;
    }
    if (g->index == w->conf->startup && !engine.startup_latched && new.level[g->policy] != LEVEL_FAIL) {
        engine.startup_latched = true;
        world_touch_all(w);
    }
    show(w, g, now);
}

/* In order of rank: every group once, after all its members; a latch in between makes for another round. */
void world_update(struct world *w, uint64_t now)
{
    while (w->dirty_count)
        for (uint32_t word = 0; word <= w->conf->group_count / WORD; word++)
            while (w->dirty[word]) {
                uint32_t bit = (uint32_t)__builtin_ctzll(w->dirty[word]);
                w->dirty[word] &= ~(UINT64_C(1) << bit);
                w->dirty_count--;
                refresh(w, &w->groups[w->by_rank[word * WORD + bit]], now);
            }
}

/* ---- adoption ---- */

static void carry_verdict(struct group *g, const struct world *old)
{
    uint32_t index = index_find(&old->group_names, g->conf->name, strlen(g->conf->name));
    if (index == UINT32_MAX)
        return;
    g->shown = old->groups[index].shown;
    g->is_shown = true;
}

void world_begin(struct world *w, const struct world *old, uint64_t now)
{
    for (uint32_t i = 0; i < w->conf->probe_count; i++) {
        struct probe *p = w->probes[i];
        probe_cast(p, &p->vote);
        w->sampled[i] = TIME_NEVER;
        note_sample(w, p, &p->vote);
        w->awaited += w->awaited_in[i] && p->vote.awaited;
        for (uint32_t e = w->edge_start[i]; e < w->edge_start[i + 1]; e++)
            tally_add(&w->groups[w->edges[e].group].tally, &p->vote, w->edges[e].advisory);
    }
    for (uint32_t r = 0; r < w->conf->group_count; r++) {
        struct group *g = &w->groups[w->by_rank[r]];
        uint32_t count;
        const struct edge *edges = world_edges_of_group(w, g->index, &count);
        tally_vote(&g->tally, g->conf, w->awaited, &g->vote);
        for (uint32_t e = 0; e < count; e++)
            tally_add(&w->groups[edges[e].group].tally, &g->vote, edges[e].advisory);
        if (old)
            carry_verdict(g, old);
    }
    engine.samples++;
    world_touch_all(w);
    world_update(w, now);
}

/* ---- the oldest sample ---- */

static uint64_t oldest_of(const struct world *w, const struct conf_member *members, uint32_t count, uint64_t oldest)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = members[i].is_group ? w->groups[members[i].index].oldest : w->sampled[members[i].index];
        oldest = at < oldest ? at : oldest;
    }
    return oldest;
}

uint64_t world_oldest(struct world *w, uint32_t group)
{
    struct group *g = &w->groups[group];
    if (g->oldest_of != engine.samples) {
        const uint32_t *below;
        uint32_t count = world_below(w, group, true, &below);
        for (uint32_t i = 0; i < count; i++) {
            struct group *at = &w->groups[below[i]];
            if (at->oldest_of == engine.samples)
                continue;
            at->oldest = oldest_of(w, at->conf->members, at->conf->member_count, TIME_NEVER);
            at->oldest = oldest_of(w, at->conf->advisory, at->conf->advisory_count, at->oldest);
            at->oldest_of = engine.samples;
        }
    }
    return g->oldest == TIME_NEVER ? 0 : g->oldest;
}
