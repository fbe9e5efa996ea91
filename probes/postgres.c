/* postgres: logs in as an application would, and looks at the server as the people who run it would. One attempt: the files
 * that a login needs, the hosts in their order until one does, one question about the server, the configured queries. */
#include <stdio.h>
#include <stdlib.h>

#include "postgres_parts.h"

/* ---- memory ------------------------------------------------------------------------------------------------- */

void pg_drop_files(struct pg *g)
{
    for (unsigned i = 0; i < PG_FILES; i++) {
        pg_free(g->files[i].data, g->files[i].len);
        g->files[i] = (struct pg_file){ .data = NULL };
    }
}

static void drop_held(struct vital_probe *p)
{
    struct pg *g = p->priv;
    if (g->has_held)
        pg_session_close(p, &g->held);
    g->has_held = false;
}

/* ---- the end of an attempt ---------------------------------------------------------------------------------- */

const char *pg_where(const struct pg *g, char *room, size_t size)
{
    const struct pg_host *h = &g->login.hosts[g->host < g->login.host_count ? g->host : g->login.host_count - 1];
    snprintf(room, size, pg_host_is_local(h) ? "%s/.s.PGSQL.%s" : strchr(h->host, ':') ? "[%s]:%s" : "%s:%s", h->host, h->port);
    return room;
}

void pg_fail(struct vital_probe *p, enum vital_class class, enum vital_reason reason, const char *text)
{
    struct pg *g = p->priv;
    pg_session_close(p, &g->session);
    drop_held(p);       /* another login needs its place more, and it has nothing to tell now */
    pg_drop_files(g);
    vital_number(p, PG_N_TOTAL, (double)(vital_now(p) - g->began) / 1e6);
    vital_finish(p, class, reason, "%s", text);
}

static void settle_session(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    bool keep = c->hold && g->found.class != VITAL_FAIL && g->session.open && PQtransactionStatus(g->session.conn) == PQTRANS_IDLE;
    drop_held(p);
    if (!keep) {
        pg_session_close(p, &g->session);
        return;
    }
    pg_session_resume(p, &g->session);
    g->held = g->session;
    g->session = (struct pg_session){ .used = false };
    g->has_held = true;
    pg_session_hold(p, &g->held);
}

static void describe(const struct pg *g, bool tls, char *room, size_t size)
{
    char where[300];
    int major = g->facts.version / 10000, minor = g->facts.version % 10000;
    snprintf(room, size, "%s %d.%d at %s%s", g->facts.recovery ? "standby" : "primary", major, minor, pg_where(g, where, sizeof where),
             tls || pg_host_is_local(&g->login.hosts[g->host]) || g->login.sslmode == PG_SSL_DISABLE ? "" : ", without TLS");
}

static void conclude(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    char good[400], is[FOUND_AMOUNT], most[FOUND_AMOUNT];
    double took = (double)(vital_now(p) - g->began);
    describe(g, g->session.tls, good, sizeof good);
    vital_number(p, PG_N_TLS, g->session.tls);
    vital_number(p, PG_N_ASK, (double)(vital_now(p) - g->ask_began) / 1e6);
    vital_number(p, PG_N_TOTAL, took / 1e6);
    pg_judge_chain(p, &g->session.chain);
    if (vital_above(&c->warn_above, took, &g->was.slow))
        found_add(&g->found, VITAL_WARN, VITAL_R_SLOW, "the attempt took %s, warns above %s", found_span(took, is),
                  found_span(c->warn_above.enter, most));
    p->host->close(g->patience);
    g->patience = NULL;
    settle_session(p);
    pg_drop_files(g);
    if (!found_finish(p, &g->found))
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s", good);
}

/* ---- what is asked ------------------------------------------------------------------------------------------ */

static void ask_next(struct vital_probe *);

static void ask(struct vital_probe *p, const char *sql, void (*row)(struct vital_probe *, const PGresult *),
                void (*asked)(struct vital_probe *, const struct pg_error *))
{
    struct pg *g = p->priv;
    char bounded[PG_SQL_CAP + 256];
    uint64_t left = vital_left(p);
    if (g->login.pooler && pg_sql_bounded(sql, left - left / 8, bounded, sizeof bounded))
        pg_session_ask(p, &g->session, bounded, true, row, asked);
    else
        pg_session_ask(p, &g->session, sql, false, row, asked);
}

static void query_name(const struct pg_query *q, char *room, size_t size)
{
    const char *name = q->name ? q->name : q->query;
    pg_shown(name, strlen(name), 48, room, size);
}

static void query_row(struct vital_probe *p, const PGresult *r)
{
    struct pg *g = p->priv;
    if (g->session.rows > 1 || PQnfields(r) < 1)
        return;
    size_t len = (size_t)PQgetlength(r, 0, 0);
    g->value_null = PQgetisnull(r, 0, 0);
    g->value_cut = len >= sizeof g->value;
    g->value_len = g->value_cut ? sizeof g->value - 1 : len;
    memcpy(g->value, PQgetvalue(r, 0, 0), g->value_len);
    g->value[g->value_len] = '\0';
}

