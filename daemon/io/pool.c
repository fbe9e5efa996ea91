#include "io/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"

enum {
    STACK = 512 * 1024,      /* name service modules that others wrote run on it; only touched pages cost */
    REPLACED_MAX = 4,
    BUDGET = 64,             /* results a turn */
    NAME_ROOM = 16,          /* the kernel's */
    WORKERS_MAX = 64,
};
#define PATIENCE (30 * USEC_S)
#define LONG_SLICE 8000000   /* ns; the usual ones are 3 ms at most */

struct worker {
    struct pool *pool;
    struct pool_job *job;    /* NULL = idle */
};

struct pool {
    struct list link;                    /* all pools; loop only */
    char name[NAME_ROOM];
    unsigned wanted, queue_max;
    uint64_t patience;                   /* who runs longer is stuck */
    struct loop_fd home;
    struct timer relief;                 /* loop only: somebody waits and all threads are busy */

    pthread_mutex_t lock;                /* all below */
    pthread_cond_t work;
    struct list queue, finished;
    unsigned queued, idle;
    struct worker *workers[WORKERS_MAX];
    unsigned alive;
    uint64_t done, refused;
    bool unmanned;                       /* no thread could be started the last time: told once */
    int home_fd;
};

static struct list pools = { &pools, &pools };

/* ---- the threads' side ---- */

static unsigned stuck_count(const struct pool *p, uint64_t now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->alive; i++)
        n += p->workers[i]->job && now > p->workers[i]->job->since + p->patience;
    return n;
}

static void worker_leave(struct worker *w)
{
    struct pool *p = w->pool;
    for (unsigned i = 0; i < p->alive; i++)
        if (p->workers[i] == w)
            p->workers[i] = p->workers[p->alive - 1];
    p->alive--;
    pthread_mutex_unlock(&p->lock);
    mem_free(w);
}

static void bring_home(struct pool *p, struct pool_job *job)
{
    uint64_t one = 1;
    /* Written under the lock and only for the first: the loop reads it under the lock, when nothing is left. */
    if (list_empty(&p->finished) && write(p->home_fd, &one, sizeof one) < 0)
        abort(); /* an eventfd takes 2^64 - 2 of them */
    list_append(&p->finished, &job->link);
}

