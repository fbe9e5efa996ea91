/* memory: how much is left before the kernel starts to kill: of the host, or of a cgroup. */
#include "builtin.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cgroup.h"
#include "judge.h"
#include "procfs.h"

enum { OOM_OK, OOM_WARN, OOM_FAIL };
static const char *const oom_words[] = { "ok", "warn", "fail", NULL };
static const enum vital_class oom_class[] = { [OOM_OK] = VITAL_PASS, [OOM_WARN] = VITAL_WARN, [OOM_FAIL] = VITAL_FAIL };

struct memory_conf {
    const char *scope;
    struct vital_threshold warn_below, fail_below;
    struct vital_threshold swap_warn_below, swap_fail_below;
    struct vital_threshold pressure_warn_above, pressure_fail_above;
    struct vital_threshold stall_warn_above, stall_fail_above;
    uint8_t oom_kill;
    uint64_t oom_kill_for;
};

struct memory {
    bool memory_was[2], swap_was[2], pressure_was[2], stall_was[2];
    bool counted;                /* oom_kills is a baseline */
    uint64_t oom_kills, oom_at;  /* last count; when it last grew, 0 = never while we watched */
};

static const struct vital_opt rows[] = {
    VITAL_OPT(struct memory_conf, scope, STRING, .flags = VITAL_BARE | VITAL_TARGET, .def = "auto",
              .help = "host, cgroup (our own, up to the root), auto (cgroup where it limits more than us alone, else host), or a cgroup's path"),
    VITAL_OPT(struct memory_conf, warn_below, THRESHOLD, .flags = VITAL_PERCENT | VITAL_IN_BYTES, .def = "10%",
              .help = "warn when less than this is available"),
    VITAL_OPT(struct memory_conf, fail_below, THRESHOLD, .flags = VITAL_PERCENT | VITAL_IN_BYTES, .def = "5%",
              .help = "fail when less than this is available"),
    VITAL_OPT(struct memory_conf, swap_warn_below, THRESHOLD, .flags = VITAL_PERCENT | VITAL_IN_BYTES,
              .help = "warn when less swap than this is free (scope host; ignored without swap)"),
    VITAL_OPT(struct memory_conf, swap_fail_below, THRESHOLD, .flags = VITAL_PERCENT | VITAL_IN_BYTES,
              .help = "fail when less swap than this is free"),
    VITAL_OPT(struct memory_conf, pressure_warn_above, THRESHOLD, .flags = VITAL_PERCENT,
              .help = "warn when some task waited for memory more of the last 10 s than this (PSI some avg10)"),
    VITAL_OPT(struct memory_conf, pressure_fail_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "fail above this"),
    VITAL_OPT(struct memory_conf, stall_warn_above, THRESHOLD, .flags = VITAL_PERCENT,
              .help = "warn when all tasks waited for memory more of the last 10 s than this (PSI full avg10)"),
    VITAL_OPT(struct memory_conf, stall_fail_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "fail above this"),
    VITAL_OPT(struct memory_conf, oom_kill, WORD, .words = oom_words, .def = "warn",
              .help = "what it means that the kernel killed something for lack of memory"),
    VITAL_OPT(struct memory_conf, oom_kill_for, DURATION, .min = 1000000, .def = "5m", .help = "how long such a kill is held against it"),
    VITAL_OPT_END,
};

