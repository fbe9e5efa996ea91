#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/ctlproto.h"
#include "base/json.h"
#include "front/control.h"
#include "small_world.h"

static char dir[64], path[108];
static unsigned stops;
static void (*reload_done)(void *, bool, const char *);
static void *reload_arg;

static void fake_stop(void) { stops++; }

static void fake_reload(void (*done)(void *, bool, const char *), void *arg)
{
    reload_done = done;
    reload_arg = arg;
}

static const struct control_hooks hooks = { .reload = fake_reload, .stop = fake_stop };

static void begin(void)
{
    char *error = NULL;
    snprintf(dir, sizeof dir, "/tmp/vt-control-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/control.sock", dir);
    small_open(path);
    CHECK(control_open(core_conf(), &hooks, &error));
    CHECK(error == NULL);
}

static void finish(void)
{
    control_close();
    CHECK(access(path, F_OK) != 0);
    small_close();
    CHECK(rmdir(dir) == 0);
}

static void turn(void) { small_turn(control_publish); }

static void settle(void)
{
    struct core_stats s;
    do {
        turn();
        core_stats(&s);
    } while (s.attempts[VITAL_PASS] + s.attempts[VITAL_WARN] + s.attempts[VITAL_FAIL] < 2);
}

/* ---- a client ---- */

