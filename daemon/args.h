/* vitald's command line. */
#ifndef ARGS_H
#define ARGS_H

#include <stdint.h>

#include "base/log.h"
#include "config/conf.h"

enum action { ACTION_RUN, ACTION_ONCE, ACTION_CHECK, ACTION_DUMP, ACTION_OPTIONS, ACTION_MODULES };
enum { ARGS_PATHS_MAX = 64 };
/* From sysexits.h, so that none is one of the verdicts that --once exits by. */
enum { EXIT_USAGE = 64, EXIT_OS = 71, EXIT_CONFIG = 78 };

struct args {
    enum action action;
    const char *paths[ARGS_PATHS_MAX], *env_files[ARGS_PATHS_MAX];
    struct conf_request request;          /* points into the two above */
    const char *options_format;           /* --dump-options= */
    const char *until;                    /* --until: a group; NULL = every probe once */
    uint64_t timeout;                     /* --timeout, for --once */
    int log_format;                       /* enum log_format; -1 = as configured */
    int log_level;                        /* LOG_ERR ... LOG_DEBUG; -1 = as configured */
    const char *modules;                  /* --modules DIR */
};

/* Exits itself on --help, --version and mistakes (EXIT_USAGE). */
void args_parse(struct args *, int argc, char **argv);

/* What is said there goes before the configuration (NULL: there is none), also after a reload. */
enum log_format args_log_format(const struct args *, const struct conf *);
int args_log_level(const struct args *, const struct conf *);

#endif
