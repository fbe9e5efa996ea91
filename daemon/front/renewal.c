#include "front/renewal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/conf.h"
#include "front/access.h"
#include "front/listen.h"
#include "io/loop.h"
#include "io/pool.h"
#include "io/tls.h"
#include "io/zygote.h"

#define PATIENCE (5 * USEC_S)            /* with a file system, for one look at all files */
#define TICKETS_LAST (12 * 3600 * USEC_S)
enum { QUEUE = 256, SOON_DAYS = 14, DAY_S = 86400 };

/* A file as it was seen; changed content has another time or size. */
struct look { char *path; uint64_t size, mtime; int error; bool hung; };

struct renewal {
    struct pool_job job;
    struct timer timer;
    struct loop_dead dead;
    struct listener *listener;
    struct arena *arena;             /* of the copies below */
    struct tls_settings settings;    /* cert NULL: plain */
    struct conf_token *tokens;
    struct vital_secret **secrets;   /* copies: the helper thread's while `working` */
    unsigned token_count, secret_count;
    struct look *looks;
    unsigned look_count, at;
    uint64_t every, tickets_at;
    struct zygote_call *call;
    bool changed;                    /* since it was read, or it was never read */
    bool working, gone, failed;
    uint64_t told_day;               /* that the certificate ends soon: once a day */
    /* what the helper thread has made */
    struct vital_tls *built;
    struct access_tokens *read;
    char *error;
    char *told;                      /* the error that the log has */
};

static struct pool *pool;

/* ---- in the helper thread ---- */

static char *load_secrets(struct renewal *r)
{
    struct arena *scratch = arena_new();
    const char *error = NULL;
    for (unsigned i = 0; i < r->secret_count && !error; i++)
        if (r->secrets[i]->source == SECRET_FILE || r->secrets[i]->source == SECRET_CREDENTIAL)
            error = secret_load(r->secrets[i], scratch);
    char *kept = mem_copy(error);
    arena_free(scratch);
    return kept;
}

static void read_all(struct pool_job *job)
{
    struct renewal *r = LIST_OWNER(job, struct renewal, job);
    const char *why = NULL;
    r->error = load_secrets(r);
    if (!r->error && r->settings.cert)
        r->built = tls_context(&r->settings, &r->error);
    if (!r->error)
        r->read = access_tokens_new(r->tokens, r->token_count, &why);
    if (why)
        r->error = mem_printf("tokens: %s", why);
}

/* ---- on the loop ---- */

static void renewal_free(struct loop_dead *dead)
{
    struct renewal *r = LIST_OWNER(dead, struct renewal, dead);
    for (unsigned i = 0; i < r->secret_count; i++)
        secret_free(r->secrets[i]);
    arena_free(r->arena);
    mem_free(r->secrets);
    mem_free(r->looks);
    mem_free(r->told);
    mem_free(r);
}

static void rest(struct renewal *r)
{
    timer_set(loop_timers(), &r->timer, clock_now() + r->every);
}

/* Once for each trouble, however often it is met. */
static void complain(struct renewal *r)
{
    r->failed = true;
    if (!r->told || strcmp(r->told, r->error) != 0)
        log_about(LOG_WARNING, "listener", r->listener->name, "its files cannot be used as they are now: %s; what was read before "
                  "stays in force", r->error);
    mem_free(r->told);
    r->told = r->error;
    r->error = NULL;
}

static void take_over(struct renewal *r)
{
    bool other = r->built && !tls_same(r->built, r->listener->tls);
    if (r->built && !other)
        tls_release(r->built);
    if (r->failed)
        log_about(LOG_NOTICE, "listener", r->listener->name, "its files can be used again");
    mem_free(r->told);
    r->told = NULL;
    r->failed = false;
    listen_renew(r->listener, other ? r->built : NULL, r->read);
    if (other)
        renewal_tell(r->listener);
}

static void done(struct pool_job *job)
{
    struct renewal *r = LIST_OWNER(job, struct renewal, job);
    r->working = false;
    if (r->gone || r->error) {
        tls_release(r->built);
        access_tokens_free(r->read);
    }
    if (r->gone) {
        mem_free(r->error);
        loop_bury(&r->dead, renewal_free);
        return;
    }
    r->changed = r->error; /* a trouble that passes by itself leaves no trace in the file's time */
    if (r->error)
        complain(r);
    else
        take_over(r);
    r->built = NULL;
    r->read = NULL;
    rest(r);
}

static void look_at_next(struct renewal *);

static void on_look(void *arg, const struct vital_file *f)
{
    struct renewal *r = arg;
    struct look *l = &r->looks[r->at++];
    r->call = NULL;
    l->hung = f->hung;
    if (!f->hung && (f->size != l->size || f->mtime_us != l->mtime || f->error != l->error)) {
        r->changed = true;
        l->size = f->size;
        l->mtime = f->mtime_us;
        l->error = f->error;
    }
    look_at_next(r);
}

/* A thread that hangs on a dead mount would hold the process at its exit: nothing is read while one does. */
static bool may_read(const struct renewal *r)
{
    for (unsigned i = 0; i < r->look_count; i++)
        if (r->looks[i].hung)
            return false;
    return true;
}

