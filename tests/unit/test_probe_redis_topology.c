#include "unit.h"

#include "redis_stage.h"

/* ---- Sentinel ----------------------------------------------------------------------------------------------- */

#define QUORUM_OK "+OK 3 usable Sentinels. Quorum and failover authorization is possible\r\n"
#define NO_QUORUM "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum for this master\r\n"
#define MASTER_AT "*2\r\n$8\r\n10.0.0.7\r\n$4\r\n6379\r\n"

static void sentinel_probe(void)
{
    fake_probe(vital_module, "mode", "sentinel", "hosts", "s1", "hosts", "[::2]:26380", "hosts", "s3:26379", "master", "mymaster",
               "password", "pw", "sentinel_password", "spw", NULL);
}

static struct vital_io *sentinel_answers(const char *quorum, const char *address, const char *tilt)
{
    struct vital_io *io = fake_io(FAKE_STREAM);
    if (!io->sent.len)
        fake_open(io);
    fake_data(io, "+OK\r\n");
    fake_data(io, quorum);
    fake_data(io, address);
    char info[80];
    snprintf(info, sizeof info, "# Sentinel\r\nsentinel_masters:1\r\nsentinel_tilt:%s\r\n", tilt);
    send_bulk(io, info);
    return io;
}

static void master_answers(const char *role)
{
    struct vital_io *io = fake_io(FAKE_STREAM);
    if (!io->sent.len)
        fake_open(io);
    fake_data(io, "+OK\r\n+PONG\r\n");
    fake_data(io, role);
    send_info(io, NULL, NULL);
}

#define ROLE_MASTER "*3\r\n$6\r\nmaster\r\n:1000\r\n*0\r\n"
#define ROLE_REPLICA "*5\r\n$5\r\nslave\r\n$8\r\n10.0.0.1\r\n:6379\r\n$9\r\nconnected\r\n:55\r\n"

TEST(sentinel_names_the_master_and_the_master_is_looked_at)
{
    sentinel_probe();
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK_TEXT(io->dial.host, "s1");
    CHECK_TEXT(io->dial.port, "26379");
    sentinel_answers(QUORUM_OK, MASTER_AT, "0");
    CHECK(strstr(sent(io), "AUTH\r\n$3\r\nspw\r\n*3\r\n$8\r\nSENTINEL\r\n$8\r\nCKQUORUM\r\n$8\r\nmymaster\r\n"));
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, "10.0.0.7");
    master_answers(ROLE_MASTER);
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(says("the master 10.0.0.7:6379, a master, answers"));
    CHECK(fake_number("sentinels") == 3);
    CHECK_INT(fake_open_count(), 2);
    fake_end();
}

TEST(sentinels_are_asked_in_turn_and_the_last_good_one_first)
{
    sentinel_probe();
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.1:26379");
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, "::2");
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.port, "26380");
    fake_open(fake_io(FAKE_STREAM));
    fake_pass_time(700000); /* hangs: its share of the time is over */
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, "s3");
    sentinel_answers(QUORUM_OK, MASTER_AT, "0");
    master_answers(ROLE_MASTER);
    expect(VITAL_PASS, VITAL_R_OK);
    size_t before = to("s3")->sent.len;
    fake_start();
    CHECK(to("s3")->sent.len > before);
    CHECK_INT(fake_open_count(), 3); /* the third, the master, and the third's share of the time */
    fake_end();
}

TEST(no_quorum_is_said_when_nobody_has_one)
{
    sentinel_probe();
    fake_start();
    sentinel_answers(NO_QUORUM, MASTER_AT, "0");
    sentinel_answers(QUORUM_OK, MASTER_AT, "1");
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.3:26379");
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, "10.0.0.7");
    master_answers(ROLE_MASTER);
    expect(VITAL_WARN, VITAL_R_QUORUM);
    CHECK(says("mymaster cannot be failed over: s1:26379: NOQUORUM 1 usable"));
    CHECK(says("[::2]:26380: is in TILT mode"));
    fake_end();
}

