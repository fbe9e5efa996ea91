/* What is so at this moment, as notify_policy.c wants to see it. Subjects are the configuration's probes, then its groups. */
#ifndef FRONT_NOTIFY_FACTS_H
#define FRONT_NOTIFY_FACTS_H

#include "front/notify_policy.h"

struct arena;
struct conf;
struct picture;
/* As many as there are probes and groups; in the arena. The picture is of everything. */
struct policy_fact *facts_take(const struct conf *, const struct picture *, struct arena *);

#endif
