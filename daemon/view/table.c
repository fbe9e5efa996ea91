#include "view/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "view/words.h"

enum { NAME_WIDTH_MAX = 32, TYPE_WIDTH_MAX = 12 };

/* What the steps share: column widths, and the order in which rows are shown. */
struct layout {
    int name, type;
    uint32_t rows[];
};

static const char *const level_colour[LEVEL_COUNT] = { "\033[32m", "\033[33m", "\033[1;31m" };
static const char *const state_colour[STATE_COUNT] = { "\033[36m", "\033[32m", "\033[33m", "\033[1;31m" };
static const char *const state_mark[STATE_COUNT] = { "?", "+", "~", "-" };

/* Higher stands higher: down, then unknown, degraded, up; causes before what they caused; required or not does not matter. */
static unsigned urgency(const struct picture_probe *p)
{
    static const unsigned by_state[STATE_COUNT] = {
        [STATE_DOWN] = 8, [STATE_UNKNOWN] = 6, [STATE_DEGRADED] = 4, [STATE_UP] = 0,
    };
    return by_state[p->state] + (p->state == STATE_DOWN && !p->caused_by) + (p->mode != MODE_NORMAL);
}

static int by_urgency(const void *a, const void *b, void *arg)
{
    const struct picture *pic = arg;
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    unsigned u = urgency(&pic->probes[i]), v = urgency(&pic->probes[k]);
    return u != v ? (u > v ? -1 : 1) : (i > k) - (i < k);
}

static int widest(int so_far, const char *text, int max)
{
    int len = (int)strnlen(text, (size_t)max);
    return len > so_far ? len : so_far;
}

static struct layout *layout_of(const struct picture *pic)
{
    struct layout *l = mem_alloc(sizeof *l + pic->probe_count * sizeof *l->rows);
    l->name = 5;
    l->type = 4;
    for (uint32_t i = 0; i < pic->probe_count; i++) {
        l->rows[i] = i;
        l->name = widest(l->name, pic->probes[i].name, NAME_WIDTH_MAX);
        l->type = widest(l->type, pic->probes[i].type, TYPE_WIDTH_MAX);
    }
    for (uint32_t i = 0; i < pic->group_count; i++)
        l->name = widest(l->name, pic->groups[i].name, NAME_WIDTH_MAX);
    qsort_r(l->rows, pic->probe_count, sizeof *l->rows, by_urgency, (void *)(uintptr_t)pic);
    return l;
}

static void paint(const struct view_input *in, struct buf *out, const char *colour, const char *word, int width)
{
    if (in->colour)
        buf_text(out, colour);
    buf_printf(out, "%-*s", width, word);
    if (in->colour)
        buf_text(out, "\033[0m");
}

static void table_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    const struct picture *pic = in->picture;
    char span[CLOCK_TEXT];
    p->own = layout_of(pic);
    const struct layout *l = p->own;
    buf_printf(out, "vitald %s on ", pic->version);
    words_safe(out, pic->host);
    buf_text(out, ", up ");
    words_age(out, pic->wall, pic->started);
    buf_text(out, ", configuration: ");
    words_safe(out, pic->source);
    buf_char(out, '\n');
    if (pic->last_reload && !pic->last_reload_ok)
        buf_text(out, "! the last reload was refused: the configuration before it is in force\n");
    if (pic->draining) {
        buf_text(out, "! draining for ");
        words_age(out, pic->wall, pic->draining_since);
        buf_char(out, '\n');
    }
    if (pic->stalled)
        buf_printf(out, "! self: stalled %s\n", clock_span(pic->stalled, span));
    buf_printf(out, "\n%-*s  %-8s  %-6s  %s\n", l->name + 2, "  GROUP", "VERDICT", "SINCE", "WHY");
}

static void group_why(const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    enum { SHOWN = 5 };
    if (g->why != WHY_MEMBERS)
        buf_printf(out, "%s%s", why_text(g->why), g->cause_count ? ": " : "");
    for (unsigned i = 0; i < g->cause_count && i < SHOWN; i++)
        buf_printf(out, "%s%s", i ? ", " : "", pic->probes[g->causes[i].probe].name);
    if (g->cause_count > SHOWN)
        buf_printf(out, " and %u more", g->cause_count - SHOWN);
}

static void table_group(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    static const char *const marks[LEVEL_COUNT] = { "+", "~", "-" };
    const struct picture_group *g = &in->picture->groups[i];
    const struct layout *l = p->own;
    struct buf room = BUF(64);
    words_age(&room, in->picture->wall, g->since);
    paint(in, out, level_colour[g->level], marks[g->level], 2);
    buf_printf(out, "%-*s  ", l->name, g->name);
    paint(in, out, level_colour[g->level], level_text(g->level), 8);
    buf_printf(out, "  %-6s  ", room.data);
    group_why(in->picture, g, out);
    buf_char(out, '\n');
    buf_free(&room);
}

static void table_middle(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in;
    (void)i;
    const struct layout *l = p->own;
    buf_printf(out, "\n%-*s  %-8s  %-6s  %-6s  %-6s  %-*s  %s\n", l->name + 2, "  PROBE", "STATE", "SINCE", "LAST", "TOOK",
               l->type, "TYPE", "WHAT");
}

static void probe_what(const struct picture_probe *probe, struct buf *out)
{
    if (probe->mode == MODE_FORCED)
        buf_printf(out, "[forced %s] ", level_text(probe->forced));
    else if (probe->mode != MODE_NORMAL)
        buf_printf(out, "[%s] ", mode_text(probe->mode));
    if (probe->pending)
        buf_text(out, "[pending] ");
    if (probe->caused_by)
        buf_printf(out, "[caused by %s] ", probe->caused_by);
    if (probe->state == STATE_UP && probe->run_need == 0) {
        words_safe(out, probe->target ? probe->target : "");
        return;
    }
    words_outcome(out, probe);
    if (probe->run_need) {
        buf_text(out, " (");
        words_run(out, probe);
        buf_char(out, ')');
    }
}

static void table_probe(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    const struct layout *l = p->own;
    const struct picture_probe *probe = &in->picture->probes[l->rows[i]];
    struct buf since = BUF(64), last = BUF(64);
    char took[CLOCK_TEXT] = "-";
    words_age(&since, in->picture->wall, probe->since);
    words_age(&last, in->picture->wall, probe->at);
    if (probe->had_outcome)
        clock_span(probe->duration, took);
    paint(in, out, state_colour[probe->state], state_mark[probe->state], 2);
    buf_printf(out, "%-*s  ", l->name, probe->name);
    paint(in, out, state_colour[probe->state], state_text(probe->state), 8);
    buf_printf(out, "  %-6s  %-6s  %-6s  %-*s  ", since.data, last.data, took, l->type, probe->type);
    probe_what(probe, out);
    buf_char(out, '\n');
    buf_free(&since);
    buf_free(&last);
}

bool text_table(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, table_head }, { view_groups, table_group }, { view_once, table_middle }, { view_probes, table_probe },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

void text_status(const struct picture *pic, bool colour, struct buf *out)
{
    const struct view_input in = { .picture = pic, .colour = colour };
    view_whole(text_table, &in, out);
}
