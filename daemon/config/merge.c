/* Merging whole configurations: what is special about `probes`. */
#include "base/mem.h"
#include "config/build.h"
#include "config/modules.h"
#include "config/tree.h"

static struct entry *module_entry(const struct node *probe)
{
    MAP_EACH(e, probe)
        if (!opt_row(conf_policy_rows, e->key))
            return e;
    return NULL;
}

/* "redis: URL" in one file and "redis: { role: primary }" in another add up. */
static void unfold(struct arena *a, struct entry *e)
{
    char *error = NULL;
    const struct vital_module *m = modules_find(e->key, &error);
    if (m)
        e->value = opt_unfold(a, m->opts, e->value);
    mem_free(error);
}

static void merge_probe(struct arena *a, struct node *base, struct node *over)
{
    struct entry *was = module_entry(base), *now = module_entry(over);
    if (was && now && strcmp(was->key, now->key) != 0) {
        was->value = NULL;
    } else if (was && now && now->value->kind != NODE_NULL && (was->value->kind == NODE_MAP) != (now->value->kind == NODE_MAP)) {
        unfold(a, was);
        unfold(a, now);
    }
    tree_merge(a, base, over);
}

static void merge_probes(struct arena *a, struct node *base, struct node *over)
{
    MAP_EACH(e, over) {
        struct node *old = map_find(base, e->key);
        if (old && old->kind == NODE_MAP && e->value->kind == NODE_MAP) {
            merge_probe(a, old, e->value);
            e->value = NULL; /* done: the plain merge below must not see it */
        }
    }
    tree_merge(a, base, over);
}

void tree_merge_root(struct arena *a, struct node *base, struct node *over)
{
    struct node *old = map_find(base, "probes"), *new = map_find(over, "probes");
    if (old && new && old->kind == NODE_MAP && new->kind == NODE_MAP) {
        merge_probes(a, old, new);
        map_entry(over, "probes")->value = NULL;
    }
    tree_merge(a, base, over);
}
