/* The schedule: when each probe's next attempt begins, and how many may run at once.
 *
 * Fixed rate: next start = max(previous start + interval in force, previous end), counted from planned starts, so that
 * lateness does not add up. Jitter only shortens, and starts round down to slots, so that the linter's bound for
 * detection holds as printed: a fault is seen by interval + timeout + (fall - 1) x max(interval_unsettled, timeout), plus
 * two slots for each attempt, plus the wait for caps and turns when there are more starts than fit. */
#ifndef CORE_SCHED_H
#define CORE_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timer.h"

struct probe;
struct address;

enum sched_queue { QUEUE_NONE, QUEUE_READY, QUEUE_ADDRESS, QUEUE_NUDGED, QUEUE_RUNNING };
enum { STARTS_PER_TURN = 8, LOOKS_PER_TURN = 256, FIRST_URGENT = 250000, FIRST_SPREAD = 5000000, LATE_SHARE = 4 };

/* A probe's part of it. */
struct plan {
    struct timer timer;          /* the next start or, while an attempt runs, its deadline */
    struct list link;
    uint8_t queue;               /* enum sched_queue: whose list `link` is in */
    bool nudged;                 /* the next or running attempt is an edge's */
    bool again;                  /* an edge came while an attempt ran */
    bool crowded;                /* its first attempt came with those of many others: the next one spreads them */
    uint8_t confirm;             /* attempts left of an edge that is being confirmed */
    struct address *address;     /* NULL: not on the network */
    uint64_t due;                /* planned start of the next attempt, be it an edge's */
    uint64_t regular;            /* the same without edges */
    uint64_t base;               /* planned start of the last one; 0 = none yet */
    uint64_t random;
};

void sched_open(void);
void sched_close(void);
void sched_enter(struct probe *);                    /* it exists now: not yet planned */
void sched_leave(struct probe *);                    /* it is going: no attempt may run any more */
void sched_first(struct probe *, bool urgent, uint64_t now);     /* plans its first attempt */
/* Instead of the first: the plan of an earlier process goes on. What is overdue stays where sched_first() spread it. */
void sched_resume(struct probe *, uint64_t due, uint64_t now);
void sched_soon(struct probe *, uint64_t now);       /* as soon as caps allow */
void sched_replan(struct probe *, uint64_t now);     /* after its policy changed */
void sched_stop(struct probe *);                     /* plans nothing more; an attempt may still run */
void sched_nudge(struct probe *, uint64_t now);
void sched_ended(struct probe *);                    /* its attempt is over: gives the places back */
void sched_next(struct probe *, uint64_t now);       /* plans the next start */
void sched_run(uint64_t now);                        /* once a turn: starts what is due, within budgets */
void sched_shift(uint64_t gap);                      /* deadlines of running attempts, after a stall */
bool sched_busy(void);
unsigned sched_in_flight(void);
unsigned sched_queued(void);

#endif
