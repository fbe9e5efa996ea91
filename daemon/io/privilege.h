/* What this process and its helpers may do: giving up root, and keeping memory to themselves.
 *
 * Giving up root is for good: user, groups, capabilities with their bounding set, and whatever a setuid program would give back.
 * The process and its zygote do it each for itself. With CAP_NET_RAW kept (for pings, where the kernel opens ping sockets to
 * nobody) only the daemon has it; no program that is started inherits it. */
#ifndef IO_PRIVILEGE_H
#define IO_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PRIVILEGE_GROUPS_MAX = 64 };

struct privilege {
    uint32_t uid, gid;
    uint32_t group_count, groups[PRIVILEGE_GROUPS_MAX];
    bool raw_sockets;                     /* keep CAP_NET_RAW */
};

/* An account's name, "UID" or "UID:GID"; may ask the system's user database, so not for the loop. 0, or an errno. */
int privilege_find(const char *user, struct privilege *);
bool privilege_pings(const struct privilege *);     /* may its groups open ping sockets? */
int privilege_drop(const struct privilege *);       /* all threads; 0, or an errno: then nothing may be relied on */

/* Off: no core dump, and neither our environment nor our memory is open to other processes of the same user: programs that
 * probes start are such. The limit is inherited by those programs. */
void privilege_dumps(bool on);

#endif
