#include "front/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/core.h"
#include "front/stats.h"
#include "io/pool.h"

#define EXIT_PATIENCE_MS 500
#define RETRY (5 * USEC_S)
enum { QUEUE = 256 };


struct file {
    struct list link;
    char *path;
    char *content, *otherwise;  /* what is configured: NULL = the verdict's word; no file */
    uint32_t group;
    uint64_t version;           /* of the verdict that `wanted` was made of */
    const char *wanted;         /* what shall be in it, one of ours or a word; NULL = there shall be no file */
    bool known;                 /* something was asked of the helper already */
    uint64_t retry_at;          /* what is there is not what is wanted: try again then; 0 = it is */
    bool working, failed, gone; /* failed: said so once; gone: left the configuration */
};

/* A job is a copy: the helper touches nothing of the loop's. */
struct work {
    struct pool_job job;
    struct file *file;
    char *path, *text;
    int error;
};

static const char *const words[LEVEL_COUNT] = { [LEVEL_PASS] = "pass\n", [LEVEL_WARN] = "warn\n" };

static struct list files = { &files, &files };
static struct pool *pool;

/* ---- helper thread ---- */

static int write_file(const char *path, const char *text)
{
    char *temporary = mem_printf("%s.vitald-new", path);
    size_t len = strlen(text);
    int error = 0;
    unlink(temporary);      /* never into what somebody else put there: a file of theirs, a pipe that nobody reads */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    errno = fd < 0 ? errno : 0;
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        error = errno ? errno : EIO;
    if (fd >= 0 && close(fd) < 0 && !error)
        error = errno;
    if (!error && rename(temporary, path) < 0)
        error = errno;
    if (error && fd >= 0)
        unlink(temporary);
    mem_free(temporary);
    return error;
}

static int apply(const char *path, const char *text)
{
    if (text)
        return write_file(path, text);
    return unlink(path) < 0 && errno != ENOENT ? errno : 0;
}

static void run(struct pool_job *job)
{
    struct work *w = LIST_OWNER(job, struct work, job);
    w->error = apply(w->path, w->text);
}

/* ---- loop ---- */

static void file_free(struct file *f)
{
    list_remove(&f->link);
    mem_free(f->path);
    mem_free(f->content);
    mem_free(f->otherwise);
    mem_free(f);
}

static void report(struct file *f, const struct work *w)
{
    if (!w->error) {
        if (f->failed)
            log_about(LOG_NOTICE, "file", f->path, "can be %s again", w->text ? "written" : "removed");
        f->failed = false;
        return;
    }
    front_stats.files_failed++;
    if (!f->failed)
        log_about(LOG_ERR, "file", f->path, "cannot %s it: %s; its directory must exist and be writable for the user that runs "
                  "vitald; tried again every few seconds", w->text ? "write" : "remove", strerror(w->error));
    f->failed = true;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static void work_free(struct work *w)
{
    mem_free(w->path);
    mem_free(w->text);
    mem_free(w);
}

static void submit(struct file *);

static void done(struct pool_job *job)
{
    struct work *w = LIST_OWNER(job, struct work, job);
    struct file *f = w->file;
    f->working = false;
    f->retry_at = w->error ? clock_now() + RETRY : 0;
    report(f, w);
    bool changed = !same_text(w->text, f->wanted);
    work_free(w);
    if (changed)
        submit(f);
    else if (f->gone && !f->retry_at)
        file_free(f);
}

static void submit(struct file *f)
{
    struct work *w = mem_alloc(sizeof *w);
    *w = (struct work){ .job = { .run = run, .done = done }, .file = f, .path = mem_copy(f->path), .text = mem_copy(f->wanted) };
    f->working = pool_submit(pool, &w->job);
    f->retry_at = f->working ? 0 : clock_now() + RETRY;
    if (!f->working)
        work_free(w);
}

static void want(struct file *f, const char *wanted)
{
    bool retry = f->retry_at && clock_now() >= f->retry_at;
    if (f->known && same_text(f->wanted, wanted) && !retry)
        return;
    f->known = true;
    f->wanted = wanted;
    if (!f->working)
        submit(f);
}

static struct file *find(const char *path)
{
    LIST_EACH(at, &files) {
        struct file *f = LIST_OWNER(at, struct file, link);
        if (!strcmp(f->path, path))
            return f;
    }
    return NULL;
}

static void adopt_one(const struct conf_file *c)
{
    struct file *f = find(c->path);
    if (!f) {
        f = mem_alloc(sizeof *f);
        f->path = mem_copy(c->path);
        list_append(&files, &f->link);
    }
    f->group = c->group;
    f->gone = false;
    f->version = 0;
    if (same_text(f->content, c->content) && same_text(f->otherwise, c->otherwise))
        return;
    f->known = false;           /* `wanted` may point into what is freed here */
    mem_free(f->content);
    mem_free(f->otherwise);
    f->content = mem_copy(c->content);
    f->otherwise = mem_copy(c->otherwise);
    f->wanted = f->otherwise;
}

void files_adopt(void)
{
    const struct conf *conf = core_conf();
    LIST_EACH(at, &files)
        LIST_OWNER(at, struct file, link)->gone = true;
    for (uint32_t i = 0; i < conf->file_count; i++)
        adopt_one(&conf->files[i]);
    if (!pool && conf->file_count)
        pool = pool_new("files", 1, QUEUE);
    files_publish();
}

void files_publish(void)
{
    struct verdict v;
    LIST_EACH(at, &files) {
        struct file *f = LIST_OWNER(at, struct file, link);
        if (f->gone) {
            want(f, NULL);
            continue;
        }
        core_verdict(f->group, &v);
        if (f->known && f->version == v.version && !f->retry_at)
            continue;
        f->version = v.version;
        want(f, v.level == LEVEL_FAIL ? f->otherwise : f->content ? f->content : words[v.level]);
    }
}

/* ---- leaving ---- */

/* Removal at exit, in one thread of its own: a path that hangs must not hold us, and the pool may be stuck on it. */
struct removal { int done[2]; unsigned count; char **paths, **texts; };

static void *remove_all(void *arg)
{
    struct removal *r = arg;
    for (unsigned i = 0; i < r->count; i++)
        apply(r->paths[i], r->texts[i]);
    ssize_t told = write(r->done[1], "", 1);
    (void)told;
    return NULL;
}

static void removal_free(struct removal *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        mem_free(r->paths[i]);
        mem_free(r->texts[i]);
    }
    mem_free(r->paths);
    mem_free(r->texts);
    mem_free(r);
}

void files_close(void)
{
    struct removal *r = mem_alloc(sizeof *r);
    pthread_t thread;
    unsigned room = 0;
    LIST_EACH(at, &files)
        room++;
    r->paths = mem_alloc((room + 1) * sizeof *r->paths);
    r->texts = mem_alloc((room + 1) * sizeof *r->texts);
    LIST_EACH(at, &files) {
        const struct file *f = LIST_OWNER(at, struct file, link);
        r->texts[r->count] = mem_copy(f->otherwise);
        r->paths[r->count++] = mem_copy(f->path);
    }
    if (r->count == 0 || pipe2(r->done, O_CLOEXEC) < 0 || pthread_create(&thread, NULL, remove_all, r) != 0) {
        removal_free(r);
        return;
    }
    struct pollfd waited = { .fd = r->done[0], .events = POLLIN };
    if (poll(&waited, 1, EXIT_PATIENCE_MS) == 1) {
        pthread_join(thread, NULL);
        removal_free(r);
        return;
    }
    log_line(LOG_WARNING, "not all files of the files: front could be removed: a path hangs");      /* r stays the thread's */
}
