/* The arithmetic of groups: votes are cast by members, tallied by groups, and yield the group's own vote. Pure.
 *
 * The group that was asked decides what unknown means and how heavy a failing shared member weighs, at any depth. So a
 * vote carries a level for each such policy, six in all, and asking is picking one: exact, and O(1). */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "config/conf.h"
#include "core/outcome.h"

enum { POLICIES = 6 };
static inline unsigned policy_of(enum conf_unknown unknown, enum conf_shared shared) { return (unsigned)unknown * 2 + (unsigned)shared; }

enum left_out { LEFT_IN, LEFT_PENDING, LEFT_MAINTENANCE };

struct vote {
    uint8_t level[POLICIES];     /* enum level */
    uint8_t left_out;            /* enum left_out: counts nowhere */
    bool unknown : 1;            /* some of what is below is unknown or stale */
    bool forced : 1;             /* some of what is below is forced */
    bool awaited : 1;            /* a probe that startup still waits for: no outcome yet, but one will come */
};
bool vote_equal(const struct vote *, const struct vote *);
/* Some mapping of unknown could make it other than pass. */
bool vote_is_clean(const struct vote *);

/* What a probe's condition says; how it came about is the probe's business. */
struct standing {
    enum mode mode;
    enum level forced;
    bool pending, known, stale, shared, awaited;
    enum level settled;          /* of the last settled state; pass when there was none */
};
void standing_vote(const struct standing *, struct vote *);

struct tally {
    uint32_t level[POLICIES][LEVEL_COUNT];   /* required members that are left in, by level */
    uint32_t left;                           /* how many those are */
    uint32_t maintenance;                    /* required members left out by maintenance */
    uint32_t unclean;                        /* advisory members that are not surely pass */
    uint32_t unknown, forced;                /* members of both kinds with the flag */
};
void tally_add(struct tally *, const struct vote *, bool advisory);
void tally_remove(struct tally *, const struct vote *, bool advisory);
/* The group's vote. awaited: how many probes a GROUP_HAD_OUTCOME group still waits for. */
void tally_vote(const struct tally *, const struct conf_group *, uint32_t awaited, struct vote *);

/* From the members' verdict to the answer: starting, forced, draining. */
struct gate {
    bool passes_starting;        /* live: passes until startup is through */
    bool fails_starting;         /* ready: fails until startup has latched */
    bool latched;                /* startup: it has */
    bool draining;
    bool stalled;                /* our own stall is recent */
};
struct answer { enum level level; enum why why; uint8_t code; };    /* code: CODE_PASS ... */
struct answer gate_apply(const struct gate *, const struct vote *, unsigned policy);

#endif
