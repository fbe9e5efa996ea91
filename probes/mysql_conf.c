#include <stdio.h>
#include <stdlib.h>

#include "mysql_parts.h"

/* ---- what the options come to ------------------------------------------------------------------------------- */

unsigned mysql_sslmode(const struct mysql_conf *c)
{
    return c->sslmode != MYSQL_SSL_AUTO ? c->sslmode : c->tls.ca ? MYSQL_SSL_VERIFY_FULL : MYSQL_SSL_DISABLE;
}

const char *mysql_user(const struct mysql_conf *c)
{
    return c->user ? c->user : c->url ? c->url->user : NULL;
}

const struct vital_secret *mysql_password(const struct mysql_conf *c)
{
    return c->password ? c->password : c->url ? c->url->password : NULL;
}

const char *mysql_socket(const struct mysql_conf *c)
{
    return c->socket ? c->socket : c->url ? c->url->unix_path : NULL;
}

const char *mysql_host(const struct mysql_conf *c)
{
    return c->host ? c->host : c->url && c->url->host ? c->url->host : "";
}

unsigned mysql_port_number(const struct mysql_conf *c)
{
    long port = c->port ? (long)c->port : c->url && c->url->port ? strtol(c->url->port, NULL, 10) : 3306;
    return (unsigned)port;
}

