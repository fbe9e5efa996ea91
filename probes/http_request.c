#include <stdio.h>
#include <strings.h>
#include <sys/random.h>

#include "base/mem.h"
#include "http_parts.h"

/* ---- targets ---------------------------------------------------------------------------------------------- */

static bool is_https(const char *scheme)
{
    return scheme && !strncmp(scheme, "https", 5);
}

struct http_target http_first_target(const struct http_conf *c)
{
    const char *unix_path = c->socket ? c->socket : c->url->unix_path;
    return (struct http_target){ is_https(c->url->scheme), c->url->host ? c->url->host : "localhost", c->url->port, c->url->path, unix_path };
}

struct http_target http_url_target(const struct url *u)
{
    bool tls = is_https(u->scheme);
    return (struct http_target){ tls, u->host, u->port[0] ? u->port : tls ? "443" : "80", u->path[0] ? u->path : "/", NULL };
}

static bool same_port(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

bool http_same_origin(const struct http_target *a, const struct http_target *b)
{
    return a->tls == b->tls && !strcmp(a->host, b->host) && same_port(a->port, b->port);
}

const char *http_target_text(const struct http_target *t, char *room, size_t size)
{
    if (t->unix_path)
        snprintf(room, size, "%s", t->unix_path);
    else
        snprintf(room, size, strchr(t->host, ':') ? "[%s]:%s" : "%s:%s", t->host, t->port);
    return room;
}

/* ---- the request ------------------------------------------------------------------------------------------ */

bool http_is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (const char *c = text; *c; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z');
        if (!alnum && !strchr(others, *c))
            return false;
    }
    return *text != '\0';
}

static bool has_header(const struct http_conf *c, const char *name)
{
    const struct vital_pair *pairs = c->headers.items;
    for (uint32_t i = 0; i < c->headers.count; i++)
        if (!strcasecmp(pairs[i].key, name))
            return true;
    return false;
}

/* Without a zone id, with brackets around IPv6, without the scheme's own port. */
static void add_host(const struct http_target *t, struct buf *out)
{
    size_t len = strcspn(t->host, "%");
    bool v6 = memchr(t->host, ':', len);
    buf_text(out, v6 ? "[" : "");
    buf_add(out, t->host, len);
    buf_text(out, v6 ? "]" : "");
    if (t->port && strcmp(t->port, t->tls ? "443" : "80") != 0) {
        buf_char(out, ':');
        buf_text(out, t->port);
    }
}

static void add_fixed(const struct http_conf *c, const struct http_target *t, bool trusted, const char *method, struct buf *out)
{
    buf_text(out, method);
    buf_char(out, ' ');
    buf_text(out, t->path);
    buf_text(out, " HTTP/1.1\r\nHost: ");
    if (c->host && trusted)
        buf_text(out, c->host);
    else
        add_host(t, out);
    buf_text(out, "\r\nConnection: close\r\n");
    if (!trusted || !has_header(c, "User-Agent"))
        buf_text(out, "User-Agent: vitald/" VITALD_VERSION "\r\n");
    if (!trusted || !has_header(c, "Accept"))
        buf_text(out, "Accept: */*\r\n");
}

static bool is_field_value(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return len <= HTTP_SECRET_MAX;
}

static void add_base64(const char *bytes, size_t len, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        unsigned v = (unsigned)(unsigned char)bytes[i] << 16;
        v |= n > 1 ? (unsigned)(unsigned char)bytes[i + 1] << 8 : 0;
        v |= n > 2 ? (unsigned)(unsigned char)bytes[i + 2] : 0;
        const char four[4] = { digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '=' };
        buf_add(out, four, 4);
    }
}

static void add_basic(struct vital_probe *p, const char *user, const struct vital_secret *password, struct buf *out)
{
    struct buf plain = BUF(HTTP_SECRET_MAX);
    size_t len;
    const char *secret = p->host->reveal(password, &len);
    buf_text(&plain, user);
    buf_char(&plain, ':');
    buf_add(&plain, secret, len);
    buf_text(out, "Authorization: Basic ");
    add_base64(plain.data, plain.len, out);
    buf_text(out, "\r\n");
    mem_wipe(plain.data, plain.len);
    buf_free(&plain);
}

