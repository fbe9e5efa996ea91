/* The mysql module: its pure parts, and the loop's side with a scripted helper thread: no server is asked here. */
#include "unit.h"

#include "fake_host.h"
#include "mysql_error.h"
#include "mysql_parts.h"

extern const struct vital_module *const vital_module;

/* ---- the scripted thread ------------------------------------------------------------------------------------ */

static struct mysql_seen answer;        /* what the server says */
static struct mysql_ask asked;          /* what it was asked; texts are copies */
static char asked_password[64];

/* In the place of mysql_job_run(). */
static void script(struct mysql_job *j)
{
    asked = j->ask;
    asked.host = fake_copy(j->ask.host);
    asked.socket = fake_copy(j->ask.socket);
    asked.user = fake_copy(j->ask.user);
    asked.database = fake_copy(j->ask.database);
    asked.gtid = fake_copy(j->ask.gtid);
    for (unsigned i = 0; i < j->ask.query_count; i++)
        asked.queries[i] = fake_copy(j->ask.queries[i]);
    snprintf(asked_password, sizeof asked_password, "%s", j->ask.password);
    j->seen = answer;
}

static void well(void)
{
    answer = (struct mysql_seen){ .complete = true, .mariadb = true, .version = "10.11.19-MariaDB-log", .login = 3000, .connections = 5,
                                  .connections_max = 100, .running = 1, .refused = 0, .uptime = 60 };
}

static struct mysql_channel *replicates(void)
{
    struct mysql_channel c = { .source = "db1:3306", .io = "Yes", .sql = "Yes", .has_lag = true };
    answer.read_only = true;
    answer.channels[answer.channel_count] = c;
    return &answer.channels[answer.channel_count++];
}

static void thread_answers(struct vital_io *io)
{
    io->open = false;
    script(io->block);
    io->job->done(&fake.probe, io->block);
    io->job->wipe(io->block);
}

static void attempt(void)
{
    fake_start();
    thread_answers(fake_io(FAKE_JOB));
}

static void expect(enum vital_class class, enum vital_reason reason, const char *text)
{
    CHECK(fake.finished);
    CHECK_INT(fake.class, class);
    CHECK_INT(fake.reason, reason);
    CHECK(strstr(fake.text, text));
    if (fake.class != class || fake.reason != reason || !strstr(fake.text, text))
        fprintf(stderr, "    text: %s\n", fake.text);
}

#define URL "url", "mysql://me:secret@db1:3307/shop"

/* ---- errors ------------------------------------------------------------------------------------------------- */

static void error_is(unsigned code, const char *text, enum vital_reason reason)
{
    struct mysql_verdict v = mysql_error_verdict(code, text);
    if (v.reason != reason)
        fprintf(stderr, "    %u %s\n", code, text);
    CHECK_INT(v.reason, reason);
    CHECK_INT(v.class, reason >= VITAL_R_OWN_LAG ? VITAL_INTERNAL : VITAL_FAIL);
}

TEST(error_numbers)
{
    error_is(1040, "Too many connections", VITAL_R_TOO_MANY_CLIENTS);
    error_is(1045, "Access denied", VITAL_R_AUTH);
    error_is(1044, "Access denied", VITAL_R_PERMISSION);
    error_is(1142, "SELECT command denied", VITAL_R_PERMISSION);
    error_is(1227, "Access denied; you need", VITAL_R_PERMISSION);
    error_is(1049, "Unknown database", VITAL_R_NO_DATABASE);
    error_is(1053, "Server shutdown in progress", VITAL_R_STOPPING);
    error_is(1129, "Host 'x' is blocked", VITAL_R_PERMISSION);
    error_is(1064, "syntax", VITAL_R_QUERY);
    error_is(9999, "of the future", VITAL_R_QUERY);
    error_is(1047, "WSREP has not yet prepared node for application use", VITAL_R_CLUSTER);
    error_is(1047, "Unknown command", VITAL_R_QUERY);
    CHECK(strstr(mysql_error_verdict(1129, "").hint, "FLUSH HOSTS"));
}

