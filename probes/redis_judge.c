/* What INFO and ROLE say about one server: numbers, findings, and the sentence for when there are none. */
#include <stdio.h>
#include <time.h>

#include "redis_parts.h"

enum { REPLICAS_SHOWN = 16, REPLICAS_MAX = 256 };

struct judged {
    struct vital_probe *p;
    const struct redis_conf *c;
    struct redis *r;
    const struct redis_server *s;
    const char *info;
    char who[REDIS_WHERE + 16];         /* "the master 10.0.0.1:6379" */
};

static bool number(const struct judged *j, const char *field, enum redis_number row, double *value)
{
    if (!redis_field_number(j->info, field, value))
        return false;
    vital_number(j->p, row, *value);
    return true;
}

/* Said already, by an error of the server's own. */
static bool has_failed(const struct judged *j, enum vital_reason reason)
{
    return *j->r->found.worst && j->r->found.class == VITAL_FAIL && j->r->found.reason == reason;
}

/* ---- role and replication ----------------------------------------------------------------------------------- */

static bool is_text(const struct redis_value *v, const char *text)
{
    return v && v->text && !strcmp(v->text, text);
}

static void judge_role(const struct judged *j)
{
    const struct redis_value *role = j->s->role;
    bool wants_replica = j->c->role == REDIS_ROLE_REPLICA;
    if (!role || !role->count)
        return;
    if (is_text(role->items[0], "sentinel"))
        found_add(&j->r->found, VITAL_FAIL, VITAL_R_CONFIG, "%s is a Sentinel: use `mode: sentinel` and `hosts`", j->who);
    else if (wants_replica && is_text(role->items[0], "master"))
        found_add(&j->r->found, VITAL_FAIL, VITAL_R_ROLE, "%s is a master, a replica is expected", j->who);
    else if (!wants_replica && is_text(role->items[0], "slave"))
        found_add(&j->r->found, VITAL_FAIL, VITAL_R_ROLE, "%s is a replica%s, a master is expected", j->who,
                  j->s->must_be_master ? " (Sentinel names it as the master)" : "");
}

static void note_link(const struct judged *j, const char *how, double since)
{
    char span[FOUND_AMOUNT], age[FOUND_AMOUNT + 8] = "";
    struct redis_part host = redis_field(j->info, "master_host");
    if (since >= 0)
        snprintf(age, sizeof age, " for %s", found_span(since * 1e6, span));
    if (j->c->link != REDIS_SAYS_IGNORE && !has_failed(j, VITAL_R_REPLICATION))
        found_add(&j->r->found, redis_class(j->c->link), VITAL_R_REPLICATION, "%s is a replica whose link to its master%s%.*s is %s%s", j->who,
                  host.at ? " " : "", host.at ? (int)host.len : 0, host.at ? host.at : "", how, age);
}

static void judge_replica(const struct judged *j)
{
    double last = 0, down = -1, lag;
    bool up = redis_field_is(j->info, "master_link_status", "up");
    redis_field_number(j->info, "master_last_io_seconds_ago", &last);
    redis_field_number(j->info, "master_link_down_since_seconds", &down);
    lag = up ? last : down;
    vital_number(j->p, REDIS_N_LINK_UP, up);
    if (!up)
        note_link(j, redis_field_is(j->info, "master_sync_in_progress", "1") ? "down while it copies everything anew" : "down", down);
    if (lag < 0)
        return;
    vital_number(j->p, REDIS_N_LAG, lag);
    char span[FOUND_AMOUNT];
    found_above(&j->r->found, &j->c->lag, j->r->was.lag, &(struct found_measure){ FOUND_TIME, lag * 1e6, 0, VITAL_R_LAGGING },
                "%s has heard nothing from its master for %s", j->who, found_span(lag * 1e6, span));
}

static void report_replica(const struct judged *j, const struct redis_replica *one, double behind)
{
    vital_number_of(j->p, REDIS_N_REPLICA_LAG, one->name, one->lag);
    vital_number_of(j->p, REDIS_N_REPLICA_LAG_BYTES, one->name, behind);
}