static const char *add_authorization(struct vital_probe *p, const struct http_conf *c, struct buf *out)
{
    size_t len;
    if (c->basic.user)
        add_basic(p, c->basic.user, c->basic.password, out);
    else if (c->url->user && !c->bearer)
        add_basic(p, c->url->user, c->url->password, out);
    if (!c->bearer)
        return NULL;
    const char *token = p->host->reveal(c->bearer, &len);
    if (!is_field_value(token, len))
        return "the bearer token holds a line break or is too long";
    buf_text(out, "Authorization: Bearer ");
    buf_add(out, token, len);
    buf_text(out, "\r\n");
    return NULL;
}

static const char *add_headers(struct vital_probe *p, const struct http_conf *c, struct buf *out)
{
    const struct vital_pair *pairs = c->headers.items;
    for (uint32_t i = 0; i < c->headers.count; i++) {
        size_t len;
        const char *value = p->host->reveal(pairs[i].value, &len);
        if (!is_field_value(value, len))
            return "the value of one of `headers` holds a line break or is too long";
        buf_text(out, pairs[i].key);
        buf_text(out, ": ");
        buf_add(out, value, len);
        buf_text(out, "\r\n");
    }
    return NULL;
}

/* W3C trace context: random ids, not sampled, so that a trace system can find a probe's request but need not keep it. */
static void add_traceparent(struct buf *out)
{
    unsigned char id[24];
    if (getrandom(id, sizeof id, GRND_NONBLOCK) != sizeof id)
        return;
    id[0] |= 1; /* an id of zeros is invalid */
    id[16] |= 1;
    buf_text(out, "traceparent: 00-");
    for (unsigned i = 0; i < sizeof id; i++)
        buf_printf(out, i == 16 ? "-%02x" : "%02x", id[i]);
    buf_text(out, "-00\r\n");
}

const char *http_request(struct vital_probe *p, const struct http_conf *c, const struct http_target *t, bool trusted, const char *method,
                         bool with_body, struct buf *out)
{
    const char *wrong = NULL;
    add_fixed(c, t, trusted, method, out);
    if (trusted)
        wrong = add_authorization(p, c, out);
    if (trusted && !wrong)
        wrong = add_headers(p, c, out);
    if (c->traceparent)
        add_traceparent(out);
    size_t len = c->body && with_body ? strlen(c->body) : 0;
    if (with_body)
        buf_printf(out, "Content-Length: %zu\r\n", len);
    buf_text(out, "\r\n");
    if (len)
        buf_add(out, c->body, len);
    return wrong ? wrong : out->over ? "the request is too large" : NULL;
}

/* ---- redirects -------------------------------------------------------------------------------------------- */

static bool has_scheme(struct span s)
{
    size_t i = 0;
    while (i < s.len && ((s.at[i] | 0x20) >= 'a') && ((s.at[i] | 0x20) <= 'z'))
        i++;
    return i > 0 && i < s.len && s.at[i] == ':';
}

/* A relative reference stands in for the part behind the last '/' of the path; "?x" for the query alone. */
static void add_relative(const char *path, struct span location, struct buf *out)
{
    size_t plain = strcspn(path, "?");
    if (location.at[0] != '?')
        while (plain && path[plain - 1] != '/')
            plain--;
    buf_add(out, path, plain);
    buf_add(out, location.at, location.len);
}

const char *http_redirect(const struct http_target *at, struct span location, struct url *u)
{
    struct buf text = BUF(sizeof u->path + 512);
    const char *wrong = location.len ? NULL : "there is no Location";
    if (!wrong && !has_scheme(location)) {
        buf_text(&text, at->tls ? "https:" : "http:");
        if (location.len < 2 || memcmp(location.at, "//", 2) != 0) {
            buf_printf(&text, strchr(at->host, ':') ? "//[%s]" : "//%s", at->host);
            if (at->port)
                buf_printf(&text, ":%s", at->port);
            if (location.at[0] == '/')
                buf_add(&text, location.at, location.len);
            else
                add_relative(at->path, location, &text);
        } else {
            buf_add(&text, location.at, location.len);
        }
    } else if (!wrong) {
        buf_add(&text, location.at, location.len);
    }
    if (!wrong)
        wrong = text.over ? "the Location is too long" : url_parse(text.data, text.len, u);
    if (!wrong && strcmp(u->scheme, "http") != 0 && strcmp(u->scheme, "https") != 0)
        wrong = "it leads to something else than HTTP";
    buf_free(&text);
    return wrong;
}
