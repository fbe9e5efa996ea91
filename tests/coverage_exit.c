/* Linked into each program of the coverage build: the daemon and its helpers leave by _exit(), which forgets to write down what ran.
 * Each loaded module has counters of its own (coverage_module.c). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE     /* links come without it */
#endif
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int);
_Noreturn void __wrap__exit(int);

struct modules { char paths[16][256]; unsigned count; };

/* Only their paths: nothing may be opened while the list is walked. */
static int note(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct modules *m = arg;
    (void)size;
    if (*info->dlpi_name && m->count < sizeof m->paths / sizeof *m->paths && snprintf(m->paths[m->count], 256, "%s", info->dlpi_name) < 256) {
        const char *name = m->paths[m->count];
        while (*name)
            name++;
        m->count += name - m->paths[m->count] > 3 && name[-3] == '.' && name[-2] == 's' && name[-1] == 'o';
    }
    return 0;
}

_Noreturn void __wrap__exit(int code)
{
    struct modules m = { .count = 0 };
    __gcov_dump();
    dl_iterate_phdr(note, &m);
    for (unsigned i = 0; i < m.count; i++) {
        void *handle = dlopen(m.paths[i], RTLD_NOW | RTLD_NOLOAD);
        void (*dump)(void) = handle ? (void (*)(void))dlsym(handle, "coverage_dump") : 0;
        if (dump)
            dump();
    }
    __real__exit(code);
}
