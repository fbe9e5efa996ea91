/* One connection: its end, questions, and what it does between attempts. libpq closes and reopens its socket behind the same
 * number, so every wait is a new one-shot watch. How it comes to be is in postgres_connect.c. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres_parts.h"

/* ---- its end ------------------------------------------------------------------------------------------------ */

void pg_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void pg_session_abandon(struct pg_session *s)
{
    if (!s->used)
        return;
    if (s->conn)
        PQfinish(s->conn);
    pg_free(s->ca, s->ca_len);
    pg_close_fd(&s->cert_fd);
    pg_close_fd(&s->key_fd);
    *s = (struct pg_session){ .used = false };
}

void pg_session_close(struct vital_probe *p, struct pg_session *s)
{
    if (s->watch)
        p->host->close(s->watch);
    if (s->job)
        p->host->close(s->job);
    pg_session_abandon(s);
}

struct pg_session *pg_session_of(struct vital_probe *p)
{
    struct pg *g = p->priv;
    return &g->session;
}

void pg_session_refuse(struct vital_probe *p, struct pg_session *s, const struct pg_error *e)
{
    struct pg_error copy = *e;
    pg_session_close(p, s);
    pg_refused(p, &copy);
}

void pg_session_refuse_because(struct vital_probe *p, struct pg_session *s, enum vital_reason reason, const char *text)
{
    struct pg_error e = { .reason = reason };
    snprintf(e.text, sizeof e.text, "%s", text);
    pg_session_refuse(p, s, &e);
}

/* What libpq says of its own trouble; it says so on the connection. */
void pg_session_refuse_as_said(struct vital_probe *p, struct pg_session *s)
{
    struct pg *g = p->priv;
    struct pg_error e;
    pg_error_read(PQerrorMessage(s->conn), g->login.pooler, &e);
    if (e.reason == VITAL_R_AUTH && !s->hashes)
        snprintf(e.text + strlen(e.text), sizeof e.text - strlen(e.text), "; no password is configured");
    g->plain = g->login.sslmode == PG_SSL_AUTO && pg_says_no_tls(PQerrorMessage(s->conn));
    pg_session_refuse(p, s, &e);
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

void pg_session_await(struct vital_probe *p, struct pg_session *s, unsigned what, vital_fd_fn *then)
{
    int fd = PQsocket(s->conn);
    if (s->watch)
        p->host->close(s->watch);
    s->watch = fd >= 0 ? p->host->watch(p, fd, what, then, NULL) : NULL;
}

/* ---- bounds -------------------------------------------------------------------------------------------------- */

enum { GULPS_MAX = 256, ROW_MAX = 8 << 20 };

/* libpq keeps a row in memory until it is whole, and does not tell how much it has of it; the kernel does. On a local socket
 * the number of reads is all there is. */
static uint64_t received(const struct pg_session *s)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof info;
    return s->local || getsockopt(PQsocket(s->conn), IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ? 0 : info.tcpi_bytes_received;
}

static void fresh(struct pg_session *s)
{
    s->gulps = 0;
    s->received = received(s);
}

bool pg_session_is_flooded(struct pg_session *s)
{
    return ++s->gulps > GULPS_MAX || received(s) > s->received + ROW_MAX;
}

/* ---- asking ------------------------------------------------------------------------------------------------- */

static void ask_ready(struct vital_probe *, int, unsigned, void *);

static void asked(struct vital_probe *p, struct pg_session *s)
{
    struct pg_error e = s->error;
    s->asked(p, e.reason != VITAL_R_OK ? &e : NULL);
}

static void spoiled(struct vital_probe *p, struct pg_session *s, enum vital_reason reason, const char *text)
{
    s->open = false;
    s->error = (struct pg_error){ .reason = reason };
    snprintf(s->error.text, sizeof s->error.text, "%s", text);
    asked(p, s);
}

static void lost(struct vital_probe *p, struct pg_session *s)
{
    struct pg *g = p->priv;
    s->open = false;
    if (s->error.reason == VITAL_R_OK)
        pg_error_read(PQerrorMessage(s->conn), g->login.pooler, &s->error);
    asked(p, s);
}

/* False: the answer is over, by our decision. */
static bool take(struct vital_probe *p, struct pg_session *s, const PGresult *r)
{
    struct pg *g = p->priv;
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE), *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    switch (PQresultStatus(r)) {
    case PGRES_SINGLE_TUPLE:
        fresh(s);
        if (++s->rows > PG_ROWS_CAP) {
            spoiled(p, s, VITAL_R_TOO_LARGE, "more than 1000 rows: count them on the server");
            return false;
        }
        s->row(p, r);
        return true;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        spoiled(p, s, VITAL_R_QUERY, "COPY is no query that a check can make");
        return false;
    case PGRES_FATAL_ERROR:
        if (s->error.reason == VITAL_R_OK && state)
            pg_error_of_state(state, text ? text : "", g->login.pooler, &s->error);
        else if (s->error.reason == VITAL_R_OK)
            pg_error_read(PQresultErrorMessage(r), g->login.pooler, &s->error);
        return true;
    default:
        return true;
    }
}

