#include "postgres_text.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- words and hosts ---------------------------------------------------------------------------------------- */

const char *const pg_sslmode_words[] = { "auto", "disable", "require", "verify-ca", "verify-full", NULL };

enum pg_sslmode pg_sslmode_of(const char *word)
{
    if (!strcmp(word, "prefer") || !strcmp(word, "allow"))
        return PG_SSL_REFUSED;
    for (unsigned i = 0; pg_sslmode_words[i]; i++)
        if (!strcmp(word, pg_sslmode_words[i]))
            return (enum pg_sslmode)i;
    return PG_SSL_UNKNOWN;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    long port = digits && digits <= 5 && !text[digits] ? strtol(text, NULL, 10) : 0;
    return port > 0 && port <= 65535;
}

void pg_host_of_socket(const char *path, const char *default_port, struct pg_host *h)
{
    const char *name = strrchr(path, '/'), *port = name && !strncmp(name, "/.s.PGSQL.", 10) ? name + 10 : NULL;
    bool whole = port && is_port(port);
    snprintf(h->host, sizeof h->host, "%.*s", whole && name > path ? (int)(name - path) : 107, path);
    snprintf(h->port, sizeof h->port, "%s", whole ? port : default_port);
}

bool pg_host_is_local(const struct pg_host *h)
{
    return h->host[0] == '/';
}

const char *pg_host_parse(const char *text, const char *default_port, struct pg_host *h)
{
    if (*text == '/') {
        pg_host_of_socket(text, default_port, h);
        return strlen(text) > 100 ? "the socket's path is too long" : NULL;
    }
    const char *from = text, *end = text + strlen(text), *port = default_port;
    if (*text == '[') {
        from = text + 1;
        end = strchr(from, ']');
        if (!end || (end[1] && end[1] != ':'))
            return "an IPv6 address is written [address] or [address]:port";
        port = end[1] ? end + 2 : port;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        end = strchr(text, ':');
        port = end + 1;
    }
    if (end == from)
        return "there is no host in it";
    if ((size_t)(end - from) >= sizeof h->host || strcspn(from, "/@, ") < (size_t)(end - from))
        return "expected host, host:port, [v6]:port or a socket's directory";
    if (!is_port(port))
        return "the port is not a number from 1 to 65535";
    snprintf(h->host, sizeof h->host, "%.*s", (int)(end - from), from);
    snprintf(h->port, sizeof h->port, "%s", port);
    return NULL;
}

/* ---- URLs --------------------------------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool decode(const char *at, size_t len, char *room, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++, used++) {
        int high = at[i] == '%' && i + 2 < len ? hex(at[i + 1]) : -1, low = high >= 0 ? hex(at[i + 2]) : -1;
        if (used + 1 >= size || (at[i] == '%' && low < 0) || (low >= 0 && !(high * 16 + low)))
            return false;
        room[used] = low >= 0 ? (char)(high * 16 + low) : at[i];
        i += low >= 0 ? 2 : 0;
    }
    room[used] = '\0';
    return true;
}

bool pg_url_database(const char *path, char *room, size_t size)
{
    size_t len = path ? strcspn(path, "?") : 0;
    return len > 1 && decode(path + 1, len - 1, room, size);
}

bool pg_url_value(const char *path, const char *name, char *room, size_t size)
{
    const char *at = path ? strchr(path, '?') : NULL;
    while (at && *at) {
        at++;
        size_t len = strcspn(at, "&"), key = strcspn(at, "=&");
        if (key == strlen(name) && !strncmp(at, name, key) && at[key] == '=')
            return decode(at + key + 1, len - key - 1, room, size);
        at += len;
    }
    return false;
}

/* ---- password files ----------------------------------------------------------------------------------------- */

