/* Two small drawings of a probe's last outcomes, oldest left: what they were, and how long they took. Inline SVG. */
#ifndef VIEW_PLOT_H
#define VIEW_PLOT_H

#include "core/picture.h"

struct buf;

/* A bar an outcome; the worse, the taller, so that it is read without colour too. */
void plot_history(struct buf *, const struct picture_probe *);
/* A line of durations from 0 to the longest, with the last and the longest in words. */
void plot_latency(struct buf *, const struct picture_probe *);

#endif
