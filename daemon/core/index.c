#include "core/index.h"

#include <string.h>

#include "base/mem.h"
#include "core/assert.h"

uint64_t index_hash(const char *text, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

void index_open(struct index *n, uint32_t count)
{
    uint64_t room = 8;
    while (room < (uint64_t)count * 2)
        room *= 2;
    n->mask = (uint32_t)(room - 1);
    n->slots = mem_alloc(room * sizeof *n->slots);
    n->names = mem_alloc(room * sizeof *n->names);
}

static uint32_t slot_of(const struct index *n, const char *name, size_t len)
{
    uint32_t at = (uint32_t)index_hash(name, len) & n->mask;
    while (n->slots[at] && (strlen(n->names[at]) != len || memcmp(n->names[at], name, len) != 0))
        at = (at + 1) & n->mask;
    return at;
}

void index_add(struct index *n, const char *name, uint32_t index)
{
    uint32_t at = slot_of(n, name, strlen(name));
    CORE_ASSERT(!n->slots[at]);
    n->slots[at] = index + 1;
    n->names[at] = name;
}

uint32_t index_find(const struct index *n, const char *name, size_t len)
{
    return n->slots[slot_of(n, name, len)] - 1;
}

void index_close(struct index *n)
{
    mem_free(n->slots);
    mem_free(n->names);
}
