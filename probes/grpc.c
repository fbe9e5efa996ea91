/* grpc: asks a server's health service (grpc.health.v1). A new connection for each attempt, for accepting one is part of
 * being healthy. HTTP/2 by nghttp2, over the host's stream. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <time.h>

#include "found.h"
#include "grpc_reply.h"

#define FIELD(name, value, secret) \
    { (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), (secret) ? NGHTTP2_NV_FLAG_NO_INDEX : 0 }

enum { METADATA_MAX = 16, FIELDS = 10, WHERE_MAX = 300, SERVICE_MAX = 200, BEARER_MAX = 8192 };
enum { N_RESOLVE, N_CONNECT, N_TLS, N_TOTAL, N_CERT_DAYS, N_STATUS, N_SERVING };

struct grpc_conf {
    const struct vital_url *address;
    const char *service, *authority;
    const struct vital_tls *tls;
    const struct vital_secret *bearer;
    struct vital_list metadata, expect;
    uint8_t unimplemented;
    struct vital_threshold warn_above;
    struct found_floor certificate;
};

struct grpc_priv {
    struct vital_io *stream;
    nghttp2_session *http2;
    uint64_t began;
    struct grpc_reply reply;
    unsigned char request[SERVICE_MAX + 16];
    size_t request_len, request_at;
    bool heard, ended, slow, certificate_was[2];
    struct found found;
};

/* ---- ends ------------------------------------------------------------------------------------------------- */

static void drop(struct grpc_priv *t)
{
    nghttp2_session_del(t->http2);
    t->http2 = NULL;
}

static const char *service_of(const struct grpc_conf *c)
{
    return c->service ? c->service : "";
}

static const char *where_of(const struct grpc_conf *c, char *room)
{
    const struct vital_url *u = c->address;
    bool six = u->host && strchr(u->host, ':');
    snprintf(room, WHERE_MAX, u->unix_path ? "%s%s" : six ? "[%s]:%s" : "%s:%s", u->unix_path ? u->unix_path : u->host, u->unix_path ? "" : u->port);
    return room;
}

static void report(struct vital_probe *p)
{
    struct grpc_priv *t = p->priv;
    struct vital_stream_info info = { 0 };
    if (t->stream)
        p->host->stream_info(t->stream, &info);
    vital_number(p, N_RESOLVE, (double)info.resolve / 1e6);
    vital_number(p, N_CONNECT, (double)info.connect / 1e6);
    if (info.tls)
        vital_number(p, N_TLS, (double)info.tls / 1e6);
    vital_number(p, N_TOTAL, (double)(vital_now(p) - t->began) / 1e6);
}

static void judge_certificate(struct vital_probe *p)
{
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    struct vital_cert certs[8];
    unsigned count = p->host->certificates(t->stream, certs, 8), first = 0;
    for (unsigned i = 1; i < count; i++)
        if (certs[i].not_after < certs[first].not_after)
            first = i;
    if (!count)
        return;
    double days = ((double)certs[first].not_after - (double)time(NULL)) / 86400;
    vital_number(p, N_CERT_DAYS, days);
    found_below(&t->found, &c->certificate, t->certificate_was, &(struct found_measure){ FOUND_DAYS, days, 0, days < 0 ? VITAL_R_CERT_EXPIRED : VITAL_R_CERT_EXPIRING },
                "the certificate of %.100s has %.0f days left", certs[first].subject ? certs[first].subject : "the server", days);
}

static void judge_slowness(struct vital_probe *p)
{
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    char took[FOUND_AMOUNT], limit[FOUND_AMOUNT];
    double span = (double)(vital_now(p) - t->began);
    if (vital_above(&c->warn_above, span, &t->slow))
        found_add(&t->found, VITAL_WARN, VITAL_R_SLOW, "took %s, warns above %s", found_span(span, took), found_span(c->warn_above.enter, limit));
}

