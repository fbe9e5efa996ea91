/* Helper threads: one pool per class of blocking work (names, configuration, each module that submits jobs), so that
 * one stuck class cannot starve another. Bounded queue that refuses; results come home over an eventfd.
 *
 * A job belongs to the pool from pool_submit() until done(), which runs on the loop, once, whatever happened to those
 * who wanted it. run() touches the job and its library only. */
#ifndef IO_POOL_H
#define IO_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct pool;
struct pool_job {
    void (*run)(struct pool_job *);       /* helper thread */
    void (*done)(struct pool_job *);      /* loop */
    struct list link;                     /* the pool's own */
    uint64_t since;                       /* queued, then started */
};

struct pool *pool_new(const char *name, unsigned threads, unsigned queue_max);   /* threads start with the first job */
/* Where 30 s are too long for those who wait: who takes longer is stuck. Before its first job. */
void pool_set_patience(struct pool *, uint64_t span);
bool pool_submit(struct pool *, struct pool_job *);    /* false: the queue is full; counted */
struct pool_stats { unsigned threads, busy, stuck, queued; uint64_t done, refused; };
/* Stuck: one job runs longer than the pool's patience, 30 s. A stuck thread is replaced while others wait, at most 4 per pool. */
void pool_stats(const struct pool *, struct pool_stats *);
void pool_each(void (*fn)(const char *name, const struct pool_stats *, void *arg), void *arg);
/* Nothing joins at exit: a stuck thread must not hold the process. */

#endif
