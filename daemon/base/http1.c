#include "base/http1.h"

#include <string.h>
#include <strings.h>

/* ---- characters -------------------------------------------------------------------------------------------- */

enum { T = 1, P = 2, Q = 4, V = 8, H = 16 };        /* may stand in a token, a path, a query, a field value, a host with its port */

static const uint8_t classes[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | P | Q | V | H,
    ['"'] = P | Q | V,
    ['#'] = T | V,
    ['$' ... '\''] = T | P | Q | V | H,
    ['(' ... ')'] = P | Q | V | H,
    ['*' ... '+'] = T | P | Q | V | H,
    [','] = P | Q | V | H,
    ['-' ... '.'] = T | P | Q | V | H,
    ['/'] = P | Q | V,
    ['0' ... '9'] = T | P | Q | V | H,
    [':' ... ';'] = P | Q | V | H,
    ['<'] = P | Q | V,
    ['='] = P | Q | V | H,
    ['>'] = P | Q | V,
    ['?'] = Q | V,
    ['@'] = P | Q | V,
    ['A' ... 'Z'] = T | P | Q | V | H,
    ['['] = P | Q | V | H,
    ['\\'] = P | Q | V,
    [']'] = P | Q | V | H,
    ['^'] = T | P | Q | V,
    ['_'] = T | P | Q | V | H,
    ['`'] = T | P | Q | V,
    ['a' ... 'z'] = T | P | Q | V | H,
    ['{'] = P | Q | V,
    ['|'] = T | P | Q | V,
    ['}'] = P | Q | V,
    ['~'] = T | P | Q | V | H,
    [0x80 ... 0xff] = V,
};

static const char *skip(const char *p, const char *stop, uint8_t class)
{
    while (p < stop && classes[(uint8_t)*p] & class)
        p++;
    return p;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

bool span_is(struct span s, const char *text)
{
    return s.at && strlen(text) == s.len && !memcmp(s.at, text, s.len);
}

bool span_is_nocase(struct span s, const char *text)
{
    return s.at && strlen(text) == s.len && !strncasecmp(s.at, text, s.len);
}

static struct span trimmed(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    while (end > at && is_space(end[-1]))
        end--;
    return (struct span){ at, (size_t)(end - at) };
}

struct span http1_field(const struct http1_field *fields, unsigned count, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < count; i++)
        if (fields[i].name.len == len && !strncasecmp(fields[i].name.at, name, len))
            return fields[i].value;
    return (struct span){ 0 };
}

/* ---- what can be wrong ------------------------------------------------------------------------------------- */

enum fault {
    NONE, MORE, LONG_LINE, LONG_HEAD, MANY_FIELDS, BAD_LINE, NOT_HTTP, BAD_STATUS, BAD_VERSION, BARE_LF, FOLDED, SPACED_NAME, BAD_NAME,
    BAD_VALUE, BAD_LENGTH, TWO_LENGTHS, BAD_HOST, NO_HOST, TWO_HOSTS, CODING, OLD_CODING, BOTH_LENGTHS, FAULT_COUNT
};

/* The status for a request, the text for a reply. */
static const struct { int status; const char *why; } faults[] = {
    [NONE] = { 0, NULL },
    [MORE] = { 0, NULL },
    [LONG_LINE] = { 414, "the first line is too long" },
    [LONG_HEAD] = { 431, "the header is larger than 16 KiB" },
    [MANY_FIELDS] = { 431, "there are more than 64 header fields" },
    [BAD_LINE] = { 400, "the first line is malformed" },
    [NOT_HTTP] = { 400, "it does not begin with HTTP/, so this is no HTTP server" },
    [BAD_STATUS] = { 400, "the status is not a number from 100 to 999" },
    [BAD_VERSION] = { 505, "the HTTP version is not 1.x" },
    [BARE_LF] = { 400, "a header line ends with LF alone; HTTP/1.1 needs CR LF" },
    [FOLDED] = { 400, "a header field is folded over two lines" },
    [SPACED_NAME] = { 400, "there is a space between a header field's name and its colon" },
    [BAD_NAME] = { 400, "a header field's name is malformed" },
    [BAD_VALUE] = { 400, "a header field's value has a control character" },
    [BAD_LENGTH] = { 400, "Content-Length is not a number" },
    [TWO_LENGTHS] = { 400, "there are several Content-Length fields" },
    [BAD_HOST] = { 400, "the Host is not a name or address with a port" },
    [NO_HOST] = { 400, "there is no Host field" },
    [TWO_HOSTS] = { 400, "there are several Host fields" },
    [CODING] = { 501, "the Transfer-Encoding is not chunked alone" },
    [OLD_CODING] = { 400, "there is a Transfer-Encoding in HTTP/1.0" },
    [BOTH_LENGTHS] = { 400, "there are both Content-Length and Transfer-Encoding" },
};
_Static_assert(sizeof faults / sizeof *faults == FAULT_COUNT, "faults");

