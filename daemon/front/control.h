/* The control socket: how people and scripts on this host ask and command the daemon. The protocol is base/ctlproto.h.
 *
 * Whoever can reach it may look; changing anything is for root, the daemon's own user (unless that is `nobody`), and members of `control_group`,
 * told by the kernel's peer credentials. Everything is bounded: clients, lines, queued bytes, time; a slow client costs
 * only itself. Beside it lies the heartbeat socket. */
#ifndef FRONT_CONTROL_H
#define FRONT_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct conf;

struct control_hooks {
    void (*reload)(void (*done)(void *arg, bool ok, const char *text), void *arg);   /* done is called once, now or later */
    void (*stop)(void);                                                              /* as SIGTERM does */
};

/* False with *error (heap): the configured path cannot be had, or another vitald answers there. A default path that
 * cannot be had is only a warning in the log: the daemon then runs without. */
bool control_open(const struct conf *, const struct control_hooks *, char **error);
/* Once a turn, when core has published: requests are served, those who wait are told. */
void control_publish(void);
void control_close(void);
/* The daemon becomes this user: the default directory is theirs from now on, so that the sockets can be removed at the end.
 * shared: others run under that name too, so being of that user is no right to change anything. */
void control_give(uint32_t uid, uint32_t gid, bool shared);
const char *control_path(void);                /* NULL = there is none */

struct control_stats {
    unsigned clients;
    uint64_t accepted, refused;                /* refused: too many clients, or out of descriptors */
    uint64_t requests, denied, malformed;
    uint64_t closed_slow, closed_idle;         /* did not read, did not ask */
    uint64_t events_skipped;                   /* by slow readers of `events` */
    uint64_t beats, beats_refused;             /* datagrams; refused: malformed, or no such heartbeat */
};
void control_stats(struct control_stats *);

#endif
