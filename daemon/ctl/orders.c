/* drain, undrain, pause, resume, maintenance, force, run, beat, reload, stop: what changes something. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/link.h"
#include "ctl/term.h"

enum { RUN_PATIENCE_S = 120, RELOAD_PATIENCE_S = 120, NOTIFY_PATIENCE_S = 330 };

static uint64_t patience_of(const struct args *a, unsigned seconds)
{
    return !(a->given & ARG_TIMEOUT) ? seconds * USEC_S : a->timeout ? a->timeout : TIME_NEVER;
}

static void print_progress(const struct reply *r)
{
    term_print(stderr, r->text, false);
}

static int order(const struct args *a, enum ctl_verb verb, unsigned patience)
{
    struct request r;
    request_open(&r, verb);
    return link_ask(a, &r, patience_of(a, patience), false, print_progress);
}

/* One request for each probe that was named; the first failure is the exit code, the others are tried all the same. */
static int order_each(const struct args *a, enum ctl_verb verb, unsigned names, const char *level, unsigned patience)
{
    int code = EXIT_OK;
    for (unsigned i = 0; i < names; i++) {
        struct request r;
        request_open(&r, verb);
        json_text(&r.json, "name", a->names[i]);
        if (level)
            json_text(&r.json, "level", level);
        if (a->given & ARG_FOR)
            json_int(&r.json, "for", (int64_t)a->period);
        int one = link_ask(a, &r, patience_of(a, patience), false, print_progress);
        code = code ? code : one;
    }
    return code;
}

int drain_run(const struct args *a)
{
    int code = order(a, CTL_DRAIN, LINK_PATIENCE_S);
    uint64_t until = clock_now() + a->wait;
    fflush(stdout);
    for (uint64_t now = clock_now(); code == EXIT_OK && now < until; now = clock_now()) {
        uint64_t ms = (until - now) / USEC_MS + 1;
        term_pause(ms < 60000 ? (unsigned)ms : 60000);
    }
    return code;
}

int undrain_run(const struct args *a)
{
    return order(a, CTL_UNDRAIN, LINK_PATIENCE_S);
}

int pause_run(const struct args *a)
{
    return order_each(a, CTL_PAUSE, a->count, NULL, LINK_PATIENCE_S);
}

int resume_run(const struct args *a)
{
    return order_each(a, CTL_RESUME, a->count, NULL, LINK_PATIENCE_S);
}

int maintenance_run(const struct args *a)
{
    return order_each(a, CTL_MAINTENANCE, a->count, NULL, LINK_PATIENCE_S);
}

/* The level stands last: `vitalctl force db cache down --for 10m`. */
int force_run(const struct args *a)
{
    return order_each(a, CTL_FORCE, a->count - 1, a->names[a->count - 1], LINK_PATIENCE_S);
}

int attempt_run(const struct args *a)
{
    return order_each(a, CTL_RUN, a->count, NULL, RUN_PATIENCE_S);
}

int beat_run(const struct args *a)
{
    struct request r;
    request_open(&r, CTL_BEAT);
    json_text(&r.json, "name", a->names[0]);
    if (a->count > 1)
        json_text(&r.json, "text", a->names[1]);
    return link_ask(a, &r, LINK_PATIENCE_S * USEC_S, false, NULL);
}

/* `notify` alone lists the receivers; `notify test RECEIVER...` sends each a message. */
int notify_run(const struct args *a)
{
    int code = EXIT_OK;
    if (!a->count)
        return order(a, CTL_NOTIFY, LINK_PATIENCE_S);
    if (strcmp(a->names[0], "test") != 0 || a->count == 1) {
        term_error("notify: say `vitalctl notify` or `vitalctl notify test RECEIVER`");
        return EXIT_USAGE;
    }
    for (unsigned i = 1; i < a->count; i++) {
        struct request r;
        request_open(&r, CTL_NOTIFY_TEST);
        json_text(&r.json, "name", a->names[i]);
        int one = link_ask(a, &r, patience_of(a, NOTIFY_PATIENCE_S), false, print_progress);
        code = code ? code : one;
    }
    return code;
}

int reload_run(const struct args *a)
{
    return order(a, CTL_RELOAD, RELOAD_PATIENCE_S);
}

int stop_run(const struct args *a)
{
    return order(a, CTL_STOP, LINK_PATIENCE_S);
}
