/* process: whether a program runs, how often, for how long. */
#include "builtin.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "judge.h"
#include "procfs.h"

enum {
    COMM_MAX = 15,           /* the kernel keeps that much of a program's name */
    CMDLINE_MAX = 4096,
    WATCH_MAX = 16,          /* of so many processes the end is noticed at once */
    SCAN_MAX = 1000000,      /* entries of /proc that one scan looks at */
};

struct process_conf {
    const char *name, *cmdline, *user, *pidfile;
    int64_t min, max;
    uint64_t min_age;
    struct vital_threshold resident_warn_above, resident_fail_above;
    bool watch;
};

static const struct vital_opt rows[] = {
    VITAL_OPT(struct process_conf, name, STRING, .flags = VITAL_BARE | VITAL_TARGET,
              .help = "the program's name, as in `ps -o comm`; the kernel compares its first 15 bytes"),
    VITAL_OPT(struct process_conf, cmdline, STRING, .flags = VITAL_TARGET, .help = "a piece of its command line, arguments separated by one space"),
    VITAL_OPT(struct process_conf, user, STRING, .flags = VITAL_TARGET, .help = "the user it runs as: name or number"),
    VITAL_OPT(struct process_conf, pidfile, STRING, .flags = VITAL_TARGET | VITAL_PATHNAME,
              .help = "a file with its process id; with `name` or `cmdline` they must fit too, so that a reused id is noticed"),
    VITAL_OPT(struct process_conf, min, INT, .min = 0, .max = 4194304, .def = "1", .help = "fail with fewer processes than this"),
    VITAL_OPT(struct process_conf, max, INT, .min = 0, .max = 4194304, .def = "4194304", .help = "fail with more; `min: 0, max: 0` = it must not run"),
    VITAL_OPT(struct process_conf, min_age, DURATION, .help = "warn while the oldest one is younger than this: it was restarted just now"),
    VITAL_OPT(struct process_conf, resident_warn_above, THRESHOLD, .flags = VITAL_IN_BYTES, .help = "warn when all of them together hold more memory"),
    VITAL_OPT(struct process_conf, resident_fail_above, THRESHOLD, .flags = VITAL_IN_BYTES, .help = "fail when all of them together hold more memory"),
    VITAL_OPT(struct process_conf, watch, BOOL, .def = "true", .help = "look at once when one of them ends (the first 16)"),
    VITAL_OPT_END,
};

enum { COUNT, OLDEST, RESIDENT, ZOMBIES };
static const struct vital_number numbers[] = {
    [COUNT] = { "running", "", "processes found, without zombies", false, NULL },
    [OLDEST] = { "oldest_age_seconds", "seconds", "how long the oldest one runs", false, NULL },
    [RESIDENT] = { "resident_bytes", "bytes", "memory that they hold together, shared pages counted each time", false, NULL },
    [ZOMBIES] = { "zombies", "", "ended ones that their parent has not collected", false, NULL },
    { .name = NULL },
};

struct process { struct { int fd; struct vital_io *io; } watched[WATCH_MAX]; unsigned count; bool resident_was[2]; };

static bool prepare(void *conf, struct vital_diag *diag)
{
    const struct process_conf *c = conf;
    struct found_limit resident = { .warn = &c->resident_warn_above, .fail = &c->resident_fail_above, .above = true };
    bool fine = true;
    if (!c->name && !c->cmdline && !c->user && !c->pidfile) {
        diag->error(diag, "name", "which process? Give at least one of name, cmdline, user, pidfile");
        fine = false;
    }
    if (c->min > c->max) {
        diag->error(diag, "min", "is larger than max (%lld): no count could pass", (long long)c->max);
        fine = false;
    }
    found_prepare(&resident, diag, "resident_warn_above", "resident_fail_above");
    return fine;
}

/* ---- the scan: in a helper thread, for ten thousand processes take fifty milliseconds, and a command line can hang ---- */

