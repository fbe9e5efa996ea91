#include "view/prometheus.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "view/words.h"

/* ---- lines ---- */

/* Label values: \ " and newline are escaped, bytes that are no UTF-8 would make the whole scrape invalid. */
static void put_value_text(struct buf *out, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        unsigned len = utf8_length(text, left);
        if (*text == '\n')
            buf_text(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buf_char(out, '\\'), buf_char(out, *text);
        else if (len)
            buf_add(out, text, len);
        else
            buf_text(out, "\xef\xbf\xbd");
        len = len ? len : 1;
        text += len;
        left -= len;
    }
}

static void put_label(struct buf *out, char before, const char *name, const char *value)
{
    buf_char(out, before);
    buf_text(out, name);
    buf_text(out, "=\"");
    put_value_text(out, value ? value : "");
    buf_char(out, '"');
}

static void put_value(struct buf *out, double value)
{
    buf_text(out, "} ");
    json_format_number(out, value);
    buf_char(out, '\n');
}

static void put_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_text(out, "# HELP ");
    buf_text(out, name);
    buf_char(out, ' ');
    for (; *help; help++)
        if (*help == '\\' || *help == '\n')
            buf_text(out, *help == '\n' ? "\\n" : "\\\\");
        else
            buf_char(out, *help);
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static double stamp(uint64_t wall)
{
    return (double)wall / 1e6;
}

/* vitald_probe_X{probe="db" is what every line about a probe begins with. */
static void put_probe(struct buf *out, const char *name, const struct picture_probe *p)
{
    buf_text(out, name);
    put_label(out, '{', "probe", p->name);
}

/* ---- families with one or a few lines a probe ---- */

struct family {
    const char *name, *type, *help;
    void (*put)(const struct family *, const struct picture_probe *, struct buf *);
};

static void family_info(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_label(out, ',', "type", p->type);
    put_label(out, ',', "target", p->target);
    put_value(out, 1);
}

static void family_up(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_value(out, words_level(p) != LEVEL_FAIL);
}

static void family_state(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        put_probe(out, f->name, p);
        put_label(out, ',', "state", state_text(i));
        put_value(out, p->state == (enum state)i);
    }
}

static void family_mode(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_label(out, ',', "mode", mode_text(p->mode));
    put_value(out, 1);
}

static void family_stale(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_value(out, p->stale);
}

static void family_quarantined(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_value(out, p->quarantined);
}

static void family_since(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (p->since == 0)
        return;
    put_probe(out, f->name, p);
    put_value(out, stamp(p->since));
}

static void family_last(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (!p->had_outcome)
        return;
    put_probe(out, f->name, p);
    put_value(out, stamp(p->at));
}

static void family_last_pass(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (p->last_pass == 0)
        return;
    put_probe(out, f->name, p);
    put_value(out, stamp(p->last_pass));
}

static void family_last_duration(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    if (!p->had_outcome)
        return;
    put_probe(out, f->name, p);
    put_value(out, stamp(p->duration));
}

static void family_durations(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        count += p->attempts[i];
    buf_text(out, f->name);
    put_probe(out, "_sum", p);
    put_value(out, stamp(p->duration_sum));
    buf_text(out, f->name);
    put_probe(out, "_count", p);
    put_value(out, (double)count);
}

static void family_attempts(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++) {
        put_probe(out, f->name, p);
        put_label(out, ',', "outcome", vital_class_text(i));
        put_value(out, (double)p->attempts[i]);
    }
    put_probe(out, f->name, p);
    put_label(out, ',', "outcome", "cancelled");
    put_value(out, (double)p->cancelled);
}

static void family_reasons(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    for (unsigned i = 0; i < VITAL_REASON_COUNT; i++) {
        if (p->reasons[i] == 0)
            continue;
        put_probe(out, f->name, p);
        put_label(out, ',', "reason", reason_text(i));
        put_value(out, (double)p->reasons[i]);
    }
}

static void family_transitions(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_value(out, (double)p->transitions);
}

static void family_interval(const struct family *f, const struct picture_probe *p, struct buf *out)
{
    put_probe(out, f->name, p);
    put_value(out, stamp(p->interval));
}

static const struct family families[] = {
    { "vitald_probe_info", "gauge", "What a probe checks; always 1", family_info },
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
    { "vitald_probe_transitions_total", "counter", "Changes of the settled state", family_transitions },
    { "vitald_probe_interval_seconds", "gauge", "The configured interval", family_interval },
};

enum { FAMILIES = sizeof families / sizeof *families };

/* Item i is: family i / (probes + 1), and in it its head or probe i % (probes + 1) - 1. */
static uint32_t probes_count(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return FAMILIES * (in->picture->probe_count + 1);
}

static void probes_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p;
    uint32_t stride = in->picture->probe_count + 1;
    const struct family *f = &families[i / stride];
    if (i % stride == 0)
        put_family(out, f->name, f->type, f->help);
    else
        f->put(f, &in->picture->probes[i % stride - 1], out);
}

/* ---- groups ---- */

struct group_family {
    const char *name, *help;
    void (*put)(const struct group_family *, const struct picture_group *, struct buf *);
};

static void put_group(struct buf *out, const char *name, const struct picture_group *g)
{
    buf_text(out, name);
    put_label(out, '{', "group", g->name);
}

