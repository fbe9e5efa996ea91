#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/places.h"

enum { DEFAULT_TIMEOUT_S = 60 };
enum { OPT_CHECK = 256, OPT_DUMP, OPT_OPTIONS, OPT_MODULE_LIST, OPT_ENV_FILE, OPT_ONCE, OPT_UNTIL, OPT_TIMEOUT,
       OPT_LOG_FORMAT, OPT_LOG_LEVEL, OPT_MODULES };

/* The row is the option, its help, and so the usage text. */
static const struct arg {
    struct option option;
    const char *value, *help;
} args_table[] = {
    { { "config", required_argument, NULL, 'c' }, "PATH", "configuration file or directory (conf.d); may be given several times" },
    { { "env-file", required_argument, NULL, OPT_ENV_FILE }, "FILE", "read environment variables from FILE (NAME=value lines)" },
    { { "check-config", no_argument, NULL, OPT_CHECK }, NULL, "check the configuration, print every finding, exit 0 or 1" },
    { { "dump-config", no_argument, NULL, OPT_DUMP }, NULL, "print the effective configuration, secrets redacted" },
    { { "dump-options", required_argument, NULL, OPT_OPTIONS }, "yaml|schema|man", "print all options of vitald and its modules" },
    { { "list-modules", no_argument, NULL, OPT_MODULE_LIST }, NULL, "print the probe types that are there" },
    { { "once", no_argument, NULL, OPT_ONCE }, NULL, "attempt every probe once, print a table, exit by the worst verdict" },
    { { "until", required_argument, NULL, OPT_UNTIL }, "GROUP", "with --once: run until GROUP passes" },
    { { "timeout", required_argument, NULL, OPT_TIMEOUT }, "TIME", "with --once: give up after TIME (60s)" },
    { { "log-format", required_argument, NULL, OPT_LOG_FORMAT }, "text|json", "instead of what is configured" },
    { { "log-level", required_argument, NULL, OPT_LOG_LEVEL }, "LEVEL", "error, warning, notice, info or debug" },
    { { "modules", required_argument, NULL, OPT_MODULES }, "DIR", "where loadable modules are" },
    { { "help", no_argument, NULL, 'h' }, NULL, "this text" },
    { { "version", no_argument, NULL, 'V' }, NULL, "print the version" },
};
enum { ARGS_COUNT = sizeof args_table / sizeof *args_table };

static void usage(void)
{
    printf("usage: vitald [options]\n"
           "Runs health probes and serves liveness, readiness and startup verdicts over HTTP.\n"
           "Without -c it watches memory, disk and the stores that the environment announces.\n\n");
    for (unsigned i = 0; i < ARGS_COUNT; i++) {
        const struct arg *a = &args_table[i];
        char left[64], brief[8] = "";
        if (a->option.val < 256)
            snprintf(brief, sizeof brief, "-%c, ", a->option.val);
        snprintf(left, sizeof left, "%s--%s%s%s", brief, a->option.name, a->value ? "=" : "", a->value ? a->value : "");
        printf("  %-32s %s\n", left, a->help);
    }
    printf("\nsee vitald(8), vitald.yaml(5), vitald-probes(7), vitalctl(1)\n");
}

static _Noreturn void mistake(const char *what, const char *value)
{
    fprintf(stderr, "vitald: %s%s%s; see vitald --help\n", what, value ? ": " : "", value ? value : "");
    exit(EXIT_USAGE);
}

static void add_path(const char **list, unsigned *count, const char *path)
{
    if (*count == ARGS_PATHS_MAX)
        mistake("too many files on the command line; put them into a directory", path);
    list[(*count)++] = path;
}

static uint64_t parse_time(const char *text)
{
    static const struct { const char *unit; uint64_t usec; } units[] = {
        { "ms", USEC_MS }, { "s", USEC_S }, { "m", 60 * USEC_S }, { "h", 3600 * USEC_S }, { "", USEC_S },
    };
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    for (unsigned i = 0; end != text && *text != '-' && i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].unit) && n && n < UINT32_MAX)
            return n * units[i].usec;
    mistake("not a time (write 60s, 5m)", text);
}

