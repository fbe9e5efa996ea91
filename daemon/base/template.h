/* Templates for JSON documents: literal JSON with placeholders, {{name}}.
 *
 * The document's shape is settled when the template is read, and no value can change it: inside a string a value is escaped
 * as a part of that string, elsewhere it becomes one whole JSON value, and the name of a member cannot be a placeholder. There
 * are no conditions, loops, filters or includes. */
#ifndef BASE_TEMPLATE_H
#define BASE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct buf;

enum { TEMPLATE_MAX = 32 * 1024, TEMPLATE_PIECES = 256 };

struct template_piece {
    const char *text;        /* literal; NULL: a placeholder */
    size_t len;
    unsigned name;           /* its index among the names */
    bool in_string;
};
struct template {
    struct template_piece *pieces;
    unsigned count;
};

/* NULL, or what is wrong (static or in the arena) with *at the offset in the text. names: NULL-ended. All that the template
 * holds lives in the arena. */
const char *template_parse(struct arena *, const char *text, size_t len, const char *const *names, struct template **, size_t *at);

enum template_kind { TEMPLATE_TEXT, TEMPLATE_NUMBER, TEMPLATE_TEXTS };
struct template_value {
    enum template_kind kind;
    const char *text;        /* NULL = "" */
    double number;
    const char *const *texts;    /* an array; inside a string joined by ", " */
    unsigned count;
};
typedef struct template_value template_value_fn(const void *arg, unsigned name);
void template_render(const struct template *, template_value_fn *, const void *arg, struct buf *out);

/* One value as plain text, as it stands in a string before escaping. */
void template_plain(const struct template_value *, struct buf *out);

#endif
