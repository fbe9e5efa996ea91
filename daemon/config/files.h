/* Finding and reading the files of a configuration. */
#ifndef CONFIG_FILES_H
#define CONFIG_FILES_H

#include <stddef.h>

struct arena;
struct diag;
struct node;

/* The whole file, NUL-terminated, in the arena; NULL and a finding when it cannot be read or is larger than max. */
char *file_read(struct arena *, const char *path, size_t max, size_t *len, struct diag *);
/* All the files (directories: their *.yaml by byte order), merged in order. names: their paths, for the finding's
 * places, live in `names`; *source gets the list of them. NULL when one of them could not be read or understood, for what is missing would
 * only cause findings that mislead. */
struct node *files_read(struct arena *tree, struct arena *names, const char *const *paths, unsigned count, const char **source,
                        struct diag *);

#endif
