/* Addresses and URLs, taken apart strictly. The parts are separate strings, so that a password never stands inside
 * something printable. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url {
    char scheme[32];        /* lower case, as written: "jdbc:" and "postgresql+driver" are the caller's business */
    char user[256], password[1024];   /* percent-decoded; wipe the struct when done */
    bool has_user, has_password;
    char host[256];         /* lower case, without brackets, IDN not translated; zone id allowed in v6. "" where the URL
                               has none (postgres:///db) and for Unix sockets: the caller decides whether that will do */
    char port[6];           /* "" = not given; 1..65535, no leading zeros */
    char path[4096];        /* as written, from '/' (added before a bare query), query included, fragment dropped; "" = none */
    char unix_path[108];    /* unix:/path, unix:///path, http+unix://%2Frun%2Fx.sock/path, postgres://%2Fvar%2Frun/db */
};

/* NULL, or what is wrong; never with a part of the text in it. */
const char *url_parse(const char *text, size_t len, struct url *);
/* host:port, [v6]:port, host, unix:/path, and `to_listen` also :port, port, and port 0 (the system picks one). */
const char *url_parse_address(const char *text, size_t len, bool to_listen, struct url *);
/* Percent-decodes into room; false on bad escapes, NUL, or when it does not fit. '+' stays '+'. */
bool url_decode(const char *text, size_t len, char *room, size_t size);
bool url_is_numeric(const char *host, int *family);     /* AF_INET / AF_INET6; zone ids allowed */
/* The first query parameter of that name, decoded; "" when it has no value. False when absent or too long. query: without
 * '?'. url_query_nth() also finds the later ones of the same name, from 0. */
bool url_query(const char *query, size_t len, const char *name, char *room, size_t size);
bool url_query_nth(const char *query, size_t len, const char *name, unsigned nth, char *room, size_t size);

#endif
