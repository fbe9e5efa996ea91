#include "unit.h"

#include "base/http1.h"

/* ---- requests ---- */

static struct http1_request r;

/* Parses the whole, and checks on the way that no shorter beginning is taken for a whole. */
static int request(const char *text)
{
    size_t len = strlen(text);
    int whole = http1_request(text, len, &r);
    for (size_t n = 0; whole > 0 && n < (size_t)whole; n++) {
        char *part = malloc(n + 1); /* on its own, so that reading beyond is seen */
        memcpy(part, text, n);
        CHECK_INT(http1_request(part, n, &r), 0);
        free(part);
    }
    return http1_request(text, len, &r);
}

TEST(requests_come_apart)
{
    CHECK_INT(request("GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nAccept:  text/plain \t\r\n\r\nrest"), 69);
    CHECK_INT(r.method, HTTP1_GET);
    CHECK(span_is(r.path, "/a/b") && span_is(r.query, "x=1&y"));
    CHECK(r.minor == 1 && r.keep_alive && !r.has_body);
    CHECK_INT(r.count, 3);
    CHECK(span_is(http1_field(r.fields, r.count, "ACCEPT"), "text/plain"));
    CHECK(span_is(http1_field(r.fields, r.count, "x-empty"), ""));
    CHECK(!http1_field(r.fields, r.count, "accept-").at);
    CHECK(request("OPTIONS / HTTP/1.0\r\n\r\n") > 0 && r.method == HTTP1_OPTIONS && !r.keep_alive && !r.query.at);
    CHECK(request("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n") > 0 && span_is(r.path, "*"));
    CHECK(request("HEAD /? HTTP/1.0\r\n\r\n") > 0 && r.method == HTTP1_HEAD && r.query.at && r.query.len == 0);
    CHECK(request("get / HTTP/1.0\r\n\r\n") > 0 && r.method == HTTP1_OTHER);
    CHECK(request("GET /%2e%00?a?b/c HTTP/1.0\r\n\r\n") > 0 && span_is(r.path, "/%2e%00") && span_is(r.query, "a?b/c"));
    CHECK_INT(request("\r\nGET / HTTP/1.0\r\n\r\n"), 20);
    CHECK(request("GET / HTTP/1.0\r\nX: \x80\xff\tb\r\n\r\n") > 0);
}

TEST(whole_urls_are_paths)
{
    CHECK(request("GET http://h:80/a?b HTTP/1.1\r\nHost: other\r\n\r\n") > 0 && span_is(r.path, "/a") && span_is(r.query, "b"));
    CHECK(request("GET HTTPS://[::1]:8686?b HTTP/1.1\r\nHost:\r\n\r\n") > 0 && span_is(r.path, "/") && span_is(r.query, "b"));
    CHECK(request("OPTIONS http://h HTTP/1.0\r\n\r\n") > 0 && span_is(r.path, "/") && !r.query.at);
    CHECK(request("GET http://h//a HTTP/1.0\r\n\r\n") > 0 && span_is(r.path, "//a"));
    CHECK(request("GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]:8686\r\n\r\n") > 0 && request("GET / HTTP/1.1\r\nHost: a_b.example:80\r\n\r\n") > 0);
}

TEST(connection_and_length)
{
    CHECK(request("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo , Close\r\n\r\n") > 0 && !r.keep_alive);
    CHECK(request("GET / HTTP/1.1\r\nHost: h\r\nConnection: close, keep-alive\r\n\r\n") > 0 && !r.keep_alive);
    CHECK(request("GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n") > 0 && r.keep_alive);
    CHECK(request("GET / HTTP/1.0\r\nconnection: x\r\nCONNECTION: Keep-Alive\r\n\r\n") > 0 && r.keep_alive);
    CHECK(request("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n") > 0 && r.has_body && r.method == HTTP1_POST);
    CHECK(request("GET / HTTP/1.0\r\nContent-Length: 000\r\n\r\n") > 0 && !r.has_body);
}