static unsigned judge_master(const struct judged *j)
{
    struct redis_replica one, slowest = { "", true, 0, -1 }, farthest = { "", true, 0, 0 };
    double offset = 0, most = -1;
    unsigned online = 0, n = 0;
    redis_field_number(j->info, "master_repl_offset", &offset);
    for (; n < REPLICAS_MAX && redis_replica_nth(j->info, n, &one); n++) {
        double behind = offset > one.offset ? offset - one.offset : 0;
        if (n < REPLICAS_SHOWN)
            report_replica(j, &one, behind);
        online += one.online;
        if (one.online && one.lag > slowest.lag)
            slowest = one;
        if (one.online && behind > most) {
            most = behind;
            farthest = one;
        }
    }
    vital_number(j->p, REDIS_N_REPLICAS, online);
    found_below(&j->r->found, &j->c->replicas, j->r->was.replicas, &(struct found_measure){ FOUND_COUNT, online, 0, VITAL_R_REPLICATION },
                "%s has %u %s online", j->who, online, online == 1 ? "replica" : "replicas");
    char amount[FOUND_AMOUNT];
    if (online)
        found_above(&j->r->found, &j->c->lag, j->r->was.lag, &(struct found_measure){ FOUND_TIME, slowest.lag * 1e6, 0, VITAL_R_LAGGING },
                    "replica %s last reported to %s %s ago", slowest.name, j->who, found_span(slowest.lag * 1e6, amount));
    if (online)
        found_above(&j->r->found, &j->c->lag_bytes, j->r->was.lag_bytes, &(struct found_measure){ FOUND_BYTES, most, 0, VITAL_R_LAGGING },
                    "replica %s is %s behind %s", farthest.name, found_bytes(most, amount), j->who);
    return online;
}

/* Without INFO, ROLE tells the link's state. */
static void judge_link_by_role(const struct judged *j)
{
    const struct redis_value *role = j->s->role;
    if (role && role->count > 3 && is_text(role->items[0], "slave") && !is_text(role->items[3], "connected"))
        note_link(j, "down", -1);
}

/* ---- memory, persistence, clients --------------------------------------------------------------------------- */

static void judge_memory(const struct judged *j, bool master)
{
    double used = 0, limit = 0, aside = 0;
    char is[FOUND_AMOUNT], most[FOUND_AMOUNT];
    number(j, "used_memory", REDIS_N_MEMORY, &used);
    number(j, "maxmemory", REDIS_N_MEMORY_MAX, &limit);
    redis_field_number(j->info, "mem_not_counted_for_evict", &aside);
    if (limit > 0)
        vital_number(j->p, REDIS_N_MEMORY_RATIO, used / limit);
    found_bytes(used, is);
    found_bytes(limit, most);
    bool full = limit > 0 && master && used - aside > limit && redis_field_is(j->info, "maxmemory_policy", "noeviction");
    if (full && j->c->memory.full != REDIS_SAYS_IGNORE && !has_failed(j, VITAL_R_MEMORY)) {
        found_add(&j->r->found, redis_class(j->c->memory.full), VITAL_R_MEMORY,
                  "%s is full and refuses writes: %s used of %s (maxmemory, noeviction)", j->who, is, most);
        return;
    }
    const struct found_ceiling limits = { j->c->memory.warn_above, j->c->memory.fail_above };
    found_above(&j->r->found, &limits, j->r->was.memory, &(struct found_measure){ FOUND_BYTES, used, limit, VITAL_R_MEMORY },
                limit > 0 ? "%s uses %s of %s" : "%s uses %s", j->who, is, most);
}

static const char *persistence_problem(const char *info)
{
    if (redis_field_is(info, "rdb_last_bgsave_status", "err"))
        return "its last background save failed";
    if (redis_field_is(info, "aof_last_write_status", "err"))
        return "writing its append-only file failed";
    if (redis_field_is(info, "aof_last_bgrewrite_status", "err"))
        return "rewriting its append-only file failed";
    return NULL;
}

static void judge_persistence(const struct judged *j)
{
    double saved = 0, unsaved = 0;
    const char *problem = persistence_problem(j->info);
    number(j, "rdb_changes_since_last_save", REDIS_N_UNSAVED, &unsaved);
    if (redis_field_number(j->info, "rdb_last_save_time", &saved) && saved > 0)
        vital_number(j->p, REDIS_N_SAVE_AGE, difftime(time(NULL), (time_t)saved));
    if (problem && j->c->persistence != REDIS_SAYS_IGNORE && !has_failed(j, VITAL_R_PERSISTENCE))
        found_add(&j->r->found, redis_class(j->c->persistence), VITAL_R_PERSISTENCE, "%s cannot save its data: %s", j->who, problem);
}

