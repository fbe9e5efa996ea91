/* The parts of vitalctl that are no conversation: command line, terminal hygiene, the small HTTP client. They are not in
 * the daemon's library, so they are compiled in here. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>

#include "ctl/address.c"
#include "ctl/args.c"
#include "ctl/fetch.c"
#include "ctl/term.c"

/* ---- command line ---- */

static int nothing(const struct args *a)
{
    (void)a;
    return 0;
}

static const struct command command = {
    "wait", "[GROUP]", "Wait", NULL, ARG_SOCKET | ARG_FOR | ARG_TIMEOUT | ARG_UNTIL | ARG_OUTPUT | ARG_LAST | ARG_QUIET, 0, 1, "text|json", nothing,
};

static bool parses(struct args *a, const char *const *words, const char *error)
{
    int n = 0;
    while (words[n])
        n++;
    char *got = args_parse(&command, n, (char *const *)(uintptr_t)words, a);
    bool as_said = error ? got && strstr(got, error) : !got;
    if (!as_said)
        fprintf(stderr, "%s: \"%s\", not \"%s\"\n", words[0], got ? got : "(fine)", error ? error : "(fine)");
    mem_free(got);
    return as_said;
}
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(options_stand_anywhere_and_take_values_in_both_ways)
{
    struct args a;
    CHECK(parses(&a, WORDS("ready", "--for", "10s", "--timeout=1m30s", "-s/tmp/x", "-q", "--until", "fail", "-o", "json"), NULL));
    CHECK_TEXT(a.names[0], "ready");
    CHECK_TEXT(a.socket, "/tmp/x");
    CHECK_TEXT(a.until, "fail");
    CHECK_INT(a.period, 10000000);
    CHECK_INT(a.timeout, 90000000);
    CHECK(a.given & ARG_QUIET);
    CHECK(parses(&a, WORDS("--", "-q"), NULL));
    CHECK_TEXT(a.names[0], "-q");
    CHECK(parses(&a, WORDS("-"), NULL));
}

TEST(wrong_command_lines_are_told_precisely)
{
    struct args a;
    CHECK(parses(&a, WORDS("--timeot", "3s"), "did you mean --timeout?"));
    CHECK(parses(&a, WORDS("--watch"), "has no such option"));
    CHECK(parses(&a, WORDS("-w"), "has no such option"));
    CHECK(parses(&a, WORDS("--for"), "needs a value"));
    CHECK(parses(&a, WORDS("--for", "10"), "not a period"));
    CHECK(parses(&a, WORDS("--until", "warn"), "must be one of pass|fail"));
    CHECK(parses(&a, WORDS("--until", ""), "must be one of"));
    CHECK(parses(&a, WORDS("-o", "xml"), "must be one of text|json"));
    CHECK(parses(&a, WORDS("--last", "-1"), "not a number"));
    CHECK(parses(&a, WORDS("--last", "99999999999999999999"), "not a number"));
    CHECK(parses(&a, WORDS("--quiet=yes"), "takes no value"));
    CHECK(parses(&a, WORDS("a", "b"), "one argument too many"));
}

TEST(options_before_the_command_are_found)
{
    CHECK_INT(args_leading(3, (char *[]){ "--socket", "/x", "status" }), 2);
    CHECK_INT(args_leading(2, (char *[]){ "--socket=/x", "status" }), 1);
    CHECK_INT(args_leading(2, (char *[]){ "-q", "status" }), 1);
    CHECK_INT(args_leading(1, (char *[]){ "--socket" }), 1);
    CHECK_INT(args_leading(1, (char *[]){ "status" }), 0);
}

TEST(periods_carry_units)
{
    static const struct { const char *text; uint64_t usec; } good[] = {
        { "0", 0 }, { "10s", 10000000 }, { "1m30s", 90000000 }, { "250ms", 250000 }, { "1.5h", UINT64_C(5400000000) }, { "7us", 7 },
        { "2d", UINT64_C(172800000000) }, { "999999999d", CTL_PERIOD_MAX },
    };
    static const char *const bad[] = { "", "10", "s", "10x", "-5s", "1..5s", "0s", "10 s", ".5s", "1e9s", "5s3", "nan", "0x10s" };
    uint64_t usec;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK(args_period(good[i].text, &usec));
        CHECK_INT(usec, good[i].usec);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (args_period(bad[i], &usec)) {
            fprintf(stderr, "%s was taken for a period\n", bad[i]);
            unit_failures++;
        }
}

