#include "core/journal.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/text.h"

ENUM_TEXT(journal_kind, JOURNAL_KIND_COUNT, "probe", "group", "mode", "self")

static struct journal_entry ring[JOURNAL_SIZE];
static uint64_t last;

/* One block for both, the name first: most are a tenth of the longest. */
static void keep_words(struct journal_entry *e, const char *name, const char *text)
{
    size_t name_len = text_cut_at(name, JOURNAL_NAME_MAX - 1), text_len = text ? text_cut_at(text, JOURNAL_TEXT_MAX - 1) : 0;
    char *words = mem_alloc(name_len + text_len + 2);
    memcpy(words, name, name_len);
    if (text_len)
        memcpy(words + name_len + 1, text, text_len);
    e->name = words;
    e->text = words + name_len + 1;
}

void journal_add(enum journal_kind kind, const char *name, const char *from, const char *to, const char *reason, const char *text)
{
    struct journal_entry *e = &ring[++last % JOURNAL_SIZE];
    mem_free((char *)e->name);
    *e = (struct journal_entry){ .id = last, .wall = clock_wall(), .kind = kind, .from = from, .to = to, .reason = reason };
    keep_words(e, name, text);
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
