#include "unit.h"

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cgroup.h"
#include "procfs.h"

static struct procfs_text text(const char *t) { return (struct procfs_text){ t, strlen(t) }; }

TEST(meminfo_as_kernels_write_it)
{
    struct procfs_meminfo m;
    CHECK(procfs_meminfo(text("MemTotal:       24684084 kB\nMemFree:        24436040 kB\nMemAvailable:   24385464 kB\n"
                              "Buffers:             912 kB\nSwapTotal:       1048572 kB\nSwapFree:         524288 kB\nHugePages_Total:       0\n"), &m));
    CHECK_INT(m.total, 24684084LL * 1024);
    CHECK_INT(m.available, 24385464LL * 1024);
    CHECK_INT(m.swap_total, 1048572LL * 1024);
    CHECK_INT(m.swap_free, 524288LL * 1024);
}

TEST(meminfo_that_is_not_understood_is_not_zero)
{
    struct procfs_meminfo m;
    static const char *const bad[] = {
        "", "MemTotal: 5 kB\n", "MemTotal: 5 kB\nMemFree: 5 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", /* before MemAvailable existed */
        "MemTotal: 5 MB\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: x kB\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: 5 kB\nMemAvailable: 6 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: 99999999999999999999 kB\nMemAvailable: 6 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: 18446744073709551615 kB\nMemAvailable: 6 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal:\nMemAvailable: 6 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: 5\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: 0 kB\nMemAvailable: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "MemTotal: 5 kB\nMemAvailable: 1 kB\nSwapTotal: 3 kB\nSwapFree: 4 kB\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!procfs_meminfo(text(bad[i]), &m));
    CHECK(procfs_meminfo(text("\n  \nMemTotal: 5 kB\r\nMemAvailable:\t5 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB"), &m) && m.available == 5 * 1024);
}