struct scan {
    char *name, *cmdline, *user;
    int64_t pid;                 /* look at this one only; 0 = at all */
    uint64_t count, zombies, resident, oldest_ticks;
    int64_t pids[WATCH_MAX];
    bool no_user, hidden, unreadable;
    int lack;                    /* errno: we could not look, for want of descriptors or memory; 0 = we could */
};

/* That a process is gone is an answer; that we have no descriptor to look at it is none. */
static void note_lack(struct scan *s, int error)
{
    if (mem_is_short(error))
        s->lack = error;
}

static struct procfs_text read_proc(struct scan *s, int64_t pid, const char *file, struct buf *b)
{
    char path[64];
    buf_reset(b);
    snprintf(path, sizeof path, "/proc/%lld/%s", (long long)pid, file);
    int error = procfs_read(path, b);
    note_lack(s, error);
    return (struct procfs_text){ b->data, error ? 0 : b->len };
}

static bool name_fits(const char *want, const char *name)
{
    return !strcmp(want, name) || (strlen(want) > COMM_MAX && strlen(name) == COMM_MAX && !strncmp(want, name, COMM_MAX));
}

static bool cmdline_fits(struct scan *s, int64_t pid, struct buf *b)
{
    struct procfs_text t = read_proc(s, pid, "cmdline", b);
    for (size_t i = 0; i < t.len; i++)
        if (!b->data[i])
            b->data[i] = ' ';
    return t.len && memmem(t.at, t.len, s->cmdline, strlen(s->cmdline));
}

static bool user_fits(struct scan *s, uint64_t want, int64_t pid, struct buf *b)
{
    uint64_t uid;
    return procfs_key(read_proc(s, pid, "status", b), "Uid:", &uid) && uid == want;
}

static void look_at(struct scan *s, int64_t pid, uint64_t uid, struct buf *b)
{
    struct procfs_process process;
    if (!procfs_stat(read_proc(s, pid, "stat", b), &process) || (s->name && !name_fits(s->name, process.name)) ||
        (s->user && !user_fits(s, uid, pid, b)))
        return;
    if (process.state == 'Z' || process.state == 'X') {     /* it has no command line any more */
        s->zombies += !s->cmdline || s->pid;
        return;
    }
    if (s->cmdline && !cmdline_fits(s, pid, b))
        return;
    if (s->count < WATCH_MAX)
        s->pids[s->count] = pid;
    if (!s->count || process.start_ticks < s->oldest_ticks)
        s->oldest_ticks = process.start_ticks;
    s->resident += process.resident_pages > 0 ? (uint64_t)process.resident_pages : 0;
    s->count++;
}

static bool find_user(struct scan *s, uint64_t *uid)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    if (procfs_uint((struct procfs_text){ s->user, strlen(s->user) }, uid))
        return true;
    note_lack(s, getpwnam_r(s->user, &entry, room, sizeof room, &found));
    if (!found)
        return false;
    *uid = found->pw_uid;
    return true;
}

static void look_at_all(struct scan *s, uint64_t uid, struct buf *b)
{
    DIR *dir = opendir("/proc");
    s->unreadable = !dir;
    if (!dir) {
        note_lack(s, errno);
        return;
    }
    const struct dirent *entry;
    for (unsigned i = 0; i < SCAN_MAX && (entry = readdir(dir)); i++) {
        uint64_t pid;
        if (procfs_uint((struct procfs_text){ entry->d_name, strlen(entry->d_name) }, &pid) && pid <= INT32_MAX)
            look_at(s, (int64_t)pid, uid, b);
    }
    closedir(dir);
    s->hidden = access("/proc/1/stat", F_OK) != 0;       /* mounted with hidepid: only our own are seen */
}

static void scan_run(void *block)
{
    struct scan *s = block;
    struct buf b = BUF(CMDLINE_MAX);
    uint64_t uid = 0;
    s->no_user = s->user && !find_user(s, &uid);
    if (!s->no_user && s->pid)
        look_at(s, s->pid, uid, &b);
    else if (!s->no_user)
        look_at_all(s, uid, &b);
    buf_free(&b);
}

