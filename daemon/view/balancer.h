/* What a load balancer told us about ourselves, in /status. */
#ifndef VIEW_BALANCER_H
#define VIEW_BALANCER_H

#include <stdbool.h>
#include <stdint.h>

struct json;

enum { BALANCER_NAME_MAX = 64 };

/* One server line of one HAProxy, as it sees us. */
struct view_balancer {
    char listener[BALANCER_NAME_MAX], node[BALANCER_NAME_MAX], backend[BALANCER_NAME_MAX], server[BALANCER_NAME_MAX];
    const char *state;                       /* one of HAProxy's: "UP", "DOWN", "NOLB", "no check" */
    bool up;
    uint32_t checks, checks_needed;          /* good checks before its state changes; 0 of 0 = it is not about to */
    uint32_t weight, weight_all;             /* of all servers it can use */
    uint32_t sessions, sessions_all, queued;
    uint64_t heard;                          /* wall clock */
};
void balancer_put(struct json *, const struct view_balancer *, unsigned count);

#endif
