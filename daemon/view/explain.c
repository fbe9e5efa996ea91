#include "view/explain.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "view/json.h"
#include "view/words.h"

static void put_cause(const struct picture *pic, const struct picture_cause *c, struct buf *out)
{
    const struct picture_probe *p = &pic->probes[c->probe];
    buf_printf(out, "  %s (%s", p->name, p->type);
    if (p->target && *p->target) {
        buf_char(out, ' ');
        words_safe(out, p->target);
    }
    buf_printf(out, ") is %s", state_text(p->state));
    if (p->since) {
        buf_text(out, " since ");
        words_time(out, p->since);
        buf_text(out, " (");
        words_age(out, pic->wall, p->since);
        buf_char(out, ')');
    }
    buf_text(out, c->required ? "\n" : ", advisory\n");
    buf_text(out, "    ");
    words_outcome(out, p);
    buf_char(out, '\n');
    if (p->last_pass) {
        buf_text(out, "    last passed at ");
        words_time(out, p->last_pass);
        buf_char(out, '\n');
    }
    if (c->caused_by_other && p->caused_by)
        buf_printf(out, "    caused by %s, on which it depends\n", p->caused_by);
    buf_text(out, "    turns green with: ");
    words_cure(out, p);
    buf_char(out, '\n');
}

static void put_starting(const struct picture *pic, struct buf *out)
{
    enum { SHOWN = 20 };
    unsigned waiting = 0;
    for (uint32_t i = 0; i < pic->probe_count; i++) {
        const struct picture_probe *p = &pic->probes[i];
        if (p->had_outcome)
            continue;
        if (waiting++ < SHOWN)
            buf_printf(out, "%s %s", waiting == 1 ? "  no outcome yet from:" : ",", p->name);
    }
    if (waiting > SHOWN)
        buf_printf(out, " and %u more", waiting - SHOWN);
    if (waiting)
        buf_char(out, '\n');
}

static void explain_head(const struct view_input *in, struct view_progress *prog, uint32_t i, struct buf *out)
{
    static const char *const why[WHY_COUNT] = {
        [WHY_MEMBERS] = "", [WHY_STARTING] = "starting: startup has not passed yet",
        [WHY_DRAINING] = "draining: ordered to take no more work; `vitalctl undrain` ends it",
        [WHY_STALLED] = "stalled: our own loop stood still, its knowledge is old",
    };
    (void)prog;
    (void)i;
    const struct picture *pic = in->picture;
    const struct picture_group *g = &pic->groups[0];
    buf_printf(out, "%s is %s", g->name, level_text(g->level));
    if (g->since) {
        buf_text(out, " since ");
        words_time(out, g->since);
        buf_text(out, " (");
        words_age(out, pic->wall, g->since);
        buf_char(out, ')');
    }
    buf_printf(out, ", answers %u\n  rule: %s%s\n", g->code, g->rule, g->configured ? "" : ", not configured");
    if (g->why != WHY_MEMBERS)
        buf_printf(out, "  %s\n", why[g->why]);
    if (g->why == WHY_STARTING)
        put_starting(pic, out);
    if (g->unknown)
        buf_text(out, "  some of what decides it is unknown\n");
    if (g->forced)
        buf_text(out, "  a forced probe counts in it\n");
    if (g->oldest) {
        buf_text(out, "  oldest sample that mattered: ");
        words_time(out, g->oldest);
        buf_char(out, '\n');
    }
    if (g->cause_count)
        buf_printf(out, "\n%s:\n", g->level == LEVEL_FAIL ? "causes" : "not at their best");
}

static uint32_t causes_count(const struct view_input *in, struct view_progress *prog)
{
    (void)prog;
    return in->picture->groups[0].cause_count;
}

static void explain_cause(const struct view_input *in, struct view_progress *prog, uint32_t i, struct buf *out)
{
    (void)prog;
    put_cause(in->picture, &in->picture->groups[0].causes[i], out);
}

/* Probes whose last outcomes contradict their state: what may turn next. */
static void explain_turning(const struct view_input *in, struct view_progress *prog, uint32_t i, struct buf *out)
{
    const struct picture_probe *p = &in->picture->probes[i];
    if (p->run_need == 0)
        return;
    if (!prog->own) {
        prog->own = mem_alloc(1);     /* the heading was written */
        buf_text(out, "\nabout to turn:\n");
    }
    buf_printf(out, "  %s: ", p->name);
    words_run(out, p);
    buf_text(out, ": ");
    words_outcome(out, p);
    buf_char(out, '\n');
}

static void explain_end(const struct view_input *in, struct view_progress *prog, uint32_t i, struct buf *out)
{
    (void)prog;
    (void)i;
    const struct picture_group *g = &in->picture->groups[0];
    buf_text(out, "\ncontained in: ");
    for (unsigned k = 0; k < g->dependant_count; k++)
        buf_printf(out, "%s%s", k ? ", " : "", g->dependants[k]);
    buf_text(out, g->dependant_count ? "\n" : "no other group\n");
}

bool explain_text(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, explain_head }, { causes_count, explain_cause }, { view_probes, explain_turning },
        { view_once, explain_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

/* ---- the same as JSON ---- */

static void json_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    (void)out;
    json_open_object(&p->json, NULL);
    json_text(&p->json, "group", in->picture->groups[0].name);
    json_time(&p->json, "time", in->picture->wall);
}

static uint32_t group_count(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return json_group_items(&in->picture->groups[0]);
}

static void json_group_part(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)out;
    json_put_group_item(&p->json, "verdict", in->picture, &in->picture->groups[0], i);
}

static void json_middle(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in, (void)i, (void)out;
    json_open_array(&p->json, "causes");
}

static void json_cause(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)out;
    const struct picture_cause *c = &in->picture->groups[0].causes[i];
    const struct picture_probe *probe = &in->picture->probes[c->probe];
    struct buf cure = BUF(4096);
    words_cure(&cure, probe);
    json_open_object(&p->json, NULL);
    json_bool(&p->json, "required", c->required);
    json_text(&p->json, "turns_green_with", cure.data);
    json_put_probe(&p->json, "probe", probe);
    json_close_object(&p->json);
    buf_free(&cure);
}

static void json_end(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in;
    (void)i;
    json_close_array(&p->json);
    json_close_object(&p->json);
    buf_char(out, '\n');
}

bool explain_json(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, json_head }, { group_count, json_group_part }, { view_once, json_middle }, { causes_count, json_cause },
        { view_once, json_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}
