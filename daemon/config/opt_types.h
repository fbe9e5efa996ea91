/* What each option type can do: one row per type, used by opt.c. The decoders are spread over opt_*.c. */
#ifndef CONFIG_OPT_TYPES_H
#define CONFIG_OPT_TYPES_H

#include "config/opt.h"

typedef bool opt_decode_fn(struct opt_scope *, const struct vital_opt *, const struct node *, void *field);
typedef bool opt_same_fn(const struct vital_opt *, const void *, const void *);
typedef void opt_print_fn(const struct vital_opt *, const void *field, struct buf *);

struct opt_type {
    const char *text;
    size_t size;                      /* of the field; 0: row_size of the row */
    opt_decode_fn *decode;
    opt_same_fn *same;
    opt_print_fn *print;              /* NULL: not printable */
    void (*release)(const struct vital_opt *, void *field);    /* NULL: nothing to do */
};
extern const struct opt_type opt_types[VITAL_TYPE_COUNT];

/* opt_scalar.c */
opt_decode_fn opt_decode_bool, opt_decode_int, opt_decode_number, opt_decode_duration, opt_decode_size, opt_decode_string,
    opt_decode_word, opt_decode_regex;
/* opt_list.c */
opt_decode_fn opt_decode_ranges, opt_decode_threshold, opt_decode_strings;
/* opt_secret.c */
opt_decode_fn opt_decode_secret, opt_decode_url, opt_decode_address, opt_decode_pairs, opt_decode_tls;
/* opt_block.c: composite */
opt_decode_fn opt_decode_block, opt_decode_blocks;
/* opt_same.c */
opt_same_fn opt_same_bool, opt_same_int, opt_same_number, opt_same_word, opt_same_text, opt_same_secret, opt_same_url, opt_same_regex,
    opt_same_ranges, opt_same_threshold, opt_same_tls, opt_same_strings, opt_same_pairs, opt_same_block, opt_same_blocks;
opt_print_fn opt_print_bool, opt_print_int, opt_print_number, opt_print_duration, opt_print_size, opt_print_string, opt_print_word,
    opt_print_secret, opt_print_url, opt_print_regex, opt_print_ranges, opt_print_threshold, opt_print_strings;

/* Says why this text is refused; false. */
bool opt_refuse(struct opt_scope *, const struct vital_opt *, const struct node *, const char *why);
bool opt_has_bounds(const struct vital_opt *);
bool opt_in_bounds(const struct vital_opt *, double);
bool opt_is_percent(const struct vital_opt *, const char *text);    /* "5%", and the row allows it */
int opt_find_word(struct opt_scope *, const struct vital_opt *, const struct node *, const char *text);   /* -1 after a finding */
/* The scalar's text, or NULL after a finding that it is a map, a list or nothing. */
const char *opt_text(struct opt_scope *, const struct vital_opt *, const struct node *);
/* The value as it may stand in a finding. */
const char *opt_shown(struct opt_scope *, const struct node *);
/* A scalar's text, or what {file:}, {env:}, {credential:} lead to: a new secret, known to the scope. NULL after a finding. */
struct vital_secret *opt_read_secret(struct opt_scope *, const struct vital_opt *, const struct node *);
/* "?a=1&token=***" for "a=1&token=x". */
void opt_redact_query(const char *query, struct buf *out);
struct vital_secret *opt_new_secret(struct opt_scope *, const char *value, size_t len);

#endif