TEST(system_errors_in_texts)
{
    error_is(2002, "Can't connect to local server through socket '/x' (2)", VITAL_R_NOT_FOUND);
    error_is(2002, "Can't connect to server on 'a(b' (111)", VITAL_R_REFUSED);
    error_is(2003, "Can't connect to server on 'h' (113 \"No route to host\")", VITAL_R_UNREACHABLE);
    error_is(2002, "Can't connect to server on 'h' (110)", VITAL_R_TIMEOUT);
    error_is(2002, "Can't connect to server on 'h' (115)", VITAL_R_UNREACHABLE);
    error_is(2001, "Can't create UNIX socket (24)", VITAL_R_NO_FDS);
    error_is(2013, "Lost connection to server at 'handshake: reading initial communication packet', system error: 104", VITAL_R_RESET);
    error_is(2013, "Lost connection to server during query", VITAL_R_CLOSED);
    error_is(2005, "Unknown server host", VITAL_R_DNS);
    error_is(2006, "gone away", VITAL_R_CLOSED);
    CHECK(mysql_error_is_vague(2002, "Can't connect to server on 'h' (115)"));
    CHECK(!mysql_error_is_vague(2002, "Can't connect to server on 'h' (111)"));
    CHECK(!mysql_error_is_vague(2013, "x (115)"));
    error_is(2003, "Can't connect to server on 'h' (0)", VITAL_R_UNREACHABLE);
    error_is(2003, "Can't connect to server on 'h' (99999)", VITAL_R_UNREACHABLE);
    error_is(2003, "Can't connect to server on 'h'", VITAL_R_UNREACHABLE);
    error_is(2004, "Can't create TCP/IP socket (24)", VITAL_R_NO_FDS);
    error_is(2055, "Lost connection to server at 'reading', system error: 104", VITAL_R_RESET);
    CHECK(mysql_error_is_vague(2003, "x") && mysql_error_is_vague(2004, "x (4)") && !mysql_error_is_vague(1045, "x"));
    CHECK(mysql_error_is_end(1927) && mysql_error_is_end(4031) && mysql_error_is_end(2000) && mysql_error_is_end(2999) && !mysql_error_is_end(3000));
    CHECK(mysql_error_is_end(2013) && mysql_error_is_end(1053) && !mysql_error_is_end(1064) && !mysql_error_is_end(1227));
}

TEST(certificate_problems_in_texts)
{
    error_is(2026, "TLS/SSL error: self-signed certificate in certificate chain", VITAL_R_CERT_UNTRUSTED);
    error_is(2026, "TLS/SSL error: unable to get local issuer certificate", VITAL_R_CERT_UNTRUSTED);
    error_is(2026, "TLS/SSL error: certificate has expired", VITAL_R_CERT_EXPIRED);
    error_is(2026, "TLS/SSL error: Validation of SSL server certificate failed", VITAL_R_CERT_NAME);
    error_is(2026, "TLS/SSL error: Connection timed out (110)", VITAL_R_TIMEOUT);
    error_is(2026, "TLS/SSL error: wrong version number", VITAL_R_TLS);
}

/* ---- replication -------------------------------------------------------------------------------------------- */

struct pair { const char *name, *value; };

static bool read_row(const struct pair *pairs, unsigned count, struct mysql_channel *c)
{
    const char *names[16], *values[16];
    for (unsigned i = 0; i < count; i++) {
        names[i] = pairs[i].name;
        values[i] = pairs[i].value;
    }
    const struct mysql_row row = { count, names, values };
    return mysql_channel_read(&row, c);
}
#define READ(c, ...) read_row((const struct pair[]){ __VA_ARGS__ }, sizeof((const struct pair[]){ __VA_ARGS__ }) / sizeof(struct pair), c)

TEST(columns_in_both_spellings_and_any_order)
{
    struct mysql_channel c;
    CHECK(READ(&c, { "Seconds_Behind_Master", "7" }, { "Slave_SQL_Running", "Yes" }, { "Master_Host", "db1" }, { "Master_Port", "3306" },
               { "Connection_name", "east" }, { "Slave_IO_Running", "Yes" }));
    CHECK(c.has_lag && c.lag == 7.0);
    CHECK_TEXT(c.source, "db1:3306");
    CHECK_TEXT(c.name, "east");
    CHECK(READ(&c, { "Replica_IO_Running", "Connecting" }, { "Replica_SQL_Running", "Yes" }, { "Seconds_Behind_Source", NULL }, { "Source_Host", "db2" },
               { "Channel_Name", "" }, { "Last_IO_Errno", "2003" }, { "Last_IO_Error", "error connecting" }));
    CHECK(!c.has_lag);
    CHECK_TEXT(c.source, "db2");
    CHECK_INT(c.io_errno, 2003);
    char why[300];
    CHECK(mysql_channel_broken(&c, why, sizeof why));
    CHECK_TEXT(why, "the IO thread is still connecting: error 2003: error connecting");
    CHECK(READ(&c, { "Slave_IO_Running", "Preparing" }, { "Slave_SQL_Running", "Yes" }, { "Seconds_Behind_Master", NULL }));
    CHECK(mysql_channel_broken(&c, why, sizeof why));
    CHECK_TEXT(why, "the IO thread is about to connect");
}

