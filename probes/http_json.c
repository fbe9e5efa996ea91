/* What the values of a JSON body must be. A small body is read at once; a large one by a helper thread, for a stranger may send
 * four megabytes of keys, which take a fifth of a second to check. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "http_parts.h"

enum { JSON_TEXT_MAX = 4096, READ_AT_ONCE = 32 * 1024 };

/* A body and where the pointers lead in it. */
struct reading {
    struct buf body;
    uint32_t count;
    char *pointers[HTTP_JSON_MAX];
    struct json_value values[HTTP_JSON_MAX];
    const char *wrong;
    size_t wrong_at;
    http_json_fn *then;
};

/* ---- one value -------------------------------------------------------------------------------------------- */

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
    http_decide(v, fail ? VITAL_FAIL : VITAL_WARN, VITAL_R_THRESHOLD, "%s is %g, %s %g", j->pointer, number, below ? "below" : "above", t->enter);
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
        http_decide(v, otherwise, VITAL_R_MISMATCH, j->absent ? "%s is there" : "there is no %s", j->pointer);
        return;
    }
    if (j->absent)
        return;
    value_text(value, text, sizeof text);
    net_excerpt(text, strlen(text), 60, seen, sizeof seen);
    if (value->kind == JSON_NUMBER)
        vital_number_of(p, HTTP_JSON_VALUE, j->pointer, value->number);
    if (j->equals && !value_equals(value, text, j->equals))
        http_decide(v, otherwise, VITAL_R_MISMATCH, "%s is %s, not %s", j->pointer, seen, j->equals);
    else if (j->not_equals && value_equals(value, text, j->not_equals))
        http_decide(v, otherwise, VITAL_R_MISMATCH, "%s is %s", j->pointer, seen);
    else if (j->matches && !p->host->match(p, j->matches, text, strlen(text)))
        http_decide(v, otherwise, VITAL_R_MISMATCH, "%s is %s, which does not match", j->pointer, seen);
    else if (has_threshold(j) && value->kind != JSON_NUMBER)
        http_decide(v, VITAL_FAIL, VITAL_R_BAD_REPLY, "%s is %s, not a number", j->pointer, seen);
    else if (has_threshold(j))
        judge_number(j, m, value->number, v);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static const char *check(const struct buf *body, size_t *at, struct json_value *root)
{
    return body->len ? json_check(body->data, body->len, at, root) : "there is none";
}

static enum http_judgement not_json(const struct buf *body, const char *wrong, size_t at, struct net_verdict *v)
{
    char room[HTTP_SHOWN];
    return http_decide(v, VITAL_FAIL, VITAL_R_BAD_REPLY, "the body is not JSON (at byte %zu: %s): \"%s\"", at, wrong, http_body_shown(body, room));
}

/* The worst of all blocks; the first among equals. */
static void judge_block(struct vital_probe *p, uint32_t i, struct http_json_memory *memory, const struct json_value *value, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    const struct http_json *blocks = c->json.items;
    struct net_verdict one = { VITAL_PASS, VITAL_R_OK, "" };
    judge_value(p, &blocks[i], &memory[i], value, &one);
    if (one.class > v->class)
        *v = one;
}

enum http_judgement http_json_judge(struct vital_probe *p, const struct buf *body, struct http_json_memory *memory, struct net_verdict *v)
{
    const struct http_conf *c = p->conf;
    const struct http_json *blocks = c->json.items;
    struct json_value root;
    size_t at = 0;
    if (body->len > READ_AT_ONCE)
        return HTTP_LATER;
    const char *wrong = check(body, &at, &root);
    if (wrong)
        return not_json(body, wrong, at, v);
    for (uint32_t i = 0; i < c->json.count; i++) {
        struct json_value value = json_pointer(&root, blocks[i].pointer);
        judge_block(p, i, memory, &value, v);
    }
    return HTTP_DECIDED;
}

/* ---- a large one: by a helper thread ---------------------------------------------------------------------- */

static void reading_run(void *block)
{
    struct reading *r = block;
    struct json_value root;
    r->wrong = check(&r->body, &r->wrong_at, &root);
    for (uint32_t i = 0; i < r->count && !r->wrong; i++)
        r->values[i] = json_pointer(&root, r->pointers[i]);
}

static void reading_done(struct vital_probe *p, void *block)
{
    struct reading *r = block;
    r->then(p, r);
}

static void reading_wipe(void *block)
{
    struct reading *r = block;
    for (uint32_t i = 0; i < r->count; i++)
        mem_free(r->pointers[i]);
    buf_free(&r->body);
    mem_free(r);
}

bool http_json_later(struct vital_probe *p, struct buf *body, http_json_fn *then)
{
    static const struct vital_job job = { reading_run, reading_done, reading_wipe };
    const struct http_conf *c = p->conf;
    const struct http_json *blocks = c->json.items;
    struct reading *r = mem_alloc(sizeof *r);
    *r = (struct reading){ .body = *body, .count = c->json.count, .then = then };
    *body = (struct buf){ 0 };
    for (uint32_t i = 0; i < r->count; i++)
        r->pointers[i] = mem_copy(blocks[i].pointer);
    return p->host->submit(p, &job, r) != NULL;
}

void http_json_verdict(struct vital_probe *p, const struct reading *r, struct http_json_memory *memory, struct net_verdict *v)
{
    if (r->wrong)
        not_json(&r->body, r->wrong, r->wrong_at, v);
    for (uint32_t i = 0; i < r->count && !r->wrong; i++)
        judge_block(p, i, memory, &r->values[i], v);
}
