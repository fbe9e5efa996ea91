/* vitald: the boot checklist, the turn, and leaving. What each step does is told in its own file. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "args.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/modules.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/picture.h"
#include "front/control.h"
#include "front/listen.h"
#include "front/sd.h"
#include "front/server.h"
#include "front/statefile.h"
#include "fronts.h"
#include "io/loop.h"
#include "io/privilege.h"
#include "io/zygote.h"
#include "offline.h"
#include "once.h"
#include "reload.h"
#include "turn.h"
#include "user.h"
#include "view/text.h"

enum { STATE_TEXT_MAX = 16 * 1024 * 1024, FDS_LEAST = 32 };
#define LAST_ANSWERS (250 * USEC_MS)   /* how long requests that are under way may take */
#define LEAVING_TAKES (5 * USEC_S)     /* at most: last answers, files, the state */

static bool leaving, asked_to_leave;
static struct timer leave_timer;

static void leave_now(struct timer *t, uint64_t now)
{
    (void)t;
    (void)now;
    leaving = true;
}

/* SIGTERM: drain, go on answering for shutdown_delay, leave. A second one, or SIGINT, leaves at once. */
static void on_terminate(int signo)
{
    uint64_t delay = core_conf()->shutdown_delay;
    if (signo == SIGINT || asked_to_leave || !delay) {
        leaving = true;
        return;
    }
    char span[CLOCK_TEXT];
    log_line(LOG_NOTICE, "draining for %s before leaving", clock_span(delay, span));
    asked_to_leave = true;
    sd_stopping(delay + LEAVING_TAKES);
    admin_drain(false);
    timer_set(loop_timers(), &leave_timer, clock_now() + delay);
}

static void stop_by_order(void)
{
    on_terminate(SIGTERM);
}

static void on_reload(int signo)
{
    (void)signo;
    reload_start(NULL, NULL);
}

/* SIGUSR1: everything known, line by line, into the log. */
static void on_dump(int signo)
{
    (void)signo;
    struct buf text = BUF(STATE_TEXT_MAX);
    const struct picture *p = picture_all();
    text_status(p, false, &text);
    picture_free(p);
    for (char *line = text.data, *end; line && *line; line = end + 1) {
        end = strchrnul(line, '\n');
        bool last = !*end;
        *end = '\0';
        log_line(LOG_NOTICE, "%s", line);
        if (last)
            break;
    }
    buf_free(&text);
}

static void handle_signals(void)
{
    timer_init(&leave_timer, leave_now);
    loop_signal(SIGTERM, on_terminate);
    loop_signal(SIGINT, on_terminate);
    loop_signal(SIGHUP, on_reload);
    loop_signal(SIGUSR1, on_dump);
}

/* With fewer it would run and do harm: a state file that cannot be opened is one that is forgotten, a verdict that nobody can fetch. */
static void need_descriptors(void)
{
    if (fds_allowed(FDS_LEAST))
        return;
    fprintf(stderr, "vitald: not started: it needs %d file descriptors at least, and more for each connection and running attempt; raise the limit "
            "(LimitNOFILE= in a unit, ulimit -n in a shell)\n", FDS_LEAST);
    exit(EXIT_OS);
}

/* Probes and connections need descriptors: take all that we are allowed. */
static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static struct conf *load(const struct args *a)
{
    struct diag d = { 0 };
    struct conf *conf = conf_load(&a->request, &d);
    if (conf)
        conf_lint(conf, &d);
    diag_sort(&d);
    if (!conf) {
        struct buf text = BUF(STATE_TEXT_MAX);
        diag_print(&d, &text);
        if (d.host)
            fprintf(stderr, "%svitald: not started: the configuration cannot be read now: the host is short of memory or file descriptors\n", text.data);
        else
            fprintf(stderr, "%svitald: not started: the configuration has %u error%s\n", text.data, d.errors, d.errors == 1 ? "" : "s");
        exit(d.host ? EXIT_OS : EXIT_CONFIG);
    }
    log_init(args_log_format(a, conf), args_log_level(a, conf));
    reload_log_findings(&d);
    diag_free(&d);
    return conf;
}

static void open_front(struct conf *conf)
{
    struct diag d = { 0 };
    if (!fronts_prepare(conf, &d)) {
        reload_log_findings(&d);
        log_drain(USEC_S);
        exit(EXIT_CONFIG);
    }
    diag_free(&d);
    statefile_load(conf);
    core_adopt(conf);
    fronts_adopt();
    static const struct control_hooks hooks = { .reload = reload_start, .stop = stop_by_order };
    char *error = NULL;
    if (!control_open(core_conf(), &hooks, &error)) {
        log_line(LOG_ERR, "%s", error);
        log_drain(USEC_S);
        exit(EXIT_CONFIG);
    }
}

/* What each of the four paths covers, so that nobody has to guess what a red one means. */
static void tell_coverage(void)
{
    const struct conf *c = core_conf();
    const uint32_t told[] = { c->live, c->ready, c->startup, c->health };
    static const char *const paths[] = { "/livez", "/readyz", "/startupz", "/healthz" };
    for (unsigned i = 0; i < 4; i++) {
        struct buf text = BUF(512);
        const struct picture *p = picture_group(told[i]);
        text_coverage(p, &text);
        log_line(LOG_INFO, "%s covers %s", paths[i], text.data);
        picture_free(p);
        buf_free(&text);
    }
    log_line(LOG_NOTICE, "vitald %s runs %u probe%s (%s)", VITALD_VERSION, c->probe_count, c->probe_count == 1 ? "" : "s", c->source);
}

/* A restart loses nobody's answer: who has connected is served, who comes later waits in the socket for the next process
 * when the service manager holds it. */
static void answer_the_last(void)
{
    uint64_t until = clock_now() + LAST_ANSWERS;
    server_leave();
    timer_set(loop_timers(), &leave_timer, until);
    while (server_is_answering() && clock_now() < until)
        turn(fronts_publish);
}

static void leave(void)
{
    log_line(LOG_NOTICE, "leaving");
    sd_stopping(LEAVING_TAKES);
    answer_the_last();
    fronts_close();
    core_close();
    zygote_stop();
    log_drain(USEC_S);
}

int main(int argc, char **argv)
{
    struct args args;
    fds_hold_standard();
    mem_return_early();
    privilege_dumps(false);      /* also a zygote that was started anew */
    zygote_become(argc, argv);
    need_descriptors();
    sd_open();
    zygote_start();
    args_parse(&args, argc, argv);
    if (args.modules)
        modules_set_dir(args.modules);
    turn_wire_conf();
    if (args.action != ACTION_RUN && args.action != ACTION_ONCE)
        return offline_run(&args);
    raise_limits();
    turn_open();
    struct conf *conf = load(&args);
    if (conf->core_dumps)
        privilege_dumps(true);
    if (args.action == ACTION_ONCE) {
        user_become(conf, &args);
        return once_run(&args, conf);
    }
    handle_signals();
    open_front(conf);
    user_become(core_conf(), &args);
    reload_open(&args);
    sd_ready();
    tell_coverage();
    while (!leaving)
        turn(fronts_publish);
    leave();
    _exit(0); /* not exit(): a helper thread that is stuck in a library must not hold us */
}
