/* What the tests of worlds share: probes that answer at once, by their name or by order, and a world to begin with. */
#ifndef WORLD_STAGE_H
#define WORLD_STAGE_H

#include <signal.h>

#include "world_kit.h"

static void pass_at_once(struct vital_probe *p) { kit_finish(p, VITAL_PASS, VITAL_R_OK, ""); }
static void fail_at_once(struct vital_probe *p) { kit_finish(p, VITAL_FAIL, VITAL_R_REFUSED, ""); }
static void warn_at_once(struct vital_probe *p) { kit_finish(p, VITAL_WARN, VITAL_R_SLOW, ""); }

/* Ends as the first letter of the name says: p w f, and h hangs. */
static void by_name(struct vital_probe *p)
{
    static void (*const ends[256])(struct vital_probe *) = { ['p'] = pass_at_once, ['w'] = warn_at_once, ['f'] = fail_at_once };
    void (*end)(struct vital_probe *) = ends[(unsigned char)*p->name];
    if (end)
        end(p);
}

static void adopt(struct kit_world *w) { core_adopt(kit_conf(w)); }

static void begin(struct kit_world *w)
{
    kit_open();
    kit_on_start = by_name;
    adopt(w);
}

static struct kit_world three(int64_t variant_of_b)
{
    struct kit_world w = kit_world();
    kit_probe_with(&w, "pa", "host-a:1", 0);
    kit_probe_with(&w, "pb", "host-b:1", variant_of_b);
    kit_group(&w, "ready", GROUP_ALL, 1, "pa pb", "");
    return w;
}

#endif
