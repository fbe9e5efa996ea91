#include "core/settle.h"

enum { LINES = 2 };

enum level settle_step(struct settle *s, const struct settle_rule *r, enum level seen)
{
    for (unsigned i = 0; i < LINES; i++) { /* line 0: pass | warn, line 1: warn | fail */
        bool bad = seen > i;
        if (!s->known || bad == s->line[i].bad || ++s->line[i].run >= (bad ? r->fall : r->rise)) {
            s->line[i].bad = bad;
            s->line[i].run = 0;
        }
    }
    s->known = true;
    return settle_level(s);
}

void settle_set(struct settle *s, enum level level)
{
    *s = (struct settle){ .known = true };
    for (unsigned i = 0; i < LINES; i++)
        s->line[i].bad = level > i;
}

enum level settle_level(const struct settle *s)
{
    return (enum level)(s->line[0].bad + s->line[1].bad);
}

bool settle_is_contradicted(const struct settle *s)
{
    return s->line[0].run || s->line[1].run;
}

static unsigned need_of(const struct settle_line *line, const struct settle_rule *r)
{
    return line->bad ? r->rise : r->fall;
}

void settle_clamp(struct settle *s, const struct settle_rule *r)
{
    for (unsigned i = 0; i < LINES; i++) {
        unsigned need = need_of(&s->line[i], r);
        if (s->line[i].run >= need)
            s->line[i].run = (uint8_t)(need - 1);
    }
}

bool settle_run(const struct settle *s, const struct settle_rule *r, struct settle_run *run)
{
    /* The line that is nearest to turning tells; lines equally near turn together. */
    unsigned nearest = UINT32_MAX;
    for (unsigned i = 0; i < LINES; i++) {
        const struct settle_line *line = &s->line[i];
        if (line->run && need_of(line, r) - line->run < nearest) {
            nearest = need_of(line, r) - line->run;
            *run = (struct settle_run){ .have = line->run, .need = need_of(line, r) };
        }
    }
    if (nearest == UINT32_MAX)
        return false;
    struct settle then = *s;
    for (unsigned i = 0; i < LINES; i++)
        if (s->line[i].run && need_of(&s->line[i], r) - s->line[i].run == nearest)
            then.line[i].bad = !s->line[i].bad;
    run->towards = settle_level(&then);
    return true;
}