static int hex(char digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
         : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool mysql_database(const struct mysql_conf *c, char *room, size_t size)
{
    const char *t = c->database ? c->database : c->url && c->url->path && *c->url->path ? c->url->path + 1 : "";
    size_t at = 0;
    for (; *t && (c->database || *t != '?'); t++) {
        int high = !c->database && *t == '%' ? hex(t[1]) : -1, low = high < 0 ? -1 : hex(t[2]);
        bool coded = low >= 0 && high + low > 0;
        if (at + 1 >= size || (!c->database && (*t == '/' || (*t == '%' && !coded))))
            return false;
        room[at++] = coded ? (char)(high * 16 + low) : *t;
        t += coded ? 2 : 0;
    }
    room[at] = '\0';
    return true;
}

const char *mysql_where(const struct mysql_conf *c, char room[MYSQL_WHERE])
{
    const char *host = mysql_host(c);
    if (mysql_socket(c))
        snprintf(room, MYSQL_WHERE, "%.120s", mysql_socket(c));
    else
        snprintf(room, MYSQL_WHERE, strchr(host, ':') ? "[%.120s]:%u" : "%.120s:%u", host, mysql_port_number(c));
    return room;
}

const char *mysql_target(const void *conf, char *room, size_t size)
{
    char where[MYSQL_WHERE], database[256];
    bool named = mysql_database(conf, database, sizeof database) && *database;
    snprintf(room, size, "%s%s%s", mysql_where(conf, where), named ? "/" : "", named ? database : "");
    return room;
}

const char *mysql_query_name(const struct mysql_conf *c, unsigned which, char *room, size_t size)
{
    const struct mysql_query *q = (const struct mysql_query *)c->queries.items + which;
    if (q->name)
        snprintf(room, size, "%s", q->name);
    else
        snprintf(room, size, "query %u", which + 1);
    return room;
}

bool mysql_needs_replication(const struct mysql_conf *c)
{
    return c->replication == MYSQL_REPLICATION_REQUIRED || c->lag.warn_above.set || c->lag.fail_above.set
        || (c->role == MYSQL_ROLE_REPLICA && c->replication != MYSQL_REPLICATION_IGNORE);
}

/* ---- prepare() ---------------------------------------------------------------------------------------------- */

static bool needs(struct vital_diag *d, bool good, const char *option, const char *text)
{
    if (!good)
        d->error(d, option, "%s", text);
    return good;
}

static bool check_url(const struct mysql_conf *c, struct vital_diag *d)
{
    const struct vital_url *u = c->url;
    char database[256];
    if (!u)
        return true;
    if (!u->unix_path && strcmp(u->scheme, "mysql") != 0 && strcmp(u->scheme, "mariadb") != 0) {
        d->error(d, "url", "%s:// is no scheme of MySQL: use mysql://, mariadb:// or unix:/path", u->scheme);
        return false;
    }
    if (u->path && strchr(u->path, '?'))
        d->warning(d, "url", "what follows the ? is not used: drivers disagree about its meaning; write it as options beside `url`");
    return needs(d, u->unix_path || (u->host && *u->host), "url", "there is no host in it")
        & needs(d, c->database || mysql_database(c, database, sizeof database), "url",
                "what follows the host is the name of a database, as in mysql://host/app");
}

static bool check_target(const struct mysql_conf *c, struct vital_diag *d)
{
    int given = (c->url != NULL) + (c->host != NULL) + (c->socket != NULL);
    bool url_names_one = c->url && !c->url->unix_path && c->url->path && strlen(c->url->path) > 1 && c->url->path[1] != '?';
    return needs(d, given > 0, "url", "say where the server is: url, or host, or socket")
        & needs(d, given < 2, "url", "the server is named twice: give one of url, host, socket")
        & needs(d, !c->port || c->host, "port", "goes with `host`; in a URL it stands behind the host")
        & needs(d, !strpbrk(mysql_host(c), ", \t/"), "host", "one name or address (for several servers, several probes and a group)")
        & needs(d, !c->database || !url_names_one, "database", "the URL names one too: give it in one place");
}

static bool check_login(const struct mysql_conf *c, struct vital_diag *d)
{
    const char *user = mysql_user(c);
    return needs(d, user && *user, "user", "say who logs in: `user`, or in the URL")
        & needs(d, !c->user || !c->url || !c->url->user || !*c->url->user, "user", "the URL has a user too: give it in one place")
        & needs(d, !c->password || !c->url || !c->url->password, "password", "the URL has a password too: give it in one place");
}

static bool check_tls(const struct mysql_conf *c, struct vital_diag *d)
{
    unsigned mode = mysql_sslmode(c);
    bool files = c->tls.ca || c->tls.cert || c->tls.key;
    if (mode == MYSQL_SSL_REQUIRE && c->tls.ca)
        d->warning(d, "tls", "nothing is verified with sslmode require: set verify-full (or verify-ca)");
    return needs(d, !c->tls.cert == !c->tls.key, "tls", "a client certificate needs both `cert` and `key`")
        & needs(d, mode != MYSQL_SSL_DISABLE || !files, "tls", "certificates are given, but there is no TLS: set sslmode: verify-full or require")
        & needs(d, mode != MYSQL_SSL_VERIFY_CA || c->tls.ca, "sslmode", "verify-ca needs `tls: { ca: ... }`: whoever any CA of the system knows would do")
        & needs(d, mode != MYSQL_SSL_VERIFY_FULL || !mysql_socket(c), "sslmode",
                "over a unix socket there is no host name to verify: set sslmode: disable or verify-ca");
}

static bool check_queries(const struct mysql_conf *c, struct vital_diag *d)
{
    const struct mysql_query *q = c->queries.items;
    bool good = true;
    for (unsigned i = 0; i < c->queries.count; i++) {
        good &= needs(d, q[i].query[strspn(q[i].query, " \t\n;")] != 0, "queries", "a query is empty");
        good &= needs(d, q[i].max_rows < 0 || q[i].min_rows <= q[i].max_rows, "queries", "`min_rows` is above `max_rows`: no answer can fulfil both");
    }
    return good;
}

bool mysql_prepare(void *conf, struct vital_diag *d)
{
    const struct mysql_conf *c = conf;
    bool lag = c->lag.warn_above.set || c->lag.fail_above.set;
    bool good = check_url(c, d);
    good &= check_target(c, d);
    good &= check_login(c, d);
    good &= check_tls(c, d);
    good &= check_queries(c, d);
    good &= needs(d, !lag || c->replication != MYSQL_REPLICATION_IGNORE, "lag", "is part of replication, which is ignored");
    good &= needs(d, !c->gtid || mysql_gtid_form(c->gtid), "gtid",
                  "a position is 0-1-100 (MariaDB; several by commas) or 3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5 (MySQL)");
    return good;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static const char *const sslmode_words[] = { "auto", "disable", "require", "verify-ca", "verify-full", NULL };
static const char *const role_words[] = { "any", "primary", "replica", NULL };
static const char *const replication_words[] = { "auto", "required", "ignore", NULL };

static const struct vital_opt tls_rows[] = {
    VITAL_OPT(struct mysql_tls_conf, ca, STRING, .flags = VITAL_PATHNAME, .help = "file of CA certificates; default: the system's", .also = "ssl_ca"),
    VITAL_OPT(struct mysql_tls_conf, cert, STRING, .flags = VITAL_PATHNAME, .help = "client certificate chain (PEM file)", .also = "ssl_cert"),
    VITAL_OPT(struct mysql_tls_conf, key, SECRET, .help = "its private key (PEM), usually { file: PATH }", .also = "ssl_key"),
    VITAL_OPT_END,
};
static const struct vital_opt lag_rows[] = {
    VITAL_OPT(struct found_ceiling, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when a channel is farther behind its source than this"),
    VITAL_OPT(struct found_ceiling, fail_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "fail when a channel is farther behind its source than this"),
    VITAL_OPT_END,
};
static const struct vital_opt connections_rows[] = {
    VITAL_OPT(struct found_ceiling, warn_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "warn when more connections are open: a count, or a share of max_connections"),
    VITAL_OPT(struct found_ceiling, fail_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "fail when more connections are open: a count, or a share of max_connections"),
    VITAL_OPT_END,
};
static const struct vital_opt query_rows[] = {
    VITAL_OPT(struct mysql_query, query, STRING, .flags = VITAL_BARE | VITAL_REQUIRED,
              .help = "one statement that only reads; the first column of its first row is its value"),
    VITAL_OPT(struct mysql_query, name, STRING, .help = "what it is called in texts and metrics; default: query 1 ..."),
    VITAL_OPT(struct mysql_query, equals, STRING, .help = "the value must be exactly this"),
    VITAL_OPT(struct mysql_query, matches, REGEX, .help = "regular expression that the value must match"),
    VITAL_OPT(struct mysql_query, warn_above, THRESHOLD, .help = "warn when the value, a number, is above this"),
    VITAL_OPT(struct mysql_query, fail_above, THRESHOLD, .help = "fail when the value, a number, is above this"),
    VITAL_OPT(struct mysql_query, warn_below, THRESHOLD, .help = "warn when the value, a number, is below this"),
    VITAL_OPT(struct mysql_query, fail_below, THRESHOLD, .help = "fail when the value, a number, is below this"),
    VITAL_OPT(struct mysql_query, min_rows, INT, .min = 0, .max = MYSQL_ROWS_MAX, .def = "0", .help = "fewer rows fail", .also = "rows_min rows"),
    VITAL_OPT(struct mysql_query, max_rows, INT, .min = -1, .max = MYSQL_ROWS_MAX, .def = "-1", .help = "more rows fail; -1 = any number, up to 10000", .also = "rows_max"),
    VITAL_OPT_END,
};

const struct vital_opt mysql_opts[] = {
    VITAL_OPT(struct mysql_conf, url, URL, .flags = VITAL_BARE | VITAL_TARGET,
              .help = "mysql://user:password@host[:port][/database], mariadb:// or unix:/path"),
    VITAL_OPT(struct mysql_conf, host, STRING, .flags = VITAL_TARGET, .help = "instead of a URL: name or address; localhost is TCP too"),
    VITAL_OPT(struct mysql_conf, port, INT, .flags = VITAL_TARGET, .min = 1, .max = 65535, .help = "its port; default: 3306"),
    VITAL_OPT(struct mysql_conf, socket, STRING, .flags = VITAL_TARGET | VITAL_PATHNAME, .help = "instead of a host: the server's unix socket"),
    VITAL_OPT(struct mysql_conf, user, STRING, .help = "who logs in; default: the URL's", .also = "username"),
    VITAL_OPT(struct mysql_conf, password, SECRET, .help = "password; default: the URL's"),
    VITAL_OPT(struct mysql_conf, database, STRING, .flags = VITAL_TARGET, .help = "database that must exist, and that queries use; default: the URL's, or none",
              .also = "dbname db schema"),
    VITAL_OPT(struct mysql_conf, sslmode, WORD, .words = sslmode_words, .def = "auto", .also = "ssl_mode ssl",
              .help = "require: encrypted; verify-ca: by somebody whom `tls: ca` trusts; verify-full: and for this host; auto: verify-full with a `ca`, else disable"),
    VITAL_OPT_BLOCK(struct mysql_conf, tls, tls_rows, .help = "certificates, for the `sslmode`s that use them"),
    VITAL_OPT(struct mysql_conf, role, WORD, .words = role_words, .def = "any", .help = "primary: read_only must be off; replica: it must be on"),
    VITAL_OPT(struct mysql_conf, replication, WORD, .words = replication_words, .def = "auto",
              .help = "required: this is a replica and all its channels run; auto: what there is must run, on a writable server it only warns"),
    VITAL_OPT_BLOCK(struct mysql_conf, lag, lag_rows, .help = "how far replication is behind (Seconds_Behind_Source)"),
    VITAL_OPT_BLOCK(struct mysql_conf, connections, connections_rows, .help = "connections that are open"),
    VITAL_OPT(struct mysql_conf, gtid, STRING, .help = "position that the server must have reached: 0-1-100 (MariaDB) or UUID:1-5 (MySQL)"),
    VITAL_OPT(struct mysql_conf, queries, BLOCKS, .rows = query_rows, .row_size = sizeof(struct mysql_query), .min = 0, .max = MYSQL_QUERIES_MAX,
              .help = "queries of your own, and what they must answer", .also = "query sql"),
    VITAL_OPT(struct mysql_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_END,
};
