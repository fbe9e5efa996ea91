#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mysql_error.h"
#include "mysql_parts.h"

enum { NAME = 64 };

const char *mysql_stage_text(const struct mysql_conf *c, int stage, char *room, size_t size)
{
    static const char *const words[] = {
        [MYSQL_QUEUED] = "nothing", [MYSQL_LOGIN] = "the login", [MYSQL_STATUS] = "the question for its status",
        [MYSQL_REPLICATION] = "the question for replication", [MYSQL_GTID] = "the question for its position",
        [MYSQL_LIMITS] = "SET SESSION",
    };
    if (stage >= MYSQL_QUERY)
        return mysql_query_name(c, (unsigned)(stage - MYSQL_QUERY), room, size);
    return words[stage];
}

/* ---- findings ----------------------------------------------------------------------------------------------- */

static void failed(struct found *f, const char *who, const struct mysql_failure *failure)
{
    struct mysql_verdict v = mysql_error_verdict(failure->code, failure->text);
    if (v.system && v.system != 110)
        found_add(f, v.class, v.reason, "%s: %s", who, strerror(v.system));
    else if (failure->code >= 2000 && failure->code < 3000)
        found_add(f, v.class, v.reason, "%s: %s%s%s", who, failure->text, v.hint ? "; " : "", v.hint ? v.hint : "");
    else
        found_add(f, v.class, v.reason, "%s: error %u: %s%s%s", who, failure->code, failure->text, v.hint ? "; " : "", v.hint ? v.hint : "");
}

static void judge_end(struct vital_probe *p, struct found *f, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    char where[MYSQL_WHERE], who[MYSQL_WHERE + NAME + 16], name[NAME];
    mysql_where(c, where);
    if (s->no_tls) {
        found_add(f, VITAL_FAIL, VITAL_R_TLS, "%s does not offer TLS", where);
        return;
    }
    snprintf(who, sizeof who, s->failed_at == MYSQL_LOGIN ? "%s" : "%s, %s", where, mysql_stage_text(c, (int)s->failed_at, name, sizeof name));
    if (s->failed_at == MYSQL_LOGIN && s->failure.code == 2013 && !mysql_error_verdict(2013, s->failure.text).system)
        found_add(f, VITAL_FAIL, VITAL_R_CLOSED, "%s closed the connection instead of greeting, or speaks another protocol", where);
    else
        failed(f, who, &s->failure);
    if (s->failed_at >= MYSQL_QUERY && s->failure.code == 2013)
        found_add(f, VITAL_FAIL, VITAL_R_CLOSED, "a row larger than 1 MiB ends it like that, too");
}

static void judge_role(struct vital_probe *p, struct found *f, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    char where[MYSQL_WHERE];
    vital_number(p, MYSQL_N_READ_ONLY, s->read_only);
    if (c->role == MYSQL_ROLE_PRIMARY && s->read_only)
        found_add(f, VITAL_FAIL, VITAL_R_ROLE, "%s is read-only, not a primary", mysql_where(c, where));
    else if (c->role == MYSQL_ROLE_REPLICA && !s->read_only)
        found_add(f, VITAL_FAIL, VITAL_R_ROLE, "%s is writable, not a replica", mysql_where(c, where));
}

static void judge_connections(struct vital_probe *p, struct found *f, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    struct mysql *m = p->priv;
    const struct { unsigned row; double value; } plain[] = {
        { MYSQL_N_UPTIME, s->uptime }, { MYSQL_N_RUNNING, s->running }, { MYSQL_N_REFUSED, s->refused },
        { MYSQL_N_CONNECTIONS, s->connections }, { MYSQL_N_CONNECTIONS_MAX, s->connections_max },
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i].value >= 0)
            vital_number(p, plain[i].row, plain[i].value);
    if (s->connections < 0 || s->connections_max <= 0)
        return;
    vital_number(p, MYSQL_N_CONNECTIONS_RATIO, s->connections / s->connections_max);
    found_above(f, &c->connections, m->was_connections, &(struct found_measure){ FOUND_COUNT, s->connections, s->connections_max, VITAL_R_THRESHOLD },
                "%.0f of %.0f connections are open", s->connections, s->connections_max);
}

