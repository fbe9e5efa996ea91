#include <stdio.h>

#include "base/mem.h"
#include "http_parts.h"

bool http_expects_body(const struct http_conf *c)
{
    return c->contains.count || c->not_contains.count || c->matches || c->not_matches || c->json.count;
}

/* These cannot be told before the whole body is there. */
static bool needs_all(const struct http_conf *c)
{
    return c->not_contains.count || c->not_matches || c->json.count;
}

void http_body_begin(struct http_body *b, const struct http_conf *c)
{
    *b = (struct http_body){ .kept = BUF(c->body_cap) };
}

void http_body_free(struct http_body *b)
{
    buf_free(&b->kept);
}

enum http_judgement http_decide(struct net_verdict *v, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->text, sizeof v->text, fmt, args);
    va_end(args);
    v->class = class;
    v->reason = reason;
    return HTTP_DECIDED;
}

const char *http_body_shown(const struct buf *body, char room[HTTP_SHOWN])
{
    return net_excerpt(body->data ? body->data : "", body->len, HTTP_SHOWN_BYTES, room, HTTP_SHOWN);
}

/* ---- text ------------------------------------------------------------------------------------------------- */

/* Is `text` in what is new? A hit may begin in the bytes that were searched before. */
static bool newly_there(const struct http_body *b, const char *text)
{
    size_t len = strlen(text), from = b->searched >= len ? b->searched - len + 1 : 0;
    return b->kept.len - from >= len && memmem(b->kept.data + from, b->kept.len - from, text, len);
}

static enum http_judgement search_texts(const struct http_conf *c, struct http_body *b, struct net_verdict *v)
{
    const char *const *wanted = c->contains.items, *const *unwanted = c->not_contains.items;
    for (uint32_t i = 0; i < c->contains.count; i++)
        if (!(b->found >> i & 1) && newly_there(b, wanted[i]))
            b->found |= UINT32_C(1) << i;
    for (uint32_t i = 0; i < c->not_contains.count; i++)
        if (newly_there(b, unwanted[i]))
            return http_decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body contains \"%s\"", unwanted[i]);
    b->searched = b->kept.len;
    return HTTP_MORE;
}

/* A pattern is tried anew only when the body has grown by an eighth, or a target that sends single bytes would make us
 * search the same text again and again. */
static enum http_judgement try_patterns(struct vital_probe *p, struct http_body *b, bool last, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    if (!last && b->kept.len < b->tried + b->tried / 8 + 1)
        return HTTP_MORE;
    b->tried = b->kept.len;
    const char *text = b->kept.data ? b->kept.data : "";
    if (c->matches && !b->matched)
        b->matched = p->host->match(p, c->matches, text, b->kept.len);
    if (c->not_matches && p->host->match(p, c->not_matches, text, b->kept.len))
        return http_decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body matches what `not_matches` forbids");
    return HTTP_MORE;
}

static bool texts_hold(const struct http_conf *c, const struct http_body *b)
{
    uint32_t all = c->contains.count ? UINT32_MAX >> (32 - c->contains.count) : 0;
    return b->found == all && (!c->matches || b->matched);
}

static enum http_judgement what_is_missing(const struct http_conf *c, const struct http_body *b, struct net_verdict *v)
{
    char room[HTTP_SHOWN];
    const char *const *wanted = c->contains.items;
    for (uint32_t i = 0; i < c->contains.count; i++)
        if (!(b->found >> i & 1))
            return http_decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body does not contain \"%.100s\": \"%s\"", wanted[i], http_body_shown(&b->kept, room));
    return http_decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body does not match what is expected: \"%s\"", http_body_shown(&b->kept, room));
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static enum http_judgement at_the_end(struct vital_probe *p, struct http_body *b, struct http_json_memory *memory, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    if (!texts_hold(c, b))
        return what_is_missing(c, b, v);
    return c->json.count ? http_json_judge(p, &b->kept, memory, v) : HTTP_DECIDED;
}

enum http_judgement http_body_judge(struct vital_probe *p, struct http_body *b, struct http_json_memory *memory, const char *bytes,
                                    size_t len, bool complete, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    buf_add(&b->kept, bytes, len);
    bool cut = b->kept.over;
    if (search_texts(c, b, v) == HTTP_DECIDED || try_patterns(p, b, complete || cut, v) == HTTP_DECIDED)
        return HTTP_DECIDED;
    if (!needs_all(c) && texts_hold(c, b))
        return HTTP_DECIDED;
    if (cut)
        return http_decide(v, VITAL_FAIL, VITAL_R_TOO_LARGE, "the body is larger than %zu bytes, and what is expected cannot be told from those",
                      (size_t)c->body_cap);
    return complete ? at_the_end(p, b, memory, v) : HTTP_MORE;
}
