/* The pieces of a line of Prometheus' text format. A line is NAME, a label with '{' before it, more with ',', the value. */
#ifndef VIEW_PROMLINE_H
#define VIEW_PROMLINE_H

#include <stdint.h>

struct buf;

void promline_family(struct buf *, const char *name, const char *type, const char *help);      /* # HELP and # TYPE */
void promline_label(struct buf *, char before, const char *name, const char *value);          /* escapes; NULL = "" */
void promline_value(struct buf *, double);                                                    /* closes the labels and the line */
double promline_seconds(uint64_t usec);

#endif
