#include "base/grpc.h"

#include <string.h>

ENUM_TEXT(grpc_status, GRPC_STATUSES, "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
          "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
          "DATA_LOSS", "UNAUTHENTICATED")
ENUM_TEXT(grpc_serving, GRPC_SERVINGS, "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5, VARINT_MAX = 10, FIELD = 1 };

/* ---- messages in their frame ---- */

static uint32_t length_of(const struct buf *b)
{
    const unsigned char *at = (const unsigned char *)b->data;
    return (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}

static void take(struct buf *to, size_t want, const char **bytes, size_t *len)
{
    size_t n = want - to->len < *len ? want - to->len : *len;
    buf_add(to, *bytes, n);
    *bytes += n;
    *len -= n;
}

enum grpc_read grpc_read(struct grpc_reader *r, const char **bytes, size_t *len)
{
    r->bytes.max = GRPC_HEAD + GRPC_MESSAGE_MAX;
    if (r->bytes.len < GRPC_HEAD)
        take(&r->bytes, GRPC_HEAD, bytes, len);
    if (r->bytes.len < GRPC_HEAD)
        return GRPC_MORE;
    if (r->bytes.data[0])
        return GRPC_COMPRESSED;
    if (length_of(&r->bytes) > GRPC_MESSAGE_MAX)
        return GRPC_TOO_LARGE;
    take(&r->bytes, GRPC_HEAD + length_of(&r->bytes), bytes, len);
    return r->bytes.len == GRPC_HEAD + length_of(&r->bytes) ? GRPC_WHOLE : GRPC_MORE;
}

struct span grpc_message(const struct grpc_reader *r)
{
    return (struct span){ r->bytes.data + GRPC_HEAD, r->bytes.len - GRPC_HEAD };
}

void grpc_reader_reset(struct grpc_reader *r)
{
    buf_free(&r->bytes);
    r->bytes = (struct buf){ 0 };
}

static void put_head(struct buf *out, size_t len)
{
    const char head[GRPC_HEAD] = { 0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len };
    buf_add(out, head, sizeof head);
}

/* ---- protobuf ---- */

static size_t varint_size(uint64_t value)
{
    size_t n = 1;
    while (value >>= 7)
        n++;
    return n;
}

static void put_varint(struct buf *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        buf_char(out, (char)(value | 0x80));
    buf_char(out, (char)value);
}

static void put_key(struct buf *out, unsigned field, unsigned wire)
{
    put_varint(out, field << 3 | wire);
}

static void put_bytes(struct buf *out, unsigned field, const void *bytes, size_t len)
{
    put_key(out, field, WIRE_BYTES);
    put_varint(out, len);
    buf_add(out, bytes, len);
}

static size_t bytes_size(size_t len)
{
    return 1 + varint_size(len) + len;
}

static bool get_varint(struct span *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_MAX && rest->len; i++) {
        unsigned char c = (unsigned char)*rest->at++;
        rest->len--;
        *value |= (uint64_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80))
            return true;
    }
    return false;
}

static bool get_bytes(struct span *rest, uint64_t len, struct span *out)
{
    if (len > rest->len)
        return false;
    *out = (struct span){ rest->at, (size_t)len };
    rest->at += len;
    rest->len -= (size_t)len;
    return true;
}

struct field { uint64_t number, value; unsigned wire; struct span bytes; };

/* Groups, which proto3 does not have, are malformed. */
static bool get_field(struct span *rest, struct field *f)
{
    uint64_t key, len;
    if (!get_varint(rest, &key) || key >> 3 == 0)
        return false;
    f->number = key >> 3;
    f->wire = (unsigned)key & 7;
    switch (f->wire) {
    case WIRE_VARINT: return get_varint(rest, &f->value);
    case WIRE_BYTES: return get_varint(rest, &len) && get_bytes(rest, len, &f->bytes);
    case WIRE_64: return get_bytes(rest, 8, &f->bytes);
    case WIRE_32: return get_bytes(rest, 4, &f->bytes);
    default: return false;
    }
}

/* ---- the health protocol's messages ---- */

void grpc_put_request(struct buf *out, const char *service)
{
    size_t len = strlen(service);
    put_head(out, len ? bytes_size(len) : 0);
    if (len)
        put_bytes(out, FIELD, service, len);
}

static void put_serving(struct buf *out, enum grpc_serving serving)
{
    put_key(out, FIELD, WIRE_VARINT);
    put_varint(out, serving);
}

void grpc_put_reply(struct buf *out, enum grpc_serving serving)
{
    put_head(out, 2);
    put_serving(out, serving);
}

void grpc_put_listed(struct buf *out, const char *service, enum grpc_serving serving)
{
    size_t len = strlen(service);
    put_key(out, FIELD, WIRE_BYTES);
    put_varint(out, bytes_size(len) + bytes_size(2));
    put_bytes(out, 1, service, len);
    put_key(out, 2, WIRE_BYTES);
    put_varint(out, 2);
    put_serving(out, serving);
}

void grpc_put_list(struct buf *out, const struct buf *content)
{
    put_head(out, content->len);
    buf_add(out, content->data, content->len);
}

bool grpc_get_request(struct span message, struct span *service)
{
    *service = (struct span){ "", 0 };
    while (message.len) {
        struct field f;
        if (!get_field(&message, &f) || (f.number == FIELD && f.wire != WIRE_BYTES))
            return false;
        if (f.number == FIELD)
            *service = f.bytes;
    }
    return true;
}

bool grpc_get_reply(struct span message, uint64_t *serving)
{
    *serving = GRPC_SERVING_UNKNOWN;
    while (message.len) {
        struct field f;
        if (!get_field(&message, &f) || (f.number == FIELD && f.wire != WIRE_VARINT))
            return false;
        if (f.number == FIELD)
            *serving = f.value;
    }
    return true;
}

/* ---- status ---- */

int grpc_status_from_digits(struct span s)
{
    int value = 0;
    if (s.len == 0 || s.len > 3)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return -1;
        value = value * 10 + (s.at[i] - '0');
    }
    return value < GRPC_STATUSES ? value : GRPC_UNKNOWN;
}

void grpc_put_message(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (*text >= ' ' && *text < 0x7f && *text != '%')
            buf_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

void grpc_get_message(struct span s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = s.at[i] == '%' && i + 2 < s.len ? hex(s.at[i + 1]) : -1;
        int low = high >= 0 ? hex(s.at[i + 2]) : -1;
        buf_char(out, low >= 0 ? (char)(high << 4 | low) : s.at[i]);
        i += low >= 0 ? 2 : 0;
    }
}