static void group_verdict(const struct group_family *f, const struct picture_group *g, struct buf *out)
{
    for (unsigned i = 0; i < LEVEL_COUNT; i++) {
        put_group(out, f->name, g);
        put_label(out, ',', "verdict", level_text(i));
        put_value(out, g->level == (enum level)i);
    }
}

static void group_up(const struct group_family *f, const struct picture_group *g, struct buf *out)
{
    put_group(out, f->name, g);
    put_value(out, g->level != LEVEL_FAIL);
}

static void group_code(const struct group_family *f, const struct picture_group *g, struct buf *out)
{
    put_group(out, f->name, g);
    put_value(out, g->code);
}

static void group_why(const struct group_family *f, const struct picture_group *g, struct buf *out)
{
    put_group(out, f->name, g);
    put_label(out, ',', "why", why_text(g->why));
    put_value(out, 1);
}

static void group_causes(const struct group_family *f, const struct picture_group *g, struct buf *out)
{
    put_group(out, f->name, g);
    put_value(out, g->cause_count);
}

static void group_since(const struct group_family *f, const struct picture_group *g, struct buf *out)
{
    if (g->since == 0)
        return;
    put_group(out, f->name, g);
    put_value(out, stamp(g->since));
}

static const struct group_family group_families[] = {
    { "vitald_group_up", "1 when the group's verdict is pass or warn", group_up },
    { "vitald_group_verdict", "1 for the group's verdict, 0 for the others", group_verdict },
    { "vitald_group_code", "The HTTP status the group's path answers now", group_code },
    { "vitald_group_why", "What the verdict comes from; always 1", group_why },
    { "vitald_group_causes", "How many probes are the cause of the verdict", group_causes },
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
    (void)p;
    uint32_t stride = in->picture->group_count + 1;
    const struct group_family *f = &group_families[i / stride];
    if (i % stride == 0)
        put_family(out, f->name, "gauge", f->help);
    else
        f->put(f, &in->picture->groups[i % stride - 1], out);
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

static uint32_t numbers_count(const struct view_input *in, struct view_progress *p)
{
    if (!p->own) {
        struct number_families *all = mem_alloc(sizeof *all);
        collect(in->picture, all);
        p->own = all;
    }
    return ((const struct number_families *)p->own)->count * (in->picture->probe_count + 1);
}

/* vitald_disk_free_bytes; counters end in _total. Module names become what metric names allow. */
static void put_number_name(struct buf *out, const struct number_family *f)
{
    const char *name = f->first->name;
    size_t len = strlen(name);
    buf_text(out, "vitald_");
    for (const char *c = f->type; *c; c++)
        buf_char(out, *c == '-' ? '_' : *c);
    buf_char(out, '_');
    buf_text(out, name);
    if (f->first->counter && (len < 6 || strcmp(name + len - 6, "_total") != 0))
        buf_text(out, "_total");
}

static void numbers_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    const struct number_families *all = p->own;
    uint32_t stride = in->picture->probe_count + 1;
    const struct number_family *f = &all->items[i / stride];
    struct buf name = BUF(256);
    if (i % stride == 0) {
        put_number_name(&name, f);
        put_family(out, name.data, f->first->counter ? "counter" : "gauge", f->first->help);
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
        put_label(out, '{', "probe", probe->name);
        if (n->label)
            put_label(out, ',', n->label, n->label_value);
        put_value(out, n->value);
    }
}

/* ---- ourselves ---- */

static void self_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p;
    (void)i;
    const struct picture *pic = in->picture;
    put_family(out, "vitald_build_info", "gauge", "The running version; always 1");
    buf_text(out, "vitald_build_info");
    put_label(out, '{', "version", pic->version);
    put_value(out, 1);
    put_family(out, "vitald_start_time_seconds", "gauge", "When vitald started");
    buf_text(out, "vitald_start_time_seconds ");
    json_format_number(out, stamp(pic->started));
    buf_char(out, '\n');
    put_family(out, "vitald_configuration_generation", "gauge", "Grows with every configuration that was adopted");
    buf_printf(out, "vitald_configuration_generation %llu\n", (unsigned long long)pic->generation);
    put_family(out, "vitald_draining", "gauge", "1 while draining");
    buf_printf(out, "vitald_draining %d\n", pic->draining);
    put_family(out, "vitald_stalled_seconds", "gauge", "How long our own loop stood still, while answers say so");
    buf_text(out, "vitald_stalled_seconds ");
    json_format_number(out, stamp(pic->stalled));
    buf_char(out, '\n');
}

static uint32_t facts_count(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    return in->fact_count;
}

static void facts_item(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)p;
    const struct view_fact *f = &in->facts[i];
    struct buf name = BUF(256);
    buf_printf(&name, "vitald_%s%s", f->name, f->counter ? "_total" : "");
    if (i == 0 || strcmp(in->facts[i - 1].name, f->name) != 0)
        put_family(out, name.data, f->counter ? "counter" : "gauge", f->help);
    buf_text(out, name.data);
    if (f->label) {
        put_label(out, '{', f->label, f->label_value);
        put_value(out, f->value);
    } else {
        buf_char(out, ' ');
        json_format_number(out, f->value);
        buf_char(out, '\n');
    }
    buf_free(&name);
}

bool prometheus_metrics(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, self_head }, { facts_count, facts_item }, { groups_count, groups_item }, { probes_count, probes_item },
        { numbers_count, numbers_item },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}
