/* One statement asks for all that is configured: rows of a key, a label and four values, so that it grows by UNION. Server
 * versions from 10 on know all of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "postgres_parts.h"

#define SQL_ROLE                                                                                                          \
    "select 'role'::text, null::text, pg_is_in_recovery()::text, current_setting('transaction_read_only')::text, "         \
    "current_setting('server_version_num')::text, null::text"
/* Positions first: on an idle primary the time since the last transaction grows without end while nothing is missing. */
#define SQL_LAG                                                                                                           \
    " union all select 'lag', null, (case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select 1 from "  \
    "pg_stat_wal_receiver) then 0 else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end)::text, "    \
    "pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::text, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::text, (select count(*) "  \
    "from pg_stat_wal_receiver)::text || case when pg_is_in_recovery() and pg_is_wal_replay_paused() then 'p' else '' end "       \
    "where pg_is_in_recovery()"
#define SQL_STANDBYS                                                                                                      \
    " union all (select 'standby', application_name, state, extract(epoch from replay_lag)::text, pg_wal_lsn_diff(case when "   \
    "pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end, '0/0')::text, pg_wal_lsn_diff(replay_lsn, " \
    "'0/0')::text from pg_stat_replication order by application_name limit 32)"
#define SQL_CONNECTIONS                                                                                                   \
    " union all select 'connections', null, (select count(*) from pg_stat_activity where backend_type = 'client backend' or "   \
    "(backend_type is null and datid is not null))::text, current_setting('max_connections'), "                            \
    "current_setting('superuser_reserved_connections'), current_setting('reserved_connections', true)"
#define SQL_TRANSACTIONS                                                                                                  \
    " union all select 'transaction', null, (select max(extract(epoch from clock_timestamp() - xact_start)) from pg_stat_activity " \
    "where pid <> pg_backend_pid() and backend_type = 'client backend')::text, pg_has_role(current_user, 'pg_read_all_stats', "   \
    "'usage')::text, (select max(extract(epoch from clock_timestamp() - prepared)) from pg_prepared_xacts)::text, null"
#define SQL_XID " union all select 'xid', null, (select max(age(datfrozenxid)) from pg_database)::text, null, null, null"

void pg_sql_facts(const struct pg_conf *c, char room[PG_SQL_CAP])
{
    bool standbys = c->standbys.count || found_has_floor(&c->standby_count) || found_has_ceiling(&c->lag) || found_has_ceiling(&c->lag_bytes);
    snprintf(room, PG_SQL_CAP, "%s%s%s%s%s%s", SQL_ROLE, SQL_LAG, standbys ? SQL_STANDBYS : "", found_has_ceiling(&c->connections) ? SQL_CONNECTIONS : "",
             found_has_ceiling(&c->transaction_age) ? SQL_TRANSACTIONS : "", found_has_ceiling(&c->xid_age) ? SQL_XID : "");
}

bool pg_sql_bounded(const char *sql, uint64_t timeout, char *room, size_t size)
{
    int used = snprintf(room, size, "begin; set local statement_timeout = %llu;\n%s\n; commit", (unsigned long long)(timeout / 1000), sql);
    return used > 0 && (size_t)used < size;
}

/* ---- the answer --------------------------------------------------------------------------------------------- */

static double number(const char *text)
{
    double value = text ? strtod(text, NULL) : 0;
    return isfinite(value) ? value : 0;
}

static bool is_true(const char *text)
{
    return text && (*text == 't' || !strcmp(text, "on"));
}

static void take_role(struct pg_facts *f, const char *const v[6])
{
    f->known = true;
    f->recovery = is_true(v[2]);
    f->read_only = is_true(v[3]);
    f->version = (int)number(v[4]);
}

static void take_lag(struct pg_facts *f, const char *const v[6])
{
    f->lag_known = v[2] != NULL;
    f->own = (struct pg_standby){ .measured = v[3] && v[4], .lag = number(v[2]) * 1e6, .now = number(v[3]), .replayed = number(v[4]) };
    f->receivers = number(v[5]);
    f->paused = v[5] && strchr(v[5], 'p');
}

/* Without the right to see it, the state is null. */
static void take_standby(struct pg_facts *f, const char *const v[6])
{
    if (f->standby_count == sizeof f->standbys / sizeof *f->standbys)
        return;
    struct pg_standby *s = &f->standbys[f->standby_count++];
    *s = (struct pg_standby){ .measured = v[5] != NULL, .lag = number(v[3]) * 1e6, .now = number(v[4]), .replayed = number(v[5]) };
    const char *name = v[1] && *v[1] ? v[1] : "unnamed";
    pg_shown(name, strlen(name), PG_LABEL - 16, s->name, sizeof s->name);
    snprintf(s->state, sizeof s->state, "%s", v[2] ? v[2] : "");
    f->streaming += !strcmp(s->state, "streaming");
}

static void take_connections(struct pg_facts *f, const char *const v[6])
{
    f->connections_known = true;
    f->connections = number(v[2]);
    f->connections_total = number(v[3]);
    f->connections_max = f->connections_total - number(v[4]) - number(v[5]);
}

static void take_transaction(struct pg_facts *f, const char *const v[6])
{
    f->transactions_seen = true;
    f->transactions_known = is_true(v[3]);
    f->transaction_age = number(v[2]) * 1e6;
    f->prepared_age = number(v[4]) * 1e6;
}

static void take_xid(struct pg_facts *f, const char *const v[6])
{
    f->xid_known = v[2] != NULL;
    f->xid_age = number(v[2]);
}

void pg_sql_row(struct pg_facts *f, const char *const cells[6])
{
    static const struct { const char *key; void (*take)(struct pg_facts *, const char *const[6]); } table[] = {
        { "role", take_role }, { "lag", take_lag }, { "standby", take_standby }, { "connections", take_connections },
        { "transaction", take_transaction }, { "xid", take_xid },
    };
    for (size_t i = 0; cells[0] && i < sizeof table / sizeof *table; i++)
        if (!strcmp(cells[0], table[i].key))
            table[i].take(f, cells);
}
