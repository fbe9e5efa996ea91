#include "view/html.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/journal.h"
#include "view/html_probe.h"
#include "view/markup.h"
#include "view/page_assets.h"
#include "view/words.h"

enum { TROUBLES_SHOWN = 50, CAUSES_SHOWN = 5 };

/* ---- what is worst, kept between chunks ---- */

enum rank { RANK_DOWN, RANK_CAUSED, RANK_UNKNOWN, RANK_DEGRADED, RANK_FAILING, RANK_WELL, RANK_ASIDE, RANK_COUNT };

struct survey {
    uint32_t tones[TONE_COUNT], ranks[RANK_COUNT], troubles, modes[MODE_COUNT];
    uint32_t *order;                                     /* probes, worst first */
    struct { uint32_t groups[HTML_HURTS], count; } *hurts;      /* by probe: the groups in whose causes it stands */
};

static enum rank rank_of(const struct picture_probe *p)
{
    static const enum rank of[TONE_COUNT] = { [TONE_GOOD] = RANK_WELL, [TONE_WARN] = RANK_DEGRADED, [TONE_BAD] = RANK_DOWN,
                                              [TONE_NONE] = RANK_UNKNOWN };
    if (p->mode == MODE_MAINTENANCE)
        return RANK_ASIDE;
    enum rank r = of[markup_tone_of_probe(p)];
    if (r == RANK_DOWN && p->caused_by)
        return RANK_CAUSED;
    return r == RANK_WELL && p->had_outcome && p->outcome != VITAL_PASS ? RANK_FAILING : r;
}

static void sort(const struct picture *pic, struct survey *s)
{
    uint32_t next[RANK_COUNT] = { 0 };
    for (uint32_t i = 0; i < pic->probe_count; i++) {
        s->ranks[rank_of(&pic->probes[i])]++;
        s->tones[markup_tone_of_probe(&pic->probes[i])] += pic->probes[i].mode != MODE_MAINTENANCE;
        s->modes[pic->probes[i].mode]++;
    }
    for (unsigned r = 1; r < RANK_COUNT; r++)
        next[r] = next[r - 1] + s->ranks[r - 1];
    s->troubles = next[RANK_WELL];
    for (uint32_t i = 0; i < pic->probe_count; i++)
        s->order[next[rank_of(&pic->probes[i])]++] = i;
}

static void find_hurts(const struct picture *pic, struct survey *s)
{
    for (uint32_t g = 0; g < pic->group_count; g++)
        for (unsigned c = 0; c < pic->groups[g].cause_count; c++) {
            uint32_t probe = pic->groups[g].causes[c].probe;
            if (s->hurts[probe].count < HTML_HURTS)
                s->hurts[probe].groups[s->hurts[probe].count] = g;
            s->hurts[probe].count++;
        }
}

/* One block, for whoever ends the view frees one. */
static struct survey *survey(const struct view_input *in, struct view_progress *p)
{
    if (p->own)
        return p->own;
    const struct picture *pic = in->picture;
    struct survey *s = mem_alloc(sizeof *s + pic->probe_count * (sizeof *s->hurts + sizeof *s->order));
    s->hurts = (void *)(s + 1);
    s->order = (void *)(s->hurts + pic->probe_count);
    sort(pic, s);
    find_hurts(pic, s);
    p->own = s;
    return s;
}

static enum tone overall(const struct picture *pic, const struct survey *s)
{
    enum tone t = pic->probe_count == 0 || s->ranks[RANK_UNKNOWN] ? TONE_NONE : TONE_GOOD;
    if (s->ranks[RANK_DEGRADED])
        t = TONE_WARN;
    if (s->ranks[RANK_DOWN] || s->ranks[RANK_CAUSED])
        t = TONE_BAD;
    for (uint32_t g = 0; g < pic->group_count; g++)
        if (pic->groups[g].level == LEVEL_FAIL)
            t = TONE_BAD;
    return t;
}

/* "2 down, 1 degraded of 8 probes", "All 8 probes are up". Those in maintenance are told apart, by a notice. */
static void put_headline(struct buf *out, const struct picture *pic, const struct survey *s)
{
    static const enum state order[] = { STATE_DOWN, STATE_DEGRADED, STATE_UNKNOWN };
    uint32_t all = pic->probe_count - s->ranks[RANK_ASIDE];
    bool any = false;
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
        uint32_t n = s->tones[markup_tone_of_state(order[i])];
        if (n == 0)
            continue;
        buf_printf(out, "%s%u %s", any ? ", " : "", n, state_text(order[i]));
        any = true;
    }
    if (any)
        buf_printf(out, " of %u probe%s", all, all == 1 ? "" : "s");
    else if (all)
        buf_printf(out, all == 1 ? "The only probe is up" : "All %u probes are up", all);
    else
        buf_text(out, "No probes are configured");
}