TEST(one_sentinel_without_quorum_is_not_the_whole_truth)
{
    sentinel_probe();
    fake_start();
    sentinel_answers(NO_QUORUM, MASTER_AT, "0");
    sentinel_answers(QUORUM_OK, MASTER_AT, "0");
    master_answers(ROLE_MASTER);
    expect(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(sentinel_may_lag_behind)
{
    sentinel_probe();
    fake_start();
    sentinel_answers(QUORUM_OK, MASTER_AT, "0");
    master_answers(ROLE_REPLICA);
    expect(VITAL_FAIL, VITAL_R_ROLE);
    CHECK(says("the master 10.0.0.7:6379 is a replica (Sentinel names it as the master), a master is expected"));
    fake_start(); /* and now it has caught up: another address at the next attempt */
    struct vital_io *sentinel = to("s1");
    CHECK(sentinel->open);
    fake_data(sentinel, "+OK\r\n" QUORUM_OK "*2\r\n$8\r\n10.0.0.8\r\n$4\r\n6379\r\n$0\r\n\r\n");
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, "10.0.0.8");
    master_answers(ROLE_MASTER);
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK_INT(fake_open_count(), 2); /* the old master's connection is given up */
    fake_end();
}

TEST(no_such_master_is_a_mistake_in_the_configuration)
{
    sentinel_probe();
    fake_start();
    for (unsigned i = 0; i < 3; i++)
        sentinel_answers("-ERR No such master with that name\r\n", "*-1\r\n", "0");
    expect(VITAL_FAIL, VITAL_R_CONFIG);
    CHECK(says("no Sentinel tells where mymaster is: s1:26379: knows no master \"mymaster\""));
    fake_end();
}

TEST(no_sentinel_at_all)
{
    sentinel_probe();
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.1:26379");
    fake_open(fake_io(FAKE_STREAM));
    fake_data(fake_io(FAKE_STREAM), "-WRONGPASS invalid username-password pair\r\n-NOAUTH x\r\n-NOAUTH x\r\n-NOAUTH x\r\n");
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_DNS, "s3: no such name");
    expect(VITAL_FAIL, VITAL_R_AUTH); /* the most telling one */
    CHECK(says("connection refused by 10.0.0.1:26379; [::2]:26380: WRONGPASS"));
    fake_end();
}

TEST(the_master_is_down)
{
    sentinel_probe();
    fake_start();
    sentinel_answers(QUORUM_OK, MASTER_AT, "0");
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.7:6379");
    expect(VITAL_FAIL, VITAL_R_REFUSED);
    CHECK_TEXT(fake.text, "the master cannot be reached: connection refused by 10.0.0.7:6379");
    fake_end();
}

/* ---- cluster ------------------------------------------------------------------------------------------------ */

#define NODE_ID(c) #c "000000000000000000000000000000000000000"
#define STATE_OK "cluster_state:ok\r\ncluster_slots_ok:16384\r\n"
#define STATE_FAIL "cluster_state:fail\r\ncluster_slots_ok:16383\r\n"

/* Three masters, a replica each; `flags` of b, its slots, and flags of its replica. */
static const char *cluster_map(const char *b_flags, const char *b_slots, const char *replica_flags)
{
    static char map[2000];
    snprintf(map, sizeof map,
             NODE_ID(a) " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460\n"
             NODE_ID(b) " 10.0.0.2:7000@17000,node-b.example %s - 0 0 2 connected %s\n"
             NODE_ID(c) " 10.0.0.3:7000@17000,,shard-id=ff master - 0 0 3 connected 10923-16383 [77->-" NODE_ID(a) "]\n"
             NODE_ID(d) " 10.0.0.4:7000@17000 slave " NODE_ID(a) " 0 0 1 connected\n"
             NODE_ID(e) " 10.0.0.5:7000@17000 %s " NODE_ID(b) " 0 0 2 connected\n"
             NODE_ID(f) " 10.0.0.6:7000@17000 slave " NODE_ID(c) " 0 0 3 connected\n", b_flags, b_slots, replica_flags);
    return map;
}