struct scan {
    const char *p, *stop;
    enum fault at_stop;      /* more bytes are needed, or the limit is reached */
};

static struct scan scan_of(const char *bytes, size_t len, size_t max, enum fault beyond)
{
    bool cut = len >= max;
    return (struct scan){ bytes, bytes + (cut ? max : len), cut ? beyond : MORE };
}

/* ---- fields ------------------------------------------------------------------------------------------------ */

struct framing {
    unsigned hosts, lengths, codings;
    uint64_t length;
    struct span host;
    bool chunked, close, keep_alive;
};

static enum fault note_host(struct framing *f, struct span value)
{
    const char *end = value.at + value.len;
    f->hosts++;
    f->host = value;
    return skip(value.at, end, H) == end ? NONE : BAD_HOST;
}

static enum fault note_length(struct framing *f, struct span value)
{
    enum { DIGITS = 18 };    /* no overflow, and nobody has as much */
    uint64_t length = 0;
    if (!value.len || value.len > DIGITS)
        return BAD_LENGTH;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_digit(value.at[i]))
            return BAD_LENGTH;
        length = length * 10 + (unsigned)(value.at[i] - '0');
    }
    if (f->lengths++ && length != f->length)
        return TWO_LENGTHS;
    f->length = length;
    return NONE;
}

static enum fault note_coding(struct framing *f, struct span value)
{
    f->codings++;
    f->chunked = span_is_nocase(value, "chunked");
    return NONE;
}

static enum fault note_connection(struct framing *f, struct span value)
{
    const char *end = value.at + value.len;
    for (const char *at = value.at, *comma; at < end; at = comma + 1) {
        comma = memchr(at, ',', (size_t)(end - at));
        comma = comma ? comma : end;
        struct span word = trimmed(at, comma);
        f->close |= span_is_nocase(word, "close");
        f->keep_alive |= span_is_nocase(word, "keep-alive");
    }
    return NONE;
}

static const struct known {
    const char *name;
    size_t len;
    enum fault (*note)(struct framing *, struct span);
} known[] = {
    { "host", 4, note_host },
    { "connection", 10, note_connection },
    { "content-length", 14, note_length },
    { "transfer-encoding", 17, note_coding },
};

static enum fault note(struct framing *f, const struct http1_field *field)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].len == field->name.len && !strncasecmp(known[i].name, field->name.at, field->name.len))
            return known[i].note(f, field->value);
    return NONE;
}

static enum fault bad_name(char found, bool first)
{
    if (found == '\n')
        return BARE_LF;
    return is_space(found) ? first ? FOLDED : SPACED_NAME : BAD_NAME;
}

/* Past CR LF at s->p. */
static enum fault take_end(struct scan *s, enum fault otherwise)
{
    if (s->p == s->stop)
        return s->at_stop;
    if (*s->p != '\r')
        return *s->p == '\n' ? BARE_LF : otherwise;
    if (s->p + 1 == s->stop)
        return s->at_stop;
    if (s->p[1] != '\n')
        return otherwise;
    s->p += 2;
    return NONE;
}

static enum fault take_field(struct scan *s, struct http1_field *f)
{
    const char *name = s->p, *colon = skip(name, s->stop, T);
    if (colon == s->stop)
        return s->at_stop;
    if (*colon != ':' || colon == name)
        return bad_name(*colon, colon == name);
    f->name = (struct span){ name, (size_t)(colon - name) };
    const char *end = skip(colon + 1, s->stop, V);
    f->value = trimmed(colon + 1, end);
    s->p = end;
    return take_end(s, BAD_VALUE);
}

