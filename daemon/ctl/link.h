/* A conversation over the control socket: connect, greeting, one request, lines until the last. Every wait has a deadline. */
#ifndef CTL_LINK_H
#define CTL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctlproto.h"
#include "base/json.h"

struct args;

struct link {
    int fd;                       /* -1 = not connected */
    struct buf in;
    size_t used;                  /* bytes of `in` that belong to lines already handed out */
    char path[CTL_PATH_MAX];
    char version[64];             /* the daemon's */
    bool hopeless;                /* trying again will not help: permission, another protocol */
    char *error;                  /* of the last thing that went wrong; what, where, why, what to do */
};

struct request {
    struct buf line;
    struct json json;
};

struct reply {
    bool last;                    /* ok and code count */
    bool ok;
    enum ctl_code code;
    char *event;                  /* of lines that are not the last; else NULL */
    char *text;                   /* text or error, never NULL */
};

void request_open(struct request *, enum ctl_verb);
/* Between these: json_text(&r->json, "name", ...) and so on are the arguments. */
void request_close(struct request *);
void request_free(struct request *);

/* All false with link->error set. */
bool link_open(struct link *, const struct args *, uint64_t deadline);
bool link_send(struct link *, const struct request *, uint64_t deadline);
bool link_read(struct link *, struct reply *, uint64_t deadline);
void reply_free(struct reply *);
void link_close(struct link *);

/* The whole of it for most commands: asks, prints events and the last text, returns the exit code. */
typedef void link_event_fn(const struct reply *);
int link_ask(const struct args *, struct request *, uint64_t patience, bool colour, link_event_fn *);
int link_exit(enum ctl_code);

enum { LINK_PATIENCE_S = 5 };     /* answers come from memory: a daemon that takes longer hangs */

#endif
