/* What the server's numbers and the queries' answers mean. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "postgres_parts.h"

#define WRAPAROUND 2147483648.0

static enum vital_class class_of(unsigned severity)
{
    return severity == PG_SAYS_FAIL ? VITAL_FAIL : VITAL_WARN;
}

bool pg_role_fits(const struct pg_conf *c, const struct pg_facts *f)
{
    return c->role == PG_ROLE_ANY || f->recovery == (c->role == PG_ROLE_STANDBY);
}

void pg_judge_role(struct pg *g, const struct pg_conf *c, const char *where)
{
    const struct pg_facts *f = &g->facts;
    if (!pg_role_fits(c, f))
        found_add(&g->found, VITAL_FAIL, VITAL_R_ROLE, "%s is a %s, a %s is expected", where, f->recovery ? "standby" : "primary",
                  f->recovery ? "primary" : "standby");
    if (c->writable && f->read_only)
        found_add(&g->found, VITAL_FAIL, VITAL_R_READ_ONLY, "%s is read-only: %s", where,
                  f->recovery ? "a standby" : "default_transaction_read_only is on");
}

/* ---- on a standby ------------------------------------------------------------------------------------------- */

/* A primary that dies has sent its log as far as it was written, which may be inside of a record. The rest never comes, so
 * nobody can replay that piece; it is no lag that grows. */
static bool is_fragment(const struct pg_facts *f)
{
    enum { RECORD = 32768 };
    return f->receivers <= 0 && !f->paused && f->own.measured && f->own.now - f->own.replayed < RECORD;
}

static void judge_own_lag(struct vital_probe *p, const char *where)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const struct pg_facts *f = &g->facts;
    const char *paused = f->paused ? ", its replay is paused" : "";
    char amount[FOUND_AMOUNT];
    vital_number(p, PG_N_RECEIVER, f->receivers > 0);
    if (f->lag_known || (f->own.measured && f->receivers > 0)) {
        double lag = f->own.measured && f->receivers > 0 ? pg_standby_lag(&g->own_mark, &f->own, vital_now(p))
                   : is_fragment(f)                         ? 0
                                                            : f->own.lag;
        vital_number(p, PG_N_LAG, lag / 1e6);
        found_above(&g->found, &c->lag, g->was.lag, &(struct found_measure){ FOUND_TIME, lag, 0, VITAL_R_LAGGING }, "standby %s is %s behind%s", where,
                    found_span(lag, amount), paused);
    }
    if (f->own.measured) {
        double bytes = f->own.now > f->own.replayed ? f->own.now - f->own.replayed : 0;
        vital_number(p, PG_N_LAG_BYTES, bytes);
        found_above(&g->found, &c->lag_bytes, g->was.lag_bytes, &(struct found_measure){ FOUND_BYTES, bytes, 0, VITAL_R_LAGGING },
                    "standby %s has %s to replay%s", where, found_bytes(bytes, amount), paused);
    }
    if (f->receivers <= 0 && c->receiver != PG_SAYS_IGNORE)
        found_add(&g->found, class_of(c->receiver), VITAL_R_REPLICATION, "standby %s receives nothing from its primary", where);
}

/* ---- on a primary ------------------------------------------------------------------------------------------- */

static struct pg_mark *mark_of(struct pg *g, const char *name)
{
    struct pg_mark *oldest = &g->marks[0];
    for (unsigned i = 0; i < PG_STANDBYS_MAX; i++) {
        if (g->marks[i].set && !strcmp(g->marks[i].name, name))
            return &g->marks[i];
        if (!g->marks[i].set || (oldest->set && g->marks[i].at < oldest->at))
            oldest = &g->marks[i];
    }
    *oldest = (struct pg_mark){ .set = false };
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    return oldest;
}

/* The mark is a position and when the log had reached it; a standby that has not come there by now is at least that much
 * behind, whatever the server says: replay_lag stands still, and a standby that has not replayed a transaction since its
 * start tells no time at all. */
double pg_standby_lag(struct pg_mark *m, const struct pg_standby *s, uint64_t now)
{
    if (!m->set || s->replayed >= m->position) {
        m->set = true;
        m->position = s->now;
        m->at = now;
        return s->replayed >= s->now ? 0 : s->lag;
    }
    double behind = (double)(now - m->at);
    return behind > s->lag ? behind : s->lag;
}

