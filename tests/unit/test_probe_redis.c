#include "unit.h"

#include "redis_stage.h"

/* ---- one server --------------------------------------------------------------------------------------------- */

TEST(one_round_trip_asks_for_everything)
{
    fake_probe(vital_module, "url", "redis://app:s3kret@cache:6380/2", "role", "master", "write_test", "vitald:x", NULL);
    struct vital_io *io = begin_open();
    CHECK_TEXT(io->dial.host, "cache");
    CHECK_TEXT(io->dial.port, "6380");
    CHECK(strstr(sent(io), "*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$6\r\ns3kret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*1\r\n$4\r\nPING\r\n"
                           "*1\r\n$4\r\nROLE\r\n*1\r\n$4\r\nINFO\r\n*5\r\n$3\r\nSET\r\n$8\r\nvitald:x\r\n") == sent(io));
    fake.now += 400;
    fake_data(io, "+OK\r\n+OK\r\n+PO");
    fake_data(io, "NG\r\n*3\r\n$6\r\nmaster\r\n:1000\r\n*0\r\n");
    send_info(io, NULL, NULL);
    CHECK(!fake.finished);
    fake_data(io, "+OK\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "cache:6380, a master, answers in 0.4 ms; 1 MiB used");
    CHECK(fake_number("ping_seconds") == 0.0004);
    CHECK(fake_number("clients") == 5);
    CHECK(fake_number("unsaved_changes") == 3);
    CHECK(fake_number("connect_seconds") == 0.001);
    CHECK(io->kept && io->open);
    fake_end();
}

TEST(only_what_is_needed_is_asked)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    struct vital_io *io = begin_open();
    CHECK_TEXT(sent(io), "*1\r\n$4\r\nPING\r\n");
    fake_data(io, "+PONG\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(unix_sockets_and_plain_passwords)
{
    fake_probe(vital_module, "url", "unix:/run/redis.sock", "password", "pw", "info", "false", NULL);
    struct vital_io *io = begin_open();
    CHECK_TEXT(io->dial.unix_path, "/run/redis.sock");
    CHECK(!io->dial.host);
    CHECK_TEXT(sent(io), "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*1\r\n$4\r\nPING\r\n");
    fake_data(io, "+OK\r\n+PONG\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

static void error_row(const char *error, enum vital_reason reason)
{
    struct vital_io *io = fake.attempts ? NULL : begin_open();
    if (!io) {
        fake_start();
        io = fake_io(FAKE_STREAM);
    }
    char line[200];
    snprintf(line, sizeof line, "-%s\r\n", error);
    fake_data(io, line);
    expect(VITAL_FAIL, reason);
}

TEST(errors_are_told_apart_by_their_words)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    static const struct { const char *error; enum vital_reason reason; } rows[] = {
        { "LOADING Redis is loading the dataset in memory", VITAL_R_LOADING },
        { "BUSY Redis is busy running a script.", VITAL_R_BUSY },
        { "MISCONF Redis is configured to save RDB snapshots", VITAL_R_PERSISTENCE },
        { "MASTERDOWN Link with MASTER is down", VITAL_R_REPLICATION },
        { "NOPERM this user has no permissions", VITAL_R_PERMISSION },
        { "DENIED Redis is running in protected mode", VITAL_R_PERMISSION },
        { "ERR max number of clients reached", VITAL_R_TOO_MANY_CLIENTS },
        { "ERR unknown command 'PING'", VITAL_R_CONFIG },
        { "ERR something nobody has heard of", VITAL_R_BAD_REPLY },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        error_row(rows[i].error, rows[i].reason);
    fake_end();
}

TEST(a_refused_login_is_said_once_and_the_connection_is_not_kept)
{
    fake_probe(vital_module, "url", "redis://:pw@cache:6379", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n"
                  "-NOAUTH Authentication required.\r\n");
    expect(VITAL_FAIL, VITAL_R_AUTH);
    CHECK_TEXT(fake.text, "cache:6379: WRONGPASS invalid username-password pair or user is disabled.");
    CHECK(!io->open);
    fake_end();
}

TEST(after_a_refused_login_the_default_users_limits_do_not_matter)
{
    fake_probe(vital_module, "url", "redis://:pw@cache:6379", "info", "false", NULL);
    fake_data(begin_open(), "-WRONGPASS invalid username-password pair\r\n-NOPERM this user has no permissions to run the 'ping' command\r\n");
    expect(VITAL_FAIL, VITAL_R_AUTH);
    CHECK(!strstr(fake.text, "NOPERM"));
    fake_end();
}

TEST(a_server_that_wants_a_password_says_so)
{
    fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n");
    expect(VITAL_FAIL, VITAL_R_AUTH);
    CHECK(!strstr(fake.text, ";"));
    fake_end();
}

TEST(its_last_words_count_more_than_the_close)
{
    fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "-ERR max number of clients reached\r\n");
    CHECK(!fake.finished);
    fake_shut(io, VITAL_R_OK, NULL);
    expect(VITAL_FAIL, VITAL_R_TOO_MANY_CLIENTS);
    CHECK_TEXT(fake.text, "cache:6379: ERR max number of clients reached");
    fake_end();
}

TEST(closed_refused_and_our_own_shortage)
{
    fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    fake_shut(begin_open(), VITAL_R_OK, NULL);
    expect(VITAL_FAIL, VITAL_R_CLOSED);
    CHECK_TEXT(fake.text, "cache:6379 closed the connection before it had answered");
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.1:6379");
    expect(VITAL_FAIL, VITAL_R_REFUSED);
    CHECK_TEXT(fake.text, "connection refused by 10.0.0.1:6379");
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_NO_FDS, "out of file descriptors");
    expect(VITAL_INTERNAL, VITAL_R_NO_FDS);
    fake_end();
}

TEST(loading_tells_how_far)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "write_test", "k", "role", "master", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "-LOADING Redis is loading the dataset in memory\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    send_info(io, "loading_loaded_perc:41.50", "loading_eta_seconds:30", NULL);
    fake_data(io, "-LOADING Redis is loading the dataset in memory\r\n");
    expect(VITAL_FAIL, VITAL_R_LOADING);
    CHECK_TEXT(fake.text, "cache:6379 is loading its data into memory: 42% done, 30 s to go");
    CHECK(fake_number("loaded_ratio") == 0.415);
    fake_end();
}

TEST(roles)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "role", "master", "info", "false", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:55\r\n");
    expect(VITAL_FAIL, VITAL_R_ROLE);
    CHECK_TEXT(fake.text, "cache:6379 is a replica, a master is expected");
    fake_start();
    fake_data(fake_io(FAKE_STREAM), "+PONG\r\n*2\r\n$8\r\nsentinel\r\n*0\r\n");
    expect(VITAL_FAIL, VITAL_R_CONFIG);
    fake_start();
    fake_data(fake_io(FAKE_STREAM), "+PONG\r\n*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$7\r\nconnect\r\n:55\r\n");
    expect(VITAL_FAIL, VITAL_R_ROLE);
    CHECK(says("link to its master is down"));
    fake_end();
}