enum { TOTAL, AVAILABLE, RATIO, USED, SWAP_TOTAL, SWAP_FREE, PRESSURE, STALL, OOM_KILLS };
static const struct vital_number numbers[] = {
    [TOTAL] = { "total_bytes", "bytes", "memory of the host, or the cgroup's limit", false, NULL },
    [AVAILABLE] = { "available_bytes", "bytes", "what can still be had without swapping or killing", false, NULL },
    [RATIO] = { "available_ratio", "ratio", "available / total", false, NULL },
    [USED] = { "used_bytes", "bytes", "total - available; of a cgroup: used without file cache that can be dropped", false, NULL },
    [SWAP_TOTAL] = { "swap_total_bytes", "bytes", "swap space of the host", false, NULL },
    [SWAP_FREE] = { "swap_free_bytes", "bytes", "of it, free", false, NULL },
    [PRESSURE] = { "pressure_ratio", "ratio", "share of the last 10 s in which some task waited for memory", false, NULL },
    [STALL] = { "stall_ratio", "ratio", "share of the last 10 s in which all tasks waited for memory", false, NULL },
    [OOM_KILLS] = { "oom_kills_total", "", "processes killed by the kernel for lack of memory", true, NULL },
    { .name = NULL },
};

static bool is_path(const char *scope)
{
    return *scope == '/';
}

static bool prepare(void *conf, struct vital_diag *diag)
{
    const struct memory_conf *c = conf;
    const struct { const struct vital_threshold *warn, *fail; bool above; const char *warn_name, *fail_name; } pairs[] = {
        { &c->warn_below, &c->fail_below, false, "warn_below", "fail_below" },
        { &c->swap_warn_below, &c->swap_fail_below, false, "swap_warn_below", "swap_fail_below" },
        { &c->pressure_warn_above, &c->pressure_fail_above, true, "pressure_warn_above", "pressure_fail_above" },
        { &c->stall_warn_above, &c->stall_fail_above, true, "stall_warn_above", "stall_fail_above" },
    };
    bool fine = is_path(c->scope) || !strcmp(c->scope, "host") || !strcmp(c->scope, "cgroup") || !strcmp(c->scope, "auto");
    if (!fine)
        diag->error(diag, "scope", "\"%s\" is none of host, cgroup, auto or a cgroup's path such as /system.slice/nginx.service", c->scope);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct found_limit l = { .warn = pairs[i].warn, .fail = pairs[i].fail, .above = pairs[i].above };
        found_prepare(&l, diag, pairs[i].warn_name, pairs[i].fail_name);
    }
    return fine;
}

/* ---- what is measured ---- */

struct reading {
    char where[256];                 /* "of the host", "in cgroup /app.slice" */
    bool limited;                    /* total and available mean something */
    double total, available, used;
    bool has_pressure;
    struct procfs_pressure pressure;
    bool has_oom;
    uint64_t oom_kills;
};

static void read_pressure(struct reading *r, struct procfs_text text)
{
    r->has_pressure = procfs_pressure(text, &r->pressure);
}

static void read_oom(struct reading *r, struct procfs_text text)
{
    r->has_oom = procfs_key(text, "oom_kill", &r->oom_kills);
}

static void with_file(struct reading *r, const char *path, void (*parse)(struct reading *, struct procfs_text))
{
    struct buf b = BUF(PROCFS_TABLE);
    if (!procfs_read(path, &b))
        parse(r, (struct procfs_text){ b.data, b.len });
    buf_free(&b);
}

static void read_host(struct reading *r, const struct procfs_meminfo *m)
{
    snprintf(r->where, sizeof r->where, "of the host");
    r->limited = true;
    r->total = (double)m->total;
    r->available = (double)m->available;
    r->used = r->total - r->available;
    with_file(r, "/proc/pressure/memory", read_pressure);
    with_file(r, "/proc/vmstat", read_oom);
}

static void take_level(struct reading *r, const struct cgroup_memory *m)
{
    char room[PROCFS_SMALL];
    snprintf(r->where, sizeof r->where, "in cgroup %.200s", cgroup_name(&m->level));
    r->total = m->limit;
    r->used = m->used;
    r->available = cgroup_left(m->limit, m->used);
    read_pressure(r, cgroup_text(&m->level, "memory.pressure", room, sizeof room));
    read_oom(r, cgroup_text(&m->level, "memory.events", room, sizeof room));
}