static void judge_standby(struct vital_probe *p, const struct pg_standby *s, unsigned which)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    char amount[FOUND_AMOUNT];
    if (!s->measured)
        return;
    double lag = pg_standby_lag(mark_of(g, s->name), s, vital_now(p)), bytes = s->now > s->replayed ? s->now - s->replayed : 0;
    vital_number_of(p, PG_N_STANDBY_LAG, s->name, lag / 1e6);
    vital_number_of(p, PG_N_STANDBY_LAG_BYTES, s->name, bytes);
    found_above(&g->found, &c->lag, g->was.standby_lag[which], &(struct found_measure){ FOUND_TIME, lag, 0, VITAL_R_LAGGING }, "standby %s is %s behind",
                s->name, found_span(lag, amount));
    found_above(&g->found, &c->lag_bytes, g->was.standby_lag_bytes[which], &(struct found_measure){ FOUND_BYTES, bytes, 0, VITAL_R_LAGGING },
                "standby %s is %s behind", s->name, found_bytes(bytes, amount));
}

static const struct pg_standby *find_standby(const struct pg_facts *f, const char *name)
{
    for (unsigned i = 0; i < f->standby_count; i++)
        if (!strcmp(f->standbys[i].name, name))
            return &f->standbys[i];
    return NULL;
}

static void judge_named(struct vital_probe *p, const char *name, unsigned which)
{
    struct pg *g = p->priv;
    const struct pg_standby *s = find_standby(&g->facts, name);
    if (!s)
        found_add(&g->found, VITAL_FAIL, VITAL_R_REPLICATION, "standby %s is not connected", name);
    else if (strcmp(s->state, "streaming") != 0)
        found_add(&g->found, VITAL_FAIL, VITAL_R_REPLICATION, "standby %s does not stream, its state is %s", name, s->state);
    else
        judge_standby(p, s, which);
}

static bool may_see_standbys(struct pg *g)
{
    for (unsigned i = 0; i < g->facts.standby_count; i++)
        if (!g->facts.standbys[i].state[0]) {
            found_add(&g->found, VITAL_FAIL, VITAL_R_PERMISSION, "user %s may not see the standbys' state: grant pg_monitor to it", g->login.user);
            return false;
        }
    return true;
}

static void judge_standbys(struct vital_probe *p, const char *where)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const char *const *names = c->standbys.items;
    bool wanted = c->standbys.count || found_has_floor(&c->standby_count) || found_has_ceiling(&c->lag) || found_has_ceiling(&c->lag_bytes);
    if (!wanted || !may_see_standbys(g))
        return;
    vital_number(p, PG_N_STANDBYS, g->facts.streaming);
    found_below(&g->found, &c->standby_count, g->was.standby_count, &(struct found_measure){ FOUND_COUNT, g->facts.streaming, 0, VITAL_R_COUNT },
                "%u standbys stream from %s", g->facts.streaming, where);
    for (unsigned i = 0; i < c->standbys.count; i++)
        judge_named(p, names[i], i);
    for (unsigned i = 0; i < g->facts.standby_count && !c->standbys.count; i++)
        judge_standby(p, &g->facts.standbys[i], i);
}

/* ---- on both ------------------------------------------------------------------------------------------------ */

static void judge_connections(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const struct pg_facts *f = &g->facts;
    if (!f->connections_known)
        return;
    vital_number(p, PG_N_CONNECTIONS, f->connections);
    vital_number(p, PG_N_CONNECTIONS_MAX, f->connections_max);
    if (f->connections_max > 0)
        vital_number(p, PG_N_CONNECTIONS_RATIO, f->connections / f->connections_max);
    found_above(&g->found, &c->connections, g->was.connections,
                &(struct found_measure){ FOUND_COUNT, f->connections, f->connections_max, VITAL_R_THRESHOLD },
                "%.0f of %.0f connections are in use (%.0f more are reserved)", f->connections, f->connections_max,
                f->connections_total - f->connections_max);
}

static void judge_transactions(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const struct pg_facts *f = &g->facts;
    char amount[FOUND_AMOUNT];
    bool prepared = f->prepared_age > f->transaction_age;
    double age = prepared ? f->prepared_age : f->transaction_age;
    if (f->transactions_seen && !f->transactions_known)
        found_add(&g->found, VITAL_WARN, VITAL_R_PERMISSION, "user %s may not see other sessions' transactions: grant pg_monitor to it",
                  g->login.user);
    if (!f->transactions_known)
        return;
    vital_number(p, PG_N_TRANSACTION_AGE, age / 1e6);
    found_above(&g->found, &c->transaction_age, g->was.transaction_age, &(struct found_measure){ FOUND_TIME, age, 0, VITAL_R_AGE },
                "the oldest %stransaction is %s old", prepared ? "prepared " : "", found_span(age, amount));
}