static void scan_wipe(void *block)
{
    struct scan *s = block;
    mem_free(s->name);
    mem_free(s->cmdline);
    mem_free(s->user);
    mem_free(s);
}

/* ---- the edge: one of them ends ---- */

static void unwatch(struct vital_probe *p)
{
    struct process *priv = p->priv;
    for (unsigned i = 0; i < priv->count; i++) {
        if (priv->watched[i].io)
            p->host->close(priv->watched[i].io);
        close(priv->watched[i].fd);
    }
    priv->count = 0;
}

static void ended(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)what, (void)arg;
    struct process *priv = p->priv;
    for (unsigned i = 0; i < priv->count; i++)
        if (priv->watched[i].fd == fd)
            priv->watched[i].io = NULL;
    unwatch(p);
    p->host->nudge(p);
}

static void watch(struct vital_probe *p, const struct scan *s)
{
    const struct process_conf *c = p->conf;
    struct process *priv = p->priv;
    unwatch(p);
    for (unsigned i = 0; c->watch && i < WATCH_MAX && i < s->count; i++) {
        int fd = (int)syscall(SYS_pidfd_open, (pid_t)s->pids[i], 0);    /* close-on-exec by itself */
        if (fd < 0)
            continue;
        struct vital_io *io = p->host->watch(p, fd, VITAL_READ, ended, NULL);
        if (io)
            p->host->keep(io);
        priv->watched[priv->count].fd = fd;
        priv->watched[priv->count++].io = io;
    }
}

/* ---- judging ---- */

static const char *subject(const struct process_conf *c, char room[FOUND_TEXT])
{
    snprintf(room, FOUND_TEXT, "%.80s%s%.80s%s%s%.60s", c->name ? c->name : "process", c->cmdline ? " with " : "", c->cmdline ? c->cmdline : "",
             c->cmdline ? " in its command line" : "", c->user ? " of user " : "", c->user ? c->user : "");
    return room;
}

static void judge_absent(struct found *found, const struct process_conf *c, const struct scan *s, const char *who)
{
    if (s->zombies)
        found_add(found, VITAL_FAIL, VITAL_R_NOT_FOUND, "%s has ended and is a zombie: its parent does not collect it", who);
    else if (c->pidfile)
        found_add(found, VITAL_FAIL, VITAL_R_NOT_FOUND, "%.200s names process %lld, which %s", c->pidfile, (long long)s->pid,
                  c->name || c->cmdline || c->user ? "does not run or is another program" : "does not run");
    else if (s->hidden)
        found_add(found, VITAL_FAIL, VITAL_R_PERMISSION, "cannot see %s: /proc hides other users' processes (hidepid)", who);
    else
        found_add(found, VITAL_FAIL, VITAL_R_NOT_FOUND, "%s does not run", who);
}

static void judge_count(struct found *found, const struct process_conf *c, const struct scan *s, const char *who)
{
    if (s->count < (uint64_t)c->min && !s->count)
        judge_absent(found, c, s, who);
    else if (s->count < (uint64_t)c->min)
        found_add(found, VITAL_FAIL, VITAL_R_COUNT, "%s runs %llu times, expected at least %lld", who, (unsigned long long)s->count, (long long)c->min);
    else if (s->count > (uint64_t)c->max)
        found_add(found, VITAL_FAIL, VITAL_R_COUNT, "%s runs %llu times, expected at most %lld", who, (unsigned long long)s->count, (long long)c->max);
}

static uint64_t age_of(uint64_t start_ticks)
{
    uint64_t now = clock_now(), start = start_ticks * USEC_S / (uint64_t)sysconf(_SC_CLK_TCK);
    return now > start ? now - start : 0;
}

