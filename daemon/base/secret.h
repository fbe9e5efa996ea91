/* A secret: where it comes from, and its value. The only type that may hold a password, and it has no printer. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum secret_source { SECRET_LITERAL, SECRET_ENV, SECRET_FILE, SECRET_CREDENTIAL };
enum { SECRET_MAX = 64 * 1024 };

struct vital_secret {
    enum secret_source source;
    const char *origin;     /* variable, path or credential name; NULL for a literal. Printable */
    char *value;            /* never NULL; heap, wiped on free */
    size_t len;
};

/* Reads it: blocking, so never on the loop. Returns NULL or an error text (static or in the arena) that names the source,
 * never the value; after an error an older value is still there. A file's last newline is not part of the secret. */
const char *secret_load(struct vital_secret *, struct arena *);
void secret_set(struct vital_secret *, const char *value, size_t len);
/* For a file or credential secret: where it is now. NULL for other sources. */
const char *secret_path(const struct vital_secret *, char *room, size_t size);
/* New content of its file. False, and the value stays, when the content cannot be a secret; *changed is only ever set. */
bool secret_refill(struct vital_secret *, const char *bytes, size_t len, bool *changed);
/* The same source and the same value: what a reload compares. */
bool secret_equal(const struct vital_secret *, const struct vital_secret *);
void secret_free(struct vital_secret *);               /* wipes; the struct itself belongs to an arena */

/* Replaces every occurrence of the value in text by "***", in place: the text shrinks. Values shorter than 4 bytes
 * are not looked for. */
void secret_scrub(const struct vital_secret *, char *text);

/* A file secret's path is readable by everybody: what the linter warns about. */
bool secret_is_exposed(const struct vital_secret *);

#endif
