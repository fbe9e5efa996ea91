#include "io/loop.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* The worst lag of the last minute, in slices, so that one bad moment is forgotten. */
enum { LAG_SLICES = 6 };
#define LAG_SLICE (10 * USEC_S)
#define SLEEP_MAX (24 * 3600 * USEC_S)

struct loop_signal {
    struct list link;
    struct event event;
    loop_signal_fn *fn;
};

static struct event_base *base;
/* Ends the sleep. Not a timer of libevent's: that one is set anew in every turn, one system call each. */
static struct event alarm_event;
static int alarm_fd = -1;
static uint64_t alarm_at;              /* what it is armed for; TIME_NEVER = not armed */
static struct timer_heap timers;
static struct list dead = { &dead, &dead };
static struct list signals = { &signals, &signals };
static bool soon, dispatching;
static uint64_t woke, left;            /* this turn: the sleep ended, the I/O step ended */
static uint64_t lag, turns;
static struct { uint64_t slice, worst; } lags[LAG_SLICES];

/* libevent says what failed, then returns to whoever asks errno. */
static void on_library_log(int severity, const char *text)
{
    int error = errno;
    static const int levels[] = { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR };
    log_line(severity >= 0 && severity < 4 ? levels[severity] : LOG_ERR, "libevent: %s", text);
    errno = error;
}

static void note_awake(void)
{
    if (!woke)
        woke = clock_now();
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    uint64_t times;
    (void)what, (void)arg;
    if (read(fd, &times, sizeof times) > 0)
        alarm_at = TIME_NEVER;
}

static _Noreturn void open_failed(const char *what)
{
    log_line(LOG_CRIT, "cannot start the event loop: %s failed: %s; are there file descriptors left (ulimit -n)?", what, strerror(errno));
    log_drain(USEC_S);
    exit(71); /* EX_OSERR */
}

/* What is not watched is deaf for ever: a listener that nobody hears while all seems well. */
static _Noreturn void cannot_watch(int fd)
{
    log_line(LOG_CRIT, "cannot watch descriptor %d: %s: exiting so that a supervisor can restart it", fd, strerror(errno));
    log_drain(USEC_S);
    _exit(71); /* EX_OSERR */
}

void loop_open(void)
{
    event_set_mem_functions(mem_alloc, mem_grow, mem_free); /* it goes on without what it could not add */
    event_set_log_callback(on_library_log);
    struct event_config *conf = event_config_new();
    if (!conf)
        open_failed("event_config_new");
    /* Cached time delays timers after a long callback; the coarse clock adds up to 5 ms; EVENT_NO* would change the backend. */
    event_config_set_flag(conf, EVENT_BASE_FLAG_NO_CACHE_TIME | EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(conf);
    event_config_free(conf);
    if (!base)
        open_failed("event_base_new");
    signal(SIGPIPE, SIG_IGN); /* TLS writes by write(2) */
    alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm_fd < 0)
        open_failed("timerfd_create");
    event_assign(&alarm_event, base, alarm_fd, EV_READ | EV_PERSIST, on_alarm, NULL);
    if (event_add(&alarm_event, NULL) < 0)
        open_failed("the alarm");
    alarm_at = TIME_NEVER;
    left = clock_now();
}

void loop_close(void)
{
    loop_reap();
    for (struct list *l; (l = list_first(&signals));) {
        struct loop_signal *s = LIST_OWNER(l, struct loop_signal, link);
        list_remove(l);
        event_del(&s->event);
        mem_free(s);
    }
    event_del(&alarm_event);
    close(alarm_fd);
    event_base_free(base);
    base = NULL;
    timer_heap_free(&timers);
    timers = (struct timer_heap){ 0 };
    libevent_global_shutdown();
}

struct timer_heap *loop_timers(void)
{
    return &timers;
}

/* ---- descriptors ---- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct loop_fd *f = arg;
    (void)fd;
    note_awake();
    if (f->what == LOOP_PRIORITY) {
        /* Only to clear it: asking consumes the change of a mount table, and we were woken by an epoll that has asked. */
        struct epoll_event found;
        epoll_wait(f->nested, &found, 1, 0);
        f->ready(f, LOOP_PRIORITY);
        return;
    }
    f->ready(f, (what & EV_READ ? (unsigned)LOOP_READ : 0) | (what & EV_WRITE ? (unsigned)LOOP_WRITE : 0));
}

/* libevent has no word for EPOLLPRI: /proc/self/mountinfo added for reading would spin. The private epoll becomes readable
 * once for each real change. */
static int nested_epoll(int fd)
{
    int nested = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event want = { .events = EPOLLPRI | EPOLLET };
    if (nested < 0 || epoll_ctl(nested, EPOLL_CTL_ADD, fd, &want) < 0)
        log_line(LOG_ERR, "cannot watch descriptor %d for changes: %s", fd, strerror(errno));
    return nested;
}

