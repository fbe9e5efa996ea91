#include "front/serve.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "config/conf.h"
#include "core/core.h"
#include "front/answer.h"
#include "front/detail.h"
#include "front/events.h"
#include "front/query.h"
#include "front/roles.h"
#include "front/route.h"
#include "front/stats.h"
#include "view/explain.h"
#include "view/healthjson.h"
#include "view/html.h"
#include "view/json.h"
#include "view/prometheus.h"
#include "view/text.h"

/* One request while it is served. */
struct asking {
    const struct http1_request *request;
    struct route route;
    const struct asker *asker;
    enum answer_end end;
    const struct query *query;
    struct reply *reply;
};

static struct buf bytes = { .max = VIEW_ROOM + 16 * 1024 };     /* head and first chunk of a detailed body */

static const char help[] =
    "not found. What there is here:\n"
    "  /livez /readyz /startupz /healthz /healthz/<group>    verdicts; ?verbose ?exclude=<probe> ?format=text|json|health\n"
    "  /healthz/<group>/<probe> /readyz/<probe>              one probe\n"
    "  /primary /read-write /replica /read-only              the part a database server plays; ?lag=10MB or ?lag=5s\n"
    "  /status /status/<probe>                               everything; JSON, ?format=text\n"
    "  /explain/<group>                                      why, and what would turn it green\n"
    "  /metrics                                              Prometheus; ?format=text|openmetrics\n"
    "  /events                                               what changes, as it changes: server-sent events\n"
    "  /                                                     the page for people\n";

static void give(const struct asking *k, const struct answer *a)
{
    bool bodyless = k->request->method == HTTP1_HEAD;
    k->reply->bytes = a->bytes;
    k->reply->len = bodyless ? a->head : a->len;
}

static void give_error(const struct asking *k, unsigned status, const char *extra, const char *text)
{
    struct answer a;
    front_stats.errors++;
    answer_text(status, k->end, extra, text, &a);
    give(k, &a);
}

/* ---- who may not see it ---- */

/* The same for what is there and what is not: no name is told to who may not see it. */
static void give_refusal(struct asking *k)
{
    const struct asker *a = k->asker;
    if (a->stranger && !a->by_token) {
        give_error(k, 403, NULL, "by the name in Host only verdicts are told here: ask by address, or add that name to the listener's `hosts`, see vitald.yaml(5)\n");
        return;
    }
    k->reply->refused = true;
    if (a->credential == ACCESS_GOOD) {
        front_stats.credentials_short++;
        give_error(k, 403, a->by_token ? "WWW-Authenticate: Bearer realm=\"vitald\", error=\"insufficient_scope\"\r\n" : NULL,
                   "this credential does not open this\n");
    } else if (!a->by_token) {
        front_stats.credentials_missing++;
        give_error(k, 403, NULL, "this needs a client certificate that is accepted here\n");
    } else if (a->credential == ACCESS_WRONG) {
        front_stats.credentials_wrong++;
        give_error(k, 401, "WWW-Authenticate: Bearer realm=\"vitald\", error=\"invalid_token\"\r\n", "this credential is not valid here\n");
    } else {
        front_stats.credentials_missing++;
        give_error(k, 401, "WWW-Authenticate: Bearer realm=\"vitald\"\r\n", "this needs a credential\n");
    }
}

/* ---- detailed bodies ---- */

static void give_head(struct asking *k, unsigned status, const char *header, uint64_t oldest)
{
    front_stats.details++;
    buf_reset(&bytes);
    answer_head(&bytes, status, NULL, k->end, header, oldest, ANSWER_UNTIL_CLOSE);
    k->reply->bytes = bytes.data;
    k->reply->len = bytes.len;
}

