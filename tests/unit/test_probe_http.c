#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "builtin.h"
#include "fake_host.h"

static struct vital_io *asked(void)
{
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    fake_open(io);
    return io;
}

/* One attempt with this answer, in pieces of `chunk` bytes; the end of file follows when it is still undecided. */
static void answered_by(const char *answer, size_t len, size_t chunk)
{
    struct vital_io *io = asked();
    for (size_t at = 0; at < len && io->open; at += chunk)
        fake_data_n(io, answer + at, len - at < chunk ? len - at : chunk);
    if (io->open)
        fake_shut(io, VITAL_R_OK, NULL);
}

static void answered(const char *answer)
{
    answered_by(answer, strlen(answer), strlen(answer));
}

/* However the answer is cut, the outcome is this one. */
static void always(const char *answer, enum vital_class class, enum vital_reason reason, const char *text)
{
    size_t len = strlen(answer);
    for (size_t chunk = 1; chunk <= len; chunk = chunk < 8 ? chunk + 1 : chunk * 3) {
        answered_by(answer, len, chunk);
        CHECK(fake.finished);
        CHECK_INT(fake.class, class);
        CHECK_INT(fake.reason, reason);
        if (text && !strstr(fake.text, text))
            CHECK_TEXT(fake.text, text);
        CHECK_INT(fake_open_count(), 0);
    }
    answered(answer);
    CHECK_INT(fake.reason, reason);
}

