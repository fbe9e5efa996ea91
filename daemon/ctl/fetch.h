/* A small HTTP/1.1 GET for health checks: one deadline for everything, capped answers, no TLS, no redirects. */
#ifndef CTL_FETCH_H
#define CTL_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct url;

enum fetch_level { FETCH_PASS, FETCH_WARN, FETCH_FAIL };

struct fetch {
    uint64_t deadline;
    size_t body_max;
    const char *accept;
    /* what came */
    unsigned status;            /* 0: no answer, and error says why */
    char type[64];              /* Content-Type without parameters, lower case */
    struct buf body;            /* body.over: cut */
    uint64_t took;
    char *error;
};

/* NULL or what is wrong (heap). TEXT may be http://host:port/path, host:port, :port, unix:/path, http+unix://..., or only
 * /path; what it does not say comes from VITALD_LISTEN, then 127.0.0.1:8686, and `path`. */
char *fetch_url(const char *text, const char *path, struct url *);
bool fetch_get(const struct url *, struct fetch *);
void fetch_free(struct fetch *);
/* What an answer means: 200 to 399 pass, anything else fail; and a health document ("status": "warn") knows better. */
enum fetch_level fetch_level(const struct fetch *);
/* http://host:port/path or unix:/path, for people. */
void fetch_name(const struct url *, char *room, size_t size);

#endif