__attribute__((format(printf, 3, 4))) static void fail(struct vital_probe *p, enum vital_reason reason, const char *fmt, ...)
{
    struct grpc_priv *t = p->priv;
    char text[FOUND_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(p);
    drop(t);
    vital_finish(p, VITAL_FAIL, reason, "%s", text);
}

static unsigned accepted(const struct grpc_conf *c)
{
    unsigned bits = 0;
    for (uint32_t i = 0; i < c->expect.count; i++)
        for (unsigned w = 0; grpc_serving_words[w]; w++)
            if (!strcmp(((const char *const *)c->expect.items)[i], grpc_serving_words[w]))
                bits |= 1u << w;
    return bits;
}

static void conclude(struct vital_probe *p)
{
    static const enum vital_class classes[] = { VITAL_FAIL, VITAL_WARN, VITAL_PASS };
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    struct grpc_verdict v;
    char where[WHERE_MAX];
    where_of(c, where);
    grpc_reply_judge(&t->reply, service_of(c), accepted(c), classes[c->unimplemented], &v);
    report(p);
    if (t->reply.status >= 0)
        vital_number(p, N_STATUS, t->reply.status);
    if (v.serving >= 0)
        vital_number(p, N_SERVING, v.serving);
    if (v.class != VITAL_PASS)
        found_add(&t->found, v.class, v.reason, "%s %s", where, v.text);
    judge_certificate(p);
    judge_slowness(p);
    drop(t);
    if (!found_finish(p, &t->found))
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s %s", where, v.text);
}

/* ---- nghttp2's callbacks: they only take notes ------------------------------------------------------------- */

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *user)
{
    struct grpc_priv *t = user;
    (void)http2, (void)frame, (void)flags;
    grpc_reply_field(&t->reply, (const char *)name, name_len, (const char *)value, value_len);
    return 0;
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct grpc_priv *t = user;
    (void)http2, (void)flags, (void)id;
    grpc_reply_data(&t->reply, data, len);
    t->ended |= t->reply.too_large;
    return 0;
}

static int on_stream_close(nghttp2_session *http2, int32_t id, uint32_t code, void *user)
{
    struct grpc_priv *t = user;
    (void)http2, (void)id;
    t->reply.error = code;
    t->ended = true;
    return 0;
}

static ssize_t read_body(nghttp2_session *http2, int32_t id, uint8_t *room, size_t size, uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct grpc_priv *t = user;
    size_t left = t->request_len - t->request_at, n = left < size ? left : size;
    (void)http2, (void)id, (void)source;
    memcpy(room, t->request + t->request_at, n);
    t->request_at += n;
    if (n == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* ---- the call --------------------------------------------------------------------------------------------- */

/* Five bytes of head, then field 1 with the service's name, unless that is empty. */
static void make_request(struct grpc_priv *t, const char *service)
{
    size_t len = strlen(service), at = 5, payload = len ? len + (len > 127 ? 3 : 2) : 0;
    memset(t->request, 0, 5);
    t->request[4] = (unsigned char)payload;
    if (len) {
        t->request[at++] = 0x0a;
        if (len > 127)
            t->request[at++] = (unsigned char)(len & 0x7f) | 0x80;
        t->request[at++] = (unsigned char)(len > 127 ? len >> 7 : len);
        memcpy(t->request + at, service, len);
    }
    t->request_len = 5 + payload;
    t->request_at = 0;
}

static nghttp2_session *open_session(struct grpc_priv *t)
{
    static nghttp2_session_callbacks *calls;
    static nghttp2_option *options;
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 }, { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0 }, { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384 },
    };
    nghttp2_session *http2 = NULL;
    if (!calls) {
        nghttp2_session_callbacks_new(&calls);
        nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
        nghttp2_option_new(&options);
        nghttp2_option_set_max_outbound_ack(options, 100);
    }
    if (nghttp2_session_client_new2(&http2, calls, t, options) == 0)
        nghttp2_submit_settings(http2, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    return http2;
}

/* NULL, or what cannot be sent. */
static const char *submit(struct vital_probe *p)
{
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    const struct vital_pair *pairs = c->metadata.items;
    nghttp2_nv fields[FIELDS + METADATA_MAX];
    char where[WHERE_MAX], timeout[24], bearer[BEARER_MAX];
    size_t n = 0, len = 0;
    const char *token = c->bearer ? p->host->reveal(c->bearer, &len) : NULL;
    where_of(c, where);
    uint64_t ms = vital_left(p) / 1000 + 1;
    snprintf(timeout, sizeof timeout, "%um", (unsigned)(ms < 99999999 ? ms : 99999999));
    if (snprintf(bearer, sizeof bearer, "Bearer %s", token ? token : "") >= (int)sizeof bearer)
        return "`bearer` is longer than 8 KiB";
    const char *authority = c->authority ? c->authority : c->address->unix_path ? "localhost" : where;
    const nghttp2_nv fixed[] = { FIELD(":method", "POST", false), FIELD(":scheme", c->tls ? "https" : "http", false), FIELD(":path", "/grpc.health.v1.Health/Check", false),
                                 FIELD(":authority", authority, false), FIELD("te", "trailers", false), FIELD("content-type", "application/grpc", false),
                                 FIELD("user-agent", "vitald", false), FIELD("grpc-timeout", timeout, false) };
    for (; n < sizeof fixed / sizeof *fixed; n++)
        fields[n] = fixed[n];
    if (token)
        fields[n++] = (nghttp2_nv)FIELD("authorization", bearer, true);
    for (uint32_t i = 0; i < c->metadata.count; i++)
        fields[n++] = (nghttp2_nv)FIELD(pairs[i].key, p->host->reveal(pairs[i].value, NULL), true);
    for (size_t i = 0; i < n; i++)
        if (!nghttp2_check_header_value(fields[i].value, fields[i].valuelen))
            return fields[i].flags ? "a value of `metadata` or `bearer` holds a character that HTTP/2 forbids" : "`authority` holds a character that HTTP/2 forbids";
    make_request(t, service_of(c));
    const nghttp2_data_provider body = { .read_callback = read_body };
    return nghttp2_submit_request(t->http2, NULL, fields, n, &body, NULL) < 0 ? "the call cannot be made" : NULL;
}

static void pump(struct vital_probe *p, struct vital_io *io)
{
    struct grpc_priv *t = p->priv;
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(t->http2, &bytes)) > 0)
        p->host->write(io, bytes, (size_t)n);
}

