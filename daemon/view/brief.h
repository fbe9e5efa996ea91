/* A verdict in one line with its causes below, for whoever waits for it. */
#ifndef VIEW_BRIEF_H
#define VIEW_BRIEF_H

#include "core/picture.h"

struct buf;

/* groups[0]: "ready: fail (starting)" and a line for each cause, at most ten: "  db is down: refused: connection refused". */
void brief_group(struct buf *, const struct picture *);
/* probes[0] after an attempt: "db: pass in 1.2ms" or "db: fail: refused: connection refused (0.4ms), is up, 1 of 3 towards down". */
void brief_outcome(struct buf *, const struct picture *);
/* Everything in one line: "ready: pass; 12 probes, 1 down: cache". `group` is an index into groups. */
void brief_all(struct buf *, const struct picture *, unsigned group);

#endif
