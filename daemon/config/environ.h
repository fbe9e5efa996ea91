/* The environment that a configuration sees: the process's own, and below it the files given with --env-file. */
#ifndef CONFIG_ENVIRON_H
#define CONFIG_ENVIRON_H

#include <stddef.h>

#include "config/names.h"

struct arena;
struct diag;
struct node;

struct environment {
    struct arena *arena;              /* wiped by its owner: values may be secrets */
    struct names index;               /* of the files' variables */
    const char **values;
    uint32_t count, room;
};

/* environ_file.c: later files win. Warns about a file with secrets that others can read or change, and about weak passwords. */
void environ_read(struct environment *, const char *path, struct diag *);
/* Takes text apart in place; names and values stay in it, so it must live as long as the arena. `path` is for findings. */
void environ_parse(struct environment *, const char *path, char *text, size_t len, struct diag *);
void environ_set(struct environment *, const char *name, const char *value);
const char *environ_get(const struct environment *, const char *name);     /* NULL when it is not set */

/* Replaces ${VAR}, ${VAR:-default}, ${VAR:?message} and $$ in every scalar below `n`. The result stays the scalar that
 * it was: a value can never become structure. */
void tree_expand(struct node *n, struct arena *, const struct environment *, struct diag *);

#endif
