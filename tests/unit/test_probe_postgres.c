#include "unit.h"

#include <errno.h>

#include "fake_host.h"
#include "postgres_parts.h"

extern const struct vital_module *const vital_module;

/* ---- errors ------------------------------------------------------------------------------------------------- */

static enum vital_reason reason_of(const char *message, bool pooler)
{
    struct pg_error e;
    pg_error_read(message, pooler, &e);
    return e.reason;
}

#define AT "connection to server at \"127.0.0.1\", port 5432 failed: "
#define FATAL(state, text) AT "FATAL:  " state ": " text "\nLOCATION:  f, postmaster.c:1\n"

TEST(a_refused_login_is_told_apart_by_its_sqlstate)
{
    CHECK_INT(reason_of(FATAL("57P03", "the database system is starting up"), false), VITAL_R_STARTING);
    CHECK_INT(reason_of(FATAL("57P03", "the database system is in recovery mode"), false), VITAL_R_STARTING);
    CHECK_INT(reason_of(FATAL("57P03", "the database system is shutting down"), false), VITAL_R_STOPPING);
    CHECK_INT(reason_of(FATAL("57P01", "terminating connection due to administrator command"), false), VITAL_R_STOPPING);
    CHECK_INT(reason_of(FATAL("53300", "sorry, too many clients already"), false), VITAL_R_TOO_MANY_CLIENTS);
    CHECK_INT(reason_of(FATAL("28P01", "password authentication failed for user \"x\""), false), VITAL_R_AUTH);
    CHECK_INT(reason_of(FATAL("28000", "no pg_hba.conf entry for host"), false), VITAL_R_AUTH);
    CHECK_INT(reason_of(FATAL("3D000", "database \"x\" does not exist"), false), VITAL_R_NO_DATABASE);
    CHECK_INT(reason_of(FATAL("42501", "permission denied for database \"x\""), false), VITAL_R_PERMISSION);
    CHECK_INT(reason_of(FATAL("53200", "out of memory"), false), VITAL_R_MEMORY);
    CHECK_INT(reason_of(FATAL("XX000", "whatever"), false), VITAL_R_QUERY);
}

TEST(the_servers_language_does_not_matter)
{
    struct pg_error e;
    pg_error_read(AT "ВАЖНО:  53300: извините, уже слишком много клиентов\n", false, &e);
    CHECK_INT(e.reason, VITAL_R_TOO_MANY_CLIENTS);
    CHECK_TEXT(e.state, "53300");
    CHECK(strstr(e.text, "\\xd0") && strstr(e.text, "(53300)"));
}

TEST(what_libpq_says_itself)
{
    CHECK_INT(reason_of(AT "Connection refused\n\tIs the server running on that host?\n", false), VITAL_R_REFUSED);
    CHECK_INT(reason_of("connection to server on socket \"/x/.s.PGSQL.1\" failed: No such file or directory\n", false), VITAL_R_REFUSED);
    CHECK_INT(reason_of(AT "server does not support SSL, but SSL was required\n", false), VITAL_R_TLS);
    CHECK_INT(reason_of(AT "SSL error: wrong version number\n", false), VITAL_R_TLS);
    CHECK_INT(reason_of(AT "server closed the connection unexpectedly\n\tThis probably means\n", false), VITAL_R_CLOSED);
    CHECK_INT(reason_of(AT "expected authentication request from server, but received H\n", false), VITAL_R_BAD_REPLY);
    CHECK_INT(reason_of(AT "received invalid response to SSL negotiation: H\n", false), VITAL_R_BAD_REPLY);
    CHECK_INT(reason_of(AT "fe_sendauth: no password supplied\n", false), VITAL_R_AUTH);
    CHECK_INT(reason_of("", false), VITAL_R_BAD_REPLY);
    struct pg_error e;
    pg_error_read("could not create socket: Too many open files\n", false, &e);
    CHECK(e.internal);
    CHECK_INT(e.reason, VITAL_R_NO_FDS);
    pg_error_read(AT "Connection refused\n\tIs the server running?", false, &e);
    CHECK_TEXT(e.text, "Connection refused");
    CHECK(pg_says_no_tls(AT "server does not support SSL, but SSL was required\n"));
}

