#include "unit.h"

#include "front_world.h"

#include <sys/stat.h>

#include "base/json.h"
#include "front/detail.h"

TEST(a_verdict_is_answered_and_closed)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    CHECK_INT(front_get(FRONT_PUBLIC, "/readyz"), 200);
    CHECK_TEXT(front_body(), "pass\n");
    CHECK(strstr(front_got, "\r\nConnection: close\r\n"));
    CHECK(strstr(front_got, "\r\nCache-Control: no-store\r\n"));
    CHECK(strstr(front_got, "\r\nDate: "));
    CHECK(strstr(front_got, "\r\nVitald-Oldest-Sample: 20"));
    front_set("db", VITAL_FAIL);
    CHECK_INT(front_get(FRONT_PUBLIC, "/readyz"), 503);
    CHECK_TEXT(front_body(), "fail\n");
    front_set("db", VITAL_WARN);
    CHECK_INT(front_get(FRONT_PUBLIC, "/readyz"), 200);
    CHECK_TEXT(front_body(), "warn\n");
    admin_drain(false);
    CHECK_INT(front_get(FRONT_PUBLIC, "/readyz"), 503);
    CHECK_TEXT(front_body(), "fail draining\n");
    CHECK_INT(front_get(FRONT_PUBLIC, "/healthz/only-db"), 200);
    CHECK_INT(server_connections(), 0);
    front_close();
}

