/* Options, what they must fulfil together, and how URL and options become one login. */
#include <stdio.h>
#include <stdlib.h>

#include "postgres_parts.h"

/* ---- one login ---------------------------------------------------------------------------------------------- */

const struct vital_secret *pg_password(const struct pg_conf *c)
{
    return c->password ? c->password : c->url ? c->url->password : NULL;
}

static const char *path_of(const struct pg_conf *c)
{
    return c->url ? c->url->path : NULL;
}

static const char *read_hosts(const struct pg_conf *c, struct pg_login *l, const char **option)
{
    const char *const *hosts = c->hosts.items, *why = NULL;
    const struct vital_url *u = c->url;
    char other[256];
    *option = "hosts";
    for (unsigned i = 0; i < c->hosts.count && !why; i++)
        why = pg_host_parse(hosts[i], "5432", &l->hosts[l->host_count++]);
    if (!u || why)
        return why;
    *option = "url";
    struct pg_host *h = &l->hosts[0];
    const char *port = u->port ? u->port : "5432";
    l->host_count = 1;
    if (u->unix_path)
        pg_host_of_socket(u->unix_path, port, h);
    else if (pg_url_value(u->path, "host", other, sizeof other))    /* postgres:///db?host=/run/postgresql */
        return pg_host_parse(other, port, h);
    else if (u->host && *u->host)
        snprintf(h->host, sizeof h->host, "%s", u->host);
    else
        return "there is no host in it: write postgres://host/database, or postgres:///database?host=/run/postgresql for a socket";
    if (!u->unix_path)
        snprintf(h->port, sizeof h->port, "%s", port);
    return NULL;
}

static const char *read_sslmode(const struct pg_conf *c, struct pg_login *l, const char **option)
{
    char word[16];
    bool from_url = !c->sslmode && pg_url_value(path_of(c), "sslmode", word, sizeof word);
    if (!c->sslmode && !from_url) {
        l->sslmode = PG_SSL_AUTO;
        return NULL;
    }
    *option = from_url ? "url" : "sslmode";
    l->sslmode = pg_sslmode_of(from_url ? word : c->sslmode);
    if (l->sslmode == PG_SSL_REFUSED && from_url)
        l->sslmode = PG_SSL_AUTO;       /* the application's habit; said by a warning */
    if (l->sslmode == PG_SSL_REFUSED)
        return "prefer and allow fall back to clear text without a word: say require, verify-ca or verify-full, or disable where the network is "
               "trusted; auto does the same as prefer, but says so in the result";
    return l->sslmode == PG_SSL_UNKNOWN ? "expected auto, disable, require, verify-ca or verify-full as sslmode" : NULL;
}

static void take(char *room, size_t size, const char *given, const char *from_url, const char *other)
{
    snprintf(room, size, "%s", given && *given ? given : from_url && *from_url ? from_url : other);
}

const char *pg_login_read(const struct pg_conf *c, struct pg_login *l, const char **option)
{
    char room[256], flag[8];
    *l = (struct pg_login){ .host_count = 0 };
    const char *path = path_of(c), *why = read_hosts(c, l, option);
    if (!why)
        why = read_sslmode(c, l, option);
    bool user = pg_url_value(path, "user", room, sizeof room);
    take(l->user, sizeof l->user, c->user, c->url && c->url->user && *c->url->user ? c->url->user : user ? room : NULL, "postgres");
    bool database = pg_url_database(path, room, sizeof room) || pg_url_value(path, "dbname", room, sizeof room);
    take(l->database, sizeof l->database, c->database, database ? room : NULL, l->user);
    bool ca = pg_url_value(path, "sslrootcert", room, sizeof room) && *room == '/';
    take(l->ca, sizeof l->ca, c->tls.ca, ca ? room : NULL, "");
    l->pooler = c->pooler || (pg_url_value(path, "pgbouncer", flag, sizeof flag) && !strcmp(flag, "true"));
    return why;
}

/* ---- prepare() ---------------------------------------------------------------------------------------------- */

/* What libpq reads from the environment and no keyword overrides. Removing from the environment moves pointers only, so
 * that a thread that reads it meanwhile is not harmed. */