/* The head needs the body's length, so the body is rendered first. */
static void give_detail(struct asking *k, struct shot *shot, view_fn *view, const struct view_input *extra, unsigned status,
                        const char *media, const char *header, uint64_t oldest)
{
    static struct buf body = { .max = VIEW_ROOM };
    struct reply *r = k->reply;
    if (!answer_has_content(status)) {
        detail_release(shot);
        give_head(k, status, header, oldest);
        return;
    }
    buf_reset(&body);
    if (!detail_start(shot, view, extra, &body, &r->rest)) {
        detail_release(shot);
        give_error(k, 503, "Retry-After: 1\r\n", "too many large answers are under way, try again\n");
        return;
    }
    detail_release(shot);
    *(k->route.kind == ROUTE_METRICS ? &front_stats.metrics : &front_stats.details) += 1;
    r->chunked = r->rest && k->request->minor > 0;
    if (r->rest && !r->chunked)
        k->end = END_CLOSE;
    r->close = k->end == END_CLOSE;
    buf_reset(&bytes);
    answer_head(&bytes, status, media, k->end, header, oldest,
                !r->rest ? (long long)body.len : r->chunked ? ANSWER_CHUNKED : ANSWER_UNTIL_CLOSE);
    if (k->request->method == HTTP1_HEAD) {
        if (r->rest)
            detail_end(r->rest);
        r->rest = NULL;
    } else {
        if (r->chunked)
            buf_printf(&bytes, "%zx\r\n", body.len);
        buf_add(&bytes, body.data, body.len);
        if (r->chunked)
            buf_text(&bytes, "\r\n");
    }
    r->bytes = bytes.data;
    r->len = bytes.len;
}

/* Names of `?exclude=`: members of the group on one side, strangers on the other. */
struct excluded {
    const char *names[QUERY_EXCLUDES], *strangers[QUERY_EXCLUDES];
    uint32_t probes[QUERY_EXCLUDES];
    unsigned count, stranger_count;
};

static void sort_excluded(const struct asking *k, struct excluded *e)
{
    e->count = e->stranger_count = 0;
    for (unsigned i = 0; i < k->query->exclude_count; i++) {
        const char *name = k->query->excludes[i];
        uint32_t probe = core_probe_find(name, strlen(name));
        if (probe == UINT32_MAX || !core_is_member(k->route.group, probe)) {
            e->strangers[e->stranger_count++] = name;
            continue;
        }
        e->names[e->count] = name;
        e->probes[e->count++] = probe;
    }
}

static view_fn *group_view(enum answer_format format)
{
    static view_fn *const views[ANSWER_FORMATS] = {
        [ANSWER_TEXT] = text_verbose, [ANSWER_JSON] = json_group, [ANSWER_HEALTH] = healthjson_group,
    };
    return views[format];
}

static void serve_group_detail(struct asking *k)
{
    struct excluded e;
    struct verdict v;
    struct view_input extra;
    struct shot *shot = detail_shot(DETAIL_GROUP, k->route.group);
    const struct picture_group *g = &detail_picture(shot)->groups[0];
    unsigned code = g->code;
    if (k->query->exclude_count) {
        sort_excluded(k, &e);
        core_verdict_without(k->route.group, e.probes, e.count, &v);
        extra = (struct view_input){ .excluded = e.names, .excluded_count = e.count, .strangers = e.strangers,
                                     .stranger_count = e.stranger_count, .has_level = true, .level = v.level };
        code = v.code;
    }
    give_detail(k, shot, group_view(k->query->format), k->query->exclude_count ? &extra : NULL, code,
                answer_media(k->query->format), NULL, g->oldest);
}

/* ---- by kind of route ---- */

static void serve_verdict(struct asking *k)
{
    struct answer a;
    bool detailed = k->query->verbose || k->query->exclude_count;
    enum answer_format format = k->request->method == HTTP1_OPTIONS ? ANSWER_NOTHING : k->query->format;
    if (k->query->exclude_count && k->asker->locked & SERVE_STATUS) {
        give_refusal(k);
        return;
    }
    if (k->query->exclude_count && !(k->asker->serve & SERVE_STATUS)) {
        give_error(k, 403, NULL, "exclude is not served here\n");
        return;
    }
    if (detailed && (k->asker->serve & SERVE_STATUS) && format != ANSWER_NOTHING) {
        serve_group_detail(k);
        return;
    }
    front_stats.verdicts++;
    answer_verdict(k->route.group, format, k->end, &a);
    give(k, &a);
}

/* Not cached: what a balancer is told of roles is never older than the last outcome. */
static void serve_role(struct asking *k)
{
    static struct buf body = { .max = 1024 };
    enum answer_format format = k->request->method == HTTP1_OPTIONS ? ANSWER_NOTHING : k->query->format;
    struct role_ask ask = { .path = (enum role_path)k->route.group };
    uint64_t oldest;
    if (k->query->lag.at && !roles_read_lag(k->query->lag, &ask)) {
        give_error(k, 400, NULL, "lag is a size like 10MB or a time like 5s\n");
        return;
    }
    front_stats.verdicts++;
    buf_reset(&body);
    buf_reset(&bytes);
    unsigned code = roles_answer(k->route.probe, &ask, format, &body, &oldest);
    answer_head(&bytes, code, answer_media(format), k->end, format == ANSWER_NOTHING ? "Allow: GET, HEAD, OPTIONS\r\n" : NULL, oldest,
                (long long)body.len);
    if (k->request->method == HTTP1_GET)
        buf_add(&bytes, body.data, body.len);
    k->reply->bytes = bytes.data;
    k->reply->len = bytes.len;
}