/* Takes one field off the line, "\:" and "\\" resolved, and tells whether it fits. Returns behind its colon. */
static const char *take_field(const char *at, const char *end, const char *wanted, bool *fits)
{
    char field[256];
    size_t used = 0;
    bool any = at < end && *at == '*' && (at + 1 == end || at[1] == ':');
    for (; at < end && *at != ':'; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        if (used + 1 < sizeof field)
            field[used++] = *at;
    }
    field[used] = '\0';
    *fits &= at < end && (any || !strcmp(field, wanted));
    return at < end ? at + 1 : at;
}

static bool take_password(const char *at, const char *end, char *room, size_t size)
{
    size_t used = 0;
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        if (used + 1 >= size)
            return false;
        room[used++] = *at;
    }
    room[used] = '\0';
    return used > 0;
}

bool pg_passfile_find(const char *text, size_t len, const char *const wanted[4], char *room, size_t size)
{
    for (const char *line = text, *last = text + len; line < last;) {
        const char *newline = memchr(line, '\n', (size_t)(last - line)), *end = newline ? newline : last, *at = line;
        bool fits = true; /* a comment names no host */
        line = end + 1;
        if (end > at && end[-1] == '\r')
            end--;
        for (unsigned i = 0; i < 4; i++)
            at = take_field(at, end, wanted[i], &fits);
        if (fits && take_password(at, end, room, size))
            return true;
    }
    return false;
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

const char *pg_shown(const char *bytes, size_t len, size_t most, char *room, size_t size)
{
    size_t used = 0, i = 0;
    for (; i < len && i < most && used + 8 < size && bytes[i] != '\n'; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= ' ' && c < 0x7f)
            room[used++] = bytes[i];
        else
            used += (size_t)snprintf(room + used, size - used, c == '\t' || c == '\r' ? " " : "\\x%02x", c);
    }
    snprintf(room + used, size - used, "%s", i < len && bytes[i] != '\n' ? "..." : "");
    return room;
}

struct meaning { const char *says; enum vital_reason reason; };

/* What PgBouncer says under one SQLSTATE for everything, 08P01. */
static const struct meaning pooler_words[] = {
    { "no such database", VITAL_R_NO_DATABASE },     { "does not exist", VITAL_R_NO_DATABASE },       { "no such user", VITAL_R_AUTH },
    { "password authentication", VITAL_R_AUTH },     { "authentication failed", VITAL_R_AUTH },       { "no more connections", VITAL_R_TOO_MANY_CLIENTS },
    { "too many", VITAL_R_TOO_MANY_CLIENTS },        { "query_wait_timeout", VITAL_R_BUSY },          { "query_timeout", VITAL_R_TIMEOUT },
    { "shutting down", VITAL_R_STOPPING },           { "is paused", VITAL_R_BUSY },                   { "database is disabled", VITAL_R_NO_DATABASE },
    { "unsupported startup parameter", VITAL_R_CONFIG }, { "server login", VITAL_R_UNREACHABLE },     { "server down", VITAL_R_UNREACHABLE },
    { "cannot connect", VITAL_R_UNREACHABLE },       { "server conn", VITAL_R_UNREACHABLE },
};

/* By the SQLSTATE's beginning; the first that fits. */
static const struct meaning states[] = {
    { "57P03", VITAL_R_STARTING },         { "57P01", VITAL_R_STOPPING },  { "57P02", VITAL_R_STOPPING }, { "57P05", VITAL_R_CLOSED },
    { "57014", VITAL_R_TIMEOUT },          { "53300", VITAL_R_TOO_MANY_CLIENTS }, { "53100", VITAL_R_FULL },  { "53200", VITAL_R_MEMORY },
    { "53", VITAL_R_BUSY },                { "28", VITAL_R_AUTH },         { "3D000", VITAL_R_NO_DATABASE }, { "42501", VITAL_R_PERMISSION },
    { "25006", VITAL_R_READ_ONLY },        { "25P03", VITAL_R_CLOSED },    { "58030", VITAL_R_IO_ERROR },   { "08P01", VITAL_R_BAD_REPLY },
    { "08", VITAL_R_CLOSED },
};

