/* What applications call their stores: URLs with drivers in their scheme, JDBC, data source names. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/url.h"
#include "config/env.h"

/* Other names of our types; ports tell a store that has no other name. */
static const struct { const char *word, *type; } type_words[] = {
    { "postgres", "postgres" }, { "postgresql", "postgres" }, { "pgsql", "postgres" }, { "pg", "postgres" },   { "psql", "postgres" },
    { "mysql", "mysql" },       { "mysql2", "mysql" },        { "mariadb", "mysql" },  { "redis", "redis" },   { "rediss", "redis" },
    { "valkey", "redis" },      { "valkeys", "redis" },
};
static const struct { const char *type, *port; } type_ports[] = { { "postgres", "5432" }, { "mysql", "3306" }, { "redis", "6379" } };

static const char *find_type(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof type_words / sizeof *type_words; i++)
        if (strlen(type_words[i].word) == len && !strncasecmp(type_words[i].word, word, len))
            return type_words[i].type;
    return NULL;
}

/* A driver may follow a '+'; for Redis that is another protocol (redis+sentinel://), which we do not speak here. */
const char *env_type_of(const char *word)
{
    const char *type = find_type(word, strcspn(word, "+"));
    return type && word[strcspn(word, "+")] && !strcmp(type, "redis") ? NULL : type;
}

bool env_is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return *text != '0' && digits && digits <= 5 && !text[digits] && strtol(text, NULL, 10) <= 65535;
}

const char *env_type_of_port(const char *port)
{
    for (size_t i = 0; i < sizeof type_ports / sizeof *type_ports; i++)
        if (!strcmp(type_ports[i].port, port))
            return type_ports[i].type;
    return NULL;
}

const char *env_port_of(const struct env_store *s)
{
    if (s->port)
        return s->port;
    for (size_t i = 0; i < sizeof type_ports / sizeof *type_ports; i++)
        if (s->type && !strcmp(type_ports[i].type, s->type))
            return type_ports[i].port;
    return "";
}

static bool malformed(struct env_reader *r, const char *variable, const char *why)
{
    diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "its value cannot be understood: %s (the value is not shown, it may hold a password)", why);
    return false;
}

static const char *some(struct env_reader *r, const char *text)
{
    return *text ? arena_copy(r->arena, text) : NULL;
}

static bool is_taken(const char *pair, const struct env_store *s)
{
    size_t name = strcspn(pair, "=&");
    return (name == 4 && !strncmp(pair, "user", 4)) || (name == 8 && !strncmp(pair, "password", 8)) || (s->socket && name == 4 && !strncmp(pair, "host", 4));
}

/* JDBC and libpq carry user and password in the query, libpq its socket's directory too; the rest of it is kept. */
static void take_query(struct env_reader *r, const char *query, struct env_store *s)
{
    char room[1024];
    size_t len = strlen(query);
    struct buf rest = BUF(4096);
    if (!s->user && url_query(query, len, "user", room, sizeof room))
        s->user = some(r, room);
    if (!s->password && url_query(query, len, "password", room, sizeof room))
        s->password = some(r, room);
    if (!s->host && !s->socket && url_query(query, len, "host", room, sizeof room) && *room == '/')
        s->socket = some(r, room);
    mem_wipe(room, sizeof room);
    for (const char *at = query; *at;) {
        size_t n = strcspn(at, "&");
        if (n && !is_taken(at, s)) {
            buf_text(&rest, rest.len ? "&" : "");
            buf_add(&rest, at, n);
        }
        at += n + (at[n] == '&');
    }
    s->query = rest.len ? arena_copy(r->arena, rest.data) : NULL;
    buf_free(&rest);
}

static void take_url(struct env_reader *r, const struct url *u, struct env_store *s)
{
    char name[1024];
    size_t path = strcspn(u->path, "?");
    const char *from = u->path + (*u->path == '/');
    s->host = some(r, u->host);
    s->port = some(r, u->port);
    s->socket = some(r, u->unix_path);
    s->user = some(r, u->user);
    s->password = some(r, u->password);
    if (path > 1 && url_decode(from, path - (size_t)(from - u->path), name, sizeof name))
        s->database = some(r, name);
    if (u->path[path])
        take_query(r, u->path + path + 1, s);
}

