#include "front/notify_facts.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/conf.h"
#include "core/core.h"
#include "core/picture.h"

#define PATIENCE_MAX (60 * USEC_S)     /* a parent that is looked at once an hour shall not hold an alarm back for that long */

/* Up the chain of parents that are down. One that nobody is to be told of does not speak for others. */
static uint32_t root_of(const struct conf *c, const struct picture *pic, uint32_t probe)
{
    uint32_t at = probe;
    for (uint32_t steps = 0; pic->probes[at].caused_by && steps < c->probe_count; steps++) {
        uint32_t parent = core_probe_find(pic->probes[at].caused_by, strlen(pic->probes[at].caused_by));
        if (parent == UINT32_MAX || !c->probes[parent].notify)
            break;
        at = parent;
    }
    return at;
}

/* Not down as far as is known, but it was not looked at since, or it is on its way down. */
static bool may_be_down(const struct picture_probe *parent, uint64_t since)
{
    if (parent->mode != MODE_NORMAL || parent->state == STATE_DOWN)
        return false;
    return parent->at < since || (parent->run_need && parent->run_towards == STATE_DOWN);
}

static struct policy_fact probe_fact(const struct conf *c, const struct picture *pic, uint32_t i)
{
    static const enum level levels[STATE_COUNT] = { [STATE_UP] = LEVEL_PASS, [STATE_DEGRADED] = LEVEL_WARN, [STATE_DOWN] = LEVEL_FAIL };
    const struct picture_probe *p = &pic->probes[i];
    const struct conf_probe *conf = &c->probes[i];
    struct policy_fact f = {
        .level = levels[p->state],
        .unknown = p->state == STATE_UNKNOWN || p->pending,
        .silenced = p->mode != MODE_NORMAL,
        .recover = conf_recover_time(conf),
        .root = i,
    };
    if (p->state == STATE_DOWN && p->caused_by)
        f.root = root_of(c, pic, i);
    for (uint32_t d = 0; d < conf->depends_count; d++) {
        const struct conf_probe *parent = &c->probes[conf->depends_on[d]];
        uint64_t detect = conf_detect_time(parent);
        f.doubtful |= parent->notify && may_be_down(&pic->probes[conf->depends_on[d]], p->since);
        detect = detect < PATIENCE_MAX ? detect : PATIENCE_MAX;
        f.patience = detect > f.patience ? detect : f.patience;
    }
    return f;
}

static struct policy_fact group_fact(const struct picture *pic, uint32_t i, uint32_t subject, const struct policy_fact *probes, struct arena *arena)
{
    const struct picture_group *g = &pic->groups[i];
    uint32_t *causes = arena_alloc(arena, (g->cause_count + 1) * sizeof *causes);
    bool by_order = g->cause_count > 0;
    for (unsigned k = 0; k < g->cause_count; k++) {
        causes[k] = g->causes[k].probe;
        by_order &= probes[causes[k]].silenced;
    }
    return (struct policy_fact){
        .level = g->level,
        .is_group = true,
        .unknown = g->why == WHY_STARTING || g->why == WHY_STALLED,
        .silenced = g->draining || by_order,
        .root = subject,
        .causes = causes,
        .cause_count = g->cause_count,
    };
}

struct policy_fact *facts_take(const struct conf *c, const struct picture *pic, struct arena *arena)
{
    struct policy_fact *all = arena_alloc(arena, (c->probe_count + c->group_count + 1) * sizeof *all);
    for (uint32_t i = 0; i < c->probe_count; i++)
        all[i] = probe_fact(c, pic, i);
    for (uint32_t i = 0; i < c->group_count; i++)
        all[c->probe_count + i] = group_fact(pic, i, c->probe_count + i, all, arena);
    return all;
}
