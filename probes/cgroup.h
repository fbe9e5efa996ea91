/* Where we are in the cgroup v2 tree, and the way from there to its root.
 *
 * Limits hold for everything below them, so whoever asks how much there is walks up and takes the tightest. A cgroup that
 * holds nothing but ourselves (a sidecar's own container, our own systemd unit) says nothing about anybody else. */
#ifndef PROBES_CGROUP_H
#define PROBES_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "procfs.h"

struct cgroup {
    char dir[PATH_MAX];      /* of this level */
    size_t top;              /* this much of it is the mount: the walk ends there */
};

/* Our own cgroup, or the one of that path (as in /proc/PID/cgroup, or with the mount before it). NULL, or why it is not
 * available. Version 1 is not read: its numbers mean something else. */
const char *cgroup_find(struct cgroup *, const char *path, const char *controller);
/* The same from texts: /proc/self/cgroup and mountinfo. */
const char *cgroup_locate(struct cgroup *, const char *path, const char *controller, struct procfs_text self, struct procfs_text mountinfo);

bool cgroup_up(struct cgroup *);                         /* to the parent; false at the top */
int cgroup_read(const struct cgroup *, const char *file, struct buf *out);
/* Short files, in the caller's room; len 0 when it cannot be read. */
struct procfs_text cgroup_text(const struct cgroup *, const char *file, char *room, size_t size);
bool cgroup_is_ours(const struct cgroup *);              /* holds this process, its children and nobody else */
const char *cgroup_name(const struct cgroup *);          /* its path below the mount, "/" at the top */

/* The level, from here to the top, whose memory limit leaves least; without any limit below host_total, the first level.
 * skip_ours passes over levels that hold only ourselves: what we use is not what anybody wants to know. */
enum cgroup_walk { CGROUP_NOTHING, CGROUP_ONLY_OURS, CGROUP_UNLIMITED, CGROUP_LIMITED };
struct cgroup_memory {
    struct cgroup level;
    double limit, used;      /* limit: host_total when there is none; used: without file cache that can be dropped */
};
enum cgroup_walk cgroup_memory(const struct cgroup *from, double host_total, bool skip_ours, struct cgroup_memory *);
bool cgroup_memory_at(const struct cgroup *, double *limit, double *used);    /* one level; limit HUGE_VAL = none */
double cgroup_left(double limit, double used);

/* What version 1 allows to more than only ourselves, HUGE_VAL = nothing less than all. What is used of it is not read, but
 * whoever then speaks of the host's memory must know that it is not what can be had. */
double cgroup_v1_limit(void);
double cgroup_v1_limit_at(const struct cgroup *);

#endif
