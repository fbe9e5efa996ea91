/* Calls of HTTP/2 streams. Inside nghttp2's callbacks nothing may free its session: whatever ends one is only marked. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "front/grpc_parts.h"

#define FIELD(name, value) { (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, strlen(value), 0 }

/* ---- answers ---- */

static void add_status(struct grpc_stream *st, nghttp2_nv *at, char digits[4])
{
    digits[0] = (char)('0' + st->status / 10);
    digits[1] = (char)('0' + st->status % 10);
    const char *text = st->status < 10 ? digits + 1 : digits;
    *at = (nghttp2_nv)FIELD("grpc-status", text);
    if (st->status != GRPC_OK)
        grpc_counts.refused++;
}

/* A header that is the whole answer: the status stands in it. */
void grpc_stream_refuse(struct grpc_stream *st, enum grpc_status status, const char *text)
{
    char digits[4] = "", http[4] = "200";
    struct buf message = BUF(256);
    if (st->answered)
        return;
    if (st->http_status) {
        http[0] = (char)('0' + st->http_status / 100);
        http[1] = (char)('0' + st->http_status / 10 % 10);
        http[2] = (char)('0' + st->http_status % 10);
    }
    st->answered = true;
    st->status = (uint8_t)status;
    st->deadline = clock_now() + GRPC_ANSWER_TIME;
    grpc_put_message(&message, text);
    nghttp2_nv fields[] = { FIELD(":status", http), FIELD("content-type", "application/grpc"), FIELD("grpc-accept-encoding", "identity"),
                            { 0 }, FIELD("grpc-message", message.data ? message.data : "") };
    add_status(st, &fields[3], digits);
    nghttp2_submit_response(st->session->http2, st->id, fields, sizeof fields / sizeof *fields, NULL);
    buf_free(&message);
}

static void submit_trailer(struct grpc_stream *st)
{
    char digits[4] = "";
    nghttp2_nv field;
    add_status(st, &field, digits);
    nghttp2_submit_trailer(st->session->http2, st->id, &field, 1);
}

/* Whoever did not read in between is told the newest verdict only. */
static void put_news(struct grpc_stream *st)
{
    if (st->out_at < st->out.len || !st->watched || st->told == grpc_health_serving(st->watched))
        return;
    buf_free(&st->out);
    st->out = BUF(64);
    st->out_at = 0;
    st->told = (uint8_t)grpc_health_serving(st->watched);
    grpc_put_reply(&st->out, st->told);
    grpc_counts.changes++;
}

static ssize_t read_body(nghttp2_session *http2, int32_t id, uint8_t *room, size_t size, uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct grpc_stream *st = source->ptr;
    (void)http2, (void)id, (void)user;
    put_news(st);
    size_t left = st->out.len - st->out_at, n = left < size ? left : size;
    if (n)
        memcpy(room, st->out.data + st->out_at, n);
    st->out_at += n;
    if (n < left)
        return (ssize_t)n;
    if (!st->ending)
        return n ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    submit_trailer(st);
    return (ssize_t)n;
}

static void respond(struct grpc_stream *st)
{
    const nghttp2_nv fields[] = { FIELD(":status", "200"), FIELD("content-type", "application/grpc") };
    const nghttp2_data_provider body = { .source = { .ptr = st }, .read_callback = read_body };
    st->answered = true;
    nghttp2_submit_response(st->session->http2, st->id, fields, sizeof fields / sizeof *fields, &body);
}

void grpc_stream_answer(struct grpc_stream *st)
{
    st->ending = true;
    st->status = GRPC_OK;
    st->deadline = clock_now() + GRPC_ANSWER_TIME;
    respond(st);
}

void grpc_stream_follow(struct grpc_stream *st)
{
    st->told = GRPC_SERVINGS;
    st->deadline = TIME_NEVER;
    respond(st);
}

void grpc_stream_resume(struct grpc_stream *st)
{
    nghttp2_session_resume_data(st->session->http2, st->id);
    grpc_session_news(st->session);
}

void grpc_stream_end(struct grpc_stream *st, enum grpc_status status)
{
    st->ending = true;
    st->status = (uint8_t)status;
    st->deadline = clock_now() + GRPC_ANSWER_TIME;
    grpc_stream_resume(st);
}

/* ---- requests ---- */

void grpc_stream_free(struct grpc_stream *st)
{
    struct grpc_session *s = st->session;
    grpc_health_forget(st);
    list_remove(&st->link);
    s->stream_count--;
    grpc_reader_reset(&st->request);
    buf_free(&st->out);
    mem_free(st);
}

static int on_begin_headers(nghttp2_session *http2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct grpc_stream *st = mem_alloc(sizeof *st);
    st->session = s;
    st->id = frame->hd.stream_id;
    st->deadline = clock_now() + GRPC_REQUEST_TIME;
    st->out = BUF(64 * 1024);
    list_init(&st->watch);
    list_append(&s->streams, &st->link);
    s->stream_count++;
    nghttp2_session_set_stream_user_data(http2, st->id, st);
    grpc_session_judge(st, (struct span){ NULL, 0 });
    return 0;
}

static enum grpc_method method_of(struct span path)
{
    static const char *const paths[GRPC_METHODS] = { [GRPC_METHOD_CHECK] = GRPC_CHECK, [GRPC_METHOD_WATCH] = GRPC_WATCH, [GRPC_METHOD_LIST] = GRPC_LIST };
    for (unsigned i = 1; i < GRPC_METHODS; i++)
        if (span_is(path, paths[i]))
            return i;
    return GRPC_METHOD_NONE;
}

