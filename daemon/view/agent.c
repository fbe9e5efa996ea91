#include "view/agent.h"

#include "base/buf.h"

enum { REASON_MAX = 96 };
enum said { SAY_UP, SAY_DOWN, SAY_DRAIN, SAY_STOPPED, SAY_MAINT, SAY_NOTHING, SAID };

/* With the admin words each line also takes back what an earlier one ordered. */
static const struct { const char *words; bool weight; } lines[2][SAID] = {
    { [SAY_UP] = { "up", true }, [SAY_DOWN] = { "down", false }, [SAY_DRAIN] = { "up 0%", false }, [SAY_STOPPED] = { "up 0%", false },
      [SAY_MAINT] = { "up", true }, [SAY_NOTHING] = { "", false } },
    { [SAY_UP] = { "ready up", true }, [SAY_DOWN] = { "ready down", false }, [SAY_DRAIN] = { "drain", false },
      [SAY_STOPPED] = { "stopped", false }, [SAY_MAINT] = { "maint", false }, [SAY_NOTHING] = { "", false } },
};

/* Every probe that the group requires is in maintenance, and there is one. */
static bool is_maintained(const struct picture *pic, const struct picture_group *g)
{
    bool all = true;
    unsigned required = 0;
    for (unsigned i = 0; i < g->member_count && all; i++) {
        const struct picture_member *m = &g->members[i];
        if (m->advisory)
            continue;
        required++;
        all = m->is_group ? is_maintained(pic, &pic->groups[m->index]) : pic->probes[m->index].mode == MODE_MAINTENANCE;
    }
    return all && required > 0;
}

static enum said decide(const struct view_agent *a)
{
    if (a->undecided)
        return SAY_NOTHING;
    if (a->draining)
        return a->leaving ? SAY_STOPPED : SAY_DRAIN;
    if (a->admin_words && a->picture && is_maintained(a->picture, &a->picture->groups[0]))
        return SAY_MAINT;
    return a->level == LEVEL_FAIL ? SAY_DOWN : SAY_UP;
}

static bool put_safe(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_char(out, *text > ' ' && *text < 0x7f && *text != '#' ? *text : *text == ' ' ? ' ' : '?');
    return !out->over;
}

/* Names and codes of the closed table only: what a target wrote into an error is not for a load balancer's log. Causes
 * that find no room are counted. */
static void put_causes(const struct picture *pic, struct buf *out)
{
    const struct picture_group *g = &pic->groups[0];
    for (unsigned i = 0; i < g->cause_count; i++) {
        const struct picture_probe *p = &pic->probes[g->causes[i].probe];
        struct buf one = BUF(REASON_MAX);
        put_safe(&one, p->name);
        buf_text(&one, ": ");
        put_safe(&one, p->state == STATE_UNKNOWN ? "unknown" : reason_text(p->reason));
        if (i > 0 && out->len + one.len > REASON_MAX) {
            buf_free(&one);
            buf_printf(out, ", %u more", g->cause_count - i);
            return;
        }
        buf_printf(out, "%s%s", i ? ", " : "", one.data);
        buf_free(&one);
    }
}

static void put_reason(const struct view_agent *a, enum said said, struct buf *out)
{
    static const char *const fixed[SAID] = { [SAY_DRAIN] = "draining", [SAY_STOPPED] = "leaving", [SAY_MAINT] = "maintenance", [SAY_NOTHING] = "starting" };
    struct buf text = BUF(AGENT_LINE_MAX - 32);
    if (fixed[said] && (said != SAY_MAINT || a->admin_words))
        buf_text(&text, fixed[said]);
    else if (a->why != WHY_MEMBERS)
        put_safe(&text, why_text(a->why));
    else if (a->level != LEVEL_PASS && a->picture)
        put_causes(a->picture, &text);
    if (text.len)
        buf_printf(out, "%s#%s", said == SAY_NOTHING ? "" : " ", text.data);
    buf_free(&text);
}

void agent_line(const struct view_agent *a, struct buf *out)
{
    enum said said = decide(a);
    buf_text(out, lines[a->admin_words][said].words);
    if (lines[a->admin_words][said].weight)
        buf_printf(out, " %u%%", a->weight);
    put_reason(a, said, out);
    buf_char(out, '\n');
}
