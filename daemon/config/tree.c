#include "config/tree.h"

#include <string.h>

#include "base/mem.h"

enum { INDEX_FROM = 12 };   /* shorter maps are searched in order */

static struct node *node_new(struct arena *a, enum node_kind kind, struct diag_place place)
{
    struct node *n = arena_alloc(a, sizeof *n);
    n->kind = (uint8_t)kind;
    n->place = place;
    return n;
}

struct node *node_null(struct arena *a, struct diag_place place, bool blank)
{
    struct node *n = node_new(a, NODE_NULL, place);
    n->blank = blank;
    return n;
}

struct node *node_scalar(struct arena *a, struct diag_place place, const char *text, size_t len, bool quoted)
{
    struct node *n = node_new(a, NODE_SCALAR, place);
    n->text = arena_copy_n(a, text, len);
    n->len = len;
    n->quoted = quoted;
    return n;
}

struct node *node_list(struct arena *a, struct diag_place place)
{
    return node_new(a, NODE_LIST, place);
}

struct node *node_map(struct arena *a, struct diag_place place)
{
    return node_new(a, NODE_MAP, place);
}

const char *node_kind_text(const struct node *n)
{
    static const char *const texts[] = { "nothing", "text", "a list", "a map" };
    return texts[n->kind];
}

static void *widen(struct arena *a, const void *old, struct node *n, size_t size)
{
    n->room = n->room ? n->room * 2 : 4;
    void *wider = arena_alloc(a, n->room * size);
    if (n->count)
        memcpy(wider, old, n->count * size);
    return wider;
}

void list_add(struct arena *a, struct node *list, struct node *item)
{
    if (list->count == list->room)
        list->items = widen(a, list->items, list, sizeof(struct node *));
    list->items[list->count++] = item;
}

void map_put(struct arena *a, struct node *map, const char *key, struct diag_place place, struct node *value)
{
    if (map->count == map->room)
        map->entries = widen(a, map->entries, map, sizeof *map->entries);
    map->entries[map->count++] = (struct entry){ key, value, place };
    if (map->index) {
        names_put(map->index, a, key, map->count - 1);
    } else if (map->count > INDEX_FROM) {
        map->index = arena_alloc(a, sizeof *map->index);
        for (uint32_t i = 0; i < map->count; i++)
            names_put(map->index, a, map->entries[i].key, i);
    }
}

/* Deleted ones too: a key that comes back takes its old place. */
static struct entry *slot(const struct node *map, const char *key)
{
    if (map->index) {
        uint32_t i = names_get(map->index, key);
        return i == NAMES_NONE ? NULL : &map->entries[i];
    }
    for (uint32_t i = 0; i < map->count; i++)
        if (!strcmp(map->entries[i].key, key))
            return &map->entries[i];
    return NULL;
}

struct entry *map_entry(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    struct entry *e = slot(map, key);
    return e && e->value ? e : NULL;
}

struct node *map_find(const struct node *map, const char *key)
{
    struct entry *e = map_entry(map, key);
    return e ? e->value : NULL;
}

struct entry *map_next(const struct node *map, const struct entry *behind)
{
    size_t i = behind ? (size_t)(behind - map->entries) + 1 : 0;
    while (i < map->count && !map->entries[i].value)
        i++;
    return i < map->count ? &map->entries[i] : NULL;
}

static bool deletes(const struct node *n)
{
    return n->kind == NODE_NULL && !n->blank;
}

void tree_merge(struct arena *a, struct node *base, struct node *over)
{
    MAP_EACH(e, over) {
        struct entry *old = slot(base, e->key);
        if (!old)
            map_put(a, base, e->key, e->place, e->value);
        else if (old->value && deletes(e->value))
            old->value = NULL;
        else if (old->value && old->value->kind == NODE_MAP && e->value->kind == NODE_MAP)
            tree_merge(a, old->value, e->value);
        else if (!old->value || !e->value->blank)
            *old = *e;
    }
}

void tree_prune(struct node *n)
{
    for (uint32_t i = 0; n->kind == NODE_LIST && i < n->count; i++)
        tree_prune(n->items[i]);
    if (n->kind != NODE_MAP)
        return;
    MAP_EACH(e, n)
        if (deletes(e->value))
            e->value = NULL;
        else
            tree_prune(e->value);
}

struct node *tree_copy(struct arena *a, const struct node *n)
{
    struct node *copy = node_new(a, n->kind, n->place);
    *copy = *n;
    if (n->kind != NODE_MAP)
        return copy;
    copy->count = copy->room = 0;
    copy->entries = NULL;
    copy->index = NULL;
    MAP_EACH(e, n)
        map_put(a, copy, e->key, e->place, tree_copy(a, e->value));
    return copy;
}
