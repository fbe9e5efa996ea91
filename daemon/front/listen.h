/* Listening sockets: names and addresses of the configuration, opened, kept over a reload when the address is equal, or
 * taken over from systemd. What comes in through them is the server's.
 *
 * A reload is all or nothing: listen_prepare() opens what is new and reports what cannot be opened, and only then
 * listen_commit() swaps. The two stand apart so that nothing is lost when the configuration is refused. */
#ifndef FRONT_LISTEN_H
#define FRONT_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "io/loop.h"

struct access;
struct conf;
struct diag;
struct renewal;
struct vital_tls;

enum { LISTEN_BACKLOG = 1024, LISTEN_CONNECTIONS = 1024 /* when max_connections is 0 */ };

struct listener {
    struct list link;             /* in listen_all() */
    struct loop_fd in;
    char *name, *address;         /* address as it was configured, printable */
    char *unix_path;              /* NULL = TCP */
    dev_t device; ino_t inode;    /* of the socket file that we made, so that nobody else's is removed */
    bool inherited;
    unsigned serve;               /* SERVE_ bits */
    uint16_t mode;
    uint32_t max_connections, max_per_source;
    uint32_t connections;         /* the server's count */
    uint32_t followers;           /* of them, those that follow /events */
    uint64_t accepted, refused, evicted;
    bool watched;                 /* the server accepts from it */
    bool paused;                  /* out of descriptors: accepts again in a moment */
    bool closed;                  /* gone by a reload: its connections end with their next answer */
    const struct vital_tls *tls;  /* NULL: plain */
    struct access *access;        /* never NULL */
    struct renewal *renewal;      /* its files are looked at; NULL: there are none */
    unsigned generation;          /* of access: who was judged under another one is judged again */
    uint64_t hsts;
    uint32_t handshakes;          /* connections that have not shaken hands yet */
    struct list shaking;          /* these, the oldest first */
    uint64_t complained_at, unwelcome;   /* the last line about who was refused, and how many since */
    struct list waiting;          /* connections that wait for a request, the longest waiting first */
    unsigned refs;                /* itself in the list, and its connections */
};

/* True when everything could be opened: then listen_commit() is next, and nothing may fail in between. False: each
 * problem is an error in diag with what to do, and nothing has changed. Sockets that systemd handed over (LISTEN_FDS) are
 * taken at the first call, and given to listeners of the same name or address. */
bool listen_prepare(const struct conf *, struct diag *);
void listen_commit(void);

struct access_tokens;
/* To the log, at most a line a minute: whoever keeps trying fills no disk, and what was not told is counted. */
void listen_complain(struct listener *, int fd, const char *what);
/* What its files have turned into: NULL = no change; both are taken over. */
void listen_renew(struct listener *, const struct vital_tls *tls, struct access_tokens *tokens);

struct list *listen_all(void);
void listen_release(struct listener *);       /* one reference; the last frees */
/* The address it really has: "127.0.0.1:43117" when port 0 was asked for. */
const char *listen_bound(const struct listener *, char *room, size_t size);
void listen_close(void);                      /* at exit: all; our socket files are removed */

#endif
