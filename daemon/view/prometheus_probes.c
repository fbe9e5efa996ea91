#include "view/prometheus_probes.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/promname.h"
#include "view/promline.h"
#include "view/words.h"

/* vitald_probe_X{probe="db" is what every line about a probe begins with. */
static void put_probe(struct buf *out, const char *name, const struct picture_probe *p)
{
    buf_text(out, name);
    promline_label(out, '{', "probe", p->name);
}

/* ---- families with one or a few lines a probe ---- */

struct family {
    const char *name, *type, *help;
    void (*put)(const struct family *, const struct picture_probe *, struct buf *);
};

static void family_info(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_label(out, ',', "type", p->type);
    promline_label(out, ',', "target", p->target);
    promline_value(out, 1);
}

static void family_up(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_value(out, words_level(p) != LEVEL_FAIL);
}

static void family_state(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        put_probe(out, f->name, p);
        promline_label(out, ',', "state", state_text(i));
        promline_value(out, p->state == (enum state)i);
    }
}

static void family_mode(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_label(out, ',', "mode", mode_text(p->mode));
    promline_value(out, 1);
}

static void family_stale(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_value(out, p->stale);
}

static void family_quarantined(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_value(out, p->quarantined);
}

static void family_since(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (p->since == 0)
        return;
    put_probe(out, f->name, p);
    promline_value(out, promline_seconds(p->since));
}

static void family_last(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (!p->had_outcome)
        return;
    put_probe(out, f->name, p);
    promline_value(out, promline_seconds(p->at));
}

static void family_last_pass(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (p->last_pass == 0)
        return;
    put_probe(out, f->name, p);
    promline_value(out, promline_seconds(p->last_pass));
}

static void family_last_duration(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (!p->had_outcome)
        return;
    put_probe(out, f->name, p);
    promline_value(out, promline_seconds(p->duration));
}

static void family_durations(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        count += p->attempts[i];
    buf_text(out, f->name);
    put_probe(out, "_sum", p);
    promline_value(out, promline_seconds(p->duration_sum));
    buf_text(out, f->name);
    put_probe(out, "_count", p);
    promline_value(out, (double)count);
}

static void family_attempts(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++) {
        put_probe(out, f->name, p);
        promline_label(out, ',', "outcome", vital_class_text(i));
        promline_value(out, (double)p->attempts[i]);
    }
    put_probe(out, f->name, p);
    promline_label(out, ',', "outcome", "cancelled");
    promline_value(out, (double)p->cancelled);
}

static void family_reasons(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    for (unsigned i = 0; i < p->reason_count; i++) {
        put_probe(out, f->name, p);
        promline_label(out, ',', "reason", reason_text(p->reasons[i].reason));
        promline_value(out, (double)p->reasons[i].count);
    }
}

static void family_last_reason(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (!p->had_outcome)
        return;
    put_probe(out, f->name, p);
    promline_label(out, ',', "reason", reason_text(p->reason));
    promline_value(out, 1);
}

static void family_caused_by(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (!p->caused_by)
        return;
    put_probe(out, f->name, p);
    promline_label(out, ',', "parent", p->caused_by);
    promline_value(out, 1);
}

static void family_transitions(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_value(out, (double)p->transitions);
}

static void family_interval(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    promline_value(out, promline_seconds(p->interval));
}

