/* The line that HAProxy's agent-check reads: "up 100%", "down #db: refused". By default it says nothing about HAProxy's
 * administrative state, which belongs to the operators there: `ready` would cancel the drain that one of them ordered. */
#ifndef VIEW_AGENT_H
#define VIEW_AGENT_H

#include <stdbool.h>

#include "core/picture.h"

struct buf;

enum { AGENT_LINE_MAX = 160 };

struct view_agent {
    const struct picture *picture;   /* groups[0]: for reasons and maintenance; NULL = neither is needed */
    enum level level;
    enum why why;
    bool draining, leaving;          /* leaving: it drains because vitald was told to stop */
    bool undecided;                  /* right after our own start: a line that changes nothing */
    bool admin_words;
    unsigned weight;                 /* percent */
};
/* One line with its end, printable ASCII, at most AGENT_LINE_MAX bytes. */
void agent_line(const struct view_agent *, struct buf *out);

#endif
