#include "unit.h"

#include "front_world.h"

#include "base/buf.h"
#include "core/journal.h"
#include "view/event.h"

static void ask_events(int fd, const char *fields)
{
    char request[512];
    snprintf(request, sizeof request, "GET /events HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
    front_send(fd, request);
}

/* What has come on this connection is appended to front_got; turns until it holds `text`. False: the end came first. */
static bool read_until(int fd, const char *text)
{
    for (;;) {
        front_got[front_got_len] = '\0';
        if (text && strstr(front_got, text))
            return true;
        ssize_t n = recv(fd, front_got + front_got_len, sizeof front_got - 1 - front_got_len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return !text;
        if (n > 0)
            front_got_len += (size_t)n;
        else
            front_turn();
    }
}

static int follow(const char *fields)
{
    int fd = front_dial(FRONT_STATUS);
    front_got_len = 0;
    ask_events(fd, fields);
    return fd;
}

/* The `id:` of the last event in front_got. */
static const char *last_id(void)
{
    static char id[64];
    const char *at = NULL;
    for (const char *next = front_got; (next = strstr(next, "\nid: ")); next++)
        at = next + 5;
    snprintf(id, sizeof id, "%.*s", at ? (int)strcspn(at, "\n") : 0, at ? at : "");
    return id;
}

static unsigned count(const char *text)
{
    unsigned n = 0;
    for (const char *at = front_got; (at = strstr(at, text)); at++)
        n++;
    return n;
}

TEST(transitions_arrive_as_they_happen)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = follow("");
    CHECK(read_until(fd, "event: hello\n"));
    CHECK(!strncmp(front_got, "HTTP/1.1 200 ", 13));
    CHECK(strstr(front_got, "\r\nContent-Type: text/event-stream\r\n"));
    CHECK(strstr(front_got, "\r\n\r\nretry: 2000\nevent: hello\nid: "));
    CHECK(strstr(front_got, "\"resumed\":false}\n\n"));
    CHECK(!strstr(front_got, "event: probe\n"));     /* nothing of before */
    front_set("db", VITAL_FAIL);
    CHECK(read_until(fd, "\"kind\":\"group\",\"name\":\"ready\",\"from\":\"pass\",\"to\":\"fail\""));
    CHECK(strstr(front_got, "event: probe\nid: "));
    CHECK(strstr(front_got, "\"kind\":\"probe\",\"name\":\"db\",\"from\":\"up\",\"to\":\"down\",\"reason\":\"refused\",\"text\":\"scripted\"}\n\n"));
    mem_free(admin_mode("db", MODE_MAINTENANCE, LEVEL_PASS, 0));
    CHECK(read_until(fd, "event: mode\n"));
    close(fd);
    front_close();
}

TEST(a_client_goes_on_where_it_was)
{
    char field[128];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = follow("");
    CHECK(read_until(fd, "\"resumed\":false}\n\n"));
    snprintf(field, sizeof field, "Last-Event-ID: %s\r\n", last_id());
    close(fd);
    front_set("db", VITAL_FAIL);
    front_set("db", VITAL_PASS);
    fd = follow(field);
    CHECK(read_until(fd, "\"name\":\"db\",\"from\":\"down\",\"to\":\"up\""));
    CHECK(strstr(front_got, "\"resumed\":true}\n\n"));
    CHECK(strstr(front_got, "\"name\":\"db\",\"from\":\"up\",\"to\":\"down\""));
    CHECK_INT(count("event: skipped\n"), 0);
    close(fd);
    /* An id of another process, of the future, and no id at all: from now on. */
    static const char *const strange[] = { "Last-Event-ID: 1-1\r\n", "Last-Event-ID: \r\n", "Last-Event-ID: x\r\n",
                                           "Last-Event-ID: 99999999999999999999999999\r\n" };
    for (unsigned i = 0; i < sizeof strange / sizeof *strange; i++) {
        fd = follow(strange[i]);
        CHECK(read_until(fd, "\"resumed\":false}\n\n"));
        close(fd);
    }
    front_close();
}

TEST(what_is_not_left_is_told_as_skipped)
{
    char field[128];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = follow("");
    CHECK(read_until(fd, "\"resumed\":false}\n\n"));
    snprintf(field, sizeof field, "Last-Event-ID: %s\r\n", last_id());
    close(fd);
    for (unsigned i = 0; i < JOURNAL_SIZE + 7; i++)
        journal_add(JOURNAL_SELF, "vitald", "", "test", "", i == JOURNAL_SIZE + 6 ? "the last" : "");
    fd = follow(field);
    CHECK(read_until(fd, "the last"));
    CHECK(strstr(front_got, "event: skipped\n") && strstr(front_got, "data: {\"skipped\":7}\n\n"));
    CHECK_INT(count("event: self\n"), JOURNAL_SIZE);
    close(fd);
    front_close();
}

/* It costs one piece of memory, no verdict, and learns how much it missed. */
TEST(a_client_that_does_not_read_skips_to_the_newest)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int slow = front_dial(FRONT_STATUS), quick = front_dial(FRONT_STATUS);
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &(int){ 16384 }, sizeof(int));
    ask_events(slow, "");
    ask_events(quick, "");
    for (unsigned round = 0; front_stats.followers < 2 || round < 3; round++)
        front_turn();
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned k = 0; k < 100; k++)
            journal_add(JOURNAL_SELF, "vitald", "", "test", "", "a text that is long enough to fill the socket of a client that does not read");
        char last[64];
        snprintf(last, sizeof last, "number %u.", i);
        journal_add(JOURNAL_SELF, "vitald", "", "test", "", last);
        front_got_len = 0;
        CHECK(read_until(quick, last));
        CHECK_INT(count("event: skipped\n"), 0);
    }
    CHECK_INT(front_get(FRONT_PUBLIC, "/healthz/only-db"), 200);
    front_got_len = 0;
    CHECK(read_until(slow, "event: skipped\n"));
    CHECK(front_stats.events_skipped > EVENTS_LATE);
    journal_add(JOURNAL_SELF, "vitald", "", "test", "", "after the gap");
    CHECK(read_until(slow, "after the gap"));
    close(slow);
    close(quick);
    front_close();
}

