#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "http_parts.h"

enum { SHOWN = 100, JSON_TEXT_MAX = 4096 };

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

__attribute__((format(printf, 4, 5))) static enum http_judgement decide(struct net_verdict *v, enum vital_class class,
                                                                        enum vital_reason reason, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->text, sizeof v->text, fmt, args);
    va_end(args);
    v->class = class;
    v->reason = reason;
    return HTTP_DECIDED;
}

static const char *shown(const struct http_body *b, char *room, size_t size)
{
    return net_excerpt(b->kept.data ? b->kept.data : "", b->kept.len, SHOWN, room, size);
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
            return decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body contains \"%s\"", unwanted[i]);
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
        return decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body matches what `not_matches` forbids");
    return HTTP_MORE;
}

static bool texts_hold(const struct http_conf *c, const struct http_body *b)
{
    uint32_t all = c->contains.count ? UINT32_MAX >> (32 - c->contains.count) : 0;
    return b->found == all && (!c->matches || b->matched);
}

static enum http_judgement what_is_missing(const struct http_conf *c, const struct http_body *b, struct net_verdict *v)
{
    char room[SHOWN * 4 + 16];
    const char *const *wanted = c->contains.items;
    for (uint32_t i = 0; i < c->contains.count; i++)
        if (!(b->found >> i & 1))
            return decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body does not contain \"%.100s\": \"%s\"", wanted[i], shown(b, room, sizeof room));
    return decide(v, VITAL_FAIL, VITAL_R_MISMATCH, "the body does not match what is expected: \"%s\"", shown(b, room, sizeof room));
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

/* The value as text: strings unescaped, the rest as it stands. */
static const char *value_text(const struct json_value *value, char *room, size_t size)
{
    if (value->kind == JSON_STRING && !json_string(value, room, size))
        snprintf(room, size, "?");
    else if (value->kind != JSON_STRING)
        snprintf(room, size, "%.*s", (int)(value->len < size ? value->len : size - 1), value->start);
    return room;
}

static bool value_equals(const struct json_value *value, const char *text, const char *wanted)
{
    if (value->kind == JSON_NUMBER) {
        char *end;
        double number = strtod(wanted, &end);
        return *wanted && !*end && number <= value->number && number >= value->number;
    }
    return !strcmp(text, wanted);
}

static void judge_number(const struct http_json *j, struct http_json_memory *m, double number, struct net_verdict *v)
{
    /* each threshold is asked, for each has its memory */
    bool fail = vital_below(&j->fail_below, number, &m->fail_below);
    fail |= vital_above(&j->fail_above, number, &m->fail_above);
    bool warn = vital_below(&j->warn_below, number, &m->warn_below);
    warn |= vital_above(&j->warn_above, number, &m->warn_above);
    if (!fail && !warn)
        return;
    const struct vital_threshold *t = m->fail_below ? &j->fail_below : m->fail_above ? &j->fail_above : m->warn_below ? &j->warn_below : &j->warn_above;
    bool below = t == &j->fail_below || t == &j->warn_below;
    decide(v, fail ? VITAL_FAIL : VITAL_WARN, VITAL_R_THRESHOLD, "%s is %g, %s %g", j->pointer, number, below ? "below" : "above", t->enter);
}

static bool has_threshold(const struct http_json *j)
{
    return j->warn_below.set || j->fail_below.set || j->warn_above.set || j->fail_above.set;
}

static void judge_value(struct vital_probe *p, const struct http_json *j, struct http_json_memory *m, const struct json_value *value,
                        struct net_verdict *v)
{
    char text[JSON_TEXT_MAX], seen[256];
    enum vital_class otherwise = j->otherwise ? VITAL_WARN : VITAL_FAIL;
    if ((value->kind == JSON_NONE) != j->absent) {
        decide(v, otherwise, VITAL_R_MISMATCH, j->absent ? "%s is there" : "there is no %s", j->pointer);
        return;
    }
    if (j->absent)
        return;
    value_text(value, text, sizeof text);
    net_excerpt(text, strlen(text), 60, seen, sizeof seen);
    if (value->kind == JSON_NUMBER)
        vital_number_of(p, HTTP_JSON_VALUE, j->pointer, value->number);
    if (j->equals && !value_equals(value, text, j->equals))
        decide(v, otherwise, VITAL_R_MISMATCH, "%s is %s, not %s", j->pointer, seen, j->equals);
    else if (j->not_equals && value_equals(value, text, j->not_equals))
        decide(v, otherwise, VITAL_R_MISMATCH, "%s is %s", j->pointer, seen);
    else if (j->matches && !p->host->match(p, j->matches, text, strlen(text)))
        decide(v, otherwise, VITAL_R_MISMATCH, "%s is %s, which does not match", j->pointer, seen);
    else if (has_threshold(j) && value->kind != JSON_NUMBER)
        decide(v, VITAL_FAIL, VITAL_R_BAD_REPLY, "%s is %s, not a number", j->pointer, seen);
    else if (has_threshold(j))
        judge_number(j, m, value->number, v);
}

/* The worst of all blocks; the first among equals. */
static enum http_judgement judge_json(struct vital_probe *p, struct http_body *b, struct http_json_memory *memory, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    const struct http_json *blocks = c->json.items;
    struct json_value root;
    size_t at = 0;
    char room[SHOWN * 4 + 16];
    const char *wrong = b->kept.len ? json_check(b->kept.data, b->kept.len, &at, &root) : "there is none";
    if (wrong)
        return decide(v, VITAL_FAIL, VITAL_R_BAD_REPLY, "the body is not JSON (at byte %zu: %s): \"%s\"", at, wrong, shown(b, room, sizeof room));
    for (uint32_t i = 0; i < c->json.count; i++) {
        struct net_verdict one = { VITAL_PASS, VITAL_R_OK, "" };
        struct json_value value = json_pointer(&root, blocks[i].pointer);
        judge_value(p, &blocks[i], &memory[i], &value, &one);
        if (one.class > v->class)
            *v = one;
    }
    return HTTP_DECIDED;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static enum http_judgement at_the_end(struct vital_probe *p, struct http_body *b, struct http_json_memory *memory, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    if (!texts_hold(c, b))
        return what_is_missing(c, b, v);
    return c->json.count ? judge_json(p, b, memory, v) : HTTP_DECIDED;
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
        return decide(v, VITAL_FAIL, VITAL_R_TOO_LARGE, "the body is larger than %zu bytes, and what is expected cannot be told from those",
                      (size_t)c->body_cap);
    return complete ? at_the_end(p, b, memory, v) : HTTP_MORE;
}