/* ---- replication -------------------------------------------------------------------------------------------- */

static void channel_name(const struct mysql_channel *ch, char room[NAME * 2])
{
    char name[NAME];
    snprintf(room, NAME * 2, *ch->name ? "replication channel %.60s" : "replication", mysql_shown(ch->name, name, sizeof name));
    size_t used = strlen(room);
    if (*ch->source)
        snprintf(room + used, NAME * 2 - used, " from %.60s", ch->source);
}

static void judge_channel(struct vital_probe *p, struct found *f, const struct mysql_seen *s, unsigned which)
{
    const struct mysql_conf *c = p->conf;
    struct mysql *m = p->priv;
    const struct mysql_channel *ch = &s->channels[which];
    char who[NAME * 2], why[MYSQL_ERROR_TEXT + 80], shown[MYSQL_ERROR_TEXT + 80];
    const char *label = *ch->name ? ch->name : "default";
    vital_number_of(p, MYSQL_N_IO_RUNNING, label, !strcmp(ch->io, "Yes"));
    vital_number_of(p, MYSQL_N_SQL_RUNNING, label, !strcmp(ch->sql, "Yes"));
    if (ch->has_lag)
        vital_number_of(p, MYSQL_N_LAG, label, ch->lag);
    channel_name(ch, who);
    if (mysql_channel_broken(ch, why, sizeof why)) /* on a writable server it may be what a promotion left behind */
        found_add(f, mysql_needs_replication(c) || s->read_only ? VITAL_FAIL : VITAL_WARN, VITAL_R_REPLICATION, "%s is broken: %s", who,
                  mysql_shown(why, shown, sizeof shown));
    if (!ch->has_lag)
        return;
    char behind[FOUND_AMOUNT];
    found_above(f, &c->lag, m->was_lag[which], &(struct found_measure){ FOUND_TIME, ch->lag * 1e6, 0, VITAL_R_LAGGING }, "%s is %s behind", who,
                found_span(ch->lag * 1e6, behind));
}

static void judge_replication(struct vital_probe *p, struct found *f, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    bool needed = mysql_needs_replication(c);
    if (c->replication == MYSQL_REPLICATION_IGNORE)
        return;
    if (s->replication.code) {
        if (needed)
            failed(f, "replication cannot be seen (grant REPLICA MONITOR, on MySQL REPLICATION CLIENT)", &s->replication);
        return;
    }
    vital_number(p, MYSQL_N_CHANNELS, s->channel_count);
    if (s->strange_replication) {
        found_add(f, VITAL_FAIL, VITAL_R_BAD_REPLY, "the replication status has not the columns that are known");
        return;
    }
    if (!s->channel_count && needed)
        found_add(f, VITAL_FAIL, VITAL_R_REPLICATION, "the server replicates from nowhere: no source is configured");
    for (unsigned i = 0; i < s->channel_count && i < MYSQL_CHANNELS_MAX; i++)
        judge_channel(p, f, s, i);
}

static void judge_gtid(struct vital_probe *p, struct found *f, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    char missing[80], at[160];
    if (!c->gtid)
        return;
    if (s->gtid.code)
        failed(f, "its position", &s->gtid);
    else if ((mysql_gtid_form(c->gtid) == MYSQL_GTID_MARIADB) != s->mariadb)
        found_add(f, VITAL_FAIL, VITAL_R_CONFIG, "`gtid` is a position of %s, the server is %s", s->mariadb ? "MySQL" : "MariaDB",
                  s->mariadb ? "MariaDB" : "MySQL");
    else if (s->mariadb && !mysql_gtid_reached(c->gtid, s->gtid_at, missing, sizeof missing))
        found_add(f, VITAL_FAIL, VITAL_R_LAGGING, "the server has not reached %s, it is at %s", missing,
                  *s->gtid_at ? mysql_shown(s->gtid_at, at, sizeof at) : "no position");
    else if (!s->mariadb && !s->gtid_reached)
        found_add(f, VITAL_FAIL, VITAL_R_LAGGING, "the server has not reached %.80s", c->gtid);
}

