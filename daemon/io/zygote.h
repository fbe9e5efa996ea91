/* Helper processes for what may hang in the kernel: file-system calls on configured paths, and starting programs.
 *
 * A zygote, forked as the first act of main() before there are threads, libraries or sockets, forks small helpers on
 * demand. One request, one reply, over SOCK_SEQPACKET. A helper that hangs is parked, never killed (SIGKILL does not end a
 * D state): further calls to that mount fail `hung` at once, and its late reply is the edge that the mount is back. At
 * most ZYGOTE_PARKED_MAX are parked. The daemon exits and restarts at once whatever they do. */
#ifndef IO_ZYGOTE_H
#define IO_ZYGOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "vital_probe.h"

enum { ZYGOTE_PARKED_MAX = 4, ZYGOTE_HELPERS_MAX = 64, ZYGOTE_REQUEST_MAX = 64 * 1024 };

void zygote_start(void);                  /* first act of main(); exits with a message when it cannot */
void zygote_attach(void);                 /* once the loop is open */
void zygote_stop(void);                   /* at exit: tells it to go; waits for nothing */

struct zygote_call;
typedef void zygote_file_fn(void *arg, const struct vital_file *);
/* One file-system call. NULL and *reason: HUNG (the mount is known to hang: tell so at once), NO_HELPER. The mount is
 * found in /proc/self/mountinfo, so asking about it touches nothing. */
struct zygote_call *zygote_file(enum vital_file_op, const char *path, zygote_file_fn *, void *arg, enum vital_reason *);
/* Nobody waits any more: a running file call is parked; its late reply un-hangs the mount and calls back(path) set below. */
void zygote_forget(struct zygote_call *);
void zygote_on_return(void (*back)(const char *mount, void *arg), void *arg);

typedef void zygote_exit_fn(void *arg, const struct vital_exit *);    /* called once, after exit and one drain of the pipes */
/* Starts a program in its own process group; NULL when no helper is left. */
struct zygote_call *zygote_spawn(const struct vital_child *, zygote_exit_fn *, void *arg, enum vital_reason *);
/* Ends the group: SIGTERM now, SIGKILL 2 s later; calls back no more. */
void zygote_kill(struct zygote_call *);

struct zygote_stats { unsigned helpers, busy, parked, children; uint64_t calls, refused, hung; };
void zygote_stats(struct zygote_stats *);

#endif