/* ---- the stream ------------------------------------------------------------------------------------------- */

static void stream_open(struct vital_probe *p, struct vital_io *io, void *arg)
{
    (void)arg;
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    struct vital_stream_info info = { 0 };
    char where[WHERE_MAX];
    p->host->stream_info(io, &info);
    if (c->tls && (!info.alpn || strcmp(info.alpn, "h2") != 0)) {
        fail(p, VITAL_R_TLS, "%s does not choose HTTP/2 in the TLS handshake (ALPN h2), but %s", where_of(c, where), info.alpn && *info.alpn ? info.alpn : "nothing");
        return;
    }
    t->http2 = open_session(t);
    const char *wrong = t->http2 ? submit(p) : "there is no memory for the call";
    if (wrong)
        fail(p, VITAL_R_CONFIG, "%s", wrong);
    else
        pump(p, io);
}

static void stream_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    (void)arg;
    struct grpc_priv *t = p->priv;
    char where[WHERE_MAX];
    bool http1 = !t->heard && len >= 5 && !memcmp(bytes, "HTTP/", 5);
    ssize_t used = nghttp2_session_mem_recv(t->http2, (const uint8_t *)bytes, len);
    t->heard = true;
    if (t->ended) {
        conclude(p);
        return;
    }
    if (used >= 0)
        pump(p, io);
    bool gone = used < 0 || !nghttp2_session_want_read(t->http2);
    if (http1)
        fail(p, VITAL_R_BAD_REPLY, "%s answers HTTP/1, not HTTP/2: no gRPC server, one that wants TLS, or one behind a proxy that does not pass it on", where_of(p->conf, where));
    else if (gone)
        fail(p, VITAL_R_BAD_REPLY, "%s does not speak HTTP/2 as it should, or has ended the connection (GOAWAY) before it answered", where_of(p->conf, where));
}

static void stream_closed(struct vital_probe *p, struct vital_io *io, void *arg, enum vital_reason reason, const char *text)
{
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    char where[WHERE_MAX];
    (void)io, (void)arg;
    where_of(c, where);
    if (reason == VITAL_R_OK || reason == VITAL_R_CLOSED)
        fail(p, VITAL_R_CLOSED, "%s closed the connection %s", where, t->heard ? "before it had answered" : "without a word: does it speak gRPC, and with TLS or without?");
    else if (text && (c->address->unix_path || strstr(text, c->address->port)))
        fail(p, reason, "%s", text);
    else
        fail(p, reason, "%s: %s", where, text && *text ? text : "no connection");
}

/* ---- the module ------------------------------------------------------------------------------------------- */

static void grpc_start(struct vital_probe *p)
{
    static const struct vital_stream_ops ops = { stream_open, stream_data, stream_closed };
    const struct grpc_conf *c = p->conf;
    struct grpc_priv *t = p->priv;
    const struct vital_dial dial = {
        .host = c->address->host, .port = c->address->port, .unix_path = c->address->unix_path, .tls = c->tls, .alpn = c->tls ? "h2" : NULL,
        .speaks_first = true,
    };
    grpc_reply_reset(&t->reply);
    t->began = vital_now(p);
    t->heard = t->ended = false;
    t->found = (struct found){ .class = VITAL_PASS };
    t->stream = p->host->dial(p, &dial, &ops, NULL);
}

static void grpc_end(struct vital_probe *p)
{
    drop(p->priv);
}

