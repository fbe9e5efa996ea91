/* Where connections come from: how many each address has open, for listeners that limit it. An IPv6 source is its /64. */
#ifndef FRONT_SOURCE_H
#define FRONT_SOURCE_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"

struct listener;

struct source {
    struct source *next;         /* in its bucket */
    const struct listener *listener;
    uint64_t key[2];
    uint32_t connections;
    uint32_t handshakes;         /* of them, those that have not shaken hands yet */
    struct list shaking;         /* these, the oldest first */
    struct list waiting;         /* connections of this source that wait for a request, the longest waiting first */
};

/* Counts one more connection; the same source of another listener is another one. NULL for addresses that are no IP. */
struct source *source_enter(const struct listener *, const struct sockaddr_storage *);
void source_leave(struct source *);

#endif