/* ---- head ---- */

static void put_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    const struct picture *pic = in->picture;
    const struct survey *s = survey(in, p);
    buf_text(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
                  "<title>");
    put_headline(out, pic, s);
    buf_text(out, " · ");
    markup_text(out, pic->host);
    buf_text(out, " · vitald</title>\n<link rel=\"icon\" id=\"tab-icon\" href=\"");
    markup_tab_icon(out, overall(pic, s));
    buf_printf(out, "\">\n<style>%s</style>\n</head>\n<body data-last=\"%llu\" data-started=\"%llu\">\n", page_css,
               (unsigned long long)pic->journal_last, (unsigned long long)pic->started);
    markup_symbols(out);
}

static void put_notice(struct buf *out, enum tone t, const char *text)
{
    buf_printf(out, "<p class=\"notice %s\">", markup_tone(t));
    markup_icon(out, t);
    buf_printf(out, "<span>%s ", text);
}

static void put_notices(struct buf *out, const struct picture *pic, const struct survey *s)
{
    static const char *const modes[MODE_COUNT] = { [MODE_PAUSED] = "paused: not attempted, counting as before",
                                                   [MODE_MAINTENANCE] = "in maintenance: left out of the groups",
                                                   [MODE_FORCED] = "forced: counting as people said" };
    if (pic->draining) {
        put_notice(out, TONE_WARN, "Draining: told to take no more work, since");
        markup_time(out, pic->draining_since, true);
        buf_text(out, "</span></p>");
    }
    if (pic->stalled) {
        put_notice(out, TONE_WARN, "vitald itself stood still for");
        markup_duration(out, pic->stalled);
        buf_text(out, "; what it knows may be older than it looks</span></p>");
    }
    if (pic->last_reload && !pic->last_reload_ok) {
        put_notice(out, TONE_WARN, "The last reload was refused, the configuration before goes on: see the log. It was at");
        markup_time(out, pic->last_reload, true);
        buf_text(out, "</span></p>");
    }
    for (unsigned m = 0; m < MODE_COUNT; m++)
        if (modes[m] && s->modes[m]) {
            buf_printf(out, "<p class=\"notice none\">");
            markup_icon(out, TONE_NONE);
            buf_printf(out, "<span>%u probe%s %s</span></p>", s->modes[m], s->modes[m] == 1 ? " is" : "s are", modes[m]);
        }
}

static void put_masthead(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    const struct picture *pic = in->picture;
    const struct survey *s = survey(in, p);
    enum tone t = overall(pic, s);
    buf_text(out, "<header><div class=\"bar\"><span class=\"brand\">vitald</span> <span class=\"host\">");
    markup_text(out, pic->host);
    buf_text(out, "</span><span id=\"link\" role=\"status\" hidden></span></div>\n"
                  "<div id=\"head\" data-live>");
    buf_printf(out, "<h1 class=\"%s\">", markup_tone(t));
    markup_icon(out, t);
    buf_text(out, "<span>");
    put_headline(out, pic, s);
    buf_text(out, "</span></h1><p class=\"small\">as of ");
    markup_time(out, pic->wall, true);
    buf_text(out, "<span class=\"still\"> · reload the page to see what changed</span></p>");
    put_notices(out, pic, s);
    buf_text(out, "</div></header>\n<p id=\"said\" class=\"unseen\" aria-live=\"polite\"></p>\n<main>\n");
}

/* ---- what is wrong ---- */

static void open_wrong(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in, (void)p, (void)i;
    buf_text(out, "<section aria-labelledby=\"wrong-title\"><h2 id=\"wrong-title\">What is wrong</h2>\n<ul id=\"wrong\" data-live>\n");
}

static uint32_t count_wrong(const struct view_input *in, struct view_progress *p)
{
    uint32_t n = survey(in, p)->troubles;
    return n < TROUBLES_SHOWN ? n : TROUBLES_SHOWN;
}

