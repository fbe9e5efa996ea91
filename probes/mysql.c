/* mysql: MySQL or MariaDB, as the people who run them would look at it. libmariadb's blocking calls are made by a helper
 * thread: see mysql_parts.h. */
#include <stdio.h>
#include <sys/mman.h>

#include "mysql_error.h"
#include "mysql_parts.h"

#define RETRY 20000         /* usec: how often it is looked whether the last attempt's thread is free */
#define RETRY_SERVER 5000   /* and whether the server has one free: mostly it has within milliseconds */
#define MARGIN 10000        /* usec: so much before the deadline we say ourselves what was waited for */

/* All jobs that were submitted and are not wiped, of all probes: who holds the threads is asked when one finds none free. */
static struct mysql_job *jobs;

enum { HUNG = 2 * MYSQL_THREADS };

/* The last ones that held a thread until after their deadline and got no answer. */
static struct hung { char where[MYSQL_WHERE]; uint64_t from, to; } hung[HUNG];
static unsigned hung_next;

/* ---- the job block: pages of its own, left out of core dumps, for there is a password in it ----------------- */

static const char *keep(struct mysql_job *j, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = j->room + j->used;
    memcpy(copy, text, size);
    j->used += size;
    return copy;
}

static size_t room_needed(const struct vital_probe *p, const char *const *texts, unsigned count)
{
    const struct mysql_conf *c = p->conf;
    const struct mysql_query *q = c->queries.items;
    size_t size = sizeof(struct mysql_job);
    for (unsigned i = 0; i < count; i++)
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    for (unsigned i = 0; i < c->queries.count; i++)
        size += strlen(q[i].query) + 1;
    return size;
}

static struct mysql_job *job_new(struct vital_probe *p)
{
    enum { HOST, SOCKET, USER, PASSWORD, DATABASE, CA, CERT, KEY, GTID, TEXTS };
    const struct mysql_conf *c = p->conf;
    const struct mysql_query *q = c->queries.items;
    char database[256] = "";
    mysql_database(c, database, sizeof database);
    const char *const texts[TEXTS] = {
        [HOST] = mysql_host(c), [SOCKET] = mysql_socket(c), [USER] = mysql_user(c), [PASSWORD] = p->host->reveal(mysql_password(c), NULL),
        [DATABASE] = database, [CA] = mysql_sslmode(c) > MYSQL_SSL_REQUIRE ? c->tls.ca : NULL, [CERT] = c->tls.cert,
        [KEY] = c->tls.key ? p->host->reveal(c->tls.key, NULL) : NULL, [GTID] = c->gtid,
    };
    size_t size = room_needed(p, texts, TEXTS);
    struct mysql_job *j = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (j == MAP_FAILED)
        return NULL;
    madvise(j, size, MADV_DONTDUMP);
    j->size = size;
    j->submitted = mysql_clock();
    j->deadline = j->submitted + vital_left(p);
    mysql_where(c, j->where);
    j->ask = (struct mysql_ask){
        .host = keep(j, texts[HOST]), .socket = keep(j, texts[SOCKET]), .user = keep(j, texts[USER]), .password = keep(j, texts[PASSWORD]),
        .database = keep(j, texts[DATABASE]), .port = mysql_port_number(c), .tls = mysql_sslmode(c) != MYSQL_SSL_DISABLE,
        .verify = mysql_sslmode(c) == MYSQL_SSL_VERIFY_FULL, .ca = keep(j, texts[CA]), .cert = keep(j, texts[CERT]), .key = keep(j, texts[KEY]),
        .replication = c->replication != MYSQL_REPLICATION_IGNORE, .gtid = keep(j, texts[GTID]), .query_count = c->queries.count,
    };
    for (unsigned i = 0; i < c->queries.count; i++)
        j->ask.queries[i] = keep(j, q[i].query);
    j->seen.connections = j->seen.connections_max = j->seen.running = j->seen.refused = j->seen.uptime = -1;
    return j;
}

static void note_hung(const struct mysql_job *j)
{
    uint64_t now = mysql_clock();
    if (!j->started || j->seen.complete || j->deadline > now)
        return;
    struct hung *h = &hung[hung_next++ % HUNG];
    snprintf(h->where, sizeof h->where, "%s", j->where);
    h->from = j->started;
    h->to = now;
}

static void job_wipe(void *block)
{
    struct mysql_job *j = block;
    note_hung(j);
    if (j->mine)
        *j->mine = NULL;
    struct mysql_job **at = &jobs;
    while (*at && *at != j)
        at = &(*at)->next;
    if (*at)
        *at = j->next;
    size_t size = j->size;
    explicit_bzero(j, size);
    munmap(j, size);
}

/* ---- an attempt --------------------------------------------------------------------------------------------- */

static void connected(struct vital_probe *p, struct vital_io *io, void *arg)
{
    (void)io, (void)arg;
    const struct mysql_conf *c = p->conf;
    char where[MYSQL_WHERE];
    vital_finish(p, VITAL_FAIL, VITAL_R_UNREACHABLE, "%s: no connection could be made, though one a moment later could", mysql_where(c, where));
}