TEST(a_replica_with_its_link_cut)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "role", "replica", "lag.warn_above", "5s", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$7\r\nconnect\r\n:55\r\n");
    send_info(io, "role:slave", "master_link_status:down", "master_sync_in_progress:0", "master_link_down_since_seconds:12", NULL);
    expect(VITAL_FAIL, VITAL_R_REPLICATION);
    CHECK(says("is a replica whose link to its master is down for 12 s; "));
    CHECK(fake_number("link_up") == 0);
    CHECK(fake_number("lag_seconds") == 12);
    fake_start();
    io = fake_io(FAKE_STREAM);
    fake_data(io, "+PONG\r\n*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:55\r\n");
    send_info(io, "role:slave", "master_link_status:up", "master_last_io_seconds_ago:9", NULL);
    expect(VITAL_WARN, VITAL_R_LAGGING);
    CHECK_TEXT(fake.text, "cache:6379 has heard nothing from its master for 9 s, warns above 5 s");
    fake_end();
}

TEST(a_masters_replicas)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "replicas.fail_below", "2", "lag_bytes.warn_above", "1KiB", "lag.fail_above", "10s", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n");
    send_info(io, "connected_slaves:2", "slave0:ip=10.0.0.2,port=6379,state=online,offset=1000,lag=1",
              "slave1:ip=::1,port=6379,state=wait_bgsave,offset=0,lag=0", "master_repl_offset:1000", NULL);
    expect(VITAL_FAIL, VITAL_R_REPLICATION);
    CHECK_TEXT(fake.text, "cache:6379 has 1 replica online, fails below 2");
    CHECK(fake_number_of("replica_lag_seconds", "10.0.0.2:6379") == 1);
    CHECK(fake_number_of("replica_lag_bytes", "[::1]:6379") == 1000);
    fake_start();
    fake_data(io, "+PONG\r\n");
    send_info(io, "connected_slaves:2", "slave0:ip=10.0.0.2,port=6379,state=online,offset=1000,lag=1",
              "slave1:ip=10.0.0.3,port=6379,state=online,offset=500000,lag=11", "master_repl_offset:1000000", NULL);
    expect(VITAL_FAIL, VITAL_R_LAGGING);
    CHECK(says("replica 10.0.0.3:6379 last reported to cache:6379 11 s ago, fails above 10 s"));
    CHECK(says("replica 10.0.0.2:6379 is 976 KiB behind cache:6379, warns above 1 KiB"));
    fake_end();
}

