/* UTF-8, only as much as is needed to keep a stranger's bytes out of our own lines and documents. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* How many bytes the character at `at` has: 1 to 4, or 0 when the bytes are no valid UTF-8 (overlong forms, surrogates
 * and cut sequences included). left: at least 1. */
unsigned utf8_length(const char *at, size_t left);

#endif
