#include "core/world.h"

#include <string.h>

#include "base/mem.h"
#include "core/engine.h"

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
    uint32_t *next = mem_alloc((c->probe_count + c->group_count) * sizeof *next);
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
    uint32_t ranked = 0, *waits = mem_alloc(c->group_count * sizeof *waits);
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

static void flag_probes(const struct conf_member *members, uint32_t count, bool *flags)
{
    for (uint32_t i = 0; i < count; i++)
        if (!members[i].is_group)
            flags[members[i].index] = true;
}

static void flag_probes_below(struct world *w, uint32_t group, bool advisory_too, bool *flags)
{
    const uint32_t *groups;
    uint32_t count = world_below(w, group, advisory_too, &groups);
    for (uint32_t g = 0; g < count; g++) {
        const struct conf_group *c = &w->conf->groups[groups[g]];
        flag_probes(c->members, c->member_count, flags);
        if (advisory_too)
            flag_probes(c->advisory, c->advisory_count, flags);
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
    w->dirty = mem_alloc((c->group_count / WORLD_WORD + 1) * sizeof *w->dirty);
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
    flag_probes_below(w, c->startup, true, w->urgent);
    flag_probes_below(w, c->ready, true, w->urgent); /* one that only advises makes `ready` warn until it has been attempted */
    if (c->groups[c->startup].kind == GROUP_HAD_OUTCOME)
        flag_probes_below(w, c->startup, false, w->awaited_in);
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
