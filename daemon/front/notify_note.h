/* What receivers have been told, as text that a state file keeps: a restart neither repeats it nor forgets what was never
 * delivered. A line each: receiver, subject, level, since when, under whose name. */
#ifndef FRONT_NOTIFY_NOTE_H
#define FRONT_NOTIFY_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/outcome.h"

struct buf;

enum { NOTE_NAME_MAX = 64 };
struct note_line {
    char receiver[NOTE_NAME_MAX], name[NOTE_NAME_MAX], cover[NOTE_NAME_MAX];
    bool is_group, cover_is_group;
    enum level level;
    uint64_t since;                  /* wall clock */
};
void note_put(struct buf *, const struct note_line *);
/* The next good line from *text, which moves on; false: there is none. */
bool note_next(const char **text, struct note_line *);

#endif