bool env_read_url(struct env_reader *r, const char *variable, const char *text, const char *family_type, struct env_store *s)
{
    struct url u;
    const char *at = !strncasecmp(text, "jdbc:", 5) ? text + 5 : text;
    const char *why = url_parse(at, strlen(at), &u);
    if (why)
        return malformed(r, variable, why);
    bool is_socket = !strcmp(u.scheme, "unix");
    s->type = is_socket ? family_type : env_type_of(u.scheme);
    s->tls = !strcmp(u.scheme, "rediss") || !strcmp(u.scheme, "valkeys");
    take_url(r, &u, s);
    if (s->query && s->type && !strcmp(s->type, "redis")) {     /* ?ssl_cert_reqs= of Celery: each client has words of its own */
        diag_add(r->diag, DIAG_WARNING, env_place(r, variable), "what follows the ? is for the application's client: it is not used");
        s->query = NULL;
    }
    bool good = true;
    if (!s->type)
        diag_add(r->diag, DIAG_WARNING, env_place(r, variable), "announces a store with the scheme `%s`, for which there is no probe: it is not checked",
                 u.scheme);
    else if (family_type && strcmp(s->type, family_type) != 0)
        good = false;
    else if (!s->host && !s->socket)
        good = malformed(r, variable, "there is no host in it");
    if (s->type && family_type && strcmp(s->type, family_type) != 0)
        diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "the variable says %s, but its scheme says %s: they contradict each other", family_type,
                 s->type);
    mem_wipe(&u, sizeof u);
    return good;
}

/* ---- data source names --------------------------------------------------------------------------------------- */

static void take_word(struct env_reader *r, const char *key, size_t key_len, const char *value, size_t len, struct env_store *s)
{
    static const struct { const char *key; size_t field; } keys[] = {
        { "host", offsetof(struct env_store, host) },       { "hostaddr", offsetof(struct env_store, host) },
        { "port", offsetof(struct env_store, port) },       { "dbname", offsetof(struct env_store, database) },
        { "database", offsetof(struct env_store, database) }, { "user", offsetof(struct env_store, user) },
        { "username", offsetof(struct env_store, user) },   { "password", offsetof(struct env_store, password) },
        { "unix_socket", offsetof(struct env_store, socket) },
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strlen(keys[i].key) == key_len && !strncasecmp(keys[i].key, key, key_len))
            *(const char **)(void *)((char *)s + keys[i].field) = arena_copy_n(r->arena, value, len);
}

/* "host=db port=5432 password='a b'" of libpq, "mysql:host=db;port=3306" of PDO. */
static bool read_words(struct env_reader *r, const char *variable, const char *at, char separator, struct env_store *s)
{
    const char stop[] = { separator, '\0' };
    while (*(at += strspn(at, " ;"))) {
        size_t key = strcspn(at, "= ;");
        if (!key || at[key] != '=')
            return malformed(r, variable, "expected a URL, or key=value words");
        const char *value = at + key + 1;
        bool quoted = separator == ' ' && *value == '\'';
        size_t len = quoted ? strcspn(value + 1, "'") : strcspn(value, stop);
        if (quoted && value[1 + len] != '\'')
            return malformed(r, variable, "a quote is never closed");
        take_word(r, at, key, value + quoted, len, s);
        at = value + len + (quoted ? 2 : 0);
    }
    return true;
}

