/* exec: runs a program, in the manner of Nagios plugins. */
#include "builtin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/envlist.h"
#include "base/mem.h"
#include "judge.h"
#include "perfdata.h"

struct codes { struct vital_list pass, warn; };

struct exec_conf {
    struct vital_list command;
    struct vital_list env;
    const char *dir;
    const char *input;
    uint64_t output_cap;
    struct codes codes;
    bool perfdata;
};

static const struct vital_opt code_rows[] = {
    VITAL_OPT(struct codes, pass, RANGES, .def = "0", .help = "exit codes that pass"),
    VITAL_OPT(struct codes, warn, RANGES, .def = "1", .help = "exit codes that warn; every other code fails"),
    VITAL_OPT_END,
};

static const struct vital_opt rows[] = {
    VITAL_OPT(struct exec_conf, command, STRINGS, .flags = VITAL_REQUIRED | VITAL_TARGET | VITAL_BARE, .min = 1, .max = 64,
              .help = "program (absolute path) and its arguments, as a list; there is no shell"),
    VITAL_OPT(struct exec_conf, env, PAIRS, .max = 64,
              .help = "its environment, besides PATH=/usr/bin:/bin and LANG=C; nothing of vitald's own is passed on"),
    VITAL_OPT(struct exec_conf, dir, STRING, .flags = VITAL_PATHNAME, .def = "/", .help = "directory to start it in"),
    VITAL_OPT(struct exec_conf, input, STRING, .help = "text for its standard input"),
    VITAL_OPT(struct exec_conf, output_cap, SIZE, .min = 256, .max = 65536, .def = "16KiB",
              .help = "how much of its output is kept; the rest is read and discarded"),
    VITAL_OPT_BLOCK(struct exec_conf, codes, code_rows, .help = "what exit codes mean; by default as for Nagios plugins"),
    VITAL_OPT(struct exec_conf, perfdata, BOOL, .def = "true", .help = "read numbers behind a `|` in the output"),
    VITAL_OPT_END,
};

enum { EXIT_CODE, PERF, PERF_SECONDS, PERF_RATIO, PERF_BYTES, PERF_TOTAL, PERF_DROPPED };
static const struct vital_number numbers[] = {
    [EXIT_CODE] = { "exit_code", "", "exit code of the last run", false, NULL },
    [PERF] = { "perf", "", "perfdata without a unit", false, "label" },
    [PERF_SECONDS] = { "perf_seconds", "seconds", "perfdata in s, ms, us", false, "label" },
    [PERF_RATIO] = { "perf_ratio", "ratio", "perfdata in %", false, "label" },
    [PERF_BYTES] = { "perf_bytes", "bytes", "perfdata in B, KB, MB, GB", false, "label" },
    [PERF_TOTAL] = { "perf_events_total", "", "perfdata that counts (unit c)", true, "label" },
    [PERF_DROPPED] = { "perf_dropped", "", "perfdata of the last run that was malformed, repeated or one too many", false, NULL },
    { .name = NULL },
};
static const unsigned row_of_unit[PERFDATA_UNIT_COUNT] = {
    [PERFDATA_PLAIN] = PERF, [PERFDATA_SECONDS] = PERF_SECONDS, [PERFDATA_RATIO] = PERF_RATIO,
    [PERFDATA_BYTES] = PERF_BYTES, [PERFDATA_COUNTER] = PERF_TOTAL,
};

static bool prepare(void *conf, struct vital_diag *diag)
{
    const struct exec_conf *c = conf;
    const char *const *argv = c->command.items;
    const struct vital_pair *env = c->env.items;
    bool fine = true;
    if (argv[0][0] != '/') {
        diag->error(diag, "command", "\"%s\" is no absolute path; there is no shell and no search path, write /usr/bin/%s or the like",
                    argv[0], argv[0]);
        fine = false;
    }
    for (uint32_t i = 0; i < c->env.count; i++)
        if (!*env[i].key || strchr(env[i].key, '=')) {
            diag->error(diag, "env", "\"%s\" cannot be the name of an environment variable", env[i].key);
            fine = false;
        }
    return fine;
}

/* Arguments may be private, so the program's path must do. */
static const char *target(const void *conf, char *room, size_t size)
{
    const struct exec_conf *c = conf;
    snprintf(room, size, "%s", ((const char *const *)c->command.items)[0]);
    return room;
}

/* ---- how it ended ---- */

static bool in_ranges(const struct vital_list *list, int code)
{
    const struct vital_range *r = list->items;
    for (uint32_t i = 0; i < list->count; i++)
        if (code >= r[i].low && code <= r[i].high)
            return true;
    return false;
}

