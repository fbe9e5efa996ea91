#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/resident.h"
#include "base/secret.h"
#include "config/regex.h"
#include "io/loop.h"
#include "io/pool.h"
#include "io/resolve.h"
#include "io/stream.h"
#include "io/zygote.h"

enum {
    JOB_QUEUE_MAX = 64,
    HUNG_MARGIN_MS = 20,        /* a file call is called hung that long before the attempt's deadline */
    HUNG_MARGIN_PART = 10,      /* or a tenth of what is left, when that is less */
};

/* ---- handles: one struct for all kinds, and a table of how each is let go ---- */

struct vital_io {
    struct list link;           /* in its probe's list while open */
    struct vital_probe *probe;
    const struct io_kind *kind;
    bool kept;
    void *arg;
    struct loop_dead dead;
    union {
        vital_timer_fn *timer;
        vital_fd_fn *watch;
        vital_address_fn *address;
        vital_exit_fn *exit;
        vital_file_fn *file;
        const struct vital_stream_ops *stream;
    } call;
    struct timer timer;         /* timers, and the patience of file calls */
    struct loop_fd fd;
    void *below;                /* the stream, look-up, call or job behind it */
};

struct io_kind {
    const char *name;
    void (*let_go)(struct vital_io *);
};

/* What host.c keeps of a probe, behind core's probe_host_slot(): while an attempt runs, and beyond it only if something lasts. */
struct host_probe {
    struct list open;
    struct loop_dead dead;
    struct list link;           /* in `all` */
    struct vital_probe *probe;
    const struct vital_secret *unreadable;   /* the one that could not be read the last time: told once, and when it is over */
    char *refused;              /* what the server said to a login: the outcome if no secret has changed */
    unsigned refreshing;        /* secret files still being read, 0 = not reading */
    bool changed;               /* one of them has a new value */
    bool tried_again;           /* this attempt's login was refused once already */
    bool hung;                  /* its last file call hung: it wants to know when the mount is back */
};

static struct list all = { &all, &all };

static struct host_probe *host_probe_of(struct vital_probe *p)
{
    void **slot = probe_host_slot(probe_of(p));
    if (!*slot) {
        struct host_probe *h = mem_alloc(sizeof *h);
        h->probe = p;
        list_init(&h->open);
        list_append(&all, &h->link);
        *slot = h;
    }
    return *slot;
}

static struct vital_io *io_open(struct vital_probe *p, const struct io_kind *kind, void *arg)
{
    struct vital_io *io = mem_alloc(sizeof *io);
    io->probe = p;
    io->kind = kind;
    io->arg = arg;
    io->fd.fd = -1;
    list_append(&host_probe_of(p)->open, &io->link);
    return io;
}

static void io_free(struct loop_dead *dead)
{
    mem_free(LIST_OWNER(dead, struct vital_io, dead));
}

/* Off the list and into the ground: nothing calls back from now on, and the memory lasts until the turn's end. */
static void io_bury(struct vital_io *io)
{
    list_remove(&io->link);
    timer_clear(loop_timers(), &io->timer);
    loop_bury(&io->dead, io_free);
}

static void host_close(struct vital_io *io)
{
    if (!io || list_empty(&io->link))
        return;
    io->kind->let_go(io);
    io_bury(io);
}

static void host_keep(struct vital_io *io)
{
    io->kept = true;
}

static void host_probe_free(struct loop_dead *dead)
{
    mem_free(LIST_OWNER(dead, struct host_probe, dead));
}

static bool nothing_lasts(const struct host_probe *h)
{
    return list_empty(&h->open) && !h->unreadable && !h->tried_again && !h->hung;
}

void host_close_all(struct probe *core_probe, bool kept_too)
{
    struct host_probe *h = *probe_host_slot(core_probe);
    if (!h)
        return;
    h->refreshing = 0;
    mem_free(h->refused);
    h->refused = NULL;
    LIST_EACH_SAFE(at, after, &h->open) {
        struct vital_io *io = LIST_OWNER(at, struct vital_io, link);
        if (kept_too || !io->kept)
            host_close(io);
    }
    if (kept_too || nothing_lasts(h)) {
        list_remove(&h->link);
        loop_bury(&h->dead, host_probe_free); /* who ends an attempt may still look at it */
        *probe_host_slot(core_probe) = NULL;
    }
}