TEST(memory_full_without_eviction_fails_by_default)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "memory.warn_above", "80%", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n");
    send_info(io, "used_memory:3145728", "maxmemory:2097152", NULL);
    expect(VITAL_FAIL, VITAL_R_MEMORY);
    CHECK_TEXT(fake.text, "cache:6379 is full and refuses writes: 3 MiB used of 2 MiB (maxmemory, noeviction)");
    fake_start();
    fake_data(io, "+PONG\r\n");
    send_info(io, "used_memory:3145728", "maxmemory:2097152", "maxmemory_policy:allkeys-lru", NULL);
    expect(VITAL_WARN, VITAL_R_MEMORY);
    CHECK_TEXT(fake.text, "cache:6379 uses 3 MiB of 2 MiB, warns above 80%");
    CHECK(fake_number("used_memory_ratio") == 1.5);
    fake_start();
    fake_data(io, "+PONG\r\n");
    send_info(io, NULL, NULL); /* no limit: a share of it says nothing */
    expect(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(a_replica_takes_no_writes_anyway)
{
    fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n");
    send_info(io, "used_memory:3145728", "maxmemory:2097152", "role:slave", "master_link_status:up", NULL);
    expect(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(persistence_warns_or_fails)
{
    fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n");
    send_info(io, "rdb_last_bgsave_status:err", NULL);
    expect(VITAL_WARN, VITAL_R_PERSISTENCE);
    fake_start();
    fake_data(io, "-MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.\r\n");
    send_info(io, "rdb_last_bgsave_status:err", NULL);
    expect(VITAL_FAIL, VITAL_R_PERSISTENCE);
    CHECK(!strstr(fake.text, "; "));
    fake_end();
}

TEST(clients_turned_away_since_the_last_attempt)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "clients.warn_above", "80%", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n");
    send_info(io, "rejected_connections:7", NULL);
    expect(VITAL_PASS, VITAL_R_OK); /* before our time */
    fake_start();
    fake_data(io, "+PONG\r\n");
    send_info(io, "rejected_connections:9", NULL);
    expect(VITAL_WARN, VITAL_R_TOO_MANY_CLIENTS);
    CHECK(says("has turned 2 clients away"));
    fake_start();
    fake_data(io, "+PONG\r\n");
    send_info(io, "rejected_connections:0", "connected_clients:90", NULL); /* restarted: not less than nothing */
    expect(VITAL_WARN, VITAL_R_TOO_MANY_CLIENTS);
    CHECK_TEXT(fake.text, "cache:6379 has 90 clients of 100, warns above 80%");
    fake_end();
}

TEST(info_that_is_not_permitted)
{
    fake_probe(vital_module, "url", "redis://cache:6379", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n-NOPERM this user has no permissions to run the 'info' command\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(says("INFO is not permitted"));
    fake_end();
}

TEST(info_that_is_not_permitted_but_needed)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "memory.fail_above", "90%", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n-NOPERM this user has no permissions to run the 'info' command\r\n");
    expect(VITAL_FAIL, VITAL_R_PERMISSION);
    fake_end();
}

TEST(write_tests)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", "write_test", "vitald:x", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    expect(VITAL_FAIL, VITAL_R_MEMORY);
    CHECK(says("cache:6379: writing vitald:x: OOM"));
    fake_start();
    fake_data(io, "+PONG\r\n-READONLY You can't write against a read only replica.\r\n");
    expect(VITAL_FAIL, VITAL_R_READ_ONLY);
    fake_start();
    fake_data(io, "+PONG\r\n-NOREPLICAS Not enough good replicas to write.\r\n");
    expect(VITAL_FAIL, VITAL_R_REPLICATION);
    fake_end();
}

TEST(commands_with_expectations)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    fake_block("commands", "command", "LLEN celery", "warn_above", "100", "fail_above", "1000", NULL);
    fake_block("commands", "command", "GET", "command", "a key", "name", "flag", "equals", "on", NULL);
    fake_block("commands", "command", "GET version", "matches", "^7\\.", NULL);
    struct vital_io *io = begin_open();
    CHECK(strstr(sent(io), "*2\r\n$4\r\nLLEN\r\n$6\r\ncelery\r\n*2\r\n$3\r\nGET\r\n$5\r\na key\r\n*2\r\n$3\r\nGET\r\n$7\r\nversion\r\n"));
    fake_data(io, "+PONG\r\n:20\r\n$2\r\non\r\n$3\r\n7.2\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(fake_number_of("command_value", "LLEN celery") == 20);
    fake_start();
    fake_data(io, "+PONG\r\n:101\r\n$3\r\noff\r\n$3\r\n6.0\r\n");
    expect(VITAL_FAIL, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "flag is \"off\", not \"on\"; LLEN celery is 101, warns above 100; GET version is \"6.0\", which does not match");
    fake_start();
    fake_data(io, "+PONG\r\n:1001\r\n$2\r\non\r\n$3\r\n7.2\r\n");
    expect(VITAL_FAIL, VITAL_R_THRESHOLD);
    CHECK_TEXT(fake.text, "LLEN celery is 1001, fails above 1000");
    fake_start();
    fake_data(io, "+PONG\r\n-WRONGTYPE Operation against a key\r\n$-1\r\n$3\r\n7.2\r\n");
    expect(VITAL_FAIL, VITAL_R_QUERY);
    CHECK(says("flag is \"(nil)\", not \"on\""));
    fake_end();
}

TEST(slow_is_a_warning)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", "warn_above", "10ms", NULL);
    struct vital_io *io = begin_open();
    fake.now += 25000;
    fake_data(io, "+PONG\r\n");
    expect(VITAL_WARN, VITAL_R_SLOW);
    CHECK_TEXT(fake.text, "the attempt took 25 ms, warns above 10 ms");
    fake_end();
}

