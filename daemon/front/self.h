/* What the daemon knows about itself, as facts for the views. */
#ifndef FRONT_SELF_H
#define FRONT_SELF_H

#include "view/view.h"

struct arena;
const struct view_fact *self_facts(struct arena *, unsigned *count);

#endif
