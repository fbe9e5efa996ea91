/* Memory: allocation that never returns NULL, and arenas that are freed as a whole.
 *
 * Every size that a stranger can choose is capped before it gets here, so running out means that the host
 * itself is out of memory: the process says so and exits, and its supervisor starts a fresh one. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_IS_THERE __attribute__((returns_nonnull))     /* for analyzers, which do not look into mem.c */

void *mem_alloc(size_t size) MEM_IS_THERE;               /* zeroed */
void *mem_grow(void *old, size_t size) MEM_IS_THERE;     /* new bytes are not zeroed */
char *mem_copy(const char *text);                        /* NULL stays NULL */
char *mem_copy_n(const char *text, size_t len) MEM_IS_THERE;
char *mem_printf(const char *fmt, ...) MEM_IS_THERE __attribute__((format(printf, 1, 2)));
void mem_free(void *block);
bool mem_is_short(int error);                            /* what is missing is memory, descriptors or processes: it may not be later */
void mem_wipe(void *block, size_t size);                 /* the compiler may not drop it */

/* What is freed goes back to the system early, and always: left alone, glibc keeps twice the largest block that was ever
 * freed, here that of a configuration's text; and all threads have one heap. Once, at the start. */
void mem_return_early(void);

/* Tests only: the n-th allocation from now on fails (0 = never). */
void mem_fail_at(uint64_t n);
uint64_t mem_count(void);                                /* allocations so far */

/* An arena: many small objects with one lifetime. Wiped when freed, for it may hold secrets. */
struct arena;
struct arena *arena_new(void) MEM_IS_THERE;
struct arena *arena_new_for(size_t size) MEM_IS_THERE;   /* what comes first, as much as that is, lies in one block with the arena */
/* For what is large and soon gone: in pages of its own, which go back to the system with it and leave no holes behind. */
struct arena *arena_new_apart(void) MEM_IS_THERE;
void *arena_alloc(struct arena *, size_t size) MEM_IS_THERE;   /* zeroed, aligned for any type */
char *arena_copy(struct arena *, const char *text);
char *arena_copy_n(struct arena *, const char *text, size_t len) MEM_IS_THERE;
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_size(const struct arena *);                 /* what it takes */
size_t arena_used(const struct arena *);                 /* what of that holds something */
void arena_free(struct arena *);

#endif
