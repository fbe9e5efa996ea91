#include <strings.h>

#include "http_parts.h"

/* ---- rows ------------------------------------------------------------------------------------------------- */

static const char *const redirect_words[] = { "none", "same_host", "any", NULL };
static const char *const otherwise_words[] = { "fail", "warn", NULL };

static const struct vital_opt json_rows[] = {
    VITAL_OPT(struct http_json, pointer, STRING, .flags = VITAL_REQUIRED, .help = "JSON pointer to the value: /checks/0/status; it must be there"),
    VITAL_OPT(struct http_json, equals, STRING, .help = "what it must be; numbers are compared as numbers"),
    VITAL_OPT(struct http_json, not_equals, STRING, .help = "what it must not be"),
    VITAL_OPT(struct http_json, matches, REGEX, .help = "regular expression that it must match"),
    VITAL_OPT(struct http_json, absent, BOOL, .def = "false", .help = "true: it must not be there at all"),
    VITAL_OPT(struct http_json, warn_below, THRESHOLD, .help = "warn when the number is below this"),
    VITAL_OPT(struct http_json, fail_below, THRESHOLD, .help = "fail when the number is below this"),
    VITAL_OPT(struct http_json, warn_above, THRESHOLD, .help = "warn when the number is above this"),
    VITAL_OPT(struct http_json, fail_above, THRESHOLD, .help = "fail when the number is above this"),
    VITAL_OPT(struct http_json, otherwise, WORD, .words = otherwise_words, .def = "fail", .help = "what a value that is not as expected means"),
    VITAL_OPT_END,
};

static const struct vital_opt basic_rows[] = {
    VITAL_OPT(struct http_basic, user, STRING, .help = "user name"),
    VITAL_OPT(struct http_basic, password, SECRET, .help = "password"),
    VITAL_OPT_END,
};

