#include "front/ports.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "config/conf.h"
#include "front/stats.h"

#define PAUSE (100 * USEC_MS)
enum { ACCEPTS_A_TURN = 16 };

struct planned { char *address; struct port *kept; uint32_t index, group; int fd; };
struct port_plan { uint32_t count; struct planned items[]; };

/* ---- prepare ---- */

static struct port *find(struct ports *ports, const char *address)
{
    LIST_EACH(at, &ports->all) {
        struct port *p = LIST_OWNER(at, struct port, link);
        if (!strcmp(p->address, address))
            return p;
    }
    return NULL;
}

static void plan_one(struct ports *ports, const struct conf_port *c, uint32_t index, struct diag *diag)
{
    struct planned p = { .kept = find(ports, c->address->text), .index = index, .group = c->group, .fd = -1 };
    char *error = NULL;
    if (!p.kept)
        p.fd = ports->open(c, &error);
    if (error) {
        diag_add(diag, DIAG_ERROR, c->place, "%s", error);
        mem_free(error);
        return;
    }
    p.address = mem_copy(c->address->text);
    ports->plan->items[ports->plan->count++] = p;
}

bool ports_prepare(struct ports *ports, ports_item_fn *item, const void *section, uint32_t count, struct diag *diag)
{
    unsigned before = diag->errors;
    ports->plan = mem_alloc(sizeof *ports->plan + count * sizeof *ports->plan->items);
    for (uint32_t i = 0; i < count; i++)
        plan_one(ports, item(section, i), i, diag);
    if (diag->errors == before)
        return true;
    ports_abandon(ports);
    return false;
}

void ports_abandon(struct ports *ports)
{
    for (uint32_t i = 0; ports->plan && i < ports->plan->count; i++) {
        if (ports->plan->items[i].fd >= 0)
            close(ports->plan->items[i].fd);
        mem_free(ports->plan->items[i].address);
    }
    mem_free(ports->plan);
    ports->plan = NULL;
}

/* ---- commit ---- */

static void on_pause_end(struct timer *t, uint64_t now)
{
    struct port *p = TIMER_OWNER(t, struct port, pause);
    (void)now;
    if (p->watched)
        loop_change(&p->in, LOOP_READ);
}

static struct port *port_new(struct ports *ports, const struct planned *plan)
{
    struct port *p = mem_alloc(ports->size);
    p->owner = ports;
    p->address = mem_copy(plan->address);
    p->in.fd = plan->fd;
    list_init(&p->link);
    timer_init(&p->pause, on_pause_end);
    return p;
}

static void port_close(struct port *p)
{
    ports_unwatch(p);
    list_remove(&p->link);
    close(p->in.fd);
    mem_free(p->address);
    mem_free(p);
}

void ports_commit(struct ports *ports)
{
    struct list old = { &old, &old };
    while (!list_empty(&ports->all)) {
        struct list *first = list_first(&ports->all);
        list_remove(first);
        list_append(&old, first);
    }
    for (uint32_t i = 0; i < ports->plan->count; i++) {
        struct planned *plan = &ports->plan->items[i];
        struct port *p = plan->kept ? plan->kept : port_new(ports, plan);
        list_remove(&p->link);
        list_append(&ports->all, &p->link);
        p->index = plan->index;
        p->group = plan->group;
        plan->fd = -1;
    }
    ports_abandon(ports);
    LIST_EACH_SAFE(at, after, &old)
        port_close(LIST_OWNER(at, struct port, link));
}

void ports_close(struct ports *ports)
{
    LIST_EACH_SAFE(at, after, &ports->all)
        port_close(LIST_OWNER(at, struct port, link));
}

/* ---- connections ---- */

/* The socket stays readable while we cannot accept: without a pause the loop would spin. */
static void on_accept(struct loop_fd *f, unsigned what)
{
    struct port *p = LIST_OWNER(f, struct port, in);
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_A_TURN && p->watched; i++) {
        int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            p->owner->accepted(p, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        if (errno != EAGAIN) {
            front_stats.out_of_fds++;
            loop_change(f, 0);
            timer_set(loop_timers(), &p->pause, clock_now() + PAUSE);
        }
        return;
    }
}

void ports_watch(struct port *p)
{
    if (!p->watched)
        loop_add(&p->in, p->in.fd, LOOP_READ, on_accept);
    p->watched = true;
}

void ports_unwatch(struct port *p)
{
    timer_clear(loop_timers(), &p->pause);
    if (p->watched)
        loop_remove(&p->in);
    p->watched = false;
}