TEST(help_names_every_option_of_its_command)
{
    struct buf out = BUF(65536);
    args_usage(&command, &out);
    CHECK(strstr(out.data, "usage: vitalctl wait [OPTIONS] [GROUP]"));
    CHECK(strstr(out.data, "-t, --timeout PERIOD"));
    CHECK(strstr(out.data, "--output text|json"));
    CHECK(!strstr(out.data, "--watch"));
    buf_free(&out);
}

/* ---- terminal ---- */

static void check_clean(const char *text, bool colour, const char *want)
{
    struct buf out = BUF(4096);
    term_clean(&out, text, strlen(text), colour);
    CHECK_TEXT(out.data, want);
    buf_free(&out);
}

TEST(nothing_that_a_terminal_obeys_gets_through)
{
    check_clean("a\tb\nc", false, "a\tb\nc");
    check_clean("\033]0;title\007x\rfake", false, "?]0;title?x?fake");
    check_clean("\033[31mred\033[0m", false, "?[31mred?[0m");
    check_clean("\033[31mred\033[0m", true, "\033[31mred\033[0m");
    check_clean("\033[2J\033[1;1H\033[6n", true, "?[2J?[1;1H?[6n");
    check_clean("\033[1234567890123456789012345m", true, "?[1234567890123456789012345m");
    check_clean("\xc2\x9b" "31m \xc3\xa9 \xff\xfe \x7f", true, "?31m \xc3\xa9 ?? ?");
}

TEST(colour_needs_a_terminal_that_wants_it)
{
    int fds[2];
    CHECK(!pipe(fds));
    CHECK(!term_has_colour(fds[1], NULL));
    CHECK(!term_has_colour(fds[1], "auto"));
    CHECK(term_has_colour(fds[1], "always"));
    CHECK(!term_has_colour(fds[1], "never"));
}

/* ---- where to ask ---- */

static void check_url(const char *text, const char *path, const char *want)
{
    struct url u;
    char room[512];
    char *error = fetch_url(text, path, &u);
    fetch_name(&u, room, sizeof room);
    CHECK_TEXT(error ? error : room, want);
    mem_free(error);
}

TEST(urls_are_completed)
{
    unsetenv("VITALD_LISTEN");
    check_url(NULL, "/healthz", "http://127.0.0.1:8686/healthz");
    check_url("/readyz", "/healthz", "http://127.0.0.1:8686/readyz");
    check_url("10.1.2.3:80", "/healthz", "http://10.1.2.3:80/healthz");
    check_url(":81/x?y=1", "/healthz", "http://127.0.0.1:81/x?y=1");
    check_url("http://web", "/healthz", "http://web:80/healthz");
    check_url("http://web/", "/healthz", "http://web:80/");
    check_url("[::1]:99", "/healthz", "http://[::1]:99/healthz");
    check_url("unix:/run/x.sock", "/healthz", "unix:/run/x.sock /healthz");
    setenv("VITALD_LISTEN", "0.0.0.0:9999", 1);
    check_url(NULL, "/healthz", "http://0.0.0.0:9999/healthz");
    check_url("web", "/readyz", "http://web:9999/readyz");
    setenv("VITALD_LISTEN", "unix:/run/v.sock", 1);
    check_url("", "/readyz", "unix:/run/v.sock /readyz");
    setenv("VITALD_LISTEN", "::::", 1);
    struct url u;
    char *error = fetch_url(NULL, "/readyz", &u);
    CHECK(error && strstr(error, "VITALD_LISTEN=::::"));
    mem_free(error);
    error = fetch_url("https://web/", "/", &u);
    CHECK(error && strstr(error, "has no TLS"));
    mem_free(error);
    error = fetch_url("ftp://web/", "/", &u);
    CHECK(error && strstr(error, "is not a scheme"));
    mem_free(error);
}

/* ---- what comes back ---- */

static char seen[4096];

/* A server for one connection in a child: reads the request, sends these bytes, then closes, or with `hold` stays. */
static pid_t serve(const char *bytes, size_t len, bool hold, uint16_t *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(!bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 1) && !getsockname(fd, (struct sockaddr *)&a, &size));
    *port = ntohs(a.sin_port);
    pid_t child = fork();
    if (child == 0) {
        int c = accept(fd, NULL, NULL);
        ssize_t n = read(c, seen, sizeof seen - 1);
        for (size_t sent = 0; n > 0 && sent < len;) {
            ssize_t m = send(c, bytes + sent, len - sent, MSG_NOSIGNAL);
            if (m <= 0)
                break;
            sent += (size_t)m;
        }
        while (hold && read(c, seen, sizeof seen) > 0)
            continue;
        _exit(0);
    }
    close(fd);
    return child;
}

