#include "view/text.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "view/words.h"

void text_verdict(struct buf *out, const struct view_verdict *v)
{
    char span[CLOCK_TEXT];
    buf_text(out, level_text(v->level));
    if (v->why != WHY_MEMBERS) {
        buf_char(out, ' ');
        buf_text(out, why_text(v->why));
    }
    buf_char(out, '\n');
    if (v->stalled) {
        buf_text(out, "self: stalled ");
        buf_text(out, clock_span(v->stalled, span));
        buf_char(out, '\n');
    }
}

/* ---- verbose ---- */

static bool is_excluded(const struct view_input *in, const char *name)
{
    for (unsigned i = 0; i < in->excluded_count; i++)
        if (!strcmp(in->excluded[i], name))
            return true;
    return false;
}

static void verbose_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    (void)out;
    p->own = words_roles(in->picture);
}

/* What stands behind the word: forced, paused, stale, the run that contradicts it. */
static void verbose_notes(struct buf *out, const struct picture_probe *probe, const struct words_role *role)
{
    if (!role->required)
        buf_text(out, " (advisory)");
    if (role->absorbed_by)
        buf_printf(out, " (absorbed: %s passes without it)", role->absorbed_by);
    if (probe->pending)
        buf_text(out, " (pending: new, not counted yet)");
    if (probe->mode == MODE_FORCED)
        buf_printf(out, " (forced %s)", level_text(probe->forced));
    else if (probe->mode != MODE_NORMAL)
        buf_printf(out, " (%s)", mode_text(probe->mode));
}

/* The marks are those of the Kubernetes apiserver, which knows no warning. */
static void put_mark(struct buf *out, const char *name, enum level level)
{
    static const char *const words[] = { [LEVEL_PASS] = "ok", [LEVEL_WARN] = "warns", [LEVEL_FAIL] = "failed" };
    buf_printf(out, "[%c]%s %s", level == LEVEL_FAIL ? '-' : '+', name, words[level]);
}

static void verbose_probe(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    const struct picture_probe *probe = &in->picture->probes[i];
    enum level level = words_level(probe);
    const struct words_role *roles = p->own;
    if (is_excluded(in, probe->name)) {
        buf_printf(out, "[+]%s excluded: ok\n", probe->name);
        return;
    }
    put_mark(out, probe->name, level);
    verbose_notes(out, probe, &roles[i]);
    if (level == LEVEL_PASS && probe->state == STATE_UP && !probe->run_need) {
        buf_char(out, '\n');
        return;
    }
    buf_text(out, ": ");
    words_outcome(out, probe);
    if (probe->run_need) {
        buf_text(out, " (");
        words_run(out, probe);
        buf_char(out, ')');
    }
    if (probe->since) {
        buf_printf(out, " (%s since ", state_text(probe->state));
        words_time(out, probe->since);
        buf_char(out, ')');
    }
    if (probe->caused_by)
        buf_printf(out, " (caused by %s)", probe->caused_by);
    buf_char(out, '\n');
}

static void verbose_why(struct buf *out, const struct picture *pic, const struct picture_group *g)
{
    char span[CLOCK_TEXT];
    if (g->why == WHY_STARTING)
        buf_printf(out, "%s: startup has not passed yet\n", why_text(g->why));
    if (g->draining)
        buf_printf(out, "draining: ordered to take no more work\n");
    if (pic->stalled)
        buf_printf(out, "self: stalled %s\n", clock_span(pic->stalled, span));
}

static void verbose_end(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p;
    (void)i;
    const struct picture_group *g = &in->picture->groups[0];
    for (unsigned k = 0; k < in->stranger_count; k++) {
        buf_text(out, k ? ", \"" : "warn: some health checks cannot be excluded: no matches for \"");
        words_safe(out, in->strangers[k]);
        buf_char(out, '"');
    }
    if (in->stranger_count)
        buf_char(out, '\n');
    verbose_why(out, in->picture, g);
    words_check_name(out, g->name);
    buf_text(out, (in->has_level ? in->level : g->level) == LEVEL_FAIL ? " check failed\n" : " check passed\n");
}

