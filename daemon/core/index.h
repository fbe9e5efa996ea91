/* Names to indexes: a hash table that is filled once. */
#ifndef CORE_INDEX_H
#define CORE_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct index {
    uint32_t *slots;        /* index + 1; 0 = empty */
    const char **names;
    uint32_t mask;
};

void index_open(struct index *, uint32_t count);
void index_add(struct index *, const char *name, uint32_t index);
uint32_t index_find(const struct index *, const char *name, size_t len);     /* UINT32_MAX = no such */
void index_close(struct index *);
uint64_t index_hash(const char *text, size_t len);

#endif