static int dial(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static struct buf got = { .max = 64 * 1024 * 1024 };

/* Turns until the client has a whole line, or the end: then "". Valid until the next call. */
static const char *line(int fd)
{
    static char *last;
    char room[16384];
    for (;;) {
        char *end = got.len ? memchr(got.data, '\n', got.len) : NULL;
        if (end) {
            mem_free(last);
            last = mem_copy_n(got.data, (size_t)(end - got.data));
            buf_consume(&got, (size_t)(end - got.data) + 1);
            return last;
        }
        turn();
        ssize_t n = recv(fd, room, sizeof room, 0);
        if (n > 0)
            buf_add(&got, room, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            return "";
    }
}

static int greeted(void)
{
    int fd = dial();
    CHECK_TEXT(line(fd), "{\"vitald\":\"" VITALD_VERSION "\",\"protocol\":1}");
    return fd;
}

static void put(int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static const char *ask(int fd, const char *text)
{
    put(fd, text);
    put(fd, "\n");
    return line(fd);
}

#define CHECK_HAS(text, part)                                                                                     \
    do {                                                                                                          \
        const char *text_ = (text);                                                                               \
        if (!strstr(text_, part)) {                                                                               \
            fprintf(stderr, "%s:%d: \"%s\" is not in \"%.400s\"\n", __FILE__, __LINE__, part, text_);             \
            unit_failures++;                                                                                      \
        }                                                                                                         \
    } while (0)

/* ---- protocol ---- */

TEST(hostile_lines_get_an_error_and_the_next_good_one_is_served)
{
    static const char *const bad[] = {
        "", "{", "null", "[]", "\"status\"", "{}", "{\"verb\":1}", "{\"verb\":\"dance\"}", "{\"verb\":\"status\",\"args\":[]}",
        "{\"verb\":\"status\",\"args\":{\"name\":7}}", "{\"verb\":\"status\",\"verb\":\"status\"}", "{\"verb\":\"status\"}}",
        "\xff\xfe{\"verb\":\"status\"}", "{\"verb\":\"sta\\u0000tus\"}", "GET / HTTP/1.1", "{\"verb\":\"wait\",\"args\":{\"for\":-1}}",
        "{\"verb\":\"wait\",\"args\":{\"timeout\":1e300}}", "{\"verb\":\"wait\",\"args\":{\"for\":\"10s\"}}", "{\"verb\":\"events\",\"args\":{\"last\":1e9}}",
    };
    begin();
    int fd = greeted();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_HAS(ask(fd, bad[i]), "\"ok\":false,\"code\":\"usage\"");
    CHECK_HAS(ask(fd, "{\"id\":41,\"verb\":\"version\"}"), "{\"id\":41,\"ok\":true,\"text\":\"vitald ");
    CHECK_HAS(ask(fd, "{\"id\":42,\"verb\":\"version\"}\r"), "{\"id\":42,\"ok\":true");
    close(fd);
    finish();
}

TEST(a_line_without_end_is_cut_off)
{
    begin();
    int fd = greeted();
    char *much = mem_alloc(CTL_LINE_MAX + 2);
    memset(much, 'x', CTL_LINE_MAX + 1);
    for (size_t sent = 0; sent < CTL_LINE_MAX + 1;) {
        ssize_t n = send(fd, much + sent, CTL_LINE_MAX + 1 - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    CHECK_HAS(line(fd), "at most 65536 bytes");
    CHECK_TEXT(line(fd), "");
    struct control_stats s;
    control_stats(&s);
    CHECK_INT(s.malformed, 1);
    CHECK_INT(s.clients, 0);
    mem_free(much);
    close(fd);
    finish();
}

TEST(requests_come_in_any_split_and_several_at_once)
{
    static const char text[] = "{\"id\":7,\"verb\":\"version\"}\n";
    begin();
    int fd = greeted();
    for (size_t i = 0; i < sizeof text - 1; i++) {
        CHECK_INT(send(fd, text + i, 1, 0), 1);
        turn();
    }
    CHECK_HAS(line(fd), "{\"id\":7,\"ok\":true");
    put(fd, "{\"id\":1,\"verb\":\"version\"}\n{\"id\":2,\"verb\":\"status\"}\n{\"id\":3,\"verb\":\"version\"}");
    shutdown(fd, SHUT_WR);       /* as `echo ... | socat` does; the last line has no newline */
    CHECK_HAS(line(fd), "{\"id\":1,");
    CHECK_HAS(line(fd), "{\"id\":2,");
    CHECK_HAS(line(fd), "{\"id\":3,");
    CHECK_TEXT(line(fd), "");
    close(fd);
    finish();
}

TEST(clients_are_bounded_and_one_that_left_makes_room)
{
    int fds[40];
    begin();
    for (unsigned i = 0; i < 32; i++)
        fds[i] = greeted();
    fds[32] = dial();
    CHECK_HAS(line(fds[32]), "too many clients");
    CHECK_TEXT(line(fds[32]), "");
    close(fds[0]);
    struct control_stats s;
    do {
        turn();
        control_stats(&s);
    } while (s.clients > 31);
    CHECK_INT(s.refused, 1);
    fds[0] = greeted();
    for (unsigned i = 0; i < 33; i++)
        close(fds[i]);
    finish();
}

/* ---- the socket itself ---- */

TEST(a_left_over_socket_is_replaced_a_living_one_is_not)
{
    char *error = NULL;
    begin();
    struct stat st;
    CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0666);
    CHECK(!control_open(core_conf(), &hooks, &error));
    CHECK_HAS(error ? error : "", "another vitald answers at");
    mem_free(error);
    control_close();
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(!bind(fd, (struct sockaddr *)&a, sizeof a));
    close(fd);
    error = NULL;
    CHECK(control_open(core_conf(), &hooks, &error));
    fd = greeted();
    close(fd);
    finish();
}

TEST(a_file_in_the_way_is_named_and_kept)
{
    char *error = NULL;
    begin();
    control_close();
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    CHECK(!control_open(core_conf(), &hooks, &error));
    CHECK_HAS(error ? error : "", "is not a socket");
    mem_free(error);
    CHECK(access(path, F_OK) == 0);
    unlink(path);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(!bind(fd, (struct sockaddr *)&a, sizeof a));
    CHECK(!control_open(core_conf(), &hooks, &error));
    CHECK_HAS(error ? error : "", "cannot be told");
    mem_free(error);
    CHECK(access(path, F_OK) == 0);
    close(fd);
    unlink(path);
    small_close();
    rmdir(dir);
}

TEST(out_of_descriptors_it_pauses_and_comes_back)
{
    struct rlimit before, none;
    struct control_stats s;
    begin();
    int fd = dial();
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    do {
        turn();
        control_stats(&s);
    } while (!s.refused);
    for (unsigned i = 0; i < 50; i++)
        turn();
    control_stats(&s);
    CHECK_INT(s.refused, 1);     /* it does not spin */
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK_HAS(line(fd), "protocol");
    close(fd);
    finish();
}

/* ---- verbs ---- */

TEST(status_and_explain_show_what_is_known)
{
    small[0].next = VITAL_FAIL;
    begin();
    settle();
    int fd = greeted();
    CHECK_HAS(ask(fd, "{\"verb\":\"status\"}"), "db");
    CHECK_HAS(ask(fd, "{\"verb\":\"status\",\"args\":{\"name\":\"db\",\"format\":\"json\"}}"), "\\\"state\\\":\\\"down\\\"");
    CHECK_HAS(ask(fd, "{\"verb\":\"explain\",\"args\":{}}"), "ready is fail");
    CHECK_HAS(ask(fd, "{\"verb\":\"explain\",\"args\":{\"name\":\"redy\"}}"), "did you mean `ready`?");
    CHECK_HAS(ask(fd, "{\"verb\":\"check\",\"args\":{\"name\":\"ready\"}}"), "\"event\":\"fail\",\"text\":\"ready: fail\\n  db is down: refused");
    CHECK_HAS(line(fd), "\"ok\":true");
    CHECK_HAS(ask(fd, "{\"verb\":\"check\",\"args\":{\"name\":\"web\"}}"), "`web` is a probe; check wants a group");
    CHECK_HAS(ask(fd, "{\"verb\":\"stats\"}"), "attempts fail                                1\\n");
    close(fd);
    finish();
}

TEST(wait_tells_each_change_and_ends_when_it_is_reached)
{
    small[0].next = VITAL_FAIL;
    begin();
    settle();
    int fd = greeted(), other = greeted();
    put(fd, "{\"id\":5,\"verb\":\"wait\",\"args\":{\"name\":\"ready\",\"timeout\":60000000}}\n");
    CHECK_HAS(line(fd), "{\"id\":5,\"event\":\"fail\",\"text\":\"ready: fail");
    small[0].next = VITAL_PASS;
    put(other, "{\"verb\":\"run\",\"args\":{\"name\":\"db\"}}\n");
    CHECK_HAS(line(fd), "{\"id\":5,\"ok\":true,\"text\":\"ready: pass\"}");
    CHECK_HAS(line(other), "\"ok\":true,\"text\":\"db: pass (");
    const char *end = ask(fd, "{\"verb\":\"wait\",\"args\":{\"until\":\"fail\",\"timeout\":1}}");
    if (strstr(end, "\"event\":\"pass\"")) /* the microsecond was not over yet when it was looked at first */
        end = line(fd);
    CHECK_HAS(end, "\"code\":\"timeout\"");
    put(fd, "{\"verb\":\"wait\",\"args\":{\"until\":\"fail\"}}\n");
    CHECK_HAS(line(fd), "\"event\":\"pass\"");
    small[1].next = VITAL_WARN;
    CHECK_HAS(ask(other, "{\"verb\":\"run\",\"args\":{\"name\":\"web\"}}"), "\"ok\":true,\"text\":\"web: warn: slow");
    CHECK_HAS(line(fd), "\"event\":\"warn\",\"text\":\"ready: warn\\n  web is degraded: slow");
    close(fd);
    close(other);
    finish();
}

TEST(wait_wants_it_to_hold)
{
    begin();
    settle();
    int fd = greeted();
    uint64_t before = clock_now();
    put(fd, "{\"verb\":\"wait\",\"args\":{\"for\":150000,\"timeout\":60000000}}\n");
    CHECK_HAS(line(fd), "\"event\":\"pass\"");
    CHECK_HAS(line(fd), "ready: pass, for ");
    CHECK(clock_now() - before < 10 * USEC_S);
    CHECK_HAS(ask(fd, "{\"verb\":\"wait\",\"args\":{\"for\":3600000000,\"timeout\":1000}}"), "\"event\":\"pass\"");
    CHECK_HAS(line(fd), "\"code\":\"timeout\"");
    close(fd);
    finish();
}

TEST(run_waits_behind_an_attempt_that_began_before)
{
    begin();
    settle();
    int fd = greeted(), other = greeted();
    small[0].hold = true;
    put(other, "{\"verb\":\"run\",\"args\":{\"name\":\"db\"}}\n");
    while (!small[0].held)
        turn();
    put(fd, "{\"verb\":\"run\",\"args\":{\"name\":\"db\"}}\n");
    for (unsigned i = 0; i < 10; i++)
        turn();
    unsigned starts = small[0].starts;
    small[0].next = VITAL_PASS;
    small_end(small[0].held);
    CHECK_HAS(line(other), "db: pass");
    while (!small[0].held)
        turn();
    CHECK_INT(small[0].starts, starts + 1);
    small[0].next = VITAL_FAIL;
    small_end(small[0].held);
    CHECK_HAS(line(fd), "\"ok\":false,\"code\":\"failed\",\"error\":\"db: fail: refused");
    close(fd);
    close(other);
    finish();
}

TEST(modes_and_drain_are_ordered)
{
    begin();
    settle();
    int fd = greeted();
    CHECK_HAS(ask(fd, "{\"verb\":\"force\",\"args\":{\"name\":\"db\",\"level\":\"down\",\"for\":60000000}}"), "db: forced down for 1m");
    CHECK_HAS(ask(fd, "{\"verb\":\"check\",\"args\":{\"name\":\"ready\"}}"), "\"event\":\"fail\"");
    line(fd);
    CHECK_HAS(ask(fd, "{\"verb\":\"force\",\"args\":{\"name\":\"db\",\"level\":\"sideways\"}}"), "must be up, degraded or down");
    CHECK_HAS(ask(fd, "{\"verb\":\"force\",\"args\":{\"name\":\"db\",\"level\":\"unknown\"}}"), "must be up, degraded or down");
    CHECK_HAS(ask(fd, "{\"verb\":\"resume\",\"args\":{\"name\":\"db\"}}"), "db: normal");
    CHECK_HAS(ask(fd, "{\"verb\":\"pause\",\"args\":{\"name\":\"db\",\"for\":0}}"), "db: paused until `vitalctl resume db`");
    CHECK_HAS(ask(fd, "{\"verb\":\"run\",\"args\":{\"name\":\"db\"}}"), "is paused");
    CHECK_HAS(ask(fd, "{\"verb\":\"pause\",\"args\":{\"name\":\"ready\"}}"), "`ready` is a group; pause wants a probe");
    CHECK_HAS(ask(fd, "{\"verb\":\"maintenance\",\"args\":{\"name\":\"web\"}}"), "web: maintenance for 1h");
    CHECK_HAS(ask(fd, "{\"verb\":\"drain\"}"), "draining: ready fails now");
    CHECK(admin_drain_is_ordered());
    CHECK_HAS(ask(fd, "{\"verb\":\"undrain\"}"), "not draining any more");
    CHECK_HAS(ask(fd, "{\"verb\":\"beat\",\"args\":{\"name\":\"db\",\"text\":\"all well\"}}"), "\"ok\":true");
    CHECK_TEXT(small[0].received, "all well");
    CHECK_HAS(ask(fd, "{\"verb\":\"stop\"}"), "\"ok\":true");
    CHECK_INT(stops, 1);
    close(fd);
    finish();
}

TEST(events_come_from_the_journal_and_go_on)
{
    begin();
    settle();
    int fd = greeted(), other = greeted();
    put(fd, "{\"verb\":\"events\",\"args\":{\"last\":1,\"follow\":true}}\n");
    CHECK_HAS(line(fd), "\"event\":\"event\"");
    ask(other, "{\"verb\":\"pause\",\"args\":{\"name\":\"db\"}}");
    CHECK_HAS(line(fd), "mode db: normal -");
    put(other, "{\"verb\":\"events\",\"args\":{\"last\":1,\"format\":\"json\"}}\n");
    CHECK_HAS(line(other), "\\\"name\\\":\\\"db\\\"");
    CHECK_HAS(line(other), "\"ok\":true");
    close(fd);
    close(other);
    finish();
}

TEST(a_reload_is_answered_when_it_is_done_and_not_after_the_client_left)
{
    begin();
    int fd = greeted();
    put(fd, "{\"id\":3,\"verb\":\"reload\"}\n");
    while (!reload_done)
        turn();
    reload_done(reload_arg, false, "vitald.yaml:3:1: error: no\n");
    CHECK_HAS(line(fd), "{\"id\":3,\"ok\":false,\"code\":\"failed\",\"error\":\"vitald.yaml:3:1: error: no");
    reload_done = NULL;
    put(fd, "{\"id\":4,\"verb\":\"reload\"}\n");
    while (!reload_done)
        turn();
    close(fd);
    control_close();
    reload_done(reload_arg, true, "reloaded\n");
    loop_reap();
    small_close();
    rmdir(dir);
}

/* ---- who may ---- */

TEST(a_stranger_may_look_and_change_nothing)
{
    if (geteuid() != 0)
        return;      /* only root can become a stranger */
    begin();
    settle();
    CHECK(!chmod(dir, 0755));
    int pair[2];
    CHECK(!pipe(pair));
    pid_t child = fork();
    if (child == 0) {
        CHECK(!setgid(65534) && !setuid(65534));
        int fd = dial();
        CHECK_INT(write(pair[1], "x", 1), 1);
        char room[4096] = "";
        static const char text[] = "{\"verb\":\"drain\"}\n{\"verb\":\"check\",\"args\":{\"name\":\"ready\"}}\n";
        send(fd, text, sizeof text - 1, 0);
        size_t len = 0;
        struct pollfd p = { .fd = fd, .events = POLLIN };
        while (!strstr(room, "\"event\":\"pass\"") && poll(&p, 1, 20000) > 0) {
            ssize_t n = recv(fd, room + len, sizeof room - 1 - len, 0);
            if (n <= 0)
                break;
            len += (size_t)n;
        }
        CHECK_HAS(room, "\"code\":\"denied\"");
        CHECK_HAS(room, "\"event\":\"pass\"");
        _exit(unit_failures != 0);
    }
    int status = -1;
    while (waitpid(child, &status, WNOHANG) == 0)
        turn();
    CHECK_INT(status, 0);
    CHECK(!admin_is_draining());
    struct control_stats s;
    control_stats(&s);
    CHECK_INT(s.denied, 1);
    close(pair[0]);
    close(pair[1]);
    finish();
}

/* ---- heartbeats ---- */

TEST(beats_come_as_datagrams)
{
    static const struct { const char *bytes; size_t len; bool good; } sent[] = {
        { "db backup done\n", 15, true }, { "db", 2, true }, { "nobody x", 8, false }, { "", 0, false }, { " db", 3, false }, { "db a\0b", 6, false },
    };
    struct control_stats s;
    begin();
    settle();
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s/beat.sock", dir);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    for (size_t i = 0, refused = 0; i < sizeof sent / sizeof *sent; i++) {
        CHECK_INT(sendto(fd, sent[i].bytes, sent[i].len, 0, (struct sockaddr *)&a, sizeof a), sent[i].len);
        do {
            turn();
            control_stats(&s);
        } while (s.beats <= i);
        refused += !sent[i].good;
        CHECK_INT(s.beats_refused, refused);
        if (i == 0)
            CHECK_TEXT(small[0].received, "backup done");
    }
    char large[2000];
    memset(large, 'x', sizeof large);
    CHECK_INT(sendto(fd, large, sizeof large, 0, (struct sockaddr *)&a, sizeof a), sizeof large);
    do {
        turn();
        control_stats(&s);
    } while (s.beats_refused < 5);
    close(fd);
    finish();
}