static const struct family families[] = {
    { "vitald_probe_info", "info", "What a probe checks; always 1", family_info },
    { "vitald_probe_up", "gauge", "1 when the probe counts as pass or warn now", family_up },
    { "vitald_probe_state", "gauge", "1 for the state the probe is in, 0 for the others", family_state },
    { "vitald_probe_mode", "gauge", "The administrative mode in force; always 1", family_mode },
    { "vitald_probe_stale", "gauge", "1 when the last outcome is older than max_age", family_stale },
    { "vitald_probe_quarantined", "gauge", "1 when the module broke its contract too often", family_quarantined },
    { "vitald_probe_state_since_timestamp_seconds", "gauge", "When the probe came into its settled state", family_since },
    { "vitald_probe_last_outcome_timestamp_seconds", "gauge", "When the last attempt ended", family_last },
    { "vitald_probe_last_pass_timestamp_seconds", "gauge", "When an attempt last passed", family_last_pass },
    { "vitald_probe_last_duration_seconds", "gauge", "How long the last attempt took", family_last_duration },
    { "vitald_probe_duration_seconds", "summary", "How long attempts took, all together", family_durations },
    { "vitald_probe_attempts_total", "counter", "Attempts that ended, by outcome", family_attempts },
    { "vitald_probe_reasons_total", "counter", "Attempts that ended, by reason", family_reasons },
    { "vitald_probe_last_reason", "gauge", "The reason of the last outcome; always 1", family_last_reason },
    { "vitald_probe_caused_by", "gauge", "A parent that is down, whose doing this one's trouble is; always 1", family_caused_by },
    { "vitald_probe_transitions_total", "counter", "Changes of the settled state", family_transitions },
    { "vitald_probe_interval_seconds", "gauge", "The configured interval", family_interval },
};

enum { FAMILIES = sizeof families / sizeof *families };

/* Item i is: family i / (probes + 1), and in it its head or probe i % (probes + 1) - 1. */
uint32_t prometheus_probes_count(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return FAMILIES * (in->picture->probe_count + 1);
}

void prometheus_probes_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    uint32_t stride = in->picture->probe_count + 1;
    const struct family *f = &families[i / stride];
    if (i % stride == 0)
        promline_family(out, p->openmetrics, f->name, f->type, f->help);
    else
        f->put(f, &in->picture->probes[i % stride - 1], out);
}

/* ---- the probes' own numbers: one family for each number of each type ---- */

enum { NUMBERS_MAX = 1024 };     /* families; beyond it numbers are left out of the scrape */

struct number_family { const char *type; const struct picture_number *first; };
struct number_families { uint32_t count; struct number_family items[NUMBERS_MAX]; };

/* Probes of one type stand their numbers in the same order, so the next family is nearly always the next number's. */
static void collect(const struct picture *pic, struct number_families *all)
{
    for (uint32_t i = 0; i < pic->probe_count; i++) {
        const struct picture_probe *p = &pic->probes[i];
        uint32_t hint = 0;
        for (unsigned k = 0; k < p->number_count; k++) {
            uint32_t at = 0;
            for (; at < all->count; at++) {
                const struct number_family *f = &all->items[(hint + at) % all->count];
                if (!strcmp(f->first->name, p->numbers[k].name) && !strcmp(f->type, p->type))
                    break;
            }
            if (at == all->count && all->count < NUMBERS_MAX)
                all->items[all->count++] = (struct number_family){ p->type, &p->numbers[k] };
            else if (at < all->count)
                hint = (hint + at) % all->count;
        }
    }
}

uint32_t prometheus_numbers_count(const struct view_input *in, struct view_progress *p)
{
    if (!p->own) {
        struct number_families *all = mem_alloc(sizeof *all);
        collect(in->picture, all);
        p->own = all;
    }
    return ((const struct number_families *)p->own)->count * (in->picture->probe_count + 1);
}

static void put_number_name(struct buf *out, const struct number_family *f)
{
    promname_put(out, f->type, f->first->name, f->first->unit, f->first->counter);
}

void prometheus_numbers_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    const struct number_families *all = p->own;
    uint32_t stride = in->picture->probe_count + 1;
    const struct number_family *f = &all->items[i / stride];
    struct buf name = BUF(256);
    if (i % stride == 0) {
        put_number_name(&name, f);
        promline_family(out, p->openmetrics, name.data, f->first->counter ? "counter" : "gauge", f->first->help);
        buf_free(&name);
        return;
    }
    const struct picture_probe *probe = &in->picture->probes[i % stride - 1];
    if (probe->number_count == 0 || strcmp(probe->type, f->type) != 0)
        return;
    for (unsigned k = 0; k < probe->number_count; k++) {
        const struct picture_number *n = &probe->numbers[k];
        if (strcmp(n->name, f->first->name) != 0)
            continue;
        put_number_name(out, f);
        promline_label(out, '{', "probe", probe->name);
        if (n->label)
            promline_label(out, ',', n->label, n->label_value);
        promline_value(out, n->value * promname_factor(n->unit));
    }
}
