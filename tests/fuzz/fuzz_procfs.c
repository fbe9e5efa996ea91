/* The kernel's files, broken: whatever the parsers accept stays inside of what it may be, and no byte beyond is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void check_mounts(struct procfs_text text)
{
    static const char *const paths[] = { "/", "/data", "/data/with blank/x", "/proc/self/" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct procfs_mount m;
        size_t len;
        char room[64];
        if (!procfs_mount_of(text, paths[i], &m, &len))
            continue;
        require(len >= 1 && len <= strlen(paths[i]));
        require(m.super.len > 0 && m.type.len > 0 && m.super.at + m.super.len <= text.at + text.len);
        procfs_option(m.super, "ro");
        require(procfs_unescape(m.root, room, sizeof room) < sizeof room);
    }
}

static void check_cgroup(struct procfs_text text)
{
    static const char mountinfo[] = "31 1 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    static struct cgroup c;
    struct procfs_text mounts = { mountinfo, sizeof mountinfo - 1 };
    struct procfs_text self = { "0::/a\n", 6 };
    char path[256];
    if (procfs_cgroup(text, path, sizeof path))
        require(*path == '/' && strlen(path) < sizeof path);
    if (!cgroup_locate(&c, NULL, "memory", text, mounts)) {
        require(!strncmp(c.dir, "/sys/fs/cgroup", 14));
        require(!strstr(c.dir, "/../"));
        while (cgroup_up(&c))
            require(strlen(c.dir) >= c.top);
    }
    if (!cgroup_locate(&c, NULL, "memory", self, text))
        require(strlen(c.dir) >= c.top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct procfs_text text = { (const char *)data, size };
    struct procfs_meminfo meminfo;
    struct procfs_pressure pressure;
    struct procfs_process process;
    double load[3], cpus;
    uint64_t value;
    int64_t pid;
    if (procfs_meminfo(text, &meminfo))
        require(meminfo.total && meminfo.available <= meminfo.total && meminfo.swap_free <= meminfo.swap_total);
    if (procfs_pressure(text, &pressure))
        require(pressure.some >= 0 && pressure.some <= 1 && pressure.full >= 0 && pressure.full <= 1);
    if (procfs_loadavg(text, load))
        require(load[0] >= 0 && load[1] >= 0 && load[2] >= 0);
    if (procfs_stat(text, &process))
        require(strlen(process.name) < sizeof process.name);
    if (procfs_pidfile(text, &pid))
        require(pid > 0 && pid <= INT32_MAX);
    if (procfs_cpu_max(text, &cpus))
        require(cpus >= 0);
    procfs_key(text, "inactive_file", &value);
    procfs_limit(text, &value);
    char place[256];
    if (procfs_cgroup_v1(text, "memory", place, sizeof place))
        require(*place == '/' && strlen(place) < sizeof place);
    check_mounts(text);
    check_cgroup(text);
    return 0;
}