TEST(rows_without_the_columns)
{
    struct mysql_channel c;
    CHECK(!READ(&c, { "Slave_IO_Running", "Yes" }, { "Slave_SQL_Running", "Yes" }));
    CHECK(!READ(&c, { "File", "bin.000001" }, { "Position", "4" }));
}

TEST(a_lag_that_is_null_or_no_number_is_broken)
{
    struct mysql_channel c;
    char why[300];
    static const char *const lags[] = { NULL, "", "-1", "many", "5x", "nan" };
    for (size_t i = 0; i < sizeof lags / sizeof *lags; i++) {
        CHECK(READ(&c, { "Slave_IO_Running", "Yes" }, { "Slave_SQL_Running", "Yes" }, { "Seconds_Behind_Master", lags[i] }));
        CHECK(!c.has_lag);
        CHECK(mysql_channel_broken(&c, why, sizeof why));
        CHECK(strstr(why, "NULL"));
    }
    CHECK(READ(&c, { "Slave_IO_Running", "Yes" }, { "Slave_SQL_Running", "Yes" }, { "Seconds_Behind_Master", "0" }));
    CHECK(c.has_lag && !mysql_channel_broken(&c, why, sizeof why));
}

TEST(a_stopped_thread_is_broken_even_with_a_lag)
{
    struct mysql_channel c = { .io = "Yes", .sql = "No", .has_lag = true, .sql_errno = 1062, .sql_error = "Duplicate entry" };
    char why[300];
    CHECK(mysql_channel_broken(&c, why, sizeof why));
    CHECK_TEXT(why, "the SQL thread is stopped: error 1062: Duplicate entry");
    strcpy(c.io, "No");
    c.sql_errno = 0;
    CHECK(mysql_channel_broken(&c, why, sizeof why));
    CHECK_TEXT(why, "the SQL thread is stopped; the IO thread says No");
}

/* ---- positions ---------------------------------------------------------------------------------------------- */

