/* The hot paths, each so many times, for callgrind to count: see guard. Only what stands between begin() and end() is
 * counted; the clock is set by hand, so that every run does the same work. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            fprintf(stderr, "hot.c:%d: %s\n", __LINE__, #condition);      \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

#include "front_world.h"

#include "base/buf.h"
#include "core/settle.h"
#include "view/prometheus.h"

enum { EXTRA = 998, PROBES = EXTRA + 2, SERVES = 300, ATTEMPTS = 3000, STEPS = 100000, SLOT_US = 8000 };

static uint64_t now_us = 1000 * USEC_S;

static uint64_t set_now(void) { return now_us; }
static uint64_t set_wall(void) { return UINT64_C(1795198147) * USEC_S + now_us; }

/* With HOT_PROFILE set, callgrind's --toggle-collect=FUNCTION says what is counted, and by which function: see README.md. */
static bool profiled;

static void toggle(void)
{
    if (!profiled)
        CALLGRIND_TOGGLE_COLLECT;
}

static void begin(void) { toggle(); }
static void end(void) { toggle(); }

/* Everything collected since the last tell() was `units` times the path. */
static void tell(const char *path, unsigned units)
{
    char text[64];
    snprintf(text, sizeof text, "%s/%u", path, units);
    CALLGRIND_DUMP_STATS_AT(text);
}

static void serve_once(void)
{
    loop_wait(clock_now());
    loop_reap();
}

static void turn(void)
{
    timer_run(loop_timers(), clock_now());
    core_publish(clock_now());
    files_publish();
    loop_reap();
}

static void open_world(void)
{
    struct diag diag = { 0 };
    clock_replace(set_now, set_wall);
    front_extra = EXTRA;
    front_listen("127.0.0.1", "0", NULL, SERVE_ALL);
    small_open(NULL);
    struct conf *c = front_conf();
    for (uint32_t i = 0; i < c->probe_count; i++) {
        struct conf_probe *p = (struct conf_probe *)(uintptr_t)&c->probes[i];
        p->interval = p->interval_unsettled = p->interval_down = USEC_S;
    }
    CHECK(listen_prepare(c, &diag));
    listen_commit();
    core_adopt(c);
    server_adopt();
    for (unsigned i = 0; i < 2 * USEC_S / SLOT_US; i++, now_us += SLOT_US)
        do
            turn();
        while (core_busy());
}

static uint64_t attempts(void)
{
    struct core_stats s;
    core_stats(&s);
    return s.attempts[VITAL_PASS] + s.attempts[VITAL_FAIL];
}

/* From the timer to the sink, and the next start planned. */
static void count_attempts(const char *path, bool flapping)
{
    uint64_t before = attempts();
    while (attempts() - before < ATTEMPTS) {
        begin();
        turn();
        end();
        if (!core_busy())
            now_us += SLOT_US;
        if (flapping)
            small[1].next = now_us / USEC_S % 2 ? VITAL_PASS : VITAL_FAIL;
    }
    tell(path, (unsigned)(attempts() - before));
    small[1].next = VITAL_PASS;
}

static void count_steady(void) { count_attempts("attempt", false); }
static void count_flapping(void) { count_attempts("attempt_flapping", true); }

static void check_answer(int fd)
{
    char got[2048];
    ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    CHECK(n > 12 && !memcmp(got, "HTTP/1.1 200", 12));
}

static void count_kept(void)
{
    int fd = front_dial(0);
    serve_once();
    for (unsigned i = 0; i < SERVES; i++) {
        front_send(fd, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8686\r\n\r\n");
        begin();
        serve_once();
        end();
        check_answer(fd);
    }
    close(fd);
    serve_once();
    tell("serve_kept", SERVES);
}

static void count_once(void)
{
    for (unsigned i = 0; i < SERVES; i++) {
        int fd = front_dial(0);
        front_send(fd, "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8686\r\nUser-Agent: kube-probe/1.29\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        begin();
        serve_once();
        end();
        check_answer(fd);
        close(fd);
    }
    tell("serve_once", SERVES);
}

static void count_settling(void)
{
    static const enum level seen[] = { LEVEL_PASS, LEVEL_FAIL, LEVEL_WARN, LEVEL_FAIL, LEVEL_FAIL, LEVEL_FAIL, LEVEL_PASS };
    const struct settle_rule rule = { .rise = 2, .fall = 3 };
    struct settle s = { 0 };
    begin();
    for (unsigned i = 0; i < STEPS; i++)
        settle_step(&s, &rule, seen[i % (sizeof seen / sizeof *seen)]);
    end();
    tell("settle", STEPS);
}

static void count_scraping(void)
{
    struct buf out = BUF(64 << 20);
    const struct picture *p = NULL;
    begin();
    p = picture_all();
    end();
    tell("picture_probe", PROBES);
    begin();
    view_whole(prometheus_metrics, &(struct view_input){ .picture = p }, &out);
    end();
    CHECK(out.len > PROBES * 100);
    tell("scrape_probe", PROBES);
    picture_free(p);
    buf_free(&out);
}

/* hot [PATH]: all, or the one. */
int main(int argc, char **argv)
{
    static void (*const paths[])(void) = { count_settling, count_kept, count_once, count_steady, count_flapping, count_scraping };
    static const char *const names[] = { "settle", "serve_kept", "serve_once", "attempt", "attempt_flapping", "scrape_probe" };
    profiled = getenv("HOT_PROFILE");
    open_world();
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        if (argc < 2 || !strcmp(argv[1], names[i]))
            paths[i]();
    return 0;
}
