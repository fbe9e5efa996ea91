/* Timers: an intrusive 4-ary heap. The loop owns one heap and hands it to everybody; the simulation owns another
 * and simply sets the clock to its top. A timer is part of its owner: nothing is allocated per timer. */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;
typedef void timer_fn(struct timer *, uint64_t now);

struct timer {
    uint64_t at;
    timer_fn *fire;
    uint32_t place;      /* in the heap, from 1; 0 = not set */
};

struct timer_heap {
    struct timer **items;
    uint32_t count, room;
};

void timer_init(struct timer *, timer_fn *fire);
void timer_set(struct timer_heap *, struct timer *, uint64_t at);    /* sets, or moves */
void timer_clear(struct timer_heap *, struct timer *);               /* harmless when not set */
static inline bool timer_is_set(const struct timer *t) { return t->place != 0; }
struct timer *timer_top(const struct timer_heap *);                  /* NULL when empty */
uint64_t timer_next(const struct timer_heap *);                      /* TIME_NEVER when empty */

/* Fires what is due at `now`. A timer set for `now` or earlier while this runs waits for the next run, so that one
 * that re-arms itself cannot hold the loop. */
void timer_run(struct timer_heap *, uint64_t now);
void timer_heap_free(struct timer_heap *);

/* Where a timer lives inside its owner. */
#define TIMER_OWNER(ptr, type, field) ((type *)(void *)((char *)(ptr) - offsetof(type, field)))

#endif
