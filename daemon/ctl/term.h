/* What reaches the terminal: texts of daemons and strangers' servers, without anything that a terminal would obey. */
#ifndef CTL_TERM_H
#define CTL_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct buf;

/* Appends text with control characters and broken UTF-8 replaced; newline and tab stay, and with `colour` the colour
 * sequences (ESC [ digits ; ... m), which the daemon sends when it was asked for them, and nothing else. */
void term_clean(struct buf *out, const char *text, size_t len, bool colour);
void term_print(FILE *, const char *text, bool colour);      /* cleaned, ended by one newline */
bool term_told(void);                                        /* all that was printed on stdout has got there */
void term_pause(unsigned ms);                                /* a signal makes it shorter */
bool term_has_colour(int fd, const char *when);              /* when: auto, always, never; NULL = auto */
unsigned term_width(int fd);                                 /* 0 = unknown: not a terminal */
/* "vitalctl: ..." on stderr, cleaned. */
void term_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
