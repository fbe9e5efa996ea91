#include "core/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/text.h"

ENUM_TEXT(journal_kind, JOURNAL_KIND_COUNT, "probe", "group", "mode", "self")

static struct journal_entry ring[JOURNAL_SIZE];
static uint64_t last;

void journal_add(enum journal_kind kind, const char *name, const char *from, const char *to, const char *reason, const char *text)
{
    struct journal_entry *e = &ring[++last % JOURNAL_SIZE];
    *e = (struct journal_entry){ .id = last, .wall = clock_wall(), .kind = kind, .from = from, .to = to, .reason = reason };
    text_cut(e->name, sizeof e->name, name);
    text_cut(e->text, sizeof e->text, text);
}

uint64_t journal_last(void)
{
    return last;
}

uint64_t journal_first(void)
{
    return last <= JOURNAL_SIZE ? last > 0 : last - JOURNAL_SIZE + 1;
}

const struct journal_entry *journal_get(uint64_t id)
{
    return id && id >= journal_first() && id <= last ? &ring[id % JOURNAL_SIZE] : NULL;
}

const struct journal_entry *journal_after(uint64_t cursor, uint64_t *skipped)
{
    *skipped = 0;
    if (cursor >= last)
        return NULL;
    uint64_t id = cursor + 1;
    if (id < journal_first()) {
        *skipped = journal_first() - id;
        id = journal_first();
    }
    return journal_get(id);
}
