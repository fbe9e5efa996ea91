/* A connection to a listener that speaks TLS, until it has shaken hands: then whoever speaks its protocol takes it over.
 *
 * Bounded in every direction, for here a stranger costs a signature and 45 KiB before anything is known of him: an absolute
 * deadline, a share of each turn for all handshakes together, a share of the connections of a source and of a listener for
 * those that are not done. Who speaks HTTP without TLS is told what this port is. */
#ifndef FRONT_HANDSHAKE_H
#define FRONT_HANDSHAKE_H

#include <stdbool.h>

struct listener;
struct peer;
struct source;

typedef void handshake_done_fn(const struct peer *, struct listener *, struct source *);
/* Takes the descriptor over. done() is given the peer, what was admitted for it, and the duty to close it. */
void handshake_open(int fd, struct listener *, struct source *, handshake_done_fn *done);
/* Before one more: where there are too many, of this source or of all, the oldest that is not done makes room. Returns how
 * many did. */
unsigned handshake_bound(struct listener *, struct source *);

#endif
