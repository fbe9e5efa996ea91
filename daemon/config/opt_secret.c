/* Decoders of what is, or may hold, a secret: secrets, URLs, pairs, TLS settings. */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/tls_settings.h"
#include "base/url.h"
#include "config/conf.h"
#include "config/environ.h"
#include "config/opt_types.h"
#include "config/tree.h"

/* ---- secrets ------------------------------------------------------------------------------------------------ */

struct source { const char *file, *env, *credential; };
const struct vital_opt opt_source_rows[] = {
    VITAL_OPT(struct source, file, STRING, .flags = VITAL_PATHNAME, .help = "a file that holds the secret; its last newline does not count"),
    VITAL_OPT(struct source, env, STRING, .help = "an environment variable that holds the secret"),
    VITAL_OPT(struct source, credential, STRING, .help = "the name of a systemd credential (LoadCredential=)"),
    VITAL_OPT_END,
};

struct vital_secret *opt_new_secret(struct opt_scope *s, const char *value, size_t len)
{
    struct vital_secret *secret = arena_alloc(s->arena, sizeof *secret);
    secret_set(secret, value, len);
    if (s->secret_count == s->secret_room) {
        s->secret_room = s->secret_room ? s->secret_room * 2 : 4;
        s->secrets = mem_grow(s->secrets, s->secret_room * sizeof(struct vital_secret *));
    }
    s->secrets[s->secret_count++] = secret;
    return secret;
}

static const char *load(struct opt_scope *s, struct vital_secret *secret)
{
    if (secret->source != SECRET_ENV)
        return secret_load(secret, s->arena);
    const char *value = environ_get(s->env, secret->origin);
    if (!value)
        return arena_printf(s->arena, "environment variable %s is not set: it should hold the secret", secret->origin);
    secret_set(secret, value, strlen(value));
    return NULL;
}

static struct vital_secret *from_source(struct opt_scope *s, const struct vital_opt *row, const struct node *n)
{
    struct source from = { 0 };
    if (!opt_decode(s, n, row->name, opt_source_rows, &from))
        return NULL;
    const char *const origins[] = { [SECRET_ENV] = from.env, [SECRET_FILE] = from.file, [SECRET_CREDENTIAL] = from.credential };
    enum secret_source source = SECRET_LITERAL;
    unsigned given = 0;
    for (unsigned i = SECRET_ENV; i <= SECRET_CREDENTIAL; i++)
        if (origins[i]) {
            source = (enum secret_source)i;
            given++;
        }
    if (given != 1) {
        opt_fail(s, n, row, "must say where the secret comes from with exactly one of file, env, credential");
        return NULL;
    }
    struct vital_secret *secret = opt_new_secret(s, "", 0);
    secret->source = source;
    secret->origin = origins[source];
    const char *error = load(s, secret);
    if (error)
        opt_fail(s, n, row, "%s", error);
    return error ? NULL : secret;
}

struct vital_secret *opt_read_secret(struct opt_scope *s, const struct vital_opt *row, const struct node *n)
{
    if (n->kind == NODE_MAP)
        return from_source(s, row, n);
    const char *text = opt_text(s, row, n);
    return text ? opt_new_secret(s, text, n->len) : NULL;
}

bool opt_decode_secret(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const struct vital_secret *secret = opt_read_secret(s, row, n);
    if (secret)
        *(const struct vital_secret **)field = secret;
    return secret;
}

bool opt_decode_pairs(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    if (n->kind != NODE_MAP) {
        opt_fail(s, n, row, "expected a map of names and values, not %s", node_kind_text(n));
        return false;
    }
    struct vital_pair *pairs = arena_alloc(s->arena, (n->count + 1) * sizeof *pairs);
    uint32_t count = 0;
    bool good = true;
    MAP_EACH(e, n) {
        const struct vital_secret *value = opt_read_secret(s, row, e->value);
        good &= value != NULL;
        pairs[count++] = (struct vital_pair){ arena_copy(s->arena, e->key), value };
    }
    *(struct vital_list *)field = (struct vital_list){ pairs, count };
    return good;
}

/* ---- URLs --------------------------------------------------------------------------------------------------- */

