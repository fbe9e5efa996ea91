/* A byte buffer that grows up to a hard cap. What does not fit is dropped and `over` says so: callers that build
 * something from a stranger's input test it once at the end instead of after every append. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;        /* always NUL-terminated once something was appended */
    size_t len, room, max;
    bool over;         /* the cap was hit: the content is cut */
};

#define BUF(cap) ((struct buf){ .max = (cap) })

void buf_add(struct buf *, const void *bytes, size_t len);
void buf_text(struct buf *, const char *text);
void buf_char(struct buf *, char c);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *, const char *fmt, va_list args);
char *buf_reserve(struct buf *, size_t len);     /* room for len more bytes, or NULL beyond the cap; then add to ->len */
void buf_consume(struct buf *, size_t len);      /* from the front */
void buf_reset(struct buf *);                    /* empty, memory kept */
void buf_free(struct buf *);
char *buf_take(struct buf *);                    /* the bytes now belong to the caller; never NULL */

#endif
