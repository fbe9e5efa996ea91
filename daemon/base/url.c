#include "base/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* ---- characters -------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What RFC 3986 lets stand in a path or query, '%' with its two digits included. */
static bool is_path_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"<>\\^`{|}", text[i]))
            return false;
        if (text[i] == '%' && (len - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0))
            return false;
    }
    return true;
}

bool url_decode(const char *text, size_t len, char *room, size_t size)
{
    size_t out = 0;
    if (!size)
        return false;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(text[i + 1]) : -1, low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (!c || out + 1 >= size)
            return false;
        room[out++] = (char)c;
    }
    room[out] = '\0';
    return true;
}

/* ---- pieces ------------------------------------------------------------------------------------------------ */

/* A part of the text that is being taken apart. */
struct part { const char *at; size_t len; };

static struct part part_until(struct part p, const char *stops)
{
    size_t n = 0;
    while (n < p.len && !(p.at[n] && strchr(stops, p.at[n])))
        n++;
    return (struct part){ p.at, n };
}

static struct part part_after(struct part p, size_t n)
{
    return (struct part){ p.at + n, p.len - n };
}

static bool part_starts(struct part p, const char *prefix)
{
    return p.len >= strlen(prefix) && !memcmp(p.at, prefix, strlen(prefix));
}

#define PORT_RANGE "the port must be a number from 1 to 65535"

/* 0 is for listening only; settle() refuses it elsewhere. */
static const char *take_port(struct part p, struct url *u)
{
    unsigned value = 0;
    if (!p.len || p.len > 5 || (p.at[0] == '0' && p.len > 1))
        return PORT_RANGE;
    for (size_t i = 0; i < p.len; i++) {
        if (!is_digit(p.at[i]))
            return PORT_RANGE;
        value = value * 10 + (unsigned)(p.at[i] - '0');
    }
    if (value > 65535)
        return PORT_RANGE;
    memcpy(u->port, p.at, p.len);
    return NULL;
}

static const char *take_unix_path(struct part p, struct url *u)
{
    if (!url_decode(p.at, p.len, u->unix_path, sizeof u->unix_path))
        return "the socket path is too long (107 bytes at most) or has a bad percent escape";
    return u->unix_path[0] == '/' ? NULL : "the socket path must be absolute";
}

/* Zone ids are written %eth0 or, as RFC 6874 wants it, %25eth0; the latter loses its 25. */
static const char *take_v6(struct part p, struct url *u)
{
    struct part address = part_until(p, "%"), zone = part_after(p, address.len);
    int family;
    if (part_starts(zone, "%25") && zone.len > 3)
        zone = part_after(zone, 2);
    if (address.len + zone.len >= sizeof u->host)
        return "the host is too long";
    for (size_t i = 0; i < address.len; i++)
        u->host[i] = to_lower(address.at[i]);
    memcpy(u->host + address.len, zone.at, zone.len);
    if (zone.len)
        u->host[address.len] = '%';
    return url_is_numeric(u->host, &family) && family == AF_INET6 ? NULL : "this is no IPv6 address";
}

/* The last label of a name decides whether it is one: 1.2.3, 256.1.1.1 and 0x7f.1 are addresses to some resolvers only. */
static bool looks_numeric(const char *host)
{
    const char *dot = strrchr(host, '.'), *label = dot ? dot + 1 : host;
    size_t len = strlen(label);
    if (!strncmp(label, "0x", 2))
        return strspn(label + 2, "0123456789abcdef") == len - 2;
    return len > 0 && strspn(label, "0123456789") == len;
}

static const char *check_name(const char *host)
{
    int family;
    size_t label = 0;
    for (const char *c = host; *c; c++) {
        label = *c == '.' ? 0 : label + 1;
        if ((*c == '.' && (c == host || c[-1] == '.')) || label > 63)
            return "the host has an empty or too long label";
    }
    if (looks_numeric(host) && !url_is_numeric(host, &family))
        return "the host looks like an IPv4 address but is none";
    return NULL;
}

