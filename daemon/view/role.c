#include "view/role.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

static double number_of(const struct picture_probe *p, const char *name)
{
    for (unsigned i = 0; i < p->number_count; i++)
        if (!strcmp(p->numbers[i].name, name) && !p->numbers[i].label)
            return p->numbers[i].value;
    return NAN;
}

void role_see(struct role_seen *seen, const struct picture_probe *p)
{
    double standby = number_of(p, "standby");
    if (isnan(standby))
        return;
    *seen = (struct role_seen){ .known = true, .standby = standby > 0, .read_only = number_of(p, "read_only") > 0 };
}

static bool is_replica_wanted(const struct role_ask *ask)
{
    return ask->path == ROLE_REPLICA || ask->path == ROLE_READ_ONLY;
}

/* Bytes are counted from what was received: without a connection to the primary they tell nothing. */
static bool is_near_enough(const struct picture_probe *p, const struct role_ask *ask, struct role_answer *a)
{
    bool bytes = ask->lag == ROLE_LAG_BYTES;
    double lag = bytes ? a->lag_bytes : a->lag_seconds;
    if (bytes && !(number_of(p, "receiver") > 0))
        snprintf(a->why, sizeof a->why, "how far it is behind is not known: it receives nothing from its primary");
    else if (isnan(lag))
        snprintf(a->why, sizeof a->why, "how far it is behind is not known");
    else if (lag > ask->most)
        snprintf(a->why, sizeof a->why, bytes ? "%.0f bytes behind, %.0f at most are asked for" : "%.3g s behind, %.3g at most are asked for", lag,
                 ask->most);
    return !*a->why;
}

static bool is_up(const struct picture_probe *p)
{
    return p->mode == MODE_FORCED ? p->forced != LEVEL_FAIL : p->state == STATE_UP || p->state == STATE_DEGRADED;
}

void role_judge(const struct picture_probe *p, const struct role_seen *seen, const struct role_ask *ask, struct role_answer *a)
{
    *a = (struct role_answer){ .role = !seen->known ? "unknown" : seen->standby ? "replica" : "primary",
                               .lag_bytes = number_of(p, "lag_bytes"), .lag_seconds = number_of(p, "lag_seconds") };
    if (!is_up(p))
        snprintf(a->why, sizeof a->why, "the server is %s", p->mode == MODE_FORCED ? "forced down" : state_text(p->state));
    else if (!seen->known)
        snprintf(a->why, sizeof a->why, "its role has not been seen yet");
    else if (seen->standby != is_replica_wanted(ask) && ask->path != ROLE_READ_ONLY)
        snprintf(a->why, sizeof a->why, "a %s is asked for", is_replica_wanted(ask) ? "replica" : "primary");
    else if (ask->path == ROLE_READ_WRITE && seen->read_only)
        snprintf(a->why, sizeof a->why, "it is read-only");
    else if (seen->standby && ask->lag != ROLE_LAG_ANY)
        is_near_enough(p, ask, a);
    a->yes = !*a->why;
}

void role_text(struct buf *out, const struct role_answer *a)
{
    buf_printf(out, a->yes ? "pass %s\n" : "fail %s: %s\n", a->role, a->why);
}

void role_json(struct buf *out, const struct role_answer *a, const struct picture_probe *p, uint64_t wall)
{
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_text(&j, "status", level_text(a->yes ? LEVEL_PASS : LEVEL_FAIL));
    json_text(&j, "role", a->role);
    json_text(&j, "why", a->yes ? NULL : a->why);
    json_number(&j, "lag_bytes", a->lag_bytes);
    json_number(&j, "lag_seconds", a->lag_seconds);
    json_time(&j, "oldest_sample", p->had_outcome ? p->at : 0);
    json_time(&j, "time", wall);
    json_close_object(&j);
    buf_char(out, '\n');
}
