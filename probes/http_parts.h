/* The parts of the http module: its options (http_conf.c), what is asked (http_request.c), what the body must be
 * (http_expect.c, http_json.c), and the course of an attempt (http.c). */
#ifndef PROBES_HTTP_PARTS_H
#define PROBES_HTTP_PARTS_H

#include "base/buf.h"
#include "base/http1.h"
#include "base/url.h"
#include "net.h"

enum http_redirects { HTTP_REDIRECTS_NONE, HTTP_REDIRECTS_SAME_HOST, HTTP_REDIRECTS_ANY };
enum { HTTP_JSON_MAX = 32, HTTP_TEXTS_MAX = 32, HTTP_SECRET_MAX = 16 * 1024 };

/* One check of one value of a JSON body. */
struct http_json {
    const char *pointer, *equals, *not_equals;
    const struct vital_regex *matches;
    bool absent;
    struct vital_threshold warn_below, fail_below, warn_above, fail_above;
    uint8_t otherwise;                       /* 0 fail, 1 warn */
};

struct http_basic { const char *user; const struct vital_secret *password; };

struct http_conf {
    const struct vital_url *url;
    const char *socket, *method, *host, *body;
    struct vital_list headers;
    struct vital_list status, warn_status;
    struct vital_list contains, not_contains;
    const struct vital_regex *matches, *not_matches;
    struct vital_list json;
    uint64_t body_cap;
    uint8_t redirects;
    int64_t max_redirects;
    const struct vital_secret *bearer;
    struct http_basic basic;
    bool traceparent;
    const struct vital_tls *tls;
    struct net_certificate certificate;
    struct vital_threshold warn_above;
};

/* ---- http_conf.c ------------------------------------------------------------------------------------------ */

extern const struct vital_opt http_opts[];
bool http_prepare(void *conf, struct vital_diag *);

/* ---- http_request.c --------------------------------------------------------------------------------------- */

/* Where a request goes. The strings belong to the configuration, or to the url a redirect led to. */
struct http_target {
    bool tls;
    const char *host, *port, *path, *unix_path;
};
struct http_target http_first_target(const struct http_conf *);
struct http_target http_url_target(const struct url *);
bool http_same_origin(const struct http_target *, const struct http_target *);
const char *http_target_text(const struct http_target *, char *room, size_t size);      /* host:port, for people */

/* NULL, or why it cannot be sent. trusted: the target is the configured one, so it gets the configured headers and may see
 * the secrets. */
const char *http_request(struct vital_probe *, const struct http_conf *, const struct http_target *, bool trusted, const char *method,
                         bool with_body, struct buf *);
bool http_is_token(const char *text);

/* Where `location` leads from `at`. NULL, or what is wrong. */
const char *http_redirect(const struct http_target *at, struct span location, struct url *);

/* ---- http_expect.c ---------------------------------------------------------------------------------------- */

struct http_body {
    struct buf kept;
    size_t searched, tried;                  /* bytes that the texts, and the regular expressions, have seen */
    uint32_t found;                          /* bit n: contains[n] was there */
    bool matched;
};
/* Thresholds' memory: one row per block of `json`. */
struct http_json_memory { bool warn_below, fail_below, warn_above, fail_above; };

enum http_judgement { HTTP_MORE, HTTP_DECIDED, HTTP_LATER };     /* LATER: http_json_later() has to read it */

bool http_expects_body(const struct http_conf *);
void http_body_begin(struct http_body *, const struct http_conf *);
void http_body_free(struct http_body *);
/* More bytes of it; complete: there are no more. DECIDED: the verdict is in *v, pass included. */
enum http_judgement http_body_judge(struct vital_probe *, struct http_body *, struct http_json_memory *, const char *bytes,
                                    size_t len, bool complete, struct net_verdict *v);

enum { HTTP_SHOWN_BYTES = 100, HTTP_SHOWN = HTTP_SHOWN_BYTES * 4 + 16 };
const char *http_body_shown(const struct buf *, char room[HTTP_SHOWN]);
enum http_judgement http_decide(struct net_verdict *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- http_json.c ------------------------------------------------------------------------------------------ */

struct reading;
typedef void http_json_fn(struct vital_probe *, const struct reading *);

enum http_judgement http_json_judge(struct vital_probe *, const struct buf *body, struct http_json_memory *, struct net_verdict *v);
/* Takes the body; then() comes while the attempt lasts. False: refused, and the attempt is over. */
bool http_json_later(struct vital_probe *, struct buf *body, http_json_fn *then);
void http_json_verdict(struct vital_probe *, const struct reading *, struct http_json_memory *, struct net_verdict *v);

enum { HTTP_FIRST_BYTE = NET_NUMBERS, HTTP_STATUS, HTTP_JSON_VALUE };   /* rows of its numbers */

#endif
