/* The metric of a number that a module reports: disk's free_bytes is vitald_disk_free_bytes. The view writes it, the manual tells it. */
#ifndef BASE_PROMNAME_H
#define BASE_PROMNAME_H

#include <stdbool.h>

struct buf;

/* Metrics are in base units; people, and JSON, want days. */
double promname_factor(const char *unit);      /* what a value is to be multiplied with */
void promname_put(struct buf *, const char *type, const char *name, const char *unit, bool counter);

#endif
