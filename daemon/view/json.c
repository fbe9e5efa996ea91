#include "view/json.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "view/balancer.h"
#include "view/receiver.h"

void json_verdict(struct buf *out, const struct view_verdict *v)
{
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_text(&j, "status", level_text(v->level));
    json_text(&j, "why", why_text(v->why));
    json_bool(&j, "unknown", v->unknown);
    json_bool(&j, "forced", v->forced);
    json_time(&j, "oldest_sample", v->oldest);
    json_time(&j, "time", v->time);
    if (v->stalled) {
        char text[CLOCK_TEXT + 16], span[CLOCK_TEXT];
        snprintf(text, sizeof text, "stalled %s", clock_span(v->stalled, span));
        json_text(&j, "self", text);
    }
    json_close_object(&j);
    buf_char(out, '\n');
}

static double seconds(uint64_t usec)
{
    return (double)usec / 1e6;
}

/* ---- probes ---- */

static void put_outcome(struct json *j, const struct picture_probe *p)
{
    if (!p->had_outcome && p->reason == VITAL_R_OK) {
        json_null(j, "outcome");
        return;
    }
    json_open_object(j, "outcome");
    json_text(j, "class", p->had_outcome ? vital_class_text(p->outcome) : NULL);      /* null: its module is not installed */
    json_text(j, "reason", reason_text(p->reason));
    json_text(j, "text", p->text && *p->text ? p->text : reason_sentence(p->reason));
    json_time(j, "time", p->at);
    json_number(j, "duration_seconds", seconds(p->duration));
    json_close_object(j);
}

static void put_mode(struct json *j, const struct picture_probe *p)
{
    json_text(j, "mode", mode_text(p->mode));
    if (p->mode == MODE_FORCED)
        json_text(j, "forced", level_text(p->forced));
    if (p->mode != MODE_NORMAL)
        json_time(j, "mode_until", p->mode_until);
}

static void put_attempts(struct json *j, const struct picture_probe *p)
{
    json_open_object(j, "attempts");
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        json_int(j, vital_class_text(i), (int64_t)p->attempts[i]);
    json_int(j, "cancelled", (int64_t)p->cancelled);
    json_close_object(j);
    json_int(j, "transitions", (int64_t)p->transitions);
    json_int(j, "rise", p->rise);
    json_int(j, "fall", p->fall);
}

/* One letter an outcome, newest last: p w f i. */
static void put_history(struct json *j, const struct picture_probe *p)
{
    const struct history *h = &p->history;
    char letters[HISTORY_MAX + 1];
    for (unsigned i = 0; i < h->count; i++)
        letters[i] = *vital_class_text(history_class(h, i));
    letters[h->count] = '\0';
    json_text(j, "history", letters);
    json_open_array(j, "history_seconds");
    for (unsigned i = 0; i < h->count; i++)
        json_number(j, NULL, seconds(history_duration(h, i)));
    json_close_array(j);
}

static void put_numbers(struct json *j, const struct picture_probe *p)
{
    json_open_array(j, "numbers");
    for (unsigned i = 0; i < p->number_count; i++) {
        const struct picture_number *n = &p->numbers[i];
        json_open_object(j, NULL);
        json_text(j, "name", n->name);
        if (n->label) {
            json_open_object(j, "labels");
            json_text(j, n->label, n->label_value);
            json_close_object(j);
        }
        json_number(j, "value", n->value);
        if (n->unit && *n->unit)
            json_text(j, "unit", n->unit);
        json_close_object(j);
    }
    json_close_array(j);
}

static void put_run(struct json *j, const struct picture_probe *p)
{
    if (p->run_need == 0) {
        json_null(j, "run");
        return;
    }
    json_open_object(j, "run");
    json_text(j, "towards", state_text(p->run_towards));
    json_int(j, "have", p->run_have);
    json_int(j, "need", p->run_need);
    json_close_object(j);
}

