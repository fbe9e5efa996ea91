/* The core's own invariants: checked in every build. A broken one means that no verdict can be trusted any more, so the
 * process ends with its name and a supervisor starts a fresh one. A module's mistake never ends here: see probe_module_bug(). */
#ifndef CORE_ASSERT_H
#define CORE_ASSERT_H

_Noreturn void core_abort(const char *invariant, const char *file, int line);

#define CORE_ASSERT(invariant)                              \
    do {                                                    \
        if (__builtin_expect(!(invariant), 0))              \
            core_abort(#invariant, __FILE__, __LINE__);     \
    } while (0)

#endif
