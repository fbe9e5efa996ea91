/* A health document (application/health+json) in the words of a Nagios plugin: one line, more lines, performance data. */
#ifndef CTL_HEALTH_H
#define CTL_HEALTH_H

#include <stdbool.h>

struct buf;
struct fetch;

/* What is said about the whole, and the first checks that do not pass: "draining; db: refused: ... (and 2 more)". */
void health_summary(struct buf *, const struct fetch *);
/* A line for each check that does not pass. */
void health_lines(struct buf *, const struct fetch *);
/* " 'db responseTime'=1.2ms 'root available_ratio'=43%"; bounded. */
void health_numbers(struct buf *, const struct fetch *);

#endif