/* "user:password@tcp(host:3306)/name" of the MySQL driver for Go. */
static bool read_go(struct env_reader *r, const char *variable, const char *text, struct env_store *s)
{
    const char *open = strchr(text, '('), *close = open ? strchr(open, ')') : NULL, *sign = open ? memrchr(text, '@', (size_t)(open - text)) : NULL;
    if (!close || close[1] != '/')
        return malformed(r, variable, "expected a URL, key=value words, or user:password@tcp(host:port)/name");
    size_t user = sign ? strcspn(text, ":@") : 0;
    if (user)
        s->user = arena_copy_n(r->arena, text, user);
    if (sign && text + user < sign)
        s->password = arena_copy_n(r->arena, text + user + 1, (size_t)(sign - text) - user - 1);
    s->database = arena_copy_n(r->arena, close + 2, strcspn(close + 2, "?"));
    s->type = "mysql";
    return env_read_host(r, variable, arena_copy_n(r->arena, open + 1, (size_t)(close - open) - 1), s);
}

static bool check_dsn(struct env_reader *r, const char *variable, const char *family_type, struct env_store *s)
{
    if (!s->type)
        s->type = family_type ? family_type : "postgres";
    if (family_type && strcmp(family_type, s->type) != 0) {
        diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "the variable says %s, but its value is for %s: they contradict each other", family_type, s->type);
        return false;
    }
    if (s->host && *s->host == '/') {
        s->socket = s->host;
        s->host = NULL;
    }
    if (s->port && !env_is_port(s->port))
        return malformed(r, variable, "its port is no number from 1 to 65535");
    if (s->socket && *s->socket != '/')
        return malformed(r, variable, "its socket is no absolute path");
    const char *host = s->host;     /* words are taken as they stand: only now it shows whether it is one */
    s->host = NULL;
    return host ? env_read_host(r, variable, host, s) : s->socket || malformed(r, variable, "there is no host in it");
}

bool env_read_dsn(struct env_reader *r, const char *variable, const char *text, const char *family_type, struct env_store *s)
{
    size_t word = strcspn(text, ":= (");
    if (strstr(text, "://"))
        return env_read_url(r, variable, text, family_type, s);
    bool pdo = text[word] == ':' && find_type(text, word);
    if (pdo)
        s->type = find_type(text, word);
    bool good = pdo                            ? read_words(r, variable, text + word + 1, ';', s)
                : strchr(text, '(') && !strchr(text, '=') ? read_go(r, variable, text, s)
                : strstr(text, "@tcp(") || strstr(text, "@unix(") ? read_go(r, variable, text, s)
                                               : read_words(r, variable, text, ' ', s);
    return good && check_dsn(r, variable, family_type, s);
}

bool env_read_host(struct env_reader *r, const char *variable, const char *text, struct env_store *s)
{
    struct url u;
    int family;
    if (*text == '/') {
        s->socket = text;
        return true;
    }
    if (url_is_numeric(text, &family)) {    /* an IPv6 address without brackets too: the port has a variable of its own */
        s->host = text;
        return true;
    }
    const char *why = url_parse_address(text, strlen(text), false, &u);
    if (why)
        return malformed(r, variable, why);
    s->host = some(r, u.host);
    s->socket = some(r, u.unix_path);
    if (*u.port)
        s->port = some(r, u.port);
    return true;
}

/* ---- back to text --------------------------------------------------------------------------------------------- */

static void escape(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (strchr("-._~", *text) || (*text >= '0' && *text <= '9') || ((*text | 32) >= 'a' && (*text | 32) <= 'z'))
            buf_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

const char *env_url_text(struct arena *a, const struct env_store *s)
{
    struct buf out = BUF(16384);
    buf_printf(&out, "%s://", s->tls ? "rediss" : s->type);
    if (s->user && !s->user_variable) {
        escape(&out, s->user);
        buf_char(&out, '@');
    }
    if (s->socket)
        escape(&out, s->socket);
    else
        buf_printf(&out, strchr(s->host, ':') ? "[%s]" : "%s", s->host);
    if (s->port)
        buf_printf(&out, ":%s", s->port);
    buf_char(&out, '/');
    if (s->database && !s->database_variable)
        escape(&out, s->database);
    if (s->query)
        buf_printf(&out, "?%s", s->query);
    const char *text = arena_copy(a, out.data);
    buf_free(&out);
    return text;
}
