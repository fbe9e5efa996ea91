#include "base/template.h"

#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/mem.h"

enum { VALUE_MAX = 64 * 1024 };

/* ---- reading ---- */

struct parser {
    struct arena *arena;
    const char *text;
    size_t len, at, literal;          /* literal: where the one that is being read began */
    const char *const *names;
    struct template *out;
    bool in_string, string_has_name;  /* there is a placeholder in this string */
};

static const char *name_at(const void *names, size_t i)
{
    return ((const char *const *)names)[i];
}

static const char *unknown(struct parser *p, const char *name, size_t len)
{
    char word[32] = "";
    size_t count = 0;
    memcpy(word, name, len < sizeof word ? len : sizeof word - 1);
    while (p->names[count])
        count++;
    const char *near = diag_nearest(word, name_at, p->names, count);
    if (near)
        return arena_printf(p->arena, "there is no placeholder of this name: did you mean {{%s}}?", near);
    return "there is no placeholder of this name: vitald.yaml(5) lists them";
}

static int find(const struct parser *p, const char *name, size_t len)
{
    for (int i = 0; p->names[i]; i++)
        if (strlen(p->names[i]) == len && !memcmp(p->names[i], name, len))
            return i;
    return -1;
}

static const char *add(struct parser *p, struct template_piece piece)
{
    if (p->out->count == TEMPLATE_PIECES)
        return "there are too many placeholders";
    p->out->pieces[p->out->count++] = piece;
    return NULL;
}

static const char *end_literal(struct parser *p)
{
    size_t len = p->at - p->literal;
    return len ? add(p, (struct template_piece){ .text = p->text + p->literal, .len = len, .in_string = p->in_string }) : NULL;
}

/* A hostile value there would be another member; a number or a list is no JSON at all. */
static const char *refuse_key(const struct parser *p)
{
    const char *rest = p->text + p->at;
    return rest[strspn(rest, " \t\r\n")] == ':' ? "a member's name cannot hold a placeholder" : NULL;
}

static const char *placeholder(struct parser *p)
{
    const char *wrong = end_literal(p), *start = p->text + p->at + 2, *end = p->text + p->len, *stop = start;
    while (stop + 1 < end && !(stop[0] == '}' && stop[1] == '}'))
        stop++;
    if (stop + 1 >= end)
        return "this {{ has no }}";
    size_t skip = strspn(start, " ");
    size_t len = strcspn(start + skip, " }");
    if (strspn(start + skip + len, " ") + skip + len != (size_t)(stop - start))
        return "between {{ and }} stands one name";
    int name = find(p, start + skip, len);
    if (name < 0)
        return unknown(p, start + skip, len);
    p->string_has_name |= p->in_string;
    p->at = p->literal = (size_t)(stop - p->text) + 2;
    if (!wrong && !p->in_string)
        wrong = refuse_key(p);
    return wrong ? wrong : add(p, (struct template_piece){ .name = (unsigned)name, .in_string = p->in_string });
}

static const char *quote(struct parser *p)
{
    p->in_string = !p->in_string;
    if (p->in_string)
        p->string_has_name = false;
    p->at++;
    return !p->in_string && p->string_has_name ? refuse_key(p) : NULL;
}

static const char *step(struct parser *p)
{
    const char *c = p->text + p->at;
    if (c[0] == '{' && c[1] == '{')
        return placeholder(p);
    if (*c == '"')
        return quote(p);
    p->at += p->in_string && *c == '\\' && c[1] ? 2 : 1;
    return NULL;
}

static struct template_value sample_value(const void *arg, unsigned name)
{
    (void)arg, (void)name;
    return (struct template_value){ .kind = TEMPLATE_TEXT, .text = "x" };
}

/* The grammar does not depend on values. The sample is a letter that no number, word or escape can go on with. */
static const char *check_document(struct parser *p, size_t *at)
{
    struct buf sample = BUF(2 * TEMPLATE_MAX);
    struct json_value root;
    template_render(p->out, sample_value, NULL, &sample);
    const char *wrong = json_check(sample.data ? sample.data : "", sample.len, at, &root);
    buf_free(&sample);
    return wrong ? arena_printf(p->arena, "this is no JSON: %s", wrong) : NULL;
}

const char *template_parse(struct arena *a, const char *text, size_t len, const char *const *names, struct template **out, size_t *at)
{
    struct parser p = { .arena = a, .len = len, .names = names };
    *at = 0;
    if (len > TEMPLATE_MAX)
        return "it is too long";
    if (memchr(text, '\0', len))
        return "it holds a NUL";
    p.text = arena_copy_n(a, text, len);
    p.out = arena_alloc(a, sizeof *p.out);
    p.out->pieces = arena_alloc(a, TEMPLATE_PIECES * sizeof *p.out->pieces);
    const char *wrong = NULL;
    while (!wrong && p.at < p.len)
        wrong = step(&p);
    *at = p.at;
    if (p.at > p.len)
        p.at = p.len;
    if (!wrong)
        wrong = end_literal(&p);
    if (!wrong)
        wrong = check_document(&p, at);
    *out = wrong ? NULL : p.out;
    return wrong;
}

/* ---- rendering ---- */

void template_plain(const struct template_value *v, struct buf *out)
{
    if (v->kind == TEMPLATE_NUMBER)
        json_format_number(out, v->number);
    else if (v->kind == TEMPLATE_TEXT)
        buf_text(out, v->text ? v->text : "");
    else
        for (unsigned i = 0; i < v->count; i++)
            buf_printf(out, "%s%s", i ? ", " : "", v->texts[i]);
}

static void put_part(const struct template_value *v, struct buf *out)
{
    struct buf plain = BUF(VALUE_MAX), quoted = BUF(8 * VALUE_MAX);
    template_plain(v, &plain);
    struct json j = JSON(&quoted);
    json_text_n(&j, NULL, plain.data ? plain.data : "", plain.len);
    buf_add(out, quoted.data + 1, quoted.len - 2);
    buf_free(&plain);
    buf_free(&quoted);
}

static void put_value(const struct template_value *v, struct buf *out)
{
    struct json j = JSON(out);
    if (v->kind == TEMPLATE_NUMBER) {
        json_number(&j, NULL, v->number);
    } else if (v->kind == TEMPLATE_TEXT) {
        json_text(&j, NULL, v->text ? v->text : "");
    } else {
        json_open_array(&j, NULL);
        for (unsigned i = 0; i < v->count; i++)
            json_text(&j, NULL, v->texts[i]);
        json_close_array(&j);
    }
}

void template_render(const struct template *t, template_value_fn *value, const void *arg, struct buf *out)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct template_piece *p = &t->pieces[i];
        if (p->text) {
            buf_add(out, p->text, p->len);
            continue;
        }
        struct template_value v = value(arg, p->name);
        (p->in_string ? put_part : put_value)(&v, out);
    }
}
