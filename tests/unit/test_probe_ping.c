#include "unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "builtin.h"
#include "fake_host.h"

static int fds(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* Starts an attempt; false where this process may not ping at all, which the probe must then have said. */
static bool pinging(void)
{
    fake_start();
    if (!fake.finished)
        return true;
    CHECK_INT(fake.reason, VITAL_R_NOT_AVAILABLE);
    CHECK(strstr(fake.text, "net.ipv4.ping_group_range") && strstr(fake.text, "CAP_NET_RAW"));
    return false;
}

/* The kernel answers for 127.0.0.1 at once; this hands the answer to the probe. */
static void collect(void)
{
    struct vital_io *io = fake_io(FAKE_WATCH);
    struct pollfd poll_for = { .fd = io->fd, .events = POLLIN };
    CHECK_INT(poll(&poll_for, 1, 5000), 1);
    fake_ready(io, VITAL_READ);
}

TEST(all_answers)
{
    fake_probe(&ping_module, "host", "127.0.0.1", NULL);
    int before = fds();
    for (unsigned i = 0; i < 3; i++) {
        if (!pinging())
            return;
        fake.now += 1000;
        collect();
        fake_pass_time(99000);
        fake.now += 2000;
        collect();
        CHECK(!fake.finished);
        fake_pass_time(98000);
        fake.now += 3000;
        collect();
        CHECK_INT(fake.class, VITAL_PASS);
        CHECK(strstr(fake.text, "3 of 3 answers from 127.0.0.1, ") != NULL);
        CHECK(fake_number("loss_ratio") == 0);
        CHECK(fabs(fake_number("rtt_seconds") - 0.002) < 1e-9);
        CHECK(fake_number("rtt_min_seconds") == 0.001);
        CHECK(fake_number("rtt_max_seconds") == 0.003);
        CHECK_INT(fds(), before);
    }
    fake_end();
}

static enum vital_class with_one_of_three(void)
{
    if (!pinging())
        exit(0);
    collect();
    fake_pass_time(1990000);
    CHECK(fake.finished);
    CHECK(fabs(fake_number("loss_ratio") - 2.0 / 3) < 1e-9);
    return fake.class;
}

TEST(loss_thresholds_as_ratio_and_percentage)
{
    fake_probe(&ping_module, "host", "127.0.0.1", NULL);
    CHECK_INT(with_one_of_three(), VITAL_PASS);
    fake_set("loss_warn_above", "0%");
    CHECK_INT(with_one_of_three(), VITAL_WARN);
    CHECK(strstr(fake.text, "1 of 3 answers from 127.0.0.1") && strstr(fake.text, "67% are lost"));
    fake_set("loss_fail_above", "70%");
    CHECK_INT(with_one_of_three(), VITAL_WARN);
    fake_set("loss_fail_above", "0.6");
    CHECK_INT(with_one_of_three(), VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_THRESHOLD);
    fake_end();
}

TEST(no_answer_is_told_before_the_deadline)
{
    fake_probe(&ping_module, "host", "127.0.0.1", NULL);
    int before = fds();
    if (!pinging())
        return;
    fake_pass_time(1990000);
    CHECK(fake.finished);
    CHECK_INT(fake.reason, VITAL_R_TIMEOUT);
    CHECK_TEXT(fake.text, "no answer from 127.0.0.1 to 3 pings");
    CHECK(fake_number("loss_ratio") == 1);
    CHECK(isnan(fake_number("rtt_seconds")));
    CHECK_INT(fds(), before);
    fake_end();
}

TEST(a_slow_round_trip)
{
    fake_probe(&ping_module, "host", "127.0.0.1", "count", "1", "warn_above", "1ms", NULL);
    if (!pinging())
        return;
    fake.now += 3000;
    collect();
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_INT(fake.reason, VITAL_R_SLOW);
    fake_set("fail_above", "2ms");
    if (!pinging())
        return;
    fake.now += 3000;
    collect();
    CHECK_INT(fake.class, VITAL_FAIL);
    fake_end();
}

TEST(another_ones_packets_do_not_count)
{
    fake_probe(&ping_module, "host", "127.0.0.1", "count", "1", NULL);
    if (!pinging())
        return;
    /* a reply with a wrong cookie, from a raw socket of somebody else */
    int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    unsigned char forged[16] = { 0 };
    if (raw >= 0)
        sendto(raw, forged, sizeof forged, 0, (struct sockaddr *)&to, sizeof to);
    collect();
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK(fake_number("loss_ratio") == 0);
    fake_end();
}

TEST(without_permission_it_says_what_to_do)
{
    fake_probe(&ping_module, "host", "127.0.0.1", NULL);
    if (getuid() != 0 || setgid(65533) || setuid(65533))
        return;
    pinging(); /* where the group may ping after all, this is a good attempt */
    fake_end();
}

TEST(names_are_resolved_and_the_family_is_chosen)
{
    fake_probe(&ping_module, "host", "gate.example", "ip", "v6", NULL);
    fake_start();
    CHECK_TEXT(fake_io(FAKE_RESOLVE)->text, "gate.example");
    fake_addresses(fake_io(FAKE_RESOLVE), "192.0.2.1", NULL);
    CHECK_INT(fake.reason, VITAL_R_DNS);
    CHECK_TEXT(fake.text, "gate.example has no IPv6 address");
    fake_start();
    fake_addresses(fake_io(FAKE_RESOLVE), NULL, "Name or service not known");
    CHECK_TEXT(fake.text, "gate.example cannot be resolved: Name or service not known");
    fake_set("ip", "any");
    fake_start();
    fake_addresses(fake_io(FAKE_RESOLVE), "127.0.0.1", NULL);
    if (!fake.finished)
        CHECK(fake_find(FAKE_WATCH) && fake_find(FAKE_TIMER));
    fake_end();
}

TEST(what_cannot_work_is_refused_early)
{
    fake_probe(&ping_module, "host", "http://x/", NULL);
    CHECK(!fake_prepare());
    fake_set("host", "127.0.0.1");
    CHECK(fake_prepare());
    fake_set("ip", "v6");
    CHECK(!fake_prepare());
    CHECK_TEXT(fake.diag, "ip: 127.0.0.1 is of the other family");
}