static int word_index(const char *option, const char *const *words, unsigned count, const char *value)
{
    for (unsigned i = 0; i < count; i++)
        if (words[i] && !strcmp(words[i], value))
            return (int)i;
    fprintf(stderr, "vitald: %s=%s: must be one of", option, value);
    for (unsigned i = 0, said = 0; i < count; i++)
        if (words[i])
            fprintf(stderr, "%s %s", said++ ? "," : "", words[i]);
    fprintf(stderr, "; see vitald --help\n");
    exit(EXIT_USAGE);
}

static int parse_format(const char *value)
{
    static const char *const words[] = { [LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json" };
    return word_index("--log-format", words, sizeof words / sizeof *words, value);
}

static int parse_level(const char *value)
{
    static const char *const words[] = { [LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
                                         [LOG_INFO] = "info", [LOG_DEBUG] = "debug" };
    return word_index("--log-level", words, sizeof words / sizeof *words, value);
}

static void take(struct args *a, int opt, const char *value)
{
    switch (opt) {
    case 'c': add_path(a->paths, &a->request.path_count, value); break;
    case OPT_ENV_FILE: add_path(a->env_files, &a->request.env_file_count, value); break;
    case OPT_CHECK: a->action = ACTION_CHECK; break;
    case OPT_DUMP: a->action = ACTION_DUMP; break;
    case OPT_OPTIONS: a->action = ACTION_OPTIONS; a->options_format = value; break;
    case OPT_MODULE_LIST: a->action = ACTION_MODULES; break;
    case OPT_ONCE: a->action = ACTION_ONCE; break;
    case OPT_UNTIL: a->until = value; break;
    case OPT_TIMEOUT: a->timeout = parse_time(value); break;
    case OPT_LOG_FORMAT: a->log_format = parse_format(value); break;
    case OPT_LOG_LEVEL: a->log_level = parse_level(value); break;
    case OPT_MODULES: a->modules = value; break;
    case 'h': usage(); exit(0);
    case 'V': printf("vitald %s\n", VITALD_VERSION); exit(0);
    default: exit(EXIT_USAGE); /* getopt has said what is wrong */
    }
}

void args_parse(struct args *a, int argc, char **argv)
{
    struct option options[ARGS_COUNT + 1] = { 0 };
    for (unsigned i = 0; i < ARGS_COUNT; i++)
        options[i] = args_table[i].option;
    *a = (struct args){ .log_format = -1, .log_level = -1 };
    for (int opt; (opt = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;)
        take(a, opt, optarg);
    if (optind < argc)
        mistake("what is this for", argv[optind]);
    if (a->until && a->action != ACTION_ONCE)
        mistake("--until goes with --once", NULL);
    if (a->timeout && a->action != ACTION_ONCE)
        mistake("--timeout goes with --once; a probe's own `timeout` is in the configuration", NULL);
    if (!a->timeout)
        a->timeout = DEFAULT_TIMEOUT_S * USEC_S;
    /* An installed vitald reads its own file; without one, and from a source tree, it needs no configuration. */
    if (!a->request.path_count && access(places_conf, F_OK) == 0)
        add_path(a->paths, &a->request.path_count, places_conf);
    a->request.paths = a->paths;
    a->request.env_files = a->env_files;
}

enum log_format args_log_format(const struct args *a, const struct conf *conf)
{
    if (a->log_format >= 0)
        return (enum log_format)a->log_format;
    return conf ? conf->log_format : LOG_FORMAT_AUTO;
}

int args_log_level(const struct args *a, const struct conf *conf)
{
    if (a->log_level >= 0)
        return a->log_level;
    if (a->action == ACTION_ONCE)
        return LOG_ERR; /* the table and what it waits for are what is asked for */
    return conf ? conf->log_level : LOG_INFO;
}
