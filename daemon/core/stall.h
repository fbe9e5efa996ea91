/* The arithmetic of our own standstill (a paused machine, throttling): how long it was, and how long what was known before it
 * goes on counting. Pure. */
#ifndef CORE_STALL_H
#define CORE_STALL_H

#include <stdint.h>

enum { STALL_GAP = 1000000 };    /* standing still longer than this is a stall */

/* A turn that was to begin by `expected` begins now; the machine was suspended for `slept` of that, which is not our standstill
 * and ages everything. 0: no stall. */
uint64_t stall_size(uint64_t now, uint64_t expected, uint64_t slept);

/* Until when a sample counts that would be stale at `stale_at`: a stall of `gap` later, but never beyond `until`. 0: it needs
 * no lease. */
uint64_t stall_lease(uint64_t stale_at, uint64_t gap, uint64_t until);

#endif