TEST(forms_of_positions)
{
    CHECK_INT(mysql_gtid_form("0-1-100"), MYSQL_GTID_MARIADB);
    CHECK_INT(mysql_gtid_form("0-1-100,1-2-5"), MYSQL_GTID_MARIADB);
    CHECK_INT(mysql_gtid_form("0-1-100, 1-2-5"), MYSQL_GTID_MARIADB);
    CHECK_INT(mysql_gtid_form("3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5"), MYSQL_GTID_MYSQL);
    CHECK_INT(mysql_gtid_form("3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:9,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:tag_1:7"), MYSQL_GTID_MYSQL);
    static const char *const none[] = {
        "", "0-1", "0-1-", "-1-2", "0-1-100,", "0-1-2 3", "latest", "0-1-1;x", "3E11FA47-71CA-11E1-9E33-C80AA9429562",
        "3E11FA47-71CA-11E1-9E33-C80AA9429562:1') OR ('1", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1\\", "3E11FA47-71CA-11E1-9E33-C80AA942956:1-5",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK_INT(mysql_gtid_form(none[i]), MYSQL_GTID_NONE);
}

TEST(positions_are_compared_by_domain)
{
    char missing[80];
    CHECK(mysql_gtid_reached("0-1-100", "0-1-100", missing, sizeof missing));
    CHECK(mysql_gtid_reached("0-1-100", "1-1-5,0-7-101", missing, sizeof missing));
    CHECK(!mysql_gtid_reached("0-1-100", "0-1-99", missing, sizeof missing));
    CHECK_TEXT(missing, "0-1-100");
    CHECK(!mysql_gtid_reached("0-1-100,3-1-1", "0-1-100,1-1-900", missing, sizeof missing));
    CHECK_TEXT(missing, "3-1-1");
    CHECK(!mysql_gtid_reached("0-1-1", "", missing, sizeof missing));
}

/* ---- an attempt --------------------------------------------------------------------------------------------- */

TEST(a_healthy_server)
{
    fake_probe(vital_module, URL, NULL);
    well();
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "MariaDB 10.11.19, writable, 5 of 100 connections");
    CHECK(fake_number("login_seconds") == 0.003);
    CHECK(fake_number("connections_ratio") == 0.05);
    CHECK_TEXT(asked.host, "db1");
    CHECK_INT(asked.port, 3307);
    CHECK_TEXT(asked.user, "me");
    CHECK_TEXT(asked_password, "secret");
    CHECK_TEXT(asked.database, "shop");
    CHECK(!asked.socket && !asked.tls && asked.replication && !asked.gtid);
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

TEST(options_instead_of_a_url)
{
    fake_probe(vital_module, "socket", "/run/my.sock", "user", "me", "database", "a b%20/c", "sslmode", "require", "replication", "ignore", NULL);
    well();
    answer.no_tls = true;
    answer.complete = false;
    attempt();
    expect(VITAL_FAIL, VITAL_R_TLS, "/run/my.sock does not offer TLS");
    CHECK_TEXT(asked.socket, "/run/my.sock");
    CHECK_TEXT(asked.database, "a b%20/c");
    CHECK(asked.tls && !asked.verify && !asked.replication);
    fake_end();
}

TEST(databases_in_urls_are_decoded)
{
    fake_probe(vital_module, "url", "mysql://me@db1/a%20b?charset=utf8", "tls.ca", "/ca.pem", NULL);
    well();
    attempt();
    CHECK_TEXT(asked.database, "a b");
    CHECK_INT(asked.port, 3306);
    CHECK(asked.tls && asked.verify);
    CHECK_INT(fake.warnings, 1);
    char room[300];
    CHECK_TEXT(vital_module->target(fake.conf, room, sizeof room), "db1:3306/a b");
    fake_end();
}

TEST(a_refused_login)
{
    fake_probe(vital_module, URL, NULL);
    answer = (struct mysql_seen){ .failure = { 1045, "Access denied for user 'me'" }, .failed_at = MYSQL_LOGIN };
    attempt();
    expect(VITAL_FAIL, VITAL_R_AUTH, "db1:3307: error 1045: Access denied for user 'me'");
    fake_end();
}

TEST(why_it_cannot_connect_is_found_out_by_a_dial)
{
    fake_probe(vital_module, URL, NULL);
    answer = (struct mysql_seen){ .failure = { 2002, "Can't connect to server on 'db1' (115)" }, .failed_at = MYSQL_LOGIN };
    attempt();
    CHECK(!fake.finished);
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK_TEXT(io->dial.host, "db1");
    CHECK_TEXT(io->dial.port, "3307");
    fake_shut(io, VITAL_R_REFUSED, "connection refused");
    expect(VITAL_FAIL, VITAL_R_REFUSED, "");
    attempt();
    fake_open(fake_io(FAKE_STREAM));
    expect(VITAL_FAIL, VITAL_R_UNREACHABLE, "a moment later could");
    fake_end();
}

TEST(a_unix_socket_tells_by_itself)
{
    fake_probe(vital_module, "socket", "/s", "user", "me", NULL);
    answer = (struct mysql_seen){ .failure = { 2002, "Can't connect to local server through socket '/s' (111)" }, .failed_at = MYSQL_LOGIN };
    attempt();
    expect(VITAL_FAIL, VITAL_R_REFUSED, "/s: Connection refused");
    fake_end();
}

TEST(a_connection_lost_on_the_way_keeps_what_was_seen)
{
    fake_probe(vital_module, URL, "role", "replica", NULL);
    well();
    answer.complete = false;
    answer.failure = (struct mysql_failure){ 2013, "Lost connection to server during query" };
    answer.failed_at = MYSQL_REPLICATION;
    attempt();
    expect(VITAL_FAIL, VITAL_R_CLOSED, "db1:3307, the question for replication: Lost connection");
    CHECK(strstr(fake.text, "writable, not a replica"));
    CHECK(!strstr(fake.text, "no source"));
    CHECK(fake_number("connections") == 5);
    fake_end();
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

/* Both tests leave the job open at first: the thread has not come back. */
TEST(no_free_thread_is_our_own_trouble)
{
    fake_probe(vital_module, URL, NULL);
    fake_start();
    fake_pass_time(1995000);
    expect(VITAL_INTERNAL, VITAL_R_NO_THREAD, "none of the helper threads, 2 for one server, was free");
    fake_end();
}

/* Another probe's attempt has a thread and keeps it. */
static struct vital_io *hold(const char *where)
{
    fake_start();
    struct vital_io *io = fake_io(FAKE_JOB);
    struct mysql_job *other = io->block;
    other->started = other->submitted;
    other->stage = MYSQL_LOGIN;
    snprintf(other->where, sizeof other->where, "%s", where);
    other->mine = NULL;
    ((struct mysql *)fake.probe.priv)->job = NULL;
    io->kept = true;
    fake_pass_time(3000000);
    return io;
}

static void give_back(struct vital_io *io)
{
    io->open = false;
    io->job->wipe(io->block);
}

/* It has it since before this attempt began; where it asks is all that differs. */
static void held_by(const char *where, enum vital_class class, enum vital_reason reason, const char *text)
{
    fake_probe(vital_module, URL, NULL);
    struct vital_io *io = hold(where);
    struct mysql_job *other = io->block;
    fake_start();
    ((struct mysql_job *)fake_io(FAKE_JOB)->block)->submitted = other->submitted;
    fake_pass_time(1995000);
    expect(class, reason, text);
    give_back(io);
    fake_end();
}

TEST(a_server_that_hangs_leaves_threads_to_others)
{
    fake_probe(vital_module, URL, NULL);
    struct vital_io *here = hold("db1:3307"), *there = hold("db9:3306"), *here_too = hold("db1:3307");
    fake_start();
    CHECK(fake_find(FAKE_JOB) == here_too);      /* ours waits */
    ((struct mysql_job *)here->block)->started -= 3000000;
    ((struct mysql_job *)here_too->block)->started -= 3000000;
    fake_pass_time(1995000);
    expect(VITAL_FAIL, VITAL_R_TIMEOUT, "db1:3307: other attempts still wait for its answer to the login, so that no helper thread was left");
    fake_start();
    give_back(here);
    fake_pass_time(5000);
    CHECK(fake_find(FAKE_JOB) != here_too);
    well();
    thread_answers(fake_io(FAKE_JOB));
    expect(VITAL_PASS, VITAL_R_OK, "MariaDB");
    give_back(there);
    give_back(here_too);
    fake_end();
}

TEST(threads_held_by_the_same_server_tell_of_that_server)
{
    held_by("db1:3307", VITAL_FAIL, VITAL_R_TIMEOUT, "db1:3307: another attempt still waits for its answer to the login");
}

TEST(threads_held_by_another_server_tell_nothing_of_this_one)
{
    held_by("db9:3306", VITAL_INTERNAL, VITAL_R_NO_THREAD, "held by attempts that get no answer, as from db9:3306");
}

/* Another probe's attempt hung, and its thread went to a third one while ours waited, for `waited` of its two seconds. */
static void passed_on(const char *where, uint64_t waited, enum vital_class class, enum vital_reason reason, const char *text)
{
    fake_probe(vital_module, URL, NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_JOB);
    struct mysql_job *other = io->block;
    other->started = other->submitted = mysql_clock() - 4000000;
    other->deadline = other->submitted + 2000000;
    snprintf(other->where, sizeof other->where, "%s", where);
    other->mine = NULL;
    ((struct mysql *)fake.probe.priv)->job = NULL;
    io->kept = true;
    fake_pass_time(3000000);
    fake_start();
    struct mysql_job *mine = fake_io(FAKE_JOB)->block;
    mine->submitted = mysql_clock() - waited;
    mine->deadline = mine->submitted + 2000000;
    io->open = false;
    io->job->wipe(io->block);
    fake_pass_time(1995000);
    expect(class, reason, text);
    fake_end();
}

TEST(a_thread_that_changed_hands_tells_of_the_server_that_held_it)
{
    passed_on("db1:3307", 1900000, VITAL_FAIL, VITAL_R_TIMEOUT, "db1:3307: other attempts got no answer and held the helper threads");
}

TEST(a_thread_that_changed_hands_tells_nothing_of_another_server)
{
    passed_on("db8:3306", 1900000, VITAL_INTERNAL, VITAL_R_NO_THREAD, "none of the helper threads, 2 for one server, was free");
}

TEST(a_thread_that_changed_hands_early_tells_nothing)
{
    passed_on("db1:3307", 500000, VITAL_INTERNAL, VITAL_R_NO_THREAD, "none of the helper threads, 2 for one server, was free");
}

TEST(what_was_waited_for_is_said)
{
    fake_probe(vital_module, URL, NULL);
    fake_block("queries", "query", "SELECT 1", "name", "depth", NULL);
    fake_start();
    ((struct mysql_job *)fake_io(FAKE_JOB)->block)->stage = MYSQL_LOGIN;
    fake_pass_time(1995000);
    expect(VITAL_FAIL, VITAL_R_TIMEOUT, "db1:3307: no answer to the login within 2 s");
    fake_start();
    ((struct mysql_job *)fake_io(FAKE_JOB)->block)->stage = MYSQL_QUERY;
    fake_pass_time(1995000);
    expect(VITAL_FAIL, VITAL_R_TIMEOUT, "no answer to depth");
    fake_end();
}

TEST(one_thread_a_probe)
{
    fake_probe(vital_module, URL, NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_JOB);
    struct mysql_job *held = io->block;
    held->stage = MYSQL_LOGIN;
    io->kept = true; /* the thread has it beyond the attempt */
    fake_pass_time(3000000);
    expect(VITAL_FAIL, VITAL_R_TIMEOUT, "no answer to the login");
    held->deadline = mysql_clock() - 1;
    unsigned opened = fake.opened;
    fake_start();
    fake_pass_time(1995000);
    expect(VITAL_FAIL, VITAL_R_TIMEOUT, "db1:3307: the login of an earlier attempt still hangs");
    for (unsigned i = opened; i < fake.io_count; i++)
        CHECK(fake.ios[i]->kind != FAKE_JOB);
    fake_start();
    fake_pass_time(50000);
    io->open = false;
    io->job->wipe(io->block);
    fake_pass_time(50000);
    well();
    thread_answers(fake_io(FAKE_JOB));
    expect(VITAL_PASS, VITAL_R_OK, "");
    fake_end();
}

TEST(a_probe_that_goes_leaves_its_thread)
{
    fake_probe(vital_module, URL, NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_JOB);
    struct mysql *was = fake.probe.priv;
    io->kept = true;
    fake_end();
    was->job = (struct mysql_job *)&answer;
    io->job->wipe(io->block);
    CHECK(was->job == (struct mysql_job *)&answer); /* what was the probe's may be another's by now */
}

TEST(a_job_that_came_too_late_is_no_pass)
{
    fake_probe(vital_module, URL, NULL);
    answer = (struct mysql_seen){ .complete = false };
    attempt();
    expect(VITAL_INTERNAL, VITAL_R_NO_THREAD, "none of the helper threads, 2 for one server, was free");
    fake_end();
}

/* ---- judging ------------------------------------------------------------------------------------------------ */

TEST(roles)
{
    fake_probe(vital_module, URL, "role", "primary", NULL);
    well();
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "");
    answer.read_only = true;
    attempt();
    expect(VITAL_FAIL, VITAL_R_ROLE, "read-only");
    CHECK(fake_number("read_only") == 1);
    fake_end();
}

TEST(connections_with_hysteresis)
{
    fake_probe(vital_module, URL, "connections.warn_above", "50%", "connections.fail_above", "90:60", NULL);
    ((struct mysql_conf *)fake.conf)->connections.fail_above = (struct vital_threshold){ 90, 60, true, false };
    well();
    answer.connections = 51;
    attempt();
    expect(VITAL_WARN, VITAL_R_THRESHOLD, "51 of 100 connections are open, warns above 50%");
    answer.connections = 91;
    attempt();
    expect(VITAL_FAIL, VITAL_R_THRESHOLD, "fails above 90");
    answer.connections = 70;
    attempt();
    expect(VITAL_FAIL, VITAL_R_THRESHOLD, "fails until 60");
    answer.connections = 10;
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "");
    fake_end();
}

