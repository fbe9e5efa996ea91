#include "front/guest.h"

#include "front/listen.h"
#include "front/source.h"

static unsigned count;

unsigned guest_count(void)
{
    return count;
}

void guest_enter(struct guest *g, const struct guest_kind *kind, struct listener *l, struct source *s)
{
    g->kind = kind;
    g->listener = l;
    g->source = s;
    list_init(&g->waiting);
    list_init(&g->source_waiting);
    l->refs++;
    l->connections++;
    count++;
}

void guest_leave(struct guest *g)
{
    guest_busy(g);
    source_leave(g->source);
    g->listener->connections--;
    listen_release(g->listener);
    count--;
}

void guest_wait(struct guest *g)
{
    guest_busy(g);
    list_append(&g->listener->waiting, &g->waiting);
    if (g->source)
        list_append(&g->source->waiting, &g->source_waiting);
}

void guest_busy(struct guest *g)
{
    list_remove(&g->waiting);
    list_remove(&g->source_waiting);
}

static bool evict(struct guest *g)
{
    if (g)
        g->kind->evict(g);
    return g;
}

bool guest_evict(struct list *waiting)
{
    struct list *first = list_first(waiting);
    return evict(first ? LIST_OWNER(first, struct guest, waiting) : NULL);
}

bool guest_evict_source(struct list *waiting)
{
    struct list *first = list_first(waiting);
    return evict(first ? LIST_OWNER(first, struct guest, source_waiting) : NULL);
}

void guest_let_go(struct list *waiting)
{
    LIST_EACH_SAFE(at, after, waiting) {
        struct guest *g = LIST_OWNER(at, struct guest, waiting);
        g->kind->let_go(g);
    }
}