static void judge_xid(struct vital_probe *p)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const struct pg_facts *f = &g->facts;
    if (!f->xid_known)
        return;
    vital_number(p, PG_N_XID_AGE, f->xid_age);
    vital_number(p, PG_N_XID_RATIO, f->xid_age / WRAPAROUND);
    found_above(&g->found, &c->xid_age, g->was.xid_age, &(struct found_measure){ FOUND_COUNT, f->xid_age, WRAPAROUND, VITAL_R_AGE },
                "the oldest transaction id is %.0f old, %.3g%% of the way to the wraparound", f->xid_age, 100 * f->xid_age / WRAPAROUND);
}

void pg_judge_facts(struct vital_probe *p, const char *where)
{
    struct pg *g = p->priv;
    vital_number(p, PG_N_STANDBY, g->facts.recovery);
    vital_number(p, PG_N_READ_ONLY, g->facts.read_only);
    pg_judge_role(g, p->conf, where);
    if (g->facts.recovery)
        judge_own_lag(p, where);
    else
        judge_standbys(p, where);
    judge_connections(p);
    judge_transactions(p);
    judge_xid(p);
}

void pg_judge_chain(struct vital_probe *p, const struct pg_chain *chain)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    if (!chain->known)
        return;
    vital_number(p, PG_N_CERT_DAYS, chain->days);
    found_below(&g->found, &c->certificate, g->was.certificate,
                &(struct found_measure){ FOUND_DAYS, chain->days, 0, chain->days < 0 ? VITAL_R_CERT_EXPIRED : VITAL_R_CERT_EXPIRING },
                "the certificate %s has %.0f days left", chain->subject, chain->days);
}

/* ---- queries ------------------------------------------------------------------------------------------------ */

static void judge_rows(struct vital_probe *p, const struct pg_query *q, const char *name)
{
    struct pg *g = p->priv;
    int64_t rows = g->session.rows;
    vital_number_of(p, PG_N_QUERY_ROWS, name, rows);
    if (rows < q->min_rows)
        found_add(&g->found, VITAL_FAIL, VITAL_R_COUNT, "`%s` has %lld rows, at least %lld are expected", name, (long long)rows,
                  (long long)q->min_rows);
    if (q->max_rows >= 0 && rows > q->max_rows)
        found_add(&g->found, VITAL_FAIL, VITAL_R_COUNT, "`%s` has %lld rows, at most %lld are expected", name, (long long)rows,
                  (long long)q->max_rows);
}

static void judge_number(struct vital_probe *p, const struct pg_query *q, const char *name, double value)
{
    struct pg *g = p->priv;
    const struct found_measure m = { FOUND_COUNT, value, 0, VITAL_R_THRESHOLD };
    vital_number_of(p, PG_N_QUERY_VALUE, name, value);
    found_above(&g->found, &(struct found_ceiling){ q->warn_above, q->fail_above }, g->was.queries[g->query], &m, "`%s` is %.10g", name, value);
    found_below(&g->found, &(struct found_floor){ q->warn_below, q->fail_below }, g->was.queries[g->query] + 2, &m, "`%s` is %.10g", name, value);
}

static void judge_value(struct vital_probe *p, const struct pg_query *q, const char *name)
{
    struct pg *g = p->priv;
    char shown[120], *end;
    bool limits = q->warn_above.set || q->fail_above.set || q->warn_below.set || q->fail_below.set, expects = q->equals || q->matches || limits;
    const char *said = !g->session.rows ? "no row" : g->value_null ? "null" : pg_shown(g->value, g->value_len, 80, shown, sizeof shown);
    if (!g->session.rows || g->value_null) {
        if (expects)
            found_add(&g->found, VITAL_FAIL, VITAL_R_MISMATCH, "`%s` yields %s", name, said);
        return;
    }
    if (q->equals && (g->value_cut || strcmp(g->value, q->equals) != 0))
        found_add(&g->found, VITAL_FAIL, VITAL_R_MISMATCH, "`%s` yields %s, not %s", name, said, q->equals);
    if (q->matches && !p->host->match(p, q->matches, g->value, g->value_len))
        found_add(&g->found, VITAL_FAIL, VITAL_R_MISMATCH, "`%s` yields %s, which does not match", name, said);
    double value = strtod(g->value, &end);
    if (end != g->value && !*end && isfinite(value))
        judge_number(p, q, name, value);
    else if (limits)
        found_add(&g->found, VITAL_FAIL, VITAL_R_MISMATCH, "`%s` yields %s, not a number", name, said);
}

void pg_judge_query(struct vital_probe *p, const char *name)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const struct pg_query *q = (const struct pg_query *)c->queries.items + g->query;
    judge_rows(p, q, name);
    judge_value(p, q, name);
}