TEST(broken_replication)
{
    fake_probe(vital_module, URL, NULL);
    well();
    struct mysql_channel *c = replicates();
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "replication is 0 ms behind");
    c->has_lag = false;
    strcpy(c->sql, "No");
    attempt();
    expect(VITAL_FAIL, VITAL_R_REPLICATION, "replication from db1:3306 is broken: the SQL thread is stopped");
    CHECK(isnan(fake_number("lag_seconds")));
    CHECK(fake_number_of("replication_sql_running", "default") == 0);
    answer.read_only = false;
    attempt();
    expect(VITAL_WARN, VITAL_R_REPLICATION, "");
    fake_end();
}

TEST(one_of_several_channels)
{
    fake_probe(vital_module, URL, "lag.warn_above", "5s", NULL);
    well();
    strcpy(replicates()->name, "east");
    struct mysql_channel *west = replicates();
    strcpy(west->name, "west");
    west->lag = 9;
    attempt();
    expect(VITAL_WARN, VITAL_R_LAGGING, "replication channel west from db1:3306 is 9 s behind, warns above 5 s");
    CHECK(fake_number_of("lag_seconds", "west") == 9 && fake_number_of("lag_seconds", "east") == 0);
    fake_end();
}

TEST(more_channels_than_are_kept)
{
    fake_probe(vital_module, URL, NULL);
    well();
    answer.read_only = true;
    for (unsigned i = 0; i < MYSQL_CHANNELS_MAX; i++)
        replicates();
    answer.channel_count = MYSQL_CHANNELS_MAX + 5;
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "");
    CHECK(fake_number("replication_channels") == MYSQL_CHANNELS_MAX + 5);
    fake_end();
}