TEST(the_request_is_plain_and_the_same_each_time)
{
    fake_probe(&http_module, "url", "http://127.0.0.1:8082/api/v1/health?deep=1", NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct vital_io *io = asked();
        CHECK_TEXT(io->dial.host, "127.0.0.1");
        CHECK_TEXT(io->dial.port, "8082");
        CHECK(!io->dial.tls && !io->dial.alpn);
        CHECK_TEXT(io->sent.data, "GET /api/v1/health?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:8082\r\nConnection: close\r\n"
                                  "User-Agent: vitald/" VITALD_VERSION "\r\nAccept: */*\r\n\r\n");
        fake.now += 2000;
        fake_data(io, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        CHECK_INT(fake.class, VITAL_PASS);
        CHECK_TEXT(fake.text, "status 200 OK");
        CHECK(fake_number("status_code") == 200);
        CHECK(fake_number("first_byte_seconds") == 0.002);
    }
    fake_end();
}

TEST(host_names_the_port_only_where_it_is_not_the_schemes_own)
{
    static const struct { const char *url, *host; } cases[] = {
        { "http://a.example/", "Host: a.example\r\n" },           { "http://a.example:80/", "Host: a.example\r\n" },
        { "https://a.example:80/", "Host: a.example:80\r\n" },    { "https://a.example:443", "Host: a.example\r\n" },
        { "http://[fe80::1%eth0]:8080/", "Host: [fe80::1]:8080\r\n" }, { "http://[::1]/", "Host: [::1]\r\n" },
        { "http+unix://%2Frun%2Fx.sock/h", "Host: localhost\r\n" },
    };
    fake_probe(&http_module, "url", cases[0].url, "tls", "true", NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(fake.probe.priv, 0, http_module.priv_size); /* a new probe */
        fake_set("url", cases[i].url);
        struct vital_io *io = asked();
        if (!strstr(io->sent.data, cases[i].host))
            CHECK_TEXT(io->sent.data, cases[i].host);
        CHECK(!io->dial.tls == !strstr(cases[i].url, "https"));
        fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
        fake_end();
        fake.probe.priv = fake_alloc(http_module.priv_size);
    }
}

TEST(methods_headers_bodies_and_secrets)
{
    fake_probe(&http_module, "url", "http://u:p%40ss@h/x", "method", "POST", "body", "{}", "headers", "Content-Type=application/json",
               "headers", "accept=text/x", "host", "app.example", NULL);
    struct vital_io *io = asked();
    CHECK_TEXT(io->sent.data, "POST /x HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nUser-Agent: vitald/" VITALD_VERSION "\r\n"
                              "Authorization: Basic dTpwQHNz\r\nContent-Type: application/json\r\naccept: text/x\r\nContent-Length: 2\r\n\r\n{}");
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    fake_end();
}

TEST(bearer_is_revealed_anew_each_time)
{
    fake_probe(&http_module, "url", "http://h/", "bearer", "one", NULL);
    struct vital_io *io = asked();
    CHECK(strstr(io->sent.data, "\r\nAuthorization: Bearer one\r\n") != NULL);
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    fake_set("bearer", "longer-than-one");
    io = asked();
    CHECK(strstr(io->sent.data, "\r\nAuthorization: Bearer longer-than-one\r\n") != NULL);
    CHECK(!strstr(io->sent.data, "Bearer one"));
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    fake_set("bearer", "split\r\nEvil: yes");
    io = asked();
    CHECK_INT(fake.reason, VITAL_R_CONFIG);
    CHECK_INT(io->sent.len, 0);
    CHECK(!strstr(fake.text, "Evil"));
    fake_end();
}

TEST(refused_credentials_have_their_own_reason)
{
    fake_probe(&http_module, "url", "http://h/", NULL);
    answered("HTTP/1.1 401 Unauthorized\r\n\r\n");
    CHECK_INT(fake.reason, VITAL_R_BAD_STATUS);
    fake_set("bearer", "old");
    answered("HTTP/1.1 401 Unauthorized\r\n\r\n");
    CHECK_INT(fake.reason, VITAL_R_AUTH);
    answered("HTTP/1.1 403 Forbidden\r\n\r\n");
    CHECK_INT(fake.reason, VITAL_R_BAD_STATUS);
    fake_end();
}

TEST(traceparent_has_its_form_and_is_never_the_same)
{
    char last[64] = "";
    fake_probe(&http_module, "url", "http://h/", "traceparent", "true", NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct vital_io *io = asked();
        const char *at = strstr(io->sent.data, "\r\ntraceparent: 00-");
        CHECK(at != NULL);
        CHECK_INT(strspn(at + 18, "0123456789abcdef"), 32);
        CHECK_INT(strspn(at + 51, "0123456789abcdef"), 16);
        CHECK(!strncmp(at + 67, "-00\r\n", 5));
        CHECK(strncmp(at, last, 60) != 0);
        memcpy(last, at, 60);
        fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    }
    fake_end();
}

TEST(status_sets)
{
    fake_probe(&http_module, "url", "http://127.0.0.1:1/", "warn_status", "429", NULL);
    always("HTTP/1.1 204 No Content\r\n\r\n", VITAL_PASS, VITAL_R_OK, "status 204 No Content");
    always("HTTP/1.1 429 Slow Down\r\n\r\n", VITAL_WARN, VITAL_R_BAD_STATUS, "status 429 Slow Down");
    always("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", VITAL_FAIL, VITAL_R_BAD_STATUS, "status 502 Bad Gateway, expected 200-299");
    always("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", VITAL_FAIL, VITAL_R_BAD_STATUS, "status 302 Found, expected 200-299; it redirects to /login");
    answered("HTTP/1.1 503 Down\r\nContent-Length: 30\r\n\r\ndb: connection refused");
    CHECK_TEXT(fake.text, "status 503 Down, expected 200-299: db: connection refused");
    fake_set("status", "200-204");
    fake_set("status", "301");
    always("HTTP/1.1 301 Moved\r\n\r\n", VITAL_PASS, VITAL_R_OK, "status 301 Moved");
    always("HTTP/1.1 205 x\r\n\r\n", VITAL_FAIL, VITAL_R_BAD_STATUS, "expected 200-204,301");
    fake_end();
}

TEST(interim_answers_are_passed_over)
{
    fake_probe(&http_module, "url", "http://h/", "contains", "ok", NULL);
    always("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", VITAL_PASS, VITAL_R_OK, NULL);
    fake_end();
}

TEST(malformed_answers)
{
    fake_probe(&http_module, "url", "http://h/", NULL);
    always("SSH-2.0-OpenSSH_9.2\r\n\r\n", VITAL_FAIL, VITAL_R_BAD_REPLY, "this is not a proper HTTP answer");
    always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", VITAL_FAIL, VITAL_R_BAD_REPLY, NULL);
    always("HTTP/1.1 200 OK\r\nContent-Le", VITAL_FAIL, VITAL_R_CLOSED, "h:80 closed the connection in the middle of the answer's head");
    struct vital_io *io = asked();
    fake_shut(io, VITAL_R_OK, NULL);
    CHECK_TEXT(fake.text, "h:80 closed the connection without an answer");
    io = asked();
    fake_shut(io, VITAL_R_RESET, NULL);
    CHECK_INT(fake.reason, VITAL_R_RESET);
    char much[20000];
    memset(much, 'x', sizeof much);
    io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\nX: ");
    for (unsigned i = 0; i < 3 && io->open; i++)
        fake_data_n(io, much, 10000);
    CHECK_INT(fake.reason, VITAL_R_BAD_REPLY);
    fake_end();
}

TEST(bodies_by_length_chunks_and_end_of_file)
{
    fake_probe(&http_module, "url", "http://h/", "contains", "status", "contains", "UP", NULL);
    always("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"UP\"}", VITAL_PASS, VITAL_R_OK, "the body is as expected");
    always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta\r\n5\r\ntus\":\r\n5\r\n\"UP\"}\r\n0\r\n\r\n", VITAL_PASS, VITAL_R_OK, NULL);
    always("HTTP/1.0 200 OK\r\n\r\n{\"status\":\"UP\"}", VITAL_PASS, VITAL_R_OK, NULL);
    always("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"status\":\"DOWN\"}", VITAL_FAIL, VITAL_R_MISMATCH, "the body does not contain \"UP\": \"{\"status\":\"DOWN\"}\"");
    always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", VITAL_FAIL, VITAL_R_MISMATCH, "does not contain \"status\"");
    always("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"status\":\"DO", VITAL_FAIL, VITAL_R_CLOSED, "in the middle of the body");
    always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sta\r\n", VITAL_FAIL, VITAL_R_CLOSED, "in the middle of the body");
    always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", VITAL_FAIL, VITAL_R_BAD_REPLY, "chunks are malformed");
    always("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"xx\"}UP", VITAL_FAIL, VITAL_R_MISMATCH, NULL);
    struct vital_io *io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{");
    fake_shut(io, VITAL_R_RESET, NULL);
    CHECK_INT(fake.reason, VITAL_R_RESET);
    fake_end();
}