TEST(more_followers_than_there_may_be_are_refused)
{
    enum { MANY = 40 };
    int fds[MANY];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    front_listener(FRONT_STATUS)->max_connections = MANY;
    for (unsigned i = 0; i < MANY / 2; i++)
        ask_events(fds[i] = front_dial(FRONT_STATUS), "");
    while (front_stats.followers < MANY / 2)
        front_turn();
    CHECK_INT(front_get(FRONT_STATUS, "/events"), 503);
    CHECK(strstr(front_got, "\r\nRetry-After: 10\r\n"));
    CHECK_INT(front_stats.followers_refused, 1);
    CHECK_INT(front_get(FRONT_STATUS, "/healthz/only-db"), 200);
    close(fds[0]);
    while (front_stats.followers == MANY / 2)
        front_turn();
    fds[0] = follow("");
    CHECK(read_until(fds[0], "event: hello\n"));
    for (unsigned i = 0; i < MANY / 2; i++)
        close(fds[i]);
    front_close();
    CHECK_INT(front_stats.followers, 0);
}

/* However many there are: in one turn only so many are woken. */
TEST(a_turn_wakes_so_many_followers)
{
    enum { MANY = 3 * EVENTS_A_TURN };
    int fds[MANY];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    for (unsigned i = 0; i < MANY; i++)
        ask_events(fds[i] = front_dial(FRONT_STATUS), "");
    while (front_stats.followers < MANY)
        front_turn();
    for (unsigned i = 0; i < 5; i++)
        front_turn();
    uint64_t sent = front_stats.events_sent;
    journal_add(JOURNAL_SELF, "vitald", "", "test", "", "");
    for (unsigned i = 1; i <= 3; i++) {
        front_turn();
        CHECK_INT(front_stats.events_sent - sent, i * EVENTS_A_TURN);
    }
    for (unsigned i = 0; i < MANY; i++)
        close(fds[i]);
    front_close();
}

TEST(a_drain_is_told_and_ends_the_streams)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = follow("");
    CHECK(read_until(fd, "event: hello\n"));
    admin_drain(true);
    CHECK(read_until(fd, NULL));
    CHECK(strstr(front_got, "\"to\":\"draining\""));
    close(fd);
    fd = follow("");                  /* who comes back may look on */
    CHECK(read_until(fd, "event: hello\n"));
    front_set("db", VITAL_FAIL);
    CHECK(read_until(fd, "\"to\":\"down\""));
    close(fd);
    front_close();
}