static const struct scheme { const char *name, *port; bool tls; } schemes[] = {
    { "http", "80", false },          { "https", "443", true },     { "ws", "80", false },       { "wss", "443", true },
    { "redis", "6379", false },       { "rediss", "6379", true },   { "postgres", "5432", false }, { "postgresql", "5432", false },
    { "mysql", "3306", false },       { "mariadb", "3306", false }, { "smtp", "25", false },     { "smtps", "465", true },
    { "imap", "143", false },         { "imaps", "993", true },     { "pop3", "110", false },    { "pop3s", "995", true },
    { "ldap", "389", false },         { "ldaps", "636", true },     { "amqp", "5672", false },   { "amqps", "5671", true },
    { "mqtt", "1883", false },        { "mqtts", "8883", true },    { "grpcs", NULL, true },     { "tls", NULL, true },
    { "https+unix", NULL, true },
};

static const struct scheme *find_scheme(const char *name)
{
    for (size_t i = 0; name && i < sizeof schemes / sizeof *schemes; i++)
        if (!strcmp(schemes[i].name, name))
            return &schemes[i];
    return NULL;
}

static bool is_tls_scheme(const char *name)
{
    const struct scheme *known = find_scheme(name);
    return known && known->tls;
}

/* Query parameters whose value must not be shown. */
static bool is_sensitive(const char *name, size_t len)
{
    static const char *const words[] = { "pass", "pwd", "secret", "token", "key", "sig", "auth", "cred" };
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        for (size_t i = 0; i + strlen(words[w]) <= len; i++)
            if (!strncasecmp(name + i, words[w], strlen(words[w])))
                return true;
    return false;
}

/* Hidden values become known as secrets, for the scrub: the path holds them as well. s NULL: only print. */
static void print_query(struct opt_scope *s, const char *at, struct buf *out)
{
    for (char separator = '?'; *at; separator = '&') {
        size_t len = strcspn(at, "&"), name = strcspn(at, "=&");
        bool hide = name < len && is_sensitive(at, name);
        buf_char(out, separator);
        buf_add(out, at, hide ? name + 1 : len);
        if (hide) {
            buf_text(out, "***");
            if (s)
                opt_new_secret(s, at + name + 1, len - name - 1);
        }
        at += len + (at[len] == '&');
    }
}

void opt_redact_query(const char *query, struct buf *out)
{
    print_query(NULL, query, out);
}

static const char *printable(struct opt_scope *s, const struct url *u)
{
    struct buf out = BUF(8192);
    size_t plain = strcspn(u->path, "?");
    if (*u->unix_path)
        buf_printf(&out, "%s%s:%s", u->scheme, strstr(u->scheme, "unix") ? "" : *u->scheme ? "+unix" : "unix", u->unix_path);
    else
        buf_printf(&out, strchr(u->host, ':') ? "%s%s[%s]" : "%s%s%s", u->scheme, *u->scheme ? "://" : "", u->host);
    if (*u->port)
        buf_printf(&out, ":%s", u->port);
    buf_add(&out, u->path, plain);
    if (u->path[plain])
        print_query(s, u->path + plain + 1, &out);
    const char *text = arena_copy(s->arena, out.data);
    buf_free(&out);
    return text;
}

static const char *some(struct opt_scope *s, const char *text)
{
    return *text ? arena_copy(s->arena, text) : NULL;
}

static const struct vital_url *keep_url(struct opt_scope *s, const struct url *u, bool has_path)
{
    struct vital_url *out = arena_alloc(s->arena, sizeof *out);
    const struct scheme *known = find_scheme(u->scheme);
    out->scheme = known ? known->name : some(s, u->scheme);
    out->host = some(s, u->host);
    out->port = some(s, u->port);
    if (!out->port && !*u->unix_path && known)
        out->port = known->port;
    out->path = *u->path ? arena_printf(s->arena, "%s%s", *u->path == '/' ? "" : "/", u->path) : has_path ? "/" : NULL;
    out->user = u->has_user ? arena_copy(s->arena, u->user) : NULL;
    if (u->has_password)
        out->password = opt_new_secret(s, u->password, strlen(u->password));
    out->unix_path = some(s, u->unix_path);
    out->text = printable(s, u);
    return out;
}

