#include "perfdata.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"

struct reader { const char *at, *end; };

static const struct { const char *text; enum perfdata_unit unit; double factor; } units[] = {
    { "", PERFDATA_PLAIN, 1 },         { "s", PERFDATA_SECONDS, 1 },   { "ms", PERFDATA_SECONDS, 1e-3 },
    { "us", PERFDATA_SECONDS, 1e-6 },  { "ns", PERFDATA_SECONDS, 1e-9 }, { "%", PERFDATA_RATIO, 1e-2 },
    { "B", PERFDATA_BYTES, 1 },        { "KB", PERFDATA_BYTES, 1e3 },  { "MB", PERFDATA_BYTES, 1e6 },
    { "GB", PERFDATA_BYTES, 1e9 },     { "TB", PERFDATA_BYTES, 1e12 }, { "KiB", PERFDATA_BYTES, 1024 },
    { "MiB", PERFDATA_BYTES, 1048576 }, { "GiB", PERFDATA_BYTES, 1073741824 }, { "kB", PERFDATA_BYTES, 1e3 },
    { "c", PERFDATA_COUNTER, 1 },
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* 'a label'= or label=; a quote inside quotes is written twice. */
static bool read_label(struct reader *r, char room[PERFDATA_LABEL])
{
    char raw[4 * PERFDATA_LABEL];
    size_t len = 0;
    bool quoted = r->at < r->end && *r->at == '\'';
    r->at += quoted;
    for (; r->at < r->end; r->at++) {
        if (quoted && *r->at == '\'') {
            r->at++;
            if (r->at == r->end || *r->at != '\'')
                break;
        } else if (!quoted && (*r->at == '=' || is_blank(*r->at))) {
            break;
        }
        if (len < sizeof raw)
            raw[len++] = *r->at;
    }
    judge_line(room, PERFDATA_LABEL, raw, len);
    if (!*room || r->at == r->end || *r->at != '=')
        return false;
    r->at++;
    return true;
}

/* Digits, one dot, an exponent: no hexadecimal, no "nan", no decimal comma (12,5 could be anything). */
static bool read_number(struct reader *r, double *value)
{
    char raw[48];
    size_t len = 0;
    bool digits = false;
    while (r->at < r->end && len + 1 < sizeof raw) {
        char c = *r->at;
        bool exponent = (c == 'e' || c == 'E') && digits && r->at + 1 < r->end && strchr("+-0123456789", r->at[1]) && r->at[1];
        bool sign = (c == '-' || c == '+') && (len == 0 || raw[len - 1] == 'e' || raw[len - 1] == 'E');
        if (!(c >= '0' && c <= '9') && c != '.' && !exponent && !sign)
            break;
        digits = digits || (c >= '0' && c <= '9');
        raw[len++] = c;
        r->at++;
    }
    raw[len] = 0;
    char *rest;
    *value = strtod(raw, &rest);
    return digits && !*rest && isfinite(*value);
}

static bool read_unit(struct reader *r, struct perfdata_value *v)
{
    char raw[8];
    size_t len = 0;
    while (r->at < r->end && *r->at != ';' && !is_blank(*r->at) && len + 1 < sizeof raw)
        raw[len++] = *r->at++;
    raw[len] = 0;
    if (r->at < r->end && *r->at != ';' && !is_blank(*r->at))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(raw, units[i].text)) {
            v->unit = units[i].unit;
            v->value *= units[i].factor;
            return isfinite(v->value);
        }
    return false;
}

/* After a number, or after what was none: to the next blank. */
static void skip_word(struct reader *r)
{
    while (r->at < r->end && !is_blank(*r->at))
        r->at++;
}

static bool is_new(const struct perfdata *p, const struct perfdata_value *v)
{
    for (unsigned i = 0; i < p->count; i++)
        if (!strcmp(p->values[i].label, v->label))
            return false;
    return p->count < PERFDATA_MAX;
}

static void read_values(struct perfdata *p, struct reader r)
{
    for (;;) {
        while (r.at < r.end && is_blank(*r.at))
            r.at++;
        if (r.at == r.end)
            return;
        struct perfdata_value v = { .unit = PERFDATA_PLAIN };
        bool labelled = read_label(&r, v.label);
        bool unknown = labelled && r.at < r.end && *r.at == 'U';   /* the plugin itself does not know */
        if (labelled && !unknown && read_number(&r, &v.value) && read_unit(&r, &v) && is_new(p, &v))
            p->values[p->count++] = v;
        else
            p->dropped += !unknown;
        skip_word(&r);
    }
}

void perfdata_parse(const char *out, size_t len, struct perfdata *p)
{
    *p = (struct perfdata){ .count = 0 };
    struct reader all = { out, out + len };
    const char *newline = len ? memchr(out, '\n', len) : NULL;
    const char *line_end = newline ? newline : all.end;
    const char *bar = len ? memchr(out, '|', (size_t)(line_end - out)) : NULL;
    judge_line(p->line, sizeof p->line, out, (size_t)((bar ? bar : line_end) - out));
    if (bar)
        read_values(p, (struct reader){ bar + 1, line_end });
    const char *later = line_end < all.end ? memchr(line_end, '|', (size_t)(all.end - line_end)) : NULL;
    if (later)
        read_values(p, (struct reader){ later + 1, all.end });
}
