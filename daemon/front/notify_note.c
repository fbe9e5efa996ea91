#include "front/notify_note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

void note_put(struct buf *out, const struct note_line *l)
{
    buf_printf(out, "%s %c%s %u %" PRIu64 " %c%s\n", l->receiver, l->is_group ? 'g' : 'p', l->name, (unsigned)l->level, l->since,
               l->cover_is_group ? 'g' : 'p', l->cover);
}

static bool read_line(const char *line, struct note_line *l)
{
    char kind, cover_kind;
    unsigned level;
    *l = (struct note_line){ 0 };
    if (sscanf(line, "%63s %c%63s %1u %18" SCNu64 " %c%63s", l->receiver, &kind, l->name, &level, &l->since, &cover_kind, l->cover) != 7)
        return false;
    l->is_group = kind == 'g';
    l->cover_is_group = cover_kind == 'g';
    l->level = level;
    return level == LEVEL_WARN || level == LEVEL_FAIL;
}

bool note_next(const char **text, struct note_line *l)
{
    while (**text) {
        char line[4 * NOTE_NAME_MAX + 64];
        size_t len = strcspn(*text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)len, *text);
        *text += len + ((*text)[len] == '\n');
        if (len < sizeof line && read_line(line, l))
            return true;
    }
    return false;
}
