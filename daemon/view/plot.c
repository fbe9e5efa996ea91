#include "view/plot.h"

#include "base/buf.h"
#include "view/markup.h"

enum { STEP = 4, HIGH = 20 };        /* from bar to bar; height of both drawings */

static unsigned shown(const struct picture_probe *p)
{
    return p->history_count < PICTURE_HISTORY ? p->history_count : PICTURE_HISTORY;
}

/* In words, for those who do not see it: "last 12 outcomes: 10 pass, 2 fail". */
static void put_label(struct buf *out, const struct picture_probe *p, unsigned count)
{
    unsigned sums[VITAL_CLASS_COUNT] = { 0 };
    const char *comma = ": ";
    for (unsigned i = 0; i < count; i++)
        sums[p->history[i]]++;
    buf_printf(out, "last %u outcomes", count);
    for (unsigned c = 0; c < VITAL_CLASS_COUNT; c++)
        if (sums[c]) {
            buf_printf(out, "%s%u %s", comma, sums[c], vital_class_text(c));
            comma = ", ";
        }
}

/* One path a class keeps a thousand of these small. */
static void put_bars(struct buf *out, const struct picture_probe *p, unsigned count, enum vital_class class)
{
    static const uint8_t heights[VITAL_CLASS_COUNT] = { [VITAL_PASS] = 7, [VITAL_WARN] = 13, [VITAL_FAIL] = HIGH, [VITAL_INTERNAL] = 3 };
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        if (p->history[i] != class)
            continue;
        if (!any)
            buf_printf(out, "<path class=\"%s\" d=\"", vital_class_text(class));
        buf_printf(out, "M%u %uv-%u", (PICTURE_HISTORY - count + i) * STEP + 2, HIGH, heights[class]);
        any = true;
    }
    if (any)
        buf_text(out, "\"/>");
}

void plot_history(struct buf *out, const struct picture_probe *p)
{
    unsigned count = shown(p);
    buf_printf(out, "<svg class=\"history\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
               PICTURE_HISTORY * STEP, HIGH);
    put_label(out, p, count);
    buf_text(out, "\">");
    for (unsigned c = 0; c < VITAL_CLASS_COUNT; c++)
        put_bars(out, p, count, c);
    buf_text(out, "</svg>");
}

void plot_latency(struct buf *out, const struct picture_probe *p)
{
    unsigned count = shown(p);
    uint32_t longest = 1;
    if (count == 0)
        return;
    for (unsigned i = 0; i < count; i++)
        longest = p->durations[i] > longest ? p->durations[i] : longest;
    buf_printf(out, "<svg class=\"latency\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"latency, longest ",
               PICTURE_HISTORY * STEP, HIGH);
    markup_duration(out, longest);
    buf_text(out, "\"><polyline points=\"");
    for (unsigned i = 0; i < count; i++)
        buf_printf(out, "%s%u,%u", i ? " " : "", (PICTURE_HISTORY - count + i) * STEP + 2,
                   HIGH - 1 - (unsigned)((uint64_t)p->durations[i] * (HIGH - 2) / longest));
    buf_text(out, "\"/></svg><span class=\"took\">");
    markup_duration(out, p->durations[count - 1]);
    buf_text(out, "</span>");
}
