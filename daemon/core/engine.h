/* What the parts of the core share: the clockwork, the flags of the whole daemon, the world. Inside core/ only. */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timer.h"
#include "core/assert.h"
#include "core/core.h"

struct world;

enum {
    SLOT = 8000,                 /* starts lie on these, deadlines round up to them: wake-ups coalesce by themselves */
    ATTEMPT_AGAIN = 1000000,     /* after a stall: a probe has its timeout and this to be attempted again */
    STALL_SHOWN = 60000000,      /* how long answers speak of it at most */
    PENDING_EXTRA = 1000000,     /* a member that is new by reload is left out for its timeout and this */
};

static inline uint64_t slot_down(uint64_t t) { return t - t % SLOT; }
static inline uint64_t slot_up(uint64_t t) { return slot_down(t + SLOT - 1); }

struct engine {
    struct timer_heap *timers;       /* the process's */
    struct timer wake;               /* in it: the next expiry, so that fronts learn of it without a request */
    /* Moments at which an answer changes although nothing happens. Nothing is answered before the due ones were applied. */
    struct timer_heap expiries;
    struct timer startup_end, stall_end;
    struct core_hooks hooks;
    struct world *world;
    struct conf *adopt_next;         /* came while a module was on the stack */
    struct core_stats stats;
    uint64_t generation;
    uint64_t version;                /* of the last change of any verdict */
    uint64_t samples;                /* grows with every outcome */
    bool startup_latched, startup_over;
    bool draining, drain_ordered;
    uint64_t draining_since;
    uint64_t expected;               /* the turn is to begin by then */
    uint64_t slept;                  /* clock_slept() when that was decided */
    uint64_t stalled;                /* size of the recent stall, 0 = none */
    uint64_t stood, stood_until;     /* all stalls together; when the last one ended */
    bool stall_noticed;              /* in this turn */
    uint32_t stall_left;             /* probes without an outcome since then */
    bool serving;                    /* inside hooks.serve_ready */
    uint64_t served;                 /* when it was last called */
};
extern struct engine engine;

/* Applies all that time alone has brought: our own stall, then due expiries. First in everything that answers or acts. */
void engine_catch_up(uint64_t now);
void engine_settle(uint64_t now);    /* that, and carries what it changed to the verdicts */
void engine_arm_wake(void);
bool engine_is_starting(void);       /* startup has neither latched nor timed out */
void engine_log(int level, const char *kind, const char *name, const char *text);

#endif