/* NULL, or why there is nothing to measure. */
static const char *read_cgroup(struct reading *r, const char *scope, double host_total)
{
    struct cgroup c;
    struct cgroup_memory m;
    double limit, used;
    const char *why = cgroup_find(&c, is_path(scope) ? scope : NULL, "memory");
    if (why)
        return why;
    bool there = !is_path(scope) || cgroup_memory_at(&c, &limit, &used);   /* else its parents would speak for it */
    enum cgroup_walk walk = there ? cgroup_memory(&c, host_total, !is_path(scope), &m) : CGROUP_NOTHING;
    if (walk == CGROUP_ONLY_OURS)
        return "own container: the cgroup holds only vitald itself, and no limit above it is visible";
    if (walk == CGROUP_NOTHING)
        return "no such cgroup, or its memory controller is off";
    take_level(r, &m);
    r->limited = walk == CGROUP_LIMITED;
    return NULL;
}

static bool read_meminfo(struct procfs_meminfo *m)
{
    struct buf b = BUF(16384);
    bool fine = !procfs_read("/proc/meminfo", &b) && procfs_meminfo((struct procfs_text){ b.data, b.len }, m);
    buf_free(&b);
    return fine;
}

/* ---- what it means ---- */

static void judge_oom(struct vital_probe *p, struct found *found, const struct reading *r)
{
    const struct memory_conf *c = p->conf;
    struct memory *m = p->priv;
    uint64_t now = vital_now(p);
    vital_number(p, OOM_KILLS, r->oom_kills);
    if (m->counted && r->oom_kills > m->oom_kills)
        m->oom_at = now;
    m->oom_kills = r->oom_kills;
    m->counted = true;
    if (!m->oom_at || now - m->oom_at >= c->oom_kill_for || c->oom_kill == OOM_OK)
        return;
    char ago[CLOCK_TEXT];
    found_add(found, oom_class[c->oom_kill], VITAL_R_MEMORY, "the kernel killed a process for lack of memory %s ago, %s",
              clock_span(now - m->oom_at, ago), r->where);
}

static void judge_pressure(struct vital_probe *p, struct found *found, const struct reading *r)
{
    const struct memory_conf *c = p->conf;
    struct memory *m = p->priv;
    struct found_limit some = { &c->pressure_warn_above, &c->pressure_fail_above, m->pressure_was, true };
    struct found_limit full = { &c->stall_warn_above, &c->stall_fail_above, m->stall_was, true };
    bool asked = some.warn->set || some.fail->set || full.warn->set || full.fail->set;
    if (!r->has_pressure) {
        if (asked)
            found_add(found, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "memory pressure %s cannot be read: the kernel offers no PSI there", r->where);
        return;
    }
    vital_number(p, PRESSURE, r->pressure.some);
    vital_number(p, STALL, r->pressure.full);
    found_beyond(found, &some, &(struct found_measure){ FOUND_COUNT, r->pressure.some, 1, VITAL_R_THRESHOLD },
                 "some task waited for memory %.0f%% of the last 10s, %s",
                 100 * r->pressure.some, r->where);
    found_beyond(found, &full, &(struct found_measure){ FOUND_COUNT, r->pressure.full, 1, VITAL_R_THRESHOLD },
                 "all tasks waited for memory %.0f%% of the last 10s, %s",
                 100 * r->pressure.full, r->where);
}

static void judge_swap(struct vital_probe *p, struct found *found, const struct procfs_meminfo *host)
{
    const struct memory_conf *c = p->conf;
    struct memory *m = p->priv;
    struct found_limit swap = { &c->swap_warn_below, &c->swap_fail_below, m->swap_was, false };
    char total[FOUND_AMOUNT];
    vital_number(p, SWAP_TOTAL, host->swap_total);
    vital_number(p, SWAP_FREE, host->swap_free);
    if (host->swap_total)
        found_beyond(found, &swap, &(struct found_measure){ FOUND_BYTES, (double)host->swap_free, (double)host->swap_total, VITAL_R_THRESHOLD },
                     "%.0f%% of %s of swap free",
                     100.0 * (double)host->swap_free / (double)host->swap_total, found_bytes((double)host->swap_total, total));
}