TEST(replication_that_must_be_there)
{
    fake_probe(vital_module, URL, "lag.fail_above", "5s", NULL);
    well();
    attempt();
    expect(VITAL_FAIL, VITAL_R_REPLICATION, "no source is configured");
    answer.replication = (struct mysql_failure){ 1227, "Access denied; you need" };
    attempt();
    expect(VITAL_FAIL, VITAL_R_PERMISSION, "grant REPLICA MONITOR");
    answer.replication.code = 0;
    answer.strange_replication = true;
    attempt();
    expect(VITAL_FAIL, VITAL_R_BAD_REPLY, "columns");
    fake_end();
}

TEST(replication_that_may_not_be_seen)
{
    fake_probe(vital_module, URL, NULL);
    well();
    answer.replication = (struct mysql_failure){ 1227, "Access denied; you need" };
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "not looked at: not permitted");
    fake_end();
}

TEST(positions_of_the_other_product)
{
    fake_probe(vital_module, URL, "gtid", "0-1-5", NULL);
    well();
    strcpy(answer.gtid_at, "0-1-4");
    attempt();
    expect(VITAL_FAIL, VITAL_R_LAGGING, "has not reached 0-1-5, it is at 0-1-4");
    answer.mariadb = false;
    attempt();
    expect(VITAL_FAIL, VITAL_R_CONFIG, "position of MariaDB, the server is MySQL");
    fake_end();
}

