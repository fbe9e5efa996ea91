/* Arenas: what lies in their own block, what in chunks, what in pages of its own. */
#include <stdint.h>

#include "base/mem.h"
#include "unit.h"

static void fill(struct arena *a, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned char *at = arena_alloc(a, 100);
        CHECK_INT((uintptr_t)at % 16, 0);
        for (unsigned k = 0; k < 100; k++)
            CHECK_INT(at[k], 0);
        memset(at, 0xff, 100);
    }
}

TEST(what_was_reserved_takes_one_allocation)
{
    uint64_t before = mem_count();
    struct arena *a = arena_new_for(256);
    char *data = arena_alloc(a, 200);
    char *text = arena_copy(a, "a text that lies right behind");
    CHECK_INT(mem_count() - before, 1);
    CHECK(text == data + 200);
    CHECK_INT(arena_used(a), 200 + sizeof "a text that lies right behind");
    size_t size = arena_size(a);
    CHECK(size >= 256);
    arena_alloc(a, 100);
    CHECK_INT(mem_count() - before, 2);
    CHECK(arena_size(a) > size);
    arena_free(a);
}

TEST(an_arena_grows)
{
    struct arena *a = arena_new();
    CHECK_INT(arena_used(a), 0);
    fill(a, 5000);
    CHECK(arena_used(a) >= 500000 && arena_used(a) <= arena_size(a));
    CHECK(arena_size(a) < 1000000);
    arena_free(a);
}

TEST(pages_of_its_own)
{
    struct arena *a = arena_new_apart();
    fill(a, 5000);
    char *large = arena_alloc(a, 3 << 20);
    large[(3 << 20) - 1] = 'x';
    CHECK(arena_used(a) >= 500000 + (3 << 20));
    CHECK_TEXT(arena_printf(a, "%d of %s", 1, "them"), "1 of them");
    arena_free(a);
    arena_free(NULL);
}