static const char *take_name(struct part p, struct url *u)
{
    if (p.len >= sizeof u->host)
        return "the host is too long";
    for (size_t i = 0; i < p.len; i++) {
        if (p.at[i] == ',')
            return "several hosts in one address: write one probe for each";
        if ((unsigned char)p.at[i] >= 0x80)
            return "the host is not ASCII: write it in its xn-- form";
        if (!is_alnum(p.at[i]) && p.at[i] != '-' && p.at[i] != '.' && p.at[i] != '_')
            return "the host has a character that no host name has";
        u->host[i] = to_lower(p.at[i]);
    }
    return check_name(u->host);
}

static const char *take_host_port(struct part p, struct url *u)
{
    const char *error;
    struct part host;
    if (part_starts(p, "[")) {
        host = part_until(p, "]");
        if (host.len == p.len)
            return "']' is missing behind the IPv6 address";
        error = take_v6(part_after(host, 1), u);
        p = part_after(p, host.len + 1);
    } else {
        host = part_until(p, ":");
        bool is_socket = part_starts(host, "%2F") || part_starts(host, "%2f");
        error = is_socket ? take_unix_path(host, u) : take_name(host, u);
        p = part_after(p, host.len);
    }
    if (error || !p.len)
        return error;
    if (p.at[0] != ':')
        return "':' and a port, or nothing, is expected behind the IPv6 address";
    if (!host.len)
        return "there is a port but no host";
    p = part_after(p, 1);
    if (part_until(p, ":").len < p.len)
        return "more than one ':': an IPv6 address must stand in brackets";
    return take_port(p, u);
}

static const char *take_user(struct part p, struct url *u)
{
    struct part user = part_until(p, ":");
    u->has_user = true;
    if (!url_decode(user.at, user.len, u->user, sizeof u->user))
        return "the user is too long or has a bad percent escape";
    if (user.len == p.len)
        return NULL;
    u->has_password = true;
    struct part password = part_after(p, user.len + 1);
    if (!url_decode(password.at, password.len, u->password, sizeof u->password))
        return "the password is too long or has a bad percent escape ('%' itself is written %25)";
    return NULL;
}

