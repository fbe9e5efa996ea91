/* What the tests of the schedule share: attempts that are counted as they begin and end, and worlds of one probe or of many. */
#ifndef SCHED_STAGE_H
#define SCHED_STAGE_H

#include "world_kit.h"

enum { LOG_MAX = 4096 };
static uint64_t starts_at[LOG_MAX];
static unsigned starts, in_flight, in_flight_max;

KIT void note_start(struct vital_probe *p)
{
    (void)p;
    if (starts < LOG_MAX)
        starts_at[starts] = kit_time;
    starts++;
    if (++in_flight > in_flight_max)
        in_flight_max = in_flight;
}

KIT void note_cancel(struct vital_probe *p)
{
    (void)p;
    in_flight--;
}

KIT void end(struct vital_probe *p, enum vital_class class)
{
    in_flight--;
    kit_finish(p, class, VITAL_R_OK, "");
}

KIT void pass_at_once(struct vital_probe *p)
{
    note_start(p);
    end(p, VITAL_PASS);
}

KIT void fail_at_once(struct vital_probe *p)
{
    note_start(p);
    end(p, VITAL_FAIL);
}

KIT void hang(struct vital_probe *p) { note_start(p); }

KIT struct conf_probe *open_one(struct kit_world *w)
{
    *w = kit_world();
    struct conf_probe *p = kit_probe(w, "a");
    kit_group(w, "ready", GROUP_ALL, 1, "a", "");
    return p;
}

KIT void begin(struct kit_world *w)
{
    kit_on_cancel = note_cancel;
    kit_open();
    core_adopt(kit_conf(w));
}

KIT uint64_t gap(unsigned i) { return starts_at[i + 1] - starts_at[i]; }

KIT struct kit_world many(unsigned count, bool urgent)
{
    struct kit_world w = kit_world_of(count, 4);
    char *names = mem_alloc(count * 13);
    for (unsigned i = 0; i < count; i++) {
        char name[12];
        snprintf(name, sizeof name, "p%u", i);
        kit_probe(&w, name);
        strcat(strcat(names, name), " ");
    }
    if (urgent)
        kit_group(&w, "ready", GROUP_ALL, 1, names, "");
    mem_free(names);
    return w;
}

#endif