bool opt_decode_url(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const struct vital_secret *from = n->kind == NODE_MAP ? from_source(s, row, n) : NULL;
    const char *text = from ? from->value : n->kind == NODE_MAP ? NULL : opt_text(s, row, n);
    if (!text)
        return false;
    struct url u = { 0 };
    const char *why = url_parse(text, from ? from->len : n->len, &u);
    if (why) { /* never shown: there may be a password in it */
        opt_fail(s, n, row, "not a URL: %s", why);
    } else {
        const struct vital_url *url = keep_url(s, &u, true);
        if (u.has_password && !from) /* libraries echo it as it was written, escapes and all */
            opt_new_secret(s, text, n->len);
        s->scheme = url->scheme;
        *(const struct vital_url **)field = url;
    }
    mem_wipe(&u, sizeof u);
    return !why;
}

bool opt_decode_address(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const char *text = opt_text(s, row, n), *why;
    struct url u = { 0 };
    if (!text)
        return false;
    why = url_parse_address(text, n->len, false, &u);
    if (why) {
        opt_fail(s, n, row, "%s: not an address: %s", opt_shown(s, n), why);
        return false;
    }
    *(const struct vital_url **)field = keep_url(s, &u, false);
    return true;
}

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

struct tls_row {
    const char *ca, *cert, *name;
    const struct vital_secret *key;
    uint8_t min_version;
    bool verify;
};
static const char *const version_words[] = { "1.0", "1.1", "1.2", "1.3", NULL };
static const unsigned versions[] = { 10, 11, 12, 13 };
const struct vital_opt opt_tls_rows[] = {
    VITAL_OPT(struct tls_row, ca, STRING, .flags = VITAL_PATHNAME, .help = "file or directory of CA certificates; default: the system's"),
    VITAL_OPT(struct tls_row, cert, STRING, .flags = VITAL_PATHNAME, .help = "client certificate chain (PEM file)"),
    VITAL_OPT(struct tls_row, key, SECRET, .help = "its private key (PEM), usually { file: PATH }"),
    VITAL_OPT(struct tls_row, name, STRING, .help = "name to send (SNI) and to verify; default: the host"),
    VITAL_OPT(struct tls_row, min_version, WORD, .def = "1.2", .words = version_words, .help = "oldest TLS version that is accepted"),
    VITAL_OPT(struct tls_row, verify, BOOL, .def = "true", .help = "false: a certificate problem is only recorded"),
    VITAL_OPT_END,
};

static bool build_tls(struct opt_scope *s, const struct vital_opt *row, const struct node *n, const struct tls_row *r, void *field)
{
    struct tls_settings settings = { .ca = r->ca, .cert = r->cert, .key = r->key, .name = r->name,
                                     .min_version = versions[r->min_version], .verify = r->verify };
    char *error = NULL;
    const struct vital_tls *tls = conf_hooks()->tls_build ? conf_hooks()->tls_build(&settings, &error) : NULL;
    if (!tls && conf_hooks()->tls_build)
        opt_fail(s, n, row, "%s", error ? error : "the TLS context cannot be built");
    bool good = tls || !conf_hooks()->tls_build;
    mem_free(error);
    *(const struct vital_tls **)field = tls;
    return good;
}

bool opt_decode_tls(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    struct tls_row r = { .min_version = 2, .verify = true };
    bool on = true;
    if (n->kind == NODE_MAP) {
        if (!opt_decode(s, n, row->name, opt_tls_rows, &r))
            return false;
        if (!r.cert != !r.key) {
            opt_fail(s, n, row, "a client certificate needs both `cert` and `key`");
            return false;
        }
    } else if (n->kind == NODE_SCALAR && !n->quoted && !strcmp(n->text, "auto")) {
        on = is_tls_scheme(s->scheme);
    } else if (n->kind != NODE_SCALAR || n->quoted || (strcmp(n->text, "true") != 0 && strcmp(n->text, "false") != 0)) {
        opt_fail(s, n, row, "expected true, false, auto (as the URL says), or a map with ca, cert, key, name, min_version, verify");
        return false;
    } else {
        on = !strcmp(n->text, "true");
    }
    return !on || build_tls(s, row, n, &r, field);
}