static void judge_available(struct vital_probe *p, struct found *found, const struct reading *r)
{
    const struct memory_conf *c = p->conf;
    struct memory *m = p->priv;
    struct found_limit l = { &c->warn_below, &c->fail_below, m->memory_was, false };
    char total[FOUND_AMOUNT];
    vital_number(p, USED, r->used);
    if (!r->limited)
        return;
    vital_number(p, TOTAL, r->total);
    vital_number(p, AVAILABLE, r->available);
    vital_number(p, RATIO, r->total > 0 ? r->available / r->total : 0);
    found_beyond(found, &l, &(struct found_measure){ FOUND_BYTES, r->available, r->total, VITAL_R_THRESHOLD },
                 "%.0f%% of %s available %s",
                 r->total > 0 ? 100 * r->available / r->total : 0, found_bytes(r->total, total), r->where);
}

static void report(struct vital_probe *p, const struct reading *r, const struct procfs_meminfo *host, bool is_host)
{
    struct found found = { .class = VITAL_PASS };
    char total[FOUND_AMOUNT], used[FOUND_AMOUNT];
    judge_available(p, &found, r);
    if (is_host)
        judge_swap(p, &found, host);
    judge_pressure(p, &found, r);
    if (r->has_oom)
        judge_oom(p, &found, r);
    if (r->limited)
        judge_finish(p, &found, "%.0f%% of %s available %s", r->total > 0 ? 100 * r->available / r->total : 0, found_bytes(r->total, total), r->where);
    else
        judge_finish(p, &found, "%s used %s, which has no limit", found_bytes(r->used, used), r->where);
}

static void start(struct vital_probe *p)
{
    const struct memory_conf *c = p->conf;
    struct procfs_meminfo host;
    struct reading r = { .limited = false };
    if (!read_meminfo(&host)) {
        vital_finish(p, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "cannot read MemTotal and MemAvailable from /proc/meminfo");
        return;
    }
    bool is_host = !strcmp(c->scope, "host");
    bool is_auto = !strcmp(c->scope, "auto");
    const char *why = is_host ? NULL : read_cgroup(&r, c->scope, (double)host.total);
    double unread = is_auto && why ? cgroup_v1_limit() : (double)host.total;
    if (unread < (double)host.total) {
        char limit[FOUND_AMOUNT];
        vital_finish(p, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "cgroup version 1 allows us %s, and what is used of it is not read; "
                     "`scope: host` measures the host", found_bytes(unread, limit));
    } else if (is_host || (is_auto && !r.limited)) {
        r = (struct reading){ .limited = false };
        read_host(&r, &host);
        report(p, &r, &host, true);
    } else if (why) {
        vital_finish(p, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "not available: %s", why);
    } else {
        report(p, &r, &host, false);
    }
}

const struct vital_module memory_module = {
    VITAL_MODULE_HEAD,
    .name = "memory",
    .summary = "memory that is left, of the host or a cgroup, pressure, kills",
    .manual =
        "Of the host it takes MemAvailable, the kernel's own estimate. Of a cgroup (version 2) it takes the limit minus what is used, without file "
        "cache that can be dropped at once; the tree is walked up to the root and the level that leaves least counts. The text always names which one "
        "was measured.\n\n"
        "A cgroup that holds nothing but vitald, as in a sidecar container, says nothing about the application: such levels are passed over. When nothing "
        "else is left, `scope: auto` measures the host, and `scope: cgroup` warns `not available: own container`. The numbers of cgroup version 1 are "
        "not guessed at: where it limits more than us alone, `auto` warns that it cannot tell, else it measures the host. To watch one service, name its cgroup: `memory: /system.slice/nginx.service`.\n\n"
        "A kill by the kernel is noticed from the first attempt on, and held against it for `oom_kill_for`.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct memory_conf),
    .priv_size = sizeof(struct memory),
    .host_probe = true,
    .prepare = prepare,
    .start = start,
};
