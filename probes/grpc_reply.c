#include "grpc_reply.h"

#include <stdio.h>

enum { HEAD = 5, VARINT_MAX = 10, STATUSES = 17 };

const char *const grpc_serving_words[] = { "unknown", "serving", "not_serving", "service_unknown", NULL };

static const struct { const char *name; enum vital_reason reason; } statuses[STATUSES] = {
    { "OK", VITAL_R_OK }, { "CANCELLED", VITAL_R_BAD_STATUS }, { "UNKNOWN", VITAL_R_BAD_STATUS }, { "INVALID_ARGUMENT", VITAL_R_CONFIG },
    { "DEADLINE_EXCEEDED", VITAL_R_TIMEOUT }, { "NOT_FOUND", VITAL_R_NOT_FOUND }, { "ALREADY_EXISTS", VITAL_R_BAD_STATUS },
    { "PERMISSION_DENIED", VITAL_R_PERMISSION }, { "RESOURCE_EXHAUSTED", VITAL_R_BUSY }, { "FAILED_PRECONDITION", VITAL_R_BAD_STATUS },
    { "ABORTED", VITAL_R_BAD_STATUS }, { "OUT_OF_RANGE", VITAL_R_BAD_STATUS }, { "UNIMPLEMENTED", VITAL_R_CONFIG }, { "INTERNAL", VITAL_R_BAD_STATUS },
    { "UNAVAILABLE", VITAL_R_BAD_STATUS }, { "DATA_LOSS", VITAL_R_BAD_STATUS }, { "UNAUTHENTICATED", VITAL_R_AUTH },
};

const char *grpc_status_name(int status)
{
    return status >= 0 && status < STATUSES ? statuses[status].name : "an unknown status";
}

/* ---- collecting ---- */

void grpc_reply_reset(struct grpc_reply *r)
{
    r->http_status = 0;
    r->body_len = 0;
    r->status = GRPC_STATUS_NONE;
    r->typed = r->too_large = false;
    r->said[0] = '\0';
    r->error = 0;
}

static bool is(const char *text, size_t len, const char *want)
{
    return len == strlen(want) && !memcmp(text, want, len);
}