TEST(bad_requests_are_refused_with_the_right_status)
{
    static const struct { const char *text; int status; } rows[] = {
        { "GET / HTTP/1.1\r\n\r\n", 400 },                                           /* no Host */
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
        { "GET /\r\n\r\n", 400 },                                                    /* HTTP/0.9 */
        { "GET / HTTP/1.0\n\n", 400 },
        { "GET / HTTP/1.0\r\nA: b\n\r\n", 400 },
        { "GET / HTTP/1.0\r\n\n", 400 },
        { "GET / HTTP/1.0\r\nA: b\r\n c\r\n\r\n", 400 },                             /* folded */
        { "GET / HTTP/1.0\r\n A: b\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nA : b\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\n: b\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nA\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nA(: b\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nA: b\x01\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nA: b\x7f\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nA: b\rc\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\n\rX", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: 1, 1\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: -1\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: +1\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: 0x1\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length:\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nContent-Length: 18446744073709551616\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 501 },
        { "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", 501 },
        { "GET / HTTP/1.0\r\nTransfer-Encoding:\r\nContent-Length: 1\r\n\r\n", 501 },
        { "GET / HTTP/2.0\r\n\r\n", 505 },
        { "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505 },
        { "GET / HTTP/11.1\r\n\r\n", 400 },
        { "GET / HTTP/1.10\r\n\r\n", 400 },
        { "GET / http/1.0\r\n\r\n", 400 },
        { "GET / HTTP/1.0 \r\n\r\n", 400 },
        { "GET  / HTTP/1.0\r\n\r\n", 400 },
        { "GET /  HTTP/1.0\r\n\r\n", 400 },
        { "GET\t/ HTTP/1.0\r\n\r\n", 400 },
        { " GET / HTTP/1.0\r\n\r\n", 400 },
        { "\nGET / HTTP/1.0\r\n\r\n", 400 },
        { "\r\n\r\nGET / HTTP/1.0\r\n\r\n", 400 },
        { "\rGET / HTTP/1.0\r\n\r\n", 400 },
        { "G(T / HTTP/1.0\r\n\r\n", 400 },
        { "GET ftp://h/ HTTP/1.0\r\n\r\n", 400 },
        { "GET http:///a HTTP/1.0\r\n\r\n", 400 },
        { "GET http:/h/a HTTP/1.0\r\n\r\n", 400 },
        { "GET http:h HTTP/1.0\r\n\r\n", 400 },
        { "GET http://u@h/ HTTP/1.0\r\n\r\n", 400 },
        { "GET http://h\\a/ HTTP/1.0\r\n\r\n", 400 },
        { "GET http://h#a HTTP/1.0\r\n\r\n", 400 },
        { "GET http://h HTTP/1.1\r\n\r\n", 400 },                                    /* its name does not stand for a Host */
        { "GET a HTTP/1.0\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400 },
        { "GET / HTTP/1.0\r\nHost: \"a\"\r\n\r\n", 400 },
        { "CONNECT h:80 HTTP/1.0\r\n\r\n", 400 },
        { "GET * HTTP/1.0\r\n\r\n", 400 },
        { "OPTIONS *? HTTP/1.0\r\n\r\n", 400 },
        { "OPTIONS ** HTTP/1.0\r\n\r\n", 400 },
        { "GET ?x HTTP/1.0\r\n\r\n", 400 },
        { "GET /#f HTTP/1.0\r\n\r\n", 400 },
        { "GET /?#f HTTP/1.0\r\n\r\n", 400 },
        { "GET /\xc3\xa4 HTTP/1.0\r\n\r\n", 400 },
        { "GET /\x7f HTTP/1.0\r\n\r\n", 400 },
        { "GET /\x01 HTTP/1.0\r\n\r\n", 400 },
        { "\x16\x03\x01\x02", 400 },                                                 /* TLS on a plain port */
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = request(rows[i].text);
        if (got != -rows[i].status)
            fprintf(stderr, "%d for %s\n", got, rows[i].text);
        CHECK_INT(got, -rows[i].status);
    }
    static const char nul[] = "GET / HTTP/1.0\r\nA: b\0\r\n\r\n", nul_path[] = "GET /\0 HTTP/1.0\r\n\r\n";
    CHECK_INT(http1_request(nul, sizeof nul - 1, &r), -400);
    CHECK_INT(http1_request(nul_path, sizeof nul_path - 1, &r), -400);
}

static char large[32768];

static int request_of_line(size_t line)
{
    static const char tail[] = " HTTP/1.0\r\n\r\n";
    memset(large, 'x', sizeof large);
    memcpy(large, "GET /", 5);
    memcpy(large + line - 9, tail, sizeof tail - 1);
    return http1_request(large, line + 4, &r);
}

static int request_of_head(size_t head)
{
    memset(large, 'x', sizeof large);
    memcpy(large, "GET / HTTP/1.0\r\nX: ", 19);
    memcpy(large + head - 4, "\r\n\r\n", 4);
    return http1_request(large, head, &r);
}

static int request_of_fields(unsigned count)
{
    size_t len = (size_t)sprintf(large, "GET / HTTP/1.0\r\n");
    while (count-- > 0)
        len += (size_t)sprintf(large + len, "a:b\r\n");
    len += (size_t)sprintf(large + len, "\r\n");
    return http1_request(large, len, &r);
}

TEST(request_limits_hold_exactly)
{
    CHECK_INT(request_of_line(HTTP1_LINE_MAX), HTTP1_LINE_MAX + 4);
    CHECK_INT(request_of_line(HTTP1_LINE_MAX + 1), -414);
    CHECK_INT(request_of_line(sizeof large - 4), -414);
    CHECK_INT(http1_request(large, HTTP1_LINE_MAX + 1, &r), 0);
    CHECK_INT(http1_request(large, HTTP1_LINE_MAX + 2, &r), -414);
    CHECK_INT(request_of_head(HTTP1_HEAD_MAX), HTTP1_HEAD_MAX);
    CHECK_INT(http1_request(large, HTTP1_HEAD_MAX - 1, &r), 0);
    CHECK_INT(request_of_head(HTTP1_HEAD_MAX + 1), -431);
    CHECK_INT(http1_request(large, HTTP1_HEAD_MAX, &r), -431);
    CHECK(request_of_fields(HTTP1_FIELDS) > 0 && r.count == HTTP1_FIELDS);
    CHECK_INT(request_of_fields(HTTP1_FIELDS + 1), -431);
}

/* ---- replies ---- */

static struct http1_reply p;
static const char *why;

static int reply(const char *text)
{
    return http1_reply(text, strlen(text), &p, &why);
}

TEST(replies_come_apart)
{
    CHECK_INT(reply("HTTP/1.1 200 OK then\r\nContent-Length: 12\r\n\r\nbody"), 44);
    CHECK(p.status == 200 && span_is(p.text, "OK then") && p.has_length && p.length == 12 && p.keep_alive && !p.chunked);
    CHECK(reply("HTTP/1.1 204\r\n\r\n") > 0 && p.status == 204 && p.text.len == 0 && !p.has_length);
    CHECK(reply("HTTP/1.1 503 \r\n\r\n") > 0 && p.status == 503 && p.text.len == 0);
    CHECK(reply("HTTP/1.0 200 \xc3\xa4\r\n\r\n") > 0 && !p.keep_alive && p.minor == 0);
    CHECK(reply("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n") == 25 && p.status == 100);
    CHECK(reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n") > 0 && p.chunked && !p.keep_alive);
    CHECK(reply("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n") > 0 && p.length == 5);
    static const char text[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for (size_t n = 0; n < sizeof text - 1; n++)
        CHECK_INT(http1_reply(text, n, &p, &why), 0);
}

TEST(bad_replies_say_why)
{
    static const struct { const char *text, *why; } rows[] = {
        { "SSH-2.0-OpenSSH", "no HTTP server" },
        { "\x15\x03\x01", "no HTTP server" },
        { "HTTP/2 200\r\n", "first line" },
        { "HTTP/2.0 200 OK\r\n\r\n", "not 1.x" },
        { "HTTP/1.1 20 OK\r\n\r\n", "first line" },
        { "HTTP/1.1 2000 OK\r\n\r\n", "first line" },
        { "HTTP/1.1 099 OK\r\n\r\n", "100 to 999" },
        { "HTTP/1.1 200 OK\n\n", "LF alone" },
        { "HTTP/1.1 200\n\n", "LF alone" },
        { "HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n", "LF alone" },
        { "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "folded" },
        { "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "space" },
        { "HTTP/1.1 200 OK\r\nA\r\n\r\n", "name is malformed" },
        { "HTTP/1.1 200 OK\r\nA: \x02\r\n\r\n", "control character" },
        { "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not a number" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "several Content-Length" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "chunked alone" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked alone" },
        { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int got = reply(rows[i].text);
        if (got != -1 || !strstr(why, rows[i].why))
            fprintf(stderr, "%d, %s for %s\n", got, why ? why : "-", rows[i].text);
        CHECK(got == -1 && strstr(why, rows[i].why));
    }
    memset(large, 'x', sizeof large);
    memcpy(large, "HTTP/1.1 200 OK\r\nX: ", 20);
    CHECK_INT(http1_reply(large, HTTP1_REPLY_HEAD_MAX - 1, &p, &why), 0);
    CHECK_INT(http1_reply(large, HTTP1_REPLY_HEAD_MAX, &p, &why), -1);
    CHECK_TEXT(why, "the header is larger than 16 KiB");
}

/* ---- chunked ---- */

/* Decodes in pieces of `step` bytes; gives the result, and the body in `body`. *used: how much was consumed. */
static char body[4096];

static int dechunk(const char *text, size_t step, size_t *used)
{
    struct http1_chunked c = { 0 };
    size_t total = strlen(text), room = 0;
    int got = 1;
    *used = 0;
    while (got == 1 && *used < total) {
        size_t len = total - *used < step ? total - *used : step, before = len;
        const char *at = text + *used, *data;
        for (size_t n; got == 1 && len > 0;) {
            got = http1_chunked(&c, &at, &len, &data, &n);
            memcpy(body + room, n ? data : "", n);
            room += n;
        }
        *used += before - len;
    }
    body[room] = '\0';
    return got;
}

TEST(chunks_in_any_pieces)
{
    static const char text[] = "5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0A \r\n0123456789\r\n000\r\nTrailer: 1\r\nB:2\r\n\r\nnext";
    size_t used;
    for (size_t step = 1; step < sizeof text; step++) {
        CHECK_INT(dechunk(text, step, &used), 0);
        CHECK_TEXT(body, "hello world0123456789");
        CHECK_TEXT(text + used, "next");
    }
    CHECK_INT(dechunk("0\r\n\r\n", 9, &used), 0);
    CHECK_INT(dechunk("3\r\nab", 9, &used), 1);
    CHECK_TEXT(body, "ab");
    CHECK_INT(dechunk("0\r\n\r", 9, &used), 1);
    CHECK_INT(dechunk("2\t;a\tb\r\nab\r\n0\r\nX:\ty\r\n\r\n", 9, &used), 0);
    CHECK_TEXT(body, "ab");
}

TEST(bad_chunks_are_refused)
{
    static const char *const bad[] = {
        "\r\n", "x\r\n", "5\n", ";\r\n", " 5\r\n", "-1\r\n", "0x5\r\n", "5\r\nhelloX", "5\r\nhello\rX", "5\r\nhello\n", "5;\x01\r\n", "5;\n\r\n",
        "1000000000000000\r\n", "ffffffffffffffffffff\r\n", "0\r\nA\n", "0\r\n\rX", "5 \n", "0\r\nA: \x7f\r\n", "5\rX", "5x\r\n", "5;\x7f\r\n", "5;a\x01", "5\t\x01", "0\r\nA\x01",
    };
    size_t used;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int got = dechunk(bad[i], 99, &used);
        if (got != -1)
            fprintf(stderr, "%d for %s\n", got, bad[i]);
        CHECK_INT(got, -1);
        CHECK_INT(dechunk(bad[i], 1, &used), -1);
    }
}

TEST(what_chunks_bring_along_is_bounded)
{
    static const char *const starts[] = { "5;", "0\r\n", "0" };
    static const char fill[] = { 'x', 'x', '0' };
    for (unsigned i = 0; i < 3; i++) {
        size_t first = strlen(starts[i]);
        struct http1_chunked c = { 0 };
        const char *at = large, *data;
        size_t len = first + HTTP1_CHUNK_EXTRA - 1, n;
        memset(large, fill[i], sizeof large);
        memcpy(large, starts[i], first);
        CHECK_INT(http1_chunked(&c, &at, &len, &data, &n), 1);
        len = 2;
        CHECK_INT(http1_chunked(&c, &at, &len, &data, &n), -1);
        len = 1;
        CHECK_INT(http1_chunked(&c, &at, &len, &data, &n), -1);
    }
    struct http1_chunked many = { 0 };
    int got = 1;
    for (unsigned i = 0; got == 1 && i < 100000; i++) {
        static const char chunk[] = "1;ext\r\nx\r\n";
        const char *at = chunk, *data;
        size_t len = sizeof chunk - 1, n;
        while (got == 1 && len)
            got = http1_chunked(&many, &at, &len, &data, &n);
    }
    CHECK_INT(got, -1);
}
