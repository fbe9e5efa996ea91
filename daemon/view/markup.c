#include "view/markup.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "view/words.h"

enum { TEXT_MAX = 16 * 1024 };

static const char *const tones[TONE_COUNT] = { "good", "warn", "bad", "none" };

/* Drawn in a square of 16: a disc with a tick, a triangle, an octagon with a cross, a dashed ring with a question mark.
 * `k`: what is cut out of the shape. */
static const struct { const char *shape, *sign; } shapes[TONE_COUNT] = {
    [TONE_GOOD] = { "<circle cx='8' cy='8' r='7'/>", "M4.6 8.3l2.4 2.4 4.6-5" },
    [TONE_WARN] = { "<path d='M8 1.2 15.4 14.4H.6z' stroke-linejoin='round'/>", "M8 6v3.6M8 11.9v.1" },
    [TONE_BAD] = { "<path d='M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z'/>", "M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4" },
    [TONE_NONE] = { "<circle cx='8' cy='8' r='6.4' class='ring'/>",
                    "M6.2 6.3c.1-1.3 1-1.9 1.9-1.9 1.1 0 1.9.7 1.9 1.7 0 1.4-1.9 1.4-1.9 3M8.1 11.6v.1" },
};

const char *markup_tone(enum tone t)
{
    return tones[t];
}

enum tone markup_tone_of_state(enum state s)
{
    static const enum tone of[STATE_COUNT] = {
        [STATE_UNKNOWN] = TONE_NONE, [STATE_UP] = TONE_GOOD, [STATE_DEGRADED] = TONE_WARN, [STATE_DOWN] = TONE_BAD,
    };
    return of[s];
}

enum tone markup_tone_of_level(enum level l, bool unknown)
{
    static const enum tone of[LEVEL_COUNT] = { [LEVEL_PASS] = TONE_GOOD, [LEVEL_WARN] = TONE_WARN, [LEVEL_FAIL] = TONE_BAD };
    return unknown && l == LEVEL_PASS ? TONE_NONE : of[l];
}

enum tone markup_tone_of_word(const char *word)
{
    static const struct { const char *word; enum tone tone; } words[] = {
        { "up", TONE_GOOD },     { "pass", TONE_GOOD },      { "reloaded", TONE_GOOD }, { "normal", TONE_GOOD },
        { "degraded", TONE_WARN }, { "warn", TONE_WARN },    { "draining", TONE_WARN }, { "stalled", TONE_WARN },
        { "down", TONE_BAD },    { "fail", TONE_BAD },       { "reload failed", TONE_BAD }, { "quarantined", TONE_BAD },
    };
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, word))
            return words[i].tone;
    return TONE_NONE;
}

enum tone markup_tone_of_probe(const struct picture_probe *p)
{
    if (p->mode == MODE_MAINTENANCE)
        return TONE_NONE;
    if (p->mode == MODE_FORCED)
        return markup_tone_of_level(p->forced, false);
    return markup_tone_of_state(p->state);
}

static void escape(struct buf *out, const char *text)
{
    static const struct { char c; const char *as; } marks[] = {
        { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
    };
    for (size_t plain; *text; text++) {
        plain = strcspn(text, "&<>\"'");
        buf_add(out, text, plain);
        text += plain;
        if (!*text)
            return;
        for (unsigned i = 0; i < sizeof marks / sizeof *marks; i++)
            if (marks[i].c == *text)
                buf_text(out, marks[i].as);
    }
}

void markup_text(struct buf *out, const char *text)
{
    static struct buf safe = { .max = TEXT_MAX };
    buf_reset(&safe);
    words_safe(&safe, text);
    escape(out, safe.len ? safe.data : "");
}

void markup_outcome(struct buf *out, const struct picture_probe *p)
{
    static struct buf words = { .max = TEXT_MAX };
    buf_reset(&words);
    words_outcome(&words, p);
    escape(out, words.data);
}

void markup_time(struct buf *out, uint64_t wall, bool ago)
{
    char iso[CLOCK_TEXT];
    if (!wall || wall == TIME_NEVER) {
        buf_text(out, "never");
        return;
    }
    clock_iso(wall, iso);
    buf_printf(out, "<time datetime=\"%s\"%s>%.10s %.8s UTC</time>", iso, ago ? " data-ago" : "", iso, iso + 11);
}

void markup_duration(struct buf *out, uint64_t usec)
{
    double ms = (double)usec / (double)USEC_MS;
    if (usec < USEC_MS)
        buf_printf(out, "%.2f ms", ms);
    else if (usec < USEC_S)
        buf_printf(out, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
    else
        buf_printf(out, "%.1f s", ms / 1000);
}

void markup_icon(struct buf *out, enum tone t)
{
    buf_printf(out, "<svg class=\"i %s\" aria-hidden=\"true\"><use href=\"#i-%s\"/></svg>", tones[t], tones[t]);
}

void markup_symbols(struct buf *out)
{
    buf_text(out, "<svg class=\"symbols\" aria-hidden=\"true\">");
    for (unsigned t = 0; t < TONE_COUNT; t++)
        buf_printf(out, "<symbol id=\"i-%s\" viewBox=\"0 0 16 16\">%s<path class=\"sign\" d=\"%s\"/></symbol>", tones[t], shapes[t].shape,
                   shapes[t].sign);
    buf_text(out, "</svg>\n");
}

void markup_tab_icon(struct buf *out, enum tone t)
{
    static const char *const colours[TONE_COUNT] = { "167a46", "a15c00", "c4281c", "6b7280" };
    buf_printf(out, "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><g fill='%%23%s'>%s</g>"
                    "<path d='%s' fill='none' stroke='white' stroke-width='1.7' stroke-linecap='round'/></svg>",
               colours[t], shapes[t].shape, shapes[t].sign);
}

void markup_mode(struct buf *out, const struct picture_probe *p)
{
    if (p->mode == MODE_NORMAL)
        return;
    buf_printf(out, "<span class=\"badge\">%s", mode_text(p->mode));
    if (p->mode == MODE_FORCED)
        buf_printf(out, " to count as %s", level_text(p->forced));
    if (p->mode_until && p->mode_until != TIME_NEVER) {
        buf_text(out, " until ");
        markup_time(out, p->mode_until, false);
    }
    buf_text(out, "</span>");
}
