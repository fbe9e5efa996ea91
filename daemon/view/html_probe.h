/* A probe on the status page: its line in the list with what opens below it, and its place among what is wrong. */
#ifndef VIEW_HTML_PROBE_H
#define VIEW_HTML_PROBE_H

#include "core/picture.h"

struct buf;

enum { HTML_HURTS = 4 };         /* failing groups that are named beside a cause */

void html_probe_row(struct buf *, const struct picture_probe *);
/* groups: those it keeps from passing, NULL where there are fewer; more: how many beyond them. */
void html_probe_trouble(struct buf *, const struct picture_probe *, const char *const groups[HTML_HURTS], unsigned more);

#endif
