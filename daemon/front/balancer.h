/* What HAProxy believes about us: its checks carry it in X-Haproxy-Server-State (`http-check send-state`). Read strictly,
 * kept in a bounded table by listener, node, backend and server, shown in /status and /metrics. Whoever reaches a listener
 * can write such a field, so nothing is decided by it. */
#ifndef FRONT_BALANCER_H
#define FRONT_BALANCER_H

#include "base/http1.h"
#include "view/balancer.h"

struct arena;

enum { BALANCERS = 48, BALANCER_FIELD_MAX = 512 };

/* The field's value; false: it is not what HAProxy writes. The listener's name and the time are not touched. */
bool balancer_parse(struct span value, struct view_balancer *);
/* Looks into every request: nothing happens when it has no such field. */
void balancer_hear(const struct http1_request *, const char *listener);
/* Those that were heard of lately. */
const struct view_balancer *balancer_list(struct arena *, unsigned *count);

struct balancer_stats { uint64_t heard, malformed, dropped; };      /* dropped: the table was full */
const struct balancer_stats *balancer_stats(void);

#endif