/* The library does not tell why TCP connections fail. Ours do; the engine then ends the attempt in its words. */
static void ask_why(struct vital_probe *p)
{
    static const struct vital_stream_ops ops = { .open = connected };
    const struct mysql_conf *c = p->conf;
    char port[8];
    snprintf(port, sizeof port, "%u", mysql_port_number(c) % 65536);
    const struct vital_dial to = { .host = mysql_host(c), .port = port };
    p->host->dial(p, &to, &ops, NULL);
}

static uint64_t half_time(const struct mysql_job *j)
{
    return j->submitted + (j->deadline - j->submitted) / 2;
}

/* What is missing at the end is then not the server's fault. */
static bool was_left_waiting(const struct mysql_job *j)
{
    return j->stage == MYSQL_QUEUED || (j->deadline >= mysql_clock() && j->started > half_time(j));
}

/* Who waits for a thread: for which server, since when, and when half of its time is over. */
struct waiting { char where[MYSQL_WHERE]; const struct mysql_job *mine; uint64_t from, half; };

/* One that has held a thread for half of the attempt's time or longer: no answer takes that long. */
static bool holds_a_thread(const struct mysql_job *j, const struct waiting *w)
{
    return j != w->mine && j->started && j->started <= w->half;
}

/* The same of one that is over: threads may change hands while we wait, from one that hangs to the next. */
static bool held_a_thread(const struct waiting *w)
{
    for (unsigned i = 0; i < HUNG; i++) {
        const struct hung *h = &hung[i];
        uint64_t from = h->from > w->from ? h->from : w->from;
        if (!strcmp(h->where, w->where) && h->to > from && h->to - from >= w->half - w->from)
            return true;
    }
    return false;
}

/* No thread was free. That is our own trouble, unless it is this very server that holds them: then it hangs. */
static void end_without_thread(struct vital_probe *p, const struct waiting *w)
{
    const struct mysql_conf *c = p->conf;
    const struct mysql_job *same = NULL, *other = NULL;
    char name[64];
    unsigned count = 0;     /* of those at the same server */
    for (const struct mysql_job *j = jobs; j; j = j->next) {
        if (!holds_a_thread(j, w))
            continue;
        if (!strcmp(j->where, w->where)) {
            same = j;
            count++;
        } else {
            other = j;
        }
    }
    if (same)
        vital_finish(p, VITAL_FAIL, VITAL_R_TIMEOUT, "%s: %s for its answer to %s, so that no helper thread was left for this one", w->where,
                     count > 1 ? "other attempts still wait" : "another attempt still waits",
                     same->stage < MYSQL_QUERY ? mysql_stage_text(c, same->stage, name, sizeof name) : "a query");
    else if (held_a_thread(w))
        vital_finish(p, VITAL_FAIL, VITAL_R_TIMEOUT, "%s: other attempts got no answer and held the helper threads too long for this one", w->where);
    else if (other)
        vital_finish(p, VITAL_INTERNAL, VITAL_R_NO_THREAD, "all %d helper threads are held by attempts that get no answer, as from %s", MYSQL_THREADS, other->where);
    else
        vital_finish(p, VITAL_INTERNAL, VITAL_R_NO_THREAD, "none of the helper threads, %d for one server, was free in time: there are too many probes of it",
                     MYSQL_SERVER_THREADS);
}

static void end_of_job_without_thread(struct vital_probe *p, const struct mysql_job *j)
{
    struct waiting w = { .mine = j, .from = j->submitted, .half = half_time(j) };
    memcpy(w.where, j->where, sizeof w.where);
    end_without_thread(p, &w);
}

static void job_done(struct vital_probe *p, void *block)
{
    const struct mysql_job *j = block;
    const struct mysql_conf *c = p->conf;
    if (j->seen.failed_at == MYSQL_LOGIN && !mysql_socket(c) && mysql_error_is_vague(j->seen.failure.code, j->seen.failure.text))
        ask_why(p);
    else if (!j->seen.complete && !j->seen.failure.code && !j->seen.no_tls)
        end_of_job_without_thread(p, j);
    else
        mysql_judge(p, &j->seen);
}

static const struct vital_job job = { mysql_job_run, job_done, job_wipe };

static bool has_free_thread(const struct mysql_conf *c)
{
    char where[MYSQL_WHERE];
    unsigned taken = 0;
    mysql_where(c, where);
    for (const struct mysql_job *j = jobs; j; j = j->next)
        taken += !strcmp(j->where, where);
    return taken < MYSQL_SERVER_THREADS;
}

/* One thread a probe, and few a server: one that hangs would else hold all of them with attempts that were given up. */
static void begin(struct vital_probe *p, void *arg)
{
    (void)arg;
    struct mysql *m = p->priv;
    if (m->job || !has_free_thread(p->conf)) {
        p->host->timer(p, m->job ? RETRY : RETRY_SERVER, begin, NULL);
        return;
    }
    struct mysql_job *j = job_new(p);
    if (!j) {
        vital_finish(p, VITAL_INTERNAL, VITAL_R_NO_THREAD, "no memory for the helper thread's question");
        return;
    }
    m->job = j;
    j->mine = &m->job;
    j->next = jobs;
    jobs = j;
    p->host->submit(p, &job, j);
}

