/* One request to one reply: method, path, class, format, and what is rendered. Knows nothing of sockets. */
#ifndef FRONT_SERVE_H
#define FRONT_SERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/http1.h"
#include "front/access.h"

struct detail;
struct listener;

/* bytes: head and body, or its first chunk; valid until the next request is served. */
struct reply {
    const char *bytes;
    size_t len;
    struct detail *rest;     /* the body goes on; whoever sends it ends it */
    bool chunked;            /* the rest needs chunk frames; else it ends with the connection */
    bool close;
    bool refused;            /* for want of a credential */
    bool follows;            /* it was the head of /events: events come after it, and the connection ends with them */
    struct span seen;        /* then: what the client has seen already; inside the request */
};

/* Who asks, as the connection knows it. */
struct asker {
    unsigned serve;          /* SERVE_ bits that it may see */
    unsigned locked;         /* those that the listener serves and it may not see */
    enum access_credential credential;
    bool by_token;           /* a token would open more: 401; else 403 */
    const struct access *access;
    bool stranger;           /* found out here, when it wants more than a plain verdict */
    uint64_t hsts;           /* seconds; 0 = not sent */
    bool keep;               /* the connection may stay open */
    const struct listener *listener;
};
void serve_request(const struct http1_request *, const struct asker *, struct reply *);
/* What never became a request: answered and closed. status by http1_request(), or 408. */
void serve_broken(unsigned status, struct reply *);

#endif
