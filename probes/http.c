/* http: asks and judges the answer. A new connection for each attempt, for accepting one is part of being healthy. */
#include <stdio.h>

#include "base/mem.h"
#include "builtin.h"
#include "http_parts.h"

enum { REQUEST_MAX = 128 * 1024, REASON_SHOWN = 60, BODY_SHOWN = 80 };

/* Lives as long as the attempt: most of the time there is none. */
struct attempt {
    struct vital_io *stream;
    uint64_t began, first_byte;
    struct http_target target;
    struct url *moved;                   /* what target points into after a redirect */
    const char *method;
    int64_t hops;
    struct buf head;                     /* a head that did not come in one piece */
    bool in_body, chunked, has_length;
    bool ended;                          /* the stream has, by itself */
    uint64_t left;                       /* of a body with a length */
    unsigned status;
    char status_text[REASON_SHOWN + 16];
    struct http1_chunked chunks;
    struct http_body body;
    struct net_seen *seen;               /* of the stream, while a helper thread reads the body */
};

struct http_priv {
    struct attempt *now;
    struct http_json_memory *json;
    struct net_memory memory;
};

static struct attempt *attempt_of(const struct vital_probe *p)
{
    const struct http_priv *t = p->priv;
    return t->now;
}

/* ---- ends ------------------------------------------------------------------------------------------------- */

static void drop(struct vital_probe *p)
{
    struct http_priv *t = p->priv;
    if (!t->now)
        return;
    buf_free(&t->now->head);
    http_body_free(&t->now->body);
    mem_free(t->now->moved);
    mem_free(t->now->seen);
    mem_free(t->now);
    t->now = NULL;
}

static void report(struct vital_probe *p)
{
    const struct attempt *t = attempt_of(p);
    if (t->first_byte)
        vital_number(p, HTTP_FIRST_BYTE, net_seconds(t->first_byte - t->began));
    if (t->status)
        vital_number(p, HTTP_STATUS, t->status);
}

static void conclude(struct vital_probe *p, struct vital_io *io, const struct net_verdict *found)
{
    const struct http_conf *c = p->conf;
    struct http_priv *t = p->priv;
    const struct net_rules rules = { &c->warn_above, &c->certificate };
    uint64_t began = t->now->began;
    report(p);
    drop(p);
    net_conclude(p, io, began, &rules, &t->memory, found);
}

