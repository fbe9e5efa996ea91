/* What a request asks for beside its path. */
#include "unit.h"

#include "front/query.h"

static struct query ask(const char *query, const char *accept)
{
    static struct query q;
    struct http1_request r = { .query = { query, query ? strlen(query) : 0 } };
    if (accept) {
        r.fields[0] = (struct http1_field){ { "accept", 6 }, { accept, strlen(accept) } };
        r.count = 1;
    }
    memset(&q, 1, sizeof q);
    query_parse(&r, &q);
    return q;
}

TEST(accept_takes_the_best_that_there_is)
{
    static const struct { const char *accept; enum answer_format format; bool said; } cases[] = {
        { NULL, ANSWER_TEXT, false },
        { "", ANSWER_TEXT, false },
        { "*/*", ANSWER_TEXT, false },
        { "text/html, image/png", ANSWER_TEXT, false },
        { "application/json", ANSWER_JSON, true },
        { " Application/JSON ;charset=utf-8", ANSWER_JSON, true },
        { "application/health+json", ANSWER_HEALTH, true },
        { "text/plain", ANSWER_TEXT, true },
        { "text/plain;q=0.5, application/json;q=0.6", ANSWER_JSON, true },
        { "application/json;q=0.6,application/health+json ; q=0.600", ANSWER_JSON, true }, /* of two that are equal the first */
        { "application/json;q=0.6,application/health+json ; Q=0.601", ANSWER_HEALTH, true },
        { "application/json;q=0.6,\tapplication/health+json\t;\tq=0.6019", ANSWER_HEALTH, true },
        { "application/json;q=0", ANSWER_TEXT, false },
        { "application/json;q=0.000", ANSWER_TEXT, false },
        { "application/json;q=0.x1", ANSWER_JSON, true },
        { "application/json;q=1.0x", ANSWER_JSON, true },
        { "application/json;q=1.0, text/plain;q=0.9", ANSWER_JSON, true },
        { "text/plain;q=0.9, application/json;q=.99", ANSWER_TEXT, true },                 /* no number */
        { "application/json;q=x", ANSWER_TEXT, false },
        { "text/plain;q=0.9, application/json;q=", ANSWER_JSON, true },
        { "text/plain;q=0.9, application/json;a=0;r=0.1;qq0.1", ANSWER_JSON, true },
        { "application/jsonx, application/jso", ANSWER_TEXT, false },
        { ";;,,;q=1", ANSWER_TEXT, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct query q = ask(NULL, cases[i].accept);
        if (q.format != cases[i].format || q.has_format != cases[i].said || q.bad)
            CHECK_TEXT(cases[i].accept, "taken as it should be");
    }
}

TEST(openmetrics_is_chosen_by_its_version_and_weight)
{
    static const struct { const char *accept; bool open; } cases[] = {
        { "application/openmetrics-text", true },
        { "application/openmetrics-text; version=1.0.0; charset=utf-8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true }, /* as Prometheus asks */
        { "application/openmetrics-text;VERSION=1.0.0", true },
        { "application/openmetrics-text;version=0.0.1", false },
        { "application/openmetrics-text;version=", true },
        { "application/openmetrics-text;versions=2.0.0", true },
        { "application/openmetrics-text;charset=utf-8", true },
        { "application/openmetrics-text;q=0.5,text/plain", false },
        { "text/plain,application/openmetrics-text", true },
        { "application/openmetrics-text;q=0,text/html", false },
        { "text/plain", false },
        { "text/html", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ask(NULL, cases[i].accept).openmetrics != cases[i].open)
            CHECK_TEXT(cases[i].accept, cases[i].open ? "open metrics" : "the other format");
}

TEST(the_query_counts_more_than_accept)
{
    struct query q = ask("format=json", "text/plain");
    CHECK(q.format == ANSWER_JSON && q.has_format && !q.bad);
    q = ask("format=openmetrics", "text/plain");
    CHECK(q.openmetrics && q.has_format && !q.bad);
    q = ask("verbose", "application/openmetrics-text");
    CHECK(q.openmetrics && q.verbose);
    q = ask("format=health&format=text", NULL);
    CHECK(q.format == ANSWER_TEXT);
    CHECK(ask("format=xml", "application/json").bad && ask("format=", NULL).bad && ask("format", NULL).bad);
}

TEST(words_of_the_query)
{
    struct query q = ask("verbose=1&after=17&lag=2s&x=y&&=&exclude=&exclude=a%2db&verbos&Verbose", NULL);
    CHECK(q.verbose && !q.bad && !q.has_format && span_is(q.after, "17") && span_is(q.lag, "2s"));
    CHECK_INT(q.exclude_count, 1);
    CHECK_TEXT(q.excludes[0], "a-b");
    q = ask("", NULL);
    CHECK(!q.verbose && !q.after.at && !q.lag.at && !q.exclude_count);
    CHECK(ask("exclude=%", NULL).bad);
}

TEST(only_so_many_can_be_left_out)
{
    char text[1024] = "";
    for (unsigned i = 0; i < QUERY_EXCLUDES; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "exclude=p%u&", i);
    CHECK(!ask(text, NULL).bad && ask(text, NULL).exclude_count == QUERY_EXCLUDES);
    strcat(text, "exclude=more");
    CHECK(ask(text, NULL).bad && ask(text, NULL).exclude_count == QUERY_EXCLUDES);
    memset(text, 'x', 8 + QUERY_NAME_MAX);
    memcpy(text, "exclude=", 8);
    text[8 + QUERY_NAME_MAX] = '\0';
    CHECK(ask(text, NULL).bad);
    text[8 + QUERY_NAME_MAX - 1] = '\0';
    CHECK(!ask(text, NULL).bad);
}
