/* The pieces of a line of Prometheus' text formats. A line is NAME, a label with '{' before it, more with ',', the value. The
 * two formats, 0.0.4 and OpenMetrics, differ in what stands before a family's lines, and in nothing else. */
#ifndef VIEW_PROMLINE_H
#define VIEW_PROMLINE_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

/* # HELP, # TYPE and # UNIT. The name is that of the lines: with _total for a counter, with _info for an info. */
void promline_family(struct buf *, bool openmetrics, const char *name, const char *type, const char *help);
void promline_label(struct buf *, char before, const char *name, const char *value);          /* escapes; NULL = "" */
void promline_value(struct buf *, double);                                                    /* closes the labels and the line */
double promline_seconds(uint64_t usec);

#endif
