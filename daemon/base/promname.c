#include "base/promname.h"

#include <string.h>

#include "base/buf.h"

static const struct conversion { const char *unit, *ending, *base; double factor; } conversions[] = {
    { "days", "_days", "_seconds", 86400 },
};

static const struct conversion *conversion_of(const char *unit)
{
    for (unsigned i = 0; unit && i < sizeof conversions / sizeof *conversions; i++)
        if (!strcmp(unit, conversions[i].unit))
            return &conversions[i];
    return NULL;
}

double promname_factor(const char *unit)
{
    const struct conversion *c = conversion_of(unit);
    return c ? c->factor : 1;
}

static size_t length_without(const char *text, const char *ending)
{
    size_t len = strlen(text), end = strlen(ending);
    return len > end && !strcmp(text + len - end, ending) ? len - end : len;
}

/* Counters end in _total; module names become what metric names allow. */
void promname_put(struct buf *out, const char *type, const char *name, const char *unit, bool counter)
{
    const struct conversion *c = conversion_of(unit);
    buf_text(out, "vitald_");
    for (const char *at = type; *at; at++)
        buf_char(out, *at == '-' ? '_' : *at);
    buf_char(out, '_');
    buf_add(out, name, length_without(name, counter ? "_total" : c ? c->ending : ""));
    buf_text(out, counter ? "_total" : c ? c->base : "");
}