TEST(reading_stops_when_it_is_decided)
{
    fake_probe(&http_module, "url", "http://h/", "contains", "UP", NULL);
    struct vital_io *io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nUP");
    CHECK_INT(fake.class, VITAL_PASS);
    fake_set("not_contains", "error");
    io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nUP");
    CHECK(!fake.finished);
    fake_data(io, " err");
    fake_data(io, "or");
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "the body contains \"error\"");
    fake_end();
}

TEST(an_endless_body_ends_at_the_cap)
{
    char much[1000];
    memset(much, '.', sizeof much);
    fake_probe(&http_module, "url", "http://h/", "contains", "UP", "body_cap", "10000", NULL);
    struct vital_io *io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    for (unsigned i = 0; i < 11 && io->open; i++)
        fake_data_n(io, much, sizeof much);
    CHECK_INT(fake.reason, VITAL_R_TOO_LARGE);
    CHECK(fake.finished);
    fake_set("not_matches", "ERR");
    io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\nUP");
    CHECK(!fake.finished);
    for (unsigned i = 0; i < 11 && io->open; i++)
        fake_data_n(io, much, sizeof much);
    CHECK_INT(fake.reason, VITAL_R_TOO_LARGE);
    fake_end();
}

TEST(patterns)
{
    fake_probe(&http_module, "url", "http://h/", "matches", "\"status\":\\s*\"(UP|OK)\"", "not_matches", "(?i)error", NULL);
    always("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"status\": \"OK\"}", VITAL_PASS, VITAL_R_OK, NULL);
    always("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"status\": \"XX\"}", VITAL_FAIL, VITAL_R_MISMATCH, "does not match what is expected");
    always("HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"status\": \"OK\"}Error", VITAL_FAIL, VITAL_R_MISMATCH, "not_matches");
    fake_end();
}

