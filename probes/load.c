/* load: the load average per processor, and how long tasks wait for processor and disk. */
#include "builtin.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "cgroup.h"
#include "judge.h"
#include "procfs.h"

struct load_conf {
    struct vital_threshold warn_above, fail_above;
    struct vital_threshold cpu_warn_above, cpu_fail_above;
    struct vital_threshold io_warn_above, io_fail_above;
};

struct load { bool load_was[2], cpu_was[2], io_was[2]; };

static const struct vital_opt rows[] = {
    VITAL_OPT(struct load_conf, warn_above, THRESHOLD, .flags = VITAL_BARE, .def = "2",
              .help = "warn when the 1-minute load per online processor is above this"),
    VITAL_OPT(struct load_conf, fail_above, THRESHOLD, .help = "fail above this"),
    VITAL_OPT(struct load_conf, cpu_warn_above, THRESHOLD, .flags = VITAL_PERCENT,
              .help = "warn when some task waited for a processor more of the last 10 s than this (PSI some avg10)"),
    VITAL_OPT(struct load_conf, cpu_fail_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "fail above this"),
    VITAL_OPT(struct load_conf, io_warn_above, THRESHOLD, .flags = VITAL_PERCENT,
              .help = "warn when some task waited for a disk more of the last 10 s than this (PSI some avg10)"),
    VITAL_OPT(struct load_conf, io_fail_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "fail above this"),
    VITAL_OPT_END,
};

enum { LOAD1, LOAD5, LOAD15, PER_CPU, CPUS, QUOTA, CPU_PRESSURE, IO_PRESSURE };
static const struct vital_number numbers[] = {
    [LOAD1] = { "load1", "", "load average of the last minute, of the host", false, NULL },
    [LOAD5] = { "load5", "", "of the last 5 minutes", false, NULL },
    [LOAD15] = { "load15", "", "of the last 15 minutes", false, NULL },
    [PER_CPU] = { "load1_per_cpu", "", "load1 / online processors", false, NULL },
    [CPUS] = { "cpus", "", "online processors", false, NULL },
    [QUOTA] = { "quota_cpus", "", "processors that the tightest cgroup quota above us is worth", false, NULL },
    [CPU_PRESSURE] = { "cpu_pressure_ratio", "ratio", "share of the last 10 s in which some task waited for a processor", false, NULL },
    [IO_PRESSURE] = { "io_pressure_ratio", "ratio", "share of the last 10 s in which some task waited for a disk", false, NULL },
    { .name = NULL },
};

static bool prepare(void *conf, struct vital_diag *diag)
{
    const struct load_conf *c = conf;
    struct found_limit load = { .warn = &c->warn_above, .fail = &c->fail_above, .above = true };
    struct found_limit cpu = { .warn = &c->cpu_warn_above, .fail = &c->cpu_fail_above, .above = true };
    struct found_limit io = { .warn = &c->io_warn_above, .fail = &c->io_fail_above, .above = true };
    found_prepare(&load, diag, "warn_above", "fail_above");
    found_prepare(&cpu, diag, "cpu_warn_above", "cpu_fail_above");
    found_prepare(&io, diag, "io_warn_above", "io_fail_above");
    return true;
}

/* Where pressure is read: the cgroup whose quota is the tightest of those that hold more than ourselves, else the host. */
struct place {
    bool quota;
    double cpus;
    struct cgroup cgroup;
};

static void find_quota(struct place *place)
{
    struct cgroup c;
    if (cgroup_find(&c, NULL, "cpu"))
        return;
    do {
        char room[64];
        double cpus;
        if (!procfs_cpu_max(cgroup_text(&c, "cpu.max", room, sizeof room), &cpus) || cpus <= 0 || (place->quota && cpus >= place->cpus) ||
            cgroup_is_ours(&c))
            continue;
        *place = (struct place){ true, cpus, c };
    } while (cgroup_up(&c));
}

