#include "front/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/journal.h"
#include "core/state.h"
#include "io/loop.h"
#include "io/pool.h"

#define PACE (3 * USEC_S)              /* between writes for the sake of transitions */
#define ORDERS_PACE (250 * USEC_MS)    /* of orders: who gave one was told that it is done */
#define REFRESH (10 * USEC_S)          /* without any */
enum { LOAD_PATIENCE_MS = 2000, EXIT_PATIENCE_MS = 1000, PORTION = 1000 };

/* Made by the loop, used up by a helper. */
struct work {
    struct pool_job job;
    char *path;
    struct buf bytes;
    const char *problem;               /* of reading: what is wrong with it */
    int error;
    int done[2];                       /* of those that are waited for */
};

static struct {
    struct pool *pool;
    struct timer wake;
    struct state_export export;
    bool exporting, writing, failing;
    uint64_t journal, generation, orders;      /* what the last one that was begun knew of */
    uint64_t orders_at, next_at, refresh_at;
    char boot[STATE_BOOT];
} file;

/* One writer at a time, so that the last one is the last. */
static pthread_mutex_t one_writer = PTHREAD_MUTEX_INITIALIZER;

/* ---- where ---- */

static char *path_of(const struct conf *c)
{
    const char *dir = getenv("STATE_DIRECTORY");
    if (c->state_file)
        return mem_copy(c->state_file);
    return dir && *dir == '/' ? mem_printf("%.*s/state", (int)strcspn(dir, ":"), dir) : NULL;
}

static void read_boot(void)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, file.boot, sizeof file.boot - 1) : 0;
    file.boot[n > 0 ? n : 0] = '\0';
    file.boot[strcspn(file.boot, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

static void work_free(struct work *w)
{
    mem_free(w->path);
    buf_free(&w->bytes);
    mem_free(w);
}

/* ---- helper threads ---- */

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? errno : 0;
}

/* The new name is on disk only when its directory is. */
static void sync_directory(const char *path)
{
    char *copy = mem_copy(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* the file is what it should be; some file systems cannot do this */
        close(fd);
    }
    mem_free(copy);
}

static int replace(const char *path, const struct buf *bytes)
{
    char *aside = mem_printf("%s.new", path);
    unlink(aside);      /* never into what somebody else put there: they would keep it open */
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = fd < 0 ? errno : write_all(fd, bytes->data, bytes->len);
    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    if (!error && rename(aside, path) < 0)
        error = errno;
    if (error && fd >= 0)
        unlink(aside);
    if (!error)
        sync_directory(path);
    mem_free(aside);
    return error;
}

static void write_it(struct work *w)
{
    state_seal(&w->bytes);
    pthread_mutex_lock(&one_writer);
    w->error = w->bytes.over ? EFBIG : replace(w->path, &w->bytes);
    pthread_mutex_unlock(&one_writer);
}

static void take_bytes(struct work *w, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        w->error = errno;
    } else if (!S_ISREG(st.st_mode) || st.st_size > STATE_SIZE_MAX) {
        w->problem = "it is no regular file, or far too large";
    } else {
        w->bytes = BUF(STATE_SIZE_MAX);
        char *room = buf_reserve(&w->bytes, (size_t)st.st_size + 1);
        for (ssize_t n; room && w->bytes.len < (size_t)st.st_size; w->bytes.len += (size_t)n)
            if ((n = read(fd, room + w->bytes.len, (size_t)st.st_size - w->bytes.len)) <= 0)
                break;
        w->problem = state_check(room ? room : "", w->bytes.len);
    }
}

static void read_it(struct work *w)
{
    int fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    w->error = fd < 0 ? errno : 0;
    if (fd < 0)
        return;
    take_bytes(w, fd);
    close(fd);
}

/* ---- waiting for a helper, but not for long ---- */

struct errand { struct work *work; void (*run)(struct work *); };

static void *run_errand(void *arg)
{
    struct errand *e = arg;
    struct work *w = e->work;
    e->run(w);
    mem_free(e);
    ssize_t told = write(w->done[1], "", 1);
    (void)told;
    return NULL;
}

/* False: it is not over, and the work belongs to the thread for ever. */
static bool run_and_wait(struct work *w, void (*run)(struct work *), int patience_ms)
{
    struct errand *e = mem_alloc(sizeof *e);
    pthread_t thread;
    *e = (struct errand){ w, run };
    if (pipe2(w->done, O_CLOEXEC) < 0) {
        w->error = errno;
        mem_free(e);
        return true;
    }
    bool alone = pthread_create(&thread, NULL, run_errand, e) != 0;
    if (alone)
        run_errand(e); /* then without a thread: what was ordered is worth more than our patience */
    struct pollfd waited = { .fd = w->done[0], .events = POLLIN };
    if (poll(&waited, 1, patience_ms) != 1 && !alone) {
        pthread_detach(thread);
        return false;
    }
    if (!alone)
        pthread_join(thread, NULL);
    close(w->done[0]);
    close(w->done[1]);
    return true;
}

