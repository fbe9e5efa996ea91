/* Cycles among names: without recursion, for a chain may be 100,000 long. */
#include "base/mem.h"
#include "config/build.h"

enum { WHITE, ON_PATH, DONE };

uint32_t graph_cycle(uint32_t count, uint32_t (*next)(const void *, uint32_t, uint32_t), const void *arg, uint32_t *path,
                     struct arena *scratch)
{
    uint8_t *color = arena_alloc(scratch, count + 1);
    uint32_t *step = arena_alloc(scratch, (count + 1) * sizeof *step);
    for (uint32_t start = 0; start < count; start++) {
        if (color[start] != WHITE)
            continue;
        uint32_t depth = 0;
        path[depth++] = start;
        color[start] = ON_PATH;
        while (depth) {
            uint32_t at = path[depth - 1], to = next(arg, at, step[at]++);
            if (to == NAMES_NONE) {
                color[at] = DONE;
                depth--;
            } else if (to == GRAPH_SKIP) {
                continue;
            } else if (color[to] == ON_PATH) {
                uint32_t from = 0;
                while (path[from] != to)
                    from++;
                for (uint32_t i = from; i < depth; i++)
                    path[i - from] = path[i];
                return depth - from;
            } else if (color[to] == WHITE) {
                color[to] = ON_PATH;
                path[depth++] = to;
            }
        }
    }
    return 0;
}
