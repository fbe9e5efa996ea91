#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "io/loop.h"

static unsigned calls, got;
static int pair[2];

static void make_pair(void)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
}

static void note(struct loop_fd *f, unsigned what)
{
    (void)f;
    calls++;
    got = what;
}

TEST(level_triggered_interest_can_be_changed_and_removed)
{
    struct loop_fd io = { 0 };
    loop_open();
    make_pair();
    loop_remove(&io); /* never added: harmless */
    loop_add(&io, pair[0], LOOP_READ, note);
    loop_wait(0);
    CHECK_INT(calls, 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    loop_wait(TIME_NEVER);
    loop_wait(TIME_NEVER);
    CHECK_INT(calls, 2);
    CHECK_INT(got, LOOP_READ);
    loop_change(&io, LOOP_READ | LOOP_WRITE);
    loop_wait(TIME_NEVER);
    CHECK_INT(got, LOOP_READ | LOOP_WRITE);
    loop_change(&io, 0);
    calls = 0;
    loop_wait(0);
    CHECK_INT(calls, 0);
    loop_change(&io, LOOP_WRITE);
    loop_wait(0);
    CHECK_INT(got, LOOP_WRITE);
    loop_remove(&io);
    loop_remove(&io);
    calls = 0;
    loop_wait(0);
    CHECK_INT(calls, 0);
    CHECK_INT(loop_turns(), 7);
    loop_close();
}

TEST(sleeps_until_and_not_longer)
{
    loop_open();
    for (unsigned i = 1; i <= 5; i++) {
        uint64_t start = clock_now(), until = start + i * 3 * USEC_MS;
        while (clock_now() < until)
            loop_wait(until);
        CHECK(loop_turns() <= 3 * i); /* it slept, rather than turned */
    }
    uint64_t turns = loop_turns();
    loop_soon();
    loop_wait(TIME_NEVER); /* would never come back */
    CHECK_INT(loop_turns(), turns + 1);
    loop_close();
}

static void child_stops_me(uint64_t pause)
{
    pid_t me = getpid();
    if (fork() == 0) {
        kill(me, SIGSTOP);
        usleep((useconds_t)pause);
        kill(me, SIGCONT);
        _exit(0);
    }
}

enum { PAUSE = 300000 };

TEST(a_stop_during_the_sleep_is_seen_as_lag_once)
{
    loop_open();
    child_stops_me(PAUSE);
    uint64_t worst = 0, seen = 0;
    for (uint64_t end = clock_now() + 2 * PAUSE; clock_now() < end;) {
        loop_wait(clock_now() + 10 * USEC_MS);
        worst = loop_lag() > worst ? loop_lag() : worst;
        seen += loop_lag() > PAUSE / 2;
    }
    CHECK(worst > PAUSE * 9 / 10);
    CHECK_INT(seen, 1);
    CHECK(loop_lag_max() >= worst);
    wait(NULL);
    loop_close();
}

static void stopped_inside(struct loop_fd *f, unsigned what)
{
    (void)what;
    loop_remove(f);
    usleep(PAUSE); /* to the clock the same as a stop */
}

TEST(a_stop_in_a_callback_is_seen_by_the_same_turn)
{
    struct loop_fd io = { 0 };
    loop_open();
    make_pair();
    loop_add(&io, pair[0], LOOP_WRITE, stopped_inside);
    loop_wait(TIME_NEVER);
    CHECK(loop_lag() >= PAUSE);
    CHECK(clock_now() - loop_now() < PAUSE / 2);
    loop_wait(0);
    CHECK(loop_lag() < PAUSE / 2);
    loop_close();
}

TEST(a_stop_after_the_io_step_is_seen_by_the_next_turn)
{
    loop_open();
    loop_wait(0);
    usleep(PAUSE);
    loop_wait(clock_now() - PAUSE / 2); /* a timer that was missed meanwhile must not count again */
    CHECK(loop_lag() >= PAUSE && loop_lag() < 2 * PAUSE);
    loop_wait(0);
    CHECK(loop_lag() < PAUSE / 2);
    loop_close();
}

static struct loop_fd peeker, other;

static void peeks(struct loop_fd *f, unsigned what)
{
    (void)f, (void)what;
    loop_peek(); /* inside the dispatch: nothing happens */
    calls++;
}

TEST(peek_serves_what_is_ready_without_waiting)
{
    loop_open();
    make_pair();
    loop_add(&other, pair[0], LOOP_READ, note);
    loop_peek();
    CHECK_INT(calls, 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    loop_peek();
    CHECK_INT(calls, 1);
    loop_remove(&other);
    loop_add(&peeker, pair[0], LOOP_READ, peeks);
    loop_wait(TIME_NEVER);
    CHECK_INT(calls, 2);
    loop_remove(&peeker);
    loop_close();
}

static int signal_seen;

static void on_signal(int signo)
{
    signal_seen = signo;
}

TEST(signals_arrive_on_the_loop)
{
    loop_open();
    loop_signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    while (!signal_seen)
        loop_wait(TIME_NEVER);
    CHECK_INT(signal_seen, SIGUSR1);
    raise(SIGPIPE); /* ignored */
    loop_close();
}

/* A pipe reports no EPOLLPRI; TCP urgent data does, and clears only when read: level-triggered, this would spin. */
TEST(priority_reports_each_change_once)
{
    struct loop_fd io = { 0 };
    loop_open();
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    CHECK_INT(bind(listener, (struct sockaddr *)&at, len), 0);
    CHECK_INT(listen(listener, 1), 0);
    CHECK_INT(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    CHECK_INT(connect(client, (struct sockaddr *)&at, len), 0);
    int served = accept(listener, NULL, NULL);
    loop_add(&io, served, LOOP_PRIORITY, note);
    CHECK_INT(send(client, "d", 1, 0), 1);
    struct pollfd readable = { .fd = served, .events = POLLIN };
    poll(&readable, 1, -1);
    loop_wait(0);
    CHECK_INT(calls, 0); /* plain data is not what was asked for */
    CHECK_INT(send(client, "u", 1, MSG_OOB), 1);
    while (!calls)
        loop_wait(TIME_NEVER);
    CHECK_INT(got, LOOP_PRIORITY);
    for (unsigned i = 0; i < 10; i++)
        loop_wait(0);
    CHECK_INT(calls, 1);
    loop_remove(&io);
    CHECK_INT(io.nested, -1);
    loop_close();
}

TEST(counts_open_descriptors)
{
    unsigned before = loop_fd_count();
    make_pair();
    CHECK_INT(loop_fd_count(), before + 2);
}

static unsigned freed;
static struct loop_dead first, second;

static void count_free(struct loop_dead *d)
{
    freed++;
    if (d == &first)
        loop_bury(&second, count_free);
}

TEST(the_dead_are_freed_at_the_end_of_the_turn)
{
    loop_open();
    loop_bury(&first, count_free);
    loop_wait(0);
    CHECK_INT(freed, 0);
    loop_reap();
    CHECK_INT(freed, 2); /* also what died while freeing */
    loop_reap();
    CHECK_INT(freed, 2);
    loop_close();
}
