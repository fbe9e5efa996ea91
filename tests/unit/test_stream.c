#include "unit.h"

#include "stream_stage.h"

/* ---- plain ---- */

TEST(a_talk_over_tcp)
{
    static struct seen s = { .say = "hello" };
    char heard[16] = "";
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial)TO_PORT);
    int peer = accept_one(listener);
    CHECK_INT(read_some(peer, heard, 15), 5);
    CHECK_TEXT(heard, "hello");
    CHECK_INT(s.opens, 1);
    CHECK_TEXT(s.address, "127.0.0.1");
    CHECK(!s.info.tls_version && !s.info.stale_name);
    CHECK_INT(write(peer, "answer", 6), 6);
    until(&s.datas);
    CHECK_INT(s.len, 6);
    close(peer);
    until(&s.closes);
    CHECK_INT(s.reason, VITAL_R_OK);
    CHECK_INT(s.closes, 1);
    close(listener);
    CHECK_INT(loop_fd_count(), descriptors);
    finish();
}

/* The whole of it is few turns and few system calls: this is the most frequent thing that the daemon does. */
TEST(a_near_connect_needs_no_wake_up)
{
    static struct seen s = { .say = "hello" };
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial)TO_PORT);
    turn();
    CHECK_INT(s.opens, 1);
    stream_close(s.stream);
    close(listener);
    finish();
}

TEST(the_data_before_an_end_is_delivered)
{
    static struct seen s;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial)TO_PORT);
    int peer = accept_one(listener);
    static char much[300000];
    memset(much, 'x', sizeof much);
    for (size_t at = 0; at < sizeof much;) {
        ssize_t n = send(peer, much + at, sizeof much - at, MSG_DONTWAIT);
        at += n > 0 ? (size_t)n : 0;
        turn();
    }
    close(peer);
    until(&s.closes);
    CHECK_INT(s.len, sizeof much);
    CHECK_INT(s.reason, VITAL_R_OK);
    close(listener);
    finish();
}

TEST(failures_of_a_connect)
{
    static struct seen refused, reset_by, dgram, missing;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    close(listener);
    dial(&refused, (struct vital_dial)TO_PORT);
    until(&refused.closes);
    CHECK_INT(refused.reason, VITAL_R_REFUSED);
    CHECK(strstr(refused.text, "connect to 127.0.0.1 port ") && strstr(refused.text, "Connection refused"));
    CHECK_INT(refused.opens, 0);

    listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&reset_by, (struct vital_dial)TO_PORT);
    reset(accept_one(listener));
    until(&reset_by.closes);
    CHECK_INT(reset_by.reason, VITAL_R_RESET);
    close(listener);

    dial(&missing, (struct vital_dial){ .unix_path = "/nonexistent/socket" });
    until(&missing.closes);
    CHECK_INT(missing.reason, VITAL_R_NOT_FOUND);
    CHECK(strstr(missing.text, "/nonexistent/socket") != NULL);

    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "/tmp/vitald-dgram-%d", (int)getpid());
    CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    dial(&dgram, (struct vital_dial){ .unix_path = at.sun_path });
    until(&dgram.closes);
    CHECK_INT(dgram.reason, VITAL_R_CONFIG);
    close(fd);
    unlink(at.sun_path);
    CHECK_INT(loop_fd_count(), descriptors);
    finish();
}

TEST(impossible_targets_fail_later_too)
{
    static const struct vital_dial dials[] = {
        { .host = "127.0.0.1", .port = "0" }, { .host = "127.0.0.1", .port = "70000" }, { .host = "127.0.0.1", .port = "http" }, { .host = "127.0.0.1" },
        { .port = "80" }, { .host = "127.0.0.1", .port = "80", .source = "localhost" },
        { .unix_path = "/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/12345678" },
    };
    start();
    for (unsigned i = 0; i < sizeof dials / sizeof *dials; i++) {
        static struct seen s;
        memset(&s, 0, sizeof s);
        dial(&s, dials[i]);
        until(&s.closes);
        CHECK_INT(s.reason, VITAL_R_CONFIG);
    }
    finish();
}

TEST(unix_sockets_work_too)
{
    static struct seen s = { .say = "hello" };
    char path[64], heard[16] = "";
    start();
    snprintf(path, sizeof path, "/tmp/vitald-stream-%d", (int)getpid());
    int listener = listen_on(AF_UNIX, NULL, path);
    dial(&s, (struct vital_dial){ .unix_path = path });
    int peer = accept_one(listener);
    read_some(peer, heard, 15);
    CHECK_TEXT(heard, "hello");
    CHECK_TEXT(s.address, path);
    stream_close(s.stream);
    CHECK_INT(read_some(peer, heard, 15), 0);
    unlink(path);
    close(peer);
    close(listener);
    finish();
}

