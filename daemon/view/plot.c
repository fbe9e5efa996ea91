#include "view/plot.h"

#include "base/buf.h"
#include "view/markup.h"

enum { STEP = 4, HIGH = 20 };        /* from bar to bar; height of both drawings */

/* In words, for those who do not see it: "last 12 outcomes: 10 pass, 2 fail". */
static void put_label(struct buf *out, const struct history *h)
{
    unsigned sums[VITAL_CLASS_COUNT] = { 0 };
    const char *comma = ": ";
    for (unsigned i = 0; i < h->count; i++)
        sums[history_class(h, i)]++;
    buf_printf(out, "last %u outcomes", h->count);
    for (unsigned c = 0; c < VITAL_CLASS_COUNT; c++)
        if (sums[c]) {
            buf_printf(out, "%s%u %s", comma, sums[c], vital_class_text(c));
            comma = ", ";
        }
}

/* One path a class keeps a thousand of these small. */
static void put_bars(struct buf *out, const struct history *h, enum vital_class class)
{
    static const uint8_t heights[VITAL_CLASS_COUNT] = { [VITAL_PASS] = 7, [VITAL_WARN] = 13, [VITAL_FAIL] = HIGH, [VITAL_INTERNAL] = 3 };
    bool any = false;
    for (unsigned i = 0; i < h->count; i++) {
        if (history_class(h, i) != class)
            continue;
        if (!any)
            buf_printf(out, "<path class=\"%s\" d=\"", vital_class_text(class));
        buf_printf(out, "M%u %uv-%u", (HISTORY_MAX - h->count + i) * STEP + 2, HIGH, heights[class]);
        any = true;
    }
    if (any)
        buf_text(out, "\"/>");
}

void plot_history(struct buf *out, const struct picture_probe *p)
{
    const struct history *h = &p->history;
    buf_printf(out, "<svg class=\"history\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
               HISTORY_MAX * STEP, HIGH);
    put_label(out, h);
    buf_text(out, "\">");
    for (unsigned c = 0; c < VITAL_CLASS_COUNT; c++)
        put_bars(out, h, c);
    buf_text(out, "</svg>");
}

void plot_latency(struct buf *out, const struct picture_probe *p)
{
    const struct history *h = &p->history;
    uint64_t longest = 1;
    if (h->count == 0)
        return;
    for (unsigned i = 0; i < h->count; i++)
        longest = history_duration(h, i) > longest ? history_duration(h, i) : longest;
    buf_printf(out, "<svg class=\"latency\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"latency, longest ",
               HISTORY_MAX * STEP, HIGH);
    markup_duration(out, longest);
    buf_text(out, "\"><polyline points=\"");
    for (unsigned i = 0; i < h->count; i++)
        buf_printf(out, "%s%u,%u", i ? " " : "", (HISTORY_MAX - h->count + i) * STEP + 2,
                   HIGH - 1 - (unsigned)(history_duration(h, i) * (HIGH - 2) / longest));
    buf_text(out, "\"/></svg><span class=\"took\">");
    markup_duration(out, history_duration(h, h->count - 1U));
    buf_text(out, "</span>");
}
