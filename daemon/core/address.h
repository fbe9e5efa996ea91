/* Places on the network, each shared by all probes that lead there: how many attempts a host sees at once is capped. */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include <stdint.h>

#include "base/list.h"

struct address {
    struct address *next;        /* in its hash bucket */
    uint64_t key;
    uint32_t probes, in_flight;
    struct list waiting;         /* probes that are due, but the cap is reached */
};

struct address *address_hold(const char *target);    /* NULL: not on the network */
void address_release(struct address *);              /* NULL is fine */
void address_close(void);

#endif
