/* TCP ports that stand for one group each: kept over a reload when the address is equal, prepared before anything is
 * swapped, as listeners are. What is done with a connection is the owner's: agentport.c, gate.c. */
#ifndef FRONT_PORTS_H
#define FRONT_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timer.h"
#include "io/loop.h"

struct conf_port;
struct diag;
struct port_plan;

struct ports;
struct port {
    struct list link;
    struct ports *owner;
    struct loop_fd in;
    struct timer pause;          /* out of descriptors: watches again in a moment */
    char *address;
    uint32_t index, group;       /* in its section; the group it stands for */
    bool watched;
};

struct ports {
    struct list all;
    size_t size;                 /* of the owner's struct, which begins with a struct port */
    /* A socket for this address, or -1 and *error (heap). */
    int (*open)(const struct conf_port *, char **error);
    void (*accepted)(struct port *, int fd);
    struct port_plan *plan;
};

/* The i-th port of a configuration's section. */
typedef const struct conf_port *ports_item_fn(const void *section, uint32_t i);
/* False: each problem is an error in diag, and nothing has changed. True: ports_commit() or ports_abandon() is next. */
bool ports_prepare(struct ports *ports, ports_item_fn *item, const void *section, uint32_t count, struct diag *diag);
void ports_commit(struct ports *);
void ports_abandon(struct ports *);
void ports_close(struct ports *);
void ports_watch(struct port *);                     /* accepts from now on, within a budget a turn */
void ports_unwatch(struct port *);

#endif
