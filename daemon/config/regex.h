/* Regular expressions: PCRE2, bounded. A pattern that runs away on some text ends with "limit", never with a long stall. */
#ifndef CONFIG_REGEX_H
#define CONFIG_REGEX_H

#include <stddef.h>

struct vital_regex;

enum regex_answer { REGEX_NO, REGEX_YES, REGEX_LIMIT };

/* NULL and *error (heap) when the pattern is wrong. */
struct vital_regex *regex_new(const char *pattern, char **error);
void regex_free(const struct vital_regex *);
const char *regex_pattern(const struct vital_regex *);
/* The text need not be UTF-8. Safe from any thread. */
enum regex_answer regex_match(const struct vital_regex *, const char *text, size_t len);

#endif
