#include "view/prometheus.h"

#include <string.h>

#include "base/buf.h"
#include "view/prometheus_probes.h"
#include "view/promline.h"

/* ---- groups ---- */

struct group_family {
    const char *name, *help;
    void (*put)(const struct group_family *, const struct picture *, const struct picture_group *, struct buf *);
};

static void put_group(struct buf *out, const char *name, const struct picture_group *g)
{
    buf_text(out, name);
    promline_label(out, '{', "group", g->name);
}

static void group_verdict(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    (void)pic;
    for (unsigned i = 0; i < LEVEL_COUNT; i++) {
        put_group(out, f->name, g);
        promline_label(out, ',', "verdict", level_text(i));
        promline_value(out, g->level == (enum level)i);
    }
}

static void group_up(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    (void)pic;
    put_group(out, f->name, g);
    promline_value(out, g->level != LEVEL_FAIL);
}

static void group_code(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    (void)pic;
    put_group(out, f->name, g);
    promline_value(out, g->code);
}

static void group_why(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    (void)pic;
    put_group(out, f->name, g);
    promline_label(out, ',', "why", why_text(g->why));
    promline_value(out, 1);
}

static void group_causes(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    (void)pic;
    put_group(out, f->name, g);
    promline_value(out, g->cause_count);
}

/* Whose doing it is, for the texts of alerts: the first few, for all of ten thousand probes may be the cause of each group. */
enum { CAUSES_NAMED = 10 };

static void group_cause(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    unsigned count = g->level == LEVEL_PASS ? 0 : g->cause_count < CAUSES_NAMED ? g->cause_count : CAUSES_NAMED;
    for (unsigned i = 0; i < count; i++) {
        const struct picture_probe *p = &pic->probes[g->causes[i].probe];
        put_group(out, f->name, g);
        promline_label(out, ',', "probe", p->name);
        promline_label(out, ',', "reason", p->had_outcome ? reason_text(p->reason) : "");
        promline_value(out, 1);
    }
}

static void group_since(const struct group_family *f, const struct picture *pic, const struct picture_group *g, struct buf *out)
{
    (void)pic;
    if (g->since == 0)
        return;
    put_group(out, f->name, g);
    promline_value(out, promline_seconds(g->since));
}

static const struct group_family group_families[] = {
    { "vitald_group_up", "1 when the group's verdict is pass or warn", group_up },
    { "vitald_group_verdict", "1 for the group's verdict, 0 for the others", group_verdict },
    { "vitald_group_code", "The HTTP status the group's path answers now", group_code },
    { "vitald_group_why", "What the verdict comes from; always 1", group_why },
    { "vitald_group_causes", "How many probes are the cause of the verdict", group_causes },
    { "vitald_group_cause", "A probe that is a cause of the verdict, and its last reason; ten of them at most; always 1", group_cause },
    { "vitald_group_since_timestamp_seconds", "When the verdict last changed", group_since },
};

enum { GROUP_FAMILIES = sizeof group_families / sizeof *group_families };

static uint32_t groups_count(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return GROUP_FAMILIES * (in->picture->group_count + 1);
}

static void groups_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    uint32_t stride = in->picture->group_count + 1;
    const struct group_family *f = &group_families[i / stride];
    if (i % stride == 0)
        promline_family(out, p->openmetrics, f->name, "gauge", f->help);
    else
        f->put(f, in->picture, &in->picture->groups[i % stride - 1], out);
}

/* ---- ourselves ---- */

static void self_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    const struct picture *pic = in->picture;
    promline_family(out, p->openmetrics, "vitald_build_info", "info", "The running version; always 1");
    buf_text(out, "vitald_build_info");
    promline_label(out, '{', "version", pic->version);
    promline_value(out, 1);
    promline_family(out, p->openmetrics, "vitald_start_time_seconds", "gauge", "When vitald started");
    buf_text(out, "vitald_start_time_seconds ");
    json_format_number(out, promline_seconds(pic->started));
    buf_char(out, '\n');
    promline_family(out, p->openmetrics, "vitald_configuration_generation", "gauge", "Grows with every configuration that was adopted");
    buf_printf(out, "vitald_configuration_generation %llu\n", (unsigned long long)pic->generation);
    promline_family(out, p->openmetrics, "vitald_last_reload_timestamp_seconds", "gauge", "When a reload was last tried; 0 for never");
    buf_text(out, "vitald_last_reload_timestamp_seconds ");
    json_format_number(out, promline_seconds(pic->last_reload));
    buf_char(out, '\n');
    promline_family(out, p->openmetrics, "vitald_draining", "gauge", "1 while draining");
    buf_printf(out, "vitald_draining %d\n", pic->draining);
    promline_family(out, p->openmetrics, "vitald_stalled_seconds", "gauge", "How long our own loop stood still, while answers say so");
    buf_text(out, "vitald_stalled_seconds ");
    json_format_number(out, promline_seconds(pic->stalled));
    buf_char(out, '\n');
}

static uint32_t facts_count(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return in->fact_count;
}

static void facts_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    const struct view_fact *f = &in->facts[i];
    struct buf name = BUF(256);
    buf_printf(&name, "vitald_%s%s", f->name, f->counter ? "_total" : "");
    if (i == 0 || strcmp(in->facts[i - 1].name, f->name) != 0)
        promline_family(out, p->openmetrics, name.data, f->counter ? "counter" : "gauge", f->help);
    buf_text(out, name.data);
    if (f->label) {
        promline_label(out, '{', f->label, f->label_value);
        promline_value(out, f->value);
    } else {
        buf_char(out, ' ');
        json_format_number(out, f->value);
        buf_char(out, '\n');
    }
    buf_free(&name);
}

static bool metrics(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, self_head }, { facts_count, facts_item }, { groups_count, groups_item },
        { prometheus_probes_count, prometheus_probes_item }, { prometheus_numbers_count, prometheus_numbers_item },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

bool prometheus_metrics(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    return metrics(in, p, out);
}

bool prometheus_openmetrics(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    p->openmetrics = true;
    if (!metrics(in, p, out))
        return false;
    buf_text(out, "# EOF\n");
    return true;
}