/* The kernel's sched_attr; its header cannot stand beside libc's. */
struct schedule {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

/* Who runs keeps its core for a slice, unless one whose slice is shorter wakes up (Linux 6.12 and later; before, the length
 * is ignored). A helper is never in a hurry: on a core that both share, the loop does not wait for it. */
static void let_others_in(void)
{
    struct schedule s = { .size = sizeof s, .policy = (uint32_t)sched_getscheduler(0), .nice = getpriority(PRIO_PROCESS, 0), .runtime = LONG_SLICE };
    if (s.policy == SCHED_OTHER)
        (void)syscall(SYS_sched_setattr, 0, &s, 0); /* where it is not allowed all goes on, later at times */
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    let_others_in();
    pthread_mutex_lock(&p->lock);
    for (;;) {
        /* One that comes back after it was given up and replaced is one too many. */
        if (p->alive - stuck_count(p, clock_now()) > p->wanted) {
            worker_leave(w);
            return NULL;
        }
        while (list_empty(&p->queue)) {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
        }
        struct pool_job *job = LIST_OWNER(list_first(&p->queue), struct pool_job, link);
        list_remove(&job->link);
        p->queued--;
        job->since = clock_now();
        w->job = job;
        pthread_mutex_unlock(&p->lock);
        job->run(job);
        pthread_mutex_lock(&p->lock);
        w->job = NULL;
        bring_home(p, job);
    }
}

/* ---- the loop's side ---- */

/* With the lock held. */
static bool start_thread(struct pool *p)
{
    struct worker *w = mem_alloc(sizeof *w);
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    w->pool = p;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    p->workers[p->alive++] = w;
    int error = pthread_create(&thread, &attr, work, w);
    if (!error)
        pthread_setname_np(thread, p->name);
    else
        p->alive--;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (error)
        mem_free(w);
    if (error && !p->unmanned)
        log_line(LOG_WARNING, "cannot start a helper thread for %s: %s; check the limits on tasks and memory; tried again with each job", p->name, strerror(error));
    else if (!error && p->unmanned)
        log_line(LOG_NOTICE, "helper threads for %s can be started again", p->name);
    p->unmanned = error != 0;
    return !error;
}

/* Starts what threads the queue needs: up to `wanted`, and one for each that is stuck. With the lock held. */
static void man(struct pool *p, uint64_t now)
{
    unsigned stuck = stuck_count(p, now), room = p->wanted + (stuck < REPLACED_MAX ? stuck : (unsigned)REPLACED_MAX);
    for (unsigned starting = 0; p->queued > p->idle + starting && p->alive < room && p->alive < WORKERS_MAX; starting++)
        if (!start_thread(p))
            return;
}

/* When the next running job becomes stuck; one that is about to start is not seen yet. With the lock held. */
static uint64_t next_stuck(const struct pool *p, uint64_t now)
{
    uint64_t next = now + p->patience;
    for (unsigned i = 0; i < p->alive; i++) {
        const struct pool_job *job = p->workers[i]->job;
        if (job && job->since + p->patience >= now && job->since + p->patience < next)
            next = job->since + p->patience;
    }
    return next;
}

static void on_relief(struct timer *t, uint64_t now)
{
    struct pool *p = TIMER_OWNER(t, struct pool, relief);
    pthread_mutex_lock(&p->lock);
    man(p, now);
    uint64_t next = p->queued ? next_stuck(p, now) : TIME_NEVER;
    pthread_mutex_unlock(&p->lock);
    if (next != TIME_NEVER)
        timer_set(loop_timers(), t, next + 1);
}

static void on_home(struct loop_fd *f, unsigned what)
{
    struct pool *p = LIST_OWNER(f, struct pool, home);
    struct list batch;
    uint64_t count;
    (void)what;
    list_init(&batch);
    pthread_mutex_lock(&p->lock);
    for (unsigned n = 0; n < BUDGET && !list_empty(&p->finished); n++) {
        struct list *l = list_first(&p->finished);
        list_remove(l);
        list_append(&batch, l);
        p->done++;
    }
    /* Left readable while there is more: the next turn goes on. */
    if (list_empty(&p->finished) && read(p->home_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        abort();
    pthread_mutex_unlock(&p->lock);
    for (struct list *l; (l = list_first(&batch));) {
        list_remove(l);
        struct pool_job *job = LIST_OWNER(l, struct pool_job, link);
        job->done(job);
    }
}

struct pool *pool_new(const char *name, unsigned threads, unsigned queue_max)
{
    struct pool *p = mem_alloc(sizeof *p);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->wanted = threads < WORKERS_MAX - REPLACED_MAX ? threads : WORKERS_MAX - REPLACED_MAX;
    p->queue_max = queue_max;
    p->patience = PATIENCE;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    list_init(&p->queue);
    list_init(&p->finished);
    timer_init(&p->relief, on_relief);
    p->home_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->home_fd < 0) {
        log_line(LOG_ERR, "no helper threads for %s: eventfd: %s; raise the limit on open files", name, strerror(errno));
        p->wanted = p->queue_max = 0; /* refuses every job, and counts it */
    } else {
        loop_add(&p->home, p->home_fd, LOOP_READ, on_home);
    }
    list_append(&pools, &p->link);
    return p;
}

void pool_set_patience(struct pool *p, uint64_t span)
{
    p->patience = span;
}

bool pool_submit(struct pool *p, struct pool_job *job)
{
    uint64_t now = clock_now();
    pthread_mutex_lock(&p->lock);
    bool taken = p->queued < p->queue_max;
    if (taken) {
        job->since = now;
        list_append(&p->queue, &job->link);
        p->queued++;
        man(p, now);
        if (!p->alive) { /* not one thread: better refused than lost */
            list_remove(&job->link);
            p->queued--;
            taken = false;
        }
    }
    p->refused += !taken;
    uint64_t relief = p->queued > p->idle ? next_stuck(p, now) : TIME_NEVER;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    if (relief != TIME_NEVER && !timer_is_set(&p->relief))
        timer_set(loop_timers(), &p->relief, relief + 1);
    return taken;
}

void pool_stats(const struct pool *constant, struct pool_stats *s)
{
    struct pool *p = (struct pool *)(uintptr_t)constant; /* only its lock changes */
    uint64_t now = clock_now();
    pthread_mutex_lock(&p->lock);
    *s = (struct pool_stats){ .threads = p->alive, .stuck = stuck_count(p, now), .queued = p->queued, .done = p->done, .refused = p->refused };
    for (unsigned i = 0; i < p->alive; i++)
        s->busy += p->workers[i]->job != NULL;
    pthread_mutex_unlock(&p->lock);
}

void pool_each(void (*fn)(const char *name, const struct pool_stats *, void *arg), void *arg)
{
    LIST_EACH(l, &pools) {
        const struct pool *p = LIST_OWNER(l, struct pool, link);
        struct pool_stats s;
        pool_stats(p, &s);
        fn(p->name, &s, arg);
    }
}
