/* The gRPC health protocol (grpc.health.v1): Check answers from memory, Watch tells each change of a verdict at once, List
 * names the groups where the listener may show status. For listeners with `serve: grpc`; HTTP/2 by nghttp2.
 *
 * Three files behind this header: grpc_health.c is the service and knows no HTTP/2, grpc_stream.c makes calls of HTTP/2
 * streams, grpc_session.c is a connection: its socket, its bounds, its deadlines. grpc_parts.h is what they share. */
#ifndef FRONT_GRPC_H
#define FRONT_GRPC_H

#include <stdbool.h>
#include <stdint.h>

struct listener;
struct peer;
struct source;

enum {
    GRPC_SESSIONS = 1024, GRPC_SESSIONS_OF_SOURCE = 256,     /* a listener's, where its own bounds are not lower */
    GRPC_STREAMS = 128,                                      /* of a session; told to the peer */
    GRPC_WATCHES_OF_SESSION = 96,                            /* fewer, so that one more is refused in words instead of waiting for ever */
    GRPC_WATCHES = 1024,                                     /* of the process */
    GRPC_LISTED = 100,                                       /* groups; beyond it the protocol wants a refusal */
};

/* Takes the peer over. source: NULL when the listener does not limit them. */
void grpc_open(const struct peer *, struct listener *, struct source *);
void grpc_adopt(void);         /* after core_adopt(): names may have become known or unknown, listeners may be gone */
void grpc_publish(void);       /* once a turn */
void grpc_leave(void);         /* we leave: watches end as unavailable, idle sessions close */
void grpc_close(void);

struct grpc_stats {
    uint64_t checks, watches, lists, refused;                /* calls; refused: any that ended with another status than OK */
    uint64_t changes;                                        /* told to watchers */
    uint64_t floods, not_http2, broken, late, idle, watches_refused;
    unsigned sessions, watching;
};
const struct grpc_stats *grpc_stats(void);

#endif
