/* disk: space, inodes and writability of the file system that a path lies on. */
#include "builtin.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "judge.h"
#include "procfs.h"

enum { READ_ONLY_FAIL, READ_ONLY_WARN, READ_ONLY_OK };
static const char *const read_only_words[] = { "fail", "warn", "ok", NULL };
static const enum vital_class read_only_class[] = { VITAL_FAIL, VITAL_WARN, VITAL_PASS };

struct disk_conf {
    const char *path;
    struct vital_threshold warn_below, fail_below;
    struct vital_threshold inodes_warn_below, inodes_fail_below;
    uint8_t read_only;
    bool mounted;
    bool watch;
    const char *write_test;
};

static const struct vital_opt rows[] = {
    VITAL_OPT(struct disk_conf, path, STRING, .flags = VITAL_BARE | VITAL_TARGET | VITAL_REQUIRED | VITAL_PATHNAME,
              .help = "a directory or file on the file system; not a symbolic link to another one"),
    VITAL_OPT(struct disk_conf, warn_below, THRESHOLD, .flags = VITAL_PERCENT | VITAL_IN_BYTES, .def = "10%",
              .help = "warn when less space than this is available"),
    VITAL_OPT(struct disk_conf, fail_below, THRESHOLD, .flags = VITAL_PERCENT | VITAL_IN_BYTES, .def = "5%",
              .help = "fail when less space than this is available"),
    VITAL_OPT(struct disk_conf, inodes_warn_below, THRESHOLD, .flags = VITAL_PERCENT, .def = "10%",
              .help = "warn when fewer inodes than this are free (a share or a number)"),
    VITAL_OPT(struct disk_conf, inodes_fail_below, THRESHOLD, .flags = VITAL_PERCENT, .def = "5%", .help = "fail when fewer inodes than this are free"),
    VITAL_OPT(struct disk_conf, read_only, WORD, .words = read_only_words, .def = "fail",
              .help = "what it means that the file system was mounted read-only; one that an error made read-only always fails"),
    VITAL_OPT(struct disk_conf, mounted, BOOL, .def = "false", .help = "fail unless the path itself is a mount point: finds the disk that was not mounted"),
    VITAL_OPT(struct disk_conf, watch, BOOL, .def = "true", .help = "look at once when the mount is changed or goes away"),
    VITAL_OPT(struct disk_conf, write_test, STRING, .flags = VITAL_PATHNAME,
              .help = "a directory where a small file is written, synced and removed at each attempt"),
    VITAL_OPT_END,
};

enum { SIZE, AVAILABLE, RATIO, INODES, INODES_FREE, INODES_RATIO, WRITE_SECONDS };
static const struct vital_number numbers[] = {
    [SIZE] = { "size_bytes", "bytes", "used and available space, as df counts it", false, NULL },
    [AVAILABLE] = { "available_bytes", "bytes", "space for unprivileged users", false, NULL },
    [RATIO] = { "available_ratio", "ratio", "available / size", false, NULL },
    [INODES] = { "inodes", "", "how many there can be", false, NULL },
    [INODES_FREE] = { "inodes_free", "", "of them, free", false, NULL },
    [INODES_RATIO] = { "inodes_free_ratio", "ratio", "free / all", false, NULL },
    [WRITE_SECONDS] = { "write_seconds", "seconds", "how long the write test took", false, NULL },
    { .name = NULL },
};

/* What is known of the mount without touching it. */
struct mount {
    bool known, exact, automount, read_only, broken, by_nature;
    uint64_t id;
    char type[32];
};

struct disk {
    bool space_was[2], inodes_was[2];
    struct found found;
    struct mount mount;
    char good[FOUND_TEXT];
    uint64_t write_began;
    int table;                  /* /proc/self/mountinfo, for the watch; fd + 1, 0 = none */
    struct vital_io *watch;
};

static bool prepare(void *conf, struct vital_diag *diag)
{
    const struct disk_conf *c = conf;
    struct found_limit space = { .warn = &c->warn_below, .fail = &c->fail_below };
    struct found_limit inodes = { .warn = &c->inodes_warn_below, .fail = &c->inodes_fail_below };
    found_prepare(&space, diag, "warn_below", "fail_below");
    found_prepare(&inodes, diag, "inodes_warn_below", "inodes_fail_below");
    return true;
}

