#include "once.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/log.h"
#include "core/core.h"
#include "core/picture.h"
#include "io/loop.h"
#include "turn.h"
#include "view/text.h"

enum { OUTPUT_MAX = 64 * 1024 * 1024 };

static bool time_is_up;

static void timeout_fired(struct timer *t, uint64_t now)
{
    (void)t;
    (void)now;
    time_is_up = true;
}

static void interrupted(int signo)
{
    (void)signo;
    time_is_up = true;
}

static bool all_had_outcome(void)
{
    const struct picture *p = picture_all();
    unsigned waiting = 0;
    for (unsigned i = 0; i < p->probe_count; i++)
        waiting += !p->probes[i].had_outcome && p->probes[i].reason != VITAL_R_NO_MODULE;
    picture_free(p);
    return !waiting;
}

static void print_table(FILE *to)
{
    struct buf out = BUF(OUTPUT_MAX);
    const struct picture *p = picture_all();
    text_status(p, isatty(fileno(to)), &out);
    picture_free(p);
    if (out.len)
        fputs(out.data, to);
    buf_free(&out);
}

/* How bad a probe is, as an exit code in Nagios' order. */
static int exit_of(const struct picture_probe *p)
{
    static const int codes[] = { [STATE_UNKNOWN] = 3, [STATE_UP] = 0, [STATE_DEGRADED] = 1, [STATE_DOWN] = 2 };
    return codes[p->state];
}

static int worst_exit(void)
{
    static const int badness[] = { 0, 1, 3, 2 };     /* fail is worse than unknown */
    const struct picture *p = picture_all();
    int worst = 0;
    for (unsigned i = 0; i < p->probe_count; i++)
        if (badness[exit_of(&p->probes[i])] > badness[worst])
            worst = exit_of(&p->probes[i]);
    picture_free(p);
    return worst;
}

/* Says what it still waits for, whenever that changes. */
static void tell_causes(uint32_t group, struct buf *told)
{
    struct buf now = BUF(4096);
    const struct picture *p = picture_group(group);
    for (unsigned i = 0; i < p->groups[0].cause_count; i++) {
        const struct picture_probe *cause = &p->probes[p->groups[0].causes[i].probe];
        buf_printf(&now, "%s%s (%s)", i ? ", " : "", cause->name, cause->had_outcome ? reason_text(cause->reason) : "no outcome yet");
    }
    picture_free(p);
    if (now.len && (!told->data || strcmp(told->data, now.data) != 0)) {
        fprintf(stderr, "waiting for: %s\n", now.data);
        buf_reset(told);
        buf_text(told, now.data);
    }
    buf_free(&now);
}

static bool passes(uint32_t group)
{
    struct verdict v;
    core_verdict(group, &v);
    return v.level != LEVEL_FAIL;
}

static void nothing_to_publish(void)
{
}

static const char *group_name(const void *conf, size_t i)
{
    return ((const struct conf *)conf)->groups[i].name;
}

static int no_such_group(const char *name)
{
    const struct conf *c = core_conf();
    const char *near = diag_nearest(name, group_name, c, c->group_count);
    fprintf(stderr, "vitald: --until %s: there is no such group", name);
    if (near)
        fprintf(stderr, "; did you mean %s?\n", near);
    else
        fprintf(stderr, "; live, ready, startup and health are always there, others are those of the configuration\n");
    return EXIT_USAGE;
}

static int run_until(const char *name)
{
    uint32_t group = core_group_find(name, strlen(name));
    struct buf told = BUF(4096);
    if (group == UINT32_MAX)
        return no_such_group(name);
    while (!passes(group) && !time_is_up) {
        turn(nothing_to_publish);
        tell_causes(group, &told);
    }
    buf_free(&told);
    bool reached = passes(group);
    if (!reached) {
        fprintf(stderr, "vitald: %s did not pass in time\n", name);
        print_table(stderr);
    }
    return reached ? 0 : 1;
}

static int run_each_once(void)
{
    while (!all_had_outcome() && !time_is_up)
        turn(nothing_to_publish);
    print_table(stdout);
    return worst_exit();
}

int once_run(const struct args *a, struct conf *conf)
{
    struct timer timeout;
    timer_init(&timeout, timeout_fired);
    core_adopt(conf);
    loop_signal(SIGINT, interrupted);
    loop_signal(SIGTERM, interrupted);
    timer_set(loop_timers(), &timeout, clock_now() + a->timeout);
    int code = a->until ? run_until(a->until) : run_each_once();
    timer_clear(loop_timers(), &timeout);
    log_drain(USEC_S);
    return code;
}