static void query_asked(struct vital_probe *p, const struct pg_error *e)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    char name[80], where[300], text[700];
    query_name((const struct pg_query *)c->queries.items + g->query, name, sizeof name);
    if (e) {
        snprintf(text, sizeof text, "%s: `%s`: %s", pg_where(g, where, sizeof where), name, e->text);
        pg_fail(p, VITAL_FAIL, e->reason, text);
        return;
    }
    pg_judge_query(p, name);
    g->query++;
    ask_next(p);
}

static void ask_next(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    if (g->query == c->queries.count) {
        conclude(p);
        return;
    }
    g->value_null = g->value_cut = false;
    g->value_len = 0;
    g->value[0] = '\0';
    ask(p, ((const struct pg_query *)c->queries.items)[g->query].query, query_row, query_asked);
}

static void fact_row(struct vital_probe *p, const PGresult *r)
{
    struct pg *g = p->priv;
    const char *cells[6] = { NULL };
    for (int i = 0; i < 6 && i < PQnfields(r); i++)
        cells[i] = PQgetisnull(r, 0, i) ? NULL : PQgetvalue(r, 0, i);
    pg_sql_row(&g->facts, cells);
}

static void facts_asked(struct vital_probe *p, const struct pg_error *e)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    char where[300], text[600];
    pg_where(g, where, sizeof where);
    if (e && g->resumed && PQstatus(g->session.conn) == CONNECTION_BAD) {
        pg_session_close(p, &g->session);       /* it had ended meanwhile: a new login tells what the server is like now */
        pg_begin_login(p);
        return;
    }
    if (e || !g->facts.known) {
        snprintf(text, sizeof text, "%s: %s", where, e ? e->text : "an answer without what was asked for");
        pg_fail(p, VITAL_FAIL, e ? e->reason : VITAL_R_BAD_REPLY, text);
        return;
    }
    if (!pg_role_fits(c, &g->facts) && g->host + 1 < g->login.host_count) {
        snprintf(text, sizeof text, "%s is a %s", where, g->facts.recovery ? "standby" : "primary");
        pg_note_failure(g, VITAL_R_ROLE, text);
        pg_session_close(p, &g->session);
        g->address = g->address_count;
        pg_next_address(p);
        return;
    }
    if (!pg_role_fits(c, &g->facts) && *g->failures)
        found_add(&g->found, VITAL_FAIL, VITAL_R_ROLE, "%s", g->failures);
    pg_judge_facts(p, where);
    g->query = 0;
    ask_next(p);
}

static void ask_facts(struct vital_probe *p)
{
    struct pg *g = p->priv;
    char sql[PG_SQL_CAP];
    g->facts = (struct pg_facts){ .known = false };
    g->ask_began = vital_now(p);
    pg_be_patient(p, 1);
    pg_sql_facts(p->conf, sql);
    ask(p, sql, fact_row, facts_asked);
}

void pg_opened(struct vital_probe *p)
{
    struct pg *g = p->priv;
    vital_number(p, PG_N_RESOLVE, (double)g->resolved / 1e6);
    vital_number(p, PG_N_LOGIN, (double)(vital_now(p) - g->login_began) / 1e6);
    g->last_login = vital_now(p);
    ask_facts(p);
}

/* ---- the module --------------------------------------------------------------------------------------------- */

static bool is_login_due(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    const struct pg *g = p->priv;
    return !g->has_held || (c->login_every && vital_now(p) - g->last_login >= c->login_every);
}

static void pg_start(struct vital_probe *p)
{
    struct pg *g = p->priv;
    const char *option;
    pg_session_abandon(&g->session);
    pg_drop_files(g);
    g->patience = NULL;
    g->began = vital_now(p);
    g->resolved = 0;
    g->failures[0] = '\0';
    g->found = (struct found){ .class = VITAL_PASS };
    if (!g->login.host_count)
        pg_login_read(p->conf, &g->login, &option);
    if (is_login_due(p)) {
        pg_begin_login(p);
        return;
    }
    pg_session_resume(p, &g->held);
    g->session = g->held;
    g->held = (struct pg_session){ .used = false };
    g->has_held = false;
    g->resumed = true;
    ask_facts(p);
}

/* The engine has closed what this attempt had opened, but not what was kept. */
static void pg_cancel(struct vital_probe *p)
{
    struct pg *g = p->priv;
    pg_session_abandon(&g->session);
    drop_held(p);
    pg_drop_files(g);
    g->patience = NULL;
}

static void pg_release(struct vital_probe *p)
{
    struct pg *g = p->priv;
    pg_session_abandon(&g->session);
    pg_session_abandon(&g->held);
    pg_tally_leave(g->tally);
    pg_drop_files(g);
}

#define NUMBER(row, name, unit, help) [row] = { name, unit, help, false, NULL }

