#include "view/html_probe.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "view/markup.h"
#include "view/plot.h"
#include "view/words.h"

/* ---- the line ---- */

static void put_state(struct buf *out, const struct picture_probe *p)
{
    enum tone t = markup_tone_of_probe(p);
    buf_printf(out, "<span class=\"state %s\">", markup_tone(t));
    markup_icon(out, t);
    buf_printf(out, "%s</span>", state_text(p->state));
}

static void put_badges(struct buf *out, const struct picture_probe *p)
{
    static const char *const words[] = { "stale", "pending", "quarantined", "shared" };
    const bool on[] = { p->stale, p->pending, p->quarantined, p->shared };
    markup_mode(out, p);
    for (unsigned i = 0; i < sizeof on / sizeof *on; i++)
        if (on[i])
            buf_printf(out, "<span class=\"badge\">%s</span>", words[i]);
}

/* A probe that is well says what it saw, if anything; one that is not says why. */
static void put_say(struct buf *out, const struct picture_probe *p)
{
    bool well = p->state == STATE_UP && p->outcome == VITAL_PASS;
    buf_text(out, "<span class=\"say\">");
    if (well)
        markup_text(out, p->text ? p->text : "");
    else
        markup_outcome(out, p);
    if (p->run_need) {
        buf_text(out, " <span class=\"run\">");
        words_run(out, p);
        buf_text(out, "</span>");
    }
    buf_text(out, "</span>");
}

static void put_line(struct buf *out, const struct picture_probe *p)
{
    buf_text(out, "<summary>");
    put_state(out, p);
    buf_text(out, "<span class=\"who\"><b>");
    markup_text(out, p->name);
    buf_text(out, "</b> ");
    put_badges(out, p);
    buf_printf(out, " <span class=\"what\">%s ", p->type);
    markup_text(out, p->target ? p->target : "");
    buf_text(out, "</span></span>");
    put_say(out, p);
    buf_text(out, "<span class=\"drawings\">");
    plot_history(out, p);
    plot_latency(out, p);
    buf_text(out, "</span></summary>");
}

/* ---- what opens below it ---- */

static void put_term(struct buf *out, const char *term)
{
    buf_printf(out, "<div><dt>%s</dt><dd>", term);
}

static void put_when(struct buf *out, const char *term, uint64_t when, bool ago)
{
    if (!when)
        return;
    put_term(out, term);
    markup_time(out, when, ago);
    buf_text(out, "</dd></div>");
}

static void put_schedule(struct buf *out, const struct picture_probe *p)
{
    put_term(out, "schedule");
    buf_text(out, "every ");
    markup_duration(out, p->interval);
    buf_text(out, ", at most ");
    markup_duration(out, p->timeout);
    buf_printf(out, " each; %u in a row to rise, %u to fall</dd></div>", p->rise, p->fall);
    if (!p->in_flight) {
        put_when(out, "next attempt", p->next_due, false);
        return;
    }
    put_term(out, "next attempt");
    buf_text(out, "running now</dd></div>");
}

static void put_attempts(struct buf *out, const struct picture_probe *p)
{
    put_term(out, "attempts");
    for (unsigned c = 0; c < VITAL_CLASS_COUNT; c++)
        if (p->attempts[c])
            buf_printf(out, "%llu %s, ", (unsigned long long)p->attempts[c], vital_class_text(c));
    if (p->cancelled)
        buf_printf(out, "%llu cancelled, ", (unsigned long long)p->cancelled);
    buf_printf(out, "%llu transition%s</dd></div>", (unsigned long long)p->transitions, p->transitions == 1 ? "" : "s");
}

static void put_parents(struct buf *out, const struct picture_probe *p)
{
    if (!p->depends_count)
        return;
    put_term(out, "depends on");
    for (unsigned i = 0; i < p->depends_count; i++) {
        buf_text(out, i ? ", <a href=\"#probe-" : "<a href=\"#probe-");
        markup_text(out, p->depends_on[i]);
        buf_text(out, "\">");
        markup_text(out, p->depends_on[i]);
        buf_text(out, "</a>");
    }
    buf_text(out, "</dd></div>");
}