__attribute__((format(printf, 3, 4))) static void fail(struct vital_probe *p, enum vital_reason reason, const char *fmt, ...)
{
    const struct attempt *t = attempt_of(p);
    char text[NET_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(p);
    net_report(p, t->stream, t->began);
    drop(p);
    vital_finish(p, VITAL_FAIL, reason, "%s", text);
}

/* ---- the body --------------------------------------------------------------------------------------------- */

static void as_expected(const struct attempt *t, struct net_verdict *v)
{
    if (v->class == VITAL_PASS)
        snprintf(v->text, sizeof v->text, "status %s, and the body is as expected", t->status_text);
}

static void body_read(struct vital_probe *p, const struct reading *r)
{
    const struct http_conf *c = p->conf;
    struct http_priv *kept = p->priv;
    const struct net_rules rules = { &c->warn_above, &c->certificate };
    struct net_verdict v = { VITAL_PASS, VITAL_R_OK, "" };
    struct net_seen seen = *kept->now->seen;
    http_json_verdict(p, r, kept->json, &v);
    as_expected(kept->now, &v);
    drop(p);
    if (v.class == VITAL_FAIL)
        vital_finish(p, v.class, v.reason, "%s", v.text);
    else
        net_end(p, &rules, &seen, &v);
}

/* The stream has said all: it need not be open while the body is read. */
static void read_later(struct vital_probe *p, struct vital_io *io)
{
    const struct http_conf *c = p->conf;
    struct http_priv *kept = p->priv;
    struct attempt *t = kept->now;
    const struct net_rules rules = { &c->warn_above, &c->certificate };
    t->seen = mem_alloc(sizeof *t->seen);
    report(p);
    net_see(p, io, t->began, &rules, &kept->memory, t->seen);
    if (!t->ended)
        p->host->close(io);
    t->stream = NULL;
    if (!http_json_later(p, &t->body.kept, body_read))
        drop(p);
}

/* True when there is nothing more to do with the stream. */
static bool body_bytes(struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len, bool complete)
{
    const struct http_priv *kept = p->priv;
    struct attempt *t = attempt_of(p);
    struct net_verdict v = { VITAL_PASS, VITAL_R_OK, "" };
    enum http_judgement judged = http_body_judge(p, &t->body, kept->json, bytes, len, complete, &v);
    if (judged == HTTP_LATER) {
        read_later(p, io);
    } else if (judged == HTTP_DECIDED && v.class == VITAL_FAIL) {
        fail(p, v.reason, "%s", v.text);
    } else if (judged == HTTP_DECIDED) {
        as_expected(t, &v);
        conclude(p, io, &v);
    }
    return judged != HTTP_MORE;
}

static void chunked_bytes(struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len)
{
    struct attempt *t = attempt_of(p);
    int more = 1;
    while (len && more > 0) {
        const char *data;
        size_t data_len;
        more = http1_chunked(&t->chunks, &bytes, &len, &data, &data_len);
        if (data_len && body_bytes(p, io, data, data_len, false))
            return;
    }
    if (more < 0)
        fail(p, VITAL_R_BAD_REPLY, "the body's chunks are malformed");
    else if (!more)
        body_bytes(p, io, "", 0, true);
}

static void body_part(struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len)
{
    struct attempt *t = attempt_of(p);
    if (t->chunked) {
        chunked_bytes(p, io, bytes, len);
    } else if (t->has_length) {
        size_t n = len < t->left ? len : (size_t)t->left;
        t->left -= n;
        body_bytes(p, io, bytes, n, !t->left);
    } else if (len) {
        body_bytes(p, io, bytes, len, false);
    }
}

/* ---- the head --------------------------------------------------------------------------------------------- */

static bool is_in(const struct vital_list *ranges, unsigned status)
{
    const struct vital_range *r = ranges->items;
    for (uint32_t i = 0; i < ranges->count; i++)
        if (status >= r[i].low && status <= r[i].high)
            return true;
    return false;
}

static const char *ranges_text(const struct vital_list *ranges, char *room, size_t size)
{
    const struct vital_range *r = ranges->items;
    size_t out = 0;
    room[0] = '\0';
    for (uint32_t i = 0; i < ranges->count && out + 24 < size; i++) {
        out += (size_t)snprintf(room + out, size - out, "%s%lld", i ? "," : "", (long long)r[i].low);
        if (r[i].high != r[i].low && out + 24 < size)
            out += (size_t)snprintf(room + out, size - out, "-%lld", (long long)r[i].high);
    }
    return room;
}

static bool has_body(const char *method, unsigned status)
{
    return strcmp(method, "HEAD") != 0 && status != 204 && status != 304;
}

/* Refused credentials have a reason of their own: the engine then looks whether their file has changed. */
static bool refuses_us(const struct http_conf *c, const struct attempt *t)
{
    struct http_target first = http_first_target(c);
    bool has_secret = c->bearer || c->basic.user || c->url->user || c->headers.count;
    return t->status == 401 && has_secret && http_same_origin(&first, &t->target);
}

/* What came along with a bad status often says why, unless it is a page for browsers. */
static void bad_status(struct vital_probe *p, const struct http1_reply *r, struct span rest)
{
    const struct http_conf *c = p->conf;
    struct attempt *t = attempt_of(p);
    char wanted[128], shown[BODY_SHOWN * 4 + 16] = "";
    struct span moved = http1_field(r->fields, r->count, "Location");
    if (moved.at && r->status / 100 == 3)
        net_excerpt(moved.at, moved.len, BODY_SHOWN, shown, sizeof shown);
    else if (!r->chunked && rest.len && rest.at[0] != '<')
        net_excerpt(rest.at, rest.len, BODY_SHOWN, shown, sizeof shown);
    fail(p, refuses_us(c, t) ? VITAL_R_AUTH : VITAL_R_BAD_STATUS, "status %s, expected %s%s%s", t->status_text, ranges_text(&c->status, wanted, sizeof wanted),
         *shown ? (moved.at && r->status / 100 == 3 ? "; it redirects to " : ": ") : "", shown);
}

static void redirect(struct vital_probe *p, struct vital_io *io, const struct http1_reply *r);

static bool is_redirect(const struct http_conf *c, const struct http1_reply *r)
{
    bool kind = r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 || r->status == 308;
    return kind && c->redirects != HTTP_REDIRECTS_NONE && http1_field(r->fields, r->count, "Location").at;
}

static void keep_status(struct attempt *t, const struct http1_reply *r)
{
    char reason[REASON_SHOWN];
    t->status = r->status;
    net_excerpt(r->text.at ? r->text.at : "", r->text.at ? r->text.len : 0, REASON_SHOWN / 2, reason, sizeof reason);
    snprintf(t->status_text, sizeof t->status_text, "%u%s%s", r->status, *reason ? " " : "", reason);
}

static void head_done(struct vital_probe *p, struct vital_io *io, const struct http1_reply *r, struct span rest)
{
    const struct http_conf *c = p->conf;
    struct attempt *t = attempt_of(p);
    keep_status(t, r);
    if (is_redirect(c, r)) {
        redirect(p, io, r);
        return;
    }
    bool warn = is_in(&c->warn_status, r->status);
    if (!warn && !is_in(&c->status, r->status)) {
        bad_status(p, r, rest);
        return;
    }
    if (warn || !http_expects_body(c)) {
        struct net_verdict found = { warn ? VITAL_WARN : VITAL_PASS, warn ? VITAL_R_BAD_STATUS : VITAL_R_OK, "" };
        snprintf(found.text, sizeof found.text, "status %s", t->status_text);
        conclude(p, io, &found);
        return;
    }
    t->in_body = true;
    t->chunked = r->chunked;
    t->has_length = r->has_length || !has_body(t->method, r->status);
    t->left = has_body(t->method, r->status) ? r->length : 0;
    t->chunks = (struct http1_chunked){ 0 };
    http_body_begin(&t->body, c);
    body_part(p, io, rest.at, rest.len);
}

/* Usually the head comes in one piece and is read where it lies. */
static void head_bytes(struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len)
{
    struct attempt *t = attempt_of(p);
    struct http1_reply r;
    struct buf whole = { 0 };
    const char *why = NULL;
    if (t->head.len) {
        buf_add(&t->head, bytes, len);
        whole = t->head; /* what the parsed head points into lives until this function's end */
        bytes = whole.data;
        len = whole.len;
        t->head = BUF(HTTP1_REPLY_HEAD_MAX + 16384);
    }
    int used;
    while ((used = http1_reply(bytes, len, &r, &why)) > 0 && r.status < 200 && r.status != 101) {
        bytes += used;
        len -= (size_t)used;
    }
    if (used > 0)
        head_done(p, io, &r, (struct span){ bytes + used, len - (size_t)used });
    else if (used < 0)
        fail(p, VITAL_R_BAD_REPLY, "this is not a proper HTTP answer: %s", why ? why : "malformed");
    else if (len)
        buf_add(&t->head, bytes, len);
    buf_free(&whole);
}

/* ---- the stream ------------------------------------------------------------------------------------------- */

static void stream_open(struct vital_probe *p, struct vital_io *io, void *arg)
{
    (void)arg;
    const struct http_conf *c = p->conf;
    struct attempt *t = attempt_of(p);
    struct http_target first = http_first_target(c);
    bool trusted = http_same_origin(&first, &t->target);
    bool with_body = (c->body || !strcmp(t->method, "POST") || !strcmp(t->method, "PUT") || !strcmp(t->method, "PATCH")) &&
                     !strcmp(t->method, c->method);
    struct buf request = BUF(REQUEST_MAX);
    const char *wrong = http_request(p, c, &t->target, trusted, t->method, with_body, &request);
    if (!wrong)
        p->host->write(io, request.data, request.len);
    mem_wipe(request.data, request.len); /* there may be secrets in it */
    buf_free(&request);
    if (wrong)
        fail(p, VITAL_R_CONFIG, "%s", wrong);
}

static void stream_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    (void)arg;
    struct attempt *t = attempt_of(p);
    if (!t->first_byte)
        t->first_byte = vital_now(p);
    if (t->in_body)
        body_part(p, io, bytes, len);
    else
        head_bytes(p, io, bytes, len);
}

