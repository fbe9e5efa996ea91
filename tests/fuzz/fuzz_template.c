/* Templates of webhooks: whatever one says, it is refused or yields JSON, and whatever values are put into it, the JSON has
 * the same shape as with harmless ones. The input is the template, a NUL, and the hostile value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "text", "number", "texts", NULL };

static struct template_value value(const void *text, unsigned name)
{
    const char *const *one = text;
    const struct template_value all[] = {
        { .kind = TEMPLATE_TEXT, .text = *one },
        { .kind = TEMPLATE_NUMBER, .number = (double)strlen(*one) / 3 },
        { .kind = TEMPLATE_TEXTS, .texts = one, .count = 1 },
    };
    return all[name];
}

/* What is left when every string and number is one letter. */
static void shape(const struct json_value *v, struct buf *out)
{
    struct json_value key, member;
    size_t cursor = 0;
    buf_char(out, "?nbds[{"[v->kind]);
    if (v->kind != JSON_ARRAY && v->kind != JSON_OBJECT)
        return;
    while (json_next(v, &cursor, &key, &member)) {
        if (v->kind == JSON_OBJECT)
            buf_add(out, key.start, key.len);
        shape(&member, out);
    }
    buf_char(out, v->kind == JSON_ARRAY ? ']' : '}');
}

static void render(const struct template *t, const char *text, struct buf *shaped)
{
    struct buf out = BUF(64 << 20);
    struct json_value root;
    size_t at;
    template_render(t, value, &text, &out);
    if (out.over || json_check(out.data, out.len, &at, &root))
        abort();
    shape(&root, shaped);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
    size_t len = nul ? (size_t)(nul - data) : size, at;
    char *hostile = mem_copy_n(nul ? (const char *)nul + 1 : "\",\"x\":[\\", nul ? size - len - 1 : 8);
    struct arena *arena = arena_new();
    struct template *t;
    if (!template_parse(arena, (const char *)data, len, names, &t, &at)) {
        struct buf benign = BUF(1 << 20), other = BUF(1 << 20);
        render(t, "x", &benign);
        render(t, hostile, &other);
        if (benign.len != other.len || memcmp(benign.data, other.data, benign.len) != 0)
            abort();
        buf_free(&benign);
        buf_free(&other);
    }
    arena_free(arena);
    mem_free(hostile);
    return 0;
}
