/* The numbers of outcomes: from the block of a running attempt into the record. */
#include <string.h>

#include "base/mem.h"
#include "core/probe.h"

enum { SPARE_MAX = 8 };
static struct number *spare[SPARE_MAX];
static unsigned spare_count;

/* What is counted next is the caller's to say. */
static void free_labels(const struct numbers *n)
{
    for (unsigned i = 0; i < n->count; i++)
        mem_free(n->items[i].label);
}

void numbers_open(struct numbers *n)
{
    n->items = spare_count ? spare[--spare_count] : mem_alloc(OUTCOME_NUMBERS_MAX * sizeof *n->items);
    n->room = OUTCOME_NUMBERS_MAX;
}

void numbers_close(struct numbers *n)
{
    free_labels(n);
    if (n->items && spare_count < SPARE_MAX)
        spare[spare_count++] = n->items;
    else
        mem_free(n->items);
    *n = (struct numbers){ 0 };
}

void numbers_keep(struct numbers *kept, struct numbers *reported)
{
    free_labels(kept);
    if (reported->count > kept->room) {
        kept->room = reported->count;
        kept->items = mem_grow(kept->items, kept->room * sizeof *kept->items);
    }
    if (reported->count)
        memcpy(kept->items, reported->items, reported->count * sizeof *kept->items);
    kept->count = reported->count;
    reported->count = 0;         /* the labels went along */
}

void numbers_free(struct numbers *n)
{
    free_labels(n);
    mem_free(n->items);
    *n = (struct numbers){ 0 };
}
