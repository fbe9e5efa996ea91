#include "config/names.h"

#include <string.h>

#include "base/mem.h"

enum { NAMES_FIRST = 16 };

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h ^ h >> 15;
}

static struct name_slot *slot_of(const struct names *n, const char *text)
{
    uint32_t at = hash(text) & (n->room - 1);
    while (n->slots[at].text && strcmp(n->slots[at].text, text) != 0)
        at = (at + 1) & (n->room - 1);
    return &n->slots[at];
}

static void grow(struct names *n, struct arena *a)
{
    struct names wider = { .room = n->room ? n->room * 2 : NAMES_FIRST, .count = n->count };
    wider.slots = arena_alloc(a, wider.room * sizeof *wider.slots);
    for (uint32_t i = 0; i < n->room; i++)
        if (n->slots[i].text)
            *slot_of(&wider, n->slots[i].text) = n->slots[i];
    *n = wider;
}

void names_put(struct names *n, struct arena *a, const char *text, uint32_t value)
{
    if (n->count * 2 >= n->room)
        grow(n, a);
    struct name_slot *s = slot_of(n, text);
    n->count += !s->text;
    *s = (struct name_slot){ text, value };
}

uint32_t names_get(const struct names *n, const char *text)
{
    if (!n->room)
        return NAMES_NONE;
    const struct name_slot *s = slot_of(n, text);
    return s->text ? s->value : NAMES_NONE;
}