/* ---- the mount table ---- */

static bool read_only_by_nature(struct procfs_text type)
{
    static const char *const types[] = { "squashfs", "iso9660", "erofs", "cramfs", "romfs" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (procfs_is(type, types[i]))
            return true;
    return false;
}

/* The super options tell about the file system. ST_RDONLY does not: a read-only bind mount of our own name space, as
 * systemd's ProtectSystem makes, sets it too, and an error that stops all writing need not. */
static void look_up(struct mount *m, struct procfs_text table, const char *path)
{
    struct procfs_mount found;
    size_t covered;
    *m = (struct mount){ .known = false };
    if (!procfs_mount_of(table, path, &found, &covered))
        return;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    m->known = true;
    m->id = found.id;
    m->exact = covered == len;
    m->automount = procfs_is(found.type, "autofs");
    m->by_nature = read_only_by_nature(found.type);
    m->broken = procfs_option(found.super, "emergency_ro") || procfs_option(found.super, "shutdown");
    m->read_only = procfs_option(found.super, "ro");
    snprintf(m->type, sizeof m->type, "%.*s", (int)found.type.len, found.type.at);
}

static void look_up_now(struct mount *m, const char *path)
{
    struct buf table = BUF(PROCFS_TABLE);
    if (procfs_read("/proc/self/mountinfo", &table))
        *m = (struct mount){ .known = false };
    else
        look_up(m, (struct procfs_text){ table.data, table.len }, path);
    buf_free(&table);
}

static bool same_mount(const struct mount *a, const struct mount *b)
{
    return a->known == b->known && a->id == b->id && a->read_only == b->read_only && a->broken == b->broken;
}

/* ---- the edge: somebody mounts, unmounts or remounts ---- */

static void watch_mounts(struct vital_probe *p);

static void mounts_changed(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    const struct disk_conf *c = p->conf;
    struct disk *d = p->priv;
    struct mount now;
    d->watch = NULL;
    look_up_now(&now, c->path);
    if (!same_mount(&now, &d->mount)) {
        d->mount = now;
        p->host->nudge(p);
    }
    watch_mounts(p);
}

static void watch_mounts(struct vital_probe *p)
{
    struct disk *d = p->priv;
    if (!d->table)
        d->table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK) + 1;
    if (!d->table || d->watch)
        return;
    d->watch = p->host->watch(p, d->table - 1, VITAL_PRIORITY, mounts_changed, NULL);
    if (d->watch)
        p->host->keep(d->watch);
}

static void release(struct vital_probe *p)
{
    struct disk *d = p->priv;
    if (d->watch)
        p->host->close(d->watch);
    if (d->table)
        close(d->table - 1);
    d->watch = NULL;
    d->table = 0;
}

/* ---- judging ---- */

static void judge_mount(struct found *found, const struct disk_conf *c, const struct mount *m)
{
    if (c->mounted && !m->exact)
        found_add(found, VITAL_FAIL, VITAL_R_NOT_FOUND, "nothing is mounted on %s", c->path);
    if (m->broken)
        found_add(found, VITAL_FAIL, VITAL_R_READ_ONLY, "the file system of %s stopped all writing after an error; the kernel's log knows which", c->path);
    else if (m->read_only && !m->by_nature && c->read_only != READ_ONLY_OK)
        found_add(found, read_only_class[c->read_only], VITAL_R_READ_ONLY, "the file system of %s is read-only", c->path);
}

/* Percentages as df has them: of what is used and what we could still use; the part that is reserved for root is neither. */
static void judge_space(struct vital_probe *p, const struct vital_file *f)
{
    const struct disk_conf *c = p->conf;
    struct disk *d = p->priv;
    struct found_limit l = { &c->warn_below, &c->fail_below, d->space_was, false };
    double unit = (double)f->block_size, available = (double)f->blocks_available * unit;
    double used = f->blocks > f->blocks_free ? (double)(f->blocks - f->blocks_free) * unit : 0;
    double size = used + available, ratio = size > 0 ? available / size : 0;
    char total[FOUND_AMOUNT];
    vital_number(p, SIZE, size);
    vital_number(p, AVAILABLE, available);
    vital_number(p, RATIO, ratio);
    found_bytes(size, total);
    snprintf(d->good, sizeof d->good, "%.0f%% of %s free on %.200s (%s)", 100 * ratio, total, c->path, d->mount.known ? d->mount.type : "type unknown");
    found_beyond(&d->found, &l, &(struct found_measure){ FOUND_BYTES, available, size, VITAL_R_THRESHOLD },
                 "%.0f%% of %s free on %.200s", 100 * ratio, total, c->path);
}