static bool get(const char *bytes, size_t len, bool hold, uint64_t patience, struct fetch *f)
{
    uint16_t port;
    struct url u;
    char text[64];
    pid_t child = serve(bytes, len, hold, &port);
    snprintf(text, sizeof text, "127.0.0.1:%u/x", port);
    char *error = fetch_url(text, "/", &u);
    CHECK(!error);
    *f = (struct fetch){ .deadline = clock_now() + patience, .body_max = 1000, .accept = "*/*" };
    bool answered = fetch_get(&u, f);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return answered;
}

TEST(answers_are_understood)
{
    static const struct { const char *bytes; unsigned status; enum fetch_level level; const char *body; } answers[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npass\n", 200, FETCH_PASS, "pass\n" },
        { "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfail", 503, FETCH_FAIL, "fail" },
        { "HTTP/1.0 200 OK\r\n\r\nto the end", 200, FETCH_PASS, "to the end" },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 204, FETCH_PASS, NULL },
        { "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 301, FETCH_PASS, NULL },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, FETCH_PASS, "abcde" },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/health+json\r\nContent-Length: 17\r\n\r\n{\"status\":\"warn\"}", 200, FETCH_WARN, NULL },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 17\r\n\r\n{\"status\":\"fail\"}", 200, FETCH_FAIL, NULL },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n\r\n{\"status\":\"fail\"}", 200, FETCH_PASS, NULL },
        { "HTTP/1.1 503 No\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"status\":\"pass\"}", 503, FETCH_FAIL, NULL },
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fetch f;
        CHECK(get(answers[i].bytes, strlen(answers[i].bytes), false, 20 * USEC_S, &f));
        CHECK_INT(f.status, answers[i].status);
        CHECK_INT(fetch_level(&f), answers[i].level);
        if (answers[i].body)
            CHECK_TEXT(f.body.data, answers[i].body);
        fetch_free(&f);
    }
}

TEST(broken_answers_are_named)
{
    static const struct { const char *bytes; const char *error; } answers[] = {
        { "SSH-2.0-OpenSSH_9.2\r\n", "not HTTP" },
        { "", "closed before an answer" },
        { "HTTP/1.1 200 OK\r\nContent-Le", "closed before an answer" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "in the middle of the answer" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", "in the middle of the answer" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "not HTTP" },
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fetch f;
        CHECK(!get(answers[i].bytes, strlen(answers[i].bytes), false, 20 * USEC_S, &f));
        CHECK(f.error && strstr(f.error, answers[i].error));
        CHECK_INT(f.status, 0);
        fetch_free(&f);
    }
}

TEST(silence_and_floods_end)
{
    struct fetch f;
    uint64_t before = clock_now();
    CHECK(!get("", 0, true, 100 * USEC_MS, &f));
    CHECK(f.error && strstr(f.error, "timeout"));
    fetch_free(&f);
    CHECK(!get("HTTP/1.1 200 OK\r\n\r\nand then nothing", 35, true, 100 * USEC_MS, &f));
    fetch_free(&f);
    CHECK(clock_now() - before < 10 * USEC_S);

    struct buf much = BUF(8 << 20);
    buf_text(&much, "HTTP/1.1 200 OK\r\n\r\n");
    while (much.len < 7 << 20)
        buf_text(&much, "all work and no play makes jack a dull boy\n");
    CHECK(get(much.data, much.len, false, 20 * USEC_S, &f));
    CHECK(f.body.over);
    CHECK_INT(f.body.len, 1000);
    fetch_free(&f);
    buf_reset(&much);
    buf_text(&much, "HTTP/1.1 200 OK\r\n");
    while (much.len < 1 << 20)
        buf_text(&much, "X-Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
    CHECK(!get(much.data, much.len, false, 20 * USEC_S, &f));
    fetch_free(&f);
    buf_free(&much);
}

TEST(refusals_and_names_are_told)
{
    struct url u;
    struct fetch f = { .deadline = clock_now() + 5 * USEC_S, .body_max = 10, .accept = "*/*" };
    CHECK(!fetch_url("unix:/nonexistent/x", "/", &u));
    CHECK(!fetch_get(&u, &f));
    CHECK(f.error && strstr(f.error, "No such file"));
    fetch_free(&f);
    CHECK(!fetch_url("http://name.invalid:1", "/", &u));
    CHECK(!fetch_get(&u, &f));
    CHECK(f.error && strstr(f.error, "cannot be resolved"));
    fetch_free(&f);
}