TEST(a_listener_that_serves_no_events_any_more_ends_them)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = follow("");
    CHECK(read_until(fd, "event: hello\n"));
    front_listeners[FRONT_STATUS].serve = SERVE_VERDICTS;
    CHECK(front_adopt());
    CHECK(read_until(fd, NULL));
    close(fd);
    CHECK_INT(front_get(FRONT_STATUS, "/events"), 404);
    front_close();
}

TEST(old_clients_and_heads)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = front_dial(FRONT_STATUS);
    front_got_len = 0;
    front_send(fd, "GET /events HTTP/1.0\r\n\r\n");
    CHECK(read_until(fd, "event: hello\n"));
    CHECK(strstr(front_got, "\r\nConnection: close\r\n") && !strstr(front_got, "Transfer-Encoding"));
    close(fd);
    CHECK_INT(front_ask(FRONT_STATUS, "HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CHECK_TEXT(front_body(), "");
    CHECK_INT(front_ask(FRONT_STATUS, "POST /events HTTP/1.0\r\n\r\n"), 405);
    CHECK_INT(front_get(FRONT_PUBLIC, "/events"), 404);
    front_close();
}

/* What a follower goes on sending is never answered, and not endlessly read. */
TEST(a_follower_that_talks_is_closed)
{
    static char much[96 * 1024];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = follow("");
    CHECK(read_until(fd, "event: hello\n"));
    front_send(fd, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    for (size_t at = 0; at < sizeof much;) {
        ssize_t n = send(fd, much + at, sizeof much - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            break;
        at += n > 0 ? (size_t)n : 0;
        front_turn();
    }
    while (server_connections())
        front_turn();
    read_until(fd, NULL);
    CHECK(!strstr(front_got + 1, "HTTP/1.1 "));
    close(fd);
    front_close();
}

static uint64_t later;
static uint64_t now_later(void) { struct timespec t; clock_gettime(CLOCK_BOOTTIME, &t); return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000 + later; }
static uint64_t wall_now(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return (uint64_t)t.tv_sec * USEC_S; }

TEST(silence_is_filled_with_comments)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    clock_replace(now_later, wall_now);
    int fd = follow("");
    CHECK(read_until(fd, "\"resumed\":false}\n\n"));
    CHECK(!strstr(front_got, "\n:\n\n"));
    later = EVENTS_BEAT_S * USEC_S;
    CHECK(read_until(fd, "}\n\n:\n\n"));
    later *= 2;
    CHECK(read_until(fd, "}\n\n:\n\n:\n\n"));
    close(fd);
    front_close();
}

TEST(ids_are_read_strictly)
{
    char text[EVENT_ID_MAX];
    uint64_t entry;
    CHECK_TEXT(event_id(0x1a2b, 17, text), "1a2b-17");
    CHECK(event_id_read("1a2b-17", 7, 0x1a2b, &entry) && entry == 17);
    CHECK(!event_id_read("1a2b-17", 7, 0x1a2c, &entry));
    CHECK(!event_id_read("1a2b-", 5, 0x1a2b, &entry));
    CHECK(!event_id_read("1a2b-1x", 7, 0x1a2b, &entry));
    CHECK(!event_id_read("1a2b--1", 7, 0x1a2b, &entry));
    CHECK(!event_id_read("1a2b-99999999999999999999", 25, 0x1a2b, &entry));
}

TEST(a_hostile_text_forges_no_event)
{
    struct buf out = BUF(4096);
    struct journal_entry e = { .id = 3, .kind = JOURNAL_PROBE, .name = "db", .from = "up", .to = "down", .reason = "protocol",
                               .text = "x\n\ndata: forged\r\revent: hello\xff\xe2\x80\xa8</script>" };
    event_stream(&out, 1, &e);
    const char *data = strstr(out.data, "data: ");
    CHECK(data && strcspn(data, "\r\n") + 2 == strlen(data));
    CHECK(!strstr(out.data, "</script>"));
    buf_free(&out);
}
