#include "unit.h"

#include "base/json.h"
#include "front_world.h"
#include "front/answer.h"
#include "front/detail.h"
#include "front/query.h"
#include "front/route.h"

TEST(paths_are_matched_byte_for_byte)
{
    static const struct { const char *path; unsigned status, public; } cases[] = {
        { "/livez", 200, 200 }, { "/readyz", 200, 200 }, { "/startupz", 200, 200 }, { "/healthz", 200, 200 }, { "/", 200, 200 },
        { "/healthz/live", 200, 200 }, { "/healthz/ready", 200, 200 }, { "/healthz/only-db", 200, 200 }, { "/readyz/", 200, 200 },
        { "/readyz?x=1&y", 200, 200 }, { "/api/ready", 200, 200 }, { "/api/ready/", 200, 200 },
        { "/healthz/nosuch", 404, 404 }, { "/readyz//", 404, 404 }, { "//readyz", 404, 404 }, { "/%72eadyz", 404, 404 },
        { "/status/%2e%2e/readyz", 404, 404 }, { "/READYZ", 404, 404 }, { "/readyzz", 404, 404 }, { "/healthz/", 200, 200 },
        { "/readyz/db", 200, 404 }, { "/livez/db", 200, 404 }, { "/healthz/only-db/db", 200, 404 }, { "/healthz/only-db/web", 404, 404 },
        { "/readyz/nosuch", 404, 404 }, { "/status", 200, 404 }, { "/status/db", 200, 404 }, { "/status/nosuch", 404, 404 },
        { "/explain/ready", 200, 404 }, { "/explain/nosuch", 404, 404 }, { "/metrics", 200, 404 }, { "/explain", 404, 404 },
        { "/readyz?verbose", 200, 200 }, { "/readyz?exclude=db", 200, 403 }, { "/readyz?format=xml", 400, 400 },
        { "/readyz?format=json", 200, 200 }, { "/api/ready/db", 404, 404 }, { "/startupz/db", 404, 404 },
    };
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned status = front_get(FRONT_STATUS, cases[i].path), public = front_get(FRONT_PUBLIC, cases[i].path);
        if (status != cases[i].status || public != cases[i].public)
            fprintf(stderr, "%s: %u, public %u\n", cases[i].path, status, public);
        CHECK_INT(status, cases[i].status);
        CHECK_INT(public, cases[i].public);
        CHECK(!strcasestr(front_body(), "db") && !strcasestr(front_body(), "web"));      /* the public answer came last */
    }
    front_close();
}

TEST(an_alias_cannot_take_a_path_of_ours)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_FAIL);
    const struct span live = { "/livez", 6 }, alias = { "/api/ready", 10 };
    CHECK_INT(route_find(live).group, 0);
    CHECK_INT(route_find(alias).group, 1);
    front_close();
}

TEST(single_probes_answer_for_themselves)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_FAIL);
    CHECK_INT(front_get(FRONT_STATUS, "/readyz/db"), 200);
    CHECK_INT(front_get(FRONT_STATUS, "/readyz/web"), 503);
    CHECK(strstr(front_body(), "[-]web failed\nstate       down\n"));
    CHECK_INT(front_get(FRONT_STATUS, "/status/web"), 200);
    CHECK(strstr(front_body(), "\"state\":\"down\""));
    front_close();
}

TEST(verbose_and_exclude)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_FAIL);
    CHECK_INT(front_get(FRONT_STATUS, "/readyz?verbose"), 503);
    CHECK(strstr(front_body(), "[+]db ok\n[-]web failed: refused: scripted (down since "));
    CHECK(strstr(front_body(), "readyz check failed\n"));
    CHECK_INT(front_get(FRONT_STATUS, "/readyz?verbose&exclude=web&exclude=n%6fbody"), 200);
    CHECK(strstr(front_body(), "[+]web excluded: ok\n"));
    CHECK(strstr(front_body(), "no matches for \"nobody\"\n"));
    CHECK(strstr(front_body(), "readyz check passed\n"));
    CHECK_INT(front_get(FRONT_PUBLIC, "/readyz?verbose"), 503);
    CHECK_TEXT(front_body(), "fail\n");
    CHECK_INT(front_get(FRONT_STATUS, "/readyz?verbose&format=json"), 503);
    CHECK(strstr(front_body(), "\"status\":\"fail\""));
    CHECK_INT(front_get(FRONT_STATUS, "/readyz?verbose&format=health"), 503);
    CHECK(strstr(front_body(), "\"web:responseTime\""));
    front_close();
}