static void report_numbers(struct vital_probe *p, const struct perfdata *d)
{
    for (unsigned i = 0; i < d->count; i++)
        vital_number_of(p, row_of_unit[d->values[i].unit], d->values[i].label, d->values[i].value);
    vital_number(p, PERF_DROPPED, d->dropped);
}

static void not_started(struct vital_probe *p, int error)
{
    const struct exec_conf *c = p->conf;
    const char *program = ((const char *const *)c->command.items)[0];
    bool ours = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
    enum vital_reason reason = ours ? VITAL_R_NO_SPAWN : judge_errno(error);
    bool elsewhere = strcmp(c->dir, "/") != 0;      /* the directory may be what is missing */
    vital_finish(p, ours ? VITAL_INTERNAL : VITAL_FAIL, reason, "cannot start %s%s%s: %s", program, elsewhere ? " in " : "", elsewhere ? c->dir : "",
                 strerror(error));
}

static void by_signal(struct vital_probe *p, int signo, const char *line)
{
    const char *name = sigabbrev_np(signo);
    vital_finish(p, VITAL_FAIL, VITAL_R_SIGNAL, "ended by signal %d (SIG%s)%s%s", signo, name ? name : "?", *line ? ": " : "", line);
}

static void by_code(struct vital_probe *p, int code, const char *line)
{
    const struct exec_conf *c = p->conf;
    enum vital_class class = in_ranges(&c->codes.pass, code) ? VITAL_PASS : in_ranges(&c->codes.warn, code) ? VITAL_WARN : VITAL_FAIL;
    enum vital_reason reason = class == VITAL_PASS ? VITAL_R_OK : VITAL_R_EXIT;
    vital_number(p, EXIT_CODE, code);
    if (*line && (class == VITAL_PASS || code <= 2)) /* beyond, plugins disagree about what a code means: name it */
        vital_finish(p, class, reason, "%s", line);
    else
        vital_finish(p, class, reason, "exit code %d%s%s", code, *line ? ": " : ", no output", line);
}

static void exited(struct vital_probe *p, const struct vital_exit *e, void *arg)
{
    (void)arg;
    const struct exec_conf *c = p->conf;
    struct perfdata d = { .count = 0 };
    if (e->error) {
        not_started(p, e->error);
        return;
    }
    if (c->perfdata) {
        perfdata_parse(e->out, e->len, &d);
        report_numbers(p, &d);
    } else {
        judge_line(d.line, sizeof d.line, e->out, e->len);
    }
    if (WIFSIGNALED(e->status))
        by_signal(p, WTERMSIG(e->status), d.line);
    else
        by_code(p, WEXITSTATUS(e->status), d.line);
}

/* ---- start ---- */

static struct envlist make_env(struct vital_probe *p, const struct vital_list *given)
{
    const struct vital_pair *pairs = given->items;
    struct envlist env = { 0 };
    for (uint32_t i = 0; i < given->count; i++) {
        size_t len;
        const char *value = p->host->reveal(pairs[i].value, &len);
        envlist_add(&env, pairs[i].key, value, len);
    }
    envlist_basics(&env);
    return env;
}

static void start(struct vital_probe *p)
{
    const struct exec_conf *c = p->conf;
    const char *const *items = c->command.items;
    const char **argv = mem_alloc((c->command.count + 1) * sizeof *argv);
    struct envlist env = make_env(p, &c->env);
    for (uint32_t i = 0; i < c->command.count; i++)
        argv[i] = items[i];
    struct vital_child child = {
        .argv = argv,
        .env = (const char *const *)env.items,
        .dir = c->dir,
        .input = c->input,
        .input_len = c->input ? strlen(c->input) : 0,
        .cap = c->output_cap,
    };
    p->host->spawn(p, &child, exited, NULL);
    envlist_free(&env);
    mem_free(argv);
}

const struct vital_module exec_module = {
    VITAL_MODULE_HEAD,
    .name = "exec",
    .summary = "runs a program and takes its exit code, first line and numbers (Nagios plugins)",
    .manual =
        "Starts the program directly, without a shell, in a process group of its own, with a clean environment: PATH=/usr/bin:/bin, LANG=C and "
        "what `env` adds. Exit code 0 passes, 1 warns, everything else fails; `codes` changes that. The first line of its output is the text. "
        "Numbers behind a `|` are read as Nagios perfdata and brought to seconds, bytes and ratios.\n\n"
        "The attempt ends when the program does, even if a grandchild still holds the output open. At the timeout the whole process group gets "
        "SIGTERM and, two seconds later, SIGKILL. Give secrets by `env` or `input`, never as arguments: those are visible to every user of the host.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct exec_conf),
    .prepare = prepare,
    .start = start,
    .target = target,
};