static void scan_judge(struct vital_probe *p, struct scan *s)
{
    const struct process_conf *c = p->conf;
    struct process *priv = p->priv;
    struct found found = { .class = VITAL_PASS };
    struct found_limit l = { &c->resident_warn_above, &c->resident_fail_above, priv->resident_was, true };
    char who[FOUND_TEXT], up[CLOCK_TEXT] = "", memory[FOUND_AMOUNT];
    double resident = (double)s->resident * (double)sysconf(_SC_PAGESIZE);
    uint64_t age = s->count ? age_of(s->oldest_ticks) : 0;
    subject(c, who);
    clock_span(age, up);
    found_bytes(resident, memory);
    vital_number(p, COUNT, s->count);
    vital_number(p, ZOMBIES, s->zombies);
    vital_number(p, RESIDENT, resident);
    if (s->count)
        vital_number(p, OLDEST, (double)age / 1e6);
    judge_count(&found, c, s, who);
    if (s->count && age < c->min_age)
        found_add(&found, VITAL_WARN, VITAL_R_AGE, "%s runs only for %s", who, up);
    found_beyond(&found, &l, &(struct found_measure){ FOUND_BYTES, resident, 0, VITAL_R_THRESHOLD },
                 "%s holds %s of memory", who, memory);
    if (s->count)
        judge_finish(p, &found, "%s runs %llu time%s, for %s, with %s of memory", who, (unsigned long long)s->count, s->count == 1 ? "" : "s", up, memory);
    else
        judge_finish(p, &found, "%s does not run", who);
}

static void scan_done(struct vital_probe *p, void *block)
{
    const struct process_conf *c = p->conf;
    struct scan *s = block;
    if (s->lack) {
        vital_finish(p, VITAL_INTERNAL, judge_errno(s->lack), "processes could not be looked at: %s", strerror(s->lack));
        return;      /* those that are watched stay watched */
    }
    watch(p, s);
    if (s->no_user)
        vital_finish(p, VITAL_FAIL, VITAL_R_NOT_FOUND, "this host has no user %.60s", c->user);
    else if (s->unreadable)
        vital_finish(p, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "/proc cannot be read");
    else
        scan_judge(p, s);
}

static const struct vital_job scan_job = { scan_run, scan_done, scan_wipe };

static void scan(struct vital_probe *p, int64_t pid)
{
    const struct process_conf *c = p->conf;
    struct scan *s = mem_alloc(sizeof *s);
    s->name = mem_copy(c->name);
    s->cmdline = mem_copy(c->cmdline);
    s->user = mem_copy(c->user);
    s->pid = pid;
    p->host->submit(p, &scan_job, s);
}

static void pidfile_read(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    const struct process_conf *c = p->conf;
    struct found found = { .class = VITAL_PASS };
    int64_t pid;
    bool must_not_run = c->max == 0;
    if (f->error == ENOENT && must_not_run)
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%.300s does not exist", c->pidfile);
    else if (!judge_file(&found, f, c->pidfile))
        judge_finish(p, &found, "%s", "");
    else if (!procfs_pidfile((struct procfs_text){ f->data, f->len }, &pid))
        vital_finish(p, VITAL_FAIL, VITAL_R_BAD_REPLY, "%.300s holds no process id", c->pidfile);
    else
        scan(p, pid);
}

static void start(struct vital_probe *p)
{
    const struct process_conf *c = p->conf;
    if (c->pidfile)
        p->host->file(p, VITAL_READFILE, c->pidfile, pidfile_read, NULL);
    else
        scan(p, 0);
}

const struct vital_module process_module = {
    VITAL_MODULE_HEAD,
    .name = "process",
    .summary = "whether a program runs: how often, how long, with how much memory",
    .manual =
        "Looks through /proc for a name, a piece of the command line, a user, or takes the id from a pidfile; all that are given must fit. Zombies do not "
        "count. Between attempts the found processes are watched: the end of one brings the next attempt forward, so a crash is seen at once.\n\n"
        "A pidfile may outlive its process, and the id may come to belong to another program: give `name` as well and that is noticed.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct process_conf),
    .priv_size = sizeof(struct process),
    .job_threads = 1,
    .prepare = prepare,
    .start = start,
    .release = unwatch,
};
