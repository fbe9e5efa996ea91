#include "turn.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/core.h"
#include "host.h"
#include "io/loop.h"
#include "io/tls.h"
#include "io/zygote.h"

#define LOG_RETRY (50 * USEC_MS)

static void log_subject(int level, const char *kind, const char *name, const char *text)
{
    log_about(level, kind, name, "%s", text);
}

static const struct vital_tls *build_tls(const void *settings, char **error)
{
    return tls_context(settings, error);
}

void turn_wire_conf(void)
{
    static const struct conf_hooks conf_hooks = { .tls_build = build_tls, .tls_release = tls_release, .tls_same = tls_same,
                                                 .tls_expires = tls_expires };
    tls_prepare();
    conf_set_hooks(&conf_hooks);
}

void turn_open(void)
{
    static const struct core_hooks core_hooks = {
        .host = &host_table,
        .close_all = host_close_all,
        .serve_ready = loop_peek,
        .log = log_subject,
        .refresh = host_refresh,
        .held = host_held,
    };
    loop_open();
    zygote_attach();
    host_open();
    core_open(loop_timers(), &core_hooks);
}

/* When there is something to do again; a log that nobody reads is looked at now and then. */
static uint64_t next_turn(void)
{
    uint64_t next = timer_next(loop_timers()), now = clock_now();
    if (core_busy())
        return now;
    return log_pending() && next > now + LOG_RETRY ? now + LOG_RETRY : next;
}

void turn(void (*publish)(void))
{
    loop_wait(next_turn());
    timer_run(loop_timers(), loop_now()); /* nothing expires by time that passed after the I/O step */
    core_publish(clock_now());
    publish();
    log_flush();
    loop_reap();
}
