/* Composite options: a map inside a map, and lists of flat maps. */
#include "base/mem.h"
#include "config/opt_types.h"
#include "config/tree.h"

bool opt_decode_block(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    return opt_decode(s, n, row->name, row->rows, field);
}

static bool decode_one(struct opt_scope *s, const struct vital_opt *row, struct node *n, void *data)
{
    struct arena *scratch = arena_new();
    struct node *map = opt_unfold(scratch, row->rows, n);
    bool good = opt_decode(s, map, row->name, row->rows, data);
    arena_free(scratch);
    return good;
}

/* What is not a list is a list of one. */
bool opt_decode_blocks(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    struct node *one[] = { (struct node *)(uintptr_t)n };
    struct node **items = n->kind == NODE_LIST ? n->items : one;
    uint32_t count = n->kind == NODE_LIST ? n->count : 1;
    char *all = arena_alloc(s->arena, (count + 1) * row->row_size);
    bool good = true;
    if ((row->min || row->max) && (count < row->min || (row->max >= row->min && count > row->max))) {
        opt_fail(s, n, row, "has %u elements, at least %lld and at most %lld are possible", count, (long long)row->min, (long long)row->max);
        good = false;
    }
    for (uint32_t i = 0; i < count; i++)
        good &= decode_one(s, row, items[i], all + i * row->row_size);
    *(struct vital_list *)field = (struct vital_list){ all, count };
    return good;
}
