/* self: vitald about itself. All of what an unconfigured `live` asks. */
#include "builtin.h"

#include "base/clock.h"
#include "judge.h"

struct self_conf {
    uint64_t max_lag;
    struct vital_threshold fds_warn_above, resident_warn_above;
};

struct self { bool fds_was[2], resident_was[2]; };

static const struct vital_opt rows[] = {
    VITAL_OPT(struct self_conf, max_lag, DURATION, .flags = VITAL_BARE, .min = 1000000, .def = "30s",
              .help = "fail when loop or scheduler made no progress for longer than this"),
    VITAL_OPT(struct self_conf, fds_warn_above, THRESHOLD, .flags = VITAL_PERCENT, .def = "80%",
              .help = "warn when more file descriptors than this are in use (a share of the limit, or a number)"),
    VITAL_OPT(struct self_conf, resident_warn_above, THRESHOLD, .flags = VITAL_IN_BYTES, .help = "warn when vitald itself uses more memory"),
    VITAL_OPT_END,
};

enum { LAG, LAG_MAX, SCHEDULER, RESIDENT, FDS, FDS_LIMIT, THREADS, HELPERS, STUCK, CHILDREN };
static const struct vital_number numbers[] = {
    [LAG] = { "loop_lag_seconds", "seconds", "how late the event loop is", false, NULL },
    [LAG_MAX] = { "loop_lag_max_seconds", "seconds", "the worst of the last minute", false, NULL },
    [SCHEDULER] = { "scheduler_age_seconds", "seconds", "since the scheduler last made progress", false, NULL },
    [RESIDENT] = { "resident_bytes", "bytes", "memory in use by the daemon's process", false, NULL },
    [FDS] = { "fds", "", "open file descriptors", false, NULL },
    [FDS_LIMIT] = { "fds_limit", "", "how many there can be", false, NULL },
    [THREADS] = { "threads", "", "threads", false, NULL },
    [HELPERS] = { "helpers", "", "helper processes", false, NULL },
    [STUCK] = { "helpers_stuck", "", "of them, stuck in a file system that hangs", false, NULL },
    [CHILDREN] = { "children", "", "programs running for exec probes", false, NULL },
    { .name = NULL },
};

static void report_numbers(struct vital_probe *p, const struct vital_self *s)
{
    const double values[] = {
        [LAG] = (double)s->loop_lag / 1e6, [LAG_MAX] = (double)s->loop_lag_max / 1e6, [SCHEDULER] = (double)s->scheduler_age / 1e6,
        [RESIDENT] = (double)s->resident_bytes, [FDS] = (double)s->fds, [FDS_LIMIT] = (double)s->fds_limit,
        [THREADS] = (double)s->threads, [HELPERS] = (double)s->helpers, [STUCK] = (double)s->helpers_stuck, [CHILDREN] = (double)s->children,
    };
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i] > 0 || (i != RESIDENT && i != FDS))      /* those two are unknown without /proc, and never 0 */
            vital_number(p, i, values[i]);
}

static void start(struct vital_probe *p)
{
    static const struct vital_threshold none;
    const struct self_conf *c = p->conf;
    struct self *priv = p->priv;
    struct found found = { .class = VITAL_PASS };
    struct found_limit fds = { &c->fds_warn_above, &none, priv->fds_was, true };
    struct found_limit resident = { &c->resident_warn_above, &none, priv->resident_was, true };
    struct vital_self s;
    char span[CLOCK_TEXT], memory[FOUND_AMOUNT];
    p->host->self(p, &s);
    report_numbers(p, &s);
    found_bytes((double)s.resident_bytes, memory);
    if (s.loop_lag > c->max_lag)
        found_add(&found, VITAL_FAIL, VITAL_R_OWN_LAG, "vitald's event loop is %s late", clock_span(s.loop_lag, span));
    if (s.scheduler_age > c->max_lag)
        found_add(&found, VITAL_FAIL, VITAL_R_OWN_LAG, "vitald's scheduler made no progress for %s", clock_span(s.scheduler_age, span));
    if (s.helpers_lost)
        found_add(&found, VITAL_WARN, VITAL_R_NO_HELPER, "the process that makes helpers has died: file, disk and exec probes cannot run until vitald has started another; its log says why that takes long");
    found_beyond(&found, &fds, &(struct found_measure){ FOUND_COUNT, (double)s.fds, (double)s.fds_limit, VITAL_R_THRESHOLD },
                 "vitald uses %llu of %llu file descriptors",
                 (unsigned long long)s.fds, (unsigned long long)s.fds_limit);
    found_beyond(&found, &resident, &(struct found_measure){ FOUND_BYTES, (double)s.resident_bytes, 0, VITAL_R_THRESHOLD },
                 "vitald uses %s of memory", memory);
    if (s.fds && s.resident_bytes)
        judge_finish(p, &found, "loop %s late at most, %s of memory, %llu file descriptors", clock_span(s.loop_lag_max, span), memory,
                     (unsigned long long)s.fds);
    else
        judge_finish(p, &found, "loop %s late at most; /proc/self cannot be read: memory and file descriptors are unknown", clock_span(s.loop_lag_max, span));
}

const struct vital_module self_module = {
    VITAL_MODULE_HEAD,
    .name = "self",
    .summary = "vitald itself: loop and scheduler advance, descriptors, memory",
    .manual =
        "Fails only when the event loop or the scheduler stood still, which a restart of vitald can cure. Stuck helper processes are reported as a number and "
        "never fail it: a restart does not cure a hanging file system. It warns while no helper can be made because the process that makes them has died; vitald starts another by itself.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct self_conf),
    .priv_size = sizeof(struct self),
    .start = start,
};