TEST(certificates_have_days_left)
{
    fake_probe(vital_module, "url", "rediss://cache:6379", "tls", "true", "info", "false", "certificate.warn_below", "20", NULL);
    struct vital_io *io = begin_open();
    CHECK(io->dial.tls);
    io->certs[0] = (struct vital_cert){ "CN=cache", "CN=ca", 0, time(NULL) + 5 * 86400 + 60, NULL, VITAL_R_OK };
    io->cert_count = 1;
    fake_data(io, "+PONG\r\n");
    expect(VITAL_WARN, VITAL_R_CERT_EXPIRING);
    CHECK_TEXT(fake.text, "the certificate of CN=cache has 5 days left, warns below 20 days");
    fake_end();
}

/* ---- hostile replies ---------------------------------------------------------------------------------------- */

static void hostile(const char *bytes, enum vital_reason reason)
{
    struct vital_io *io = begin_open();
    fake_data(io, bytes);
    expect(VITAL_FAIL, reason);
}

TEST(hostile_replies_end_the_conversation)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    hostile("*2147483647\r\n", VITAL_R_TOO_LARGE);
    hostile("*1025\r\n", VITAL_R_TOO_LARGE);
    hostile("HTTP/1.1 400 Bad Request\r\n\r\n", VITAL_R_BAD_REPLY);
    CHECK(says("cache:6379 does not speak Redis's protocol"));
    hostile("%1\r\n+a\r\n+b\r\n", VITAL_R_BAD_REPLY);
    hostile("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+x\r\n", VITAL_R_BAD_REPLY);
    CHECK_INT(fake_open_count(), 0);
    hostile("+OK\r\n", VITAL_R_BAD_REPLY);
    CHECK_TEXT(fake.text, "cache:6379 answers PING with \"OK\"");
    fake_end();
}

