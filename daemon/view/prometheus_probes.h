/* The steps of prometheus.c that are about probes: the families that all have, and the numbers that modules report. */
#ifndef VIEW_PROMETHEUS_PROBES_H
#define VIEW_PROMETHEUS_PROBES_H

#include "view/view.h"

uint32_t prometheus_probes_count(const struct view_input *, struct view_progress *);
void prometheus_probes_item(const struct view_input *, struct view_progress *, uint32_t i, struct buf *out);
uint32_t prometheus_numbers_count(const struct view_input *, struct view_progress *);
void prometheus_numbers_item(const struct view_input *, struct view_progress *, uint32_t i, struct buf *out);

#endif