static unsigned probe_code(const struct picture_probe *p)
{
    return p->state == STATE_UP || p->state == STATE_DEGRADED ? 200 : 503;
}

static void serve_probe(struct asking *k)
{
    bool as_text = k->query->format == ANSWER_TEXT && (k->query->has_format || k->route.kind == ROUTE_MEMBER);
    struct shot *shot = detail_shot(DETAIL_PROBE, k->route.probe);
    const struct picture_probe *p = &detail_picture(shot)->probes[0];
    unsigned code = k->route.kind == ROUTE_MEMBER ? probe_code(p) : 200;
    give_detail(k, shot, as_text ? text_probe : json_probe, NULL, code, answer_media(as_text ? ANSWER_TEXT : ANSWER_JSON), NULL,
                p->at);
}

/* Among all that the client has: a list may be cut into several fields. */
static bool matches(const struct http1_request *r, const char *tag)
{
    for (unsigned i = 0; i < r->count; i++) {
        struct span value = r->fields[i].value;
        if (span_is_nocase(r->fields[i].name, "if-none-match") && (span_is(value, "*") || memmem(value.at, value.len, tag, strlen(tag))))
            return true;
    }
    return false;
}

/* What is shown has not changed since the client asked last: 304. The shot goes. */
static bool give_unchanged(struct asking *k, struct shot *shot, const char *tag, const char *header)
{
    if (!matches(k->request, tag))
        return false;
    detail_release(shot);
    give_head(k, 304, header, 0);
    return true;
}

/* Everything, with a tag by which it is asked for again; as text it has none. */
static void give_everything(struct asking *k, view_fn *view, const char *media, const char *headers)
{
    char tag[32], header[1024];
    struct shot *shot = detail_shot(DETAIL_ALL, 0);
    if (k->query->has_format && k->query->format == ANSWER_TEXT) {
        give_detail(k, shot, text_table, NULL, 200, answer_media(ANSWER_TEXT), NULL, 0);
        return;
    }
    snprintf(tag, sizeof tag, "\"%016llx\"", (unsigned long long)json_status_tag(detail_picture(shot)));
    snprintf(header, sizeof header, "ETag: W/%s\r\n%s", tag, headers);
    if (!give_unchanged(k, shot, tag, header))
        give_detail(k, shot, view, NULL, 200, media, header, 0);
}

static void serve_status(struct asking *k)
{
    give_everything(k, json_status, answer_media(ANSWER_JSON), "");
}

static void serve_page(struct asking *k)
{
    char headers[768], hsts[64] = "";
    if (k->asker->hsts)
        snprintf(hsts, sizeof hsts, "Strict-Transport-Security: max-age=%llu\r\n", (unsigned long long)k->asker->hsts);
    snprintf(headers, sizeof headers, "%s%s", html_headers(), hsts);
    give_everything(k, html_page, "text/html; charset=utf-8", headers);
}

static void serve_explain(struct asking *k)
{
    struct shot *shot = detail_shot(DETAIL_GROUP, k->route.group);
    bool as_json = k->query->format != ANSWER_TEXT;
    give_detail(k, shot, as_json ? explain_json : explain_text, NULL, 200, answer_media(as_json ? ANSWER_JSON : ANSWER_TEXT), NULL,
                detail_picture(shot)->groups[0].oldest);
}

static void serve_metrics(struct asking *k)
{
    bool open = k->query->openmetrics;
    give_detail(k, detail_shot(DETAIL_ALL, 0), open ? prometheus_openmetrics : prometheus_metrics, NULL, 200,
                open ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8",
                "Vary: Accept\r\n", 0);
}

/* Ends with the connection, for a stream has no length; without chunks, so that the oldest client reads it too. */
static void serve_events(struct asking *k)
{
    if (!events_admit(k->asker->listener)) {
        give_error(k, 503, "Retry-After: 10\r\n", "too many streams are open, try again later\n");
        return;
    }
    k->end = END_CLOSE;
    k->reply->close = true;
    k->reply->follows = k->request->method == HTTP1_GET;
    k->reply->seen = http1_field(k->request->fields, k->request->count, "last-event-id");
    if (!k->reply->seen.at)
        k->reply->seen = k->query->after;
    buf_reset(&bytes);
    answer_head(&bytes, 200, "text/event-stream", k->end, "X-Accel-Buffering: no\r\n", 0, ANSWER_UNTIL_CLOSE);
    k->reply->bytes = bytes.data;
    k->reply->len = bytes.len;
}

