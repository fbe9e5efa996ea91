/* HTTP/1.x heads and chunked bodies: pure, strict, allocation-free. Fields point into the caller's bytes.
 *
 * Requests follow RFC 9112 with nothing tolerated that two parsers could read differently: CRLF only, no folding, no
 * space before a colon, one Host, one Content-Length, no Transfer-Encoding. Paths are matched as written. What servers
 * in front of this one make of the same bytes is compared in tests/func/differential.py. */
#ifndef BASE_HTTP1_H
#define BASE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span { const char *at; size_t len; };
bool span_is(struct span, const char *text);              /* exact */
bool span_is_nocase(struct span, const char *text);

struct http1_field { struct span name, value; };

enum {
    HTTP1_FIELDS = 64,
    HTTP1_LINE_MAX = 2048,           /* request line */
    HTTP1_HEAD_MAX = 8192,           /* request head */
    HTTP1_REPLY_HEAD_MAX = 16384,
};

/* > 0: the head's length; 0: not complete yet, call again with all bytes when there are more; < 0: minus the status to
 * answer with, before closing (400, 414, 431, 501, 505). Methods and bodies are the caller's to refuse. Targets are a path,
 * a whole http URL, of which the path counts, or, for OPTIONS, "*"; one empty line before the request line is skipped, as RFC 9112 2.2 asks. */
enum http1_method { HTTP1_GET, HTTP1_HEAD, HTTP1_OPTIONS, HTTP1_POST, HTTP1_OTHER };
struct http1_request {
    enum http1_method method;
    struct span path, query;         /* query without '?', at NULL when there is none */
    struct span host;                /* at NULL when there is none */
    uint8_t minor;                   /* HTTP/1.minor */
    bool keep_alive;                 /* by version and Connection */
    bool has_body;                   /* Content-Length other than 0 */
    struct http1_field fields[HTTP1_FIELDS];
    unsigned count;
};
int http1_request(const char *bytes, size_t len, struct http1_request *);
struct span http1_field(const struct http1_field *, unsigned count, const char *name);   /* at NULL when absent; first one */

struct http1_reply {
    unsigned status;
    uint8_t minor;
    struct span text;
    bool chunked, keep_alive;
    bool has_length;
    uint64_t length;
    struct http1_field fields[HTTP1_FIELDS];
    unsigned count;
};
/* > 0 length; 0 incomplete; -1 malformed or beyond the limits, *why says what. Both CL and TE are refused, and any coding
 * but chunked; a missing reason phrase and a repeated equal Content-Length are not. 1xx heads are heads like others. */
int http1_reply(const char *bytes, size_t len, struct http1_reply *, const char **why);

/* Chunked decoding, any split of the input; starts zeroed. */
enum { HTTP1_CHUNK_EXTRA = 8192 };   /* bytes of extensions and trailers, over the whole body */
struct http1_chunked { uint8_t state; uint64_t left; uint32_t extra; };
/* Consumes from *bytes and *len; sets *data and *data_len to the next run of body bytes (0 = none in this step).
 * 1: more may come, call again while *len > 0; 0: complete; -1: malformed. */
int http1_chunked(struct http1_chunked *, const char **bytes, size_t *len, const char **data, size_t *data_len);

#endif
