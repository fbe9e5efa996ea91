/* redis: a server, a Sentinel-guarded master, or a cluster, as the people who run them would look at it. hiredis only
 * formats commands and parses replies; connections, TLS and time are the engine's. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "redis_parts.h"

/* ---- what the parts share ----------------------------------------------------------------------------------- */

enum vital_class redis_class(enum redis_severity severity)
{
    return severity == REDIS_SAYS_FAIL ? VITAL_FAIL : VITAL_WARN;
}

const struct vital_secret *redis_password(const struct redis_conf *c)
{
    return c->password ? c->password : c->url ? c->url->password : NULL;
}

const char *redis_user(const struct redis_conf *c)
{
    return c->user ? c->user : c->url && c->url->user && *c->url->user ? c->url->user : NULL;
}

bool redis_database(const struct redis_conf *c, char room[8])
{
    long long database = c->database;
    if (!database && c->url && !c->url->unix_path && c->url->path && c->url->path[0])
        database = strtoll(c->url->path + 1, NULL, 10);
    snprintf(room, 8, "%d", (int)(database < 0 || database > 99999 ? 0 : database));
    return database > 0;
}

void redis_link_words(struct redis_link *l, unsigned question, const char *const *words)
{
    unsigned count = 0;
    while (words[count])
        count++;
    redis_link_ask(l, question, count, words, NULL);
}

/* At every attempt, on a kept link too: a password that was changed would not show otherwise. */
void redis_link_login(struct vital_probe *p, struct redis_link *l, const char *user, const struct vital_secret *password)
{
    if (!password)
        return;
    size_t len;
    const char *secret = p->host->reveal(password, &len);
    const char *const words[] = { "AUTH", user ? user : secret, secret };
    const size_t lens[] = { 4, user ? strlen(user) : len, len };
    redis_link_ask(l, REDIS_ASK_AUTH, user ? 3 : 2, words, lens);
}

void redis_error(struct redis *r, const char *where, const struct redis_value *v, enum vital_reason other)
{
    char shown[160];
    enum vital_reason reason = v->kind == REDIS_ERROR ? redis_error_reason(v->text, v->len, other) : other;
    if (*r->found.worst && r->found.class == VITAL_FAIL && r->found.reason == reason)
        return; /* said already */
    if (v->kind == REDIS_ERROR)
        found_add(&r->found, VITAL_FAIL, reason, "%s: %s", where, redis_shown(v->text, v->len, 140, shown, sizeof shown));
    else
        found_add(&r->found, VITAL_FAIL, reason, "%s: an answer of another kind than was asked for", where);
}

enum vital_reason redis_end_text(const struct redis_link *l, enum vital_reason reason, const char *text, char *room, size_t size)
{
    const char *when = l->count ? "before it had answered" : "at once";
    if (reason == VITAL_R_OK || reason == VITAL_R_CLOSED) {
        snprintf(room, size, "%s closed the connection %s", l->where, when);
        return VITAL_R_CLOSED;
    }
    if (reason == VITAL_R_RESET)
        snprintf(room, size, "%s reset the connection %s", l->where, when);
    else if (reason == VITAL_R_BAD_REPLY || reason == VITAL_R_TOO_LARGE)
        snprintf(room, size, "%s %s", l->where, text);
    else if (text && strstr(text, l->target.address.port))
        snprintf(room, size, "%s", text);
    else
        snprintf(room, size, "%s: %s", l->where, text && *text ? text : "no connection");
    return reason;
}

/* ---- the end of an attempt ---------------------------------------------------------------------------------- */

static void report_stream(struct vital_probe *p, const struct redis_link *l)
{
    struct vital_stream_info info = { 0 };
    p->host->stream_info(l->io, &info);
    vital_number(p, REDIS_N_RESOLVE, (double)info.resolve / 1e6);
    vital_number(p, REDIS_N_CONNECT, (double)info.connect / 1e6);
    if (info.tls)
        vital_number(p, REDIS_N_TLS, (double)info.tls / 1e6);
}

