/* One client of the control socket: its bytes, its request, its task. Private to control*.c.
 *
 * A request is answered at once, or becomes a task: one that renders chunk by chunk as the socket drains, or waits for
 * something. Tasks are stepped once a turn, after core has published; there is one per client at most. */
#ifndef FRONT_CONTROL_CLIENT_H
#define FRONT_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/ctlproto.h"
#include "base/json.h"
#include "base/list.h"
#include "base/timer.h"
#include "front/control.h"
#include "io/loop.h"
#include "view/view.h"

enum {
    CLIENT_MAX = 32, CLIENT_PRIVILEGED = 8,      /* the last ones are kept for those who may change things */
    CLIENT_OUT_MAX = 8 * 1024 * 1024,            /* one chunk of a view, escaped, at its worst */
    CLIENT_OUT_FULL = 64 * 1024,                 /* above it, nothing that can wait is added */
    CLIENT_IDLE_S = 60, CLIENT_STUCK_S = 30,
};

struct control_client;

struct control_task {
    bool (*step)(struct control_client *);       /* false: the task is over, its last line is written */
    void (*end)(struct control_client *);        /* frees c->state's contents; NULL = nothing to do but freeing it */
    bool endless;                                /* pointless when the client has stopped sending: ends with it */
};

struct control_client {
    struct loop_dead dead;
    struct list link;
    struct loop_fd watch;
    int fd;
    uint64_t serial;                             /* names it where a pointer could outlive it */
    uid_t uid;
    pid_t pid;
    struct buf in, out;
    size_t sent;                                 /* of out */
    bool eof, closing;
    int64_t request;                             /* its id */
    const struct control_task *task;
    void *state;                                 /* the task's, heap */
    struct timer patience;                       /* idle, or stuck */
    struct timer wake;                           /* the task's: makes the loop turn at that moment */
};

/* ---- control_client.c ---- */
void client_open(int fd);                        /* takes the descriptor over */
void client_publish(void);                       /* all of them */
void client_close_all(void);
struct control_client *client_find(uint64_t serial);
struct ucred;
bool peer_may_change(const struct ucred *, int fd);      /* fd: its connection, whose other groups count too; -1 = none */
void client_trust_own_user(bool yes);         /* at first it is */
bool client_may_change(const struct control_client *);

void client_ok(struct control_client *, const char *text);
void client_error(struct control_client *, enum ctl_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void client_event(struct control_client *, const char *event, const char *text);
bool client_is_full(const struct control_client *);
/* Starts a task; state: heap, taken over. It is stepped in this very turn. */
void client_begin(struct control_client *, const struct control_task *, void *state);
void client_wake_at(struct control_client *, uint64_t when);

/* ---- control_verbs.c ---- */
void control_request(struct control_client *, const char *line, size_t len);

/* ---- control_task.c: verbs that take longer than a call ---- */
void task_render(struct control_client *, const struct picture *, view_fn *, bool colour);      /* takes the picture over */
void task_wait(struct control_client *, const char *group, bool until_fail, uint64_t hold, uint64_t timeout);
void task_run(struct control_client *, const char *probe);
void task_events(struct control_client *, uint64_t cursor, bool follow, bool json);
void task_reload(struct control_client *);
void task_notify(struct control_client *, const char *receiver);      /* a test message, and what becomes of it */

/* ---- control_group.c ---- */
void group_watch(const char *name);              /* resolves a system group's name, off the loop; NULL = none */
void group_watch_now(const char *name);          /* at boot, when there is no loop to hold */
bool group_is_member(int fd, gid_t primary);     /* the peer of this socket */

/* ---- control_beat.c ---- */
void beat_open(const char *control);             /* a problem is a warning */
void beat_close(void);

/* ---- control.c ---- */
extern struct control_stats control_counts;
extern const struct control_hooks *control_calls;
/* A private unix socket, bound with these permissions; stale ones are replaced. -1 with *error (heap); *busy: somebody lives there. */
int control_bind(const char *path, int type, char **error, bool *busy);
void control_unlink(const char *path);          /* if it is still the one we made */

#endif
