/* /events: followers of the journal. Each has a cursor; when there is news, so many a turn are woken to take what is new,
 * a bounded piece each, so that thousands of them delay no verdict.
 *
 * One that does not read is left alone until it does. When it is then too far behind, it skips to the newest and is told
 * how many it missed; it never holds more memory than one piece. The stream's bytes are view/event.h's. */
#ifndef FRONT_EVENTS_H
#define FRONT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/http1.h"

struct buf;
struct listener;

enum {
    EVENTS_PIECE = 16 * 1024,        /* a wake renders no further than the event that reaches this */
    EVENTS_ROOM = EVENTS_PIECE + 8 * 1024,
    EVENTS_SOCKET = 32 * 1024,       /* what the kernel may hold for one follower */
    EVENTS_FOLLOWERS = 1024,         /* of the process; of a listener: half of its connections */
    EVENTS_LATE = 256,               /* a reader that was stuck skips when it is further behind than this */
    EVENTS_A_TURN = 32,              /* wakes */
    EVENTS_BEAT_S = 15,              /* a comment, so that both ends notice when the other is gone */
};

struct follower;

/* False, and counted: as many as there may be follow already. */
bool events_admit(const struct listener *);
/* Takes what a client says it has seen, "" = nothing, and appends the first event, `hello`. wake is called from
 * events_publish(), once at most before events_take(). */
struct follower *events_follow(struct listener *, struct span seen, struct buf *hello, void (*wake)(void *owner), void *owner);
/* Appends what is new, at most a piece, and waits for more news. False: this follower is to end. */
bool events_take(struct follower *, struct buf *out);
/* The client does not take bytes: no wake until it does again. */
void events_block(struct follower *);
void events_unblock(struct follower *);
void events_leave(struct follower *);

void events_publish(void);           /* once a turn, after core_publish() */
void events_adopt(void);             /* another configuration: followers of listeners that no longer serve them end */

#endif
