/* Paths to what they ask for. Matched byte for byte: nothing is decoded, nothing merged, for a proxy in front matches
 * the normalised path and forwards the raw one. One trailing slash is ignored. */
#ifndef FRONT_ROUTE_H
#define FRONT_ROUTE_H

#include <stdint.h>

#include "base/http1.h"

struct conf;

enum route_kind {
    ROUTE_NONE,
    ROUTE_VERDICT,          /* group */
    ROUTE_MEMBER,           /* one probe under a group: group, probe */
    ROUTE_STATUS,
    ROUTE_PROBE,            /* /status/<probe>: probe */
    ROUTE_EXPLAIN,          /* group */
    ROUTE_METRICS,
    ROUTE_EVENTS,
    ROUTE_ROLE,             /* group: enum role_path; probe */
    ROUTE_PAGE,             /* and on a listener without that class the group `ready` */
    ROUTE_KIND_COUNT
};
struct route { enum route_kind kind; uint32_t group, probe; };

void route_build(const struct conf *);
struct route route_find(struct span path);
/* The SERVE_ class that a kind belongs to. */
unsigned route_class(enum route_kind);
void route_free(void);

#endif