TEST(pressure)
{
    struct procfs_pressure p;
    CHECK(procfs_pressure(text("some avg10=12.50 avg60=0.47 avg300=0.15 total=3264562\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=0\n"), &p));
    CHECK(fabs(p.some - 0.125) < 1e-9 && fabs(p.full - 0.03) < 1e-9 && p.has_full);
    CHECK(procfs_pressure(text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"), &p));   /* cpu before 5.13 */
    CHECK(!p.has_full);
    CHECK(!procfs_pressure(text(""), &p));
    CHECK(!procfs_pressure(text("full avg10=3.00\n"), &p));
    CHECK(!procfs_pressure(text("some avg10=nan avg60=1\n"), &p));
    CHECK(!procfs_pressure(text("some avg10=1e9\n"), &p));
    CHECK(!procfs_pressure(text("some avg10=900.0\n"), &p));
    CHECK(!procfs_pressure(text("some avg10=\n"), &p));
    CHECK(!procfs_pressure(text("some\n"), &p));
    CHECK(!procfs_pressure(text("\n"), &p));
    CHECK(!procfs_pressure(text("some avg60=1.0\n"), &p));
    CHECK(!procfs_pressure(text("some avg\n"), &p));
    CHECK(!procfs_pressure(text("some avg10=.5\n"), &p));
    CHECK(!procfs_pressure(text("some avg10=00000000000000000000000000000001\n"), &p));
    CHECK(procfs_pressure(text("other avg10=1.0\nsome avg10=100\n"), &p) && fabs(p.some - 1) < 1e-9 && !p.has_full);
}

TEST(load_average)
{
    double load[3];
    CHECK(procfs_loadavg(text("0.04 0.01 12.00 1/94 8943\n"), load));
    CHECK(load[0] > 0.039 && load[0] < 0.041 && load[2] > 11.9 && load[2] < 12.1);
    CHECK(!procfs_loadavg(text("0.04 0.01\n"), load));
    CHECK(!procfs_loadavg(text("0.04 1.2.3 1\n"), load));
    CHECK(!procfs_loadavg(text("-1 1 1\n"), load));
}

TEST(flat_keys_and_limits)
{
    uint64_t v;
    double cpus;
    CHECK(procfs_key(text("anon 5\ninactive_file 77\nactive_file 3\n"), "inactive_file", &v) && v == 77);
    CHECK(procfs_key(text("oom 1\noom_kill 2\n"), "oom_kill", &v) && v == 2);
    CHECK(!procfs_key(text("inactive_file_x 77\n"), "inactive_file", &v));
    CHECK(!procfs_key(text("inactive_file\n"), "inactive_file", &v));
    CHECK(procfs_limit(text("max\n"), &v) && v == UINT64_MAX);
    CHECK(procfs_limit(text("536870912\n"), &v) && v == 536870912);
    CHECK(!procfs_limit(text("18446744073709551616"), &v));
    CHECK(!procfs_limit(text("\n"), &v));
    CHECK(procfs_cpu_max(text("150000 100000\n"), &cpus) && fabs(cpus - 1.5) < 1e-9);
    CHECK(procfs_cpu_max(text("max 100000\n"), &cpus) && fabs(cpus) < 1e-9);
    CHECK(!procfs_cpu_max(text("150000 0\n"), &cpus));
    CHECK(!procfs_cpu_max(text("150000\n"), &cpus));
    CHECK(!procfs_cpu_max(text(""), &cpus));
    CHECK(!procfs_cpu_max(text("lots 100000\n"), &cpus));
    CHECK(!procfs_cpu_max(text("max\n"), &cpus));
    CHECK(!procfs_cpu_max(text("max often\n"), &cpus));
    CHECK(!procfs_key(text("\n\ninactive_file x\n"), "inactive_file", &v));
    CHECK(!procfs_key(text("\n"), "inactive_file", &v));
}

TEST(process_names_hold_anything)
{
    struct procfs_process p;
    const char *tail = " S 1 10 10 0 -1 4194560 5000 0 3 0 14 15 0 0 20 0 1 0 1234567 170000 2500 18446744073709551615 1 1\n";
    char line[512];
    snprintf(line, sizeof line, "4711 (nginx: (x) S) y\n)%s", tail);
    CHECK(procfs_stat(text(line), &p));
    CHECK_INT(p.pid, 4711);
    CHECK_TEXT(p.name, "nginx: (x) S) y\n");
    CHECK_INT(p.state, 'S');
    CHECK_INT(p.parent, 1);
    CHECK_INT(p.start_ticks, 1234567);
    CHECK_INT(p.resident_pages, 2500);
    CHECK(!procfs_stat(text("4711 (x) S 1 2 3\n"), &p));
    CHECK(!procfs_stat(text(")("), &p));
    CHECK(!procfs_stat(text("4711 x) S"), &p));
    CHECK(!procfs_stat(text("4711 (x S"), &p));
    static const struct { const char *pid, *parent, *start, *resident; bool fine; } fields[] = {
        { "4711", "1", "99", "2500", true }, { "-1", "-1", "99", "-2", true }, { "", "1", "99", "2500", false }, { "x", "1", "99", "2500", false },
        { "9223372036854775808", "1", "99", "2500", false }, { "4711", "x", "99", "2500", false }, { "4711", "1", "-99", "2500", false }, { "4711", "1", "99", "x", false },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        snprintf(line, sizeof line, "%s (x) S %s 10 10 0 -1 4194560 5000 0 3 0 14 15 0 0 20 0 1 0 %s 170000 %s 1\n", fields[i].pid, fields[i].parent, fields[i].start, fields[i].resident);
        CHECK_INT(procfs_stat(text(line), &p), fields[i].fine);
    }
    snprintf(line, sizeof line, "1 (%0100d) S 1", 0);
    CHECK(!procfs_stat(text(line), &p));
    CHECK(!procfs_stat(text(""), &p));
}

TEST(pidfiles)
{
    int64_t pid;
    CHECK(procfs_pidfile(text(" 4711\n"), &pid) && pid == 4711);
    CHECK(!procfs_pidfile(text(""), &pid));
    CHECK(!procfs_pidfile(text("-1"), &pid));
    CHECK(!procfs_pidfile(text("0"), &pid));
    CHECK(!procfs_pidfile(text("12 13"), &pid));
    CHECK(!procfs_pidfile(text("4711x"), &pid));
    CHECK(!procfs_pidfile(text("99999999999"), &pid));
}

static const char mounts[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "27 1 254:0 / / rw,relatime shared:1 master:7 - ext4 /dev/vda rw,discard\n"
    "40 27 8:1 / /data ro,nosuid - xfs /dev/sda1 rw,attr2\n"
    "41 27 8:2 / /data/with\\040blank rw - ext4 /dev/sda2 rw,emergency_ro\n"
    "42 27 0:44 / /net rw - autofs systemd-1 rw,fd=1\n"
    "43 40 8:3 / /data ro - ext4 /dev/sdb1 ro\n"
    "44 27 0:50 / /empty rw -  tmpfs  rw,size=4k\n"
    "cut 27 0:50 / /cut\n";

TEST(the_mount_that_a_path_lies_on)
{
    static const struct { const char *path, *type, *point; } cases[] = {
        { "/", "ext4", "/" },
        { "/etc/passwd", "ext4", "/" },
        { "/data", "ext4", "/data" },                   /* the later of two lies on top */
        { "/data/x", "ext4", "/data" },
        { "/database", "ext4", "/" },
        { "/data/with blank/x", "ext4", "/data/with blank" },
        { "/net/host", "autofs", "/net" },
        { "/cut", "ext4", "/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct procfs_mount m;
        size_t len;
        CHECK(procfs_mount_of(text(mounts), cases[i].path, &m, &len));
        CHECK(procfs_is(m.type, cases[i].type));
        CHECK_INT(len, strlen(cases[i].point));
    }
}

TEST(super_options_are_told_from_mount_options)
{
    struct procfs_mount m;
    size_t len;
    CHECK(procfs_mount_of(text(mounts), "/data/y", &m, &len));
    CHECK_INT(m.id, 43);
    CHECK(procfs_option(m.super, "ro"));
    CHECK(procfs_mount_of(text(mounts), "/data/with blank", &m, &len));
    CHECK(procfs_option(m.super, "emergency_ro") && !procfs_option(m.super, "ro"));
    CHECK(procfs_mount_of(text(mounts), "/empty", &m, &len));
    CHECK(procfs_option(m.super, "rw"));
    CHECK(!procfs_option(text("rw,errors=remount-ro,prox"), "ro"));
    CHECK(!procfs_mount_of(text("garbage\n\n- - - -\n"), "/", &m, &len));
    static const char *const cut[] = { "", "5", "5 1", "5 1 0:2", "5 1 0:2 /", "5 1 0:2 / /", "5 1 0:2 / / rw", "5 1 0:2 / / rw shared:1", "5 1 0:2 / / rw -", "5 1 0:2 / / rw - ext4", "x 1 0:2 / / rw - ext4 d rw" };
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        CHECK(!procfs_mount(text(cut[i]), &m));
    CHECK(procfs_mount(text("5 1 0:2 / / rw - ext4 rw"), &m) && !m.source.len && procfs_is(m.super, "rw"));
    CHECK(!procfs_mount_of(text("5 1 0:2 / / rw - ext4 d rw\n"), "relative", &m, &len));
    CHECK(!procfs_mount_of(text("5 1 0:2 / x rw - ext4 d rw\n6 1 0:2 / \\000 rw - ext4 d rw\n"), "/", &m, &len));
}

TEST(escapes)
{
    char room[16];
    CHECK_INT(procfs_unescape(text("/a\\040b\\134"), room, sizeof room), 5);
    CHECK_TEXT(room, "/a b\\");
    CHECK_INT(procfs_unescape(text("/a\\04"), room, sizeof room), 5);
    CHECK_TEXT(room, "/a\\04");
    CHECK_INT(procfs_unescape(text("/0123456789abcdef"), room, sizeof room), 0);
    CHECK_INT(procfs_unescape(text("/a\\000b"), room, sizeof room), 0);
    CHECK_INT(procfs_unescape(text("\\08x\\/00"), room, sizeof room), 8);
    CHECK_TEXT(room, "\\08x\\/00");
    CHECK_INT(procfs_unescape(text(""), room, 0), 0);
}

/* ---- cgroups ---- */

static const char unified[] = "31 1 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(finding_our_cgroup)
{
    static const struct { const char *path, *self, *mountinfo, *dir; } cases[] = {
        { NULL, "0::/system.slice/x.service\n", unified, "/sys/fs/cgroup/system.slice/x.service" },
        { NULL, "0::/\n", unified, "/sys/fs/cgroup" },                                      /* a container's own name space */
        { NULL, "1:name=systemd:/x\n0::/a\n", unified, "/sys/fs/cgroup/a" },
        { "/sys/fs/cgroup/a.slice/", "0::/x\n", unified, "/sys/fs/cgroup/a.slice" },
        { "/a.slice", "0::/x\n", unified, "/sys/fs/cgroup/a.slice" },
        { NULL, "0::/docker/abc/sub\n", "31 1 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup/sub" },
        { NULL, "0::/../other\n", unified, NULL },
        { "/a/../../etc", "0::/\n", unified, NULL },
        { NULL, "4:memory:/x\n0::/\n", unified, NULL },
        { NULL, "4:cpu,memory:/x\n", unified, NULL },
        { NULL, "0::/x\n", "22 27 0:21 / /proc rw,relatime - proc proc rw\n", NULL },
        { NULL, "", unified, NULL },
        { NULL, "0::relative\n", unified, NULL },
        { NULL, "0::\n", unified, NULL },
        { NULL, "\n0:\n0\n0::/a\n", unified, "/sys/fs/cgroup/a" },
        { NULL, "0::/..\n", unified, NULL },
        { NULL, "0::/..a/...\n", unified, "/sys/fs/cgroup/..a/..." },
        { "/sys/fs/cgroupx", "0::/x\n", unified, "/sys/fs/cgroup/sys/fs/cgroupx" },
        { "/other", "0::/docker/abc\n", "31 1 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", NULL },
        { NULL, "0::/docker/abcd\n", "31 1 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", NULL },
        { NULL, "0::/a\n", "cut\n31 1 0:28 \\000 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", NULL },
        { NULL, "0::/a\n", "31 1 0:28 / \\000 ro - cgroup2 cgroup rw\n", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cgroup c = { .top = 0 };
        const char *why = cgroup_locate(&c, cases[i].path, "memory", text(cases[i].self), text(cases[i].mountinfo));
        CHECK(!why == !!cases[i].dir);
        if (cases[i].dir)
            CHECK_TEXT(c.dir, cases[i].dir);
    }
}

TEST(paths_of_cgroups_that_are_too_long)
{
    struct cgroup c = { .top = 0 };
    char *path = malloc(sizeof c.dir + 10), self[2048];
    memset(path, 'x', sizeof c.dir + 9);
    path[0] = '/';
    path[sizeof c.dir + 9] = '\0';
    CHECK_TEXT(cgroup_locate(&c, path, "memory", text("0::/\n"), text(unified)), "the path is too long");
    snprintf(self, sizeof self, "0::/%.*s\n", 1500, path + 1);
    CHECK_TEXT(cgroup_locate(&c, NULL, "memory", text(self), text(unified)), "the cgroup lies outside of what is mounted here");
    free(path);
    CHECK_TEXT(cgroup_name(&(struct cgroup){ .dir = "/m", .top = 2 }), "/");
    CHECK_TEXT(cgroup_name(&(struct cgroup){ .dir = "/m/a", .top = 2 }), "/a");
    struct cgroup none = { .dir = "x" };
    CHECK(!cgroup_up(&none));
}

static char tree[64];

static void put(const char *dir, const char *file, const char *content)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", tree, dir);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s%s/%s", tree, dir, file);
    FILE *f = fopen(path, "we");
    CHECK(f != NULL);
    if (f) {
        fputs(content, f);
        fclose(f);
    }
}

static void level(const char *dir, const char *max, const char *current, const char *inactive, const char *procs)
{
    char stat[64];
    put(dir, "memory.max", max);
    put(dir, "memory.current", current);
    snprintf(stat, sizeof stat, "anon 1\ninactive_file %s\n", inactive);
    put(dir, "memory.stat", stat);
    put(dir, "cgroup.procs", procs);
    put(dir, "cgroup.stat", *procs ? "nr_descendants 0\nnr_dying_descendants 5\n" : "nr_descendants 2\n");
}

static struct cgroup at(const char *dir)
{
    struct cgroup c = { .top = strlen(tree) };
    snprintf(c.dir, sizeof c.dir, "%s%s", tree, dir);
    return c;
}

static void plant(void)
{
    snprintf(tree, sizeof tree, "/tmp/vitald-cgroup-XXXXXX");
    CHECK(mkdtemp(tree) != NULL);
}

static void fell(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", tree);
    CHECK(system(command) == 0);
}

TEST(the_level_that_leaves_least_counts)
{
    struct cgroup_memory m;
    plant();
    level("/a", "1000\n", "900", "0", "");
    level("/a/b", "500\n", "300", "100", "1\n");
    struct cgroup c = at("/a/b");
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);
    CHECK_TEXT(cgroup_name(&m.level), "/a");
    CHECK_INT(m.limit, 1000);
    level("/a", "1000\n", "600", "0", "");
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);
    CHECK_TEXT(cgroup_name(&m.level), "/a/b");
    CHECK_INT(m.used, 200);
    CHECK_INT(cgroup_memory(&c, 400, false, &m), CGROUP_UNLIMITED);        /* above what the host has: no limit */
    CHECK_INT(m.limit, 400);
    fell();
}

TEST(limits_that_hold_only_ourselves_are_passed_over)
{
    struct cgroup_memory m;
    char us[64];
    plant();
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    snprintf(us, sizeof us, "%d\n%d\n", getpid(), child);
    level("/own", "500\n", "300", "0", us);
    struct cgroup c = at("/own");
    CHECK(cgroup_is_ours(&c));
    CHECK_INT(cgroup_memory(&c, 1e6, true, &m), CGROUP_ONLY_OURS);
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);          /* asked for by name, it counts */
    put("", "memory.max", "800\n");
    put("", "memory.current", "100\n");
    CHECK_INT(cgroup_memory(&c, 1e6, true, &m), CGROUP_LIMITED);
    CHECK_TEXT(cgroup_name(&m.level), "/");
    snprintf(us, sizeof us, "%d\n%d\n", getpid(), getppid());
    level("/own", "500\n", "300", "0", us);
    CHECK(!cgroup_is_ours(&c));
    level("/own", "500\n", "300", "0", "0\n");                             /* of another pid name space */
    CHECK(!cgroup_is_ours(&c));
    level("/own", "500\n", "300", "0", "x\n");
    CHECK(!cgroup_is_ours(&c));
    level("/own", "500\n", "300", "0", "99999999\n");                      /* gone already: nobody else */
    CHECK(cgroup_is_ours(&c));
    put("/own", "cgroup.procs", "\n");
    CHECK(!cgroup_is_ours(&c));
    char *many = malloc(PROCFS_SMALL * 4 + 3);                             /* more than is read: not only ours */
    memset(many, '1', PROCFS_SMALL * 4 + 2);
    many[PROCFS_SMALL * 4 + 2] = '\0';
    put("/own", "cgroup.procs", many);
    CHECK(!cgroup_is_ours(&c));
    put("/own", "memory.max", many);
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);          /* the level above */
    CHECK_TEXT(cgroup_name(&m.level), "/");
    free(many);
    level("/own", "500\n", "300", "0", us);
    char gone[PATH_MAX];
    snprintf(gone, sizeof gone, "%s/own/cgroup.procs", tree);
    CHECK(unlink(gone) == 0);
    CHECK(!cgroup_is_ours(&c));
    put("/own", "memory.current", "x");
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);
    put("/own", "memory.current", "5");
    put("/own", "memory.stat", "");
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);
    CHECK_INT(m.used, 5);
    CHECK(cgroup_left(5, 7) < 1 && cgroup_left(7, 5) > 1);
    struct cgroup none = at("/gone");
    CHECK(!cgroup_is_ours(&none));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    fell();
}

