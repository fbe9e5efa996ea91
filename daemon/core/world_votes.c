#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/world.h"

/* ---- votes travel upward ---- */

static void touch(struct world *w, uint32_t group)
{
    uint32_t rank = w->groups[group].rank;
    uint64_t bit = UINT64_C(1) << rank % WORLD_WORD;
    w->dirty_count += !(w->dirty[rank / WORLD_WORD] & bit);
    w->dirty[rank / WORLD_WORD] |= bit;
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
        .stalled = engine.stalled,
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

/* Draining is a reason, and nothing else has it. */
static bool verdict_differs(const struct verdict *a, const struct verdict *b)
{
    return a->level != b->level || a->why != b->why || a->unknown != b->unknown ||
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
        for (uint32_t word = 0; word <= w->conf->group_count / WORLD_WORD; word++)
            while (w->dirty[word]) {
                uint32_t bit = (uint32_t)__builtin_ctzll(w->dirty[word]);
                w->dirty[word] &= ~(UINT64_C(1) << bit);
                w->dirty_count--;
                refresh(w, &w->groups[w->by_rank[word * WORLD_WORD + bit]], now);
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
        note_sample(w, p, &p->vote);
        w->awaited += w->awaited_in[i] && p->vote.awaited;
        for (uint32_t e = w->edge_start[i]; e < w->edge_start[i + 1]; e++)
            tally_add(&w->groups[w->edges[e].group].tally, &p->vote, w->edges[e].advisory);
    }
    for (uint32_t r = 0; r < w->conf->group_count; r++) {
        struct group *g = &w->groups[w->by_rank[r]];
        uint32_t count;
        const struct edge *edges = world_edges_of_group(w, g->index, &count);
        for (uint32_t e = 0; e < count; e++)
            tally_add(&w->groups[edges[e].group].tally, &g->vote, edges[e].advisory);
        if (old)
            carry_verdict(g, old);
    }
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
