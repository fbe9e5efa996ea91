#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* An arena grows by a quarter of what it is: there is one per probe, and most hold a few hundred bytes. */
enum { ARENA_LEAST = 128, ARENA_CHUNK = 65536, ARENA_ALIGN = 16, ARENA_PAGES = 256 * 1024 };
enum { RETURN_MAPPED = 128 * 1024, RETURN_TOP = 64 * 1024 };

/* Helper threads allocate too. */
static atomic_uint_fast64_t count, fail_at;

static _Noreturn void out_of_memory(size_t size)
{
    char text[128];
    int n = snprintf(text, sizeof text, "vitald: out of memory (%zu bytes asked for): exiting so that a supervisor can restart it\n", size);
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0) {
        /* nothing is left to tell it to */
    }
    _exit(71); /* EX_OSERR: told apart from a wrong configuration */
}

static void *check(void *block, size_t size)
{
    uint64_t nth = atomic_fetch_add(&count, 1) + 1;
    if (!block || nth == atomic_load(&fail_at))
        out_of_memory(size);
    return block;
}

void *mem_alloc(size_t size)
{
    return check(calloc(1, size ? size : 1), size);
}

void *mem_grow(void *old, size_t size)
{
    return check(realloc(old, size ? size : 1), size);
}

char *mem_copy_n(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *mem_copy(const char *text)
{
    return text ? mem_copy_n(text, strlen(text)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    return check(n < 0 ? NULL : text, 0);
}

bool mem_is_short(int error)
{
    return error == ENOMEM || error == ENOBUFS || error == EMFILE || error == ENFILE || error == EAGAIN;
}

void mem_free(void *block)
{
    free(block);
}

void mem_wipe(void *block, size_t size)
{
    if (block)
        explicit_bzero(block, size);
}

void mem_return_early(void)
{
    mallopt(M_MMAP_THRESHOLD, RETURN_MAPPED);
    mallopt(M_TRIM_THRESHOLD, RETURN_TOP);
    mallopt(M_TOP_PAD, RETURN_TOP / 2);
    mallopt(M_ARENA_MAX, 1); /* what one thread frees, all can use: a heap for each helper costs 100 kB and more */
}

void mem_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n ? atomic_load(&count) + n : 0);
}

uint64_t mem_count(void)
{
    return atomic_load(&count);
}

struct chunk {
    struct chunk *next;
    uint32_t used, size;
    _Alignas(ARENA_ALIGN) char data[];
};

struct arena {
    struct chunk *chunks;        /* the newest first, `first` last */
    bool apart;
    struct chunk first;          /* in the arena's own block; often empty */
};

struct arena *arena_new_for(size_t size)
{
    struct arena *a = mem_alloc(sizeof *a + size);
    a->first.size = (uint32_t)size;
    a->chunks = &a->first;
    return a;
}

struct arena *arena_new(void)
{
    return arena_new_for(0);
}

struct arena *arena_new_apart(void)
{
    struct arena *a = arena_new();
    a->apart = true;
    return a;
}

static struct chunk *map_chunk(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return check(pages == MAP_FAILED ? NULL : pages, size);
}

static size_t chunk_room(const struct arena *a, size_t size)
{
    if (a->apart) /* untouched pages cost nothing */
        return size > ARENA_PAGES - sizeof(struct chunk) ? size : ARENA_PAGES - sizeof(struct chunk);
    size_t share = arena_size(a) / 4, room = share < ARENA_LEAST ? ARENA_LEAST : share < ARENA_CHUNK ? share : ARENA_CHUNK;
    return size > room ? size : room;
}

static struct chunk *add_chunk(struct arena *a, size_t size)
{
    size_t room = chunk_room(a, size);
    if (room > UINT32_MAX)
        out_of_memory(room);
    struct chunk *c = a->apart ? map_chunk(sizeof *c + room) : mem_alloc(sizeof *c + room);
    c->size = (uint32_t)room;
    c->next = a->chunks;
    a->chunks = c;
    return c;
}

static void *take(struct arena *a, size_t size, size_t align)
{
    struct chunk *c = a->chunks;
    size_t from = (c->used + align - 1) & ~(align - 1);
    if (from > c->size || c->size - from < size) {
        c = add_chunk(a, size);
        from = 0;
    }
    c->used = (uint32_t)(from + size);
    return c->data + from;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return take(a, size, ARENA_ALIGN);
}

char *arena_copy_n(struct arena *a, const char *text, size_t len)
{
    char *copy = take(a, len + 1, 1);
    memcpy(copy, text, len);
    return copy;
}

char *arena_copy(struct arena *a, const char *text)
{
    return text ? arena_copy_n(a, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    check(n < 0 ? NULL : text, 0);
    char *copy = arena_copy_n(a, text, (size_t)n);
    free(text);
    return copy;
}

size_t arena_size(const struct arena *a)
{
    size_t size = 0;
    for (const struct chunk *c = a->chunks; c; c = c->next)
        size += sizeof *c + c->size;
    return size;
}

size_t arena_used(const struct arena *a)
{
    size_t used = 0;
    for (const struct chunk *c = a->chunks; c; c = c->next)
        used += c->used;
    return used;
}

static void free_chunk(const struct arena *a, struct chunk *c)
{
    if (c == &a->first)
        return;
    if (a->apart)
        munmap(c, sizeof *c + c->size);
    else
        mem_free(c);
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        mem_wipe(c->data, c->used);
        free_chunk(a, c);
    }
    mem_free(a);
}