static void apply(struct loop_fd *f)
{
    bool nested = f->what == LOOP_PRIORITY;
    short events = EV_PERSIST;
    events = (short)(events | (f->what & LOOP_READ || nested ? EV_READ : 0) | (f->what & LOOP_WRITE ? EV_WRITE : 0));
    event_assign(&f->event, base, nested ? f->nested : f->fd, events, on_event, f);
    if (f->what && (!nested || f->nested >= 0))      /* a descriptor that is none any more is its owner's to find out */
        if (event_add(&f->event, NULL) < 0 && (errno == ENOMEM || errno == ENOSPC))
            cannot_watch(f->fd);
}

void loop_add(struct loop_fd *f, int fd, unsigned what, loop_fd_fn *ready)
{
    f->fd = fd;
    f->what = (uint8_t)what;
    f->ready = ready;
    f->nested = what == LOOP_PRIORITY ? nested_epoll(fd) : -1;
    apply(f);
}

void loop_change(struct loop_fd *f, unsigned what)
{
    if (f->what == what)
        return;
    event_del(&f->event);
    f->what = (uint8_t)what;
    apply(f);
}

void loop_remove(struct loop_fd *f)
{
    if (!f->ready)
        return;
    event_del(&f->event);
    if (f->nested >= 0)
        close(f->nested);
    f->nested = -1;
    f->ready = NULL;
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct loop_signal *s = arg;
    (void)what;
    note_awake();
    s->fn((int)signo);
}

void loop_signal(int signo, loop_signal_fn *fn)
{
    struct loop_signal *s = mem_alloc(sizeof *s);
    s->fn = fn;
    event_assign(&s->event, base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s);
    if (event_add(&s->event, NULL) < 0)
        open_failed("the signal handler");
    list_append(&signals, &s->link);
}

/* ---- the turn ---- */

static void set_alarm(uint64_t until, uint64_t now)
{
    if (until == alarm_at)
        return;
    alarm_at = until;
    uint64_t sleep = until == TIME_NEVER ? 0 : until - now < SLEEP_MAX ? until - now : SLEEP_MAX;      /* 0 = never */
    struct itimerspec t = { .it_value = { .tv_sec = (time_t)(sleep / USEC_S), .tv_nsec = (long)(sleep % USEC_S * 1000) } };
    timerfd_settime(alarm_fd, 0, &t, NULL);
}

static void note_lag(uint64_t now)
{
    uint64_t slice = now / LAG_SLICE;
    unsigned at = (unsigned)(slice % LAG_SLICES);
    if (lags[at].slice != slice) {
        lags[at].slice = slice;
        lags[at].worst = 0;
    }
    if (lag > lags[at].worst)
        lags[at].worst = lag;
}

static uint64_t longest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void dispatch(bool sleep)
{
    dispatching = true;
    /* ONCE also when not sleeping: NONBLOCK alone goes on for as long as anything is ready. */
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY | EVLOOP_ONCE | (sleep ? 0 : EVLOOP_NONBLOCK));
    dispatching = false;
}

/* Every moment belongs to exactly one of the three parts that are measured here, so wherever the process was stopped, that
 * is seen, and seen once. */
void loop_wait(uint64_t until)
{
    uint64_t entered = clock_now(), rest = entered - left;
    bool sleep = !soon && until > entered;
    soon = false;
    woke = 0;
    if (sleep)
        set_alarm(until, entered);
    dispatch(sleep);
    note_awake();
    left = clock_now();
    uint64_t due = sleep ? until : entered;
    lag = longest(longest(rest, woke > due ? woke - due : 0), left - woke);
    note_lag(left);
    turns++;
}

void loop_soon(void)
{
    soon = true;
}

void loop_peek(void)
{
    if (dispatching)
        return; /* what is ready is being served already */
    dispatch(false);
}

void loop_bury(struct loop_dead *d, void (*free)(struct loop_dead *))
{
    d->free = free;
    list_append(&dead, &d->link);
}

void loop_reap(void)
{
    for (struct list *l; (l = list_first(&dead));) {
        struct loop_dead *d = LIST_OWNER(l, struct loop_dead, link);
        list_remove(l);
        d->free(d);
    }
}

uint64_t loop_now(void)
{
    return left;
}

uint64_t loop_lag(void)
{
    return lag;
}

uint64_t loop_lag_max(void)
{
    uint64_t slice = clock_now() / LAG_SLICE, worst = 0;
    for (unsigned i = 0; i < LAG_SLICES; i++)
        if (slice - lags[i].slice < LAG_SLICES)
            worst = longest(worst, lags[i].worst);
    return worst;
}

uint64_t loop_turns(void)
{
    return turns;
}

static unsigned fd_limit(void)
{
    struct rlimit files = { 0 };
    getrlimit(RLIMIT_NOFILE, &files);
    return (unsigned)files.rlim_cur;
}

unsigned loop_fd_count(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return errno == EMFILE ? fd_limit() : 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 3; /* ".", ".." and the one that reads */
}
