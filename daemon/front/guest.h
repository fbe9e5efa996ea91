/* What every connection to a listener has, whatever is spoken on it: its place among those who wait, the listener and the
 * source that it counts for, and how it is made to go when others need the room. */
#ifndef FRONT_GUEST_H
#define FRONT_GUEST_H

#include <stdbool.h>

#include "base/list.h"

struct listener;
struct source;
struct guest;

struct guest_kind {
    void (*evict)(struct guest *);       /* ends at once; only ever called while it waits */
    void (*let_go)(struct guest *);      /* we leave: ends as soon as it owes nothing. Called while it waits */
};

struct guest {
    const struct guest_kind *kind;
    struct list waiting, source_waiting;
    struct listener *listener;
    struct source *source;               /* NULL when the listener does not limit them */
};

void guest_enter(struct guest *, const struct guest_kind *, struct listener *, struct source *);
void guest_leave(struct guest *);
void guest_wait(struct guest *);         /* nothing is owed to it: it may be evicted, those who wait longest first */
void guest_busy(struct guest *);

/* Ends the one that waits longest in a listener's or a source's list of waiting ones; false: none waits. */
bool guest_evict(struct list *waiting_of_listener);
bool guest_evict_source(struct list *waiting_of_source);
void guest_let_go(struct list *waiting_of_listener);
unsigned guest_count(void);

#endif