/* ---- queries ------------------------------------------------------------------------------------------------ */

static bool number_of(const struct mysql_answer *a, double *value)
{
    char *end;
    *value = strtod(a->value, &end);
    return a->has_value && end != a->value && !*end && isfinite(*value);
}

static void judge_number(struct vital_probe *p, struct found *f, unsigned which, const struct mysql_answer *a, const char *name)
{
    const struct mysql_conf *c = p->conf;
    const struct mysql_query *q = (const struct mysql_query *)c->queries.items + which;
    struct mysql *m = p->priv;
    double value;
    char shown[60];
    bool is_number = number_of(a, &value), wanted = q->warn_above.set || q->fail_above.set || q->warn_below.set || q->fail_below.set;
    if (is_number)
        vital_number_of(p, MYSQL_N_QUERY_VALUE, name, value);
    if (!wanted)
        return;
    if (!is_number) {
        found_add(f, VITAL_FAIL, VITAL_R_MISMATCH, "%s answers %s, which is no number", name,
                  a->has_value ? mysql_shown(a->value, shown, sizeof shown) : a->rows ? "NULL" : "no row");
        return;
    }
    const struct found_measure is = { FOUND_COUNT, value, 0, VITAL_R_THRESHOLD };
    found_above(f, &(struct found_ceiling){ q->warn_above, q->fail_above }, m->was_value[which][0], &is, "%s answers %.10g", name, value);
    found_below(f, &(struct found_floor){ q->warn_below, q->fail_below }, m->was_value[which][1], &is, "%s answers %.10g", name, value);
}

static void judge_text(struct vital_probe *p, struct found *f, const struct mysql_query *q, const struct mysql_answer *a, const char *name)
{
    char shown[80];
    const char *is = a->has_value ? mysql_shown(a->value, shown, sizeof shown) : a->rows ? "NULL" : "no row";
    if (q->equals && (!a->has_value || a->cut || strcmp(a->value, q->equals) != 0))
        found_add(f, VITAL_FAIL, VITAL_R_MISMATCH, "%s answers %s, expected %.80s", name, is, q->equals);
    if (q->matches && (!a->has_value || !p->host->match(p, q->matches, a->value, strlen(a->value))))
        found_add(f, VITAL_FAIL, VITAL_R_MISMATCH, "%s answers %s, which does not match", name, is);
    if (a->rows < q->min_rows)
        found_add(f, VITAL_FAIL, VITAL_R_COUNT, "%s has %u rows, expected at least %lld", name, a->rows, (long long)q->min_rows);
    if (q->max_rows >= 0 && a->rows > q->max_rows)
        found_add(f, VITAL_FAIL, VITAL_R_COUNT, "%s has %u rows, expected at most %lld", name, a->rows, (long long)q->max_rows);
}