static const struct vital_number pg_numbers[] = {
    NUMBER(PG_N_RESOLVE, "resolve_seconds", "seconds", "time to resolve the names, when a new login was made"),
    NUMBER(PG_N_LOGIN, "login_seconds", "seconds", "time from the connection to the end of the login, when a new one was made"),
    NUMBER(PG_N_ASK, "ask_seconds", "seconds", "time of all questions and queries"),
    NUMBER(PG_N_TOTAL, "total_seconds", "seconds", "time from the start of the attempt to its result"),
    NUMBER(PG_N_TLS, "tls", "", "1 when the session is encrypted"),
    NUMBER(PG_N_CERT_DAYS, "certificate_days", "days", "how long until the first certificate of the chain expires; negative: since when it has"),
    NUMBER(PG_N_STANDBY, "standby", "", "1 for a standby, 0 for a primary"),
    NUMBER(PG_N_READ_ONLY, "read_only", "", "1 when transactions are read-only"),
    NUMBER(PG_N_LAG, "lag_seconds", "seconds", "on a standby: how long it is behind; 0 when all that it has received is replayed"),
    NUMBER(PG_N_LAG_BYTES, "lag_bytes", "bytes", "on a standby: received, but not yet replayed"),
    NUMBER(PG_N_RECEIVER, "receiver", "", "on a standby: 1 when it is connected to its primary"),
    NUMBER(PG_N_STANDBYS, "standbys", "", "on a primary: standbys that stream"),
    [PG_N_STANDBY_LAG] = { "standby_lag_seconds", "seconds", "on a primary: how long the standby is behind", false, "standby" },
    [PG_N_STANDBY_LAG_BYTES] = { "standby_lag_bytes", "bytes", "on a primary: how far the standby is behind", false, "standby" },
    NUMBER(PG_N_CONNECTIONS, "connections", "", "client connections"),
    NUMBER(PG_N_CONNECTIONS_MAX, "max_connections", "", "their limit for ordinary users"),
    NUMBER(PG_N_CONNECTIONS_RATIO, "connections_ratio", "ratio", "connections as a share of that limit"),
    NUMBER(PG_N_TRANSACTION_AGE, "transaction_age_seconds", "seconds", "age of the oldest open transaction"),
    NUMBER(PG_N_XID_AGE, "xid_age", "", "age of the oldest transaction id"),
    NUMBER(PG_N_XID_RATIO, "xid_age_ratio", "ratio", "the same as a share of the way to the wraparound"),
    [PG_N_QUERY_VALUE] = { "query_value", "", "what a query of yours yields, when it is a number", false, "query" },
    [PG_N_QUERY_ROWS] = { "query_rows", "", "how many rows it yields", false, "query" },
    { .name = NULL },
};

static const struct vital_module pg_module = {
    VITAL_MODULE_HEAD,
    .name = "postgres",
    .summary = "PostgreSQL: login, role, replication, connections, queries",
    .manual =
        "Every attempt logs in, asks the server about itself in one round trip, makes the configured queries and leaves. So it takes one connection "
        "of the server while it runs, and none between. `hold: true` keeps the session instead: then the server's end of it starts an attempt at once, "
        "one instance takes one connection all the time, and a second one while `login_every` tries a new login beside it. When an attempt fails, "
        "for want of free connections too, the held session is given back.\n\n"
        "Reasons tell apart: `refused`, `unreachable`, `timeout`, `starting` (starting up or in recovery), `stopping`, `too_many_clients`, `auth`, "
        "`no_database`, `permission`, `tls` and the `cert_` ones, `role`, `read_only`, `lagging`, `replication`, `slow`, `query`. A query that takes too "
        "long is cancelled on the server as well, shortly before the attempt's timeout.\n\n"
        "Of several `hosts` the first that accepts the login, and has the wanted `role`, is looked at. All of them share the timeout.\n\n"
        "Lag on a standby is 0 when all that was received is replayed, for on an idle primary the time since the last transaction tells nothing. On a "
        "primary, what a standby has not replayed yet is timed here, since its own report stands still together with it.\n\n"
        "`sslmode`: `require` encrypts, and never verifies. `verify-full` verifies the certificate and the host's name, against `tls: { ca: ... }` or the "
        "system's certificates. `prefer` and `allow` are refused. `auto` uses TLS where the server has it, and says so in the result where it has not. Over a "
        "unix socket there is no TLS.\n\n"
        "The user needs CONNECT on the database. For `standbys`, `lag` on a primary and `transaction_age` it needs more: GRANT pg_monitor TO it. The "
        "server must be version 10 or newer.\n\n"
        "Nothing is read from PG* variables, service files or home directories.",
    .opts = pg_opts,
    .numbers = pg_numbers,
    .conf_size = sizeof(struct pg_conf),
    .priv_size = sizeof(struct pg),
    .job_threads = 4,
    .outside = true,
    .prepare = pg_prepare,
    .start = pg_start,
    .cancel = pg_cancel,
    .release = pg_release,
};
VITAL_EXPORT(pg_module);
