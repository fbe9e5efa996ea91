#include "reload.h"

#include <string.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/core.h"
#include "front/control.h"
#include "front/sd.h"
#include "fronts.h"
#include "io/pool.h"
#include "user.h"

enum { FINDINGS_MAX = 64 * 1024, QUEUE_MAX = 64 };

static const struct args *asked;
static struct pool *pool;

struct waiter {
    struct list link;
    reload_done_fn *done;
    void *arg;
};

/* One at a time. Who asks while one runs waits for the next, for the file may have changed since this one read it. */
static struct list waiting = { &waiting, &waiting };
static struct job {
    struct pool_job job;
    struct list served;
    struct conf *conf;
    struct diag diag;
    bool running;
} work;

void reload_open(const struct args *args)
{
    asked = args;
    pool = pool_new("conf", 1, 1);
}

static void read_configuration(struct pool_job *job)
{
    (void)job;
    work.conf = conf_load(&asked->request, &work.diag);
    if (work.conf)
        conf_lint(work.conf, &work.diag);
}

void reload_log_findings(const struct diag *d)
{
    static const int levels[] = { LOG_INFO, LOG_WARNING, LOG_ERR };
    for (size_t i = 0; i < d->count; i++) {
        const struct diag_finding *f = &d->items[i];
        if (f->place.line)
            log_line(levels[f->level], "%s:%u:%u: %s", f->place.file, f->place.line, f->place.column, f->text);
        else
            log_line(levels[f->level], "%s%s%s", f->place.file ? f->place.file : "", f->place.file ? ": " : "", f->text);
    }
}

/* Moving the socket would cut off whoever ordered the reload through it. */
static void compare_control(const struct conf *old, const struct conf *new)
{
    if (!old->control_path != !new->control_path || (old->control_path && strcmp(old->control_path, new->control_path) != 0))
        diag_add(&work.diag, DIAG_WARNING, (struct diag_place){ 0 },
                 "`control`: another `path` takes effect at the next start; until then the socket is %s", control_path() ? control_path() : "missing");
}

/* All or nothing: the old world goes on untouched unless everything of the new one is there. */
static bool take_over(void)
{
    if (work.conf && fronts_prepare(work.conf, &work.diag)) {
        compare_control(core_conf(), work.conf);
        user_compare(core_conf(), work.conf, &work.diag);
        core_adopt(work.conf);
        fronts_adopt();
        log_set(args_log_format(asked, work.conf), args_log_level(asked, work.conf));
        return true;
    }
    conf_free(work.conf);
    core_reload_failed();
    return false;
}

static void start(void);

static void finish(struct pool_job *job)
{
    (void)job;
    bool ok = take_over();
    struct buf text = BUF(FINDINGS_MAX);
    diag_sort(&work.diag);
    diag_print(&work.diag, &text);
    buf_text(&text, ok ? "reloaded\n" : "not reloaded: the configuration before goes on\n");
    reload_log_findings(&work.diag);
    log_line(ok ? LOG_NOTICE : LOG_ERR, ok ? "reloaded the configuration" : "reload refused: the configuration before goes on");
    while (!list_empty(&work.served)) {
        struct waiter *w = LIST_OWNER(list_first(&work.served), struct waiter, link);
        list_remove(&w->link);
        w->done(w->arg, ok, text.data);
        mem_free(w);
    }
    buf_free(&text);
    diag_free(&work.diag);
    work.running = false;
    if (list_empty(&waiting))
        sd_ready();
    else
        start();
}

static void start(void)
{
    sd_reloading();
    work = (struct job){ .job = { .run = read_configuration, .done = finish }, .running = true };
    list_init(&work.served);
    while (!list_empty(&waiting)) {
        struct list *w = list_first(&waiting);
        list_remove(w);
        list_append(&work.served, w);
    }
    pool_submit(pool, &work.job); /* cannot be refused: there is only this one */
}

static void nobody(void *arg, bool ok, const char *findings)
{
    (void)arg;
    (void)ok;
    (void)findings;
}

void reload_start(reload_done_fn *done, void *arg)
{
    struct waiter *w = mem_alloc(sizeof *w);
    *w = (struct waiter){ .done = done ? done : nobody, .arg = arg };
    list_append(&waiting, &w->link);
    if (!work.running)
        start();
}