static void stream_closed(struct vital_probe *p, struct vital_io *io, void *arg, enum vital_reason reason, const char *text)
{
    (void)arg;
    struct attempt *t = attempt_of(p);
    char where[300];
    if (reason == VITAL_R_OK && t->in_body && !t->chunked && !t->has_length) {
        t->ended = true;
        body_bytes(p, io, "", 0, true);
        return;
    }
    const char *doing = t->in_body ? "in the middle of the body" : t->head.len ? "in the middle of the answer's head" : "without an answer";
    http_target_text(&t->target, where, sizeof where);
    report(p);
    net_report(p, io, t->began);
    drop(p);
    net_closed(p, reason, text, where, doing);
}

static void dial(struct vital_probe *p)
{
    static const struct vital_stream_ops ops = { stream_open, stream_data, stream_closed };
    const struct http_conf *c = p->conf;
    struct attempt *t = attempt_of(p);
    const struct vital_dial d = {
        .host = t->target.host, .port = t->target.port, .unix_path = t->target.unix_path,
        .tls = t->target.tls ? c->tls : NULL, .alpn = t->target.tls ? "http/1.1" : NULL,
        .speaks_first = true,
    };
    t->in_body = false;
    t->head.len = 0;
    t->stream = p->host->dial(p, &d, &ops, NULL);
}

