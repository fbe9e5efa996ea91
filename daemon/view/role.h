/* Which part a database server plays, for load balancers that ask for the primary or for replicas: /primary, /replica?lag=. */
#ifndef VIEW_ROLE_H
#define VIEW_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/picture.h"

struct buf;

enum role_path { ROLE_PRIMARY, ROLE_READ_WRITE, ROLE_REPLICA, ROLE_READ_ONLY, ROLE_PATH_COUNT };

/* As last seen. An attempt that failed tells no role, and until failures settle the last one stands. */
struct role_seen { bool known, standby, read_only; };

enum role_lag { ROLE_LAG_ANY, ROLE_LAG_BYTES, ROLE_LAG_TIME };
struct role_ask {
    enum role_path path;
    enum role_lag lag;
    double most;                 /* bytes or seconds: a replica may be that far behind */
};

struct role_answer {
    bool yes;
    const char *role;            /* "primary", "replica", "unknown" */
    char why[128];               /* empty when yes */
    double lag_bytes, lag_seconds;       /* NaN: not known */
};

void role_see(struct role_seen *, const struct picture_probe *);     /* takes what its numbers tell */
void role_judge(const struct picture_probe *, const struct role_seen *, const struct role_ask *, struct role_answer *);
void role_text(struct buf *, const struct role_answer *);
void role_json(struct buf *, const struct role_answer *, const struct picture_probe *, uint64_t wall);

#endif