static bool read_pressure(const struct place *place, const char *what, double *some)
{
    char room[PROCFS_SMALL], path[64];
    struct procfs_pressure pressure;
    struct procfs_text text;
    struct buf b = BUF(PROCFS_SMALL);
    if (place->quota) {
        snprintf(path, sizeof path, "%s.pressure", what);
        text = cgroup_text(&place->cgroup, path, room, sizeof room);
    } else {
        snprintf(path, sizeof path, "/proc/pressure/%s", what);
        text = procfs_read(path, &b) ? (struct procfs_text){ "", 0 } : (struct procfs_text){ b.data, b.len };
    }
    bool fine = procfs_pressure(text, &pressure);
    *some = pressure.some;
    buf_free(&b);
    return fine;
}

static void judge_pressure(struct vital_probe *p, struct found *found, const struct place *place, const char *what, unsigned row,
                           const struct found_limit *l)
{
    double some;
    const char *where = place->quota ? cgroup_name(&place->cgroup) : "the host";
    const char *noun = row == CPU_PRESSURE ? "a processor" : "a disk";
    if (read_pressure(place, what, &some)) {
        vital_number(p, row, some);
        found_beyond(found, l, &(struct found_measure){ FOUND_COUNT, some, 1, VITAL_R_THRESHOLD },
                     "some task waited for %s %.0f%% of the last 10s on %.200s", noun, 100 * some, where);
    } else if (l->warn->set || l->fail->set) {
        found_add(found, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "%s pressure cannot be read on %.200s: the kernel offers no PSI there", what, where);
    }
}

static bool read_load(double load[3])
{
    struct buf b = BUF(PROCFS_SMALL);
    bool fine = !procfs_read("/proc/loadavg", &b) && procfs_loadavg((struct procfs_text){ b.data, b.len }, load);
    buf_free(&b);
    return fine;
}

static void start(struct vital_probe *p)
{
    const struct load_conf *c = p->conf;
    struct load *priv = p->priv;
    struct found found = { .class = VITAL_PASS };
    struct place place = { .quota = false };
    struct found_limit load_limit = { &c->warn_above, &c->fail_above, priv->load_was, true };
    struct found_limit cpu_limit = { &c->cpu_warn_above, &c->cpu_fail_above, priv->cpu_was, true };
    struct found_limit io_limit = { &c->io_warn_above, &c->io_fail_above, priv->io_was, true };
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double cpus = online > 0 ? (double)online : 1, load[3];
    if (!read_load(load)) {
        vital_finish(p, VITAL_WARN, VITAL_R_NOT_AVAILABLE, "cannot read /proc/loadavg");
        return;
    }
    find_quota(&place);
    for (unsigned i = 0; i < 3; i++)
        vital_number(p, LOAD1 + i, load[i]);
    vital_number(p, CPUS, cpus);
    vital_number(p, PER_CPU, load[0] / cpus);
    if (place.quota)
        vital_number(p, QUOTA, place.cpus);
    found_beyond(&found, &load_limit, &(struct found_measure){ FOUND_COUNT, load[0] / cpus, 1, VITAL_R_THRESHOLD },
                 "load %.2f per processor (%.2f on %.0f)", load[0] / cpus, load[0], cpus);
    judge_pressure(p, &found, &place, "cpu", CPU_PRESSURE, &cpu_limit);
    judge_pressure(p, &found, &place, "io", IO_PRESSURE, &io_limit);
    judge_finish(p, &found, "load %.2f per processor (%.2f on %.0f)", load[0] / cpus, load[0], cpus);
}

const struct vital_module load_module = {
    VITAL_MODULE_HEAD,
    .name = "load",
    .summary = "load per processor, and time lost waiting for processor and disk (PSI)",
    .manual =
        "The load average is the host's, also inside a container, so it is divided by the host's online processors. What a container with a processor "
        "quota feels is pressure: where a cgroup above us has a quota (cgroup version 2, `cpu.max`), pressure is read from the cgroup with the tightest one, "
        "else from the host; the text names which. Pressure is the share of the last ten seconds in which some task could not go on.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct load_conf),
    .priv_size = sizeof(struct load),
    .host_probe = true,
    .prepare = prepare,
    .start = start,
};
