#include "front/query.h"

#include <string.h>

#include "base/url.h"

static const struct { const char *word, *media; enum answer_format format; } formats[] = {
    { "text", "text/plain", ANSWER_TEXT },
    { "json", "application/json", ANSWER_JSON },
    { "health", "application/health+json", ANSWER_HEALTH },
};
enum { FORMATS = sizeof formats / sizeof *formats };

static struct span cut(struct span *rest, char at)
{
    const char *end = memchr(rest->at, at, rest->len);
    struct span part = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
    rest->at += part.len + (end != NULL);
    rest->len -= part.len + (end != NULL);
    return part;
}

static struct span trim(struct span s)
{
    while (s.len && (*s.at == ' ' || *s.at == '\t'))
        s.at++, s.len--;
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static void take_format(struct query *q, struct span value)
{
    q->openmetrics = span_is(value, "openmetrics");
    if (q->openmetrics) {
        q->has_format = true;
        return;
    }
    for (unsigned i = 0; i < FORMATS; i++)
        if (span_is(value, formats[i].word)) {
            q->format = formats[i].format;
            q->has_format = true;
            return;
        }
    q->bad = true;
}

static void take_exclude(struct query *q, struct span value)
{
    if (value.len == 0)
        return;
    if (q->exclude_count == QUERY_EXCLUDES || !url_decode(value.at, value.len, q->excludes[q->exclude_count], QUERY_NAME_MAX))
        q->bad = true;
    else
        q->exclude_count++;
}

static void parse_query(struct span rest, struct query *q)
{
    while (rest.len) {
        struct span value = cut(&rest, '&');
        struct span key = cut(&value, '=');
        if (span_is(key, "verbose"))
            q->verbose = true;
        else if (span_is(key, "format"))
            take_format(q, value);
        else if (span_is(key, "after"))
            q->after = value;
        else if (span_is(key, "lag"))
            q->lag = value;
        else if (span_is(key, "exclude"))
            take_exclude(q, value);
    }
}

/* Thousandths; a weight that is no number is one of 0, and none at all is 1. */
static unsigned quality(struct span parameters)
{
    while (parameters.len) {
        struct span p = trim(cut(&parameters, ';'));
        if (p.len < 3 || (p.at[0] | 32) != 'q' || p.at[1] != '=')
            continue;
        unsigned value = p.at[2] == '1' ? 1000 : 0, unit = 100;
        for (size_t i = 4; i < p.len && i < 7 && p.at[2] == '0'; i++, unit /= 10)
            if (p.at[i] >= '0' && p.at[i] <= '9')
                value += (unsigned)(p.at[i] - '0') * unit;
        return value;
    }
    return 1000;
}

/* OpenMetrics 1.0.0 is what we write; who names another version gets the other format. */
static bool is_our_version(struct span parameters)
{
    while (parameters.len) {
        struct span p = trim(cut(&parameters, ';'));
        if (p.len > 8 && span_is_nocase((struct span){ p.at, 8 }, "version="))
            return span_is((struct span){ p.at + 8, p.len - 8 }, "1.0.0");
    }
    return true;
}

static void raise_to(unsigned *best, unsigned value)
{
    if (value > *best)
        *best = value;
}

/* The best of what we have; a wildcard chooses nothing, and what we have not is no error: a health check gets its answer. */
static void parse_accept(struct span rest, struct query *q)
{
    unsigned best = 0, open = 0, plain = 0;
    while (rest.len) {
        struct span parameters = cut(&rest, ',');
        struct span media = trim(cut(&parameters, ';'));
        unsigned quality_of = quality(parameters);
        for (unsigned i = 0; i < FORMATS; i++)
            if (quality_of > best && span_is_nocase(media, formats[i].media)) {
                best = quality_of;
                q->format = formats[i].format;
                q->has_format = true;
            }
        if (span_is_nocase(media, "text/plain"))
            raise_to(&plain, quality_of);
        else if (span_is_nocase(media, "application/openmetrics-text") && is_our_version(parameters))
            raise_to(&open, quality_of);
    }
    q->openmetrics = open && open >= plain;
}

void query_parse(const struct http1_request *r, struct query *q)
{
    q->verbose = q->has_format = q->bad = q->openmetrics = false;
    q->format = ANSWER_TEXT;
    q->exclude_count = 0;
    q->after = q->lag = (struct span){ NULL, 0 };
    if (r->query.at)
        parse_query(r->query, q);
    if (q->has_format)
        return;
    struct span accept = http1_field(r->fields, r->count, "accept");
    if (accept.at)
        parse_accept(accept, q);
}
