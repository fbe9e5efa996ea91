#include "core/stall.h"

uint64_t stall_size(uint64_t now, uint64_t expected, uint64_t slept)
{
    uint64_t gap = now > expected ? now - expected : 0, own = gap > slept ? gap - slept : 0;
    return own > STALL_GAP ? own : 0;
}

uint64_t stall_lease(uint64_t stale_at, uint64_t gap, uint64_t until)
{
    uint64_t shifted = stale_at + gap;
    if (stale_at >= until)
        return 0;
    return shifted < until ? shifted : until;
}
