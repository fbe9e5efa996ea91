#include "ctl/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "ctl/address.h"

enum { READ_STEP = 16 * 1024 };
#define DEFAULT_LISTEN "127.0.0.1:8686"

static bool fetch_fail(struct fetch *f, char *error)
{
    mem_free(f->error);
    f->error = error;
    f->status = 0;
    return false;
}

/* Where nobody said otherwise: the daemon's own default address. */
static const char *listen_default(struct url *u)
{
    const char *listen = getenv("VITALD_LISTEN");
    if (!listen || !*listen)
        listen = DEFAULT_LISTEN;
    return url_parse_address(listen, strlen(listen), true, u);
}

char *fetch_url(const char *text, const char *path, struct url *u)
{
    const char *wrong = NULL;
    char *full = NULL;
    struct url standard = { 0 };
    *u = (struct url){ 0 };
    if (!text || !*text || *text == '/') {
        wrong = listen_default(u);
        if (text && *text)
            path = text;
        if (wrong)
            return mem_printf("VITALD_LISTEN=%s: %s", getenv("VITALD_LISTEN"), wrong);
    } else {
        bool complete = strstr(text, "://") || !strncmp(text, "unix:", 5);
        full = complete ? mem_copy(text) : mem_printf("http://%s%s", *text == ':' ? "127.0.0.1" : "", text);
        wrong = url_parse(full, strlen(full), u);
        mem_free(full);
    }
    if (wrong)
        return mem_printf("%s: %s; write it like http://127.0.0.1:8686/readyz", text, wrong);
    if (!strcmp(u->scheme, "https"))
        return mem_printf("%s: vitalctl has no TLS: ask the daemon over its control socket (leave --url away) or a unix-socket listener (unix:/PATH), or use curl", text);
    if (*u->scheme && strcmp(u->scheme, "http") != 0 && strcmp(u->scheme, "unix") != 0 && strcmp(u->scheme, "http+unix") != 0)
        return mem_printf("%s: %s is not a scheme vitalctl knows: use http, unix or http+unix", text, u->scheme);
    if (!*u->port && !*u->unix_path)
        snprintf(u->port, sizeof u->port, "%s", text && strstr(text, "://") ? "80" : !listen_default(&standard) && *standard.port ? standard.port : "8686");
    if (!*u->path)
        snprintf(u->path, sizeof u->path, "%s", path);
    return NULL;
}

void fetch_name(const struct url *u, char *room, size_t size)
{
    bool v6 = strchr(u->host, ':') != NULL;
    if (*u->unix_path)
        snprintf(room, size, "unix:%s %s", u->unix_path, u->path);
    else
        snprintf(room, size, "http://%s%s%s:%s%s", v6 ? "[" : "", u->host, v6 ? "]" : "", u->port, u->path);
}

/* ---- one exchange ---- */

static bool fetch_wait(struct fetch *f, int fd, short events, const char *what)
{
    for (;;) {
        uint64_t now = clock_now();
        if (now >= f->deadline)
            return fetch_fail(f, mem_printf("timeout: %s", what));
        struct pollfd p = { .fd = fd, .events = events };
        uint64_t ms = (f->deadline - now) / USEC_MS + 1;
        if (poll(&p, 1, ms < 60000 ? (int)ms : 60000) > 0)
            return true;
    }
}

static bool fetch_send(struct fetch *f, int fd, const struct url *u)
{
    struct buf head = BUF(16 * 1024);
    bool v6 = strchr(u->host, ':') != NULL, sent_all = true;
    buf_printf(&head, "GET %s HTTP/1.1\r\nHost: ", u->path);
    if (*u->unix_path)
        buf_text(&head, "localhost");
    else
        buf_printf(&head, "%s%s%s:%s", v6 ? "[" : "", u->host, v6 ? "]" : "", u->port);
    buf_printf(&head, "\r\nUser-Agent: vitalctl/%s\r\nAccept: %s\r\nConnection: close\r\n\r\n", VITALD_VERSION, f->accept);
    for (size_t sent = 0; sent_all && sent < head.len;) {
        ssize_t n = -1;
        if ((sent_all = fetch_wait(f, fd, POLLOUT, "the request was not taken")))
            n = send(fd, head.data + sent, head.len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (sent_all && errno != EAGAIN && errno != EINTR)
            sent_all = fetch_fail(f, mem_printf("the connection broke while the request was sent: %s", strerror(errno)));
    }
    buf_free(&head);
    return sent_all;
}

/* > 0: bytes; 0: end; -1: failed. */
static ssize_t fetch_read(struct fetch *f, int fd, char *room, size_t size, const char *what)
{
    for (;;) {
        if (!fetch_wait(f, fd, POLLIN, what))
            return -1;
        ssize_t n = recv(fd, room, size, 0);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR) {
            fetch_fail(f, mem_printf("the connection broke: %s", strerror(errno)));
            return -1;
        }
    }
}

