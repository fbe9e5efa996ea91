#include <string.h>

#include "base/mem.h"
#include "core/painter.h"

struct causes {
    struct painter *painter;
    unsigned policy;
    enum level from;                   /* leaves at least this bad are causes */
    bool awaiting;                     /* no: those without a first outcome are */
    struct picture_cause *items;
    uint32_t count, room;
};

static void add_cause(struct causes *c, uint32_t probe, bool required)
{
    struct painter *a = c->painter;
    if (a->seen[probe] == a->mark)
        return;
    a->seen[probe] = a->mark;
    if (c->count == c->room) {
        c->room = c->room ? c->room * 2 : 16;
        c->items = mem_grow(c->items, c->room * sizeof *c->items);
    }
    uint32_t place = a->probe_places[probe] - 1;
    c->items[c->count++] = (struct picture_cause){
        .probe = place,
        .required = required,
        .caused_by_other = a->probes[place].caused_by != NULL,
    };
}

static bool is_cause(const struct causes *c, const struct vote *v, bool is_group, bool advisory)
{
    if (v->left_out)
        return false;
    if (c->awaiting)
        return is_group || v->awaited;
    if (advisory)
        return !vote_is_clean(v) || v->forced;
    return v->level[c->policy] >= c->from || (v->forced && c->from == LEVEL_WARN);
}

/* Marks on the way down which groups to look into: only those that are themselves bad members. Groups come after all
 * that hold them, for the list is read backwards. */
static void collect(struct causes *c, const struct group *top)
{
    struct world *w = c->painter->world;
    const uint32_t *below;
    uint32_t count = world_below(w, top->index, c->from == LEVEL_WARN, &below);
    uint8_t *open = mem_alloc(w->conf->group_count); /* 1: by required members only, 2: by an advisory one */
    open[top->index] = 1;
    for (uint32_t i = count; i-- > 0;) {
        const struct group *g = &w->groups[below[i]];
        uint32_t total = g->conf->member_count + (c->from == LEVEL_WARN ? g->conf->advisory_count : 0);
        for (uint32_t m = 0; open[g->index] && m < total; m++) {
            bool advisory = m >= g->conf->member_count, required = open[g->index] == 1 && !advisory;
            const struct conf_member *at = advisory ? &g->conf->advisory[m - g->conf->member_count] : &g->conf->members[m];
            const struct vote *v = at->is_group ? &w->groups[at->index].vote : &w->probes[at->index]->vote;
            if (!is_cause(c, v, at->is_group, advisory))
                continue;
            if (!at->is_group)
                add_cause(c, at->index, required);
            else if (open[at->index] != 1)
                open[at->index] = required ? 1 : 2;
        }
    }
    mem_free(open);
}

void painter_causes(struct painter *a, const struct group *g, struct picture_group *o)
{
    struct causes c = { .painter = a, .policy = g->policy, .awaiting = g->conf->kind == GROUP_HAD_OUTCOME };
    bool fails = g->vote.level[g->policy] == LEVEL_FAIL;
    a->mark++;
    c.from = fails ? LEVEL_FAIL : LEVEL_WARN;
    if (fails || g->vote.level[g->policy] == LEVEL_WARN || g->vote.forced)
        collect(&c, g);
    struct picture_cause *items = arena_alloc(a->arena, c.count * sizeof *items);
    if (c.count)
        memcpy(items, c.items, c.count * sizeof *items);
    o->causes = items;
    o->cause_count = c.count;
    mem_free(c.items);
}