TEST(a_backlog_that_is_full_means_busy)
{
    static struct seen s[40];
    char path[64];
    start();
    snprintf(path, sizeof path, "/tmp/vitald-backlog-%d", (int)getpid());
    int listener = listen_on(AF_UNIX, NULL, path); /* nobody accepts */
    unsigned busy = 0;
    for (unsigned i = 0; i < 40; i++)
        dial(&s[i], (struct vital_dial){ .unix_path = path });
    for (unsigned i = 0; i < 40; i++) {
        while (!s[i].opens && !s[i].closes)
            turn();
        busy += s[i].closes && s[i].reason == VITAL_R_BUSY;
        if (s[i].opens)
            stream_close(s[i].stream);
    }
    CHECK(busy > 10 && busy < 40);
    unlink(path);
    close(listener);
    finish();
}

TEST(closing_is_possible_everywhere)
{
    static struct seen at_once, on_opening, on_reading = { .close_on_data = true }, on_closing = { .close_in_close = true };
    on_opening.close_on_open = true;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&at_once, (struct vital_dial)TO_PORT);
    stream_close(at_once.stream);
    stream_close(at_once.stream);
    dial(&on_opening, (struct vital_dial)TO_PORT);
    until(&on_opening.opens);
    dial(&on_reading, (struct vital_dial)TO_PORT);
    until(&on_reading.opens);
    close(accept_one(listener));
    close(accept_one(listener));
    int peer = accept_one(listener);
    CHECK_INT(write(peer, "x", 1), 1);
    close(peer);
    until(&on_reading.datas);
    dial(&on_closing, (struct vital_dial)TO_PORT);
    close(accept_one(listener));
    until(&on_closing.closes);
    for (unsigned i = 0; i < 5; i++)
        loop_wait(0);
    CHECK_INT(at_once.opens + at_once.closes + on_opening.closes + on_reading.closes, 0);
    CHECK_INT(on_closing.closes, 1);
    close(listener);
    CHECK_INT(loop_fd_count(), descriptors);
    finish();
}

TEST(the_write_queue_is_bounded_and_drains_in_order)
{
    static struct seen s;
    static char block[60000], heard[16384];
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial)TO_PORT);
    CHECK(!stream_write(s.stream, "x", 1)); /* not open yet */
    until(&s.opens);
    size_t taken = 0, received = 0;
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (char)(i % 251);
    while (stream_write(s.stream, block, sizeof block))
        taken += sizeof block;
    CHECK(taken > STREAM_QUEUE_MAX / 2 && taken < 64u << 20);
    int peer = accept_one(listener);
    bool same = true;
    for (size_t n; received < taken; received += n) {
        n = read_some(peer, heard, sizeof heard);
        for (size_t i = 0; i < n; i++)
            same &= heard[i] == block[(received + i) % sizeof block];
    }
    CHECK(same);
    CHECK(stream_write(s.stream, "x", 1));
    stream_close(s.stream);
    close(peer);
    close(listener);
    finish();
}

TEST(what_was_said_before_a_reset_of_our_writing_is_heard)
{
    static struct seen s;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial)TO_PORT);
    int peer = accept_one(listener);
    until(&s.opens);
    CHECK_INT(write(peer, "go away", 7), 7);
    close(peer); /* our next write is answered by a reset */
    CHECK(stream_write(s.stream, "x", 1));
    usleep(1000);
    stream_write(s.stream, "y", 1);
    until(&s.closes);
    CHECK_INT(s.len, 7);
    close(listener);
    finish();
}

TEST(without_descriptors_it_is_our_own_fault)
{
    static struct seen s;
    struct rlimit few, before;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = (rlim_t)listener + 1;
    setrlimit(RLIMIT_NOFILE, &few);
    dial(&s, (struct vital_dial)TO_PORT);
    until(&s.closes);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_INT(s.reason, VITAL_R_NO_FDS);
    close(listener);
    finish();
}

TEST(the_source_address_is_ours_to_choose)
{
    static struct seen s, wrong;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    char text[32];
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial){ .host = "127.0.0.1", .port = port, .source = "127.0.0.9" });
    int peer = accept_one(listener);
    getpeername(peer, (struct sockaddr *)&from, &len);
    CHECK_TEXT(inet_ntop(AF_INET, &from.sin_addr, text, sizeof text), "127.0.0.9");
    until(&s.opens);
    stream_close(s.stream);
    dial(&wrong, (struct vital_dial){ .host = "127.0.0.1", .port = port, .source = "::1" });
    until(&wrong.closes);
    CHECK_INT(wrong.reason, VITAL_R_UNREACHABLE);
    CHECK(strstr(wrong.text, "(from ::1)") != NULL);
    close(peer);
    close(listener);
    finish();
}

/* ---- several addresses ---- */

