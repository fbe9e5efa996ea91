/* How a picture is made: what picture.c and picture_causes.c share. */
#ifndef CORE_PAINTER_H
#define CORE_PAINTER_H

#include "core/picture.h"
#include "core/world.h"

struct arena;

/* What a picture is being made of, and where each probe and group of the world is in it. */
struct painter {
    struct arena *arena;
    struct picture *picture;
    struct picture_probe *probes;
    struct picture_group *groups;
    struct world *world;
    uint32_t *probe_places, *group_places;     /* + 1; 0 = not in the picture */
    uint64_t to_wall;                          /* wall time minus clock time */
    uint32_t *seen, mark;                      /* scratch: probes that are causes already have the mark */
};

void painter_causes(struct painter *, const struct group *, struct picture_group *);

#endif