static void judge_queries(struct vital_probe *p, struct found *f, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    const struct mysql_query *queries = c->queries.items;
    for (unsigned i = 0; i < c->queries.count; i++) {
        const struct mysql_answer *a = &s->answers[i];
        char name[NAME];
        if (!a->asked)
            return;
        mysql_query_name(c, i, name, sizeof name);
        vital_number_of(p, MYSQL_N_QUERY_SECONDS, name, (double)a->took / 1e6);
        if (a->failure.code) {
            if (!mysql_error_is_end(a->failure.code)) /* else it is what ended the conversation, and said already */
                failed(f, name, &a->failure);
            continue;
        }
        vital_number_of(p, MYSQL_N_QUERY_ROWS, name, a->rows);
        judge_text(p, f, &queries[i], a, name);
        judge_number(p, f, i, a, name);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void judge_slowness(struct vital_probe *p, struct found *f, double took)
{
    const struct mysql_conf *c = p->conf;
    struct mysql *m = p->priv;
    char is[FOUND_AMOUNT], most[FOUND_AMOUNT];
    vital_number(p, MYSQL_N_TOTAL, took / 1e6);
    if (vital_above(&c->warn_above, took, &m->was_slow))
        found_add(f, VITAL_WARN, VITAL_R_SLOW, "the attempt took %s, warns above %s", found_span(took, is), found_span(c->warn_above.enter, most));
}

static double worst_lag(const struct mysql_seen *s)
{
    double worst = 0;
    for (unsigned i = 0; i < s->channel_count && i < MYSQL_CHANNELS_MAX; i++)
        worst = s->channels[i].lag > worst ? s->channels[i].lag : worst;
    return worst;
}

static void all_is_well(struct vital_probe *p, const struct mysql_seen *s)
{
    const struct mysql_conf *c = p->conf;
    char replication[80] = "", behind[FOUND_AMOUNT];
    if (c->replication != MYSQL_REPLICATION_IGNORE && s->replication.code)
        snprintf(replication, sizeof replication, "; replication is not looked at: not permitted");
    else if (s->channel_count)
        snprintf(replication, sizeof replication, "; replication is %s behind", found_span(worst_lag(s) * 1e6, behind));
    vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s %.*s, %s, %.0f of %.0f connections%s", s->mariadb ? "MariaDB" : "MySQL",
                 (int)strcspn(s->version, "-"), s->version, s->read_only ? "read-only" : "writable", s->connections, s->connections_max, replication);
}

void mysql_judge(struct vital_probe *p, const struct mysql_seen *s)
{
    struct mysql *m = p->priv;
    struct found f = { .class = VITAL_PASS };
    bool answered = s->failed_at > MYSQL_STATUS || s->complete;
    if (s->login)
        vital_number(p, MYSQL_N_LOGIN, (double)s->login / 1e6);
    if (!s->complete)
        judge_end(p, &f, s);
    if (answered) {
        judge_role(p, &f, s);
        judge_connections(p, &f, s);
        if (s->complete || s->failed_at > MYSQL_REPLICATION)
            judge_replication(p, &f, s);
        if (s->complete || s->failed_at > MYSQL_GTID)
            judge_gtid(p, &f, s);
        judge_queries(p, &f, s);
    }
    judge_slowness(p, &f, (double)(vital_now(p) - m->began));
    if (!found_finish(p, &f))
        all_is_well(p, s);
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

#define NUMBER(row, name, unit, help) [row] = { name, unit, help, false, NULL }
const struct vital_number mysql_numbers[] = {
    NUMBER(MYSQL_N_LOGIN, "login_seconds", "seconds", "time to resolve, connect, shake hands and log in"),
    NUMBER(MYSQL_N_TOTAL, "total_seconds", "seconds", "time from the start of the attempt to its result"),
    NUMBER(MYSQL_N_UPTIME, "uptime_seconds", "seconds", "since the server started"),
    NUMBER(MYSQL_N_READ_ONLY, "read_only", "", "1 when the server is read-only"),
    NUMBER(MYSQL_N_CONNECTIONS, "connections", "", "open connections, this one included"),
    NUMBER(MYSQL_N_CONNECTIONS_MAX, "max_connections", "", "their limit"),
    NUMBER(MYSQL_N_CONNECTIONS_RATIO, "connections_ratio", "ratio", "open connections as a share of the limit"),
    NUMBER(MYSQL_N_RUNNING, "running_threads", "", "connections that are executing something"),
    [MYSQL_N_REFUSED] = { "refused_connections", "", "clients turned away for max_connections since the server started", true, NULL },
    NUMBER(MYSQL_N_CHANNELS, "replication_channels", "", "sources that the server replicates from"),
    [MYSQL_N_IO_RUNNING] = { "replication_io_running", "", "1 when the thread that fetches from the source is connected", false, "channel" },
    [MYSQL_N_SQL_RUNNING] = { "replication_sql_running", "", "1 when the thread that applies changes runs", false, "channel" },
    [MYSQL_N_LAG] = { "lag_seconds", "seconds", "how far the channel is behind its source; absent when it is broken", false, "channel" },
    [MYSQL_N_QUERY_VALUE] = { "query_value", "", "what a query of yours answered, when it is a number", false, "query" },
    [MYSQL_N_QUERY_ROWS] = { "query_rows", "", "how many rows it answered", false, "query" },
    [MYSQL_N_QUERY_SECONDS] = { "query_seconds", "seconds", "how long it took", false, "query" },
    { .name = NULL },
};