/* ---- loading ---- */

static void nothing(struct timer *t, uint64_t now)
{
    (void)t, (void)now; /* the turn that it begins is all that is wanted */
}

/* A file that is there, and whole for all we know: who went on would replace it by one that knows nothing. */
static _Noreturn void leave_it_alone(const struct work *w)
{
    log_about(LOG_ERR, "file", w->path, "not started: the state of an earlier run cannot be read: %s; it stays as it is", strerror(w->error));
    log_drain(USEC_S);
    exit(71); /* EX_OSERR */
}

static void take_over(struct work *w)
{
    if (w->error == EMFILE || w->error == ENFILE || w->error == ENOMEM)
        leave_it_alone(w);
    if (w->error == ENOENT) {
        log_about(LOG_INFO, "file", w->path, "no state of an earlier run: everything is checked anew");
    } else if (w->error || w->problem) {
        log_about(LOG_WARNING, "file", w->path, "the state of an earlier run is not used: %s; everything is checked anew, and the "
                  "file will be replaced", w->problem ? w->problem : strerror(w->error));
    } else {
        size_t len = w->bytes.len;
        state_restore(buf_take(&w->bytes), len, file.boot);
    }
}

void statefile_load(const struct conf *c)
{
    timer_init(&file.wake, nothing);
    read_boot();
    struct work *w = mem_alloc(sizeof *w);
    w->path = path_of(c);
    if (!w->path) {
        work_free(w);
        return;
    }
    if (!run_and_wait(w, read_it, LOAD_PATIENCE_MS)) {
        log_about(LOG_WARNING, "file", w->path, "the state of an earlier run is not used: its file system hangs; everything is "
                  "checked anew");
        return;
    }
    take_over(w);
    work_free(w);
}

/* ---- keeping ---- */

static void report(const struct work *w)
{
    if (w->error && !file.failing)
        log_about(LOG_ERR, "file", w->path, "cannot write the state: %s; the one before is still there; its directory must be "
                  "writable for the user that runs vitald; tried again every few seconds", strerror(w->error));
    else if (!w->error && file.failing)
        log_about(LOG_NOTICE, "file", w->path, "the state can be written again");
    file.failing = w->error != 0;
}

static void run_job(struct pool_job *job)
{
    write_it(LIST_OWNER(job, struct work, job));
}

static void job_done(struct pool_job *job)
{
    struct work *w = LIST_OWNER(job, struct work, job);
    file.writing = false;
    if (w->error)
        file.journal = file.generation = 0; /* what it knew is not on disk */
    report(w);
    work_free(w);
}

static struct work *finished_export(void)
{
    struct work *w = mem_alloc(sizeof *w);
    w->job = (struct pool_job){ .run = run_job, .done = job_done };
    w->path = path_of(core_conf());
    w->bytes = file.export.bytes;
    file.export.bytes = (struct buf){ 0 };
    file.exporting = false;
    return w;
}

static uint64_t due_at(void)
{
    if (file.orders != admin_orders())
        return file.orders_at;
    return file.journal != journal_last() || file.generation != core_generation() ? file.next_at : file.refresh_at;
}

static void begin(uint64_t now)
{
    file.journal = journal_last();
    file.generation = core_generation();
    file.orders = admin_orders();
    file.orders_at = now + ORDERS_PACE;
    file.next_at = now + PACE;
    file.refresh_at = now + REFRESH;
    file.exporting = true;
    state_begin(&file.export, file.boot);
}

static void submit(void)
{
    struct work *w = finished_export();
    if (!file.pool)
        file.pool = pool_new("state", 1, 1);
    file.writing = w->path && pool_submit(file.pool, &w->job);
    if (!file.writing)
        work_free(w);
}

static void arm(void)
{
    uint64_t at = due_at();
    if (file.exporting)
        loop_soon();
    else if (!file.writing && (!timer_is_set(&file.wake) || file.wake.at != at))
        timer_set(loop_timers(), &file.wake, at);
}

void statefile_publish(void)
{
    uint64_t now = clock_now();
    if (!core_conf()->state_file && !getenv("STATE_DIRECTORY"))
        return;
    if (!file.writing && !file.exporting && now >= due_at())
        begin(now);
    if (file.exporting && state_continue(&file.export, PORTION))
        submit();
    arm();
}

void statefile_close(void)
{
    char *path = path_of(core_conf());
    if (!path)
        return;
    mem_free(path);
    state_begin(&file.export, file.boot);
    while (!state_continue(&file.export, PORTION))
        continue;
    struct work *w = finished_export();
    if (!run_and_wait(w, write_it, EXIT_PATIENCE_MS)) {
        log_about(LOG_WARNING, "file", w->path, "the last state could not be written in time: its file system hangs");
        return;
    }
    report(w);
    work_free(w);
}
