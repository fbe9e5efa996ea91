#include "base/timer.h"

#include "base/clock.h"
#include "base/mem.h"

enum { ARITY = 4, FIRST_ROOM = 64 };

/* items[0] is unused: place p's parent is (p + 2) / 4, its first child 4p - 2. */
static uint32_t parent_of(uint32_t p)
{
    return (p + ARITY - 2) / ARITY;
}

static uint32_t first_child_of(uint32_t p)
{
    return ARITY * p - (ARITY - 2);
}

static void put(struct timer_heap *h, uint32_t place, struct timer *t)
{
    h->items[place] = t;
    t->place = place;
}

static void sift_up(struct timer_heap *h, struct timer *t, uint32_t p)
{
    while (p > 1 && h->items[parent_of(p)]->at > t->at) {
        put(h, p, h->items[parent_of(p)]);
        p = parent_of(p);
    }
    put(h, p, t);
}

static void sift_down(struct timer_heap *h, struct timer *t, uint32_t p)
{
    for (;;) {
        uint32_t child = first_child_of(p), best = child;
        if (child > h->count)
            break;
        for (uint32_t c = child + 1; c < child + ARITY && c <= h->count; c++)
            if (h->items[c]->at < h->items[best]->at)
                best = c;
        if (h->items[best]->at >= t->at)
            break;
        put(h, p, h->items[best]);
        p = best;
    }
    put(h, p, t);
}

void timer_init(struct timer *t, timer_fn *fire)
{
    *t = (struct timer){ .fire = fire };
}

void timer_set(struct timer_heap *h, struct timer *t, uint64_t at)
{
    if (!t->place) {
        if (h->count + 1 >= h->room) {
            h->room = h->room ? h->room * 2 : FIRST_ROOM;
            h->items = mem_grow(h->items, h->room * sizeof *h->items);
        }
        t->at = at;
        sift_up(h, t, ++h->count);
        return;
    }
    bool later = at > t->at;
    t->at = at;
    if (later)
        sift_down(h, t, t->place);
    else
        sift_up(h, t, t->place);
}

void timer_clear(struct timer_heap *h, struct timer *t)
{
    uint32_t p = t->place;
    if (!p)
        return;
    t->place = 0;
    struct timer *last = h->items[h->count--];
    if (last == t)
        return;
    if (p > 1 && h->items[parent_of(p)]->at > last->at)
        sift_up(h, last, p);
    else
        sift_down(h, last, p);
}

struct timer *timer_top(const struct timer_heap *h)
{
    return h->count ? h->items[1] : NULL;
}

uint64_t timer_next(const struct timer_heap *h)
{
    return h->count ? h->items[1]->at : TIME_NEVER;
}

void timer_run(struct timer_heap *h, uint64_t now)
{
    /* At most as many as were set when the run began: what fires may re-arm for now. */
    for (uint32_t budget = h->count; budget && h->count && h->items[1]->at <= now; budget--) {
        struct timer *t = h->items[1];
        timer_clear(h, t);
        t->fire(t, now);
    }
}

void timer_heap_free(struct timer_heap *h)
{
    mem_free(h->items);
    *h = (struct timer_heap){ 0 };
}