TEST(a_position_of_mysql)
{
    fake_probe(vital_module, URL, "gtid", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5", NULL);
    well();
    answer.mariadb = false;
    attempt();
    expect(VITAL_FAIL, VITAL_R_LAGGING, "has not reached 3E11");
    answer.gtid_reached = true;
    attempt();
    expect(VITAL_PASS, VITAL_R_OK, "MySQL 10.11.19");
    fake_end();
}

static struct mysql_answer *answers(const char *value)
{
    struct mysql_answer *a = &answer.answers[0];
    *a = (struct mysql_answer){ .asked = true, .rows = 1, .has_value = value != NULL };
    snprintf(a->value, sizeof a->value, "%s", value ? value : "");
    return a;
}

TEST(expectations)
{
    fake_probe(vital_module, URL, NULL);
    fake_block("queries", "query", "SELECT x", "equals", "5", "matches", "^[0-9]$", "warn_above", "4", "fail_below", "1", "min_rows", "1", NULL);
    well();
    answers("5");
    attempt();
    expect(VITAL_WARN, VITAL_R_THRESHOLD, "query 1 answers 5, warns above 4");
    CHECK_TEXT(asked.queries[0], "SELECT x");
    CHECK(fake_number_of("query_value", "query 1") == 5);
    answers("0");
    attempt();
    expect(VITAL_FAIL, VITAL_R_MISMATCH, "query 1 answers 0, expected 5");
    CHECK(strstr(fake.text, "fails below 1"));
    answers("five");
    attempt();
    CHECK(strstr(fake.text, "which does not match") && strstr(fake.text, "which is no number"));
    answers(NULL);
    attempt();
    expect(VITAL_FAIL, VITAL_R_MISMATCH, "answers NULL, expected 5");
    answers(NULL)->rows = 0;
    attempt();
    expect(VITAL_FAIL, VITAL_R_MISMATCH, "answers no row, expected 5");
    CHECK(strstr(fake.text, "has 0 rows, expected at least 1"));
    answers("5")->cut = true;
    attempt();
    expect(VITAL_FAIL, VITAL_R_MISMATCH, "expected 5");
    fake_end();
}

TEST(a_query_that_fails)
{
    fake_probe(vital_module, URL, NULL);
    fake_block("queries", "query", "SELECT x", "name", "depth", NULL);
    well();
    answers("1")->failure = (struct mysql_failure){ 1146, "Table 'a.b' doesn't exist" };
    attempt();
    expect(VITAL_FAIL, VITAL_R_QUERY, "depth: error 1146: Table 'a.b' doesn't exist");
    CHECK(isnan(fake_number("query_value")));
    fake_end();
}

TEST(slowness)
{
    fake_probe(vital_module, URL, "warn_above", "100ms", NULL);
    well();
    fake_start();
    fake_pass_time(150000);
    thread_answers(fake_io(FAKE_JOB));
    expect(VITAL_WARN, VITAL_R_SLOW, "the attempt took 150 ms, warns above 100 ms");
    fake_end();
}

TEST(texts_stay_in_one_line_and_in_their_room)
{
    char room[12];
    CHECK_TEXT(mysql_shown("a\nb\x7f", room, sizeof room), "a b ");
    CHECK_TEXT(mysql_shown("a long text that goes on", room, sizeof room), "a long t...");
    CHECK_TEXT(mysql_shown(NULL, room, sizeof room), "");
    struct found f = { .class = VITAL_PASS };
    for (unsigned i = 0; i < 50; i++)
        found_add(&f, i == 30 ? VITAL_FAIL : VITAL_WARN, i == 30 ? VITAL_R_ROLE : VITAL_R_SLOW, "finding number %u", i);
    CHECK_INT(f.class, VITAL_FAIL);
    CHECK_INT(f.reason, VITAL_R_ROLE);
    CHECK_TEXT(f.worst, "finding number 30");
    CHECK(!strncmp(f.others, "finding number 0; finding number 1; ", 36));
}

/* ---- prepare() ---------------------------------------------------------------------------------------------- */

#define REFUSES(words, ...)                                                                        \
    do {                                                                                           \
        fake_probe(vital_module, __VA_ARGS__, NULL);                                              \
        CHECK(!fake_prepare());                                                                    \
        CHECK(strstr(fake.diag, words));                                                           \
        if (!strstr(fake.diag, words))                                                             \
            fprintf(stderr, "    %s\n", fake.diag);                                                \
    } while (0)

TEST(refuses_another_scheme) { REFUSES("no scheme of MySQL", "url", "redis://me@x"); }
TEST(refuses_no_server) { REFUSES("say where the server is", "user", "me"); }
TEST(refuses_two_servers) { REFUSES("named twice", "socket", "/s", "host", "x", "user", "me"); }
TEST(refuses_a_port_beside_a_url) { REFUSES("goes with `host`", "url", "mysql://me@x", "port", "3307"); }
TEST(refuses_nobody) { REFUSES("say who logs in", "host", "x"); }
TEST(refuses_two_users) { REFUSES("in one place", "url", "mysql://me@x", "user", "you"); }
TEST(refuses_two_passwords) { REFUSES("in one place", "url", "mysql://me:a@x", "password", "b"); }
TEST(refuses_two_databases) { REFUSES("in one place", "url", "mysql://me@x/a", "database", "b"); }
TEST(refuses_a_path_of_two) { REFUSES("name of a database", "url", "mysql://me@x/a/b"); }
TEST(refuses_a_bad_escape) { REFUSES("name of a database", "url", "mysql://me@x/a%00"); }
TEST(refuses_several_hosts) { REFUSES("one name or address", "host", "a,b", "user", "me"); }
TEST(refuses_verify_over_a_unix_socket) { REFUSES("no host name", "socket", "/s", "user", "me", "tls.ca", "/ca"); }
TEST(refuses_files_without_tls) { REFUSES("there is no TLS", "host", "x", "user", "me", "tls.cert", "/c", "tls.key", "/k"); }
TEST(refuses_a_certificate_without_key) { REFUSES("both `cert` and `key`", "host", "x", "user", "me", "sslmode", "require", "tls.cert", "/c"); }
TEST(refuses_a_strange_position) { REFUSES("a position is", "host", "x", "user", "me", "gtid", "now"); }
TEST(refuses_lag_without_replication) { REFUSES("is ignored", "host", "x", "user", "me", "replication", "ignore", "lag.warn_above", "1s"); }
TEST(refuses_an_empty_query)
{
    fake_probe(vital_module, "host", "x", "user", "me", NULL);
    fake_block("queries", "query", " ;", NULL);
    CHECK(!fake_prepare());
    CHECK(strstr(fake.diag, "a query is empty"));
}