const struct vital_opt http_opts[] = {
    VITAL_OPT(struct http_conf, url, URL, .flags = VITAL_REQUIRED | VITAL_BARE | VITAL_TARGET, .help = "what to ask for: http://, https:// or http+unix://%2Fpath%2Fof.sock/path"),
    VITAL_OPT(struct http_conf, socket, STRING, .flags = VITAL_PATHNAME | VITAL_TARGET, .help = "unix socket to connect to; `url` then only says what is asked"),
    VITAL_OPT(struct http_conf, method, STRING, .def = "GET", .help = "request method"),
    VITAL_OPT(struct http_conf, host, STRING, .flags = VITAL_TARGET, .help = "Host header, in place of the URL's; for TLS see tls.name"),
    VITAL_OPT(struct http_conf, headers, PAIRS, .max = 32, .help = "further request headers; their values are secrets"),
    VITAL_OPT(struct http_conf, body, STRING, .help = "request body; say what it is by a Content-Type in `headers`"),
    VITAL_OPT(struct http_conf, status, RANGES, .min = 100, .max = 999, .def = "200-299",
              .help = "accepted statuses; a redirect is not among them by itself, for a redirect to a log-in page or an error page is no sign of health"),
    VITAL_OPT(struct http_conf, warn_status, RANGES, .min = 100, .max = 999, .help = "statuses that count as warn, such as 429"),
    VITAL_OPT(struct http_conf, contains, STRINGS, .max = HTTP_TEXTS_MAX, .help = "texts that the body must contain, all of them"),
    VITAL_OPT(struct http_conf, not_contains, STRINGS, .max = HTTP_TEXTS_MAX, .help = "texts that the body must not contain"),
    VITAL_OPT(struct http_conf, matches, REGEX, .help = "regular expression that the body must match"),
    VITAL_OPT(struct http_conf, not_matches, REGEX, .help = "regular expression that the body must not match"),
    VITAL_OPT(struct http_conf, json, BLOCKS, .rows = json_rows, .row_size = sizeof(struct http_json), .max = HTTP_JSON_MAX,
              .help = "checks of single values of a JSON body"),
    VITAL_OPT(struct http_conf, body_cap, SIZE, .min = 1, .max = 4 << 20, .def = "1MiB",
              .help = "bytes of the body that are looked at; a longer one fails only when what is expected cannot be told from them"),
    VITAL_OPT(struct http_conf, redirects, WORD, .words = redirect_words, .def = "none",
              .help = "which redirects are followed; credentials and `headers` go to the same scheme, host and port only"),
    VITAL_OPT(struct http_conf, max_redirects, INT, .min = 1, .max = 5, .def = "5", .help = "how many of them"),
    VITAL_OPT(struct http_conf, bearer, SECRET, .help = "token for `Authorization: Bearer`"),
    VITAL_OPT_BLOCK(struct http_conf, basic, basic_rows, .help = "user and password for `Authorization: Basic`"),
    VITAL_OPT(struct http_conf, traceparent, BOOL, .def = "false", .help = "send a W3C traceparent with random ids, not sampled"),
    VITAL_OPT(struct http_conf, tls, TLS, .def = "auto", .help = "TLS settings; auto: as the URL says"),
    VITAL_OPT_BLOCK(struct http_conf, certificate, net_certificate_rows, .help = "days that the certificates must still be valid"),
    VITAL_OPT(struct http_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_END,
};

/* ---- cross checks ----------------------------------------------------------------------------------------- */

static bool refuse(struct vital_diag *d, const char *option, const char *text, const char *what)
{
    d->error(d, option, "%s%s%s", text, *what ? ": " : "", what);
    return false;
}

static bool check_headers(const struct http_conf *c, struct vital_diag *d)
{
    static const struct { const char *name, *instead; } ours[] = {
        { "Host", "use `host`" }, { "Content-Length", "it follows from `body`" }, { "Transfer-Encoding", "it follows from `body`" },
        { "Connection", "every attempt uses a new connection" }, { "Authorization", "together with `bearer` or `basic` it would be there twice" },
    };
    const struct vital_pair *pairs = c->headers.items;
    for (uint32_t i = 0; i < c->headers.count; i++) {
        if (!http_is_token(pairs[i].key))
            return refuse(d, "headers", "this is no name of a header", pairs[i].key);
        for (unsigned k = 0; k < sizeof ours / sizeof *ours; k++)
            if (!strcasecmp(ours[k].name, pairs[i].key) && (k < 4 || c->bearer || c->basic.user || c->url->user))
                return refuse(d, "headers", ours[k].name, ours[k].instead);
    }
    return true;
}

static bool check_json(const struct http_conf *c, struct vital_diag *d)
{
    const struct http_json *j = c->json.items;
    for (uint32_t i = 0; i < c->json.count; i++) {
        bool more = j[i].equals || j[i].not_equals || j[i].matches || j[i].warn_below.set || j[i].fail_below.set || j[i].warn_above.set || j[i].fail_above.set;
        if (j[i].pointer[0] && j[i].pointer[0] != '/')
            return refuse(d, "json", "a pointer is empty or begins with '/'", j[i].pointer);
        if (j[i].absent && more)
            return refuse(d, "json", "`absent` goes with no other check", j[i].pointer);
    }
    return true;
}

static bool is_http(const char *scheme)
{
    return !scheme || !strcmp(scheme, "unix") || !strncmp(scheme, "http+", 5) || !strncmp(scheme, "https+", 6) || !strcmp(scheme, "http") ||
           !strcmp(scheme, "https");
}

bool http_prepare(void *conf, struct vital_diag *d)
{
    const struct http_conf *c = conf;
    if (!is_http(c->url->scheme))
        return refuse(d, "url", "it must begin with http://, https://, http+unix:// or unix:", "");
    if (!c->url->host && !c->url->unix_path && !c->socket)
        return refuse(d, "url", "it names no host", "");
    if (!http_is_token(c->method))
        return refuse(d, "method", "this is no HTTP method", c->method);
    if (c->host && strpbrk(c->host, " \t\r\n/"))
        return refuse(d, "host", "a host name, with a port where needed, is expected", "");
    if (c->bearer && (c->basic.user || c->url->user))
        return refuse(d, "bearer", "together with `basic`, or a user in the URL, there would be two credentials", "");
    if (c->basic.password && !c->basic.user)
        return refuse(d, "basic", "the user is missing", "");
    if (!strcmp(c->method, "HEAD") && http_expects_body(c))
        return refuse(d, "method", "HEAD has no body that could be checked", "");
    if (c->url->scheme && !strncmp(c->url->scheme, "https", 5) && !c->tls)
        return refuse(d, "tls", "https needs it", "");
    return check_headers(c, d) && check_json(c, d);
}
