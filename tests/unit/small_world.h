/* The real core on the real loop, with two probes whose outcomes the test decides: `db` and `web`, and the groups
 * ready (all of both, drains), live, startup and health. No configuration text, no sockets, no probe modules. */
#ifndef SMALL_WORLD_H
#define SMALL_WORLD_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/conf.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/picture.h"
#include "io/loop.h"

static struct { enum vital_class next; bool hold; struct vital_probe *held; unsigned starts; char received[64]; } small[2];

static unsigned small_index(const struct vital_probe *p) { return strcmp(p->name, "db") != 0; }

static void small_finish(struct vital_probe *p, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    probe_finish(probe_of(p), class, reason, text);
}

static void small_end(struct vital_probe *p)
{
    enum vital_class class = small[small_index(p)].next;
    small[small_index(p)].held = NULL;
    vital_finish(p, class, class == VITAL_PASS ? VITAL_R_OK : class == VITAL_WARN ? VITAL_R_SLOW : VITAL_R_REFUSED, "scripted");
}

static void small_start(struct vital_probe *p)
{
    unsigned i = small_index(p);
    small[i].starts++;
    small[i].held = p;
    if (!small[i].hold)
        small_end(p);
}

static void small_cancel(struct vital_probe *p) { small[small_index(p)].held = NULL; }

static void small_receive(struct vital_probe *p, const char *text, size_t len)
{
    snprintf(small[small_index(p)].received, sizeof small[0].received, "%.*s", (int)len, text);
}

static const struct vital_opt small_opts[] = { VITAL_OPT_END };
static const struct vital_module small_module = {
    VITAL_MODULE_HEAD, .name = "scripted", .summary = "scripted", .opts = small_opts, .conf_size = 8, .priv_size = 8,
    .start = small_start, .cancel = small_cancel, .receive = small_receive,
};
static const struct vital_host small_host = { .abi = VITAL_ABI, .size = sizeof small_host, .finish = small_finish };

static void small_close_all(struct probe *p, bool kept) { (void)p; (void)kept; }
static char small_took_over[256];    /* what was said last about an earlier run */
static void small_log(int level, const char *kind, const char *name, const char *text)
{
    (void)level, (void)kind, (void)name;
    if (strstr(text, "took over"))
        snprintf(small_took_over, sizeof small_took_over, "%s", text);
}

static struct conf *small_conf(const char *control)
{
    static const char *const probes[] = { "db", "web" };
    static const char *const groups[] = { "live", "ready", "startup", "health" };
    struct arena *a = arena_new();
    struct conf *c = mem_alloc(sizeof *c);
    struct conf_probe *p = arena_alloc(a, 2 * sizeof *p);
    struct conf_group *g = arena_alloc(a, 4 * sizeof *g);
    struct conf_member *m = arena_alloc(a, 2 * sizeof *m);
    for (uint32_t i = 0; i < 2; i++) {
        struct conf_options *o = conf_options_new(0);
        o->module = &small_module;
        o->target = "nowhere";
        p[i] = (struct conf_probe){ .name = probes[i], .type = "scripted", .options = o, .interval = 3600 * USEC_S,
                                    .interval_unsettled = 3600 * USEC_S, .interval_down = 3600 * USEC_S, .timeout = 60 * USEC_S,
                                    .max_age = 86400 * USEC_S, .rise = 1, .fall = 1, .notify = true };
        m[i] = (struct conf_member){ .index = i };
    }
    for (uint32_t i = 0; i < 4; i++)
        g[i] = (struct conf_group){ .name = groups[i], .kind = i == 2 ? GROUP_HAD_OUTCOME : GROUP_ALL, .need = 2, .members = m, .member_count = 2,
                                    .unknown = UNKNOWN_FAIL, .codes = { 200, 200, 503, 503 }, .drains = i == 1 };
    *c = (struct conf){ .arena = a, .source = "test", .probes = p, .probe_count = 2, .groups = g, .group_count = 4, .live = 0, .ready = 1,
                        .startup = 2, .health = 3, .max_in_flight = 8, .max_per_address = 8, .startup_timeout = 300 * USEC_S,
                        .control_path = control ? arena_copy(a, control) : NULL };
    return c;
}

static void small_open(const char *control)
{
    static const struct core_hooks hooks = { .host = &small_host, .close_all = small_close_all, .serve_ready = loop_peek,
                                             .log = small_log };
    log_init(LOG_FORMAT_TEXT, LOG_EMERG);
    loop_open();
    core_open(loop_timers(), &hooks);
    core_adopt(small_conf(control));
}

static uint64_t small_patience = 2000;      /* the test's own side of the sockets is not in the loop */

static void small_turn(void (*publish)(void))
{
    uint64_t soon = clock_now() + small_patience;
    loop_wait(core_busy() ? clock_now() : timer_next(loop_timers()) < soon ? timer_next(loop_timers()) : soon);
    timer_run(loop_timers(), clock_now());
    core_publish(clock_now());
    publish();
    loop_reap();
}

static void small_close(void)
{
    core_close();
    loop_reap();
    loop_close();
}

#endif
