/* File calls: one at a time for each mount. A call that nobody waits for any more and that goes on marks its mount as hung. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/mounts.h"
#include "io/zygote_call.h"

enum {
    WAITING_MAX = 64,        /* calls in line for one mount */
    LANES_MAX = 128,         /* mounts remembered */
    HOPS_MAX = 16,           /* symbolic links on the way; also breaks circles */
};
/* An attempt may end at any time for its own reasons (a reload); only a call that is older than this hangs. */
#define HUNG_AFTER (100 * USEC_MS)

struct file_call;
struct lane {
    struct list link;
    char *mount;
    struct file_call *running;
    struct list waiting;
    unsigned waiting_count;
    bool hung;
    bool good;               /* it has answered since it last hung */
    struct timer park;
};

struct file_call {
    struct zygote_call call;
    struct lane *lane;       /* NULL: it will fail, later */
    zygote_file_fn *fn;      /* NULL: forgotten */
    enum vital_file_op op;
    unsigned hops;
    struct vital_file answer;    /* of one that fails later */
    char *path;
};

static struct list lanes = { &lanes, &lanes };
static unsigned lane_count;
static void (*returned)(const char *mount, void *arg);
static void *returned_arg;

void zygote_on_return(void (*back)(const char *mount, void *arg), void *arg)
{
    returned = back;
    returned_arg = arg;
}

static struct file_call *file_of(struct zygote_call *call)
{
    return LIST_OWNER(call, struct file_call, call);
}

static void file_free(struct file_call *f)
{
    mem_free(f->path);
    call_free(&f->call);
}

static void file_answer(struct file_call *f, const struct vital_file *answer)
{
    zygote_file_fn *fn = f->fn;
    void *arg = f->call.arg;
    file_free(f);
    if (fn)
        fn(arg, answer);
}

static void answer_later(struct zygote_call *call)
{
    struct vital_file answer = file_of(call)->answer;
    file_answer(file_of(call), &answer);
}

static void fail_later(struct file_call *f, int error, bool hung)
{
    f->lane = NULL;
    f->answer = (struct vital_file){ .error = error, .hung = hung };
    zygote_counts.hung += hung;
    call_later(&f->call, answer_later);
}

/* ---- lanes ---- */

static void forget_an_idle_lane(void)
{
    LIST_EACH(l, &lanes) {
        struct lane *lane = LIST_OWNER(l, struct lane, link);
        if (lane->running)
            continue;
        list_remove(&lane->link);
        mem_free(lane->mount);
        mem_free(lane);
        lane_count--;
        return;
    }
}

static void lane_parks(struct timer *t, uint64_t now);

static struct lane *lane_find(const char *path)
{
    const char *mount = mounts_find(path);
    LIST_EACH(l, &lanes)
        if (!strcmp(LIST_OWNER(l, struct lane, link)->mount, mount))
            return LIST_OWNER(l, struct lane, link);
    return NULL;
}

static struct lane *lane_of(const char *path)
{
    struct lane *lane = lane_find(path);
    if (lane)
        return lane;
    if (lane_count >= LANES_MAX)
        forget_an_idle_lane();
    lane = mem_alloc(sizeof *lane);
    lane->mount = mem_copy(mounts_find(path));
    list_init(&lane->waiting);
    timer_init(&lane->park, lane_parks);
    list_append(&lanes, &lane->link);
    lane_count++;
    return lane;
}

bool zygote_is_hung(const char *path)
{
    const struct lane *lane = lane_find(path);
    return lane && lane->hung;
}

static int lane_start(struct lane *lane, struct file_call *f)
{
    struct helper_request request = { .order = HELPER_FILE, .op = f->op };
    int error = call_send(&f->call, &request, f->path, strlen(f->path) + 1, NULL, 0, ZYGOTE_HELPERS_MAX);
    if (!error)
        lane->running = f;
    return error;
}

static void lane_next(struct lane *lane)
{
    while (!lane->running && !list_empty(&lane->waiting)) {
        struct file_call *f = LIST_OWNER(LIST_OWNER(list_first(&lane->waiting), struct zygote_call, link), struct file_call, call);
        list_remove(&f->call.link);
        lane->waiting_count--;
        int error = lane_start(lane, f);
        if (error)
            fail_later(f, error, false);
    }
}