/* ---- redirects -------------------------------------------------------------------------------------------- */

static const char *refuse_redirect(const struct http_conf *c, const struct attempt *t, const struct http_target *to)
{
    if (t->hops >= c->max_redirects)
        return "one redirect too many";
    if (to->tls && !c->tls)
        return "it leads to https, but there are no TLS settings: add `tls: true`";
    if (c->redirects == HTTP_REDIRECTS_ANY)
        return NULL;
    if (t->target.tls && !to->tls)
        return "it leads from https to http";
    return strcmp(t->target.host, to->host) ? "it leads to another host" : NULL;
}

static void redirect(struct vital_probe *p, struct vital_io *io, const struct http1_reply *r)
{
    const struct http_conf *c = p->conf;
    struct attempt *t = attempt_of(p);
    struct url *u = mem_alloc(sizeof *u);
    struct span location = http1_field(r->fields, r->count, "Location");
    char shown[BODY_SHOWN * 4 + 16];
    const char *wrong = http_redirect(&t->target, location, u);
    struct http_target to = http_url_target(u), first = http_first_target(c);
    if (!wrong)
        wrong = refuse_redirect(c, t, &to);
    if (wrong) {
        mem_free(u);
        fail(p, VITAL_R_BAD_STATUS, "status %s to %s: %s", t->status_text, net_excerpt(location.at, location.len, BODY_SHOWN, shown, sizeof shown), wrong);
        return;
    }
    if (http_same_origin(&to, &first))
        to.unix_path = first.unix_path;
    if ((r->status == 303 || (r->status <= 302 && !strcmp(t->method, "POST"))) && strcmp(t->method, "HEAD") != 0)
        t->method = "GET";
    p->host->close(io);
    mem_free(t->moved);
    t->moved = u;
    t->target = to;
    t->hops++;
    dial(p);
}

/* ---- the module ------------------------------------------------------------------------------------------- */

static void http_start(struct vital_probe *p)
{
    const struct http_conf *c = p->conf;
    struct http_priv *kept = p->priv;
    struct attempt *t = kept->now = mem_alloc(sizeof *t);
    t->target = http_first_target(c);
    t->method = c->method;
    t->head = BUF(HTTP1_REPLY_HEAD_MAX + 16384);
    if (c->json.count && !kept->json)
        kept->json = mem_alloc(c->json.count * sizeof *kept->json);
    t->began = vital_now(p);
    dial(p);
}

static void http_release(struct vital_probe *p)
{
    struct http_priv *t = p->priv;
    drop(p);
    mem_free(t->json);
}

static const struct vital_number http_numbers[] = {
    NET_NUMBER_ROWS,
    [HTTP_FIRST_BYTE] = { "first_byte_seconds", "seconds", "time from the start of the attempt to the first byte of the answer", false, NULL },
    [HTTP_STATUS] = { "status_code", "", "status of the last answer", false, NULL },
    [HTTP_JSON_VALUE] = { "json_value", "", "number at a JSON pointer that is checked", false, "pointer" },
    { 0 },
};

const struct vital_module http_module = {
    VITAL_MODULE_HEAD,
    .name = "http",
    .summary = "sends an HTTP/1.1 request and checks status, body, JSON values, certificate and time",
    .manual = "Every attempt makes a new connection. The answer is judged in this order: redirects (when they are followed), status, body, the "
              "certificates' days, time. Reading stops as soon as the decision is clear: without a check of the body right behind the head. A body that ends too "
              "early is `closed`, or `reset`, when it was needed; one that is beyond `body_cap` is `too_large` when what is expected could not be told from its "
              "beginning.\n\n"
              "`contains`, `not_contains`, `matches` and `not_matches` look at the body as bytes, after chunks were joined. `json` checks single values: each "
              "pointer must lead somewhere (or nowhere, with `absent`), and the value must then pass every other check of its block; `otherwise: warn` makes a "
              "block a warning. Numbers found there are reported as `json_value`.\n\n"
              "An answer with both Content-Length and Transfer-Encoding, folded headers, or more than 16 KiB of head is refused as `bad_reply`. Interim answers "
              "(1xx) are passed over.",
    .opts = http_opts,
    .numbers = http_numbers,
    .conf_size = sizeof(struct http_conf),
    .priv_size = sizeof(struct http_priv),
    .outside = true,
    .job_threads = 1,
    .prepare = http_prepare,
    .start = http_start,
    .cancel = drop,
    .release = http_release,
};