static bool grpc_prepare(void *conf, struct vital_diag *d)
{
    const struct grpc_conf *c = conf;
    const struct vital_pair *pairs = c->metadata.items;
    bool fine = true;
    if (!c->address->unix_path && !c->address->port) {
        d->error(d, "address", "a port is needed: %s:PORT", c->address->host);
        fine = false;
    }
    if (strlen(service_of(c)) > SERVICE_MAX) {
        d->error(d, "service", "it is longer than %d bytes", SERVICE_MAX);
        fine = false;
    }
    for (uint32_t i = 0; i < c->metadata.count; i++)
        if (!nghttp2_check_header_name((const uint8_t *)pairs[i].key, strlen(pairs[i].key)) || pairs[i].key[0] == ':' || !strncmp(pairs[i].key, "grpc-", 5)) {
            d->error(d, "metadata", "\"%s\" is no name for metadata: lower case letters, digits, - _ and ., not beginning with grpc-", pairs[i].key);
            fine = false;
        }
    if (c->tls && c->address->unix_path)
        d->warning(d, "tls", "over a unix socket there is no host name to verify: give tls: { name: ... }");
    if (c->bearer && !c->tls && !c->address->unix_path)
        d->warning(d, "bearer", "without `tls` whoever listens on the way can read it");
    return fine;
}

static const char *const unimplemented_words[] = { "fail", "warn", "pass", NULL };

static const struct vital_opt certificate_rows[] = {
    VITAL_OPT(struct found_floor, warn_below, THRESHOLD, .help = "warn when a certificate of the server's chain has fewer days left than this"),
    VITAL_OPT(struct found_floor, fail_below, THRESHOLD, .help = "fail when a certificate of the server's chain has fewer days left than this"),
    VITAL_OPT_END,
};

static const struct vital_opt grpc_opts[] = {
    VITAL_OPT(struct grpc_conf, address, ADDRESS, .flags = VITAL_REQUIRED | VITAL_BARE | VITAL_TARGET, .help = "host:port, [v6]:port or unix:/path"),
    VITAL_OPT(struct grpc_conf, service, STRING, .flags = VITAL_TARGET, .help = "the service that is asked for; empty: the server as a whole"),
    VITAL_OPT(struct grpc_conf, tls, TLS, .help = "speak TLS: true, or its settings"),
    VITAL_OPT(struct grpc_conf, authority, STRING, .help = "the :authority that is asked for; default: the address"),
    VITAL_OPT(struct grpc_conf, bearer, SECRET, .help = "a token, sent as `authorization: Bearer`"),
    VITAL_OPT(struct grpc_conf, metadata, PAIRS, .max = METADATA_MAX, .help = "sent with the call"),
    VITAL_OPT(struct grpc_conf, expect, STRINGS, .words = grpc_serving_words, .def = "serving", .help = "the answers that pass"),
    VITAL_OPT(struct grpc_conf, unimplemented, WORD, .words = unimplemented_words, .def = "fail", .help = "what a server counts as that answers gRPC, but has no health service"),
    VITAL_OPT(struct grpc_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_BLOCK(struct grpc_conf, certificate, certificate_rows, .help = "days that the certificates must still be valid"),
    VITAL_OPT_END,
};

static const struct vital_number grpc_numbers[] = {
    [N_RESOLVE] = { "resolve_seconds", "seconds", "time to resolve the name; 0 for a numeric address", false, NULL },
    [N_CONNECT] = { "connect_seconds", "seconds", "time to connect, once the name was resolved", false, NULL },
    [N_TLS] = { "tls_seconds", "seconds", "time of the TLS handshake", false, NULL },
    [N_TOTAL] = { "total_seconds", "seconds", "time from the start of the attempt to its result", false, NULL },
    [N_CERT_DAYS] = { "certificate_days", "days", "how long until the first certificate of the chain expires; negative: since when it has", false, NULL },
    [N_STATUS] = { "status_code", "", "gRPC's status code, 0 for OK", false, NULL },
    [N_SERVING] = { "serving_status", "", "what the health service said: 0 UNKNOWN, 1 SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN", false, NULL },
    { .name = NULL },
};

static const struct vital_module grpc_module = {
    VITAL_MODULE_HEAD,
    .name = "grpc",
    .summary = "asks a gRPC server's health service (grpc.health.v1)",
    .manual =
        "One call of Check on a new connection, over HTTP/2 with prior knowledge, or over TLS, where the server must choose h2. What is left of the "
        "attempt's time goes along as grpc-timeout.\n\n"
        "Reasons: `bad_status` the server answers, but not as expected (NOT_SERVING, UNAVAILABLE ...); `not_found` it does not know the service; `config` it "
        "has no health service (UNIMPLEMENTED; see `unimplemented`); `auth` and `permission` the token was refused; `bad_reply` it speaks no gRPC; `tls` the "
        "handshake failed or h2 was not chosen. Answers are limited to 4 KiB.",
    .opts = grpc_opts,
    .numbers = grpc_numbers,
    .conf_size = sizeof(struct grpc_conf),
    .priv_size = sizeof(struct grpc_priv),
    .outside = true,
    .prepare = grpc_prepare,
    .start = grpc_start,
    .cancel = grpc_end,
    .release = grpc_end,
};
VITAL_EXPORT(grpc_module);
