/* The login. Steps that compute for long (the proof of a password) or read certificates run in a helper thread, which owns
 * the connection until it is done; when the attempt ends meanwhile, the block's wipe() closes it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "postgres_parts.h"

enum {
    RECEIVE_BUFFER = 64 * 1024,         /* how far a flood runs ahead of us */
    JOBS_MAX = 32, JOB_WAIT = 5000,     /* at once, of all probes: below the bound of the module's queue */
};

static unsigned jobs;                   /* on the loop only */

/* Paths that are none: unset, libpq would look the home directory up, by NSS, and read what it finds there. */
#define NOWHERE "/dev/null/none"

/* ---- the helper thread -------------------------------------------------------------------------------------- */

struct block {
    PGconn *conn;
    struct pg_tally *tally;
    uint8_t bit;                        /* of its host, in there */
    bool verifies;                      /* the certificate; else one step of the login */
    bool names;
    char host[256];
    char *ca;
    size_t ca_len;
    struct pg_chain chain;
    PostgresPollingStatusType how;
};

static void block_run(void *arg)
{
    struct block *b = arg;
    if (b->verifies)
        pg_chain_verify(PQsslStruct(b->conn, "OpenSSL"), &(struct pg_trust){ true, b->names, b->host, b->ca, b->ca_len }, &b->chain);
    else
        b->how = PQconnectPoll(b->conn);
}

static void tally_free_if_left(struct pg_tally *t)
{
    if (t->orphan && !t->busy)
        pg_free(t, sizeof *t);
}

void pg_tally_leave(struct pg_tally *t)
{
    if (!t)
        return;
    t->orphan = true;
    tally_free_if_left(t);
}

/* Before done() goes on, for the next step may want a thread as well; else when the block is wiped. */
static void tally_off(struct block *b)
{
    struct pg_tally *t = b->tally;
    b->tally = NULL;
    if (!t)
        return;
    t->busy = (uint8_t)(t->busy & ~b->bit);
    tally_free_if_left(t);
}

static void block_wipe(void *arg)
{
    struct block *b = arg;
    jobs--;
    tally_off(b);
    if (b->conn)
        PQfinish(b->conn);
    pg_free(b->ca, b->ca_len);
    pg_free(b, sizeof *b);
}

static void polled(struct vital_probe *, struct pg_session *, PostgresPollingStatusType);
static void step(struct vital_probe *, struct pg_session *);

static void block_done(struct vital_probe *p, void *arg)
{
    struct block *b = arg;
    struct pg_session *s = pg_session_of(p);
    tally_off(b);
    s->job = NULL;
    s->conn = b->conn;
    b->conn = NULL;
    if (!b->verifies) {
        polled(p, s, b->how);
        return;
    }
    s->chain = b->chain;
    s->chain_checked = true;
    if (s->chain.reason != VITAL_R_OK)
        pg_session_refuse_because(p, s, s->chain.reason, b->chain.text);
    else
        polled(p, s, PGRES_POLLING_WRITING);
}

static void submit_later(struct vital_probe *p, void *arg)
{
    (void)arg;
    step(p, pg_session_of(p));
}

static void submit(struct vital_probe *p, struct pg_session *s, bool verifies)
{
    static const struct vital_job job = { block_run, block_done, block_wipe };
    if (jobs >= JOBS_MAX) {
        p->host->timer(p, JOB_WAIT, submit_later, NULL);
        return;
    }
    struct pg *g = p->priv;
    uint8_t bit = (uint8_t)(1U << g->host);
    if (!g->tally)
        g->tally = pg_alloc(sizeof *g->tally);
    if (g->tally->busy & bit) {        /* or one hostile server would take all threads in turn */
        pg_session_refuse_because(p, s, VITAL_R_BAD_REPLY, "the proof of the password that it asked for in an earlier attempt is still being computed");
        return;
    }
    struct block *b = pg_alloc(sizeof *b);
    jobs++;
    g->tally->busy |= bit;
    *b = (struct block){ .conn = s->conn, .tally = g->tally, .bit = bit, .verifies = verifies, .names = s->sslmode == PG_SSL_VERIFY_FULL };
    if (verifies) {
        snprintf(b->host, sizeof b->host, "%s", s->host);
        b->ca = s->ca;
        b->ca_len = s->ca_len;
        s->ca = NULL;
    }
    s->conn = NULL;
    s->job = p->host->submit(p, &job, b);       /* refused: wiped, and the attempt has ended */
}