static struct vital_io *seed_answers(const char *state, const char *map)
{
    struct vital_io *io = fake_io(FAKE_STREAM);
    fake_open(io);
    send_bulk(io, state);
    send_bulk(io, map);
    return io;
}

static void peer_answers(const char *host, const char *state)
{
    struct vital_io *io = to(host);
    fake_open(io);
    send_bulk(io, state);
}

static void cluster_probe(const char *option, const char *value)
{
    fake_probe(vital_module, "mode", "cluster", "hosts", "seed1:7000", "hosts", "seed2:7000", option, value, NULL);
    fake_start();
}

TEST(a_whole_cluster)
{
    cluster_probe("hold", "true");
    struct vital_io *io = seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave"));
    CHECK_TEXT(sent(io), "*2\r\n$7\r\nCLUSTER\r\n$4\r\nINFO\r\n*2\r\n$7\r\nCLUSTER\r\n$5\r\nNODES\r\n");
    CHECK_TEXT(to("10.0.0.2")->dial.tls_name, "node-b.example");
    CHECK(!to("10.0.0.3")->dial.tls_name);
    peer_answers("10.0.0.2", STATE_OK);
    CHECK(!fake.finished);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "all 16384 slots are served by 3 masters; 3 replicas");
    CHECK(fake_number("cluster_slots_served") == 16384);
    CHECK(fake_number("cluster_fewest_replicas") == 1);
    CHECK_INT(fake_open_count(), 3);
    fake_end();
}

TEST(a_seed_that_talks_on_is_not_kept)
{
    cluster_probe("hold", "true");
    struct vital_io *io = seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave"));
    fake_data(io, "+and another thing\r\n");
    peer_answers("10.0.0.2", STATE_OK);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_PASS, VITAL_R_OK);
    CHECK(!io->open);
    CHECK_INT(fake_open_count(), 2);
    fake_end();
}

TEST(the_only_node_that_knows)
{
    cluster_probe("hold", "true");
    seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave"));
    peer_answers("10.0.0.2", STATE_FAIL);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_FAIL, VITAL_R_CLUSTER);
    CHECK_TEXT(fake.text, "master 10.0.0.2:7000 says that the cluster is down: 16383 of 16384 slots are served");
    fake_end();
}

TEST(a_slot_uncovered_as_the_seed_sees_it)
{
    cluster_probe("hold", "true");
    seed_answers(STATE_OK, cluster_map("master", "5461-7000 7002-10922", "slave")); /* cluster-require-full-coverage no */
    peer_answers("10.0.0.2", STATE_OK);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_FAIL, VITAL_R_CLUSTER);
    CHECK_TEXT(fake.text, "16383 of 16384 slots are served, says seed1:7000");
    fake_end();
}

TEST(a_failed_replica_only_warns)
{
    cluster_probe("hold", "true");
    seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave,fail"));
    peer_answers("10.0.0.2", STATE_OK);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_WARN, VITAL_R_CLUSTER);
    CHECK_TEXT(fake.text, "1 of 6 nodes has failed, 10.0.0.5:7000");
    CHECK(fake_number("cluster_fewest_replicas") == 0);
    fake_end();
}

TEST(a_failed_replica_can_be_ignored_but_replicas_demanded)
{
    cluster_probe("failed_nodes", "ignore");
    seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave,fail"));
    peer_answers("10.0.0.2", STATE_OK);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_PASS, VITAL_R_OK);
    fake_set("replicas.fail_below", "1");
    fake_start();
    struct vital_io *seed = fake.ios[0];
    for (unsigned i = 0; i < fake.io_count; i++)
        if (fake.ios[i]->open && fake.ios[i]->kind == FAKE_STREAM && !strcmp(fake.ios[i]->dial.host, "seed1"))
            seed = fake.ios[i];
    send_bulk(seed, STATE_OK);
    send_bulk(seed, cluster_map("master", "5461-10922", "slave,fail"));
    send_bulk(to("10.0.0.2"), STATE_OK);
    send_bulk(to("10.0.0.3"), STATE_OK);
    expect(VITAL_FAIL, VITAL_R_REPLICATION);
    CHECK_TEXT(fake.text, "master 10.0.0.2:7000 has 0 replicas, fails below 1");
    fake_end();
}