TEST(methods)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_FAIL);
    CHECK_INT(front_ask(FRONT_PUBLIC, "OPTIONS / HTTP/1.0\r\n\r\n"), 503);
    CHECK_TEXT(front_body(), "");
    CHECK(strstr(front_got, "\r\nContent-Length: 0\r\n") && strstr(front_got, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    CHECK_INT(front_ask(FRONT_PUBLIC, "GET /healthz/only-db HTTP/1.0\r\n\r\n"), 200);
    CHECK_INT(front_ask(FRONT_PUBLIC, "HEAD /healthz/only-db HTTP/1.0\r\n\r\n"), 200);
    CHECK_TEXT(front_body(), "");
    CHECK(strstr(front_got, "\r\nContent-Length: 5\r\n"));
    CHECK_INT(front_ask(FRONT_STATUS, "OPTIONS /status HTTP/1.0\r\n\r\n"), 405);
    CHECK(strstr(front_got, "\r\nAllow: GET, HEAD\r\n"));
    CHECK_INT(front_ask(FRONT_STATUS, "POST /readyz HTTP/1.0\r\nContent-Length: 0\r\n\r\n"), 405);
    CHECK_INT(front_ask(FRONT_STATUS, "HEAD /metrics HTTP/1.0\r\n\r\n"), 200);
    CHECK_TEXT(front_body(), "");
    front_close();
}

TEST(the_page_for_people)
{
    char request[256];
    front_open();
    front_settle(VITAL_PASS, VITAL_FAIL);
    CHECK_INT(front_get(FRONT_STATUS, "/"), 200);
    CHECK(strstr(front_got, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    CHECK(strstr(front_got, "\r\nContent-Security-Policy: default-src 'none'; "));
    CHECK(strstr(front_body(), "<!doctype html>") && strstr(front_body(), "1 down of 2 probes"));
    CHECK(strstr(front_body(), "<li id=\"event-"));
    const char *tag = strstr(front_got, "ETag: W/\"");
    snprintf(request, sizeof request, "GET / HTTP/1.0\r\nIf-None-Match: %.20s\r\n\r\n", tag ? tag + 6 : "");
    CHECK_INT(front_ask(FRONT_STATUS, request), 304);
    CHECK_TEXT(front_body(), "");
    CHECK_INT(front_ask(FRONT_STATUS, "HEAD / HTTP/1.0\r\n\r\n"), 200);
    CHECK_TEXT(front_body(), "");
    CHECK_INT(front_get(FRONT_STATUS, "/?format=text"), 200);
    CHECK(strstr(front_body(), "GROUP") != NULL);
    CHECK_INT(front_ask(FRONT_STATUS, "POST / HTTP/1.0\r\n\r\n"), 405);
    CHECK_INT(front_ask(FRONT_STATUS, "OPTIONS / HTTP/1.0\r\n\r\n"), 503);     /* HAProxy asks for the verdict */
    CHECK_INT(front_get(FRONT_PUBLIC, "/"), 503);
    CHECK_TEXT(front_body(), "fail\n");
    front_close();
}

TEST(the_status_has_a_tag)
{
    char request[256];
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    CHECK_INT(front_get(FRONT_STATUS, "/status"), 200);
    const char *tag = strstr(front_got, "ETag: W/\"");
    CHECK(tag != NULL);
    struct json_value root;
    size_t at;
    CHECK_TEXT(json_check(front_body(), strlen(front_body()), &at, &root), NULL);
    snprintf(request, sizeof request, "GET /status HTTP/1.0\r\nIf-None-Match: %.20s\r\n\r\n", tag ? tag + 6 : "");
    CHECK_INT(front_ask(FRONT_STATUS, request), 304);
    CHECK_TEXT(front_body(), "");
    CHECK_INT(front_get(FRONT_STATUS, "/status?format=text"), 200);
    CHECK(strstr(front_body(), "GROUP") != NULL);
    front_close();
}

static struct query parsed(const char *query, const char *accept)
{
    struct query q;
    struct http1_request r = { .query = { query, query ? strlen(query) : 0 } };
    if (accept)
        r.fields[r.count++] = (struct http1_field){ { "Accept", 6 }, { accept, strlen(accept) } };
    query_parse(&r, &q);
    return q;
}

TEST(formats_by_query_and_by_accept)
{
    CHECK_INT(parsed(NULL, NULL).format, ANSWER_TEXT);
    CHECK_INT(parsed(NULL, "*/*").format, ANSWER_TEXT);
    CHECK_INT(parsed(NULL, "application/json").format, ANSWER_JSON);
    CHECK_INT(parsed(NULL, "text/html, Application/Health+JSON;q=0.9").format, ANSWER_HEALTH);
    CHECK_INT(parsed(NULL, "application/json;q=0.1,text/plain;q=0.5").format, ANSWER_TEXT);
    CHECK_INT(parsed(NULL, "application/json;q=0").format, ANSWER_TEXT);
    CHECK_INT(parsed("format=text", "application/json").format, ANSWER_TEXT);
    CHECK_INT(parsed("a=b&format=health&verbose", NULL).format, ANSWER_HEALTH);
    CHECK(parsed("verbose=", NULL).verbose && parsed("x&verbose", NULL).verbose && !parsed("verbosee", NULL).verbose);
    CHECK(parsed("format=", NULL).bad && !parsed("", NULL).bad && parsed("exclude=%zz", NULL).bad);
    struct query q = parsed("exclude=a&exclude=b%2Dc&exclude=", NULL);
    CHECK_INT(q.exclude_count, 2);
    CHECK_TEXT(q.excludes[1], "b-c");
}

/* The text block is patched, not rendered, when only its times change. */
static uint64_t at_second = UINT64_C(1795198147123000);
static uint64_t fixed_wall(void) { return at_second; }

TEST(the_date_follows_the_clock)
{
    struct answer a;
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    clock_replace(NULL, fixed_wall);
    answer_reset();
    answer_verdict(1, ANSWER_TEXT, END_KEEP, &a);
    CHECK(strstr(a.bytes, "\r\nDate: Fri, 20 Nov 2026 18:09:07 GMT\r\n"));
    at_second += 60 * USEC_S;
    answer_verdict(1, ANSWER_TEXT, END_KEEP, &a);
    CHECK(strstr(a.bytes, "\r\nDate: Fri, 20 Nov 2026 18:10:07 GMT\r\n"));
    CHECK(strstr(a.bytes, "\r\nVitald-Oldest-Sample: 2026-11-20T18:1"));
    CHECK_TEXT(a.bytes + a.head, "pass\n");
    answer_verdict(1, ANSWER_JSON, END_CLOSE, &a);
    CHECK(strstr(a.bytes, "\"time\":\"2026-11-20T18:10:07.123Z\""));
    at_second += USEC_S;
    answer_verdict(1, ANSWER_JSON, END_CLOSE, &a);
    CHECK(strstr(a.bytes, "\"time\":\"2026-11-20T18:10:08.123Z\""));
    front_close();
}

/* A scrape storm renders once; pictures are let go when nobody can get them any more. */
TEST(detailed_bodies_are_shared_for_a_moment)
{
    front_open();
    front_settle(VITAL_PASS, VITAL_PASS);
    struct shot *a = detail_shot(DETAIL_ALL, 0), *b = detail_shot(DETAIL_ALL, 0), *c = detail_shot(DETAIL_GROUP, 1);
    CHECK(a == b && a != c);
    const struct picture *old = detail_picture(a);
    detail_reset();
    struct shot *d = detail_shot(DETAIL_ALL, 0);
    CHECK(detail_picture(d) != old && detail_picture(a) == old);
    detail_release(a);
    detail_release(b);
    detail_release(c);
    detail_release(d);
    detail_reset();
    front_close();
}
