/* Helper processes for what may hang in the kernel: file-system calls on configured paths, and starting programs.
 *
 * A zygote, forked as the first act of main() before there are threads, libraries or sockets, forks small helpers on
 * demand. One request, one reply, over SOCK_SEQPACKET. A helper that hangs is parked, never killed (SIGKILL does not end a
 * D state): further calls to that mount fail `hung` at once, and its late reply is the edge that the mount is back. With
 * ZYGOTE_PARKED_MAX parked, only mounts that are known to answer are asked. The daemon exits and restarts at once whatever
 * they do.
 *
 * A zygote that dies (somebody kills it, or the kernel for want of memory) takes its helpers with it. The daemon then executes
 * its own program once more to have another: at once, or after a growing pause when the last one did not live for a minute. */
#ifndef IO_ZYGOTE_H
#define IO_ZYGOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "vital_probe.h"

struct privilege;

enum { ZYGOTE_PARKED_MAX = 4, ZYGOTE_HELPERS_MAX = 64, ZYGOTE_REQUEST_MAX = 64 * 1024 };

void zygote_become(int argc, char **argv);    /* before all else in main(): a process that was started to make helpers stays in here */
void zygote_start(void);                  /* first act of main(); exits with a message when it cannot */
void zygote_attach(void);                 /* once the loop is open */
void zygote_drop(const struct privilege *);  /* the same for it; helpers from before are sent away, so before the first attempt */
void zygote_stop(void);                   /* at exit: tells it to go; waits for nothing */

struct zygote_call;
typedef void zygote_file_fn(void *arg, const struct vital_file *);
/* One file-system call; calls to the same mount stand in line. NULL and *reason: HUNG (the mount is known to hang: tell so at
 * once), NO_HELPER, NO_FDS. The mount is found in /proc/self/mountinfo, so asking about it touches nothing; symbolic links
 * are followed by helpers, each step in the line of its own mount. In the answer `hung` says that the mount turned out to
 * hang while the call stood in line; EAGAIN that no helper could be made, EIO that it died. */
struct zygote_call *zygote_file(enum vital_file_op, const char *path, zygote_file_fn *, void *arg, enum vital_reason *);
/* Nobody waits any more. A call that goes on after that (and for 100 ms at least, for attempts end for other reasons too) is
 * parked: its mount hangs. Its late reply ends that and calls back(mount), set below. */
void zygote_forget(struct zygote_call *);
void zygote_on_return(void (*back)(const char *mount, void *arg), void *arg);

typedef void zygote_exit_fn(void *arg, const struct vital_exit *);    /* called once, after exit and one drain of the pipes */
/* Starts a program in its own process group. NULL and *reason: NO_HELPER, NO_FDS, or HUNG: its mount hangs, or the same command
 * was killed before and did not die. Too long a request ends with error E2BIG. */
struct zygote_call *zygote_spawn(const struct vital_child *, zygote_exit_fn *, void *arg, enum vital_reason *);
/* Ends the group: SIGTERM now, SIGKILL 2 s later; calls back no more. What a program leaves in its group gets SIGKILL too. */
void zygote_kill(struct zygote_call *);

struct zygote_stats {
    unsigned helpers, busy, parked, children;
    uint64_t calls, refused, hung, deaths;
    bool lost;                            /* the zygote has died and there is no other yet: no helper can be made */
};
void zygote_stats(struct zygote_stats *);

#endif
