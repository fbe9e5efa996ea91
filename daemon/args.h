/* vitald's command line. */
#ifndef ARGS_H
#define ARGS_H

#include <stdint.h>

#include "config/conf.h"

enum action { ACTION_RUN, ACTION_ONCE, ACTION_CHECK, ACTION_DUMP, ACTION_OPTIONS, ACTION_MODULES };
enum { ARGS_PATHS_MAX = 64 };

struct args {
    enum action action;
    const char *paths[ARGS_PATHS_MAX], *env_files[ARGS_PATHS_MAX];
    struct conf_request request;          /* points into the two above */
    const char *options_format;           /* --dump-options= */
    const char *until;                    /* --until: a group; NULL = every probe once */
    uint64_t timeout;                     /* --timeout, for --once */
    const char *log_format;               /* NULL = as configured */
    const char *log_level;
    const char *modules;                  /* --modules DIR */
};

/* Exits itself on --help, --version and mistakes (2). */
void args_parse(struct args *, int argc, char **argv);

#endif