TEST(a_line_without_end_is_cut)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    struct vital_io *io = begin_open();
    static char chunk[16 * 1024];
    memset(chunk, 'a', sizeof chunk);
    fake_data(io, "+");
    for (unsigned i = 0; i < 16; i++) {
        CHECK(!fake.finished);
        fake_data_n(io, chunk, sizeof chunk);
    }
    expect(VITAL_FAIL, VITAL_R_TOO_LARGE);
    fake_end();
}

TEST(many_small_values_are_cut)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "*1024\r\n");
    for (unsigned i = 0; i < 1024 && !fake.finished; i++) {
        fake_data(io, "*100\r\n");
        for (unsigned k = 0; k < 100 && !fake.finished; k++)
            fake_data(io, "*0\r\n");
    }
    expect(VITAL_FAIL, VITAL_R_TOO_LARGE);
    fake_end();
}

TEST(the_caps_are_for_one_reply)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    fake_block("commands", "command", "LRANGE q 0 999", "fail_below", "1000", NULL);
    struct vital_io *io = begin_open();
    for (unsigned round = 0; round < 20; round++) {
        if (round)
            fake_start();
        fake_data(io, "+PONG\r\n*1000\r\n");
        for (unsigned i = 0; i < 1000; i++)
            fake_data(io, "$-1\r\n");
        expect(VITAL_PASS, VITAL_R_OK);
    }
    CHECK(fake_number_of("command_value", "LRANGE q 0 999") == 1000);
    fake_end();
}

TEST(one_that_talks_on_is_not_kept)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n+PONG\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(!io->open);
    fake_end();
}

/* ---- kept connections --------------------------------------------------------------------------------------- */