/* application/grpc, application/grpc+proto, application/grpc;charset=... */
static bool is_grpc_type(struct span type)
{
    static const char want[] = "application/grpc";
    size_t n = sizeof want - 1;
    return type.len >= n && !memcmp(type.at, want, n) && (type.len == n || type.at[n] == '+' || type.at[n] == ';');
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *user)
{
    struct grpc_stream *st = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
    const struct span key = { (const char *)name, name_len }, text = { (const char *)value, value_len };
    (void)flags, (void)user;
    if (!st)
        return 0;
    st->fields += (uint32_t)(name_len + value_len + 32);
    if (st->fields > GRPC_FIELDS_MAX)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (span_is(key, ":path"))
        st->method = (uint8_t)method_of(text);
    else if (span_is(key, ":method"))
        st->posted = span_is(text, "POST");
    else if (span_is(key, "content-type"))
        st->typed = is_grpc_type(text);
    else if (span_is(key, "authorization"))
        grpc_session_judge(st, text);
    return 0;
}

/* What is wrong with a call before its message is looked at. */
static void judge_head(struct grpc_stream *st)
{
    st->http_status = !st->posted ? 405 : !st->typed ? 415 : 0;
    if (st->http_status)
        grpc_stream_refuse(st, GRPC_UNKNOWN, "this port speaks gRPC");
    else if (st->method == GRPC_METHOD_NONE)
        grpc_stream_refuse(st, GRPC_UNIMPLEMENTED, "only grpc.health.v1.Health is served here: Check, Watch and List");
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
    struct grpc_stream *st = nghttp2_session_get_stream_user_data(http2, id);
    const char *bytes = (const char *)data;
    (void)flags, (void)user;
    if (!st || st->answered || !len)
        return 0;
    enum grpc_read got = st->whole ? GRPC_WHOLE : grpc_read(&st->request, &bytes, &len);
    st->whole |= got == GRPC_WHOLE;
    if (got == GRPC_TOO_LARGE)
        grpc_stream_refuse(st, GRPC_RESOURCE_EXHAUSTED, "the request is too large");
    else if (got == GRPC_COMPRESSED)
        grpc_stream_refuse(st, GRPC_UNIMPLEMENTED, "compressed messages are not understood");
    else if (len)
        grpc_stream_refuse(st, GRPC_INTERNAL, "there is more than one message in the request");
    return 0;
}

static void serve(struct grpc_stream *st)
{
    st->remote_done = true;
    if (st->answered)
        return;
    if (st->whole)
        grpc_health_serve(st, grpc_message(&st->request));
    else
        grpc_stream_refuse(st, GRPC_INTERNAL, "there is no whole message in the request");
    grpc_reader_reset(&st->request);
}

static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *user)
{
    struct grpc_stream *st = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
    bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    (void)user;
    if (!st || !carries)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        judge_head(st);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        serve(st);
    return 0;
}

/* What goes out pays for what it brings on: a call for itself, each message for window updates and pings. An answer that is
 * out while the request still comes: the rest of it is not wanted. */
static int on_sent(nghttp2_session *http2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    struct grpc_stream *st = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        grpc_counts.broken += frame->goaway.error_code != NGHTTP2_NO_ERROR && !s->flooding;
    if (!st || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    bool message = frame->hd.type == NGHTTP2_DATA;
    grpc_session_spend(s, message ? -2 : -2 - (st->fields + GRPC_MESSAGE_MAX / 8.0) / GRPC_BYTES_PER_COST);
    s->served = true;
    if (last && !st->remote_done)
        nghttp2_submit_rst_stream(http2, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
    return 0;
}

/* Each frame costs, and each byte (frames that nobody knows are not shown to us), and an answered call pays for itself and
 * what belongs to it: frames that ask for nothing, calls that are taken back at once and headers in crumbs run dry. */
static int on_begin_frame(nghttp2_session *http2, const nghttp2_frame_hd *head, void *user)
{
    (void)http2;
    bool fills = head->type == NGHTTP2_DATA && (head->length || head->flags & NGHTTP2_FLAG_END_STREAM);
    grpc_session_spend(user, fills ? 0 : 1);
    return 0;
}

static int on_stream_close(nghttp2_session *http2, int32_t id, uint32_t code, void *user)
{
    struct grpc_stream *st = nghttp2_session_get_stream_user_data(http2, id);
    (void)code, (void)user;
    if (st)
        grpc_stream_free(st);
    return 0;
}

/* ---- the library ---- */

static void *get(size_t size, void *user) { (void)user; return mem_grow(NULL, size); }
static void *get_zeroed(size_t count, size_t size, void *user) { (void)user; return mem_alloc(count * size); }
static void *grow(void *old, size_t size, void *user) { (void)user; return mem_grow(old, size); }
static void give_back(void *block, void *user) { (void)user; mem_free(block); }

nghttp2_session *grpc_http2_open(struct grpc_session *s)
{
    static nghttp2_session_callbacks *calls;
    static nghttp2_option *options;
    static nghttp2_mem memory = { NULL, get, give_back, get_zeroed, grow };
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_FIELDS_MAX },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    nghttp2_session *http2 = NULL;
    if (!calls) {
        nghttp2_session_callbacks_new(&calls);
        nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_sent);
        nghttp2_session_callbacks_set_on_begin_frame_callback(calls, on_begin_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
        nghttp2_option_new(&options);
        nghttp2_option_set_max_outbound_ack(options, 100);
        nghttp2_option_set_no_closed_streams(options, 1);
        nghttp2_option_set_stream_reset_rate_limit(options, 200, 50);
        nghttp2_option_set_max_continuations(options, 4);
    }
    nghttp2_session_server_new3(&http2, calls, s, options, &memory);
    nghttp2_submit_settings(http2, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
    return http2;
}