TEST(broken_levels_are_no_levels)
{
    struct cgroup_memory m;
    plant();
    level("/a", "lots\n", "900", "0", "1\n");
    struct cgroup c = at("/a");
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_NOTHING);
    level("/a", "1000\n", "50", "90", "1\n");                              /* read at different moments */
    CHECK_INT(cgroup_memory(&c, 1e6, false, &m), CGROUP_LIMITED);
    CHECK_INT(m.used, 50);
    CHECK(!cgroup_up(&(struct cgroup){ .dir = "/x", .top = 2 }));
    fell();
}

TEST(real_files_of_this_host)
{
    struct buf b = BUF(PROCFS_TABLE);
    struct procfs_meminfo m;
    struct procfs_process p;
    struct procfs_mount mount;
    size_t len;
    CHECK_INT(procfs_read("/proc/meminfo", &b), 0);
    CHECK(procfs_meminfo((struct procfs_text){ b.data, b.len }, &m));
    buf_reset(&b);
    CHECK_INT(procfs_read("/proc/self/stat", &b), 0);
    CHECK(procfs_stat((struct procfs_text){ b.data, b.len }, &p));
    CHECK_INT(p.pid, getpid());
    CHECK_INT(p.parent, getppid());
    buf_reset(&b);
    CHECK_INT(procfs_read("/proc/self/mountinfo", &b), 0);
    CHECK(procfs_mount_of((struct procfs_text){ b.data, b.len }, "/proc/self", &mount, &len));
    CHECK(procfs_is(mount.type, "proc"));
    CHECK(procfs_read("/proc/no/such", &b) != 0);
    buf_free(&b);
}