/* ---- logging in --------------------------------------------------------------------------------------------- */

static bool wants_tls(const struct pg_session *s)
{
    return !s->local && s->sslmode != PG_SSL_DISABLE;
}

static bool verifies(const struct pg_session *s)
{
    return wants_tls(s) && (s->sslmode == PG_SSL_VERIFY_CA || s->sslmode == PG_SSL_VERIFY_FULL);
}

static void connect_ready(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    struct pg_session *s = pg_session_of(p);
    s->watch = NULL;
    if (pg_session_is_flooded(s))
        pg_session_refuse_because(p, s, VITAL_R_BAD_REPLY, "the server talks without end before the login is done");
    else
        step(p, s);
}

static void step(struct vital_probe *p, struct pg_session *s)
{
    ConnStatusType at = PQstatus(s->conn);
    if (at == CONNECTION_MADE && PQsslInUse(s->conn) && verifies(s) && !s->chain_checked)
        submit(p, s, true);
    else if (at == CONNECTION_AWAITING_RESPONSE && s->hashes)
        submit(p, s, false);
    else
        polled(p, s, PQconnectPoll(s->conn));
}

static void logged_in(struct vital_probe *p, struct pg_session *s)
{
    if (PQsetnonblocking(s->conn, 1) != 0) {
        pg_session_refuse_as_said(p, s);
        return;
    }
    s->tls = PQsslInUse(s->conn);
    s->open = true;
    pg_close_fd(&s->cert_fd);
    pg_close_fd(&s->key_fd);
    pg_opened(p);
}

/* TLS has just been made, and libpq has sent nothing over it yet. */
static bool is_handshake_done(const struct pg_session *s)
{
    return PQstatus(s->conn) == CONNECTION_MADE && PQsslInUse(s->conn) && !s->chain_checked;
}

/* What must not happen whatever libpq does: a login over a connection that is not what was asked for. */
static bool is_beyond_trust(const struct pg_session *s)
{
    ConnStatusType at = PQstatus(s->conn);
    bool talks = at == CONNECTION_AWAITING_RESPONSE || at == CONNECTION_AUTH_OK || at == CONNECTION_OK;
    return talks && wants_tls(s) && (!PQsslInUse(s->conn) || !s->chain_checked);
}

static void polled(struct vital_probe *p, struct pg_session *s, PostgresPollingStatusType how)
{
    if (how == PGRES_POLLING_FAILED) {
        pg_session_refuse_as_said(p, s);
    } else if (is_beyond_trust(s)) {
        pg_session_refuse_because(p, s, VITAL_R_TLS, "libpq began the login before the certificate was checked");
    } else if (is_handshake_done(s) && verifies(s)) {
        submit(p, s, true);
    } else if (how == PGRES_POLLING_OK) {
        logged_in(p, s);
    } else {
        if (is_handshake_done(s)) {
            pg_chain_read(PQsslStruct(s->conn, "OpenSSL"), &s->chain);
            s->chain_checked = true;
        }
        pg_session_await(p, s, how == PGRES_POLLING_READING ? VITAL_READ : VITAL_WRITE, connect_ready);
    }
}

/* Memory that libpq opens as a file. */
static int memory_file(const char *bytes, size_t len)
{
    int fd = memfd_create("vitald-postgres", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fchmod(fd, 0600) != 0 || write(fd, bytes, len) != (ssize_t)len)
        pg_close_fd(&fd);
    return fd;
}

enum { WORDS_MAX = 32 };
struct words { const char *keys[WORDS_MAX], *values[WORDS_MAX]; unsigned count; };

static void word(struct words *w, const char *key, const char *value)
{
    if (!value || !*value || w->count + 1 >= WORDS_MAX)
        return;
    w->keys[w->count] = key;
    w->values[w->count++] = value;
}

