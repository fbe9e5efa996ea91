/* What configuration files say, as a tree of maps, lists and scalars that know their places. Scalars are text: what
 * they mean is decided by the option row that reads them. A tree lives in one arena, and nothing is removed from it
 * but by a mark: entries without a value are deleted ones. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "config/names.h"

struct arena;

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node;
struct entry {
    const char *key;
    struct node *value;       /* NULL: deleted */
    struct diag_place place;  /* of the key */
};

struct node {
    uint8_t kind;
    bool quoted;              /* text, whatever it looks like */
    bool blank;               /* NULL that was written as nothing, not as ~ */
    bool verbatim;            /* made by us from the environment: ${...} in it means nothing */
    bool broken;              /* its value is lost, which was reported: no more findings about it */
    bool expanded;            /* holds the value of a variable: never shown in a finding */
    uint32_t count, room;     /* list, map; a map's count includes deleted entries */
    union {
        struct { const char *text; size_t len; };
        struct node **items;
        struct { struct entry *entries; struct names *index; };
    };
    struct diag_place place;
};

struct node *node_null(struct arena *, struct diag_place, bool blank);
struct node *node_scalar(struct arena *, struct diag_place, const char *text, size_t len, bool quoted);   /* copies */
struct node *node_list(struct arena *, struct diag_place);
struct node *node_map(struct arena *, struct diag_place);
const char *node_kind_text(const struct node *);      /* "a map", "a list", "text", "nothing" */

void list_add(struct arena *, struct node *list, struct node *item);
void map_put(struct arena *, struct node *map, const char *key, struct diag_place, struct node *value);  /* key is not copied */
struct entry *map_entry(const struct node *map, const char *key);         /* NULL when absent or deleted */
struct node *map_find(const struct node *map, const char *key);           /* NULL map is fine */
struct entry *map_next(const struct node *map, const struct entry *);    /* behind this one, NULL: the first; NULL when there is none */
#define MAP_EACH(e, map) for (struct entry *e = map_next(map, NULL); e; e = map_next(map, e))

/* Lays `over` on `base`, which changes: maps merge, lists and scalars replace, ~ deletes, nothing changes nothing. */
void tree_merge(struct arena *, struct node *base, struct node *over);
/* Entries that are ~ count as deleted, at every depth. */
void tree_prune(struct node *);
/* Maps are copied, so that the copy can be merged into; the rest is shared. */
struct node *tree_copy(struct arena *, const struct node *);

/* The whole configuration: as tree_merge(), but in `probes` another module key replaces the old one, and a bare value
 * ("redis: URL") that meets a map is read as the option that it stands for. */
void tree_merge_root(struct arena *, struct node *base, struct node *over);

#endif