static void put_wrong(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    const struct survey *s = survey(in, p);
    uint32_t probe = s->order[i];
    const char *groups[HTML_HURTS] = { NULL };
    unsigned count = s->hurts[probe].count;
    for (unsigned k = 0; k < HTML_HURTS && k < count; k++)
        groups[k] = in->picture->groups[s->hurts[probe].groups[k]].name;
    html_probe_trouble(out, &in->picture->probes[probe], groups, count > HTML_HURTS ? count - HTML_HURTS : 0);
}

static void close_wrong(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    uint32_t all = survey(in, p)->troubles;
    if (all == 0)
        buf_text(out, "<li id=\"wrong-nothing\" class=\"nothing\">Nothing.</li>\n");
    if (all > TROUBLES_SHOWN)
        buf_printf(out, "<li id=\"wrong-more\" class=\"more\">and %u more: they stand first in <a href=\"#probes\">the list of probes</a></li>\n",
                   all - TROUBLES_SHOWN);
    buf_text(out, "</ul></section>\n");
}

/* ---- groups ---- */

static void open_groups(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in, (void)p, (void)i;
    buf_text(out, "<section aria-labelledby=\"groups-title\"><h2 id=\"groups-title\">Groups</h2>\n<ul id=\"groups\" data-live>\n");
}

static void put_member(struct buf *out, const struct picture_member *m)
{
    enum tone t = m->left_out ? TONE_NONE : markup_tone_of_level(m->level, m->unknown);
    buf_text(out, "<li>");
    markup_icon(out, t);
    buf_printf(out, "<a href=\"#%s-", m->is_group ? "group" : "probe");
    markup_text(out, m->name);
    buf_text(out, "\">");
    markup_text(out, m->name);
    buf_printf(out, "</a> <span class=\"small\">%s%s</span></li>", m->left_out ? "left out" : m->unknown ? "unknown" : level_text(m->level),
               m->advisory ? ", advisory" : "");
}

static void put_group_causes(struct buf *out, const struct picture *pic, const struct picture_group *g)
{
    if (!g->cause_count)
        return;
    buf_text(out, "<p class=\"causes\">because of ");
    for (unsigned i = 0; i < g->cause_count && i < CAUSES_SHOWN; i++) {
        const char *name = pic->probes[g->causes[i].probe].name;
        buf_text(out, i ? ", <a href=\"#probe-" : "<a href=\"#probe-");
        markup_text(out, name);
        buf_text(out, "\">");
        markup_text(out, name);
        buf_text(out, "</a>");
    }
    if (g->cause_count > CAUSES_SHOWN)
        buf_printf(out, " and %u more", g->cause_count - CAUSES_SHOWN);
    buf_text(out, "</p>");
}

static void open_group(struct buf *out, const struct picture *pic, const struct picture_group *g)
{
    enum tone t = markup_tone_of_level(g->level, false);
    buf_text(out, "<li id=\"group-");
    markup_text(out, g->name);
    buf_printf(out, "\" class=\"%s\"><h3>", markup_tone(t));
    markup_icon(out, t);
    markup_text(out, g->name);
    buf_printf(out, " <span class=\"verdict\">%s</span></h3><p class=\"small\">", level_text(g->level));
    if (g->why != WHY_MEMBERS)
        buf_printf(out, "<b>%s</b> · ", why_text(g->why));
    buf_printf(out, "answers %u", g->code);
    if (g->since) {
        buf_text(out, " · since ");
        markup_time(out, g->since, true);
    }
    buf_printf(out, "%s%s</p>", g->unknown ? " · some of it is unknown" : "", g->forced ? " · a forced probe counts" : "");
    put_group_causes(out, pic, g);
    buf_printf(out, "<details><summary>%u member%s, %s</summary><ul class=\"members\">", g->member_count, g->member_count == 1 ? "" : "s",
               g->rule);
}

static uint32_t count_group_items(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    uint32_t items = 0;
    for (uint32_t g = 0; g < in->picture->group_count; g++)
        items += in->picture->groups[g].member_count + 2;
    return items;
}

static void put_group_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    const struct picture_group *g = &in->picture->groups[p->group];
    if (p->part == 0)
        open_group(out, in->picture, g);
    else if (p->part <= g->member_count)
        put_member(out, &g->members[p->part - 1]);
    if (p->part++ <= g->member_count)
        return;
    buf_text(out, "</ul></details></li>\n");
    p->part = 0;
    p->group++;
}

/* ---- probes ---- */