/* Nobody waits for the running call, and it goes on: its mount hangs, and all who stand in line are told so. */
static void lane_parks(struct timer *t, uint64_t now)
{
    struct lane *lane = TIMER_OWNER(t, struct lane, park);
    (void)now;
    lane->hung = true;
    lane->good = false;
    zygote_counts.parked++;
    zygote_counts.hung++;
    log_about(LOG_WARNING, "mount", lane->mount, "does not answer (%s); probes on it fail as hung until it does", lane->running->path);
    for (struct list *l; (l = list_first(&lane->waiting));) {
        list_remove(l);
        lane->waiting_count--;
        fail_later(file_of(LIST_OWNER(l, struct zygote_call, link)), ETIMEDOUT, true);
    }
}

/* The running call has ended, by an answer or with its helper. */
static void lane_clear(struct lane *lane, bool answered)
{
    bool was_hung = lane->hung;
    timer_clear(loop_timers(), &lane->park);
    lane->running = NULL;
    lane->hung = false;
    lane->good = answered;
    zygote_counts.parked -= was_hung;
    lane_next(lane);
    if (was_hung && answered && returned)
        returned(lane->mount, returned_arg);
}

/* ---- replies ---- */

/* Whether the lane takes another call: OK, or why not. With four parked, mounts that are not known to be good have to wait. */
static enum vital_reason lane_admits(const struct lane *lane)
{
    if (lane->hung)
        return VITAL_R_HUNG;
    if (lane->running ? lane->waiting_count >= WAITING_MAX : !lane->good && zygote_counts.parked >= ZYGOTE_PARKED_MAX)
        return VITAL_R_NO_HELPER;
    return VITAL_R_OK;
}

/* Starts it, or puts it in line. */
static int lane_enter(struct lane *lane, struct file_call *f)
{
    f->lane = lane;
    if (!lane->running)
        return lane_start(lane, f);
    list_append(&lane->waiting, &f->call.link);
    lane->waiting_count++;
    return 0;
}

/* The path led over a link: the same question again, in the lane of where it leads. */
static void follow(struct file_call *f, const char *path)
{
    mem_free(f->path);
    f->path = mem_copy(path);
    struct lane *lane = lane_of(path);
    enum vital_reason reason = lane_admits(lane);
    int error = ++f->hops > HOPS_MAX ? ELOOP : reason == VITAL_R_HUNG ? ETIMEDOUT : reason != VITAL_R_OK ? EAGAIN : lane_enter(lane, f);
    if (error)
        fail_later(f, error, error == ETIMEDOUT);
}

static void file_reply(struct zygote_call *call, const struct helper_reply *reply, const char *bytes, size_t len)
{
    struct file_call *f = file_of(call);
    struct vital_file answer = reply->file;
    answer.error = reply->error;
    answer.data = bytes;
    answer.len = len;
    lane_clear(f->lane, true);
    if (reply->answer == HELPER_MOVED && f->fn)
        follow(f, bytes);
    else
        file_answer(f, &answer);
}

static void file_lost(struct zygote_call *call, int error)
{
    struct file_call *f = file_of(call);
    lane_clear(f->lane, false);
    file_answer(f, &(struct vital_file){ .error = error });
}

static const struct call_kind file_kind = { .reply = file_reply, .lost = file_lost };

/* ---- requests ---- */

struct zygote_call *zygote_file(enum vital_file_op op, const char *path, zygote_file_fn *fn, void *arg, enum vital_reason *reason)
{
    struct lane *lane = lane_of(path);
    *reason = lane_admits(lane);
    zygote_counts.hung += *reason == VITAL_R_HUNG;
    zygote_counts.refused += *reason == VITAL_R_NO_HELPER;
    if (*reason != VITAL_R_OK)
        return NULL;
    struct file_call *f = mem_alloc(sizeof *f);
    f->call.kind = &file_kind;
    f->call.arg = arg;
    list_init(&f->call.link);
    f->fn = fn;
    f->op = op;
    f->path = mem_copy(path);
    int error = 0;
    if (strlen(path) >= PATH_MAX) {
        fail_later(f, ENAMETOOLONG, false);
    } else if ((error = lane_enter(lane, f))) {
        *reason = call_reason(error);
        file_free(f);
        return NULL;
    }
    return &f->call;
}

void zygote_forget(struct zygote_call *call)
{
    struct file_call *f = file_of(call);
    struct lane *lane = f->lane;
    f->fn = NULL;
    if (lane && lane->running == f) {
        uint64_t at = call->since + HUNG_AFTER;
        if (at <= clock_now())
            lane_parks(&lane->park, at); /* calls nobody back */
        else
            timer_set(loop_timers(), &lane->park, at);
        return;
    }
    if (lane)
        lane->waiting_count--;
    file_free(f);
}