bool text_verbose(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, verbose_head }, { view_probes, verbose_probe }, { view_once, verbose_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

/* ---- one probe ---- */

static void line_time(struct buf *out, const char *label, uint64_t when)
{
    if (when == 0 || when == TIME_NEVER)
        return;
    buf_printf(out, "%-12s", label);
    words_time(out, when);
    buf_char(out, '\n');
}

static void line_words(struct buf *out, const char *label, const char *text)
{
    if (!text || !*text)
        return;
    buf_printf(out, "%-12s", label);
    words_safe(out, text);
    buf_char(out, '\n');
}

static void probe_outcome(struct buf *out, const struct picture_probe *probe)
{
    char span[CLOCK_TEXT];
    buf_printf(out, "%-12s", "last");
    if (probe->had_outcome)
        buf_printf(out, "%s: ", vital_class_text(probe->outcome));
    words_outcome(out, probe);
    if (probe->had_outcome)
        buf_printf(out, ", took %s", clock_span(probe->duration, span));
    buf_char(out, '\n');
    if (probe->run_need) {
        buf_printf(out, "%-12s", "run");
        words_run(out, probe);
        buf_char(out, '\n');
    }
}

static void probe_numbers(struct buf *out, const struct picture_probe *probe)
{
    for (unsigned i = 0; i < probe->number_count; i++) {
        const struct picture_number *n = &probe->numbers[i];
        buf_printf(out, "%-12s%s", i ? "" : "numbers", n->name);
        if (n->label) {
            buf_printf(out, "{%s=\"", n->label);
            words_safe(out, n->label_value ? n->label_value : "");
            buf_text(out, "\"}");
        }
        buf_text(out, " = ");
        json_format_number(out, n->value);
        if (n->unit && *n->unit)
            buf_printf(out, " %s", n->unit);
        buf_char(out, '\n');
    }
}

bool text_probe(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    (void)p;
    const struct picture_probe *probe = &in->picture->probes[0];
    put_mark(out, probe->name, words_level(probe));
    verbose_notes(out, probe, &(struct words_role){ .required = true });
    buf_printf(out, "\n%-12s%s%s%s\n", "state", state_text(probe->state), probe->stale ? " (stale)" : "",
               probe->shared ? " (shared by all instances)" : "");
    line_time(out, "since", probe->since);
    probe_outcome(out, probe);
    line_time(out, "at", probe->at);
    line_time(out, "last pass", probe->last_pass);
    line_time(out, "next", probe->next_due);
    line_time(out, "stale at", probe->stale_at);
    line_time(out, "mode until", probe->mode == MODE_NORMAL ? 0 : probe->mode_until);
    if (words_level(probe) != LEVEL_PASS) {
        buf_printf(out, "%-12s", "green with");
        words_cure(out, probe);
        buf_char(out, '\n');
    }
    line_words(out, "type", probe->type);
    line_words(out, "target", probe->target);
    line_words(out, "caused by", probe->caused_by);
    for (unsigned i = 0; i < probe->depends_count; i++)
        line_words(out, i ? "" : "depends on", probe->depends_on[i]);
    probe_numbers(out, probe);
    return true;
}

/* ---- what a path covers ---- */

static unsigned put_members(struct buf *out, const struct picture_group *g, bool advisory, const char *before)
{
    enum { SHOWN = 12 };
    unsigned count = 0;
    for (unsigned i = 0; i < g->member_count; i++)
        if (g->members[i].advisory == advisory && ++count <= SHOWN)
            buf_printf(out, "%s%s", count == 1 ? before : ", ", g->members[i].name);
    if (count > SHOWN)
        buf_printf(out, " and %u more", count - SHOWN);
    return count;
}

void text_coverage(const struct picture *pic, struct buf *out)
{
    const struct picture_group *g = &pic->groups[0];
    buf_text(out, g->rule);
    unsigned required = put_members(out, g, false, ": ");
    unsigned advisory = put_members(out, g, true, "; advisory: ");
    if (required + advisory == 0)
        buf_text(out, "; no members");
}
