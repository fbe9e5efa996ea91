/* UTF-8, only as much as is needed to keep a stranger's bytes out of our own lines and documents. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character at `at` has: 1 to 4, or 0 when the bytes are no valid UTF-8 (overlong forms, surrogates
 * and cut sequences included). left: at least 1. */
unsigned utf8_length(const char *at, size_t left);

/* Is this character, `length` bytes long, obeyed rather than shown by terminals, pages and editors? Control characters (C0, DEL,
 * C1), ends of lines, and the marks that turn the direction of what is read: text behind them looks like another. */
bool utf8_is_obeyed(const char *at, unsigned length);

#endif