static void put_value(struct buf *out, const struct picture_number *n)
{
    static const char *const sizes[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = n->value;
    unsigned size = 0;
    const char *unit = n->unit ? n->unit : "";
    if (!strcmp(unit, "ratio")) {
        buf_printf(out, "%.4g %%", value * 100);
    } else if (!strcmp(unit, "bytes")) {
        for (; value >= 1024 && size < sizeof sizes / sizeof *sizes - 1; size++)
            value /= 1024;
        buf_printf(out, "%.4g %s", value, sizes[size]);
    } else if (!strcmp(unit, "seconds") && value >= 0 && value < 1e6) {
        markup_duration(out, (uint64_t)(value * 1e6));
    } else {
        json_format_number(out, value);
        buf_printf(out, " %s", unit);
    }
}

static void put_numbers(struct buf *out, const struct picture_probe *p)
{
    for (unsigned i = 0; i < p->number_count; i++) {
        const struct picture_number *n = &p->numbers[i];
        buf_text(out, "<div><dt title=\"");
        markup_text(out, n->help ? n->help : "");
        buf_printf(out, "\">%s", n->name);
        if (n->label) {
            buf_text(out, " <span class=\"label\">");
            markup_text(out, n->label_value);
            buf_text(out, "</span>");
        }
        buf_text(out, "</dt><dd>");
        put_value(out, n);
        buf_text(out, "</dd></div>");
    }
}

static void put_facts(struct buf *out, const struct picture_probe *p)
{
    buf_text(out, "<dl>");
    put_when(out, "state since", p->since, true);
    if (p->had_outcome) {
        put_term(out, "last outcome");
        buf_printf(out, "%s, ", vital_class_text(p->outcome));
        markup_outcome(out, p);
        buf_text(out, " at ");
        markup_time(out, p->at, true);
        buf_text(out, " in ");
        markup_duration(out, p->duration);
        buf_text(out, "</dd></div>");
    }
    put_when(out, "last pass", p->last_pass, true);
    put_when(out, "stale at", p->stale_at, false);
    put_schedule(out, p);
    put_attempts(out, p);
    put_parents(out, p);
    put_numbers(out, p);
    buf_text(out, "</dl>");
}

void html_probe_row(struct buf *out, const struct picture_probe *p)
{
    buf_text(out, "<li id=\"probe-");
    markup_text(out, p->name);
    buf_printf(out, "\" data-state=\"%s\"><details>", state_text(p->state));
    put_line(out, p);
    put_facts(out, p);
    buf_text(out, "</details></li>\n");
}

/* ---- among what is wrong ---- */

void html_probe_trouble(struct buf *out, const struct picture_probe *p, const char *const groups[HTML_HURTS], unsigned more)
{
    enum tone t = markup_tone_of_probe(p);
    buf_text(out, "<li id=\"wrong-");
    markup_text(out, p->name);
    buf_printf(out, "\" class=\"%s%s\"><h3>", markup_tone(t), p->caused_by ? " caused" : "");
    markup_icon(out, t);
    buf_text(out, "<a href=\"#probe-");
    markup_text(out, p->name);
    buf_text(out, "\">");
    markup_text(out, p->name);
    buf_text(out, "</a> is ");
    if (p->mode == MODE_FORCED)
        buf_printf(out, "forced to count as %s, measured ", level_text(p->forced));
    buf_text(out, state_text(p->state));
    if (p->state == STATE_UP && p->outcome != VITAL_PASS)
        buf_printf(out, ", its last outcome was %s", vital_class_text(p->outcome));
    buf_text(out, "</h3><p>");
    markup_outcome(out, p);
    buf_text(out, "</p><p class=\"small\">");
    if (p->since) {
        buf_text(out, "since ");
        markup_time(out, p->since, true);
    }
    if (p->caused_by) {
        buf_text(out, " · caused by <b>");
        markup_text(out, p->caused_by);
        buf_text(out, "</b>, on which it depends");
    }
    if (p->run_need) {
        buf_text(out, " · ");
        words_run(out, p);
    }
    for (unsigned i = 0; i < HTML_HURTS && groups[i]; i++) {
        buf_text(out, i ? ", <b>" : " · counts in <b>");
        markup_text(out, groups[i]);
        buf_text(out, "</b>");
    }
    if (more)
        buf_printf(out, " and %u more", more);
    buf_char(out, ' ');
    markup_mode(out, p);
    buf_text(out, "</p></li>\n");
}