static struct vital_io *held(void)
{
    fake_probe(vital_module, "url", "redis://:pw@cache:6379", "info", "false", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+OK\r\n+PONG\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(io->open && io->kept);
    return io;
}

TEST(a_kept_connection_is_used_again_with_a_new_login)
{
    struct vital_io *io = held();
    size_t before = io->sent.len;
    fake_start();
    CHECK(io == fake_io(FAKE_STREAM));
    CHECK_TEXT(sent(io) + before, "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*1\r\n$4\r\nPING\r\n");
    fake_data(io, "+OK\r\n+PONG\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(isnan(fake_number("connect_seconds"))); /* nothing was connected in this attempt */
    CHECK_INT(fake_open_count(), 1);
    fake_end();
}

TEST(its_end_between_attempts_is_an_edge)
{
    struct vital_io *io = held();
    CHECK_INT(fake.nudges, 0);
    fake_shut(io, VITAL_R_OK, NULL);
    CHECK_INT(fake.nudges, 1);
    fake_start();
    CHECK(io != fake_io(FAKE_STREAM));
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.1:6379");
    expect(VITAL_FAIL, VITAL_R_REFUSED);
    fake_end();
}

TEST(words_that_nobody_asked_for_are_an_edge_too)
{
    struct vital_io *io = held();
    fake_data(io, "-ERR going away\r\n");
    CHECK_INT(fake.nudges, 1);
    CHECK(!io->open);
    fake_end();
}

TEST(a_kept_connection_that_is_dead_is_dialled_again_once)
{
    struct vital_io *io = held();
    fake_start();
    fake_shut(io, VITAL_R_RESET, "reset");
    CHECK(!fake.finished);
    struct vital_io *again = fake_io(FAKE_STREAM);
    CHECK(again != io);
    fake_open(again);
    fake_shut(again, VITAL_R_RESET, "reset");
    expect(VITAL_FAIL, VITAL_R_RESET);
    fake_end();
}

TEST(a_timeout_gives_the_kept_connection_up)
{
    struct vital_io *io = held();
    fake_start();
    fake_pass_time(3000000);
    CHECK(!fake.running);
    CHECK(!io->open); /* late answers would be taken for those of the next attempt */
    fake_start();
    CHECK(io != fake_io(FAKE_STREAM));
    fake_end();
}

TEST(hold_false_lets_go)
{
    fake_probe(vital_module, "url", "redis://cache:6379", "info", "false", "hold", "false", NULL);
    struct vital_io *io = begin_open();
    fake_data(io, "+PONG\r\n");
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(!io->open);
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

/* ---- prepare() ---------------------------------------------------------------------------------------------- */

#define REFUSES(text, ...)                                                                         \
    do {                                                                                           \
        fake_probe(vital_module, __VA_ARGS__, NULL);                                               \
        CHECK(!fake_prepare());                                                                    \
        CHECK(strstr(fake.diag, text));                                                            \
    } while (0)

TEST(refuses_another_scheme) { REFUSES("no scheme of Redis", "url", "http://x"); }
TEST(refuses_no_server) { REFUSES("say where the server is", "user", NULL); }
TEST(refuses_a_strange_database) { REFUSES("number of a database", "url", "redis://x/two"); }
TEST(refuses_two_databases) { REFUSES("one place", "url", "redis://x/2", "database", "3"); }
TEST(refuses_two_passwords) { REFUSES("one place", "url", "redis://:a@x", "password", "b"); }
TEST(refuses_a_user_alone) { REFUSES("needs a password", "url", "redis://me@x"); }
TEST(refuses_hosts_without_mode) { REFUSES("several hosts", "url", "redis://x", "hosts", "y"); }
TEST(refuses_sentinel_without_master) { REFUSES("which master", "mode", "sentinel", "hosts", "y"); }
TEST(refuses_a_bad_host) { REFUSES("a port is a number", "mode", "cluster", "hosts", "y:99999"); }
TEST(refuses_limits_without_info) { REFUSES("read from INFO", "url", "redis://x", "info", "false", "memory.warn_above", "80%"); }
TEST(refuses_server_options_in_a_cluster) { REFUSES("node's own url", "mode", "cluster", "hosts", "y", "write_test", "k"); }
TEST(refuses_a_harmful_command)
{
    fake_probe(vital_module, "url", "redis://x", NULL);
    fake_block("commands", "command", "blpop queue 0", NULL);
    CHECK(!fake_prepare());
    CHECK(strstr(fake.diag, "not for a health check"));
}

/* ---- parts -------------------------------------------------------------------------------------------------- */

TEST(fields_are_found_at_the_beginning_of_lines_only)
{
    const char *info = "# X\r\na_used:1\r\nused:2.5\r\nempty:\r\nlast:x";
    double v = 0;
    CHECK(redis_field_number(info, "used", &v) && v == 2.5);
    CHECK(!redis_field_number(info, "empty", &v) && !redis_field_number(info, "last", &v) && !redis_field_number(info, "use", &v));
    CHECK(redis_field_is(info, "last", "x") && redis_field_is(info, "empty", "") && !redis_field_is(info, "last", "xy"));
    CHECK(!redis_field_number("a:nan\r\n", "a", &v) && !redis_field_number("a:1e300\r\n", "a", &v));
}

TEST(addresses)
{
    struct redis_address a;
    CHECK(!redis_address_parse("cache", "6379", &a));
    CHECK_TEXT(a.port, "6379");
    CHECK(!redis_address_parse("[fe80::1]:7", "6379", &a));
    CHECK_TEXT(a.host, "fe80::1");
    CHECK_TEXT(a.port, "7");
    static const char *const bad[] = { "", ":1", "a:", "a:0", "a:65536", "a:1x", "::1", "[::1", "[::1]x", "a b", "u@h:1", "redis://h:1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(redis_address_parse(bad[i], "6379", &a));
}

TEST(replicas_in_info)
{
    struct redis_replica r;
    static const char info[] = "slave0:ip=10.0.0.2,port=6379,state=online,offset=1234,lag=1\r\nslave1:ip=::1,port=7,state=wait_bgsave,offset=x,lag=\r\n"
                               "slave2:state=onlinx\r\nslave3:ip,port,ipx=1,=,what=else\r\nslave4:\r\nslave5:ip=a\x1b[2Jb,port=\x1b[2J-more\r\n";
    CHECK(redis_replica_nth(info, 0, &r) && r.online && r.offset == 1234 && r.lag == 1);
    CHECK_TEXT(r.name, "10.0.0.2:6379");
    CHECK(redis_replica_nth(info, 1, &r) && !r.online && r.offset == 0 && r.lag == 0);
    CHECK_TEXT(r.name, "[::1]:7");
    CHECK(redis_replica_nth(info, 2, &r) && !r.online);
    CHECK_TEXT(r.name, "?:?");
    CHECK(redis_replica_nth(info, 3, &r) && redis_replica_nth(info, 4, &r));
    CHECK_TEXT(r.name, "?:?");
    CHECK(redis_replica_nth(info, 5, &r));
    CHECK_TEXT(r.name, "a\\x1b[2Jb:\\x1b[2J-"); /* nothing that a terminal would obey */
    CHECK(!redis_replica_nth(info, 6, &r));
    double v;
    CHECK(!redis_field_number("a:1111111111111111111111111111111111111111\r\n", "a", &v));
}

TEST(maps_of_a_cluster)
{
    static const struct { const char *text; bool good; unsigned count, served; } cases[] = {
        { "id 10.0.0.1:6379@16379,host myself,master - 0 0 1 connected 0-99 200\r\n\r\n", true, 1, 101 },
        { "id 10.0.0.1:6379 master - 0 0 1 connected 5  [7->-x] [8-<-y]\n", true, 1, 1 },
        { "id ::1:6379@16379,,shard-id=x master - 0 0 1 connected x 16384 16383-16390\n", true, 1, 1 },
        { "id 10.0.0.1:6379 master,fail - 0 0 1 connected 0-9\n", true, 1, 0 },
        { "id :0@0 noaddr - 0 0 1 disconnected\n", true, 1, 0 },
        { "id nothing master - 0 0 1 connected\n", true, 1, 0 },
        { "id nothing odd - 0 0 1 connected\n", false, 0, 0 },
        { "id 10.0.0.1:1 odd - 0 0 1 connected\n", true, 1, 0 },
        { "id 10.0.0.1:1 master - 0 0 1\n", false, 0, 0 },
        { "id  master - 0 0 1 connected\n", false, 0, 0 },
        { "id ,host master - 0 0 1 connected\n", true, 1, 0 },
        { "id 10.0.0.1:1 master - 0 0 1 connected 00000000000000000001\n", true, 1, 0 },
        { "", false, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_nodes n;
        bool good = redis_nodes_parse(cases[i].text, &n);
        if (good != cases[i].good || (good && (n.count != cases[i].count || n.served != cases[i].served)))
            fprintf(stderr, "%s: %d %u %u\n", cases[i].text, good, n.count, n.served);
        CHECK_INT(good, cases[i].good);
        CHECK(!good || (n.count == cases[i].count && n.served == cases[i].served));
        redis_nodes_free(&n);
    }
    struct redis_nodes n;
    CHECK(redis_nodes_parse("m1 h:1 master - 0 0 1 connected\nr h:2 slave m1 0 0 1 connected\ns h:3 slave,fail m1 0 0 1 connected\nt h:4 slave m2 0 0 1 connected\nu h:5 slave long 0 0 1 connected\nv h:6 slave - 0 0 1 connected\n", &n));
    CHECK_INT(redis_node_replicas(&n, &n.items[0]), 1);
    redis_nodes_free(&n);
}

TEST(strange_bytes_are_shown_and_cut)
{
    char room[64], small[16];
    CHECK_TEXT(redis_shown("a\x7f\n~", 4, 60, room, sizeof room), "a\\x7f\\x0a~");
    CHECK_TEXT(redis_shown("abcdef", 6, 3, room, sizeof room), "abc...");
    CHECK_TEXT(redis_shown("abcdefghijklm", 13, 60, small, sizeof small), "abcdefgh...");
    struct redis_address a;
    char host[300];
    memset(host, 'h', sizeof host);
    host[sizeof host - 1] = '\0';
    CHECK_TEXT(redis_address_parse(host, "1", &a), "a host name or address is expected");
    CHECK_TEXT(redis_address_parse("[]", "1", &a), "a host name or address is expected");
    CHECK_TEXT(redis_address_parse("a:123456", "1", &a), "a port is a number from 1 to 65535");
    CHECK_TEXT(redis_address_parse("[::1]:2:3", "1", &a), "a port is a number from 1 to 65535");
}
