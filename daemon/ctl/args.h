/* The command line: options are rows of one table, commands say which ones they take; usage texts come from both. */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

enum {
    ARG_SOCKET = 1 << 0, ARG_URL = 1 << 1, ARG_OUTPUT = 1 << 2, ARG_COLOR = 1 << 3, ARG_WATCH = 1 << 4,
    ARG_FOR = 1 << 5, ARG_TIMEOUT = 1 << 6, ARG_UNTIL = 1 << 7, ARG_WAIT = 1 << 8, ARG_SINCE = 1 << 9,
    ARG_FOLLOW = 1 << 10, ARG_LAST = 1 << 11, ARG_QUIET = 1 << 12,
};
enum { ARGS_NAMES_MAX = 64 };

/* How vitalctl ends; `check` keeps to 0 and 1 (2 is reserved by Docker), or to Nagios's codes with -o nagios. */
enum { EXIT_OK = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

struct args {
    unsigned given;                       /* ARG_... */
    const char *socket, *url, *output, *color, *until;
    uint64_t period, timeout, wait;       /* microseconds; --for, --timeout, --wait */
    uint64_t since, last;
    const char *names[ARGS_NAMES_MAX];
    unsigned count;
};

struct command {
    const char *name, *operands;          /* operands as usage shows them */
    const char *summary, *help;           /* one line; a paragraph, or NULL */
    unsigned accepts;
    unsigned min, max;                    /* operands */
    const char *outputs;                  /* what -o takes: "text json"; NULL = none */
    int (*run)(const struct args *);
};

/* NULL, or what is wrong first (heap): the rest is read all the same, for -o says how to tell. argv: what follows the
 * command's name. Options and operands may mix; -- ends options. */
char *args_parse(const struct command *, int argc, char *const *argv, struct args *);
/* Options may stand before the command too: `vitalctl --socket PATH status`. The index of the first word that is none. */
int args_leading(int argc, char *const *argv);
/* "10s", "1m30s", "250ms", "1.5h", "0"; false otherwise. */
bool args_period(const char *text, uint64_t *usec);
void args_usage(const struct command *, struct buf *out);      /* the whole help of one command */

#endif
