/* Option rows at work: a map becomes a struct. The same rows give defaults, checks, comparison, redaction and release. */
#ifndef CONFIG_OPT_H
#define CONFIG_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "vital_probe.h"

struct arena;
struct buf;
struct entry;
struct environment;
struct node;

enum { OPT_ROWS_MAX = 64 };

struct opt_scope {
    struct arena *arena;                 /* what is decoded lives here; nothing of the tree is referenced */
    struct diag *diag;
    const struct environment *env;
    /* Keys that have no row: true when somebody else reads them. NULL: there are none. `also` is searched for suggestions. */
    bool (*elsewhere)(void *arg, const struct entry *);
    void *arg;
    const char *const *also;
    const char *scheme;                  /* of the URL decoded last, for `tls: auto` */
    struct vital_secret **secrets;       /* every secret met: heap, the caller's */
    uint32_t secret_count, secret_room;
};

/* Options that are absent get their default; one without a default keeps what *data holds. Every problem is reported;
 * false when there was one. `what` names the map in findings ("probe `db`"). */
bool opt_decode(struct opt_scope *, const struct node *map, const char *what, const struct vital_opt *rows, void *data);
/* As opt_decode, but rows that are not given are left alone: for a map that overrides a decoded one. ~ brings the default back. */
bool opt_override(struct opt_scope *, const struct node *map, const char *what, const struct vital_opt *rows, void *data);
bool opt_defaults(struct opt_scope *, const struct vital_opt *rows, void *data);

const struct vital_opt *opt_row(const struct vital_opt *rows, const char *name);      /* NULL when there is none */
const struct vital_opt *opt_bare(const struct vital_opt *rows);                       /* what a bare value means; NULL = nothing */
/* A map for a bare value, so that it merges like one. */
struct node *opt_unfold(struct arena *, const struct vital_opt *rows, struct node *value);

void opt_free_secrets(struct opt_scope *);                       /* those that nobody took */
bool opt_same(const struct vital_opt *rows, const void *a, const void *b, unsigned flags);   /* rows with all of these flags; 0 = all */
void opt_release(const struct vital_opt *rows, void *data);      /* regexes and TLS contexts; secrets are in scope.secrets */
/* "10.0.0.1:5432 orders": the TARGET rows, printable. */
void opt_target(const struct vital_opt *rows, const void *data, struct buf *out);
void opt_print(const struct vital_opt *row, const void *field, struct buf *out);      /* one value; secrets print as *** */

void opt_fail(struct opt_scope *, const struct node *, const struct vital_opt *, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Says that nobody reads this key; suggests among the rows and scope.also. */
void opt_unknown(struct opt_scope *, const struct entry *, const char *what, const struct vital_opt *rows);
const char *opt_type_text(unsigned type);       /* "duration": for documentation and findings */

/* The TLS row's own options, and the schemes that `tls: auto` takes as TLS. */
extern const struct vital_opt opt_tls_rows[];
extern const struct vital_opt opt_source_rows[];     /* file, env, credential: where a secret may come from */

struct conf_hooks;
const struct conf_hooks *conf_hooks(void);           /* never NULL; members may be */

#endif
