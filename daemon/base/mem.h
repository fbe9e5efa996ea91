/* Memory: allocation that never returns NULL, and arenas that are freed as a whole.
 *
 * Every size that a stranger can choose is capped before it gets here, so running out means that the host
 * itself is out of memory: the process says so and exits, and its supervisor starts a fresh one. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);                            /* zeroed */
void *mem_grow(void *old, size_t size);                  /* new bytes are not zeroed */
char *mem_copy(const char *text);                        /* NULL stays NULL */
char *mem_copy_n(const char *text, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *block);
void mem_wipe(void *block, size_t size);                 /* the compiler may not drop it */

/* Tests only: the n-th allocation from now on fails (0 = never). */
void mem_fail_at(uint64_t n);
uint64_t mem_count(void);                                /* allocations so far */

/* An arena: many small objects with one lifetime. Wiped when freed, for it may hold secrets. */
struct arena;
struct arena *arena_new(void);
void arena_reserve(struct arena *, size_t size);         /* what comes next lies together, as much as that is */
void *arena_alloc(struct arena *, size_t size);          /* zeroed, aligned for any type */
char *arena_copy(struct arena *, const char *text);
char *arena_copy_n(struct arena *, const char *text, size_t len);
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t arena_size(const struct arena *);
void arena_free(struct arena *);

#endif
