/* Findings about a configuration: collected, sorted by place, printed all at once. */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum diag_level { DIAG_NOTE, DIAG_WARNING, DIAG_ERROR };

struct diag_place {
    const char *file;       /* NULL: about the whole configuration */
    uint32_t line, column;  /* from 1; 0 = unknown */
};

struct diag_finding {
    enum diag_level level;
    struct diag_place place;   /* file is copied */
    char *text;                /* what is wrong, and what to do */
};

struct diag {
    struct diag_finding *items;
    size_t count, room;
    unsigned errors, warnings;
    unsigned dropped;          /* beyond DIAG_MAX */
    bool host;                 /* an error is the host's, see mem_is_short(): the next try may do without it */
};

enum { DIAG_MAX = 200 };       /* a broken file of a million lines makes a readable report */

void diag_add(struct diag *, enum diag_level, struct diag_place, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void diag_vadd(struct diag *, enum diag_level, struct diag_place, const char *fmt, va_list);
void diag_sort(struct diag *);                            /* by file, line, column; stable */
void diag_print(const struct diag *, struct buf *out);    /* file:line:column: error: text */
void diag_free(struct diag *);

/* The name of `names` nearest to a misspelt `word` (edit distance), or NULL when none is near. */
const char *diag_nearest(const char *word, const char *(*name)(const void *names, size_t i), const void *names, size_t count);

#endif
