#include "cgroup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { DEPTH_MAX = 64 };     /* of the process tree, when looking for ourselves among the ancestors */

static bool has_dots(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/..")); at += 3)
        if (at[3] == '/' || !at[3])
            return true;
    return false;
}

/* The mount shows the tree from `root` on, so a path starts with that; then comes what is below it. */
static const char *below_root(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (len == 1)
        return path;
    return !strncmp(path, root, len) && (path[len] == '/' || !path[len]) ? path + len : NULL;
}

/* controller: the mount of version 1 that has it; NULL: the one of version 2. */
static bool find_mount(struct procfs_text mountinfo, const char *controller, char *point, size_t point_size, char *root, size_t root_size)
{
    struct procfs_text line;
    struct procfs_mount m;
    while (procfs_line(&mountinfo, &line))
        if (procfs_mount(line, &m) && (controller ? procfs_is(m.type, "cgroup") && procfs_option(m.super, controller) : procfs_is(m.type, "cgroup2")))
            return procfs_unescape(m.point, point, point_size) && procfs_unescape(m.root, root, root_size);
    return false;
}

const char *cgroup_locate(struct cgroup *c, const char *path, const char *controller, struct procfs_text self, struct procfs_text mountinfo)
{
    char point[1024], root[1024], own[1024];
    if (procfs_cgroup_v1(self, controller, own, sizeof own))
        return "this host uses cgroup version 1";
    if (!find_mount(mountinfo, NULL, point, sizeof point, root, sizeof root))
        return "no cgroup2 file system is mounted";
    size_t point_len = strlen(point);
    if (path && !strncmp(path, point, point_len) && (path[point_len] == '/' || !path[point_len]))
        path += point_len;
    else if (path || procfs_cgroup(self, own, sizeof own))
        path = below_root(path ? path : own, root);
    if (!path || has_dots(path))
        return "the cgroup lies outside of what is mounted here";
    int len = snprintf(c->dir, sizeof c->dir, "%s%s", point, path);
    if (len < 0 || (size_t)len >= sizeof c->dir)
        return "the path is too long";
    c->top = point_len;
    while ((size_t)len > point_len && c->dir[len - 1] == '/')
        c->dir[--len] = 0;
    return NULL;
}

const char *cgroup_find(struct cgroup *c, const char *path, const char *controller)
{
    struct buf self = BUF(PROCFS_SMALL), mountinfo = BUF(PROCFS_TABLE);
    const char *why = "cannot read /proc/self/cgroup and /proc/self/mountinfo";
    if (!procfs_read("/proc/self/cgroup", &self) && !procfs_read("/proc/self/mountinfo", &mountinfo))
        why = cgroup_locate(c, path, controller, (struct procfs_text){ self.data, self.len },
                            (struct procfs_text){ mountinfo.data, mountinfo.len });
    buf_free(&self);
    buf_free(&mountinfo);
    return why;
}

bool cgroup_up(struct cgroup *c)
{
    char *slash = strrchr(c->dir, '/');
    if (!slash || (size_t)(slash - c->dir) < c->top)
        return false;
    *slash = 0;
    return true;
}

const char *cgroup_name(const struct cgroup *c)
{
    return c->dir[c->top] ? c->dir + c->top : "/";
}

int cgroup_read(const struct cgroup *c, const char *file, struct buf *out)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", c->dir, file);
    return procfs_read(path, out);
}

struct procfs_text cgroup_text(const struct cgroup *c, const char *file, char *room, size_t size)
{
    struct buf b = BUF(size);
    bool fine = !cgroup_read(c, file, &b) && !b.over;
    struct procfs_text text = { room, fine ? b.len : 0 };
    if (text.len)
        memcpy(room, b.data, b.len);
    buf_free(&b);
    return text;
}

/* ---- ourselves ---- */

enum { GONE = -1 };

static int64_t parent_of(int64_t pid)
{
    char path[64];
    struct buf b = BUF(PROCFS_SMALL);
    struct procfs_process process;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    bool fine = !procfs_read(path, &b) && procfs_stat((struct procfs_text){ b.data, b.len }, &process);
    buf_free(&b);
    return fine ? process.parent : GONE;
}

/* A process that is already gone is nobody else. */
static bool is_family(int64_t pid)
{
    for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
        if (pid == getpid())
            return true;
        pid = parent_of(pid);
        if (pid <= 0)
            return pid == GONE && depth == 0;
    }
    return false;
}

