#include "view/healthjson.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "view/words.h"

/* What is so about the whole answer but no member's doing. */
static void put_notes(struct json *j, enum why why, bool forced, uint64_t stalled)
{
    if (why == WHY_MEMBERS && !forced && !stalled)
        return;
    json_open_array(j, "notes");
    if (why != WHY_MEMBERS)
        json_text(j, NULL, why_text(why));
    if (forced)
        json_text(j, NULL, "forced");
    if (stalled) {
        char text[CLOCK_TEXT + 24], span[CLOCK_TEXT];
        snprintf(text, sizeof text, "self: stalled %s", clock_span(stalled, span));
        json_text(j, NULL, text);
    }
    json_close_array(j);
}

void healthjson_verdict(struct buf *out, const struct view_verdict *v)
{
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_text(&j, "status", level_text(v->level));
    put_notes(&j, v->why, v->forced, v->stalled);
    json_time(&j, "oldestSample", v->oldest);
    json_time(&j, "time", v->time);
    json_close_object(&j);
    buf_char(out, '\n');
}

static void put_check(struct json *j, const struct picture_probe *p, const char *measure, const struct picture_number *n)
{
    char key[256];
    snprintf(key, sizeof key, "%s:%s", p->name, measure);
    json_open_array(j, key);
    json_open_object(j, NULL);
    json_text(j, "componentId", p->name);
    json_text(j, "componentType", p->type);
    if (n && n->label) {
        json_open_object(j, "labels");
        json_text(j, n->label, n->label_value);
        json_close_object(j);
    }
    if (p->had_outcome) {
        json_number(j, "observedValue", n ? n->value : (double)p->duration / 1000);
        if (!n || (n->unit && *n->unit))
            json_text(j, "observedUnit", n ? n->unit : "ms");
        json_time(j, "time", p->at);
    }
    json_text(j, "status", level_text(words_level(p)));
    if (p->mode != MODE_NORMAL)
        json_text(j, "mode", mode_text(p->mode));
    if (words_level(p) != LEVEL_PASS) {
        struct buf text = BUF(4096);
        words_outcome(&text, p);
        json_text(j, "output", text.data);
        buf_free(&text);
    }
    json_close_object(j);
    json_close_array(j);
}

static void group_head(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)i;
    (void)out;
    const struct picture_group *g = &in->picture->groups[0];
    char text[256];
    struct json *j = &p->json;
    json_open_object(j, NULL);
    json_text(j, "status", level_text(in->has_level ? in->level : g->level));
    json_text(j, "version", "1");
    json_text(j, "serviceId", in->picture->host);
    snprintf(text, sizeof text, "group %s, %s", g->name, g->rule);
    json_text(j, "description", text);
    put_notes(j, g->why, g->forced, in->picture->stalled);
    json_time(j, "time", in->picture->wall);
    json_open_object(j, "checks");
}

/* Numbers of one name with different labels would be one array in the draft; the label's value in the key says the same
 * and needs no sorting. */
static void group_probe(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)out;
    const struct picture_probe *probe = &in->picture->probes[i];
    put_check(&p->json, probe, "responseTime", NULL);
    for (unsigned k = 0; k < probe->number_count; k++) {
        const struct picture_number *n = &probe->numbers[k];
        char measure[192];
        snprintf(measure, sizeof measure, n->label ? "%s/%s" : "%s", n->name, n->label_value ? n->label_value : "");
        put_check(&p->json, probe, measure, n);
    }
}

static void group_end(const struct view_input *in, struct view_progress *p, uint32_t i, struct buf *out)
{
    (void)in;
    (void)i;
    json_close_object(&p->json);
    json_close_object(&p->json);
    buf_char(out, '\n');
}

bool healthjson_group(const struct view_input *in, struct view_progress *p, struct buf *out)
{
    static const struct view_step steps[] = {
        { view_once, group_head }, { view_probes, group_probe }, { view_once, group_end },
    };
    return view_steps(steps, sizeof steps / sizeof *steps, in, p, out);
}
