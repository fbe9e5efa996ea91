/* The small processes beside the daemon: the zygote that forks helpers, and what a helper does. Everything in here and
 * in helper*.c runs outside the daemon; zygote*.c is the daemon's side. libc only, nothing is allocated.
 *
 * Messages are SOCK_SEQPACKET records: one of the structs below, followed by bytes. */
#ifndef IO_HELPER_H
#define IO_HELPER_H

#include <stdint.h>

#include "io/privilege.h"
#include "vital_probe.h"

enum { HELPER_MESSAGE_MAX = 64 * 1024, HELPER_FILE_MAX = 64 * 1024, HELPER_GRACE_MS = 2000 };

/* To the zygote. FORK comes with the socket of the helper that shall be. */
enum zygote_order { ZYGOTE_FORK, ZYGOTE_DROP };
struct zygote_request {
    uint32_t order;
    struct privilege who;        /* DROP: whom to become */
};

enum helper_order { HELPER_FILE, HELPER_CHILD, HELPER_KILL };
struct helper_request {
    uint32_t order;
    uint32_t op;                 /* FILE: enum vital_file_op; then comes the path */
    uint32_t argc, envc;         /* CHILD: then come the directory, the arguments, the environment, each with its NUL ... */
    uint32_t input_len;          /* ... and the bytes for its standard input. Its stdout and stderr come as descriptors */
};

/* MOVED: the path leads over a symbolic link; where to follows. The daemon asks again, for it may be another mount, one
 * that hangs, and only the daemon knows which mounts do. */
enum helper_answer { HELPER_DONE, HELPER_MOVED, HELPER_EXITED };
struct helper_reply {
    uint32_t answer;
    int32_t error;               /* errno */
    int32_t status;              /* EXITED: as from waitpid */
    struct vital_file file;      /* DONE: its bytes follow; the pointer means nothing */
};

/* The zygote's whole life; parent: the daemon's process id. */
_Noreturn void helper_zygote(int sock, int parent);
enum { HELPER_SOCKET = 3 };      /* where all of them have their end */

/* For helper.c and helper_child.c only. */
void helper_send(const struct helper_reply *, const void *bytes, size_t len);
void helper_die_with_parent(bool on);
void helper_run_child(const struct helper_request *, char *strings, size_t len, const int fds[2]);

#endif