static const char *take_path(struct part p, struct url *u)
{
    p = part_until(p, "#");
    size_t slash = p.len && p.at[0] != '/';
    if (!is_path_text(p.at, p.len))
        return "the path has a character that must be percent-encoded";
    if (slash + p.len >= sizeof u->path)
        return "the path is too long";
    u->path[0] = '/';
    memcpy(u->path + slash, p.at, p.len);
    u->path[slash + p.len] = '\0';
    return NULL;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

static const char *check_bytes(struct part p)
{
    for (size_t i = 0; i < p.len; i++)
        if ((unsigned char)p.at[i] <= ' ' || p.at[i] == 0x7f)
            return "there is a space or a control character in it";
    return p.len ? NULL : "it is empty";
}

static const char *take_scheme(struct part *p, struct url *u)
{
    struct part scheme = part_until(*p, ":/?#@");
    if (scheme.len == p->len || p->at[scheme.len] != ':' || !scheme.len || is_digit(scheme.at[0]))
        return "it does not begin with a scheme such as http://";
    if (scheme.len >= sizeof u->scheme)
        return "the scheme is too long";
    for (size_t i = 0; i < scheme.len; i++) {
        if (!is_alnum(scheme.at[i]) && (i == 0 || !strchr("+-.", scheme.at[i])))
            return "the scheme has a character that no scheme has";
        u->scheme[i] = to_lower(scheme.at[i]);
    }
    *p = part_after(*p, scheme.len + 1);
    return NULL;
}

/* unix:/path and unix:///path */
static const char *take_socket(struct part p, struct url *u)
{
    if (part_starts(p, "//"))
        p = part_after(p, 2);
    struct part socket = part_until(p, "?#");
    const char *error = take_unix_path(socket, u);
    return error ? error : take_path(part_after(p, socket.len), u);
}

static const char *take_authority(struct part p, struct url *u)
{
    struct part user = part_until(p, "@");
    const char *error = NULL;
    if (user.len < p.len) {
        error = take_user(user, u);
        p = part_after(p, user.len + 1);
    }
    if (part_until(p, "@").len < p.len)
        return "more than one '@': in a user or password it is written %40";
    return error ? error : take_host_port(p, u);
}

static const char *parse(struct part p, struct url *u)
{
    const char *error = check_bytes(p);
    if (!error)
        error = take_scheme(&p, u);
    if (error)
        return error;
    if (!strcmp(u->scheme, "unix"))
        return take_socket(p, u);
    if (!part_starts(p, "//"))
        return "'//' is expected behind the scheme";
    p = part_after(p, 2);
    struct part authority = part_until(p, "/?#");
    error = take_authority(authority, u);
    return error ? error : take_path(part_after(p, authority.len), u);
}

/* A refused URL leaves nothing behind that could be used, or shown, by mistake. */
static const char *settle(const char *error, bool to_listen, struct url *u)
{
    if (!error && !to_listen && !strcmp(u->port, "0"))
        error = PORT_RANGE;
    if (error)
        explicit_bzero(u, sizeof *u);
    return error;
}

const char *url_parse(const char *text, size_t len, struct url *u)
{
    *u = (struct url){ 0 };
    return settle(parse((struct part){ text, len }, u), false, u);
}

static const char *parse_address(struct part p, bool to_listen, struct url *u)
{
    const char *error = check_bytes(p);
    if (error)
        return error;
    if (part_starts(p, "unix:")) {
        memcpy(u->scheme, "unix", sizeof "unix");
        error = take_socket(part_after(p, 5), u);
        return error || !u->path[0] ? error : "nothing may follow the socket's path";
    }
    if (part_until(p, "/").len < p.len)
        return "there is a '/' in it: an address is host:port, [IPv6]:port or unix:/path";
    bool digits = part_until(p, "0123456789").len == 0 && part_until(p, ":.-_").len == p.len;
    if (to_listen && p.at[0] == ':')
        return take_port(part_after(p, 1), u);
    if (to_listen && digits)
        return take_port(p, u);
    return take_host_port(p, u);
}

const char *url_parse_address(const char *text, size_t len, bool to_listen, struct url *u)
{
    *u = (struct url){ 0 };
    return settle(parse_address((struct part){ text, len }, to_listen, u), to_listen, u);
}

static bool is_zone(const char *zone)
{
    size_t len = strlen(zone);
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(zone[i]) && !strchr("-._", zone[i]))
            return false;
    return len > 0 && len <= 15;
}

bool url_is_numeric(const char *host, int *family)
{
    char text[INET6_ADDRSTRLEN], bytes[16];
    size_t len = strcspn(host, "%");
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    *family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (host[len] && (*family != AF_INET6 || !is_zone(host + len + 1)))
        return false;
    return inet_pton(*family, text, bytes) == 1;
}

bool url_query_nth(const char *query, size_t len, const char *name, unsigned nth, char *room, size_t size)
{
    struct part rest = { query, len };
    size_t name_len = strlen(name);
    while (rest.len) {
        struct part pair = part_until(rest, "&"), key = part_until(pair, "=");
        rest = part_after(rest, pair.len < rest.len ? pair.len + 1 : pair.len);
        if (key.len != name_len || memcmp(key.at, name, name_len) != 0 || nth-- > 0)
            continue;
        struct part value = part_after(pair, key.len < pair.len ? key.len + 1 : key.len);
        return url_decode(value.at, value.len, room, size);
    }
    return false;
}

bool url_query(const char *query, size_t len, const char *name, char *room, size_t size)
{
    return url_query_nth(query, len, name, 0, room, size);
}