static void judge_certificate(struct vital_probe *p, const struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    struct vital_cert certs[8];
    unsigned count = p->host->certificates(l->io, certs, 8), first = 0;
    for (unsigned i = 1; i < count; i++)
        if (certs[i].not_after < certs[first].not_after)
            first = i;
    if (!count)
        return;
    double days = difftime((time_t)certs[first].not_after, time(NULL)) / 86400;
    char subject[140];
    vital_number(p, REDIS_N_CERT_DAYS, days);
    redis_shown(certs[first].subject ? certs[first].subject : "?", strlen(certs[first].subject ? certs[first].subject : "?"), 100, subject,
                sizeof subject);
    found_below(&r->found, &c->certificate, r->was.certificate,
                &(struct found_measure){ FOUND_DAYS, days, 0, days < 0 ? VITAL_R_CERT_EXPIRED : VITAL_R_CERT_EXPIRING },
                "the certificate of %s has %.0f days left", subject, days);
}

static void judge_slowness(struct vital_probe *p)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    double took = (double)(vital_now(p) - r->began);
    char is[FOUND_AMOUNT], most[FOUND_AMOUNT];
    vital_number(p, REDIS_N_TOTAL, took / 1e6);
    if (vital_above(&c->warn_above, took, &r->was.slow))
        found_add(&r->found, VITAL_WARN, VITAL_R_SLOW, "the attempt took %s, warns above %s", found_span(took, is),
                  found_span(c->warn_above.enter, most));
}

static void forget_attempt(struct redis *r)
{
    r->running = false;
    redis_server_free(&r->server);
    redis_cluster_free(&r->cluster);
}

void redis_conclude(struct vital_probe *p, const struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    if (l && l->io) {
        if (!l->kept)
            report_stream(p, l);
        judge_certificate(p, l);
    }
    judge_slowness(p);
    forget_attempt(r);
    bool login_refused = *r->found.worst && r->found.reason == VITAL_R_AUTH;
    redis_links_settle(p, &r->links, c->hold && !login_refused);
    if (!found_finish(p, &r->found))
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s", r->good);
}

/* ---- the module --------------------------------------------------------------------------------------------- */

static void redis_start(struct vital_probe *p)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    forget_attempt(r);
    r->running = true;
    r->began = vital_now(p);
    r->found = (struct found){ .class = VITAL_PASS };
    r->good[0] = '\0';
    if (c->mode == REDIS_SENTINEL) {
        redis_sentinel_begin(p);
    } else if (c->mode == REDIS_CLUSTER) {
        redis_cluster_begin(p);
    } else {
        struct redis_target target = { .unix_path = c->url->unix_path, .tls = c->tls };
        snprintf(target.address.host, sizeof target.address.host, "%s", c->url->host ? c->url->host : "");
        snprintf(target.address.port, sizeof target.address.port, "%s", c->url->port ? c->url->port : "");
        redis_server_begin(p, &target, false, "");
    }
}

static void redis_cancel(struct vital_probe *p)
{
    struct redis *r = p->priv;
    forget_attempt(r);
    redis_links_cut(p, &r->links);
}

static void redis_release(struct vital_probe *p)
{
    struct redis *r = p->priv;
    forget_attempt(r);
    redis_links_free(&r->links);
}

/* ---- prepare() ---------------------------------------------------------------------------------------------- */

static bool check_url(const struct redis_conf *c, struct vital_diag *d)
{
    const struct vital_url *u = c->url;
    if (!u)
        return true;
    if (!u->unix_path && strcmp(u->scheme, "redis") != 0 && strcmp(u->scheme, "rediss") != 0) {
        d->error(d, "url", "%s:// is no scheme of Redis: use redis://, rediss:// (TLS) or unix:/path", u->scheme);
        return false;
    }
    if (!u->unix_path && (!u->host || !*u->host)) {
        d->error(d, "url", "there is no host in it");
        return false;
    }
    size_t digits = u->unix_path || !u->path ? 0 : strspn(u->path + 1, "0123456789");
    if (!u->unix_path && u->path && (u->path[1 + digits] || digits > 5)) {
        d->error(d, "url", "what follows the host is the number of a database, as in redis://host/2");
        return false;
    }
    if (digits && c->database && strtoll(u->path + 1, NULL, 10) != c->database) {
        d->error(d, "database", "the URL names another one: give it in one place");
        return false;
    }
    return true;
}

static bool check_login(const struct redis_conf *c, struct vital_diag *d)
{
    bool good = true;
    if (c->password && c->url && c->url->password) {
        d->error(d, "password", "the URL has a password too: give it in one place");
        good = false;
    }
    if (redis_user(c) && !redis_password(c)) {
        d->error(d, "user", "a user needs a password (to give only a password write redis://:PASSWORD@host)");
        good = false;
    }
    if (c->sentinel_user && !c->sentinel_password) {
        d->error(d, "sentinel_user", "a user needs a password: `sentinel_password`");
        good = false;
    }
    if (c->tls && c->url && c->url->unix_path)
        d->warning(d, "tls", "over a unix socket there is no host name to verify: give tls: { name: ... }");
    return good;
}