TEST(kept_connections_are_served_in_order)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_FAIL);
    int fd = front_dial(FRONT_PUBLIC);
    for (unsigned i = 0; i < 50; i++) {
        front_send(fd, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK(front_read(fd, 1));
        CHECK(!strncmp(front_got, "HTTP/1.1 200 ", 13));
    }
    front_send(fd, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n"
                   "HEAD /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /nosuch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(front_read(fd, 0));
    CHECK(!strncmp(front_got, "HTTP/1.1 503 ", 13));
    const char *second = strstr(front_got, "fail\nHTTP/1.1 200 OK");
    const char *third = second ? strstr(second, "pass\nHTTP/1.1 503 ") : NULL;
    CHECK(third && strstr(third, "Connection: keep-alive\r\n\r\nHTTP/1.1 404 Not Found"));
    CHECK_INT(server_connections(), 0);
    close(fd);
    front_close();
}

TEST(a_request_in_single_bytes)
{
    static const char request[] = "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = front_dial(FRONT_PUBLIC);
    for (const char *c = request; *c; c++) {
        CHECK(send(fd, c, 1, MSG_NOSIGNAL) == 1);
        front_turn();
    }
    CHECK(front_read(fd, 0));
    CHECK(!strncmp(front_got, "HTTP/1.1 200 ", 13));
    close(fd);
    front_close();
}

/* What follows a broken request is never read as one, and the answer arrives although bytes were left unread. */
TEST(broken_requests_are_answered_once_and_closed)
{
    static const struct { const char *text; unsigned status; } cases[] = {
        { "GET /readyz HTTP/1.1\r\n\r\n", 400 },
        { "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 413 },
        { "GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501 },
        { "nonsense\r\n\r\n", 400 },
        { "GET /readyz HTTP/3.0\r\nHost: x\r\n\r\n", 505 },
        { "\x16\x03\x01\x02", 400 },
    };
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[4096];
        snprintf(request, sizeof request, "%sGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].text);
        CHECK_INT(front_ask(FRONT_STATUS, request), cases[i].status);
        CHECK(strstr(front_got, "\r\nConnection: close\r\n"));
        CHECK(!strstr(front_got + 1, "HTTP/1.1 "));
    }
    front_close();
}

TEST(oversized_heads_are_refused)
{
    static char request[20000];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    snprintf(request, sizeof request, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n", 3000, 0);
    CHECK_INT(front_ask(FRONT_PUBLIC, request), 414);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: x\r\nA: %0*d\r\n\r\n", 9000, 0);
    CHECK_INT(front_ask(FRONT_PUBLIC, request), 431);
    front_close();
}

/* close() with unread bytes is a reset, and a reset may overtake the answer. */
TEST(what_is_left_unread_does_not_reset_the_answer)
{
    static char body[48 * 1024];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fd = front_dial(FRONT_PUBLIC);
    front_send(fd, "POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 49152\r\n\r\n");
    CHECK(send(fd, body, sizeof body, MSG_NOSIGNAL) == sizeof body);
    CHECK(front_read(fd, 0));
    CHECK(!strncmp(front_got, "HTTP/1.1 413 ", 13));
    CHECK(!front_was_reset);
    close(fd);
    fd = front_dial(FRONT_PUBLIC);
    front_send(fd, "nonsense\r\n\r\n");
    CHECK(send(fd, body, sizeof body, MSG_NOSIGNAL) == sizeof body);
    CHECK(front_read(fd, 0));
    CHECK(!strncmp(front_got, "HTTP/1.1 400 ", 13));
    CHECK(!front_was_reset);
    close(fd);
    front_close();
}

static uint64_t skipped;
static uint64_t late_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000 + skipped;
}
static uint64_t late_wall(void) { return UINT64_C(1795198147123000) + skipped; }

TEST(deadlines_are_absolute)
{
    clock_replace(late_now, late_wall);
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int slow = front_dial(FRONT_PUBLIC), silent = front_dial(FRONT_PUBLIC), idle = front_dial(FRONT_PUBLIC);
    front_send(slow, "GET /readyz HTTP/1.1\r\n");
    front_send(idle, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(idle, 1));
    while (server_connections() < 3)
        front_turn();
    skipped = 4 * USEC_S;
    front_turn();
    front_send(slow, "A: b\r\n");      /* a byte now and then wins no time */
    front_turn();
    CHECK_INT(server_connections(), 3);
    skipped = 6 * USEC_S;
    CHECK(front_read(slow, 0));
    CHECK(!strncmp(front_got, "HTTP/1.1 408 ", 13));
    CHECK(front_read(silent, 0));
    CHECK_INT(front_got_len, 0);
    CHECK_INT(front_stats.late_heads, 2);
    close(slow);
    close(silent);
    while (server_connections() > 1)
        front_turn();
    front_send(idle, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(idle, 1));
    skipped = 60 * USEC_S;
    front_turn();
    CHECK_INT(front_stats.idle_ends, 0);
    skipped = 70 * USEC_S;
    CHECK(front_read(idle, 0));
    CHECK_INT(front_stats.idle_ends, 1);
    close(idle);
    int again = front_dial(FRONT_PUBLIC);      /* the head of a second request has its own five seconds */
    front_send(again, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(again, 1));
    front_send(again, "GET /");
    for (uint64_t turns = loop_turns(); loop_turns() < turns + 8;)
        front_turn();
    skipped += 6 * USEC_S;
    CHECK(front_read(again, 0));
    CHECK(!strncmp(front_got, "HTTP/1.1 408 ", 13));
    close(again);
    front_close();
}

/* Over the cap the longest waiting makes room, and the next good client is served at once. */
TEST(floods_of_idle_connections_are_bounded)
{
    enum { CAP = 8, FLOOD = 100 };
    int fds[FLOOD];
    front_listen("127.0.0.1", "0", NULL, SERVE_VERDICTS);
    front_listeners[0].max_connections = CAP;
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    for (unsigned i = 0; i < FLOOD; i++)
        fds[i] = front_dial(0);
    while (front_stats.accepted < FLOOD)
        front_turn();
    CHECK_INT(server_connections(), CAP);
    CHECK_INT(front_stats.evicted, FLOOD - CAP);
    CHECK_INT(front_get(0, "/healthz/only-db"), 200);
    CHECK(front_read(fds[0], 0));
    CHECK(recv(fds[FLOOD - 1], front_got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    for (unsigned i = 0; i < FLOOD; i++)
        close(fds[i]);
    front_close();
}

TEST(one_source_cannot_take_all)
{
    front_listen("127.0.0.1", "0", NULL, SERVE_VERDICTS);
    front_listeners[0].max_per_source = 2;
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int fds[5];
    for (unsigned i = 0; i < 5; i++)
        fds[i] = front_dial(0);
    while (front_stats.accepted < 5)
        front_turn();
    CHECK_INT(server_connections(), 2);
    CHECK_INT(front_stats.evicted, 3);
    front_send(fds[4], "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(fds[4], 1));
    for (unsigned i = 0; i < 5; i++)
        close(fds[i]);
    front_close();
}

TEST(a_reload_keeps_equal_listeners_and_their_connections)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int kept = front_dial(FRONT_STATUS), leaving = front_dial(FRONT_PUBLIC);
    front_send(kept, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(kept, 1));
    front_send(leaving, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(leaving, 1));
    int before = front_listener(FRONT_STATUS)->in.fd;
    front_listen_count = 1;
    front_listeners[0].serve = SERVE_VERDICTS;
    CHECK(front_adopt());
    CHECK_INT(front_listener(FRONT_STATUS)->in.fd, before);
    CHECK(front_listener(0)->link.next == listen_all());
    front_send(kept, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(kept, 1));
    CHECK(!strncmp(front_got, "HTTP/1.1 404 ", 13));
    front_send(leaving, "GET /healthz/only-db HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(front_read(leaving, 0));      /* answered, and then the end */
    CHECK(!strncmp(front_got, "HTTP/1.1 200 ", 13) && strstr(front_got, "\r\nConnection: close\r\n"));
    close(kept);
    close(leaving);
    front_close();
}

static char *prepare_error(void)
{
    struct diag diag = { 0 };
    struct conf *c = front_conf();
    char *text = NULL;
    if (listen_prepare(c, &diag))
        listen_commit();
    else
        text = mem_copy(diag.items[0].text);
    conf_free(c);
    diag_free(&diag);
    return text;
}

TEST(what_cannot_be_opened_refuses_the_reload_and_says_what_to_do)
{
    char dir[] = "/tmp/vtsXXXXXX", path[64], other[64], port[8];
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(other, sizeof other, "%s/none/s", dir);
    front_open();
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int taken = socket(AF_INET, SOCK_STREAM, 0);
    at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK(bind(taken, (struct sockaddr *)&at, sizeof at) == 0 && listen(taken, 1) == 0);
    getsockname(taken, (struct sockaddr *)&at, &len);
    snprintf(port, sizeof port, "%u", ntohs(at.sin_port));
    const struct { const char *host, *port, *unix_path, *say; } cases[] = {
        { "127.0.0.1", port, NULL, "in use by another program" },
        { "192.0.2.1", "0", NULL, "no interface of this host" },
        { "example.org", "80", NULL, "numeric" },
        { NULL, NULL, other, "directory does not exist" },
        { NULL, NULL, "/dev/null", "not a socket" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        front_listen(cases[i].host, cases[i].port, cases[i].unix_path, SERVE_VERDICTS);
        char *text = prepare_error();
        CHECK(text && strstr(text, cases[i].say));
        mem_free(text);
        front_listen_count--;
    }
    CHECK_INT(front_get(FRONT_STATUS, "/livez") != 0, 1);
    close(taken);
    front_close();
    CHECK(rmdir(dir) == 0);
}

TEST(unix_sockets_have_their_mode_and_stale_ones_are_replaced)
{
    char dir[] = "/tmp/vtsXXXXXX", path[64];
    struct stat st;
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    strcpy(at.sun_path, path);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(stale, (struct sockaddr *)&at, sizeof at) == 0);
    close(stale);
    front_listen(NULL, NULL, path, SERVE_ALL);
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_INT(front_get(0, "/readyz"), 200);
    front_listeners[0].mode = 0666;
    CHECK(front_adopt());
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0666);
    front_close();
    CHECK(stat(path, &st) < 0);
    /* one that somebody answers on is left alone */
    int alive = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(alive, (struct sockaddr *)&at, sizeof at) == 0 && listen(alive, 1) == 0);
    char *text = prepare_error();
    CHECK(text && strstr(text, "another program answers there"));
    mem_free(text);
    close(alive);
    unlink(path);
    CHECK(rmdir(dir) == 0);
}

TEST(sockets_are_inherited_by_name)
{
    char pid[16];
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    close(3);
    close(4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(dup2(fd, 3), 3);
    CHECK(bind(3, (struct sockaddr *)&at, sizeof at) == 0 && listen(3, 8) == 0);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "public", 1);
    front_listen("127.0.0.1", "1", NULL, SERVE_VERDICTS);      /* nobody could bind that */
    front_listeners[0].name = "public";
    front_open();
    CHECK_INT(front_listener(0)->in.fd, 3);
    CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) && (fcntl(3, F_GETFL) & O_NONBLOCK));
    CHECK(!getenv("LISTEN_FDS"));
    CHECK(front_get(0, "/livez") != 0);
    front_close();
}

TEST(without_descriptors_accepting_pauses_and_goes_on)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    int client = socket(AF_INET, SOCK_STREAM, 0), hoard[4096];
    unsigned hoarded = 0;
    while (hoarded < 4096 && (hoard[hoarded] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        hoarded++;
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    getsockname(front_listener(0)->in.fd, (struct sockaddr *)&at, &len);
    if (hoarded < 4096) {
        CHECK(connect(client, (struct sockaddr *)&at, len) == 0);
        while (!front_stats.out_of_fds)
            front_turn();
        uint64_t turns = loop_turns();
        front_turn();
        CHECK(loop_turns() - turns == 1);
    }
    for (unsigned i = 0; i < hoarded; i++)
        close(hoard[i]);
    CHECK_INT(front_get(0, "/healthz/only-db"), 200);
    close(client);
    front_close();
}

/* Joins chunks in place; false when the framing is wrong. */
static bool unchunk(char *body, size_t *len)
{
    char *to = body, *at = body, *end = body + *len;
    for (;;) {
        char *line;
        size_t size = strtoul(at, &line, 16);
        if (line == at || line + 2 > end || memcmp(line, "\r\n", 2) != 0 || size > (size_t)(end - line - 2))
            return false;
        memmove(to, line + 2, size);
        to += size;
        at = line + 2 + size;
        if (memcmp(at, "\r\n", 2) != 0)
            return false;
        at += 2;
        if (size == 0)
            break;
    }
    *len = (size_t)(to - body);
    return at == end;
}

TEST(large_answers_are_streamed)
{
    struct json_value root;
    size_t at, len;
    front_extra = 1500;
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    CHECK_INT(front_get(FRONT_STATUS, "/status"), 200);
    CHECK(strstr(front_got, "\r\nTransfer-Encoding: chunked\r\n") && !strstr(front_got, "\r\nContent-Length: "));
    char *body = front_got + (front_body() - front_got);
    len = front_got_len - (size_t)(body - front_got);
    CHECK(unchunk(body, &len));
    CHECK(len > 4 * VIEW_CHUNK);
    CHECK_TEXT(json_check(body, len, &at, &root), NULL);
    struct json_value probes = json_member(&root, "probes");
    CHECK_INT(json_element(&probes, 1501).kind, JSON_OBJECT);
    /* HTTP/1.0 knows no chunks: the end of the connection is the end */
    CHECK_INT(front_ask(FRONT_STATUS, "GET /status HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200);
    CHECK(strstr(front_got, "\r\nConnection: close\r\n") && !strstr(front_got, "chunked"));
    CHECK_TEXT(json_check(front_body(), strlen(front_body()), &at, &root), NULL);
    front_close();
}

/* All that has come; the last reader to end brings `open` to 0. */
static size_t drain(int *fds, unsigned count, unsigned *open)
{
    static char room[256 * 1024];
    size_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        for (ssize_t n; fds[i] >= 0 && (n = recv(fds[i], room, sizeof room, MSG_DONTWAIT)) >= 0;) {
            sum += (size_t)n;
            if (n > 0)
                continue;
            close(fds[i]);
            fds[i] = -1;
            --*open;
        }
    return sum;
}

/* So what else a turn is for waits for one chunk at most, however many scrapers there are and however fast they read. */
TEST(large_bodies_together_get_one_chunk_a_turn)
{
    enum { READERS = 8, CHUNK = VIEW_CHUNK + 16 * 1024 };
    int fds[READERS];
    unsigned open = READERS;
    front_extra = 3000;
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    uint64_t before = front_stats.metrics;
    for (unsigned i = 0; i < READERS; i++) {
        fds[i] = front_dial(FRONT_STATUS);
        front_send(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    while (front_stats.metrics < before + READERS)
        front_turn();
    uint64_t first = loop_turns();
    size_t sum = drain(fds, READERS, &open);
    unsigned late = 0;
    while (open > 0) {
        front_turn();
        sum += drain(fds, READERS, &open);
        late += sum > (READERS + loop_turns() - first + 1) * CHUNK;
    }
    CHECK_INT(late, 0);
    CHECK(sum > READERS * 10 * (size_t)VIEW_CHUNK);
    front_close();
}

TEST(readers_that_do_not_read_are_bounded)
{
    enum { MANY = DETAIL_STREAMS + 4 };
    int fds[MANY], little = 1;
    struct sockaddr_storage to;
    socklen_t len = sizeof to;
    front_extra = 6000;
    clock_replace(late_now, late_wall);
    skipped = 0;
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    getsockname(front_listener(FRONT_STATUS)->in.fd, (struct sockaddr *)&to, &len);
    setsockopt(front_listener(FRONT_STATUS)->in.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        CHECK(connect(fds[i], (struct sockaddr *)&to, len) == 0);
        front_send(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    while (front_stats.metrics + front_stats.streams_refused < MANY)
        front_turn();
    CHECK_INT(front_stats.metrics, DETAIL_STREAMS);
    CHECK_INT(front_stats.streams_refused, MANY - DETAIL_STREAMS);
    CHECK(front_read(fds[MANY - 1], 1));
    CHECK(!strncmp(front_got, "HTTP/1.1 503 ", 13) && strstr(front_got, "\r\nRetry-After: 1\r\n"));
    CHECK_INT(front_get(FRONT_PUBLIC, "/healthz/only-db"), 200);
    skipped = 31 * USEC_S;
    while (front_stats.late_writes < DETAIL_STREAMS)
        front_turn();
    for (unsigned i = 0; i < MANY; i++)
        close(fds[i]);
    CHECK_INT(front_get(FRONT_STATUS, "/metrics"), 200);
    front_close();
}
