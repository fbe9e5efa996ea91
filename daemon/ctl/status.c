/* status, explain, stats, events, version: what only looks. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/fetch.h"
#include "ctl/link.h"
#include "ctl/term.h"

enum { WATCH_MS = 2000, EVENTS_LAST = 20 };

static bool wants_json(const struct args *a)
{
    return a->output && !strcmp(a->output, "json");
}

static bool wants_colour(const struct args *a)
{
    return !wants_json(a) && term_has_colour(STDOUT_FILENO, a->color);
}

/* The same over HTTP, from a listener that serves `status`. */
static int show_url(const struct args *a, const char *path)
{
    struct url u;
    struct fetch f = { .deadline = clock_now() + LINK_PATIENCE_S * USEC_S, .body_max = CTL_REPLY_MAX,
                       .accept = wants_json(a) ? "application/json" : "text/plain" };
    char where[512];
    int code = EXIT_OK;
    char *error = fetch_url(a->url, path, &u);
    if (error) {
        term_error("%s", error);
        mem_free(error);
        return EXIT_USAGE;
    }
    fetch_name(&u, where, sizeof where);
    if (!fetch_get(&u, &f)) {
        term_error("cannot reach %s: %s", where, f.error);
        code = EXIT_NO_DAEMON;
    } else if (f.status == 404 || f.status == 403) {
        term_error("%s answers %u: ask a listener that serves `status`, for a name that exists", where, f.status);
        code = EXIT_NO;
    } else {
        if (f.body.len)
            term_print(stdout, f.body.data, false);
        if (f.body.over)
            term_error("the answer of %s is cut after %zu bytes", where, f.body_max);
    }
    fetch_free(&f);
    return code;
}

static int show_once(const struct args *a, enum ctl_verb verb, const char *path)
{
    const char *name = a->count ? a->names[0] : verb == CTL_EXPLAIN ? "ready" : NULL;
    if (a->given & ARG_URL) {
        char *full = name ? mem_printf("%s/%s", path, name) : mem_copy(path);
        int code = show_url(a, full);
        mem_free(full);
        return code;
    }
    struct request r;
    request_open(&r, verb);
    if (name)
        json_text(&r.json, "name", name);
    if (a->output)
        json_text(&r.json, "format", a->output);
    json_bool(&r.json, "colour", wants_colour(a));
    return link_ask(a, &r, LINK_PATIENCE_S * USEC_S, wants_colour(a), NULL);
}

static int show(const struct args *a, enum ctl_verb verb, const char *path)
{
    bool screen = isatty(STDOUT_FILENO);
    if (!(a->given & ARG_WATCH))
        return show_once(a, verb, path);
    for (;;) {
        if (screen)
            fputs("\033[H\033[2J", stdout);
        int code = show_once(a, verb, path);
        if (code == EXIT_USAGE || !term_told())
            return code;
        term_pause(WATCH_MS);
        if (!screen)
            putchar('\n');
    }
}

int status_run(const struct args *a)
{
    return show(a, CTL_STATUS, "/status");
}

int explain_run(const struct args *a)
{
    return show(a, CTL_EXPLAIN, "/explain");
}

int stats_run(const struct args *a)
{
    return show(a, CTL_STATS, "/metrics");
}

/* ---- events ---- */

static bool events_colour;

static void print_event(const struct reply *r)
{
    term_print(stdout, r->text, events_colour);
    fflush(stdout);
}

int events_run(const struct args *a)
{
    struct request r;
    bool follow = a->given & ARG_FOLLOW;
    events_colour = wants_colour(a);
    request_open(&r, CTL_EVENTS);
    if (a->given & ARG_SINCE)
        json_int(&r.json, "since", (int64_t)a->since);
    if (!(a->given & ARG_SINCE) || (a->given & ARG_LAST))
        json_int(&r.json, "last", a->given & ARG_LAST ? (int64_t)a->last : EVENTS_LAST);
    if (a->output)
        json_text(&r.json, "format", a->output);
    json_bool(&r.json, "follow", follow);
    json_bool(&r.json, "colour", events_colour);
    return link_ask(a, &r, follow ? TIME_NEVER : LINK_PATIENCE_S * USEC_S, events_colour, print_event);
}

/* Says what this program is in any case; that no daemon runs is no failure of it. */
int version_run(const struct args *a)
{
    struct link l;
    uint64_t deadline = clock_now() + USEC_S;
    printf("vitalctl %s (control protocol %d)\n", VITALD_VERSION, CTL_PROTOCOL);
    if (link_open(&l, a, deadline))
        printf("vitald %s at %s\n", l.version, l.path);
    else
        printf("vitald: not reached: %s\n", l.error);
    link_close(&l);
    return EXIT_OK;
}