static void look_at_next(struct renewal *r)
{
    enum vital_reason why;
    if (r->at < r->look_count) {
        r->call = zygote_file(VITAL_STAT, r->looks[r->at].path, on_look, r, &why);
        if (!r->call)
            rest(r);
        return;
    }
    r->working = r->changed && may_read(r) && pool_submit(pool, &r->job);
    if (r->working)
        timer_clear(loop_timers(), &r->timer);
    else
        rest(r);
}

/* It grows old while nobody restarts us. */
static void remind(struct renewal *r)
{
    uint64_t today = clock_wall() / USEC_S / DAY_S;
    bool first = !r->told_day;
    if (!r->listener->tls || r->told_day == today)
        return;
    r->told_day = today;
    if (!first && tls_expires(r->listener->tls) < (int64_t)(clock_wall() / USEC_S) + SOON_DAYS * DAY_S)
        renewal_tell(r->listener);
}

static void on_time(struct timer *t, uint64_t now)
{
    struct renewal *r = LIST_OWNER(t, struct renewal, timer);
    if (r->call) { /* it hangs: nobody waits for it any more */
        zygote_forget(r->call);
        r->call = NULL;
        rest(r);
        return;
    }
    if (r->listener->tls && now >= r->tickets_at) {
        tls_renew_tickets(r->listener->tls);
        r->tickets_at = now + TICKETS_LAST;
    }
    remind(r);
    r->at = 0;
    look_at_next(r);
    if (r->call)
        timer_set(loop_timers(), &r->timer, now + PATIENCE);
}

/* ---- made of the configuration ---- */

static const struct vital_secret *copy_secret(struct renewal *r, const struct vital_secret *from)
{
    if (!from)
        return NULL;
    struct vital_secret *s = arena_alloc(r->arena, sizeof *s);
    s->source = from->source;
    s->origin = from->origin ? arena_copy(r->arena, from->origin) : NULL;
    secret_set(s, from->value, from->len);
    r->secrets[r->secret_count++] = s;
    return s;
}

static const char *copy_text(struct renewal *r, const char *text)
{
    return text ? arena_copy(r->arena, text) : NULL;
}

static void copy_recipe(struct renewal *r, const struct conf_access *c)
{
    r->secrets = mem_alloc((c->token_count + 1) * sizeof(struct vital_secret *));
    r->settings = c->settings;
    r->settings.ca = copy_text(r, c->settings.ca);
    r->settings.cert = copy_text(r, c->settings.cert);
    r->settings.alpn = copy_text(r, c->settings.alpn);
    r->settings.key = copy_secret(r, c->settings.key);
    r->token_count = c->token_count;
    r->tokens = arena_alloc(r->arena, (c->token_count + 1) * sizeof *r->tokens);
    for (unsigned i = 0; i < c->token_count; i++)
        r->tokens[i] = (struct conf_token){ copy_secret(r, c->tokens[i].sha256), c->tokens[i].serve };
}

static void add_look(struct renewal *r, const char *path)
{
    if (path)
        r->looks[r->look_count++] = (struct look){ .path = arena_copy(r->arena, path) };
}

static void find_files(struct renewal *r)
{
    char room[PATH_MAX];
    r->looks = mem_alloc((r->secret_count + 2) * sizeof *r->looks);
    add_look(r, r->settings.cert);
    add_look(r, r->settings.ca);
    for (unsigned i = 0; i < r->secret_count; i++)
        add_look(r, secret_path(r->secrets[i], room, sizeof room));
}

struct renewal *renewal_start(struct listener *l, const struct conf_access *c)
{
    struct renewal *r = mem_alloc(sizeof *r);
    r->arena = arena_new();
    r->listener = l;
    r->every = c->reread;
    r->changed = true; /* what happened between the configuration's reading and the first look is found by it */
    r->job.run = read_all;
    r->job.done = done;
    r->tickets_at = clock_now() + TICKETS_LAST;
    timer_init(&r->timer, on_time);
    copy_recipe(r, c);
    find_files(r);
    if (!r->look_count) {
        loop_bury(&r->dead, renewal_free);
        return NULL;
    }
    if (!pool)
        pool = pool_new("renewal", 1, QUEUE);
    rest(r);
    return r;
}

void renewal_stop(struct renewal *r)
{
    if (!r)
        return;
    timer_clear(loop_timers(), &r->timer);
    if (r->call)
        zygote_forget(r->call);
    r->call = NULL;
    r->gone = true;
    if (!r->working)
        loop_bury(&r->dead, renewal_free);
}

bool renewal_has_failed(const struct renewal *r)
{
    return r && r->failed;
}

void renewal_tell(const struct listener *l)
{
    time_t expires = (time_t)tls_expires(l->tls);
    int64_t left = (int64_t)expires - (int64_t)(clock_wall() / USEC_S), days = left / DAY_S;
    char date[32];
    struct tm t;
    gmtime_r(&expires, &t);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", &t);
    if (left <= 0)
        log_about(LOG_WARNING, "listener", l->name, "its certificate has expired on %s: clients will refuse it", date);
    else
        log_about(days < SOON_DAYS ? LOG_WARNING : LOG_NOTICE, "listener", l->name, "its certificate is good until %s, %lld day%s from now",
                  date, (long long)days, days == 1 ? "" : "s");
}
