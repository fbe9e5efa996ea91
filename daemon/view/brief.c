#include "view/brief.h"

#include "base/buf.h"
#include "base/clock.h"
#include "view/words.h"

enum { CAUSES_SHOWN = 10, NAMES_SHOWN = 5 };

void brief_group(struct buf *out, const struct picture *pic)
{
    const struct picture_group *g = &pic->groups[0];
    buf_printf(out, "%s: %s", g->name, level_text(g->level));
    if (g->why != WHY_MEMBERS)
        buf_printf(out, " (%s)", why_text(g->why));
    for (unsigned i = 0; i < g->cause_count && i < CAUSES_SHOWN; i++) {
        const struct picture_probe *p = &pic->probes[g->causes[i].probe];
        if (p->mode == MODE_FORCED)
            buf_printf(out, "\n  %s is forced to count as %s, is %s: ", p->name, level_text(p->forced), state_text(p->state));
        else
            buf_printf(out, "\n  %s is %s: ", p->name, state_text(p->state));
        words_outcome(out, p);
        if (g->causes[i].caused_by_other && p->caused_by)
            buf_printf(out, ", caused by %s", p->caused_by);
    }
    if (g->cause_count > CAUSES_SHOWN)
        buf_printf(out, "\n  and %u more", g->cause_count - CAUSES_SHOWN);
}

void brief_outcome(struct buf *out, const struct picture *pic)
{
    const struct picture_probe *p = &pic->probes[0];
    buf_printf(out, "%s: %s", p->name, vital_class_text(p->outcome));
    if (p->outcome != VITAL_PASS) {
        buf_text(out, ": ");
        words_outcome(out, p);
    }
    buf_printf(out, " (%.1f ms), is %s", (double)p->duration / (double)USEC_MS, state_text(p->state));
    if (p->run_need) {
        buf_text(out, ", ");
        words_run(out, p);
    }
}

static void count_state(struct buf *out, const struct picture *pic, enum state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pic->probe_count; i++)
        count += pic->probes[i].state == state;
    if (!count)
        return;
    buf_printf(out, ", %u %s", count, state_text(state));
    for (unsigned i = 0, shown = 0; i < pic->probe_count && shown < NAMES_SHOWN; i++)
        if (pic->probes[i].state == state)
            buf_printf(out, "%s%s", shown++ ? " " : ": ", pic->probes[i].name);
    if (count > NAMES_SHOWN)
        buf_text(out, " ...");
}

void brief_all(struct buf *out, const struct picture *pic, unsigned group)
{
    const struct picture_group *g = &pic->groups[group];
    buf_printf(out, "%s: %s", g->name, level_text(g->level));
    if (g->why != WHY_MEMBERS)
        buf_printf(out, " (%s)", why_text(g->why));
    buf_printf(out, "; %u probe%s", pic->probe_count, pic->probe_count == 1 ? "" : "s");
    count_state(out, pic, STATE_DOWN);
    count_state(out, pic, STATE_DEGRADED);
    count_state(out, pic, STATE_UNKNOWN);
}