static void read_answer(struct vital_probe *p, struct pg_session *s)
{
    while (!PQisBusy(s->conn)) {
        PGresult *r = PQgetResult(s->conn);
        if (!r && PQstatus(s->conn) == CONNECTION_BAD)
            lost(p, s);
        else if (!r)
            asked(p, s);
        bool more = r && take(p, s, r);
        PQclear(r);
        if (!more)
            return;
    }
    if (pg_session_is_flooded(s))
        spoiled(p, s, VITAL_R_TOO_LARGE, "a row is larger than what a check may take");
    else
        pg_session_await(p, s, VITAL_READ, ask_ready);
}

static void push(struct vital_probe *p, struct pg_session *s)
{
    int left = PQflush(s->conn);
    if (left < 0)
        lost(p, s);
    else if (left)
        pg_session_await(p, s, VITAL_READ | VITAL_WRITE, ask_ready);
    else
        read_answer(p, s);
}

static void ask_ready(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)fd, (void)arg;
    struct pg_session *s = pg_session_of(p);
    s->watch = NULL;
    if ((what & VITAL_READ) && !PQconsumeInput(s->conn))
        lost(p, s);
    else
        push(p, s);
}

void pg_session_ask(struct vital_probe *p, struct pg_session *s, const char *sql, bool simple, void (*row)(struct vital_probe *, const PGresult *),
                    void (*done)(struct vital_probe *, const struct pg_error *))
{
    s->row = row;
    s->asked = done;
    s->rows = 0;
    fresh(s);
    s->error = (struct pg_error){ .reason = VITAL_R_OK };
    int sent = simple ? PQsendQuery(s->conn, sql) : PQsendQueryParams(s->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
    if (!sent || !PQsetSingleRowMode(s->conn))
        lost(p, s);
    else
        push(p, s);
}

/* ---- between attempts --------------------------------------------------------------------------------------- */

static void held_ready(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    struct pg *g = p->priv;
    struct pg_session *s = &g->held;
    s->watch = NULL;
    if (PQconsumeInput(s->conn) && PQstatus(s->conn) == CONNECTION_OK && !PQisBusy(s->conn)) {
        pg_session_hold(p, s);      /* a parameter has changed, or a notice */
        return;
    }
    pg_session_close(p, s);
    g->has_held = false;
    p->host->nudge(p);
}

void pg_session_hold(struct vital_probe *p, struct pg_session *s)
{
    pg_session_await(p, s, VITAL_READ, held_ready);
    if (s->watch)
        p->host->keep(s->watch);
}

void pg_session_resume(struct vital_probe *p, struct pg_session *s)
{
    if (s->watch)
        p->host->close(s->watch);
    s->watch = NULL;
}
