/* The numbers of outcomes: from the block of a running attempt into the record. */
#include <string.h>

#include "base/mem.h"
#include "core/probe.h"

enum { SPARE_MAX = 8, PACKED = sizeof(double) + sizeof(uint16_t) };
static struct number *spare[SPARE_MAX];
static unsigned spare_count;

void numbers_open(struct numbers *n)
{
    n->items = spare_count ? spare[--spare_count] : mem_alloc(OUTCOME_NUMBERS_MAX * sizeof *n->items);
    n->room = OUTCOME_NUMBERS_MAX;
}

void numbers_close(struct numbers *n)
{
    for (unsigned i = 0; i < n->count; i++)
        mem_free(n->items[i].label);
    if (n->items && spare_count < SPARE_MAX)
        spare[spare_count++] = n->items;
    else
        mem_free(n->items);
    *n = (struct numbers){ 0 };
}

static size_t label_size(const struct number *n)
{
    return n->label ? strlen(n->label) + 1 : 0;
}

void packed_keep(struct packed *to, const struct numbers *from)
{
    size_t size = from->count * PACKED;
    for (unsigned i = 0; i < from->count; i++)
        size += label_size(&from->items[i]);
    if (size > to->room) {
        to->room = (uint16_t)size;
        to->values = mem_grow(to->values, size);
    }
    to->count = from->count;
    if (!size)
        return;
    uint16_t *rows = (uint16_t *)(to->values + to->count);
    char *labels = (char *)(rows + to->count);
    for (unsigned i = 0; i < from->count; i++) {
        const struct number *n = &from->items[i];
        to->values[i] = n->value;
        rows[i] = n->label ? n->row | PACKED_LABEL : n->row;
        labels = mempcpy(labels, n->label ? n->label : "", label_size(n));
    }
}
