/* The journal: a ring of the last transitions with increasing ids. Consumers keep a cursor and read what is new; one
 * that is too slow skips to the oldest that is left. */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/outcome.h"

enum { JOURNAL_SIZE = 1024, JOURNAL_TEXT_MAX = 160, JOURNAL_NAME_MAX = 64 };
enum journal_kind { JOURNAL_PROBE, JOURNAL_GROUP, JOURNAL_MODE, JOURNAL_SELF, JOURNAL_KIND_COUNT };   /* probe group mode self */
ENUM_TEXT_DECLARE(journal_kind);

struct journal_entry {
    uint64_t id;                         /* from 1, never reused in one process */
    uint64_t wall;
    enum journal_kind kind;
    const char *name;                    /* of the probe or group; "vitald" for self */
    const char *from, *to;               /* static words: "up" "down", "pass" "fail", "normal" "paused" ... */
    const char *reason;                  /* static: code of the reason, or "" */
    const char *text;                    /* name and text live until the entry gives way to a newer one */
};

void journal_add(enum journal_kind, const char *name, const char *from, const char *to, const char *reason, const char *text);
uint64_t journal_last(void);             /* id of the newest; 0 = empty */
uint64_t journal_first(void);            /* id of the oldest that is left; 0 = empty */
const struct journal_entry *journal_get(uint64_t id);        /* NULL when not there */
/* The first entry after `cursor` that is left; *skipped counts those that were lost. NULL = nothing new. */
const struct journal_entry *journal_after(uint64_t cursor, uint64_t *skipped);

#endif
