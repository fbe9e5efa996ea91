#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/pool.h"

struct job {
    struct pool_job job;
    sem_t *started, *hold;
    int answer;
};
static unsigned home;
static sem_t started, hold;
static pthread_t loop_thread;

static void run(struct pool_job *j)
{
    struct job *job = (struct job *)(void *)j;
    sigset_t blocked;
    if (job->started)
        sem_post(job->started);
    if (job->hold)
        while (sem_wait(job->hold) < 0) {
        }
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    job->answer = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP) && !pthread_equal(pthread_self(), loop_thread);
}

static void done(struct pool_job *j)
{
    struct job *job = (struct job *)(void *)j;
    CHECK(pthread_equal(pthread_self(), loop_thread));
    CHECK_INT(job->answer, 1);
    mem_free(job);
    home++;
}

static struct job *job_new(bool held)
{
    struct job *job = mem_alloc(sizeof *job);
    job->job.run = run;
    job->job.done = done;
    if (held) {
        job->started = &started;
        job->hold = &hold;
    }
    return job;
}

static void start(void)
{
    loop_thread = pthread_self();
    sem_init(&started, 0, 0);
    sem_init(&hold, 0, 0);
    loop_open();
}

static void turn(void)
{
    loop_wait(timer_next(loop_timers()));
    timer_run(loop_timers(), loop_now());
}

static void poll_turn(void)
{
    loop_wait(0);
    timer_run(loop_timers(), loop_now());
}

static void until_home(unsigned n)
{
    while (home < n)
        turn();
}

TEST(jobs_run_elsewhere_and_come_home)
{
    struct pool_stats s;
    start();
    struct pool *p = pool_new("test", 2, 10000);
    pool_stats(p, &s);
    CHECK_INT(s.threads, 0); /* none before the first job */
    for (unsigned i = 0; i < 5000; i++)
        CHECK(pool_submit(p, &job_new(false)->job));
    until_home(5000);
    pool_stats(p, &s);
    CHECK_INT(s.done, 5000);
    CHECK_INT(s.queued, 0);
    CHECK(s.threads >= 1 && s.threads <= 2);
}

TEST(results_are_drained_by_a_budget)
{
    start();
    struct pool *p = pool_new("test", 1, 1000);
    for (unsigned i = 0; i < 199; i++)
        pool_submit(p, &job_new(false)->job);
    pool_submit(p, &job_new(true)->job);
    sem_wait(&started); /* the one thread got to the last: 199 are finished */
    unsigned turns = 0;
    for (unsigned before = 0; home < 199; before = home, turns++) {
        turn();
        CHECK(home - before <= 64);
    }
    CHECK_INT(turns, 4);
    sem_post(&hold);
    until_home(200);
}

TEST(a_full_queue_refuses_and_counts)
{
    struct pool_stats s;
    start();
    struct pool *p = pool_new("test", 1, 3);
    CHECK(pool_submit(p, &job_new(true)->job));
    sem_wait(&started);
    for (unsigned i = 0; i < 3; i++)
        CHECK(pool_submit(p, &job_new(false)->job));
    struct job *extra = job_new(false);
    CHECK(!pool_submit(p, &extra->job));
    mem_free(extra);
    pool_stats(p, &s);
    CHECK_INT(s.refused, 1);
    CHECK_INT(s.queued, 3);
    CHECK_INT(s.busy, 1);
    CHECK_INT(s.stuck, 0);
    sem_post(&hold);
    until_home(4);
}

static _Atomic uint64_t skew;
static uint64_t real(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000 + skew;
}

TEST(a_stuck_thread_is_replaced_and_leaves_when_it_returns)
{
    struct pool_stats s;
    clock_replace(real, NULL);
    start();
    struct pool *p = pool_new("test", 1, 10);
    pool_submit(p, &job_new(true)->job);
    sem_wait(&started);
    pool_submit(p, &job_new(false)->job);
    loop_wait(0);
    CHECK_INT(home, 0);
    skew = 31 * USEC_S;
    until_home(1); /* the timer alone starts the replacement */
    pool_stats(p, &s);
    CHECK_INT(s.stuck, 1);
    CHECK_INT(s.threads, 2);
    sem_post(&hold);
    until_home(2);
    do
        pool_stats(p, &s);
    while (s.threads > 1);
    CHECK_INT(s.stuck, 0);
}

TEST(at_most_four_are_replaced)
{
    struct pool_stats s;
    clock_replace(real, NULL);
    start();
    struct pool *p = pool_new("test", 1, 20);
    for (unsigned i = 0; i < 5; i++) {
        pool_submit(p, &job_new(true)->job);
        while (sem_trywait(&started) < 0) {
            skew += 31 * USEC_S;
            poll_turn();
        }
    }
    skew += 31 * USEC_S;
    pool_submit(p, &job_new(false)->job);
    for (unsigned i = 0; i < 20; i++) {
        skew += 31 * USEC_S;
        poll_turn();
    }
    pool_stats(p, &s);
    CHECK_INT(s.threads, 5);
    CHECK_INT(s.stuck, 5);
    CHECK_INT(s.queued, 1);
    for (unsigned i = 0; i < 5; i++)
        sem_post(&hold);
    until_home(6);
}

static void count_pools(const char *name, const struct pool_stats *s, void *arg)
{
    (void)s;
    *(unsigned *)arg += !strcmp(name, "a") || !strcmp(name, "b");
}

TEST(all_pools_can_be_listed)
{
    unsigned n = 0;
    start();
    pool_new("a", 1, 1);
    pool_new("b", 1, 1);
    pool_each(count_pools, &n);
    CHECK_INT(n, 2);
}

/* The slice in ns; 0 = this kernel does not tell (before Linux 6.12). */
static uint64_t slice(void)
{
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } s = { .size = sizeof s };
    CHECK_INT(syscall(SYS_sched_getattr, 0, &s, sizeof s, 0), 0);
    CHECK_INT(s.policy, SCHED_OTHER);
    return s.runtime;
}

static uint64_t helpers_slice;

static void tell_slice(struct pool_job *j)
{
    helpers_slice = slice();
    run(j);
}

TEST(a_helper_lets_the_loop_in_where_both_have_one_core)
{
    start();
    struct pool *p = pool_new("test", 1, 1);
    struct job *job = job_new(false);
    job->job.run = tell_slice;
    CHECK(pool_submit(p, &job->job));
    until_home(1);
    CHECK(helpers_slice > slice() || !slice());
}
