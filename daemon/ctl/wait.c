/* wait: returns when a group is what is wanted, or says what it still waits for. Survives that the daemon is not there
 * yet, or restarts meanwhile: scripts start it and us side by side. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/fetch.h"
#include "ctl/link.h"
#include "ctl/term.h"

enum { WAIT_TIMEOUT_S = 60, RETRY_MS = 200, POLL_MS = 250, ATTEMPT_S = 5, BODY_MAX = 64 * 1024 };

struct waiting {
    const struct args *args;
    const char *group;
    uint64_t deadline;           /* TIME_NEVER with --timeout 0 */
    bool until_fail;
    bool reached;                /* somebody answered at least once */
    char *last;                  /* what was said last: not said twice */
};

static void wait_say(struct waiting *w, const char *text)
{
    if (w->last && !strcmp(w->last, text))
        return;
    mem_free(w->last);
    w->last = mem_copy(text);
    if (!(w->args->given & ARG_QUIET))
        term_print(stderr, text, false);
}

static uint64_t wait_left(const struct waiting *w)
{
    uint64_t now = clock_now();
    return w->deadline == TIME_NEVER ? TIME_NEVER : w->deadline > now ? w->deadline - now : 0;
}

static void wait_pause(const struct waiting *w, unsigned ms)
{
    uint64_t left = wait_left(w) / USEC_MS + 1;
    term_pause(left < ms ? (unsigned)left : ms);
}

static int wait_expired(struct waiting *w, const char *state)
{
    char span[CLOCK_TEXT];
    clock_span(w->args->given & ARG_TIMEOUT ? w->args->timeout : WAIT_TIMEOUT_S * USEC_S, span);
    if (!w->reached) {
        term_error("gave up after %s: %s", span, state);
        return EXIT_NO_DAEMON;
    }
    term_error("%s did not %s%s within %s: %s", w->group, w->until_fail ? "fail" : "pass", w->args->period ? " for long enough" : "",
               span, state);
    return EXIT_NO;
}

/* ---- over the control socket ---- */

enum { GO_ON = -1 };

static int wait_converse(struct waiting *w, struct link *l)
{
    struct reply r;
    uint64_t left = wait_left(w);
    /* The daemon ends the waiting and says why; our own deadline is only for one that hangs. */
    uint64_t deadline = left == TIME_NEVER ? TIME_NEVER : clock_now() + left + LINK_PATIENCE_S * USEC_S;
    while (link_read(l, &r, deadline)) {
        bool last = r.last;
        int code = r.ok ? EXIT_OK : link_exit(r.code);
        w->reached = true;
        if (!last)
            wait_say(w, r.text);
        else if (!r.ok && r.code == CTL_TIMEOUT)
            wait_expired(w, r.text);
        else if (!r.ok)
            term_error("%s", r.text);
        else if (!(w->args->given & ARG_QUIET))
            term_print(stdout, r.text, false);
        reply_free(&r);
        if (last)
            return code;
    }
    return GO_ON;
}

static int wait_attempt(struct waiting *w)
{
    struct link l;
    struct request r;
    uint64_t left = wait_left(w), soon = clock_now() + (left < LINK_PATIENCE_S * USEC_S ? left + USEC_MS : LINK_PATIENCE_S * USEC_S);
    int code = GO_ON;
    request_open(&r, CTL_WAIT);
    json_text(&r.json, "name", w->group);
    json_text(&r.json, "until", w->until_fail ? "fail" : "pass");
    json_int(&r.json, "for", (int64_t)w->args->period);
    json_int(&r.json, "timeout", left == TIME_NEVER ? 0 : left ? (int64_t)left : 1);
    request_close(&r);
    if (link_open(&l, w->args, soon) && link_send(&l, &r, soon))
        code = wait_converse(w, &l);
    if (code == GO_ON && l.hopeless) {
        term_error("%s", l.error);
        code = EXIT_NO_DAEMON;
    } else if (code == GO_ON) {
        wait_say(w, l.error);
    }
    link_close(&l);
    request_free(&r);
    return code;
}

static int wait_socket(struct waiting *w)
{
    for (;;) {
        int code = wait_attempt(w);
        if (code != GO_ON)
            return code;
        if (!wait_left(w))
            return wait_expired(w, w->last ? w->last : "nothing answered");
        wait_pause(w, RETRY_MS);
    }
}

/* ---- over HTTP ---- */

static enum fetch_level wait_ask(struct waiting *w, const struct url *u, const char *where)
{
    uint64_t left = wait_left(w);
    struct fetch f = { .deadline = clock_now() + (left < ATTEMPT_S * USEC_S ? left + USEC_MS : ATTEMPT_S * USEC_S), .body_max = BODY_MAX,
                       .accept = "application/health+json, application/json;q=0.9, text/plain;q=0.5, */*;q=0.1" };
    bool answered = fetch_get(u, &f);
    enum fetch_level level = answered ? fetch_level(&f) : FETCH_FAIL;
    static const char *const words[] = { "pass", "warn", "fail" };
    char *text = answered ? mem_printf("%s: %s (%u)", where, words[level], f.status) : mem_printf("cannot reach %s: %s", where, f.error);
    w->reached |= answered;
    if (answered || wait_left(w) || !w->last)      /* a last attempt that our own deadline cut tells nothing new */
        wait_say(w, text);
    mem_free(text);
    fetch_free(&f);
    return level;
}

static int wait_url(struct waiting *w, const struct url *u)
{
    char where[512];
    uint64_t since = TIME_NEVER;
    fetch_name(u, where, sizeof where);
    for (;;) {
        uint64_t asked = clock_now();
        bool good = (wait_ask(w, u, where) == FETCH_FAIL) == w->until_fail;
        if (!good)
            since = TIME_NEVER;
        else if (since == TIME_NEVER)
            since = asked;
        if (good && clock_now() - since >= w->args->period)
            return EXIT_OK;
        if (!wait_left(w))
            return wait_expired(w, w->last ? w->last : "nothing answered");
        wait_pause(w, POLL_MS);
    }
}

int wait_run(const struct args *a)
{
    struct waiting w = { .args = a, .group = a->count ? a->names[0] : "ready", .until_fail = a->until && !strcmp(a->until, "fail") };
    uint64_t timeout = a->given & ARG_TIMEOUT ? a->timeout : WAIT_TIMEOUT_S * USEC_S;
    int code;
    w.deadline = timeout ? clock_now() + timeout : TIME_NEVER;
    if (a->given & ARG_URL) {
        struct url u;
        char *path = mem_printf("/healthz/%s", w.group), *error = fetch_url(a->url, path, &u);
        mem_free(path);
        if (error)
            term_error("%s", error);
        code = error ? EXIT_USAGE : wait_url(&w, &u);
        mem_free(error);
    } else {
        code = wait_socket(&w);
    }
    mem_free(w.last);
    return code;
}
