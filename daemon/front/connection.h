/* One HTTP connection: read a head, answer, wait for the next; or answer and close.
 *
 * It is read right after accept, and a request that is there is answered in the same callback: a client that comes for
 * one verdict never reaches epoll. A waiting connection holds no buffer. One request of a connection is served a turn. */
#ifndef FRONT_CONNECTION_H
#define FRONT_CONNECTION_H

struct listener;
struct peer;
struct source;

enum { CONNECTION_REQUESTS = 10000 };      /* the most on one connection */

/* Takes the peer over, plain or with its handshake done. source: NULL when the listener does not limit them. */
void connection_open(const struct peer *, struct listener *, struct source *);

#endif