static bool only_family(struct procfs_text pids)
{
    struct procfs_text word;
    uint64_t pid;
    bool any = false;
    while (procfs_word(&pids, &word)) {
        if (!procfs_uint(word, &pid) || pid == 0 || !is_family((int64_t)pid))
            return false;
        any = true;
    }
    return any;
}

bool cgroup_is_ours(const struct cgroup *c)
{
    uint64_t below = 0;
    char stat[PROCFS_SMALL];
    struct buf pids = BUF(PROCFS_SMALL * 4);
    bool ours = procfs_key(cgroup_text(c, "cgroup.stat", stat, sizeof stat), "nr_descendants", &below) && !below &&
                !cgroup_read(c, "cgroup.procs", &pids) && !pids.over && only_family((struct procfs_text){ pids.data, pids.len });
    buf_free(&pids);
    return ours;
}

/* ---- memory ---- */

double cgroup_left(double limit, double used)
{
    return limit > used ? limit - used : 0;
}

bool cgroup_memory_at(const struct cgroup *c, double *limit, double *used)
{
    char room[16384];
    uint64_t max, current, inactive;
    if (!procfs_limit(cgroup_text(c, "memory.max", room, sizeof room), &max) ||
        !procfs_limit(cgroup_text(c, "memory.current", room, sizeof room), &current))
        return false;
    if (!procfs_key(cgroup_text(c, "memory.stat", room, sizeof room), "inactive_file", &inactive) || inactive > current)
        inactive = 0;
    *limit = max == UINT64_MAX ? HUGE_VAL : (double)max;
    *used = (double)(current - inactive);
    return true;
}

enum cgroup_walk cgroup_memory(const struct cgroup *from, double host_total, bool skip_ours, struct cgroup_memory *best)
{
    enum cgroup_walk found = CGROUP_NOTHING;
    struct cgroup c = *from;
    do {
        double limit, used;
        if (!cgroup_memory_at(&c, &limit, &used))
            continue;
        if (skip_ours && cgroup_is_ours(&c)) {
            found = found == CGROUP_NOTHING ? CGROUP_ONLY_OURS : found;
            continue;
        }
        bool limits = limit < host_total;
        bool better = limits ? found != CGROUP_LIMITED || cgroup_left(limit, used) < cgroup_left(best->limit, best->used)
                             : found < CGROUP_UNLIMITED;
        if (better) {
            *best = (struct cgroup_memory){ c, limits ? limit : host_total, used };
            found = limits ? CGROUP_LIMITED : CGROUP_UNLIMITED;
        }
    } while (cgroup_up(&c));
    return found;
}

/* ---- version 1 ---- */

static bool own_v1(struct cgroup *c, struct procfs_text self, struct procfs_text mountinfo)
{
    char point[1024], root[1024], own[1024];
    if (!procfs_cgroup_v1(self, "memory", own, sizeof own) || !find_mount(mountinfo, "memory", point, sizeof point, root, sizeof root))
        return false;
    const char *below = below_root(own, root);
    int len = below && !has_dots(below) ? snprintf(c->dir, sizeof c->dir, "%s%s", point, below) : -1;
    c->top = strlen(point);
    return len > 0 && (size_t)len < sizeof c->dir;
}

double cgroup_v1_limit_at(const struct cgroup *c)
{
    char room[16384];
    uint64_t own, whole;
    struct buf pids = BUF(PROCFS_SMALL * 4);
    if (!procfs_limit(cgroup_text(c, "memory.limit_in_bytes", room, sizeof room), &own) ||
        !procfs_key(cgroup_text(c, "memory.stat", room, sizeof room), "hierarchical_memory_limit", &whole))
        return HUGE_VAL;
    bool alone = own <= whole && !cgroup_read(c, "cgroup.procs", &pids) && !pids.over && only_family((struct procfs_text){ pids.data, pids.len });
    buf_free(&pids);
    return alone ? HUGE_VAL : (double)whole;
}

double cgroup_v1_limit(void)
{
    struct buf self = BUF(PROCFS_SMALL), mountinfo = BUF(PROCFS_TABLE);
    struct cgroup c;
    bool there = !procfs_read("/proc/self/cgroup", &self) && !procfs_read("/proc/self/mountinfo", &mountinfo) &&
                 own_v1(&c, (struct procfs_text){ self.data, self.len }, (struct procfs_text){ mountinfo.data, mountinfo.len });
    buf_free(&self);
    buf_free(&mountinfo);
    return there ? cgroup_v1_limit_at(&c) : HUGE_VAL;
}
