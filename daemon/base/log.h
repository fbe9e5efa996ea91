/* The log: one line an event, to stderr, as text or as JSON, with journal prefixes when stderr is the journal.
 *
 * It never blocks: lines go to a bounded ring that log_flush() writes while stderr takes it; what does not fit is
 * counted and the count is logged when there is room again. Any thread may log. base/, config/ and view/ do not. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>        /* LOG_ERR ... LOG_DEBUG are the levels */

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_init(enum log_format, int max_level);     /* before it, lines are written at once */
void log_set(enum log_format, int max_level);      /* after a reload */
void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With a subject: log_about(LOG_WARNING, "probe", name, "down: ..."): probe=db in text (quoted where the name is not a
 * plain word), "probe":"db" in JSON. name NULL: without. Control characters are escaped: no line can be forged. */
void log_about(int level, const char *kind, const char *name, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void log_vabout(int level, const char *kind, const char *name, const char *fmt, va_list);
void log_flush(void);                              /* once a turn, loop thread only: writes what stderr takes without waiting */
void log_drain(uint64_t patience);                 /* at exit: up to that long */
uint64_t log_dropped(void);
bool log_pending(void);                            /* the ring is not empty: come back soon */

#endif