TEST(the_next_address_is_tried_at_once_when_one_fails)
{
    static const char *const addresses[] = { "::1", "127.0.0.1", NULL };
    static struct seen s;
    named = addresses;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL); /* nobody on ::1 */
    uint64_t began = clock_now();
    dial(&s, (struct vital_dial){ .host = "two.test", .port = port });
    until(&s.opens);
    CHECK(clock_now() - began < 200 * USEC_MS);
    CHECK_TEXT(s.address, "127.0.0.1");
    stream_close(s.stream);
    close(listener);

    static struct seen none;
    dial(&none, (struct vital_dial){ .host = "two.test", .port = port });
    until(&none.closes);
    CHECK_INT(none.reason, VITAL_R_REFUSED); /* the telling one, not "no IPv6 here" */
    CHECK(strstr(none.text, "(all 2 addresses failed)") != NULL);
    finish();
}

/* A backlog of one that is full swallows connects without a word, as a firewall does. */
static int black_hole(const char *address, int *fillers, unsigned count)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    at.sin_port = htons((in_port_t)atoi(port));
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 0) < 0)
        abort();
    for (unsigned i = 0; i < count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], (struct sockaddr *)&at, sizeof at);
    }
    return fd;
}

TEST(a_silent_address_is_overtaken_by_the_next)
{
    static const char *const addresses[] = { "127.0.0.2", "127.0.0.1", NULL };
    static struct seen s, silent;
    int fillers[4];
    named = addresses;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    int hole = black_hole("127.0.0.2", fillers, 4);
    uint64_t began = clock_now();
    dial(&s, (struct vital_dial){ .host = "two.test", .port = port });
    until(&s.opens);
    CHECK(clock_now() - began >= 240 * USEC_MS);
    CHECK_TEXT(s.address, "127.0.0.1");
    CHECK(s.info.connect >= 240 * USEC_MS);
    stream_close(s.stream);
    /* Alone, it neither opens nor ends: the deadline is the engine's. And the loop does not spin meanwhile. */
    dial(&silent, (struct vital_dial){ .host = "127.0.0.2", .port = port });
    uint64_t turns = loop_turns();
    for (uint64_t end = clock_now() + 100 * USEC_MS; clock_now() < end;) {
        uint64_t next = timer_next(loop_timers());
        loop_wait(next < end ? next : end);
        timer_run(loop_timers(), loop_now());
    }
    CHECK(loop_turns() - turns < 10);
    CHECK_INT(silent.opens + silent.closes, 0);
    stream_close(silent.stream);
    for (unsigned i = 0; i < 4; i++)
        close(fillers[i]);
    close(hole);
    close(listener);
    CHECK_INT(loop_fd_count(), descriptors + 1); /* the resolver's eventfd */
    finish();
}

/* Mapped addresses stay on this host and yet do not look like it: they take the way of all that is far. */
TEST(far_addresses_wake_us_when_they_answer)
{
    static const char *const addresses[] = { "::ffff:127.0.0.2", "::ffff:127.0.0.1", NULL };
    static struct seen s, overtaken, refused;
    int fillers[4], v6 = socket(AF_INET6, SOCK_STREAM, 0);
    if (v6 < 0)
        return; /* no IPv6 here */
    close(v6);
    named = addresses;
    start();
    int listener = listen_on(AF_INET, "127.0.0.1", NULL);
    dial(&s, (struct vital_dial){ .host = "::ffff:127.0.0.1", .port = port });
    until(&s.opens);
    stream_close(s.stream);
    int hole = black_hole("127.0.0.2", fillers, 4);
    uint64_t began = clock_now();
    dial(&overtaken, (struct vital_dial){ .host = "two.test", .port = port });
    until(&overtaken.opens);
    uint64_t took = clock_now() - began;
    CHECK(took >= 240 * USEC_MS && took < 2 * USEC_S);
    stream_close(overtaken.stream);
    for (unsigned i = 0; i < 4; i++)
        close(fillers[i]);
    close(hole);
    close(listener);
    dial(&refused, (struct vital_dial){ .host = "::ffff:127.0.0.1", .port = port });
    until(&refused.closes);
    CHECK_INT(refused.reason, VITAL_R_REFUSED);
    finish();
}

TEST(a_name_that_does_not_exist)
{
    static struct seen s, cancelled;
    start();
    dial(&s, (struct vital_dial){ .host = "no-such.test", .port = "80" });
    dial(&cancelled, (struct vital_dial){ .host = "nor-this.test", .port = "80" });
    stream_close(cancelled.stream);
    until(&s.closes);
    CHECK_INT(s.reason, VITAL_R_DNS);
    CHECK(strstr(s.text, "no-such.test: ") != NULL);
    CHECK_INT(cancelled.closes, 0);
    finish();
}

TEST(errno_becomes_a_reason)
{
    CHECK_INT(stream_reason(ECONNREFUSED), VITAL_R_REFUSED);
    CHECK_INT(stream_reason(EHOSTUNREACH), VITAL_R_UNREACHABLE);
    CHECK_INT(stream_reason(ETIMEDOUT), VITAL_R_TIMEOUT);
    CHECK_INT(stream_reason(EMFILE), VITAL_R_NO_FDS);
    CHECK_INT(stream_reason(EIO), VITAL_R_IO_ERROR);
}