TEST(a_pooler_says_everything_by_one_sqlstate)
{
    CHECK_INT(reason_of(FATAL("08P01", "no such database: x"), true), VITAL_R_NO_DATABASE);
    CHECK_INT(reason_of(FATAL("08P01", "no more connections allowed (max_client_conn)"), true), VITAL_R_TOO_MANY_CLIENTS);
    CHECK_INT(reason_of(FATAL("08P01", "server login has been failing, try again later (server_login_retry)"), true), VITAL_R_UNREACHABLE);
    CHECK_INT(reason_of(FATAL("08P01", "query_wait_timeout"), true), VITAL_R_BUSY);
    CHECK_INT(reason_of(FATAL("08P01", "unsupported startup parameter: options"), true), VITAL_R_CONFIG);
    CHECK_INT(reason_of(FATAL("08P01", "invalid frontend message"), false), VITAL_R_BAD_REPLY);
    CHECK_INT(reason_of(FATAL("53300", "sorry"), true), VITAL_R_TOO_MANY_CLIENTS);
}

TEST(an_endless_or_hostile_message_is_cut_and_cleaned)
{
    char long_one[9000];
    memset(long_one, 'x', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    struct pg_error e;
    pg_error_read(long_one, false, &e);
    CHECK(strlen(e.text) < 200 && strstr(e.text, "..."));
    pg_error_of_state("22012", "a\x1b[31mb", false, &e);
    CHECK_TEXT(e.text, "a\\x1b[31mb (22012)");
    CHECK_INT(e.reason, VITAL_R_QUERY);
}

/* ---- hosts, URLs, password files ---------------------------------------------------------------------------- */

TEST(hosts)
{
    static const struct { const char *text, *host, *port; } good[] = {
        { "db", "db", "5432" },           { "db:5433", "db", "5433" },       { "10.0.0.1", "10.0.0.1", "5432" }, { "[::1]:1", "::1", "1" },
        { "[fe80::1%eth0]", "fe80::1%eth0", "5432" }, { "::1", "::1", "5432" }, { "/run/pg", "/run/pg", "5432" },
        { "/.s.PGSQL.5433", "/.s.PGSQL.5433", "5433" }, { "/run/.s.PGSQL.123456", "/run/.s.PGSQL.123456", "5432" }, { "/run/.s.PGSQL.5x", "/run/.s.PGSQL.5x", "5432" },
        { "/run/pg/.s.PGSQL.5433", "/run/pg", "5433" }, { "/run/pg/.s.PGSQL.x", "/run/pg/.s.PGSQL.x", "5432" },
    };
    struct pg_host h;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_TEXT(pg_host_parse(good[i].text, "5432", &h), NULL);
        CHECK_TEXT(h.host, good[i].host);
        CHECK_TEXT(h.port, good[i].port);
    }
    static const char *const bad[] = { "", ":5432", "db:", "db:0", "db:65536", "db:x", "[::1", "[::1]x", "u@db", "db/x", "a,b" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(pg_host_parse(bad[i], "5432", &h) != NULL);
}

TEST(values_in_a_url)
{
    char room[16];
    CHECK(pg_url_database("/a%20b?x=1", room, sizeof room));
    CHECK_TEXT(room, "a b");
    CHECK(!pg_url_database("/", room, sizeof room));
    CHECK(!pg_url_database("/?sslmode=disable", room, sizeof room));
    CHECK(!pg_url_database("/a%00b", room, sizeof room));
    CHECK(!pg_url_database("/a%2", room, sizeof room));
    CHECK(!pg_url_database("/aaaaaaaaaaaaaaaaaaaa", room, sizeof room));
    CHECK(!pg_url_database(NULL, room, sizeof room));
    CHECK(pg_url_value("/db?a=1&sslmode=require&b=2", "sslmode", room, sizeof room));
    CHECK_TEXT(room, "require");
    CHECK(pg_url_value("/?host=%2Frun%2Fpg", "host", room, sizeof room));
    CHECK_TEXT(room, "/run/pg");
    CHECK(!pg_url_value("/db?nosslmode=x&sslmode", "sslmode", room, sizeof room));
    CHECK(!pg_url_value("/db", "sslmode", room, sizeof room));
    CHECK(!pg_url_database("/%/0", room, sizeof room) && !pg_url_database("/%:0", room, sizeof room) && !pg_url_database("/%g0", room, sizeof room) && !pg_url_database("/%`0", room, sizeof room));
    CHECK(pg_url_database("/%6aA%4A", room, sizeof room));
    CHECK_TEXT(room, "jAJ");
    CHECK_INT(pg_sslmode_of("prefer"), PG_SSL_REFUSED);
    CHECK_INT(pg_sslmode_of("allow"), PG_SSL_REFUSED);
    CHECK_INT(pg_sslmode_of(""), PG_SSL_UNKNOWN);
}

static bool found_in(const char *file, const char *host, const char *user, char *room)
{
    const char *const wanted[] = { host, "5432", "app", user };
    return pg_passfile_find(file, strlen(file), wanted, room, 32);
}

TEST(password_files)
{
    char room[32];
    static const char file[] = "# db1:5432:app:u:comment\r\nnonsense\ndb1:5432:app:u:one:two\\\\\\:x\r\n*:*:*:v:star\n[::1\\]:5432:app:u:no\n\\:\\:1:5432:app:u:six\n"
                               "db2:5432:app:u:\ndb2:5432:*:u:last";
    CHECK(found_in(file, "db1", "u", room));
    CHECK_TEXT(room, "one:two\\:x");
    CHECK(found_in(file, "any", "v", room));
    CHECK_TEXT(room, "star");
    CHECK(found_in(file, "::1", "u", room));
    CHECK_TEXT(room, "six");
    CHECK(found_in(file, "db2", "u", room));
    CHECK_TEXT(room, "last");
    CHECK(!found_in(file, "db3", "u", room));
    CHECK(!found_in("", "db1", "u", room));
    CHECK(!found_in("\n\n\\", "db1", "u", room) && !found_in("*", "db1", "u", room) && !found_in("*x:*:*:*:p", "db1", "u", room) && !found_in("db1:5432:app:u", "db1", "u", room));
    CHECK(found_in("db1:5432:app:u:a\\", "db1", "u", room));
    CHECK_TEXT(room, "a\\");
    char long_field[600];
    snprintf(long_field, sizeof long_field, "%0300d:*:*:*:no\n*:*:*:*:yes", 0);
    CHECK(found_in(long_field, "db1", "u", room));
    CHECK_TEXT(room, "yes");
    CHECK(!found_in("db1:5432:app:u:a-password-that-is-longer-than-the-room-for-it", "db1", "u", room));
}

/* ---- options ------------------------------------------------------------------------------------------------ */

static const struct pg_conf *conf(void) { return fake.conf; }

static struct pg_login login(void)
{
    struct pg_login l;
    const char *option;
    CHECK_TEXT(pg_login_read(conf(), &l, &option), NULL);
    return l;
}

TEST(a_login_from_a_url)
{
    fake_probe(vital_module, "url", "postgres://me:pw@db:5433/app?sslmode=verify-full&sslrootcert=/ca.pem&pgbouncer=true&pool_size=3", NULL);
    CHECK(fake_prepare());
    struct pg_login l = login();
    CHECK_TEXT(l.hosts[0].host, "db");
    CHECK_TEXT(l.hosts[0].port, "5433");
    CHECK_TEXT(l.user, "me");
    CHECK_TEXT(l.database, "app");
    CHECK_TEXT(l.ca, "/ca.pem");
    CHECK_INT(l.sslmode, PG_SSL_VERIFY_FULL);
    CHECK(l.pooler);
}

TEST(options_beat_the_url_and_defaults_are_libpqs_but_the_users_name)
{
    fake_probe(vital_module, "url", "postgresql+asyncpg://db", "sslmode", "disable", NULL);
    CHECK(fake_prepare());
    struct pg_login l = login();
    CHECK_TEXT(l.hosts[0].port, "5432");
    CHECK_TEXT(l.user, "postgres");
    CHECK_TEXT(l.database, "postgres");
    CHECK_INT(l.sslmode, PG_SSL_DISABLE);
}

TEST(a_socket_from_a_url)
{
    fake_probe(vital_module, "url", "postgres:///app?host=/run/pg&user=me", NULL);
    CHECK(fake_prepare());
    struct pg_login l = login();
    CHECK_TEXT(l.hosts[0].host, "/run/pg");
    CHECK_TEXT(l.user, "me");
    CHECK_TEXT(l.database, "app");
}

#define REFUSED(test_name, says, ...)                         \
    TEST(test_name)                                           \
    {                                                         \
        fake_probe(vital_module, __VA_ARGS__, NULL);          \
        CHECK(!fake_prepare());                               \
        if (!strstr(fake.diag, says))                         \
            CHECK_TEXT(fake.diag, says);                      \
    }
REFUSED(no_host_is_guessed, "there is no host", "url", "postgres:///app")
REFUSED(a_beginning_of_its_scheme, "post:// is no scheme of PostgreSQL", "url", "post://db")
REFUSED(more_than_its_scheme, "postgresqls:// is no scheme of PostgreSQL", "url", "postgresqls://db")
REFUSED(a_bad_host_of_a_socket, "the socket's path is too long", "url", "postgres:///d?host=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
REFUSED(no_target, "say where the server is", "user", "me")
REFUSED(two_targets, "either `url` or `hosts`", "url", "postgres://db", "hosts", "db2")
REFUSED(another_scheme, "no scheme of PostgreSQL", "url", "mysql://db")
REFUSED(prefer_falls_back_without_a_word, "fall back to clear text", "url", "postgres://db", "sslmode", "prefer")
REFUSED(an_unknown_sslmode, "expected auto, disable", "url", "postgres://db?sslmode=bogus")
REFUSED(two_passwords, "the URL has a password too", "url", "postgres://u:p@db", "password", "q")
REFUSED(a_password_and_a_file, "there is a password already", "url", "postgres://db", "password", "q", "passfile", "/x")
REFUSED(a_certificate_without_its_key, "needs both", "url", "postgres://db", "tls.cert", "/x")
REFUSED(a_bad_host_in_the_list, "not a number from 1", "hosts", "db:x")

TEST(the_applications_prefer_is_taken_as_auto_with_a_warning)
{
    fake_probe(vital_module, "url", "postgres://db?sslmode=prefer", NULL);
    CHECK(fake_prepare());
    CHECK_INT(fake.warnings, 1);
    CHECK_INT(login().sslmode, PG_SSL_AUTO);
}

#define WARNED(test_name, says, ...)                          \
    TEST(test_name)                                           \
    {                                                         \
        setenv("PGOPTIONS", "-c geqo=off", 1);                \
        fake_probe(vital_module, __VA_ARGS__, NULL);          \
        CHECK(fake_prepare());                                \
        CHECK(!getenv("PGOPTIONS"));                          \
        if (!strstr(fake.diag, says))                         \
            CHECK_TEXT(fake.diag, says);                      \
        CHECK_INT(fake.warnings, *(says) ? 1 : 0);            \
    }
WARNED(a_ca_that_verifies_nothing, "tls: nothing is verified with sslmode require: set verify-full", "url", "postgres://db", "tls.ca", "/ca.pem", "sslmode", "require")
WARNED(a_ca_of_the_url_that_verifies_nothing, "url: nothing is verified with sslmode auto", "url", "postgres://db/?sslrootcert=/ca.pem")
WARNED(a_relative_ca_is_left_to_the_application, "", "url", "postgres://db/?sslrootcert=ca.pem")
WARNED(verifying_over_a_socket, "sslmode: over a unix socket there is no TLS, so nothing is verified", "hosts", "/run/pg", "sslmode", "verify-full")
WARNED(the_systems_bundle, "tls: the system's bundle is larger than what is read", "url", "postgres://db", "sslmode", "verify-ca", "tls.ca", "/etc/ssl/certs/ca-certificates.crt")
WARNED(the_systems_bundle_elsewhere, "url: the system's bundle is larger than what is read", "url", "postgres://db/?sslmode=verify-full&sslrootcert=/etc/pki/tls/certs/ca-bundle.crt")
WARNED(a_held_session_through_a_pooler, "hold: a session held through a pooler tells nothing about the server behind it", "url", "postgres://db/?pgbouncer=true", "hold", "true")
WARNED(a_pooler_alone, "", "url", "postgres://db/", "pooler", "true")
WARNED(no_pooler, "", "url", "postgres://db/?pgbouncer=false", "hold", "true")
WARNED(a_session_and_logins, "", "url", "postgres://db/", "hold", "true", "login_every", "60s")
WARNED(a_file_of_passwords, "", "url", "postgres://db/", "passfile", "/run/pgpass")

TEST(several_hosts_up_to_the_bad_one)
{
    struct pg_login l;
    const char *option;
    fake_probe(vital_module, "hosts", "a:1", "hosts", "b:x", "hosts", "c", NULL);
    CHECK_TEXT(pg_login_read(conf(), &l, &option), "the port is not a number from 1 to 65535");
    CHECK_TEXT(option, "hosts");
    CHECK_INT(l.host_count, 2);
}

TEST(who_logs_in_where)
{
    static const struct { const char *url, *user, *database; } cases[] = {
        { "postgres://db", "postgres", "postgres" }, { "postgres://me@db", "me", "me" }, { "postgres://me@db/?user=you&dbname=app", "me", "app" },
        { "postgres://db/?user=you", "you", "you" }, { "postgres://@db/app?user=you", "you", "app" }, { "postgres://db/?dbname=&user=", "postgres", "postgres" },
    };
    fake_probe(vital_module, "url", "postgres://db", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_set("url", cases[i].url);
        CHECK_TEXT(login().user, cases[i].user);
        CHECK_TEXT(login().database, cases[i].database);
        CHECK(!pg_password(conf()));
    }
    fake_set("user", "");
    CHECK_TEXT(login().user, "postgres");
    fake_set("url", "unix:/run/pg/.s.PGSQL.5433");
    CHECK_TEXT(login().hosts[0].host, "/run/pg");
    CHECK_TEXT(login().hosts[0].port, "5433");
    CHECK(fake_prepare());
    fake_set("url", "postgres://me:geheim@db");
    CHECK_TEXT(pg_password(conf())->value, "geheim");
}

TEST(an_expectation_that_is_too_long)
{
    char text[PG_VALUE_CAP + 1];
    memset(text, 'x', PG_VALUE_CAP);
    text[PG_VALUE_CAP] = '\0';
    fake_probe(vital_module, "url", "postgres://db", NULL);
    fake_block("queries", "query", "select 1", "equals", "short", NULL);
    fake_block("queries", "query", "select 1", "equals", text, NULL);
    CHECK(!fake_prepare());
    CHECK_TEXT(fake.diag, "queries: `equals` may be 1023 bytes long");
}

TEST(what_a_query_can_never_fulfil_is_refused)
{
    fake_probe(vital_module, "url", "postgres://db", NULL);
    fake_block("queries", "query", "select 1", "min_rows", "5", "max_rows", "4", NULL);
    CHECK(!fake_prepare());
}

/* ---- the question and its answer ---------------------------------------------------------------------------- */

TEST(the_question_grows_with_what_is_configured)
{
    char sql[PG_SQL_CAP];
    fake_probe(vital_module, "url", "postgres://db", NULL);
    pg_sql_facts(conf(), sql);
    CHECK(strstr(sql, "pg_is_in_recovery") && !strstr(sql, "pg_stat_replication") && !strstr(sql, "max_connections") && !strstr(sql, "datfrozenxid"));
    size_t small = strlen(sql);
    fake_set("connections.warn_above", "80%");
    fake_set("standby_count.warn_below", "1");
    fake_set("transaction_age.warn_above", "5m");
    fake_set("xid_age.warn_above", "50%");
    pg_sql_facts(conf(), sql);
    CHECK(strlen(sql) > small && strlen(sql) < PG_SQL_CAP - 500);
    CHECK(strstr(sql, "pg_stat_replication") && strstr(sql, "max_connections") && strstr(sql, "pg_prepared_xacts") && strstr(sql, "datfrozenxid"));
}

TEST(a_pooler_gets_its_bounds_in_a_transaction)
{
    char sql[128];
    CHECK(pg_sql_bounded("select 1 -- one", 1500000, sql, sizeof sql));
    CHECK_TEXT(sql, "begin; set local statement_timeout = 1500;\nselect 1 -- one\n; commit");
    CHECK(!pg_sql_bounded("select 1", 1500000, sql, 40));
}

static struct pg *pg(void) { return fake.probe.priv; }

static void row(const char *key, const char *label, const char *a, const char *b, const char *c, const char *d)
{
    pg_sql_row(&pg()->facts, (const char *const[]){ key, label, a, b, c, d });
}

static const struct found *judged(void)
{
    pg()->found = (struct found){ .class = VITAL_PASS };
    fake.running = true;
    fake.number_count = 0;
    pg_judge_facts(&fake.probe, "db:5432");
    return &pg()->found;
}

TEST(unknown_rows_and_nulls_do_no_harm)
{
    fake_probe(vital_module, "url", "postgres://db", NULL);
    row(NULL, NULL, NULL, NULL, NULL, NULL);
    row("nix", "x", "1", NULL, NULL, NULL);
    CHECK(!pg()->facts.known);
    for (unsigned i = 0; i < 100; i++)
        row("standby", NULL, NULL, NULL, NULL, NULL);
    row("connections", NULL, NULL, NULL, NULL, NULL);
    row("transaction", NULL, NULL, NULL, NULL, NULL);
    row("xid", NULL, NULL, NULL, NULL, NULL);
    row("lag", NULL, NULL, NULL, NULL, NULL);
    row("xid", NULL, "nan", NULL, NULL, NULL);
    row("standby", "", "streaming", "inf", "nan", "1e999");
    row("role", NULL, NULL, NULL, NULL, NULL);
    CHECK(pg()->facts.known);
    CHECK(pg()->facts.xid_age == 0);
    CHECK_INT(judged()->class, VITAL_WARN);     /* transactions that the user may not see */
}

TEST(role_and_read_only)
{
    fake_probe(vital_module, "url", "postgres://db", "role", "primary", "writable", "true", NULL);
    row("role", NULL, "false", "off", "150020", NULL);
    CHECK_INT(judged()->class, VITAL_PASS);
    row("role", NULL, "false", "on", "150020", NULL);
    CHECK_INT(judged()->reason, VITAL_R_READ_ONLY);
    CHECK(strstr(judged()->worst, "default_transaction_read_only"));
    row("role", NULL, "true", "on", "150020", NULL);
    CHECK_INT(judged()->reason, VITAL_R_ROLE);
    CHECK_INT(judged()->class, VITAL_FAIL);
}

TEST(a_piece_of_a_record_that_never_comes_whole_is_no_lag)
{
    fake_probe(vital_module, "url", "postgres://db", "lag.fail_above", "30s", NULL);
    row("role", NULL, "true", "on", "150020", NULL);
    row("lag", NULL, "90", "8192", "500", "0");      /* cut off from a primary that died */
    CHECK_INT(judged()->class, VITAL_WARN);
    CHECK(fake_number("lag_seconds") == 0);
    row("lag", NULL, "90", "100000", "500", "0");    /* more than one record: it is behind */
    CHECK_INT(judged()->class, VITAL_FAIL);
    row("lag", NULL, "90", "8192", "500", "0p");     /* paused: it could be replayed */
    CHECK_INT(judged()->class, VITAL_FAIL);
}

TEST(lag_of_a_standby)
{
    fake_probe(vital_module, "url", "postgres://db", "lag.warn_above", "5s", "lag.fail_above", "30s", "lag_bytes.fail_above", "1MiB", NULL);
    row("role", NULL, "true", "on", "150020", NULL);
    row("lag", NULL, "0", "500", "500", "1");
    CHECK_INT(judged()->class, VITAL_PASS);
    CHECK(fake_number("lag_seconds") == 0);
    row("lag", NULL, "7.5", "600", "500", "1p");
    CHECK_INT(judged()->class, VITAL_WARN);
    CHECK_INT(judged()->reason, VITAL_R_LAGGING);
    CHECK(strstr(judged()->worst, "7.5 s behind, its replay is paused, warns above 5 s"));
    row("lag", NULL, "1", "1048577", "0", "1");
    CHECK_INT(judged()->class, VITAL_FAIL);
    row("lag", NULL, "0", "0", "0", "0");
    CHECK_INT(judged()->class, VITAL_WARN);
    CHECK_INT(judged()->reason, VITAL_R_REPLICATION);
    row("lag", NULL, NULL, NULL, "700", "0"); /* from the archive, and nothing replayed since its start: not known, not zero */
    judged();
    CHECK(isnan(fake_number("lag_seconds")));
}

TEST(a_standby_without_a_transaction_since_its_start_is_timed_here)
{
    fake_probe(vital_module, "url", "postgres://db", "lag.fail_above", "30s", NULL);
    row("role", NULL, "true", "on", "150020", NULL);
    row("lag", NULL, NULL, "600", "500", "1p");
    CHECK_INT(judged()->class, VITAL_PASS);
    fake.now += 31000000;
    CHECK_INT(judged()->class, VITAL_FAIL);
    CHECK(fake_number("lag_seconds") == 31);
}

TEST(a_standby_that_stands_still_falls_behind_though_its_report_does_not)
{
    struct pg_mark m = { .set = false };
    struct pg_standby s = { .measured = true, .lag = 2000, .now = 100, .replayed = 90 };
    CHECK(pg_standby_lag(&m, &s, 1000000) == 2000);
    CHECK(pg_standby_lag(&m, &s, 6000000) == 5000000);
    s.now = 500;
    CHECK(pg_standby_lag(&m, &s, 7000000) == 6000000);
    s.replayed = 100;       /* there now; behind the new mark from now on */
    CHECK(pg_standby_lag(&m, &s, 8000000) == 2000);
    CHECK(pg_standby_lag(&m, &s, 9000000) == 1000000);
    s.replayed = 500;
    CHECK(pg_standby_lag(&m, &s, 10000000) == 0);
}

TEST(named_standbys)
{
    fake_probe(vital_module, "url", "postgres://db", "standbys", "r1", "standbys", "r2", "standby_count.fail_below", "2", "lag_bytes.warn_above", "100", NULL);
    row("role", NULL, "false", "off", "150020", NULL);
    row("standby", "r1", "streaming", NULL, "1000", "1000");
    row("standby", "r2", "streaming", "0.5", "1000", "950");
    CHECK_INT(judged()->class, VITAL_PASS);
    CHECK(fake_number("standbys") == 2);
    CHECK(fake_number_of("standby_lag_bytes", "r2") == 50);
    pg()->facts.standby_count = pg()->facts.streaming = 0;
    row("standby", "r1", "streaming", NULL, "1000", "800");
    row("standby", "r2", "catchup", NULL, "1000", "1");
    const struct found *f = judged();
    CHECK_INT(f->class, VITAL_FAIL);
    CHECK(strstr(f->worst, "1 standbys stream"));
    CHECK(strstr(f->others, "r2 does not stream, its state is catchup"));
    CHECK(strstr(f->others, "r1 is 200 B behind"));
    pg()->facts.standby_count = pg()->facts.streaming = 0;
    CHECK(strstr(judged()->others, "r1 is not connected"));
    row("standby", "r1", NULL, NULL, NULL, NULL);
    CHECK_INT(judged()->reason, VITAL_R_PERMISSION);
}

TEST(connections_transactions_and_ids)
{
    fake_probe(vital_module, "url", "postgres://db", "connections.warn_above", "50%", "connections.fail_above", "90%", "transaction_age.fail_above", "1m",
               "xid_age.warn_above", "50%", NULL);
    row("role", NULL, "false", "off", "150020", NULL);
    row("connections", NULL, "5", "13", "2", "1");
    row("transaction", NULL, "1.5", "true", NULL, NULL);
    row("xid", NULL, "1000", NULL, NULL, NULL);
    CHECK_INT(judged()->class, VITAL_PASS);
    CHECK(fake_number("max_connections") == 10);
    CHECK(fake_number("connections_ratio") == 0.5);
    row("connections", NULL, "6", "13", "2", "1");
    CHECK_INT(judged()->class, VITAL_WARN);
    CHECK_TEXT(judged()->worst, "6 of 10 connections are in use (3 more are reserved), warns above 50%");
    row("connections", NULL, "10", "13", "2", "1");
    CHECK_INT(judged()->class, VITAL_FAIL);
    row("connections", NULL, "1", "13", "2", NULL);
    row("transaction", NULL, NULL, "true", "61", NULL);
    CHECK(strstr(judged()->worst, "the oldest prepared transaction is 61 s old"));
    row("transaction", NULL, NULL, "true", NULL, NULL);
    row("xid", NULL, "1500000000", NULL, NULL, NULL);
    CHECK_INT(judged()->class, VITAL_WARN);
    CHECK_INT(judged()->reason, VITAL_R_AGE);
}

static const struct found *answered(const char *value, unsigned rows)
{
    pg()->found = (struct found){ .class = VITAL_PASS };
    pg()->session.rows = rows;
    pg()->value_null = !value;
    pg()->value_len = value ? strlen(value) : 0;
    snprintf(pg()->value, sizeof pg()->value, "%s", value ? value : "");
    fake.running = true;
    fake.number_count = 0;
    pg_judge_query(&fake.probe, "q");
    return &pg()->found;
}

TEST(expectations_of_a_query)
{
    fake_probe(vital_module, "url", "postgres://db", NULL);
    fake_block("queries", "query", "select 1", "equals", "ok", "min_rows", "1", "max_rows", "2", NULL);
    CHECK_INT(answered("ok", 1)->class, VITAL_PASS);
    CHECK_INT(answered("ok", 3)->reason, VITAL_R_COUNT);
    CHECK_INT(answered("ko", 1)->reason, VITAL_R_MISMATCH);
    CHECK_TEXT(answered(NULL, 1)->worst, "`q` yields null");
    CHECK_INT(answered("ok", 0)->reason, VITAL_R_COUNT);
    pg()->value_cut = true;
    CHECK_INT(answered("ok", 1)->reason, VITAL_R_MISMATCH);
}

TEST(a_query_with_limits_wants_a_number)
{
    fake_probe(vital_module, "url", "postgres://db", NULL);
    fake_block("queries", "query", "select 1", "warn_above", "10:5", "fail_above", "20", "fail_below", "1", NULL);
    CHECK_INT(answered("10", 1)->class, VITAL_PASS);
    CHECK(fake_number_of("query_value", "q") == 10);
    CHECK_INT(answered("11", 1)->class, VITAL_WARN);
    CHECK_TEXT(answered("7", 1)->worst, "`q` is 7, warns until 5");
    CHECK_INT(answered("5", 1)->class, VITAL_PASS);
    CHECK_INT(answered("21", 1)->class, VITAL_FAIL);
    CHECK_INT(answered("0.5", 1)->class, VITAL_FAIL);
    CHECK_INT(answered("many", 1)->reason, VITAL_R_MISMATCH);
    CHECK_INT(answered("NaN", 1)->reason, VITAL_R_MISMATCH);
    CHECK_INT(answered("Infinity", 1)->reason, VITAL_R_MISMATCH);
    CHECK_INT(answered(NULL, 0)->reason, VITAL_R_MISMATCH);
}

/* ---- the walk ----------------------------------------------------------------------------------------------- */

TEST(a_file_that_hangs_or_is_missing_stops_the_login_before_libpq_sees_it)
{
    fake_probe(vital_module, "url", "postgres://db", "passfile", "/p", "sslmode", "verify-full", "tls.ca", "/ca", NULL);
    fake_start();
    CHECK_TEXT(fake_io(FAKE_FILE)->text, "/p");
    struct vital_file f = { .error = ETIMEDOUT, .hung = true };
    fake_file_done(fake_io(FAKE_FILE), &f);
    CHECK_INT(fake.reason, VITAL_R_HUNG);
    fake_start();
    fake_file_text(fake_io(FAKE_FILE), "db:5432:postgres:postgres:pw\n");
    CHECK_TEXT(fake_io(FAKE_FILE)->text, "/ca");
    f = (struct vital_file){ .error = ENOENT };
    fake_file_done(fake_io(FAKE_FILE), &f);
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    fake_start();
    fake_file_text(fake_io(FAKE_FILE), "");
    f = (struct vital_file){ .cut = true };
    fake_file_done(fake_io(FAKE_FILE), &f);
    CHECK_INT(fake.reason, VITAL_R_TOO_LARGE);
    CHECK_INT(fake_open_count(), 0);
    fake.module->release(&fake.probe);
}

TEST(hosts_are_tried_in_their_order_and_all_are_told)
{
    fake_probe(vital_module, "hosts", "one", "hosts", "two:5433", NULL);
    fake_start();
    CHECK_TEXT(fake_io(FAKE_RESOLVE)->text, "one");
    fake_addresses(fake_io(FAKE_RESOLVE), NULL, "no such name");
    CHECK_TEXT(fake_io(FAKE_RESOLVE)->text, "two");
    fake_addresses(fake_io(FAKE_RESOLVE), NULL, "no such name either");
    CHECK_INT(fake.reason, VITAL_R_DNS);
    CHECK_TEXT(fake.text, "one: no such name; two: no such name either");
}

TEST(a_login_that_is_cancelled_leaves_nothing)
{
    fake_probe(vital_module, "url", "postgres://db", NULL);
    fake_start();
    fake_addresses(fake_io(FAKE_RESOLVE), "127.0.0.1", NULL);     /* nobody listens: libpq is between its steps */
    if (fake.running) {
        fake.running = false;
        fake_close_all();
        fake.module->cancel(&fake.probe);
    }
    CHECK_INT(fake_open_count(), 0);
    fake.module->release(&fake.probe);
}