static bool check_hosts(const struct redis_conf *c, struct vital_diag *d)
{
    const char *const *hosts = c->hosts.items;
    bool good = true;
    for (unsigned i = 0; i < c->hosts.count; i++) {
        struct redis_address a;
        const char *why = redis_address_parse(hosts[i], "6379", &a);
        if (why) {
            d->error(d, "hosts", "\"%s\": %s", hosts[i], why);
            good = false;
        }
    }
    return good;
}

static bool needs(struct vital_diag *d, bool has, const char *option, const char *text)
{
    if (!has)
        d->error(d, option, "%s", text);
    return has;
}

static bool has_server_options(const struct redis_conf *c)
{
    return c->role != REDIS_ROLE_ANY || c->write_test || c->database || c->commands.count || c->memory.warn_above.set
        || c->memory.fail_above.set || c->clients.warn_above.set || c->clients.fail_above.set || c->lag.warn_above.set
        || c->lag.fail_above.set || c->lag_bytes.warn_above.set || c->lag_bytes.fail_above.set;
}

static bool check_mode(const struct redis_conf *c, struct vital_diag *d)
{
    bool has_hosts = redis_seeds_count(c) > 0, good = true;
    switch (c->mode) {
    case REDIS_STANDALONE:
        good &= needs(d, c->url, "url", "say where the server is: redis://host:port (or set `mode: sentinel` or `mode: cluster`)");
        good &= needs(d, !c->hosts.count, "hosts", "several hosts need `mode: sentinel` or `mode: cluster`");
        good &= needs(d, !c->master, "master", "the name of a master needs `mode: sentinel`");
        break;
    case REDIS_SENTINEL:
        good &= needs(d, has_hosts, "hosts", "list the Sentinels: [host:26379, ...]");
        good &= needs(d, c->master, "master", "say which master the Sentinels are to be asked about (`sentinel monitor NAME ...`)");
        good &= needs(d, c->role != REDIS_ROLE_REPLICA, "role", "Sentinel leads to the master; a replica is checked in mode standalone");
        break;
    case REDIS_CLUSTER:
        good &= needs(d, has_hosts, "hosts", "list some nodes of the cluster: [host:6379, ...]");
        good &= needs(d, !c->master, "master", "the name of a master needs `mode: sentinel`");
        good &= needs(d, !has_server_options(c), "mode", "cluster looks at slots and nodes: for role, memory, clients, lag, write_test or "
                      "commands add a probe with the node's own url");
        break;
    }
    return good;
}

static bool check_info(const struct redis_conf *c, struct vital_diag *d)
{
    bool limits = c->memory.warn_above.set || c->memory.fail_above.set || c->clients.warn_above.set || c->clients.fail_above.set
               || c->lag.warn_above.set || c->lag.fail_above.set || c->lag_bytes.warn_above.set || c->lag_bytes.fail_above.set
               || c->replicas.warn_below.set || c->replicas.fail_below.set;
    return needs(d, c->info || !limits || c->mode == REDIS_CLUSTER, "info", "limits on memory, clients, lag and replicas are read from INFO: leave it on");
}