void json_put_probe(struct json *j, const char *key, const struct picture_probe *p)
{
    json_open_object(j, key);
    json_text(j, "name", p->name);
    json_text(j, "type", p->type);
    json_text(j, "target", p->target);
    json_text(j, "state", state_text(p->state));
    json_text(j, "settled", state_text(p->settled));
    json_bool(j, "stale", p->stale);
    json_bool(j, "pending", p->pending);
    json_bool(j, "quarantined", p->quarantined);
    json_bool(j, "shared", p->shared);
    json_bool(j, "in_flight", p->in_flight);
    put_mode(j, p);
    json_time(j, "since", p->since);
    put_outcome(j, p);
    put_run(j, p);
    json_text(j, "caused_by", p->caused_by);
    json_open_array(j, "depends_on");
    for (unsigned i = 0; i < p->depends_count; i++)
        json_text(j, NULL, p->depends_on[i]);
    json_close_array(j);
    json_time(j, "last_pass", p->last_pass);
    json_time(j, "next_attempt", p->next_due);
    json_time(j, "stale_at", p->stale_at);
    json_number(j, "interval_seconds", seconds(p->interval));
    json_number(j, "timeout_seconds", seconds(p->timeout));
    put_attempts(j, p);
    put_numbers(j, p);
    put_history(j, p);
    json_close_object(j);
}

/* ---- groups ---- */

static void put_member(struct json *j, const struct picture_member *m)
{
    json_open_object(j, NULL);
    json_text(j, "name", m->name);
    json_text(j, "kind", m->is_group ? "group" : "probe");
    json_bool(j, "advisory", m->advisory);
    json_text(j, "level", m->unknown ? "unknown" : level_text(m->level));
    if (m->left_out)
        json_bool(j, "left_out", true);
    json_close_object(j);
}

static void put_cause(struct json *j, const struct picture_probe *p, const struct picture_cause *c)
{
    json_open_object(j, NULL);
    json_text(j, "probe", p->name);
    json_bool(j, "required", c->required);
    json_text(j, "caused_by", c->caused_by_other ? p->caused_by : NULL);
    json_close_object(j);
}

static void open_group(struct json *j, const char *key, const struct picture_group *g)
{
    json_open_object(j, key);
    json_text(j, "name", g->name);
    json_text(j, "verdict", level_text(g->level));
    json_text(j, "why", why_text(g->why));
    json_int(j, "code", g->code);
    json_bool(j, "draining", g->draining);
    json_bool(j, "unknown", g->unknown);
    json_bool(j, "forced", g->forced);
    json_bool(j, "configured", g->configured);
    json_text(j, "rule", g->rule);
    json_time(j, "since", g->since);
    json_time(j, "oldest_sample", g->oldest);
    json_open_array(j, "members");
}

static void close_group(struct json *j, const struct picture_group *g)
{
    json_close_array(j);
    json_open_array(j, "dependants");
    for (unsigned i = 0; i < g->dependant_count; i++)
        json_text(j, NULL, g->dependants[i]);
    json_close_array(j);
    json_close_object(j);
}

uint32_t json_group_items(const struct picture_group *g)
{
    return 3 + g->member_count + g->cause_count;
}

void json_put_group_item(struct json *j, const char *key, const struct picture *pic, const struct picture_group *g, uint32_t i)
{
    if (i == 0) {
        open_group(j, key, g);
    } else if (i <= g->member_count) {
        put_member(j, &g->members[i - 1]);
    } else if (i == g->member_count + 1) {
        json_close_array(j);
        json_open_array(j, "causes");
    } else if (i < json_group_items(g) - 1) {
        const struct picture_cause *c = &g->causes[i - g->member_count - 2];
        put_cause(j, &pic->probes[c->probe], c);
    } else {
        close_group(j, g);
    }
}

/* ---- whole documents ---- */

static void open_groups(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in, (void)i, (void)out;
    json_open_array(&p->json, "groups");
}

static uint32_t group_items(const struct view_input *in, struct view_progress *p)
{
    (void)p;
    uint32_t items = 0;
    for (uint32_t i = 0; i < in->picture->group_count; i++)
        items += json_group_items(&in->picture->groups[i]);
    return items;
}

static void step_group(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    (void)out;
    const struct picture_group *g = &in->picture->groups[p->group];
    json_put_group_item(&p->json, NULL, in->picture, g, p->part++);
    if (p->part == json_group_items(g)) {
        p->part = 0;
        p->group++;
    }
}

static void open_probes(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in, (void)i, (void)out;
    json_close_array(&p->json);
    json_open_array(&p->json, "probes");
}

static void step_probe(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)out;
    json_put_probe(&p->json, NULL, &in->picture->probes[i]);
}

static void close_probes(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in, (void)i, (void)out;
    json_close_array(&p->json);
}