static void end_unsubmitted(struct vital_probe *p, const char *where)
{
    const struct mysql *m = p->priv;
    uint64_t from = mysql_clock() - m->allowed;
    struct waiting w = { .from = from, .half = from + m->allowed / 2 };
    memcpy(w.where, where, sizeof w.where);
    end_without_thread(p, &w);
}

/* The engine would only say "no answer": we know what was waited for. */
static void give_up(struct vital_probe *p, void *arg)
{
    (void)arg;
    const struct mysql_conf *c = p->conf;
    const struct mysql *m = p->priv;
    char where[MYSQL_WHERE], name[64], span[FOUND_AMOUNT];
    if (!vital_left(p)) /* we are late ourselves: the engine knows what to make of it */
        return;
    mysql_where(c, where);
    found_span((double)m->allowed, span);
    if (!m->job && !has_free_thread(c))
        end_unsubmitted(p, where);
    else if (!m->job)
        vital_finish(p, VITAL_FAIL, VITAL_R_TIMEOUT, "%s: no connection within %s", where, span);
    else if (was_left_waiting(m->job))
        end_of_job_without_thread(p, m->job);
    else if (m->job->deadline < mysql_clock())
        vital_finish(p, VITAL_FAIL, VITAL_R_TIMEOUT, "%s: %s of an earlier attempt still hangs", where,
                     mysql_stage_text(c, m->job->stage, name, sizeof name));
    else
        vital_finish(p, VITAL_FAIL, VITAL_R_TIMEOUT, "%s: no answer to %s within %s", where, mysql_stage_text(c, m->job->stage, name, sizeof name), span);
}

static void mysql_start(struct vital_probe *p)
{
    struct mysql *m = p->priv;
    uint64_t left = vital_left(p);
    m->began = vital_now(p);
    m->allowed = left;
    p->host->timer(p, left > 20 * MARGIN ? left - MARGIN : left - left / 20, give_up, NULL);
    begin(p, NULL);
}

static void mysql_release(struct vital_probe *p)
{
    struct mysql *m = p->priv;
    if (m->job)
        m->job->mine = NULL;
}

/* ---- the module --------------------------------------------------------------------------------------------- */

static const struct vital_module mysql_module = {
    VITAL_MODULE_HEAD,
    .name = "mysql",
    .summary = "MySQL or MariaDB: login, role, replication, connections, queries",
    .manual =
        "Each attempt logs in, asks and leaves: one connection for some milliseconds. Without any further option these fail: no answer, a refused login, "
        "a database that does not exist, no connection left (max_connections), a server that shuts down, and broken replication on a read-only "
        "server: a thread that is stopped or cannot connect, or a lag that is NULL. On a writable server broken replication only warns, for a promotion "
        "may have left it behind.\n\n"
        "An account for it, on MariaDB: CREATE USER vitald@'%' IDENTIFIED BY '...'; GRANT REPLICA MONITOR ON *.* TO vitald@'%'. On MySQL: GRANT REPLICATION "
        "CLIENT. Without the grant all but replication is looked at. A database is reported as missing to accounts that may see it; to others the server only "
        "says that access is denied.\n\n"
        "Accounts of MySQL 8 and later use caching_sha2_password by default. It works over TLS and unix sockets, and without TLS by a key that the server sends; "
        "set `sslmode`, so that nobody in between can send his own. Login methods that show the password to the server are refused.\n\n"
        "The library blocks, so its calls are made by helper threads, up to 8 for all probes of this type, 2 for one server, and one probe never holds more than one. The name is resolved "
        "there too, by the system. Timeouts of the library are whole seconds: the verdict comes at the probe's `timeout`, the thread may be held "
        "up to a second longer. When its threads are held by a server that does not answer, all probes of that server fail (timeout), and others have theirs; only when four servers or more hang at once may those of another find none, say so (no_thread) and keep their state until it is stale.\n\n"
        "`localhost` is TCP, as every other name; for the unix socket write `socket` or unix:/path. No my.cnf is read and no MYSQL_ variable of the environment "
        "counts.\n\n"
        "`queries` run in a session that is read-only, and the server ends them at the attempt's timeout (on MySQL only SELECT). A query may answer 10000 rows "
        "of at most 1 MiB. A certificate's days are watched by the `tls` type with starttls: mysql.\n\n"
        "Tried against MariaDB 10.11. What differs with MySQL 8 (the login by caching_sha2_password, the words for replication, GTID sets) was tried against a "
        "server of our own that speaks so, not against MySQL itself.",
    .opts = mysql_opts,
    .numbers = mysql_numbers,
    .conf_size = sizeof(struct mysql_conf),
    .priv_size = sizeof(struct mysql),
    .job_threads = MYSQL_THREADS,
    .outside = true,
    .prepare = mysql_prepare,
    .start = mysql_start,
    .release = mysql_release,
    .target = mysql_target,
};
VITAL_EXPORT(mysql_module);