static void serve_nothing(struct asking *k)
{
    give_error(k, 404, NULL, k->asker->serve & SERVE_STATUS ? help : "not found\n");
}

static void (*const servers[ROUTE_KIND_COUNT])(struct asking *) = {
    [ROUTE_NONE] = serve_nothing, [ROUTE_VERDICT] = serve_verdict, [ROUTE_MEMBER] = serve_probe, [ROUTE_STATUS] = serve_status,
    [ROUTE_PROBE] = serve_probe,  [ROUTE_EXPLAIN] = serve_explain, [ROUTE_METRICS] = serve_metrics,
    [ROUTE_EVENTS] = serve_events, [ROUTE_PAGE] = serve_page, [ROUTE_ROLE] = serve_role,
};

static bool is_method_served(const struct asking *k)
{
    enum http1_method m = k->request->method;
    return m == HTTP1_GET || m == HTTP1_HEAD || (m == HTTP1_OPTIONS && (k->route.kind == ROUTE_VERDICT || k->route.kind == ROUTE_ROLE));
}

/* Who shows a credential is no page that somebody else wrote. */
static const struct asker *less_for_strangers(const struct http1_request *r, const struct asker *asker, struct asker *less)
{
    if (asker->credential == ACCESS_GOOD || !access_is_stranger(asker->access, r))
        return asker;
    *less = *asker;
    less->stranger = true;
    less->locked |= less->serve & ~(unsigned)SERVE_VERDICTS;
    less->serve &= SERVE_VERDICTS;
    return less;
}

void serve_request(const struct http1_request *r, const struct asker *asker, struct reply *reply)
{
    static struct query query;      /* 2 KiB that would be cleared for each request */
    bool keep = asker->keep && !r->has_body && r->method != HTTP1_OTHER;     /* what follows a CONNECT is no request to who lets it through */
    struct asking k = { .request = r, .asker = asker, .query = &query, .reply = reply };
    k.end = !keep ? END_CLOSE : r->minor > 0 ? END_KEEP : END_KEEP_OLD;
    *reply = (struct reply){ .close = !keep };
    struct asker less;
    k.route = route_find(r->path);
    if (r->query.at || route_class(k.route.kind) != SERVE_VERDICTS)
        k.asker = asker = less_for_strangers(r, asker, &less);
    if (k.route.kind == ROUTE_PAGE && (!((asker->serve | asker->locked) & SERVE_PAGE) || r->method == HTTP1_OPTIONS))
        k.route.kind = ROUTE_VERDICT;
    bool unseen = !(route_class(k.route.kind) & asker->serve), locked = unseen && asker->locked;
    if (unseen)
        k.route.kind = ROUTE_NONE;
    if (r->has_body) {
        give_error(&k, 413, NULL, "a request here has no body\n");
        return;
    }
    if (locked) {
        give_refusal(&k);
        return;
    }
    if (k.route.kind != ROUTE_NONE && !is_method_served(&k)) {
        give_error(&k, 405, route_class(k.route.kind) == SERVE_VERDICTS ? "Allow: GET, HEAD, OPTIONS\r\n" : "Allow: GET, HEAD\r\n",
                   "only read here\n");
        return;
    }
    query_parse(r, &query);
    if (query.bad) {
        give_error(&k, 400, NULL, "format is text, json or health; exclude names at most 16 probes\n");
        return;
    }
    servers[k.route.kind](&k);
}

void serve_broken(unsigned status, struct reply *reply)
{
    static const struct { unsigned status; const char *text; } texts[] = {
        { 400, "this is not a well-formed HTTP/1 request\n" }, { 408, "the request came too slowly\n" },
        { 414, "the request line is too long\n" },             { 431, "the request head is too large\n" },
        { 501, "transfer encodings are not served here\n" },    { 505, "only HTTP/1.0 and 1.1 are served here; gRPC (HTTP/2) needs a listener with `serve: grpc`\n" },
    };
    const char *text = "bad request\n";
    struct answer a;
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            text = texts[i].text;
    front_stats.errors++;
    answer_text(status, END_CLOSE, NULL, text, &a);
    *reply = (struct reply){ .bytes = a.bytes, .len = a.len, .close = true };
}