static void clear_environment(void)
{
    static const char *const names[] = { "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGOPTIONS", "PGDATESTYLE", "PGTZ", "PGGEQO",
                                         "PGREQUIRESSL", "PGREQUIREPEER", "PGHOSTADDR", "PGGSSLIB", "PGLOCALEDIR" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            unsetenv(names[i]);
}

static bool check(struct vital_diag *d, bool good, const char *option, const char *text)
{
    if (!good)
        d->error(d, option, "%s", text);
    return good;
}

/* A driver may follow: postgresql+asyncpg. */
static bool is_scheme(const char *scheme, const char *word)
{
    size_t len = strcspn(scheme, "+");
    return len == strlen(word) && !strncmp(scheme, word, len);
}

static bool check_target(const struct pg_conf *c, struct vital_diag *d)
{
    const char *scheme = c->url && !c->url->unix_path ? c->url->scheme : NULL;
    bool good = check(d, !c->url != !c->hosts.count, c->url ? "hosts" : "url",
                      c->url ? "give either `url` or `hosts`" : "say where the server is: postgres://user@host/database, or a list `hosts`");
    if (scheme && !is_scheme(scheme, "postgresql") && !is_scheme(scheme, "postgres")) {
        d->error(d, "url", "%s:// is no scheme of PostgreSQL: use postgres://, or unix:/directory", scheme);
        good = false;
    }
    return good;
}

static bool check_login(const struct pg_conf *c, struct vital_diag *d)
{
    bool good = check(d, !c->password || !c->url || !c->url->password, "password", "the URL has a password too: give it in one place");
    good &= check(d, !c->passfile || !pg_password(c), "passfile", "there is a password already: give one of them");
    good &= check(d, !c->tls.cert == !c->tls.key, "tls", "a client certificate needs both `cert` and `key`");
    return good;
}

static void warn_of_tls(const struct pg_conf *c, const struct pg_login *l, struct vital_diag *d)
{
    char word[16];
    bool verifies = l->sslmode == PG_SSL_VERIFY_CA || l->sslmode == PG_SSL_VERIFY_FULL;
    if (!c->sslmode && pg_url_value(path_of(c), "sslmode", word, sizeof word) && pg_sslmode_of(word) == PG_SSL_REFUSED)
        d->warning(d, "url", "sslmode=%s falls back to clear text: taken as auto, which says so in the result; require or verify-full would not", word);
    if (*l->ca && !verifies)
        d->warning(d, c->tls.ca ? "tls" : "url", "nothing is verified with sslmode %s: set verify-full (or verify-ca)", pg_sslmode_words[l->sslmode]);
    if (verifies && l->host_count && pg_host_is_local(&l->hosts[0]))
        d->warning(d, "sslmode", "over a unix socket there is no TLS, so nothing is verified");
    if ((strstr(l->ca, "ca-certificates.crt") || strstr(l->ca, "ca-bundle")) && verifies)
        d->warning(d, c->tls.ca ? "tls" : "url", "the system's bundle is larger than what is read: leave it out, then the system's certificates are used");
}

static bool check_queries(const struct pg_conf *c, struct vital_diag *d)
{
    const struct pg_query *q = c->queries.items;
    bool good = true;
    for (unsigned i = 0; i < c->queries.count; i++) {
        good &= check(d, q[i].max_rows < 0 || q[i].min_rows <= q[i].max_rows, "queries", "`min_rows` is above `max_rows`: no answer can fulfil both");
        good &= check(d, !q[i].equals || strlen(q[i].equals) < PG_VALUE_CAP, "queries", "`equals` may be 1023 bytes long");
        good &= check(d, strlen(q[i].query) < PG_SQL_CAP - 128, "queries", "a query may be 3900 bytes long");
    }
    return good;
}

static void note_connections(const struct pg_conf *c, struct vital_diag *d)
{
    if (!c->hold)
        d->note(d, NULL, "one instance takes 1 connection of the server while an attempt runs, and none between");
    else if (c->login_every)
        d->note(d, NULL, "one instance takes 1 connection of the server all the time, and 1 more while it tries a new login (`login_every`)");
    else
        d->note(d, NULL, "one instance takes 1 connection of the server all the time");
}

bool pg_prepare(void *conf, struct vital_diag *d)
{
    const struct pg_conf *c = conf;
    struct pg_login l;
    const char *option = NULL;
    clear_environment();
    bool good = check_target(c, d);
    const char *why = good ? pg_login_read(c, &l, &option) : NULL;
    if (why)
        d->error(d, option, "%s", why);
    good &= !why;
    good &= check_login(c, d);
    good &= check_queries(c, d);
    if (good && l.pooler && c->hold)
        d->warning(d, "hold", "a session held through a pooler tells nothing about the server behind it");
    if (good) {
        warn_of_tls(c, &l, d);
        note_connections(c, d);
    }
    return good;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

static const char *const role_words[] = { "any", "primary", "standby", NULL };

static const struct vital_opt lag_rows[] = { FOUND_CEILING_ROWS(struct found_ceiling, VITAL_IN_TIME, "a standby is longer behind than this"), VITAL_OPT_END };
static const struct vital_opt lag_bytes_rows[] = { FOUND_CEILING_ROWS(struct found_ceiling, VITAL_IN_BYTES, "a standby is more bytes behind than this"), VITAL_OPT_END };
static const struct vital_opt connections_rows[] = {
    FOUND_CEILING_ROWS(struct found_ceiling, VITAL_PERCENT, "more connections are used than this: a count, or a share of max_connections minus the reserved ones"),
    VITAL_OPT_END,
};
static const struct vital_opt transaction_rows[] = {
    FOUND_CEILING_ROWS(struct found_ceiling, VITAL_IN_TIME, "the oldest transaction, prepared ones included, is older than this"), VITAL_OPT_END,
};
static const struct vital_opt xid_rows[] = {
    FOUND_CEILING_ROWS(struct found_ceiling, VITAL_PERCENT, "the oldest transaction id is this far on the way to the wraparound, where writes stop"), VITAL_OPT_END,
};
static const struct vital_opt standby_count_rows[] = { FOUND_FLOOR_ROWS(struct found_floor, "fewer standbys stream from this server"), VITAL_OPT_END };
static const struct vital_opt certificate_rows[] = { FOUND_FLOOR_ROWS(struct found_floor, "a certificate of the server's chain has fewer days left than this"), VITAL_OPT_END };

static const struct vital_opt tls_rows[] = {
    VITAL_OPT(struct pg_tls_conf, ca, STRING, .flags = VITAL_PATHNAME, .also = "sslrootcert",
              .help = "CA certificates (PEM, up to 64 KiB) for verify-ca and verify-full; default: the system's"),
    VITAL_OPT(struct pg_tls_conf, cert, STRING, .flags = VITAL_PATHNAME, .help = "client certificate chain (PEM file)", .also = "sslcert"),
    VITAL_OPT(struct pg_tls_conf, key, SECRET, .help = "its private key (PEM), usually { file: PATH }", .also = "sslkey"),
    VITAL_OPT_END,
};

static const struct vital_opt query_rows[] = {
    VITAL_OPT(struct pg_query, query, STRING, .flags = VITAL_BARE | VITAL_REQUIRED, .help = "one statement; its first column's first value is looked at"),
    VITAL_OPT(struct pg_query, name, STRING, .help = "what it is called in texts and metrics; default: its beginning"),
    VITAL_OPT(struct pg_query, equals, STRING, .help = "the value must be exactly this, as text"),
    VITAL_OPT(struct pg_query, matches, REGEX, .help = "regular expression that the value must match"),
    FOUND_CEILING_ROWS(struct pg_query, 0, "the value, a number, is above this"),
    FOUND_FLOOR_ROWS(struct pg_query, "the value, a number, is below this"),
    VITAL_OPT(struct pg_query, min_rows, INT, .min = 0, .max = PG_ROWS_CAP, .def = "0", .help = "fewer rows fail", .also = "rows_min rows"),
    VITAL_OPT(struct pg_query, max_rows, INT, .min = -1, .max = PG_ROWS_CAP, .def = "-1", .help = "more rows fail; -1 = any number, up to 1000", .also = "rows_max"),
    VITAL_OPT_END,
};

const struct vital_opt pg_opts[] = {
    VITAL_OPT(struct pg_conf, url, URL, .flags = VITAL_BARE | VITAL_TARGET,
              .help = "postgres://[user[:password]@]host[:port]/database[?sslmode=...], or unix:/directory of a socket"),
    VITAL_OPT(struct pg_conf, hosts, STRINGS, .flags = VITAL_TARGET, .min = 1, .max = PG_HOSTS_MAX, .also = "host hostaddr port socket address",
              .help = "several servers instead of `url`: host, host:port or a socket's directory, tried in this order until one does"),
    VITAL_OPT(struct pg_conf, user, STRING, .help = "default: the URL's, or postgres", .also = "username"),
    VITAL_OPT(struct pg_conf, password, SECRET, .help = "default: the URL's"),
    VITAL_OPT(struct pg_conf, passfile, STRING, .flags = VITAL_PATHNAME, .help = "file of host:port:database:user:password lines, read again before each login"),
    VITAL_OPT(struct pg_conf, database, STRING, .flags = VITAL_TARGET, .help = "default: the URL's, or the user's name", .also = "dbname db"),
    VITAL_OPT(struct pg_conf, sslmode, STRING,
              .help = "auto, disable, require, verify-ca or verify-full; default: the URL's, or auto, which says in the result when there is no TLS"),
    VITAL_OPT_BLOCK(struct pg_conf, tls, tls_rows, .help = "certificates, for the `sslmode`s that use them"),
    VITAL_OPT(struct pg_conf, pooler, BOOL, .def = "false", .help = "there is PgBouncer or the like in front: no start-up options, limits are set in a transaction"),
    VITAL_OPT(struct pg_conf, hold, BOOL, .def = "false", .help = "keep the session between attempts: one that the server closes starts an attempt at once"),
    VITAL_OPT(struct pg_conf, login_every, DURATION, .max = 86400000000, .def = "1m",
              .help = "with `hold`: try a new login beside the held session this often, for a held one goes on when nobody else gets in; 0 = never"),
    VITAL_OPT(struct pg_conf, role, WORD, .words = role_words, .def = "any", .help = "what the server must be; of several hosts, the first that is"),
    VITAL_OPT(struct pg_conf, writable, BOOL, .def = "false", .help = "fail when sessions are read-only: default_transaction_read_only, or a standby"),
    VITAL_OPT_BLOCK(struct pg_conf, lag, lag_rows, .help = "how long a standby is behind: itself, or, asked on the primary, the listed ones or all"),
    VITAL_OPT_BLOCK(struct pg_conf, lag_bytes, lag_bytes_rows, .help = "the same in bytes of the log"),
    VITAL_OPT(struct pg_conf, receiver, WORD, .words = found_severities, .def = "warn", .help = "what it means that a standby receives nothing from its primary"),
    VITAL_OPT(struct pg_conf, standbys, STRINGS, .min = 0, .max = PG_STANDBYS_MAX, .help = "application names of the standbys that must stream from this primary"),
    VITAL_OPT_BLOCK(struct pg_conf, standby_count, standby_count_rows, .help = "how many standbys stream from this primary"),
    VITAL_OPT_BLOCK(struct pg_conf, connections, connections_rows, .help = "client connections in use"),
    VITAL_OPT_BLOCK(struct pg_conf, transaction_age, transaction_rows, .help = "age of the oldest open transaction; needs pg_monitor"),
    VITAL_OPT_BLOCK(struct pg_conf, xid_age, xid_rows, .help = "age of the oldest transaction id, as a count or a share of 2^31"),
    VITAL_OPT(struct pg_conf, queries, BLOCKS, .rows = query_rows, .row_size = sizeof(struct pg_query), .min = 0, .max = PG_QUERIES_MAX,
              .help = "queries of your own, and what they must answer", .also = "query sql"),
    VITAL_OPT(struct pg_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_BLOCK(struct pg_conf, certificate, certificate_rows, .help = "days that the certificates must still be valid"),
    VITAL_OPT_END,
};