TEST(a_failed_master_takes_its_slots_along)
{
    cluster_probe("hold", "true");
    seed_answers(STATE_FAIL, cluster_map("master,fail", "5461-10922", "slave"));
    peer_answers("10.0.0.3", STATE_FAIL);
    expect(VITAL_FAIL, VITAL_R_CLUSTER);
    CHECK(fake_number("cluster_slots_served") == 10922);
    CHECK(fake_number("cluster_masters") == 2);
    fake_end();
}

TEST(a_master_that_cannot_be_reached_or_is_silent)
{
    cluster_probe("hold", "true");
    seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave"));
    fake_shut(to("10.0.0.2"), VITAL_R_REFUSED, "connection refused by 10.0.0.2:7000");
    CHECK(!fake.finished);
    fake_pass_time(1900000);
    expect(VITAL_FAIL, VITAL_R_CLUSTER);
    CHECK(says("the slots of a master cannot be reached: connection refused by 10.0.0.2:7000; master 10.0.0.3:7000 does not answer in time"));
    CHECK_INT(fake_open_count(), 1); /* the seed's */
    fake_end();
}

TEST(any_seed_will_do)
{
    cluster_probe("hold", "true");
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused by 10.0.0.1:7000");
    CHECK_TEXT(fake_io(FAKE_STREAM)->dial.host, "seed2");
    seed_answers(STATE_OK, cluster_map("master", "5461-10922", "slave"));
    peer_answers("10.0.0.2", STATE_OK);
    peer_answers("10.0.0.3", STATE_OK);
    expect(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(no_cluster_is_a_mistake_in_the_configuration)
{
    cluster_probe("hold", "true");
    for (unsigned i = 0; i < 2; i++) {
        struct vital_io *io = fake_io(FAKE_STREAM);
        fake_open(io);
        fake_data(io, "-ERR This instance has cluster support disabled\r\n-ERR This instance has cluster support disabled\r\n");
    }
    expect(VITAL_FAIL, VITAL_R_CONFIG);
    CHECK(says("seed1:7000: ERR This instance has cluster support disabled"));
    fake_end();
}

TEST(a_map_that_is_none)
{
    cluster_probe("hold", "true");
    seed_answers(STATE_OK, "what\nis this\n");
    seed_answers(STATE_OK, "");
    expect(VITAL_FAIL, VITAL_R_BAD_REPLY);
    fake_end();
}

TEST(many_masters_take_turns)
{
    fake_probe(vital_module, "mode", "cluster", "hosts", "seed1:7000", "hold", "false", NULL);
    char map[8000] = "";
    for (unsigned i = 0; i < 40; i++)
        snprintf(map + strlen(map), sizeof map - strlen(map), "%040u 10.0.1.%u:7000@17000 %smaster - 0 0 1 connected %u-%u\n", i, i,
                 i ? "" : "myself,", i * 409, i == 39 ? 16383 : i * 409 + 408);
    bool asked[40] = { false };
    for (unsigned round = 0; round < 3; round++) {
        fake_start();
        seed_answers(STATE_OK, map);
        for (unsigned i = 0; i < fake.io_count; i++) {
            struct vital_io *io = fake.ios[i];
            if (!io->open || io->kind != FAKE_STREAM || io->sent.len)
                continue;
            asked[strtol(io->dial.host + 7, NULL, 10)] = true;
            fake_open(io);
            send_bulk(io, STATE_OK);
        }
        expect(VITAL_PASS, VITAL_R_OK);
        CHECK_INT(fake_open_count(), 0);
    }
    for (unsigned i = 1; i < 40; i++)
        CHECK(asked[i]);
    fake_end();
}
