/* Everything built from one configuration: probes by index and name, the group graph, and the way a changed vote takes
 * through it. A reload builds a new world, moves equal probes into it, and swaps. */
#ifndef CORE_WORLD_H
#define CORE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "core/group.h"
#include "core/index.h"
#include "core/probe.h"

enum { WORLD_WORD = 64 };            /* bits in a word of `dirty` */

struct edge { uint32_t group; bool advisory; };      /* to a group that has it as a member */

struct group {
    const struct conf_group *conf;
    uint32_t index, rank;            /* members have smaller ranks than the groups that hold them */
    unsigned policy;                 /* its own, for when it is the one that is asked */
    struct tally tally;
    struct vote vote;
    struct verdict shown;
    bool is_shown;                   /* `shown` holds something that was told: changes are news */
    uint64_t oldest, oldest_of;      /* memo of world_oldest(), valid while engine.samples is oldest_of */
    uint32_t mark;                   /* scratch of walks */
};

struct world {
    struct conf *conf;
    struct probe **probes;
    struct group *groups;
    uint32_t *by_rank;
    struct edge *edges;              /* of all members: probes first, then groups */
    uint32_t *edge_start;            /* probe_count + group_count + 1 */
    uint64_t *sampled;               /* per probe: end of its last outcome; TIME_NEVER: none, or left out */
    uint64_t *dirty;                 /* bit per rank: the group is to be tallied anew */
    uint32_t dirty_count;
    bool *urgent;                    /* per probe: below startup or ready */
    bool *awaited_in;                /* per probe: startup waits for its first outcome */
    uint32_t awaited;                /* how many of those have not had one */
    struct index probe_names, group_names;
    uint32_t mark;
    uint32_t *walk, *walk_at;        /* scratch: group_count each */
};

struct world *world_new(struct conf *);
void world_free(struct world *);                         /* the probes are no longer in it */
void world_place(struct world *, uint32_t index, struct probe *);
void world_begin(struct world *, const struct world *old, uint64_t now);     /* all are placed: first tally, carried verdicts */

/* The probe's condition may have changed: casts its vote anew, if it did. */
void world_cast(struct world *, struct probe *);
void world_touch_all(struct world *);                    /* something that concerns every verdict changed */
void world_update(struct world *, uint64_t now);         /* carries all changes upward and tells of changed verdicts */
uint64_t world_oldest(struct world *, uint32_t group);   /* 0 = none */

/* Groups below and including `group`, members before those that hold them. Valid until the next walk. */
uint32_t world_below(struct world *, uint32_t group, bool advisory_too, const uint32_t **groups);
struct gate world_gate(const struct world *, const struct group *);
static inline const struct edge *world_edges_of_group(const struct world *w, uint32_t group, uint32_t *count)
{
    uint32_t member = w->conf->probe_count + group;
    *count = w->edge_start[member + 1] - w->edge_start[member];
    return w->edges + w->edge_start[member];
}

#endif