static void fetch_type(struct fetch *f, const struct http1_reply *r)
{
    struct span type = http1_field(r->fields, r->count, "content-type");
    size_t n = 0;
    while (type.at && n < type.len && n + 1 < sizeof f->type && type.at[n] != ';' && type.at[n] != ' ') {
        f->type[n] = (char)tolower((unsigned char)type.at[n]);
        n++;
    }
    f->type[n] = '\0';
}

struct body {
    struct http1_chunked chunks;
    bool chunked, until_close;
    uint64_t left;
    bool done;
};

/* Takes body bytes; false = malformed. What is beyond the cap is dropped, and ends the reading. */
static bool body_take(struct fetch *f, struct body *b, const char *bytes, size_t len)
{
    if (!b->chunked) {
        size_t take = b->until_close || b->left > len ? len : (size_t)b->left;
        buf_add(&f->body, bytes, take);
        b->left -= b->until_close ? 0 : take;
        b->done = f->body.over || (!b->until_close && !b->left);
        return true;
    }
    while (len && !b->done) {
        const char *data = NULL;
        size_t n = 0;
        int more = http1_chunked(&b->chunks, &bytes, &len, &data, &n);
        if (more < 0)
            return fetch_fail(f, mem_copy("the answer's chunked body is malformed"));
        if (n)
            buf_add(&f->body, data, n);
        b->done = more == 0 || f->body.over;
    }
    return true;
}

static bool body_is_cut(const struct body *b)
{
    return !b->done && !b->until_close;
}

/* Reads the head, skipping 1xx ones, into `in`; the bytes after it stay there. */
static bool fetch_head(struct fetch *f, int fd, struct buf *in, struct body *b)
{
    for (;;) {
        struct http1_reply r;
        const char *why = NULL;
        int n = in->len ? http1_reply(in->data, in->len, &r, &why) : 0;
        if (n < 0)
            return fetch_fail(f, mem_printf("the answer is not HTTP: %s", why ? why : "malformed head"));
        if (n > 0 && r.status >= 200) {
            f->status = r.status;
            fetch_type(f, &r);
            *b = (struct body){ .chunked = r.chunked, .until_close = !r.chunked && !r.has_length, .left = r.length };
            b->done = r.status == 204 || r.status == 304 || (r.has_length && !r.length);
            buf_consume(in, (size_t)n);
            return true;
        }
        if (n > 0) {
            buf_consume(in, (size_t)n);
            continue;
        }
        char *room = buf_reserve(in, READ_STEP);
        if (!room)
            return fetch_fail(f, mem_copy("the answer's head is too long"));
        ssize_t got = fetch_read(f, fd, room, READ_STEP, "connected, but no answer came");
        if (got == 0)
            fetch_fail(f, mem_copy("the connection was closed before an answer came"));
        if (got <= 0)
            return false;
        in->len += (size_t)got;
    }
}

static bool fetch_exchange(struct fetch *f, int fd, const struct url *u)
{
    struct buf in = BUF(HTTP1_REPLY_HEAD_MAX + 2 * READ_STEP);
    struct body b = { 0 };
    char room[READ_STEP];
    bool good = fetch_send(f, fd, u) && fetch_head(f, fd, &in, &b);
    if (good && in.len && !b.done)
        good = body_take(f, &b, in.data, in.len);
    while (good && !b.done) {
        ssize_t n = fetch_read(f, fd, room, sizeof room, "the answer did not end");
        if (n == 0 && body_is_cut(&b))
            good = fetch_fail(f, mem_copy("the connection was closed in the middle of the answer"));
        if (n <= 0) {
            good = good && n == 0;
            break;
        }
        good = body_take(f, &b, room, (size_t)n);
    }
    buf_free(&in);
    return good;
}

bool fetch_get(const struct url *u, struct fetch *f)
{
    uint64_t begin = clock_now();
    f->body = BUF(f->body_max);
    f->status = 0;
    f->error = NULL;
    int fd = address_connect(u, f->deadline, &f->error);
    bool good = fd >= 0 && fetch_exchange(f, fd, u);
    if (fd >= 0)
        close(fd);
    f->took = clock_now() - begin;
    return good;
}

void fetch_free(struct fetch *f)
{
    buf_free(&f->body);
    mem_free(f->error);
    f->error = NULL;
}

/* "status" of a health document: pass, warn, fail, as in application/health+json; NULL = none. */
static const char *document_status(const struct fetch *f, char *room, size_t size)
{
    struct json_value root, status;
    size_t at;
    if ((strcmp(f->type, "application/health+json") != 0 && strcmp(f->type, "application/json") != 0) || f->body.over)
        return NULL;
    if (!f->body.len || json_check(f->body.data, f->body.len, &at, &root) || root.kind != JSON_OBJECT)
        return NULL;
    status = json_member(&root, "status");
    return status.kind == JSON_STRING && json_string(&status, room, size) ? room : NULL;
}

enum fetch_level fetch_level(const struct fetch *f)
{
    char room[32];
    const char *status = document_status(f, room, sizeof room);
    if (f->status < 200 || f->status > 399 || (status && !strcmp(status, "fail")))
        return FETCH_FAIL;
    return status && !strcmp(status, "warn") ? FETCH_WARN : FETCH_PASS;
}