static int digits(const char *text, size_t len)
{
    int value = 0;
    if (!len || len > 3)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* grpc-message is percent-encoded. What is not printable ASCII then shows as a question mark. */
static void keep_said(struct grpc_reply *r, const char *text, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len && out + 1 < sizeof r->said; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex(text[i + 1]) : -1, low = high >= 0 ? hex(text[i + 2]) : -1;
        int c = low >= 0 ? high << 4 | low : (unsigned char)text[i];
        i += low >= 0 ? 2 : 0;
        r->said[out++] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    r->said[out] = '\0';
}

void grpc_reply_field(struct grpc_reply *r, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (is(name, name_len, ":status"))
        r->http_status = digits(value, value_len);
    else if (is(name, name_len, "content-type"))
        r->typed = value_len >= 16 && !memcmp(value, "application/grpc", 16);
    else if (is(name, name_len, "grpc-status"))
        r->status = digits(value, value_len) >= 0 ? digits(value, value_len) : STATUSES;
    else if (is(name, name_len, "grpc-message"))
        keep_said(r, value, value_len);
}

void grpc_reply_data(struct grpc_reply *r, const unsigned char *bytes, size_t len)
{
    size_t room = sizeof r->body - r->body_len, n = len < room ? len : room;
    r->too_large |= n < len;
    memcpy(r->body + r->body_len, bytes, n);
    r->body_len += n;
}

/* ---- the message ---- */

struct cursor { const unsigned char *at; size_t len; };

static bool varint(struct cursor *c, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_MAX && c->len; i++) {
        unsigned char byte = *c->at++;
        c->len--;
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool skip(struct cursor *c, uint64_t len)
{
    if (len > c->len)
        return false;
    c->at += len;
    c->len -= (size_t)len;
    return true;
}

/* Field 1 is the status; fields of a later protocol are skipped; none at all means UNKNOWN. */
static bool decode(struct cursor c, uint64_t *serving)
{
    uint64_t key, value = 0;
    *serving = GRPC_UNKNOWN;
    while (c.len) {
        if (!varint(&c, &key) || key >> 3 == 0)
            return false;
        unsigned wire = (unsigned)key & 7;
        bool fine = wire == 0 ? varint(&c, &value) : wire == 2 ? varint(&c, &value) && skip(&c, value) : wire == 1 ? skip(&c, 8) : wire == 5 && skip(&c, 4);
        if (!fine || (key >> 3 == 1 && wire != 0))
            return false;
        if (key >> 3 == 1)
            *serving = value;
    }
    return true;
}

/* NULL, or what is wrong with it. */
static const char *read_message(const struct grpc_reply *r, uint64_t *serving)
{
    const unsigned char *b = r->body;
    if (r->too_large)
        return "its answer is larger than 4 KiB";
    if (r->body_len < HEAD)
        return "there is no whole message in its answer";
    size_t len = (size_t)b[1] << 24 | (size_t)b[2] << 16 | (size_t)b[3] << 8 | b[4];
    if (b[0])
        return "its answer is compressed, which was not offered";
    if (len != r->body_len - HEAD)
        return "the message in its answer has another length than it says";
    return decode((struct cursor){ b + HEAD, len }, serving) ? NULL : "its answer is no HealthCheckResponse";
}

/* ---- judging ---- */

__attribute__((format(printf, 4, 5))) static void say(struct grpc_verdict *v, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->text, sizeof v->text, fmt, args);
    va_end(args);
    v->class = class;
    v->reason = reason;
}

static void judge_status(const struct grpc_reply *r, const char *service, enum vital_class unimplemented, struct grpc_verdict *v)
{
    const char *colon = *r->said ? ": " : "";
    if (r->status == GRPC_STATUS_NOT_FOUND)
        say(v, VITAL_FAIL, VITAL_R_NOT_FOUND, "does not know the service \"%s\" (NOT_FOUND%s%s)", service, colon, r->said);
    else if (r->status == GRPC_STATUS_UNIMPLEMENTED)
        say(v, unimplemented, unimplemented == VITAL_PASS ? VITAL_R_OK : VITAL_R_CONFIG, "answers gRPC, but has no health service (UNIMPLEMENTED%s%s)", colon, r->said);
    else
        say(v, VITAL_FAIL, r->status < STATUSES ? statuses[r->status].reason : VITAL_R_BAD_STATUS, "answers %s (%d)%s%s", grpc_status_name(r->status), r->status, colon,
            r->said);
}

static void judge_serving(const struct grpc_reply *r, const char *service, unsigned accepted, struct grpc_verdict *v)
{
    static const char *const names[GRPC_SERVINGS] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
    uint64_t serving = GRPC_UNKNOWN;
    const char *wrong = read_message(r, &serving);
    if (wrong) {
        say(v, VITAL_FAIL, r->too_large ? VITAL_R_TOO_LARGE : VITAL_R_BAD_REPLY, "cannot be understood: %s", wrong);
        return;
    }
    bool known = serving < GRPC_SERVINGS, fine = known && accepted & 1u << serving;
    v->serving = known ? (int)serving : GRPC_SERVINGS;
    say(v, fine ? VITAL_PASS : VITAL_FAIL, fine ? VITAL_R_OK : VITAL_R_BAD_STATUS, "says %s of %s%s%s", known ? names[serving] : "an unknown status", *service ? "service \"" : "itself", service,
        *service ? "\"" : "");
}

void grpc_reply_judge(const struct grpc_reply *r, const char *service, unsigned accepted, enum vital_class unimplemented, struct grpc_verdict *v)
{
    v->serving = -1;
    if (r->http_status && r->http_status != 200)
        say(v, VITAL_FAIL, r->http_status == 401 ? VITAL_R_AUTH : VITAL_R_BAD_STATUS, "answers HTTP status %d, which is no gRPC", r->http_status);
    else if (!r->http_status && r->error)
        say(v, VITAL_FAIL, VITAL_R_RESET, "took the call back (HTTP/2 error %u)", r->error);
    else if (!r->typed)
        say(v, VITAL_FAIL, VITAL_R_BAD_REPLY, "answers HTTP/2, but no gRPC");
    else if (r->status == GRPC_STATUS_NONE)
        say(v, VITAL_FAIL, r->error ? VITAL_R_RESET : VITAL_R_BAD_REPLY, "ended the call without a status (HTTP/2 error %u)", r->error);
    else if (r->status)
        judge_status(r, service, unimplemented, v);
    else
        judge_serving(r, service, accepted, v);
}