TEST(a_pattern_is_seen_before_the_end)
{
    fake_probe(&http_module, "url", "http://h/", "matches", "ready$", NULL);
    struct vital_io *io = asked();
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\nstarting ...");
    CHECK(!fake.finished);
    fake_data(io, "ready");
    CHECK_INT(fake.class, VITAL_PASS);
    fake_end();
}

static void json_answer(const char *body)
{
    char answer[2000];
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    answered(answer);
}

TEST(json_values)
{
    static const struct { const char *body; enum vital_class class; enum vital_reason reason; const char *text; } cases[] = {
        { "{\"status\":\"UP\",\"queue\":{\"depth\":5}}", VITAL_PASS, VITAL_R_OK, "" },
        { "{\"status\":\"DOWN\",\"queue\":{\"depth\":5}}", VITAL_FAIL, VITAL_R_MISMATCH, "/status is DOWN, not UP" },
        { "{\"queue\":{\"depth\":5}}", VITAL_FAIL, VITAL_R_MISMATCH, "there is no /status" },
        { "{\"status\":\"UP\",\"queue\":{\"depth\":500}}", VITAL_WARN, VITAL_R_THRESHOLD, "/queue/depth is 500, above 100" },
        { "{\"status\":\"UP\",\"queue\":{\"depth\":5000}}", VITAL_FAIL, VITAL_R_THRESHOLD, "/queue/depth is 5000, above 1000" },
        { "{\"status\":\"UP\",\"queue\":{\"depth\":\"5\"}}", VITAL_FAIL, VITAL_R_BAD_REPLY, "/queue/depth is 5, not a number" },
        { "{\"status\":\"UP\",\"queue\":{\"depth\":5},\"fatal\":null}", VITAL_FAIL, VITAL_R_MISMATCH, "/fatal is there" },
        { "{\"status\":\"UP\",\"queue\":{\"depth\":5},\"mode\":\"old\"}", VITAL_FAIL, VITAL_R_MISMATCH, "/fatal" },
        { "<html>", VITAL_FAIL, VITAL_R_BAD_REPLY, "the body is not JSON" },
        { "", VITAL_FAIL, VITAL_R_BAD_REPLY, "the body is not JSON" },
    };
    fake_probe(&http_module, "url", "http://h/", NULL);
    fake_block("json", "pointer", "/status", "equals", "UP", NULL);
    fake_block("json", "pointer", "/queue/depth", "warn_above", "100", "fail_above", "1000", NULL);
    fake_block("json", "pointer", "/fatal", "absent", "true", NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i == 7)
            continue;
        json_answer(cases[i].body);
        CHECK_INT(fake.class, cases[i].class);
        CHECK_INT(fake.reason, cases[i].reason);
        if (!strstr(fake.text, cases[i].text))
            CHECK_TEXT(fake.text, cases[i].text);
    }
    json_answer(cases[0].body);
    CHECK(fake_number_of("json_value", "/queue/depth") == 5);
    fake_end();
}

/* A body that is too large to be read at once: spaces, then this. */
static void large_answer(const char *framing, const char *body, bool ended)
{
    enum { PAD = 40000 };
    char *answer = mem_alloc(PAD + 2000);
    int len = snprintf(answer, 1000, "HTTP/1.1 200 OK\r\n%s\r\n", framing);
    memset(answer + len, ' ', PAD);
    len += PAD + snprintf(answer + len + PAD, 1000, "%s", body);
    struct vital_io *io = asked();
    for (int at = 0; at < len; at += 16384)
        fake_data_n(io, answer + at, (size_t)(len - at < 16384 ? len - at : 16384));
    if (ended)
        fake_shut(io, VITAL_R_OK, NULL);
    mem_free(answer);
}