static void open_probes(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    static const enum state order[] = { STATE_DOWN, STATE_DEGRADED, STATE_UNKNOWN, STATE_UP };
    (void)p, (void)i;
    buf_printf(out, "</ul></section>\n<section aria-labelledby=\"probes-title\"><h2 id=\"probes-title\">Probes <span class=\"count\" id=\"count\" "
                    "role=\"status\">%u</span></h2>\n<form id=\"filter\" role=\"search\" hidden><label><span class=\"unseen\">Show only probes with"
                    "</span><input type=\"search\" id=\"words\" placeholder=\"Filter: name, type, address, text\" autocomplete=\"off\" "
                    "spellcheck=\"false\" aria-controls=\"probes\" aria-keyshortcuts=\"/\"></label>"
                    "<div role=\"group\" aria-label=\"Show only probes that are\">", in->picture->probe_count);
    for (unsigned k = 0; k < sizeof order / sizeof *order; k++) {
        const char *word = state_text(order[k]);
        buf_printf(out, "<button type=\"button\" data-state=\"%s\" aria-pressed=\"false\">", word);
        markup_icon(out, markup_tone_of_state(order[k]));
        buf_printf(out, "%s <span data-count></span></button>", word);
    }
    buf_text(out, "</div></form>\n<p id=\"none\" class=\"nothing\" hidden>No probe matches.</p>\n<ul id=\"probes\" data-live>\n");
}

static void put_probe(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    html_probe_row(out, &in->picture->probes[survey(in, p)->order[i]]);
}

/* ---- transitions, and the end ---- */

static void open_journal(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p, (void)i;
    buf_text(out, "</ul></section>\n<section aria-labelledby=\"journal-title\"><h2 id=\"journal-title\">Transitions</h2>\n"
                  "<ol id=\"journal\" reversed data-live>\n");
    if (!in->journal_count)
        buf_text(out, "<li id=\"event-none\" class=\"nothing\">None yet.</li>\n");
}

static uint32_t count_journal(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return in->journal_count;
}

static void put_word(struct buf *out, const char *word)
{
    markup_icon(out, markup_tone_of_word(word));
    markup_text(out, word);
}

static void put_entry(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p;
    const struct journal_entry *e = &in->journal[i];
    bool linked = e->kind == JOURNAL_PROBE || e->kind == JOURNAL_MODE || e->kind == JOURNAL_GROUP;
    buf_printf(out, "<li id=\"event-%llu\">", (unsigned long long)e->id);
    markup_time(out, e->wall, false);
    buf_printf(out, " <span class=\"kind\">%s</span> ", journal_kind_text(e->kind));
    if (linked) {
        buf_printf(out, "<a href=\"#%s-", e->kind == JOURNAL_GROUP ? "group" : "probe");
        markup_text(out, e->name);
        buf_text(out, "\">");
    }
    markup_text(out, e->name);
    buf_text(out, linked ? "</a> <span class=\"change\">" : " <span class=\"change\">");
    if (*e->from) {
        put_word(out, e->from);
        buf_text(out, " <span class=\"to\">to</span> ");
    }
    put_word(out, e->to);
    buf_text(out, "</span> <span class=\"say\">");
    markup_text(out, e->reason);
    buf_text(out, *e->reason && *e->text ? ": " : "");
    markup_text(out, e->text);
    buf_text(out, "</span></li>\n");
}

static void put_end(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p, (void)i;
    const struct picture *pic = in->picture;
    buf_text(out, "</ol></section>\n</main>\n<footer id=\"foot\" data-live><p class=\"small\">vitald ");
    markup_text(out, pic->version);
    buf_text(out, " · runs since ");
    markup_time(out, pic->started, true);
    buf_text(out, " · configuration ");
    markup_text(out, pic->source);
    if (pic->generation > 1 && pic->last_reload_ok) {
        buf_text(out, ", reloaded ");
        markup_time(out, pic->last_reload, true);
    }
    buf_printf(out, "</p></footer>\n<script>%s</script>\n</body>\n</html>\n", page_js);
}

bool html_page(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, put_head },           { view_once, put_masthead },  { view_once, open_wrong },  { count_wrong, put_wrong },
        { view_once, close_wrong },        { view_once, open_groups },   { count_group_items, put_group_item },
        { view_once, open_probes },        { view_probes, put_probe },   { view_once, open_journal }, { count_journal, put_entry },
        { view_once, put_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

const char *html_headers(void)
{
    static char text[512];
    if (!*text)
        snprintf(text, sizeof text,
                 "Content-Security-Policy: default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; "
                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
                 page_css_hash, page_js_hash);
    return text;
}