static void judge_clients(const struct judged *j)
{
    double clients = 0, most = 0, rejected = 0, other;
    struct redis *r = j->r;
    number(j, "connected_clients", REDIS_N_CLIENTS, &clients);
    number(j, "maxclients", REDIS_N_CLIENTS_MAX, &most);
    number(j, "blocked_clients", REDIS_N_BLOCKED, &other);
    found_above(&r->found, &j->c->clients, r->was.clients, &(struct found_measure){ FOUND_COUNT, clients, most, VITAL_R_TOO_MANY_CLIENTS },
                most > 0 ? "%s has %.0f clients of %.0f" : "%s has %.0f clients", j->who, clients, most);
    if (!number(j, "rejected_connections", REDIS_N_REJECTED, &rejected))
        return;
    if (r->rejected_known && rejected > r->rejected && j->c->rejected != REDIS_SAYS_IGNORE)
        found_add(&r->found, redis_class(j->c->rejected), VITAL_R_TOO_MANY_CLIENTS,
                  "%s has turned %.0f clients away since the last attempt (maxclients)", j->who, rejected - r->rejected);
    r->rejected = rejected;
    r->rejected_known = true;
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

static void judge_loading(const struct judged *j)
{
    double percent = -1, left = -1;
    char span[FOUND_AMOUNT], progress[80] = "";
    if (j->info && redis_field_number(j->info, "loading_loaded_perc", &percent)) {
        vital_number(j->p, REDIS_N_LOADED, percent / 100);
        if (redis_field_number(j->info, "loading_eta_seconds", &left) && left >= 0)
            snprintf(progress, sizeof progress, ": %.0f%% done, %s to go", percent, found_span(left * 1e6, span));
        else
            snprintf(progress, sizeof progress, ": %.0f%% done", percent);
    }
    found_add(&j->r->found, VITAL_FAIL, VITAL_R_LOADING, "%s is loading its data into memory%s", j->who, progress);
}

static bool needs_info(const struct redis_conf *c)
{
    return c->memory.warn_above.set || c->memory.fail_above.set || c->clients.warn_above.set || c->clients.fail_above.set
        || c->lag.warn_above.set || c->lag.fail_above.set || c->lag_bytes.warn_above.set || c->lag_bytes.fail_above.set
        || c->replicas.warn_below.set || c->replicas.fail_below.set;
}

static void sum_up(const struct judged *j, bool master, unsigned online)
{
    double used = 0;
    char amount[FOUND_AMOUNT], span[FOUND_AMOUNT], replicas[40] = "";
    found_span((double)j->s->pinged, span);
    if (!j->info) {
        snprintf(j->r->good, sizeof j->r->good, "%s answers in %s%s", j->who, span,
                 j->s->no_info ? "; INFO is not permitted, so nothing more is known" : "");
        return;
    }
    redis_field_number(j->info, "used_memory", &used);
    if (master && online)
        snprintf(replicas, sizeof replicas, " with %u %s", online, online == 1 ? "replica" : "replicas");
    snprintf(j->r->good, sizeof j->r->good, "%s, a %s%s, answers in %s; %s used", j->who, master ? "master" : "replica", replicas, span,
             found_bytes(used, amount));
}

void redis_server_judge(struct vital_probe *p, struct redis_server *s)
{
    struct judged j = { .p = p, .c = p->conf, .r = p->priv, .s = s, .info = s->info ? s->info->text : NULL };
    bool master = true;
    unsigned online = 0;
    double other;
    snprintf(j.who, sizeof j.who, "%s%s", s->prefix, s->link->where);
    if (s->pinged)
        vital_number(p, REDIS_N_PING, (double)s->pinged / 1e6);
    if (s->loading)
        judge_loading(&j);
    judge_role(&j);
    if (j.info) {
        master = redis_field_is(j.info, "role", "master");
        vital_number(p, REDIS_N_MASTER, master);
        number(&j, "uptime_in_seconds", REDIS_N_UPTIME, &other);
        number(&j, "instantaneous_ops_per_sec", REDIS_N_OPS, &other);
        number(&j, "evicted_keys", REDIS_N_EVICTED, &other);
        judge_memory(&j, master);
        judge_persistence(&j);
        judge_clients(&j);
        if (master)
            online = judge_master(&j);
        else if (!s->loading)
            judge_replica(&j);
    } else {
        judge_link_by_role(&j);
        if (s->no_info && needs_info(j.c))
            found_add(&j.r->found, VITAL_FAIL, VITAL_R_PERMISSION, "%s does not permit INFO, which the configured limits need (+info)", j.who);
    }
    sum_up(&j, master, online);
}
