#include "view/balancer.h"

#include "base/json.h"

void balancer_put(struct json *j, const struct view_balancer *all, unsigned count)
{
    json_open_array(j, "balancers");
    for (unsigned i = 0; i < count; i++) {
        const struct view_balancer *b = &all[i];
        json_open_object(j, NULL);
        json_text(j, "listener", b->listener);
        json_text(j, "node", b->node);
        json_text(j, "backend", b->backend);
        json_text(j, "server", b->server);
        json_text(j, "state", b->state);
        json_bool(j, "up", b->up);
        json_int(j, "checks", b->checks);
        json_int(j, "checks_needed", b->checks_needed);
        json_int(j, "weight", b->weight);
        json_int(j, "weight_of_all", b->weight_all);
        json_int(j, "sessions", b->sessions);
        json_int(j, "sessions_of_all", b->sessions_all);
        json_int(j, "queued", b->queued);
        json_time(j, "heard", b->heard);
        json_close_object(j);
    }
    json_close_array(j);
}
