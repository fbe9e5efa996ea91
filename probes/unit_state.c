#include <ctype.h>
#include <stdio.h>

#include "unit_parts.h"

const char *unit_full_name(const char *name, char room[UNIT_NAME_MAX])
{
    snprintf(room, UNIT_NAME_MAX, "%s%s", name, strchr(name, '.') ? "" : ".service");
    return room;
}

bool unit_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    if (!len || len + sizeof ".service" > UNIT_NAME_MAX || *name == '.')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr(":-_.\\@", *name))
            return false;
    return true;
}

static bool is(const char *a, const char *b)
{
    return !strcmp(a, b);
}

/* Waiting to be started again after a failure is no progress. */
static bool is_starting_over(const struct unit_state *s)
{
    return is(s->active, "activating") && is(s->sub, "auto-restart");
}

bool unit_is_changing(const struct unit_state *s)
{
    return !is_starting_over(s) && (is(s->active, "activating") || is(s->active, "deactivating"));
}

bool unit_wants_details(const char *name, const struct unit_state *s)
{
    const char *dot = strrchr(name, '.');
    return dot && is(dot, ".service") && is(s->load, "loaded") && (is(s->active, "inactive") || is(s->active, "failed") || is_starting_over(s));
}

/* How it ended: "exit-code, status 3". */
static const char *ending(const struct unit_state *s, char room[64])
{
    if (is(s->result, "exit-code"))
        snprintf(room, 64, "exit status %d", (int)s->status);
    else if (is(s->result, "signal") || is(s->result, "core-dump"))
        snprintf(room, 64, "%s %d", is(s->result, "signal") ? "signal" : "core dump, signal", (int)s->status);
    else
        snprintf(room, 64, "%s", *s->result ? s->result : *s->sub ? s->sub : "no reason given");
    return room;
}

static enum vital_reason ending_reason(const struct unit_state *s)
{
    static const struct { const char *result; enum vital_reason reason; } known[] = {
        { "signal", VITAL_R_SIGNAL }, { "core-dump", VITAL_R_SIGNAL }, { "timeout", VITAL_R_TIMEOUT },
        { "watchdog", VITAL_R_HUNG }, { "oom-kill", VITAL_R_MEMORY }, { "resources", VITAL_R_CONFIG },
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (is(s->result, known[i].result))
            return known[i].reason;
    return VITAL_R_EXIT;
}

#define FOUND(f, c, r, ...) ((f)->class = (c), (f)->reason = (r), (void)snprintf((f)->text, sizeof (f)->text, __VA_ARGS__))

static bool judge_load(const char *name, const struct unit_state *s, struct unit_finding *f)
{
    if (is(s->load, "loaded"))
        return false;
    if (is(s->load, "not-found"))
        FOUND(f, VITAL_FAIL, VITAL_R_NOT_FOUND, "%.*s does not exist", UNIT_SHOWN, name);
    else if (is(s->load, "masked"))
        FOUND(f, VITAL_FAIL, VITAL_R_CONFIG, "%.*s is masked", UNIT_SHOWN, name);
    else
        FOUND(f, VITAL_FAIL, VITAL_R_CONFIG, "%.*s cannot be loaded (%s); see systemctl status", UNIT_SHOWN, name, *s->load ? s->load : "no answer");
    return true;
}

static void judge_change(const struct unit_conf *c, const char *name, const struct unit_state *s, uint64_t now, struct unit_finding *f)
{
    bool starts = is(s->active, "activating");
    uint64_t since = s->changing_since && now > s->changing_since ? now - s->changing_since : 0;
    FOUND(f, since > c->transition_limit ? VITAL_FAIL : VITAL_WARN, starts ? VITAL_R_STARTING : VITAL_R_STOPPING,
          "%.*s is %s (%s) for %llu s", UNIT_SHOWN, name, s->active, s->sub, (unsigned long long)(since / 1000000));
}

static void judge_inactive(const struct unit_conf *c, const char *name, const struct unit_state *s, struct unit_finding *f)
{
    if (is(s->type, "oneshot") && is(s->result, "success"))
        FOUND(f, (enum vital_class)c->oneshot, c->oneshot == VITAL_PASS ? VITAL_R_OK : VITAL_R_MISMATCH,
              "%.*s is not running; its last run succeeded", UNIT_SHOWN, name);
    else
        FOUND(f, VITAL_FAIL, VITAL_R_MISMATCH, "%.*s is inactive (%s)", UNIT_SHOWN, name, s->sub);
}

void unit_judge(const struct unit_conf *c, const char *name, const struct unit_state *s, uint64_t now, struct unit_finding *f)
{
    char how[64];
    if (judge_load(name, s, f))
        return;
    if (is(s->active, "active") || is(s->active, "reloading"))
        FOUND(f, VITAL_PASS, VITAL_R_OK, "%.*s is %s (%s)", UNIT_SHOWN, name, s->active, s->sub);
    else if (is_starting_over(s))
        FOUND(f, VITAL_FAIL, ending_reason(s), "%.*s ended (%s) and is about to be started again, for the %u. time", UNIT_SHOWN, name,
              ending(s, how), s->restarts + 1);
    else if (unit_is_changing(s))
        judge_change(c, name, s, now, f);
    else if (is(s->active, "inactive"))
        judge_inactive(c, name, s, f);
    else if (is(s->active, "failed"))
        FOUND(f, VITAL_FAIL, ending_reason(s), "%.*s has failed: %s", UNIT_SHOWN, name, ending(s, how));
    else
        FOUND(f, VITAL_FAIL, VITAL_R_BAD_REPLY, "%.*s is \"%s\", which is not known here", UNIT_SHOWN, name, s->active);
}