static void level_v1(const char *dir, const char *own, const char *whole, const char *procs)
{
    char stat[96];
    put(dir, "memory.limit_in_bytes", own);
    snprintf(stat, sizeof stat, "cache 1\nhierarchical_memory_limit %s\n", whole);
    put(dir, "memory.stat", stat);
    put(dir, "cgroup.procs", procs);
}

TEST(version_1_limits_others_than_us)
{
    char us[16], others[32];
    snprintf(us, sizeof us, "%d\n", (int)getpid());
    snprintf(others, sizeof others, "1\n%d\n", (int)getpid());
    plant();
    struct cgroup c = at("/own");
    level_v1("/own", "64000\n", "64000\n", us);
    CHECK(cgroup_v1_limit_at(&c) > 1e300);          /* our own container says nothing about anybody else */
    level_v1("/own", "64000\n", "64000\n", others);
    CHECK(cgroup_v1_limit_at(&c) == 64000);
    level_v1("/own", "9223372036854771712\n", "32000\n", us);
    CHECK(cgroup_v1_limit_at(&c) == 32000);         /* a level above is tighter, and not ours alone */
    put("/own", "memory.stat", "cache 1\n");
    CHECK(cgroup_v1_limit_at(&c) > 1e300);
    level_v1("/own", "64000\n", "64000\n", "x\n");
    CHECK(cgroup_v1_limit_at(&c) == 64000);
    CHECK(cgroup_v1_limit() > 0);
    struct cgroup none = at("/gone");
    CHECK(cgroup_v1_limit_at(&none) > 1e300);
    fell();
}