/* ---- the attempt ---- */

static void scrub(struct vital_probe *p, char *text)
{
    const struct conf_options *o = probe_options(probe_of(p));
    for (unsigned i = 0; i < o->secret_count; i++)
        secret_scrub(o->secrets[i], text);
}

static uint64_t host_now(struct vital_probe *p)
{
    (void)p;
    return clock_now();
}

static uint64_t host_left(struct vital_probe *p)
{
    return probe_left(probe_of(p));
}

/* A module's text, without its secrets. One that the cut would go through could no longer be found, so a longer text is
 * scrubbed whole. */
static void put_text(struct vital_probe *p, char room[OUTCOME_TEXT_MAX], const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(room, OUTCOME_TEXT_MAX, fmt, args);
    if (len >= OUTCOME_TEXT_MAX) {
        char *whole = mem_alloc((size_t)len + 1);
        vsnprintf(whole, (size_t)len + 1, fmt, again);
        scrub(p, whole);
        snprintf(room, OUTCOME_TEXT_MAX, "%s", whole);
        mem_wipe(whole, (size_t)len);
        mem_free(whole);
    } else {
        scrub(p, room);
    }
    va_end(again);
}

static bool try_rotated_secret(struct vital_probe *p, enum vital_reason reason, const char *text);

static void host_finish(struct vital_probe *p, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[OUTCOME_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    put_text(p, text, fmt, args);
    va_end(args);
    if (!try_rotated_secret(p, reason, text))
        probe_finish(probe_of(p), class, reason, text);
}

static void host_number(struct vital_probe *p, unsigned row, const char *label, double value)
{
    probe_number(probe_of(p), row, label, value);
}

static void host_log(struct vital_probe *p, int level, const char *fmt, ...)
{
    char text[OUTCOME_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    put_text(p, text, fmt, args);
    va_end(args);
    log_about(level, "probe", p->name, "%s", text);
}

static const char *host_reveal(const struct vital_secret *s, size_t *len)
{
    if (len)
        *len = s ? s->len : 0;
    return s ? s->value : "";
}

static bool host_match(struct vital_probe *p, const struct vital_regex *regex, const char *text, size_t len)
{
    enum regex_answer answer = regex_match(regex, text, len);
    if (answer == REGEX_LIMIT)
        log_about(LOG_WARNING, "probe", p->name, "the regular expression needs too many steps on this answer: taken as no match; make it simpler");
    return answer == REGEX_YES;
}

static void host_nudge(struct vital_probe *p)
{
    probe_nudge(probe_of(p));
}

/* ---- timers and descriptors ---- */

static void timer_let_go(struct vital_io *io)
{
    (void)io; /* io_bury() clears every handle's timer */
}
static const struct io_kind timer_kind = { "timer", timer_let_go };

static void timer_fired(struct timer *t, uint64_t now)
{
    (void)now;
    struct vital_io *io = TIMER_OWNER(t, struct vital_io, timer);
    io_bury(io);
    io->call.timer(io->probe, io->arg);
}

static struct vital_io *host_timer(struct vital_probe *p, uint64_t in, vital_timer_fn *fn, void *arg)
{
    struct vital_io *io = io_open(p, &timer_kind, arg);
    io->call.timer = fn;
    timer_init(&io->timer, timer_fired);
    timer_set(loop_timers(), &io->timer, clock_now() + in);
    return io;
}

static void watch_let_go(struct vital_io *io)
{
    loop_remove(&io->fd);
}
static const struct io_kind watch_kind = { "watch", watch_let_go };

static void watch_ready(struct loop_fd *fd, unsigned what)
{
    struct vital_io *io = LIST_OWNER(fd, struct vital_io, fd);
    loop_remove(fd);
    io_bury(io);
    io->call.watch(io->probe, fd->fd, what, io->arg);
}

static struct vital_io *host_watch(struct vital_probe *p, int fd, unsigned what, vital_fd_fn *fn, void *arg)
{
    if (fcntl(fd, F_GETFD) < 0) {
        probe_module_bug(probe_of(p), "watches a descriptor that is not open");
        return NULL;
    }
    struct vital_io *io = io_open(p, &watch_kind, arg);
    io->call.watch = fn;
    loop_add(&io->fd, fd, what, watch_ready);
    return io;
}

/* ---- names ---- */

static void resolve_let_go(struct vital_io *io)
{
    if (io->below)
        resolve_cancel(io->below);
}
static const struct io_kind resolve_kind = { "resolve", resolve_let_go };

static void address_text(const struct resolve_address *a, char *room, size_t size)
{
    char scope[16] = "";
    if (a->u.any.sa_family == AF_INET6 && a->u.v6.sin6_scope_id)
        snprintf(scope, sizeof scope, "%%%u", a->u.v6.sin6_scope_id);
    const void *bytes = a->u.any.sa_family == AF_INET6 ? (const void *)&a->u.v6.sin6_addr : (const void *)&a->u.v4.sin_addr;
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(a->u.any.sa_family, bytes, text, sizeof text);
    snprintf(room, size, "%s%s", text, scope);
}

static void resolved(void *arg, const struct resolve_answer *answer)
{
    struct vital_io *io = arg;
    char texts[RESOLVE_ADDRESSES_MAX][INET6_ADDRSTRLEN + 16];
    const char *list[RESOLVE_ADDRESSES_MAX];
    for (unsigned i = 0; i < answer->count; i++) {
        address_text(&answer->addresses[i], texts[i], sizeof texts[i]);
        list[i] = texts[i];
    }
    io_bury(io);
    if (answer->refused)
        host_finish(io->probe, VITAL_INTERNAL, VITAL_R_NO_THREAD, "the queue of name look-ups is full");
    else
        io->call.address(io->probe, list, answer->count, answer->stale, answer->error, io->arg);
}

static struct vital_io *host_resolve(struct vital_probe *p, const char *host, vital_address_fn *fn, void *arg)
{
    struct vital_io *io = io_open(p, &resolve_kind, arg);
    io->call.address = fn;
    struct resolve *r = resolve_name(host, resolved, io);
    if (r)
        io->below = r;
    return r ? io : NULL;
}

/* ---- streams ---- */

static void stream_let_go(struct vital_io *io)
{
    stream_close(io->below);
}
static const struct io_kind stream_kind = { "stream", stream_let_go };

uint64_t host_held(struct probe *core_probe)
{
    const struct host_probe *h = *probe_host_slot(core_probe);
    uint64_t held = 0;
    if (!h)
        return 0;
    LIST_EACH(l, &h->open) {
        const struct vital_io *io = LIST_OWNER(l, struct vital_io, link);
        uint64_t n = io->kind == &stream_kind ? stream_held(io->below) : 0;
        held = n > held ? n : held;
    }
    return held;
}

static void stream_opened(void *arg)
{
    struct vital_io *io = arg;
    if (io->call.stream->open)
        io->call.stream->open(io->probe, io, io->arg);
}

static void stream_data(void *arg, const char *bytes, size_t len)
{
    struct vital_io *io = arg;
    if (io->call.stream->data)
        io->call.stream->data(io->probe, io, io->arg, bytes, len);
}

static void stream_closed(void *arg, enum vital_reason reason, const char *text)
{
    struct vital_io *io = arg;
    struct vital_probe *p = io->probe;
    if (io->call.stream->closed)
        io->call.stream->closed(p, io, io->arg, reason, text);
    else
        host_finish(p, reason == VITAL_R_NO_FDS || reason == VITAL_R_NO_THREAD ? VITAL_INTERNAL : VITAL_FAIL,
                    reason == VITAL_R_OK ? VITAL_R_CLOSED : reason, "%s", text);
    if (!list_empty(&io->link))      /* the callback may have closed it, or ended the attempt */
        io_bury(io);
}

static const struct stream_ops stream_table = { .open = stream_opened, .data = stream_data, .closed = stream_closed };

static struct vital_io *host_dial(struct vital_probe *p, const struct vital_dial *dial, const struct vital_stream_ops *ops, void *arg)
{
    struct vital_io *io = io_open(p, &stream_kind, arg);
    io->call.stream = ops;
    io->below = stream_dial(dial, &stream_table, io);
    return io;
}

static bool host_write(struct vital_io *io, const void *bytes, size_t len)
{
    return stream_write(io->below, bytes, len);
}

static bool host_starttls(struct vital_io *io, const struct vital_tls *tls, const char *name, const char *alpn)
{
    return stream_starttls(io->below, tls, name, alpn);
}

static void host_stream_info(struct vital_io *io, struct vital_stream_info *info)
{
    stream_info(io->below, info);
}

static unsigned host_certificates(struct vital_io *io, struct vital_cert *certs, unsigned room)
{
    return stream_certificates(io->below, certs, room);
}

/* ---- jobs in helper threads ---- */

struct host_job {
    struct pool_job job;
    const struct vital_job *ops;
    void *block;
    struct vital_io *io;        /* NULL: the attempt has ended, nobody wants the result */
};

static void job_let_go(struct vital_io *io)
{
    ((struct host_job *)io->below)->io = NULL;
}
static const struct io_kind job_kind = { "job", job_let_go };

static void job_run(struct pool_job *job)
{
    struct host_job *j = LIST_OWNER(job, struct host_job, job);
    j->ops->run(j->block);
}

static void job_done(struct pool_job *job)
{
    struct host_job *j = LIST_OWNER(job, struct host_job, job);
    struct vital_io *io = j->io;
    if (io) {
        io_bury(io);
        j->ops->done(io->probe, j->block);
    }
    j->ops->wipe(j->block);
    mem_free(j);
}

/* Each module that submits jobs has a pool of its own, so that one stuck library cannot starve another. */
static struct pool *pool_of(const struct vital_module *m)
{
    static struct { const struct vital_module *module; struct pool *pool; } pools[32];
    for (unsigned i = 0; i < sizeof pools / sizeof *pools; i++) {
        if (!pools[i].module) {
            pools[i].module = m;
            pools[i].pool = pool_new(m->name, m->job_threads ? m->job_threads : 1, JOB_QUEUE_MAX);
        }
        if (pools[i].module == m)
            return pools[i].pool;
    }
    return pools[0].pool; /* more kinds of job than anybody installs: they share */
}

static struct vital_io *host_submit(struct vital_probe *p, const struct vital_job *ops, void *block)
{
    struct host_job *j = mem_alloc(sizeof *j);
    *j = (struct host_job){ .job = { .run = job_run, .done = job_done }, .ops = ops, .block = block };
    if (!pool_submit(pool_of(probe_options(probe_of(p))->module), &j->job)) {
        ops->wipe(block);
        mem_free(j);
        host_finish(p, VITAL_INTERNAL, VITAL_R_NO_THREAD, "the queue of the module's helper threads is full");
        return NULL;
    }
    struct vital_io *io = io_open(p, &job_kind, NULL);
    io->below = j;
    j->io = io;
    return io;
}

/* ---- programs ---- */

static void child_let_go(struct vital_io *io)
{
    zygote_kill(io->below);
}
static const struct io_kind child_kind = { "child", child_let_go };

static void child_exited(void *arg, const struct vital_exit *e)
{
    struct vital_io *io = arg;
    io_bury(io);
    if (e->error == EAGAIN)
        host_finish(io->probe, VITAL_INTERNAL, VITAL_R_NO_SPAWN, "%s", reason_sentence(VITAL_R_NO_SPAWN));
    else
        io->call.exit(io->probe, e, io->arg);
}

static struct vital_io *host_spawn(struct vital_probe *p, const struct vital_child *child, vital_exit_fn *fn, void *arg)
{
    struct vital_io *io = io_open(p, &child_kind, arg);
    enum vital_reason reason = VITAL_R_NO_SPAWN;
    io->call.exit = fn;
    io->below = zygote_spawn(child, child_exited, io, &reason);
    if (io->below)
        return io;
    io_bury(io);
    host_finish(p, reason == VITAL_R_HUNG ? VITAL_FAIL : VITAL_INTERNAL, reason, "%s", reason_sentence(reason));
    return NULL;
}

/* ---- files ---- */

static void file_let_go(struct vital_io *io)
{
    zygote_forget(io->below);
}
static const struct io_kind file_kind = { "file", file_let_go };

static void secret_read(struct vital_probe *, const struct vital_file *, void *);

/* A module's attempt ends here. The engine's own reading of secrets goes on without: the module has not begun yet. */
static void file_has_no_helper(struct vital_probe *p, vital_file_fn *fn, void *arg)
{
    if (fn == secret_read)
        fn(p, &(struct vital_file){ .error = EAGAIN }, arg);
    else
        host_finish(p, VITAL_INTERNAL, VITAL_R_NO_HELPER, "%s", reason_sentence(VITAL_R_NO_HELPER));
}

static void file_done(void *arg, const struct vital_file *f)
{
    struct vital_io *io = arg;
    io_bury(io);
    if (f->error == EAGAIN)
        file_has_no_helper(io->probe, io->call.file, io->arg);
    else
        io->call.file(io->probe, f, io->arg);
}

static void file_hangs(struct vital_probe *p, vital_file_fn *fn, void *arg)
{
    host_probe_of(p)->hung = true;
    fn(p, &(struct vital_file){ .error = ETIMEDOUT, .hung = true }, arg);
}

/* No answer, and the attempt is nearly over: the module says so itself, with its own words. */
static void file_patience_ends(struct timer *t, uint64_t now)
{
    (void)now;
    struct vital_io *io = TIMER_OWNER(t, struct vital_io, timer);
    file_let_go(io);
    io_bury(io);
    file_hangs(io->probe, io->call.file, io->arg);
}

static uint64_t file_patience(uint64_t left)
{
    uint64_t margin = left / HUNG_MARGIN_PART;
    return left - (margin < HUNG_MARGIN_MS * USEC_MS ? margin : HUNG_MARGIN_MS * USEC_MS);
}

static struct vital_io *host_file(struct vital_probe *p, enum vital_file_op op, const char *path, vital_file_fn *fn, void *arg)
{
    struct vital_io *io = io_open(p, &file_kind, arg);
    enum vital_reason reason = VITAL_R_NO_HELPER;
    io->call.file = fn;
    io->below = zygote_file(op, path, file_done, io, &reason);
    if (!io->below) {
        io_bury(io);
        if (reason == VITAL_R_HUNG)
            file_hangs(p, fn, arg);
        else
            file_has_no_helper(p, fn, arg);
        return NULL;
    }
    timer_init(&io->timer, file_patience_ends);
    timer_set(loop_timers(), &io->timer, clock_now() + file_patience(host_left(p)));
    return io;
}

/* A mount answers again: those who were told `hung` look at once. */
static void mount_returned(const char *mount, void *arg)
{
    (void)arg;
    log_line(LOG_NOTICE, "the file system on %s answers again", mount);
    LIST_EACH_SAFE(at, after, &all) {
        struct host_probe *h = LIST_OWNER(at, struct host_probe, link);
        if (h->hung) {
            h->hung = false;
            probe_nudge(probe_of(h->probe));
        }
    }
}

/* ---- secrets that live in files: read again before each attempt, by a helper, for any path may hang ---- */

/* All are read: either the attempt begins, or, after a refused login, it is known whether there is a new value to try. */
static void secrets_are_read(struct vital_probe *p, struct host_probe *h)
{
    char *refused = h->refused;
    h->refused = NULL;
    if (refused && !h->changed)
        probe_finish(probe_of(p), VITAL_FAIL, VITAL_R_AUTH, refused);
    else
        probe_begin_module(probe_of(p));
    mem_free(refused);
}

static const char *secret_trouble(const struct vital_file *f)
{
    if (f->hung)
        return "its file system hangs";
    if (f->cut)
        return "larger than 64 KiB";
    return f->error == EAGAIN ? reason_sentence(VITAL_R_NO_HELPER) : f->error ? strerror(f->error) : NULL;
}

/* The last good value goes on: a rotation in progress must not turn a probe red. */
static void tell_secret(struct vital_probe *p, struct host_probe *h, const struct vital_secret *s, const char *why)
{
    if (why && !h->unreadable) {
        h->unreadable = s;
        log_about(LOG_WARNING, "probe", p->name, "cannot read the secret file %s again: %s; using its last value", s->origin, why);
    } else if (!why && h->unreadable == s) {
        h->unreadable = NULL;
        log_about(LOG_NOTICE, "probe", p->name, "the secret file %s can be read again", s->origin);
    }
}

static void secret_read(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    struct vital_secret *s = arg;
    struct host_probe *h = host_probe_of(p);
    const char *why = secret_trouble(f);
    if (!why && !secret_refill(s, f->data, f->len, &h->changed))
        why = "empty, or not text";
    tell_secret(p, h, s, why);
    if (h->refreshing && --h->refreshing == 0)
        secrets_are_read(p, h);
}

/* False: there is no secret in a file. */
static bool read_secrets(struct vital_probe *p)
{
    const struct conf_options *o = probe_options(probe_of(p));
    if (!o->secret_count)
        return false;
    struct host_probe *h = host_probe_of(p);
    bool any = false;
    h->changed = false;
    h->refreshing = 1;      /* our own count: a read may answer before all were asked */
    for (unsigned i = 0; i < o->secret_count && h->refreshing; i++) {
        char path[PATH_MAX];
        if (!secret_path(o->secrets[i], path, sizeof path))
            continue;
        any = true;
        h->refreshing++;
        host_file(p, VITAL_READFILE, path, secret_read, (struct vital_secret *)(uintptr_t)o->secrets[i]);
    }
    if (h->refreshing && --h->refreshing == 0 && any)
        secrets_are_read(p, h);
    return any;
}

bool host_refresh(struct probe *core_probe)
{
    struct host_probe *h = *probe_host_slot(core_probe);
    if (h)
        h->tried_again = false;
    return read_secrets(probe_handle(core_probe));
}

/* A login that was refused while its secret's file was being replaced: once more, if there is a new value. */
static bool try_rotated_secret(struct vital_probe *p, enum vital_reason reason, const char *text)
{
    if (reason != VITAL_R_AUTH || !probe_in_attempt(probe_of(p)))
        return false;
    struct host_probe *h = host_probe_of(p);
    if (h->tried_again)
        return false;
    h->tried_again = true; /* and so it outlasts the closing */
    host_close_all(probe_of(p), false);
    h->refused = mem_copy(text);
    if (read_secrets(p))
        return true;
    mem_free(h->refused);
    h->refused = NULL;
    return false;
}

/* ---- the engine about itself ---- */

static void add_threads(const char *name, const struct pool_stats *s, void *arg)
{
    (void)name;
    *(uint64_t *)arg += s->threads;
}

static void host_self(struct vital_probe *p, struct vital_self *self)
{
    (void)p;
    struct core_stats stats;
    struct zygote_stats zygote;
    struct rlimit limit = { 0 };
    core_stats(&stats);
    zygote_stats(&zygote);
    getrlimit(RLIMIT_NOFILE, &limit);
    *self = (struct vital_self){
        .loop_lag = loop_lag(),
        .loop_lag_max = loop_lag_max(),
        .scheduler_age = clock_now() - stats.progress,
        .resident_bytes = resident_bytes(),
        .fds = loop_fd_count(),
        .fds_limit = limit.rlim_cur,
        .threads = 1,
        .helpers = zygote.helpers,
        .helpers_stuck = zygote.parked,
        .children = zygote.children,
        .helpers_lost = zygote.lost,
    };
    pool_each(add_threads, &self->threads);
}

static uint64_t host_stood(struct vital_probe *p, uint64_t *until)
{
    (void)p;
    return core_stood(until);
}

const struct vital_host host_table = {
    .abi = VITAL_ABI,
    .size = sizeof host_table,
    .now = host_now,
    .left = host_left,
    .finish = host_finish,
    .number = host_number,
    .log = host_log,
    .reveal = host_reveal,
    .match = host_match,
    .nudge = host_nudge,
    .watch = host_watch,
    .timer = host_timer,
    .resolve = host_resolve,
    .dial = host_dial,
    .write = host_write,
    .starttls = host_starttls,
    .stream_info = host_stream_info,
    .certificates = host_certificates,
    .submit = host_submit,
    .spawn = host_spawn,
    .file = host_file,
    .self = host_self,
    .keep = host_keep,
    .close = host_close,
    .stood = host_stood,
};

void host_open(void)
{
    zygote_on_return(mount_returned, NULL);
}