static void judge_inodes(struct vital_probe *p, const struct vital_file *f)
{
    const struct disk_conf *c = p->conf;
    struct disk *d = p->priv;
    struct found_limit l = { &c->inodes_warn_below, &c->inodes_fail_below, d->inodes_was, false };
    if (!f->inodes)         /* btrfs and others make them as they go */
        return;
    double all = (double)f->inodes, left = (double)f->inodes_free;
    vital_number(p, INODES, all);
    vital_number(p, INODES_FREE, left);
    vital_number(p, INODES_RATIO, left / all);
    found_beyond(&d->found, &l, &(struct found_measure){ FOUND_COUNT, left, all, VITAL_R_THRESHOLD },
                 "%.0f%% of %.0f inodes free on %.200s", 100 * left / all, all, c->path);
}

static void finish(struct vital_probe *p)
{
    struct disk *d = p->priv;
    judge_finish(p, &d->found, "%s", d->good);
}

static void written(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    const struct disk_conf *c = p->conf;
    struct disk *d = p->priv;
    char what[FOUND_TEXT];
    snprintf(what, sizeof what, "write test in %.300s", c->write_test);
    if (judge_file(&d->found, f, what))
        vital_number(p, WRITE_SECONDS, (double)(vital_now(p) - d->write_began) / 1e6);
    finish(p);
}

static void measured(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    const struct disk_conf *c = p->conf;
    struct disk *d = p->priv;
    bool fine = judge_file(&d->found, f, c->path);
    if (fine && !f->blocks)
        snprintf(d->good, sizeof d->good, "%.200s is on %s, which has no size", c->path, d->mount.known ? d->mount.type : "a file system");
    else if (fine && d->mount.by_nature)
        snprintf(d->good, sizeof d->good, "%.200s is on %s, which is always full and read-only", c->path, d->mount.type);
    else if (fine) {
        judge_space(p, f);
        judge_inodes(p, f);
    }
    if (!fine || !c->write_test) {
        finish(p);
        return;
    }
    d->write_began = vital_now(p);
    p->host->file(p, VITAL_WRITETEST, c->write_test, written, NULL);
}

static void start(struct vital_probe *p)
{
    const struct disk_conf *c = p->conf;
    struct disk *d = p->priv;
    d->found = (struct found){ .class = VITAL_PASS };
    look_up_now(&d->mount, c->path);
    if (c->watch)
        watch_mounts(p);
    judge_mount(&d->found, c, &d->mount);
    if (d->mount.automount) { /* looking inside would mount it */
        judge_finish(p, &d->found, "%.200s is an automount point with nothing mounted: left alone", c->path);
        return;
    }
    p->host->file(p, VITAL_STATFS, c->path, measured, NULL);
}

const struct vital_module disk_module = {
    VITAL_MODULE_HEAD,
    .name = "disk",
    .summary = "space and inodes, read-only and hanging file systems",
    .manual =
        "Space is what unprivileged users can still take, as a share of used plus available, so the figures are those of df(1). File systems without a fixed "
        "number of inodes are not judged by inodes; squashfs and the like, which are always full, not by space.\n\n"
        "Whether a file system is read-only is read from its own options in /proc/self/mountinfo, not from the way it is mounted for vitald: systemd's "
        "ProtectSystem shows everything read-only to a service. After an error some kernels stop all writing without saying so there; `write_test` finds "
        "that, and slow disks, at the price of one small synced write an attempt.\n\n"
        "A file system that does not answer, such as NFS with its server gone, fails as `hung` inside the timeout. The stuck call stays with a helper process, "
        "no second one is sent there, and when the file system answers again the probe looks at once. Nothing else is held up by it.\n\n"
        "An automount point with nothing mounted passes untouched; with `mounted: true` the path itself must be a mount point.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct disk_conf),
    .priv_size = sizeof(struct disk),
    .host_probe = true,
    .prepare = prepare,
    .start = start,
    .release = release,
};