/* Everything is said, so that neither the environment nor files in a home directory decide anything. */
static void fill(struct words *w, const struct pg_target *t, bool local, const char *cert, const char *key, const char *options)
{
    *w = (struct words){ .count = 0 };
    word(w, "host", t->host->host);
    word(w, "hostaddr", t->address);
    word(w, "port", t->host->port);
    word(w, "user", t->user);
    word(w, "dbname", t->database);
    word(w, "password", t->password ? t->password : getenv("PGPASSWORD") ? " " : NULL);
    word(w, "passfile", NOWHERE);
    word(w, "sslmode", local || t->sslmode == PG_SSL_DISABLE ? "disable" : "require");
    word(w, "sslrootcert", NOWHERE);
    word(w, "sslcrl", NOWHERE);
    word(w, "sslcert", cert);
    word(w, "sslkey", key);
    word(w, "sslcompression", "0");
    word(w, "sslsni", "1");
    word(w, "ssl_min_protocol_version", "TLSv1.2");
    word(w, "ssl_max_protocol_version", "TLSv1.3");
    word(w, "channel_binding", "prefer");
    word(w, "gssencmode", "disable");       /* would look for tickets on the disk, and talk to their server */
    word(w, "krbsrvname", "postgres");
    word(w, "target_session_attrs", "any");
    word(w, "connect_timeout", "0");
    word(w, "client_encoding", "UTF8");
    word(w, "application_name", "vitald");
    word(w, "keepalives", "1");
    word(w, "keepalives_idle", "30");
    word(w, "keepalives_interval", "10");
    word(w, "keepalives_count", "3");
    word(w, "options", options);
}

static void quiet(void *arg, const PGresult *r)
{
    (void)arg, (void)r; /* by default notices go to stderr */
}

static void begin(struct vital_probe *p, struct pg_session *s)
{
    if (!s->conn || PQstatus(s->conn) == CONNECTION_BAD) {
        pg_session_refuse_as_said(p, s);
        return;
    }
    PQsetErrorVerbosity(s->conn, PQERRORS_VERBOSE);     /* the only way to the SQLSTATE of a refused login */
    PQsetNoticeReceiver(s->conn, quiet, NULL);
    int size = RECEIVE_BUFFER, fd = PQsocket(s->conn);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    pg_session_await(p, s, VITAL_WRITE, connect_ready);
}

void pg_session_open(struct vital_probe *p, struct pg_session *s, const struct pg_target *t)
{
    char cert[64] = NOWHERE, key[64] = NOWHERE, options[64] = "";
    struct words w;
    *s = (struct pg_session){ .used = true, .sslmode = t->sslmode, .local = !t->address, .hashes = t->password != NULL,
                              .cert_fd = t->cert ? memory_file(t->cert, t->cert_len) : -1, .key_fd = t->key ? memory_file(t->key, t->key_len) : -1 };
    snprintf(s->host, sizeof s->host, "%s", t->host->host);
    if (t->ca) {
        s->ca = pg_alloc(t->ca_len);
        memcpy(s->ca, t->ca, s->ca_len = t->ca_len);
    }
    if (s->cert_fd >= 0)
        snprintf(cert, sizeof cert, "/proc/self/fd/%d", s->cert_fd);
    if (s->key_fd >= 0)
        snprintf(key, sizeof key, "/proc/self/fd/%d", s->key_fd);
    if (t->statement_timeout)
        snprintf(options, sizeof options, "-c statement_timeout=%llu", (unsigned long long)(t->statement_timeout / 1000));
    if ((t->cert && s->cert_fd < 0) || (t->key && s->key_fd < 0)) {
        struct pg_error e = { .reason = VITAL_R_NO_FDS, .internal = true, .text = "no descriptor is left for the client certificate" };
        pg_session_refuse(p, s, &e);
        return;
    }
    fill(&w, t, s->local, cert, key, options);
    s->conn = PQconnectStartParams(w.keys, w.values, 0);
    begin(p, s);
}
