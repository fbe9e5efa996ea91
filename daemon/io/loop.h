/* The loop: the only owner of libevent. One thread, one priority; every source keeps a budget of its own.
 *
 * A turn, as main.c spells it: loop_wait() does I/O, timer_run() what is due, then publish, logs, loop_reap(). I/O goes
 * before timers, so that a reply that is already there beats its deadline. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timer.h"

/* Equal to VITAL_READ ... LOOP_PRIORITY stands alone and reports each change once (mountinfo, pressure files). */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_PRIORITY = 4 };

struct loop_fd;
typedef void loop_fd_fn(struct loop_fd *, unsigned what);

/* Interest in a descriptor; part of its owner. Level-triggered, stays until changed or removed. */
struct loop_fd {
    struct event event;
    loop_fd_fn *ready;
    int fd;
    int nested;        /* a private epoll that carries LOOP_PRIORITY, which libevent does not know; -1 = none */
    uint8_t what;
};

void loop_open(void);                                  /* the base, SIGPIPE ignored; exits with a message when it cannot */
void loop_close(void);
struct timer_heap *loop_timers(void);                  /* the process's only heap */

void loop_add(struct loop_fd *, int fd, unsigned what, loop_fd_fn *ready);
void loop_change(struct loop_fd *, unsigned what);     /* 0 = no interest for now */
void loop_remove(struct loop_fd *);                    /* before the descriptor is closed; harmless when not added */

typedef void loop_signal_fn(int signo);
void loop_signal(int signo, loop_signal_fn *);

/* The I/O step: waits until `until` at the latest, or not at all when something asked for loop_soon(), and
 * dispatches once what is ready. */
void loop_wait(uint64_t until);
void loop_soon(void);                                  /* there is more to do next turn: do not sleep */
void loop_peek(void);                                  /* serves what is ready now, once, without waiting */

/* Frees at the end of the turn, when no callback is on the stack that could still touch it. */
struct loop_dead { struct list link; void (*free)(struct loop_dead *); };
void loop_bury(struct loop_dead *, void (*free)(struct loop_dead *));
void loop_reap(void);

/* The moment loop_wait() returned. Timers run with it: a stall that hits later is then known before anything expires by it. */
uint64_t loop_now(void);
/* How late this turn is, as known when loop_wait() returned: the longest of sleeping past `until`, this I/O step, and what
 * the turn before did after its own. Each stall is reported by exactly one turn. */
uint64_t loop_lag(void);
uint64_t loop_lag_max(void);                           /* worst of the last minute */
uint64_t loop_turns(void);
unsigned loop_fd_count(void);                          /* open descriptors of the process; reads /proc, so not per turn; 0 without it */

#endif