/* What libpq says where no server has said anything. */
static const struct meaning library_words[] = {
    { "Connection refused", VITAL_R_REFUSED },       { "No such file or directory", VITAL_R_REFUSED }, { "No route to host", VITAL_R_UNREACHABLE },
    { "Network is unreachable", VITAL_R_UNREACHABLE }, { "Connection timed out", VITAL_R_TIMEOUT },    { "reset by peer", VITAL_R_RESET },
    { "Too many open files", VITAL_R_NO_FDS },       { "closed the connection unexpectedly", VITAL_R_CLOSED }, { "Broken pipe", VITAL_R_CLOSED },
    { "EOF detected", VITAL_R_CLOSED },              { "no password supplied", VITAL_R_AUTH },         { "authentication method", VITAL_R_AUTH },
    { "SCRAM", VITAL_R_AUTH },                       { "certificate file", VITAL_R_CONFIG },           { "private key file", VITAL_R_CONFIG },
    { "invalid response to SSL", VITAL_R_BAD_REPLY }, { "expected authentication request", VITAL_R_BAD_REPLY },
    { "does not support SSL", VITAL_R_TLS },         { "SSL", VITAL_R_TLS },                           { "Permission denied", VITAL_R_PERMISSION },
    { "Resource temporarily unavailable", VITAL_R_BUSY },
};

static enum vital_reason by_words(const struct meaning *table, size_t count, const char *text, enum vital_reason other)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(text, table[i].says))
            return table[i].reason;
    return other;
}
#define BY_WORDS(table, text, other) by_words(table, sizeof(table) / sizeof *(table), text, other)

static enum vital_reason by_state(const char *state, const char *text, bool pooler)
{
    if (pooler && !strncmp(state, "08", 2))
        return BY_WORDS(pooler_words, text, VITAL_R_UNREACHABLE);
    if (!strcmp(state, "57P03") && strstr(text, "shutting down"))
        return VITAL_R_STOPPING;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (!strncmp(state, states[i].says, strlen(states[i].says)))
            return states[i].reason;
    return VITAL_R_QUERY;
}

void pg_error_of_state(const char *state, const char *text, bool pooler, struct pg_error *e)
{
    char shown[200];
    *e = (struct pg_error){ .reason = by_state(state, text, pooler) };
    snprintf(e->state, sizeof e->state, "%s", state);
    snprintf(e->text, sizeof e->text, "%s (%s)", pg_shown(text, strlen(text), 150, shown, sizeof shown), e->state);
}

/* "FATAL:  57P03: the database system is starting up": the word before is in the server's language, so it is not looked at. */
static const char *find_state(const char *message, char state[6])
{
    for (const char *at = message; (at = strstr(at, ":  ")); at++) {
        size_t len = strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (len == 5 && at[8] == ':' && at[9] == ' ') {
            snprintf(state, 6, "%.5s", at + 3);
            return at + 10;
        }
    }
    return NULL;
}

void pg_error_read(const char *message, bool pooler, struct pg_error *e)
{
    char state[6], first[256], shown[200];
    const char *text = find_state(message, state);
    if (text) {
        snprintf(first, sizeof first, "%.*s", (int)strcspn(text, "\n"), text);
        pg_error_of_state(state, first, pooler, e);
        return;
    }
    *e = (struct pg_error){ .reason = BY_WORDS(library_words, message, VITAL_R_BAD_REPLY) };
    e->internal = e->reason == VITAL_R_NO_FDS;
    const char *failed = strstr(message, " failed: ");      /* behind "connection to server at ..., port ..." */
    text = failed ? failed + 9 : message;
    if (e->reason == VITAL_R_CLOSED)
        snprintf(e->text, sizeof e->text, "the server closed the connection without an answer");
    else
        snprintf(e->text, sizeof e->text, "%s", pg_shown(text, strlen(text), 150, shown, sizeof shown));
}

bool pg_says_no_tls(const char *message)
{
    return strstr(message, "does not support SSL") != NULL;
}