static void status_balancers(const struct view_input *in, struct view_progress *p, uint32_t step, struct buf *out)
{
    (void)step, (void)out;
    balancer_put(&p->json, in->balancers, in->balancer_count);
    receiver_put(&p->json, in->receivers, in->receiver_count);
}

static void step_end(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in;
    (void)i;
    json_close_object(&p->json);
    buf_char(out, '\n');
}

static void group_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    (void)out;
    const struct picture_group *g = &in->picture->groups[0];
    json_open_object(&p->json, NULL);
    json_text(&p->json, "group", g->name);
    json_text(&p->json, "status", level_text(in->has_level ? in->level : g->level));
    json_time(&p->json, "time", in->picture->wall);
    if (!in->excluded_count && !in->stranger_count)
        return;
    json_open_array(&p->json, "excluded");
    for (unsigned k = 0; k < in->excluded_count; k++)
        json_text(&p->json, NULL, in->excluded[k]);
    json_close_array(&p->json);
    json_open_array(&p->json, "not_excluded");
    for (unsigned k = 0; k < in->stranger_count; k++)
        json_text(&p->json, NULL, in->strangers[k]);
    json_close_array(&p->json);
}

bool json_group(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, group_head },   { view_once, open_groups },  { group_items, step_group }, { view_once, open_probes },
        { view_probes, step_probe }, { view_once, close_probes }, { view_once, step_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

bool json_probe(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    (void)p;
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_time(&j, "time", in->picture->wall);
    json_put_probe(&j, "probe", &in->picture->probes[0]);
    json_close_object(&j);
    buf_char(out, '\n');
    return true;
}

static void status_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    (void)out;
    const struct picture *pic = in->picture;
    struct json *j = &p->json;
    json_open_object(j, NULL);
    json_time(j, "time", pic->wall);
    json_open_object(j, "vitald");
    json_text(j, "version", pic->version);
    json_text(j, "host", pic->host);
    json_text(j, "configuration", pic->source);
    json_time(j, "started", pic->started);
    json_int(j, "generation", (int64_t)pic->generation);
    json_time(j, "last_reload", pic->last_reload);
    json_bool(j, "last_reload_ok", pic->last_reload_ok);
    json_number(j, "stalled_seconds", seconds(pic->stalled));
    json_bool(j, "draining", pic->draining);
    json_time(j, "draining_since", pic->draining_since);
    json_int(j, "last_event", (int64_t)pic->journal_last);
    json_close_object(j);
}

/* Facts of one name that carry labels become one object of label values. */
static void status_facts(const struct view_input *in, struct view_progress *p, uint32_t step, struct buf *out)
{
    (void)step;
    (void)out;
    struct json *j = &p->json;
    json_open_object(j, "self");
    for (unsigned i = 0; i < in->fact_count; i++) {
        const struct view_fact *f = &in->facts[i];
        bool first = i == 0 || strcmp(in->facts[i - 1].name, f->name) != 0;
        bool last = i + 1 == in->fact_count || strcmp(in->facts[i + 1].name, f->name) != 0;
        if (f->label && first)
            json_open_object(j, f->name);
        json_number(j, f->label ? f->label_value : f->name, f->value);
        if (f->label && last)
            json_close_object(j);
    }
    json_close_object(j);
}

bool json_status(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, status_head },  { view_once, open_groups },  { group_items, step_group }, { view_once, open_probes },
        { view_probes, step_probe }, { view_once, close_probes }, { view_once, status_balancers }, { view_once, status_facts },
        { view_once, step_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}

static uint64_t mix(uint64_t tag, uint64_t value)
{
    tag ^= value;
    tag *= UINT64_C(0x9e3779b97f4a7c15);
    return tag ^ tag >> 29;
}

uint64_t json_status_tag(const struct picture *pic)
{
    uint64_t tag = mix(mix(pic->started, pic->generation), pic->journal_last);
    tag = mix(mix(tag, pic->draining_since), pic->stalled / USEC_S);
    tag = mix(tag, pic->last_reload * 2 + pic->last_reload_ok);
    for (uint32_t i = 0; i < pic->probe_count; i++) {
        const struct picture_probe *p = &pic->probes[i];
        tag = mix(mix(tag, p->at), p->next_due);
        tag = mix(tag, (uint64_t)p->state | (uint64_t)p->mode << 8 | (uint64_t)p->in_flight << 16 | (uint64_t)p->pending << 17);
    }
    return tag;
}