/* All fields and the empty line. */
static enum fault take_fields(struct scan *s, struct http1_field *fields, unsigned *count, struct framing *f)
{
    for (*count = 0;;) {
        if (s->p < s->stop && *s->p == '\r')
            return take_end(s, BAD_NAME);
        if (*count == HTTP1_FIELDS)
            return s->p < s->stop ? MANY_FIELDS : s->at_stop;
        enum fault fault = take_field(s, &fields[*count]);
        if (!fault)
            fault = note(f, &fields[*count]);
        if (fault)
            return fault;
        ++*count;
    }
}

/* ---- requests ---------------------------------------------------------------------------------------------- */

static enum http1_method method_of(struct span s)
{
    static const struct { const char *text; enum http1_method method; } rows[] = {
        { "GET", HTTP1_GET }, { "HEAD", HTTP1_HEAD }, { "OPTIONS", HTTP1_OPTIONS }, { "POST", HTTP1_POST },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (span_is(s, rows[i].text))
            return rows[i].method;
    return HTTP1_OTHER;
}

/* Walks over `shape`, where 'd' stands for a digit and everything else for itself. */
static enum fault take_shape(struct scan *s, const char *shape, enum fault wrong)
{
    for (; *shape; shape++, s->p++) {
        if (s->p == s->stop)
            return s->at_stop;
        if (*shape == 'd' ? !is_digit(*s->p) : *s->p != *shape)
            return wrong;
    }
    return NONE;
}

static enum fault take_version(struct scan *s, uint8_t *minor)
{
    enum fault fault = take_shape(s, "HTTP/d.d", BAD_LINE);
    if (fault)
        return fault;
    *minor = (uint8_t)(s->p[-1] - '0');
    return s->p[-3] == '1' ? NONE : BAD_VERSION;
}

static enum fault take_method(struct scan *s, struct http1_request *r)
{
    const char *end = skip(s->p, s->stop, T);
    if (end == s->stop)
        return s->at_stop;
    if (*end != ' ' || end == s->p)
        return BAD_LINE;
    r->method = method_of((struct span){ s->p, (size_t)(end - s->p) });
    s->p = end + 1;
    return NONE;
}

/* Past "http://host:port" at s->p. Whose name and which scheme it was is not looked at: every name is answered alike. */
static enum fault take_authority(struct scan *s)
{
    const char *end = skip(s->p, s->stop, T);
    struct span scheme = { s->p, (size_t)(end - s->p) };
    if (end == s->stop)
        return s->at_stop;
    if (!span_is_nocase(scheme, "http") && !span_is_nocase(scheme, "https"))
        return BAD_LINE;
    s->p = end;
    enum fault fault = take_shape(s, "://", BAD_LINE);
    if (fault)
        return fault;
    const char *host = s->p;
    s->p = skip(host, s->stop, H);
    return s->p == s->stop ? s->at_stop : s->p == host ? BAD_LINE : NONE;
}

static bool is_target(const struct http1_request *r)
{
    if (r->path.len && r->path.at[0] == '/')
        return true;
    /* HTTP/2 begins with PRI *: it is to hear of its version. */
    return (r->method == HTTP1_OPTIONS || r->method == HTTP1_OTHER) && span_is(r->path, "*") && !r->query.at;
}

static enum fault take_target(struct scan *s, struct http1_request *r)
{
    const char *start = s->p;
    bool absolute = start < s->stop && *start != '/' && *start != '*';
    enum fault fault = absolute ? take_authority(s) : NONE;
    if (fault)
        return fault;
    const char *end = skip(s->p, s->stop, P);
    r->path = (struct span){ s->p, (size_t)(end - s->p) };
    if (absolute && !r->path.len)
        r->path = (struct span){ memchr(start, '/', (size_t)(s->p - start)), 1 };      /* no path is "/": one that stands there */
    r->query = (struct span){ 0 };
    if (end < s->stop && *end == '?') {
        const char *query = end + 1;
        end = skip(query, s->stop, Q);
        r->query = (struct span){ query, (size_t)(end - query) };
    }
    if (end == s->stop)
        return s->at_stop;
    if (*end != ' ' || !is_target(r))
        return BAD_LINE;
    s->p = end + 1;
    return NONE;
}

static enum fault take_request_line(struct scan *head, struct http1_request *r)
{
    if (head->p < head->stop && *head->p == '\r') {
        enum fault fault = take_end(head, BAD_LINE);
        if (fault)
            return fault;
    }
    struct scan s = scan_of(head->p, (size_t)(head->stop - head->p), HTTP1_LINE_MAX + 2, LONG_LINE);
    enum fault fault = take_method(&s, r);
    if (!fault)
        fault = take_target(&s, r);
    if (!fault)
        fault = take_version(&s, &r->minor);
    if (!fault)
        fault = take_end(&s, BAD_LINE);
    head->p = s.p;
    return !fault && r->minor > 1 ? BAD_VERSION : fault;
}

static enum fault settle_request(struct http1_request *r, const struct framing *f)
{
    if (f->codings)
        return CODING;
    if (f->lengths > 1)
        return TWO_LENGTHS;
    if (f->hosts > 1)
        return TWO_HOSTS;
    if (!f->hosts && r->minor == 1)
        return NO_HOST;
    r->host = f->host;
    r->has_body = f->length > 0;
    r->keep_alive = !f->close && (r->minor == 1 || f->keep_alive);
    return NONE;
}

int http1_request(const char *bytes, size_t len, struct http1_request *r)
{
    struct scan s = scan_of(bytes, len, HTTP1_HEAD_MAX, LONG_HEAD);
    struct framing f = { 0 };
    enum fault fault = take_request_line(&s, r);
    if (!fault)
        fault = take_fields(&s, r->fields, &r->count, &f);
    if (!fault)
        fault = settle_request(r, &f);
    return fault ? -faults[fault].status : (int)(s.p - bytes);
}

/* ---- replies ----------------------------------------------------------------------------------------------- */

static enum fault take_status(struct scan *s, struct http1_reply *r)
{
    enum fault fault = take_shape(s, " ddd", BAD_LINE);
    if (fault)
        return fault;
    r->status = (unsigned)((s->p[-3] - '0') * 100 + (s->p[-2] - '0') * 10 + (s->p[-1] - '0'));
    return r->status >= 100 ? NONE : BAD_STATUS;
}

static enum fault take_status_line(struct scan *s, struct http1_reply *r)
{
    struct scan start = *s;
    enum fault fault = take_shape(&start, "HTTP/", NOT_HTTP);
    if (!fault)
        fault = take_version(s, &r->minor);
    if (!fault)
        fault = take_status(s, r);
    if (fault)
        return fault;
    if (s->p < s->stop && *s->p == ' ') {
        r->text.at = ++s->p;
        s->p = skip(s->p, s->stop, V);
        r->text.len = (size_t)(s->p - r->text.at);
    }
    return take_end(s, BAD_LINE);
}

static enum fault settle_reply(struct http1_reply *r, const struct framing *f)
{
    if (f->codings && f->lengths)
        return BOTH_LENGTHS;
    if (f->codings && r->minor == 0)
        return OLD_CODING;
    if (f->codings && (f->codings > 1 || !f->chunked))
        return CODING;
    r->chunked = f->chunked;
    r->has_length = f->lengths > 0;
    r->length = f->length;
    r->keep_alive = !f->close && (r->minor > 0 || f->keep_alive);
    return NONE;
}

int http1_reply(const char *bytes, size_t len, struct http1_reply *r, const char **why)
{
    struct scan s = scan_of(bytes, len, HTTP1_REPLY_HEAD_MAX, LONG_HEAD);
    struct framing f = { 0 };
    r->text = (struct span){ "", 0 };
    enum fault fault = take_status_line(&s, r);
    if (!fault)
        fault = take_fields(&s, r->fields, &r->count, &f);
    if (!fault)
        fault = settle_reply(r, &f);
    *why = faults[fault].why;
    if (fault)
        return fault == MORE ? 0 : -1;
    return (int)(s.p - bytes);
}