static bool redis_prepare(void *conf, struct vital_diag *d)
{
    const struct redis_conf *c = conf;
    const struct redis_command *commands = c->commands.items;
    bool good = check_url(c, d);
    good &= check_hosts(c, d);
    good &= check_mode(c, d);
    good &= check_login(c, d);
    good &= check_info(c, d);
    for (unsigned i = 0; i < c->commands.count; i++)
        good &= redis_command_check(&commands[i], d);
    return good;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

static const char *const mode_words[] = { "standalone", "sentinel", "cluster", NULL };
static const char *const role_words[] = { "any", "master", "replica", NULL };

static const struct vital_opt memory_rows[] = {
    FOUND_CEILING_ROWS(struct redis_memory_conf, VITAL_IN_BYTES | VITAL_PERCENT, "more memory is used than this: a size, or a share of maxmemory"),
    VITAL_OPT(struct redis_memory_conf, full, WORD, .words = found_severities, .def = "fail",
              .help = "what it means that maxmemory is reached and nothing may be evicted, so that writes are refused"),
    VITAL_OPT_END,
};
static const struct vital_opt clients_rows[] = {
    FOUND_CEILING_ROWS(struct found_ceiling, VITAL_PERCENT, "more clients are connected than this: a count, or a share of maxclients"), VITAL_OPT_END,
};
static const struct vital_opt lag_rows[] = {
    FOUND_CEILING_ROWS(struct found_ceiling, VITAL_IN_TIME,
                 "a replica has not heard from its master for longer than this; on a master: has not heard from its slowest replica"),
    VITAL_OPT_END,
};
static const struct vital_opt lag_bytes_rows[] = {
    FOUND_CEILING_ROWS(struct found_ceiling, VITAL_IN_BYTES, "on a master, the farthest replica is more bytes behind than this"), VITAL_OPT_END,
};
static const struct vital_opt replicas_rows[] = {
    FOUND_FLOOR_ROWS(struct found_floor, "the master has fewer replicas online than this; in a cluster: any of the masters"), VITAL_OPT_END,
};
static const struct vital_opt certificate_rows[] = {
    FOUND_FLOOR_ROWS(struct found_floor, "a certificate of the server's chain has fewer days left than this"), VITAL_OPT_END,
};

static const struct vital_opt command_rows[] = {
    VITAL_OPT(struct redis_command, command, STRINGS, .flags = VITAL_BARE | VITAL_REQUIRED, .min = 1, .max = REDIS_WORDS_MAX,
              .help = "the command: one text, split at its spaces, or a list of words"),
    VITAL_OPT(struct redis_command, name, STRING, .help = "what it is called in texts and metrics; default: the command"),
    VITAL_OPT(struct redis_command, equals, STRING, .help = "the answer must be exactly this; a missing key is (nil)"),
    VITAL_OPT(struct redis_command, matches, REGEX, .help = "regular expression that the answer must match"),
    FOUND_CEILING_ROWS(struct redis_command, 0, "the answer, a number or the length of an array, is above this"),
    FOUND_FLOOR_ROWS(struct redis_command, "the answer, a number or the length of an array, is below this"),
    VITAL_OPT_END,
};

static const struct vital_opt redis_opts[] = {
    VITAL_OPT(struct redis_conf, url, URL, .flags = VITAL_BARE | VITAL_TARGET,
              .help = "redis://[[user]:password@]host[:port][/database], rediss:// for TLS, or unix:/path"),
    VITAL_OPT(struct redis_conf, hosts, STRINGS, .flags = VITAL_TARGET, .min = 1, .max = REDIS_HOSTS_MAX, .also = "host port sentinels nodes address",
              .help = "Sentinels, or some nodes of the cluster: host:port, asked in this order until one answers; `url` is one more"),
    VITAL_OPT(struct redis_conf, mode, WORD, .words = mode_words, .def = "standalone",
              .help = "one server, the master that Sentinels name, or a cluster"),
    VITAL_OPT(struct redis_conf, master, STRING, .flags = VITAL_TARGET, .help = "the master's name as Sentinel knows it", .also = "master_name"),
    VITAL_OPT(struct redis_conf, user, STRING, .help = "ACL user; default: the URL's, or none (the password alone is sent)", .also = "username"),
    VITAL_OPT(struct redis_conf, password, SECRET, .help = "password; default: the URL's"),
    VITAL_OPT(struct redis_conf, database, INT, .min = 0, .max = 99999, .help = "number of the database; default: the URL's, or 0", .also = "db dbname"),
    VITAL_OPT(struct redis_conf, tls, TLS, .def = "auto", .also = "ssl sslmode", .help = "TLS to the servers; auto: for rediss://"),
    VITAL_OPT(struct redis_conf, sentinel_user, STRING, .help = "ACL user on the Sentinels, which have logins of their own"),
    VITAL_OPT(struct redis_conf, sentinel_password, SECRET, .help = "password on the Sentinels"),
    VITAL_OPT(struct redis_conf, sentinel_tls, TLS, .def = "auto", .help = "TLS to the Sentinels; auto: for rediss://"),
    VITAL_OPT(struct redis_conf, hold, BOOL, .def = "true",
              .help = "keep the connections between attempts: one that the server closes starts an attempt at once"),
    VITAL_OPT(struct redis_conf, role, WORD, .words = role_words, .def = "any", .help = "what ROLE must say"),
    VITAL_OPT(struct redis_conf, info, BOOL, .def = "true", .help = "ask for INFO: false for users that may not; then there are few numbers"),
    VITAL_OPT(struct redis_conf, link, WORD, .words = found_severities, .def = "fail", .help = "what it means that a replica's link to its master is down"),
    VITAL_OPT(struct redis_conf, persistence, WORD, .words = found_severities, .def = "warn",
              .help = "what it means that the last save failed; writes refused for it (MISCONF) always fail"),
    VITAL_OPT(struct redis_conf, rejected, WORD, .words = found_severities, .def = "warn",
              .help = "what it means that clients were turned away (maxclients) since the last attempt"),
    VITAL_OPT(struct redis_conf, quorum, WORD, .words = found_severities, .def = "warn",
              .help = "what it means that no Sentinel asked could fail the master over: no quorum, no majority, or TILT"),
    VITAL_OPT(struct redis_conf, failed_nodes, WORD, .words = found_severities, .def = "warn",
              .help = "what it means that a node of the cluster has failed while all slots are served"),
    VITAL_OPT(struct redis_conf, write_test, STRING, .help = "a key to write at every attempt; it expires after a minute", .also = "write"),
    VITAL_OPT_BLOCK(struct redis_conf, memory, memory_rows, .help = "memory used"),
    VITAL_OPT_BLOCK(struct redis_conf, clients, clients_rows, .help = "clients connected"),
    VITAL_OPT_BLOCK(struct redis_conf, replicas, replicas_rows, .help = "replicas that are online"),
    VITAL_OPT_BLOCK(struct redis_conf, lag, lag_rows, .help = "silence between master and replica, in time"),
    VITAL_OPT_BLOCK(struct redis_conf, lag_bytes, lag_bytes_rows, .help = "distance between master and replica, in bytes"),
    VITAL_OPT(struct redis_conf, commands, BLOCKS, .rows = command_rows, .row_size = sizeof(struct redis_command), .min = 0,
              .max = REDIS_COMMANDS_MAX, .help = "commands of your own, and what they must answer", .also = "command query queries"),
    VITAL_OPT(struct redis_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_BLOCK(struct redis_conf, certificate, certificate_rows, .help = "days that the certificates must still be valid"),
    VITAL_OPT_END,
};

#define NUMBER(row, name, unit, help) [row] = { name, unit, help, false, NULL }
#define COUNTER(row, name, help) [row] = { name, "", help, true, NULL }

static const struct vital_number redis_numbers[] = {
    NUMBER(REDIS_N_RESOLVE, "resolve_seconds", "seconds", "time to resolve the name, when a connection was made"),
    NUMBER(REDIS_N_CONNECT, "connect_seconds", "seconds", "time to connect, when a connection was made"),
    NUMBER(REDIS_N_TLS, "tls_seconds", "seconds", "time of the TLS handshake, when a connection was made"),
    NUMBER(REDIS_N_TOTAL, "total_seconds", "seconds", "time from the start of the attempt to its result"),
    NUMBER(REDIS_N_CERT_DAYS, "certificate_days", "days", "how long until the first certificate of the chain expires; negative: since when it has"),
    NUMBER(REDIS_N_PING, "ping_seconds", "seconds", "time from PING to PONG"),
    NUMBER(REDIS_N_UPTIME, "uptime_seconds", "seconds", "since the server started"),
    NUMBER(REDIS_N_MASTER, "master", "", "1 for a master, 0 for a replica"),
    NUMBER(REDIS_N_MEMORY, "used_memory_bytes", "bytes", "memory allocated by the server"),
    NUMBER(REDIS_N_MEMORY_MAX, "max_memory_bytes", "bytes", "its limit (maxmemory); 0 = none"),
    NUMBER(REDIS_N_MEMORY_RATIO, "used_memory_ratio", "ratio", "used memory as a share of maxmemory, where there is one"),
    NUMBER(REDIS_N_CLIENTS, "clients", "", "connected clients"),
    NUMBER(REDIS_N_CLIENTS_MAX, "max_clients", "", "their limit (maxclients)"),
    NUMBER(REDIS_N_BLOCKED, "blocked_clients", "", "clients that wait in a blocking command"),
    COUNTER(REDIS_N_REJECTED, "rejected_connections", "clients turned away for maxclients since the server started"),
    COUNTER(REDIS_N_EVICTED, "evicted_keys", "keys evicted for lack of memory since the server started"),
    NUMBER(REDIS_N_OPS, "operations_per_second", "", "commands a second, as the server counts them"),
    NUMBER(REDIS_N_SAVE_AGE, "save_age_seconds", "seconds", "since the last successful save"),
    NUMBER(REDIS_N_UNSAVED, "unsaved_changes", "", "changes since the last save"),
    NUMBER(REDIS_N_LINK_UP, "link_up", "", "on a replica: 1 when the link to its master is up"),
    NUMBER(REDIS_N_LAG, "lag_seconds", "seconds", "on a replica: since it last heard from its master"),
    NUMBER(REDIS_N_REPLICAS, "replicas", "", "on a master: replicas that are online"),
    [REDIS_N_REPLICA_LAG] = { "replica_lag_seconds", "seconds", "on a master: since the replica last reported", false, "replica" },
    [REDIS_N_REPLICA_LAG_BYTES] = { "replica_lag_bytes", "bytes", "on a master: how far the replica is behind", false, "replica" },
    NUMBER(REDIS_N_LOADED, "loaded_ratio", "ratio", "while the server loads its data: how much of it"),
    [REDIS_N_COMMAND] = { "command_value", "", "what a command of yours answered, when it is a number", false, "command" },
    NUMBER(REDIS_N_SENTINELS, "sentinels", "", "Sentinels that can be used, says the one that was asked"),
    NUMBER(REDIS_N_TILT, "sentinel_tilt", "", "1 when the Sentinel that was asked is in TILT mode"),
    NUMBER(REDIS_N_SLOTS, "cluster_slots_served", "", "slots of the cluster that have a working master"),
    NUMBER(REDIS_N_NODES, "cluster_nodes", "", "nodes that the cluster knows"),
    NUMBER(REDIS_N_NODES_FAILED, "cluster_nodes_failed", "", "of them, those that it calls failed"),
    NUMBER(REDIS_N_MASTERS, "cluster_masters", "", "working masters with slots"),
    NUMBER(REDIS_N_MASTER_REPLICAS, "cluster_fewest_replicas", "", "working replicas of the master that has the fewest"),
    { .name = NULL },
};

static const struct vital_module redis_module = {
    VITAL_MODULE_HEAD,
    .name = "redis",
    .summary = "Redis: a server, the master behind Sentinels, or a cluster",
    .manual =
        "A plain PING says PONG while nothing can be written, while a replica is cut off, or while half a cluster is gone. One attempt asks for all of "
        "that in a single round trip: AUTH, SELECT, PING, ROLE (when `role` is set), INFO, and what `write_test` and `commands` add. Without any "
        "further option these fail: no answer, a refused login, a server that loads its data, is busy with a script or refuses writes (MISCONF, or "
        "maxmemory reached with nothing to evict), and a replica whose link to its master is down. A failed save and clients turned away warn.\n\n"
        "The user needs +ping, and +info, +role, +auth, +select, +set where those are asked for. In a cluster: +cluster|info +cluster|nodes.\n\n"
        "`hold: true` keeps the connection. The login is repeated on it at every attempt, so that a changed password shows; that no new client gets in "
        "any more shows by `clients` and `rejected`. Set `hold: false` to make a new connection every time.\n\n"
        "`mode: sentinel` asks the Sentinels, in order, until one answers with a quorum (SENTINEL CKQUORUM), where the master is, at every attempt, and "
        "then looks at that server as above; its ROLE must be master. The Sentinels' own login is `sentinel_user` and `sentinel_password`.\n\n"
        "`mode: cluster` asks any of the nodes for the cluster's state and map, and then every master that has slots (16 of them at a time) whether it, "
        "too, sees the cluster whole: a node that misses slots may be the only one to know. A failed node whose slots are served by others only "
        "warns, or what `failed_nodes` says; `replicas` says how many working replicas each master must have.\n\n"
        "Replies are limited to 256 KiB, arrays to 1024 elements.",
    .opts = redis_opts,
    .numbers = redis_numbers,
    .conf_size = sizeof(struct redis_conf),
    .priv_size = sizeof(struct redis),
    .outside = true,
    .prepare = redis_prepare,
    .start = redis_start,
    .cancel = redis_cancel,
    .release = redis_release,
};
VITAL_EXPORT(redis_module);
