#include "base/envlist.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

void envlist_add(struct envlist *e, const char *key, const char *value, size_t len)
{
    size_t before = strlen(key);
    char *text = mem_alloc(before + len + 2);
    memcpy(text, key, before);
    text[before] = '=';
    memcpy(text + before + 1, value, len);
    if (e->count + 1 >= e->room) {
        e->room = e->room ? e->room * 2 : 16;
        e->items = mem_grow(e->items, e->room * sizeof *e->items);
    }
    e->items[e->count++] = text;
    e->items[e->count] = NULL;
}

static bool has_key(const struct envlist *e, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < e->count; i++)
        if (!strncmp(e->items[i], key, len) && e->items[i][len] == '=')
            return true;
    return false;
}

void envlist_basics(struct envlist *e)
{
    static const struct { const char *key, *value; } basics[] = { { "PATH", "/usr/bin:/bin" }, { "LANG", "C" } };
    for (size_t i = 0; i < sizeof basics / sizeof *basics; i++)
        if (!has_key(e, basics[i].key))
            envlist_add(e, basics[i].key, basics[i].value, strlen(basics[i].value));
}

void envlist_free(struct envlist *e)
{
    for (size_t i = 0; i < e->count; i++) {
        mem_wipe(e->items[i], strlen(e->items[i]));
        mem_free(e->items[i]);
    }
    mem_free(e->items);
    *e = (struct envlist){ 0 };
}