TEST(large_json_is_read_by_a_helper_thread)
{
    fake_probe(&http_module, "url", "http://h/", "warn_above", "1s", NULL);
    fake_block("json", "pointer", "/status", "equals", "UP", NULL);
    fake_block("json", "pointer", "/depth", "warn_above", "100", NULL);
    large_answer("Content-Length: 40025\r\n", "{\"status\":\"UP\",\"depth\":7}", false);
    CHECK(!fake.finished);
    CHECK_INT(fake_open_count(), 1);             /* the stream is closed, the job is there */
    fake.now += 5 * USEC_S;                      /* how long that takes is not the target's slowness */
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "status 200 OK, and the body is as expected");
    CHECK(fake_number_of("json_value", "/depth") == 7);
    CHECK(fake_number("status_code") == 200);
    large_answer("", "{\"status\":\"UP\",\"depth\":700}", true);
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_TEXT(fake.text, "/depth is 700, above 100");
    large_answer("", "{\"status\":\"DOWN\",\"depth\":7}", true);
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "/status is DOWN, not UP");
    large_answer("", "{\"status\":", true);
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.reason, VITAL_R_BAD_REPLY);
    CHECK(strstr(fake.text, "the body is not JSON (at byte 40010: "));
    large_answer("", "{}", true);
    fake_pass_time(60 * USEC_S);                 /* the deadline comes first */
    CHECK_INT(fake_open_count(), 0);
    large_answer("", "{}", true);
    fake_job(fake_io(FAKE_JOB));
    CHECK_TEXT(fake.text, "there is no /status");
    fake_end();
}

TEST(json_comparisons_by_kind)
{
    static const struct { const char *key, *value, *body; bool good; } cases[] = {
        { "equals", "1", "1.0", true },     { "equals", "1", "2", false },         { "equals", "true", "true", true },
        { "equals", "true", "false", false }, { "equals", "null", "null", true },  { "equals", "a\nb", "\"a\\nb\"", true },
        { "not_equals", "x", "\"y\"", true }, { "not_equals", "x", "\"x\"", false }, { "matches", "^o", "\"ok\"", true },
        { "matches", "^o", "\"no\"", false }, { "equals", "", "0", false },        { "fail_below", "3", "2.5", false },
        { "fail_below", "3", "3", true },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.module = NULL;
        fake_probe(&http_module, "url", "http://h/", NULL);
        fake_block("json", "pointer", "", cases[i].key, cases[i].value, NULL);
        json_answer(cases[i].body);
        CHECK_INT(fake.class, cases[i].good ? VITAL_PASS : VITAL_FAIL);
        fake_end();
    }
}

TEST(json_hysteresis_and_otherwise)
{
    static const struct { const char *body; enum vital_class want; } runs[] = {
        { "[50,1]", VITAL_PASS }, { "[101,1]", VITAL_WARN }, { "[90,1]", VITAL_WARN }, { "[80,1]", VITAL_PASS }, { "[90,1]", VITAL_PASS }, { "[1,2]", VITAL_WARN },
    };
    fake_probe(&http_module, "url", "http://h/", NULL);
    fake_block("json", "pointer", "/0", "warn_above", "100:80", NULL);
    fake_block("json", "pointer", "/1", "equals", "1", "otherwise", "warn", NULL);
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        json_answer(runs[i].body);
        CHECK_INT(fake.class, runs[i].want);
    }
    fake_end();
}

/* ---- redirects -------------------------------------------------------------------------------------------- */

