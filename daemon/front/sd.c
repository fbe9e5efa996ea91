#include "front/sd.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "core/core.h"
#include "core/journal.h"
#include "core/picture.h"
#include "io/loop.h"
#include "view/brief.h"

#define RETRY (100 * USEC_MS)          /* the manager's queue was full */
#define RETRY_LATER (5 * USEC_S)       /* it was not there at all */
#define STATUS_PACE USEC_S
#define NO_PROGRESS (30 * USEC_S)      /* as the self probe has it, beyond the longest attempt */
enum { MESSAGE_MAX = 1024, STATUS_MAX = 480, STATE_MAX = 128, FEEDS_A_PERIOD = 3 };

static struct {
    int fd;                            /* -1: nobody to tell */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t feed_every, feed_at;      /* 0: nobody watches us */
    char state[STATE_MAX], status[STATUS_MAX];      /* lines that are not yet sent; the later one of a kind replaces the earlier */
    bool feed, leaving, failing;
    uint64_t retry_at;
    char told[STATUS_MAX];             /* the last status */
    uint64_t told_journal, told_generation, status_at;
    struct timer wake;
} sd = { .fd = -1 };

/* ---- the environment ---- */

static uint64_t env_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    errno = 0;
    unsigned long long value = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return end && !*end && !errno ? value : 0;
}

static bool take_address(const char *path)
{
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof sd.to.sun_path || (*path != '/' && *path != '@'))
        return false;
    sd.to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(sd.to.sun_path, path, len);
    sd.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*path == '/'));
    if (*path == '@')
        sd.to.sun_path[0] = '\0';
    return true;
}

static void nothing(struct timer *t, uint64_t now)
{
    (void)t, (void)now; /* the turn that it begins is all that is wanted */
}

void sd_open(void)
{
    uint64_t period = env_number("WATCHDOG_USEC"), pid = env_number("WATCHDOG_PID");
    timer_init(&sd.wake, nothing);
    if (take_address(getenv("NOTIFY_SOCKET")))
        sd.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sd.fd >= 0 && (!getenv("WATCHDOG_PID") || pid == (uint64_t)getpid()))
        sd.feed_every = period / FEEDS_A_PERIOD;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

bool sd_is_there(void)
{
    return sd.fd >= 0;
}

/* ---- sending ---- */

static void tell_failure(int error)
{
    if (!sd.failing)
        log_line(LOG_WARNING, "cannot tell the service manager anything: %s; tried again every few seconds", strerror(error));
    sd.failing = true;
}

/* All that is pending goes in one datagram, so that order is never a question. */
static void flush(uint64_t now)
{
    char message[MESSAGE_MAX];
    if (!*sd.state && !*sd.status && !sd.feed)
        return;
    int len = snprintf(message, sizeof message, "%s%s%s", sd.state, sd.status, sd.feed ? "WATCHDOG=1\n" : "");
    ssize_t sent = sendto(sd.fd, message, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&sd.to, sd.to_len);
    if (sent < 0) {
        bool full = errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
        sd.retry_at = now + (full ? RETRY : RETRY_LATER);
        if (!full)
            tell_failure(errno);
        return;
    }
    sd.retry_at = 0;
    sd.failing = sd.feed = false;
    *sd.state = *sd.status = '\0';
}

static void change_state(const char *line)
{
    if (sd.fd < 0)
        return;
    snprintf(sd.state, sizeof sd.state, "%s", line);
    flush(clock_now());
}

void sd_ready(void)
{
    if (!sd.leaving)
        change_state("READY=1\n");
}

/* The time stamp is for systemd 253 and later (Type=notify-reload); earlier ones ignore it. */
void sd_reloading(void)
{
    char line[STATE_MAX];
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    snprintf(line, sizeof line, "RELOADING=1\nMONOTONIC_USEC=%llu\n", (unsigned long long)t.tv_sec * USEC_S + (unsigned long long)t.tv_nsec / 1000);
    if (!sd.leaving)
        change_state(line);
}

void sd_stopping(uint64_t takes)
{
    char line[STATE_MAX] = "STOPPING=1\n";
    if (takes)
        snprintf(line, sizeof line, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n", (unsigned long long)takes);
    sd.leaving = true;
    change_state(line);
}

/* ---- what there is to tell ---- */

static uint64_t longest_timeout(void)
{
    const struct conf *c = core_conf();
    uint64_t longest = 0;
    for (uint32_t i = 0; c && i < c->probe_count; i++)
        longest = c->probes[i].timeout > longest ? c->probes[i].timeout : longest;
    return longest;
}

/* The loop turns, or we were not here. The scheduler may wait for a place as long as the attempts that hold all of them
 * may take, and no longer: then it is stuck, and a restart is what helps. */
static void feed_when_alive(uint64_t now)
{
    struct core_stats s;
    if (!sd.feed_every || now < sd.feed_at)
        return;
    core_stats(&s);
    sd.feed_at = now + sd.feed_every;
    if (s.progress + NO_PROGRESS + longest_timeout() >= now)
        sd.feed = true;
    else
        log_line(LOG_ERR, "the scheduler makes no progress: the watchdog is not fed");
}

static void renew_status(uint64_t now)
{
    if ((sd.told_journal == journal_last() && sd.told_generation == core_generation()) || now < sd.status_at)
        return;
    sd.told_journal = journal_last();
    sd.told_generation = core_generation();
    sd.status_at = now + STATUS_PACE;
    struct buf text = BUF(STATUS_MAX - sizeof "STATUS=\n");
    const struct picture *p = picture_all();
    brief_all(&text, p, core_conf()->ready);
    picture_free(p);
    if (strcmp(sd.told, text.data) != 0) {
        snprintf(sd.told, sizeof sd.told, "%s", text.data);
        snprintf(sd.status, sizeof sd.status, "STATUS=%s\n", text.data);
    }
    buf_free(&text);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void arm(void)
{
    uint64_t at = sd.feed_every ? sd.feed_at : TIME_NEVER;
    if (sd.retry_at)
        at = sooner(at, sd.retry_at);
    if (sd.told_journal != journal_last() || sd.told_generation != core_generation())
        at = sooner(at, sd.status_at);
    if (at == TIME_NEVER)
        timer_clear(loop_timers(), &sd.wake);
    else if (!timer_is_set(&sd.wake) || sd.wake.at != at)
        timer_set(loop_timers(), &sd.wake, at);
}

void sd_publish(void)
{
    uint64_t now = clock_now();
    if (sd.fd < 0)
        return;
    feed_when_alive(now);
    renew_status(now);
    if (now >= sd.retry_at)
        flush(now);
    arm();
}
