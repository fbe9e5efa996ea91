/* A POST and the head of its answer. Nothing but the status matters, so the connection is closed as soon as that is known:
 * whatever a receiver goes on to send, slowly or for ever, costs nothing. Redirects are not followed, for they would carry
 * the credential elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/http1.h"
#include "base/mem.h"
#include "base/secret.h"
#include "front/notify_send.h"
#include "io/stream.h"

enum { REQUEST_HEAD_MAX = 320 * 1024, SAID_MAX = 120 };

struct post {
    struct send send;
    struct stream *stream;
    struct buf out, in;
};

/* ---- the request ---- */

static void put_base64(struct buf *out, const char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (i + k < len ? (unsigned char)bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_char(out, i + k > len ? '=' : digits[v >> (18 - 6 * k) & 63]);
    }
}

static void put_basic(struct buf *out, const struct conf_endpoint *to)
{
    struct buf pair = BUF(4096);
    buf_printf(&pair, "%s:", to->user);
    if (to->password)
        buf_add(&pair, to->password->value, to->password->len);
    buf_text(out, "Authorization: Basic ");
    put_base64(out, pair.data, pair.len);
    buf_text(out, "\r\n");
    mem_wipe(pair.data, pair.len);
    buf_free(&pair);
}

static void put_request(const struct conf_outlet *o, const struct buf *body, struct buf *out)
{
    const struct vital_pair *headers = o->headers.items;
    buf_printf(out, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: vitald/%s\r\nContent-Type: application/json\r\nConnection: close\r\n",
               o->to.path, o->to.host_field, VITALD_VERSION);
    if (o->to.user)
        put_basic(out, &o->to);
    if (o->bearer) {
        buf_text(out, "Authorization: Bearer ");
        buf_add(out, o->bearer->value, o->bearer->len);
        buf_text(out, "\r\n");
    }
    for (uint32_t i = 0; i < o->headers.count; i++) {
        buf_printf(out, "%s: ", headers[i].key);
        buf_add(out, headers[i].value->value, headers[i].value->len);
        buf_text(out, "\r\n");
    }
    buf_printf(out, "Content-Length: %zu\r\n\r\n", body->len);
    buf_add(out, body->data, body->len);
}

/* ---- the answer ---- */

uint64_t send_retry_after(const struct http1_reply *r, uint64_t wall)
{
    struct span v = http1_field(r->fields, r->count, "Retry-After");
    char text[64] = "", *end;
    struct tm tm = { 0 };
    if (!v.at || v.len >= sizeof text)
        return 0;
    memcpy(text, v.at, v.len);
    unsigned long seconds = strtoul(text, &end, 10);
    if (end != text && !*end)
        return seconds < 86400 ? seconds * USEC_S : 86400 * USEC_S;
    const char *rest = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    time_t when = rest && !*rest ? timegm(&tm) : 0;
    uint64_t now = wall / USEC_S;
    return when > 0 && (uint64_t)when > now ? ((uint64_t)when - now) * USEC_S : 0;
}

static enum queue_result judge(unsigned status)
{
    if (status >= 200 && status < 300)
        return QUEUE_DELIVERED;
    return status >= 500 || status == 408 || status == 429 ? QUEUE_RETRY : QUEUE_REFUSED;
}

static void answered(struct post *p, const struct http1_reply *r, size_t head)
{
    enum queue_result result = judge(r->status);
    size_t said = p->in.len - head < SAID_MAX ? p->in.len - head : SAID_MAX;
    p->send.result.retry_after = result == QUEUE_RETRY ? send_retry_after(r, clock_wall()) : 0;
    if (result == QUEUE_DELIVERED)
        send_end(&p->send, result, "HTTP %u", r->status);
    else if (r->status >= 300 && r->status < 400)
        send_end(&p->send, result, "HTTP %u: it redirects; write the final address", r->status);
    else
        send_end(&p->send, result, "HTTP %u%s%.*s", r->status, said && !r->chunked ? ": " : "", r->chunked ? 0 : (int)said, p->in.data + head);
}

static void on_data(void *arg, const char *bytes, size_t len)
{
    struct post *p = arg;
    struct http1_reply r;
    const char *why = NULL;
    int head;
    buf_add(&p->in, bytes, len);
    while ((head = http1_reply(p->in.data, p->in.len, &r, &why)) > 0 && r.status < 200)
        buf_consume(&p->in, (size_t)head);
    if (head > 0)
        answered(p, &r, (size_t)head);
    else if (head < 0 || p->in.over)
        send_end(&p->send, QUEUE_RETRY, "the answer is no HTTP: %s", why ? why : "its head is too large");
}

static void on_open(void *arg)
{
    struct post *p = arg;
    if (!stream_write(p->stream, p->out.data, p->out.len))
        send_end(&p->send, QUEUE_REFUSED, "the message is too large");
}

static void on_closed(void *arg, enum vital_reason reason, const char *text)
{
    struct post *p = arg;
    p->stream = NULL;
    send_end(&p->send, QUEUE_RETRY, "%s", reason == VITAL_R_OK ? "closed without an answer" : text);
}

static void stop(struct send *s)
{
    struct post *p = LIST_OWNER(s, struct post, send);
    if (p->stream)
        stream_close(p->stream);
    p->stream = NULL;
}

static void free_post(struct send *s)
{
    struct post *p = LIST_OWNER(s, struct post, send);
    if (p->out.data)
        mem_wipe(p->out.data, p->out.len);
    buf_free(&p->out);
    buf_free(&p->in);
    mem_free(p);
}

struct send *send_http(const struct conf_outlet *o, struct conf_options *options, struct buf *body, send_fn *fn, void *arg)
{
    static const struct stream_ops ops = { .open = on_open, .data = on_data, .closed = on_closed };
    struct post *p = mem_alloc(sizeof *p);
    p->out = BUF(REQUEST_HEAD_MAX);
    p->in = BUF(HTTP1_REPLY_HEAD_MAX + STREAM_READ_MAX);
    p->send.stop = stop;
    p->send.free = free_post;
    send_open(&p->send, o, options, fn, arg);
    put_request(o, body, &p->out);
    buf_free(body);
    const struct vital_dial dial = { .host = o->to.unix_path ? NULL : o->to.host, .port = o->to.unix_path ? NULL : o->to.port, .unix_path = o->to.unix_path,
                                     .tls = o->tls, .alpn = o->tls ? "http/1.1" : NULL, .speaks_first = true };
    p->stream = stream_dial(&dial, &ops, p);
    return &p->send;
}