static struct vital_io *redirected(const char *status, const char *location)
{
    char answer[500];
    struct vital_io *io = asked();
    snprintf(answer, sizeof answer, "HTTP/1.1 %s Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, location);
    fake_data(io, answer);
    if (fake.finished)
        return NULL;
    CHECK(!io->open);
    io = fake_io(FAKE_STREAM);
    fake_open(io);
    return io;
}

TEST(redirects_are_followed_within_the_policy)
{
    static const struct { const char *location, *line, *host; } cases[] = {
        { "/new?a=1", "GET /new?a=1 HTTP/1.1\r\nHost: a.example:8080\r\n", "a.example" },
        { "next", "GET /dir/next HTTP/1.1\r\n", "a.example" },
        { "?page=2", "GET /dir/file?page=2 HTTP/1.1\r\n", "a.example" },
        { "http://a.example:8080/x", "GET /x HTTP/1.1\r\nHost: a.example:8080\r\n", "a.example" },
        { "//a.example:81/y", "GET /y HTTP/1.1\r\nHost: a.example:81\r\n", "a.example" },
        { "http://b.example", NULL, NULL },
        { "ftp://a.example/", NULL, NULL },
        { "http://a b/", NULL, NULL },
    };
    fake_probe(&http_module, "url", "http://a.example:8080/dir/file?q=1", "redirects", "same_host", NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vital_io *io = redirected("302", cases[i].location);
        if (!cases[i].line) {
            CHECK(!io);
            CHECK_INT(fake.reason, VITAL_R_BAD_STATUS);
            continue;
        }
        CHECK_TEXT(io->dial.host, cases[i].host);
        if (strncmp(io->sent.data, cases[i].line, strlen(cases[i].line)))
            CHECK_TEXT(io->sent.data, cases[i].line);
        fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
        CHECK_INT(fake.class, VITAL_PASS);
    }
    CHECK(strstr(fake.text, "") != NULL);
    fake_end();
}

TEST(credentials_stay_with_their_origin)
{
    fake_probe(&http_module, "url", "https://a.example/", "tls", "true", "redirects", "any", "bearer", "hush", "headers", "X-Key=k", "host", "front.example", NULL);
    struct vital_io *io = redirected("307", "https://a.example/other");
    CHECK(strstr(io->sent.data, "hush") && strstr(io->sent.data, "X-Key: k") && strstr(io->sent.data, "Host: front.example"));
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    static const char *const others[] = { "https://b.example/", "http://a.example/", "https://a.example:444/" };
    for (unsigned i = 0; i < 3; i++) {
        io = redirected("307", others[i]);
        CHECK(!strstr(io->sent.data, "hush") && !strstr(io->sent.data, "X-Key") && !strstr(io->sent.data, "front.example"));
        CHECK(!io->dial.tls == (i == 1));
        fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
        CHECK_INT(fake.class, VITAL_PASS);
    }
    fake_set("redirects", "same_host");
    CHECK(!redirected("307", "http://a.example/"));
    CHECK(strstr(fake.text, "from https to http") != NULL);
    fake_end();
}

TEST(redirects_change_the_method_as_browsers_do)
{
    static const struct { const char *status, *method; } cases[] = { { "301", "GET " }, { "302", "GET " }, { "303", "GET " }, { "307", "POST" }, { "308", "POST" } };
    fake_probe(&http_module, "url", "http://a/", "redirects", "same_host", "method", "POST", "body", "data", NULL);
    for (unsigned i = 0; i < 5; i++) {
        struct vital_io *io = redirected(cases[i].status, "/b");
        CHECK(!strncmp(io->sent.data, cases[i].method, 4));
        CHECK(!strstr(io->sent.data, "\r\n\r\ndata") == (i < 3));
        fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    }
    fake_end();
}

TEST(a_ring_of_redirects_ends)
{
    fake_probe(&http_module, "url", "http://a/", "redirects", "same_host", "max_redirects", "3", NULL);
    fake_start();
    unsigned asks = 0;
    while (!fake.finished && asks < 10) {
        fake_open(fake_io(FAKE_STREAM));
        fake_data(fake_io(FAKE_STREAM), "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n");
        asks++;
    }
    CHECK_INT(asks, 4);
    CHECK(strstr(fake.text, "one redirect too many") != NULL);
    fake_end();
}

TEST(a_socket_stays_the_way_for_its_own_redirects)
{
    fake_probe(&http_module, "url", "http://app/", "socket", "/run/app.sock", "redirects", "same_host", NULL);
    struct vital_io *io = redirected("302", "/in");
    CHECK_TEXT(io->dial.unix_path, "/run/app.sock");
    CHECK(strstr(io->sent.data, "Host: app\r\n") != NULL);
    fake_data(io, "HTTP/1.1 200 OK\r\n\r\n");
    fake_end();
}

/* ---- the rest --------------------------------------------------------------------------------------------- */

TEST(a_warning_in_the_body_does_not_hide_a_dying_certificate)
{
    fake_probe(&http_module, "url", "https://h/", "tls", "true", "certificate.fail_below", "7", "certificate.warn_below", "21", "warn_above", "1ms", NULL);
    fake_block("json", "pointer", "", "warn_above", "1", NULL);
    static const struct { int days; const char *body; enum vital_reason want; } cases[] = {
        { 3, "2", VITAL_R_CERT_EXPIRING }, { 10, "2", VITAL_R_THRESHOLD }, { 10, "1", VITAL_R_CERT_EXPIRING }, { 100, "1", VITAL_R_SLOW },
    };
    for (unsigned i = 0; i < 4; i++) {
        char answer[100];
        struct vital_io *io = asked();
        CHECK_TEXT(io->dial.alpn, "http/1.1");
        io->certs[0] = (struct vital_cert){ "CN=h", "CN=ca", 0, (int64_t)(clock_wall() / USEC_S) + 86400 * cases[i].days, NULL, VITAL_R_OK };
        io->cert_count = 1;
        fake.now += 5000;
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%s", cases[i].body);
        fake_data(io, answer);
        CHECK_INT(fake.reason, cases[i].want);
        CHECK_INT(fake.class, i == 0 ? VITAL_FAIL : VITAL_WARN);
    }
    fake_end();
}

TEST(what_cannot_work_is_refused_early)
{
    static const struct { const char *key, *value, *finding; } cases[] = {
        { "url", "ftp://h/", "url: it must begin with" },
        { "url", "http:///path", "url: it names no host" },
        { "url", "http://u:p@/", "url: it names no host" },
        { "method", "GE T", "method: this is no HTTP method: GE T" },
        { "headers", "Host=x", "headers: Host: use `host`" },
        { "headers", "a b=x", "headers: this is no name of a header: a b" },
        { "headers", "content-length=1", "headers: Content-Length" },
        { "host", "a b", "host: a host name" },
        { "basic.password", "x", "basic: the user is missing" },
        { "url", "https://h/", "tls: https needs it" },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.module = NULL;
        fake_probe(&http_module, "url", "http://h/", cases[i].key, cases[i].value, NULL);
        CHECK(!fake_prepare());
        if (strncmp(fake.diag, cases[i].finding, strlen(cases[i].finding)))
            CHECK_TEXT(fake.diag, cases[i].finding);
    }
    fake.module = NULL;
    fake_probe(&http_module, "url", "http://h/", "bearer", "x", "basic.user", "u", NULL);
    CHECK(!fake_prepare());
    fake.module = NULL;
    fake_probe(&http_module, "url", "http://h/", "method", "HEAD", "contains", "u", NULL);
    CHECK(!fake_prepare());
    fake.module = NULL;
    fake_probe(&http_module, "url", "http://h/", NULL);
    fake_block("json", "pointer", "status", NULL);
    CHECK(!fake_prepare());
}

TEST(leaving_in_the_middle_frees_all)
{
    fake_probe(&http_module, "url", "http://h/", "redirects", "same_host", "contains", "x", NULL);
    struct vital_io *io = redirected("302", "/in");
    fake_data(io, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    fake_pass_time(2000000);
    CHECK(!fake.finished);
    io = asked();
    fake_data(io, "HTTP/1.1 200");
    fake_end();
}
