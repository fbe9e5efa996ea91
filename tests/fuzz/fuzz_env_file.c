/* Files of variables: whatever is in them, names are names, findings show no value, and what was read can be written in quotes and
 * read again. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/mem.h"
#include "config/environ.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void check_findings(const struct diag *d, unsigned lines)
{
    for (size_t i = 0; i < d->count; i++) {
        require(d->items[i].place.line >= 1 && d->items[i].place.line <= lines);
        require(strlen(d->items[i].text) < 600);
    }
}

static void write_quoted(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "export %s = \"", name);
    for (; *value; value++) {
        if (strchr("\\\"$", *value))
            buf_char(out, '\\');
        buf_char(out, *value);
    }
    buf_text(out, "\"  # a remark\n");
}

/* The index knows the names by their place only, so they are found by parsing the same text. */
static void check_again(const struct environment *first, struct buf *text)
{
    struct arena *a = arena_new();
    struct environment again = { .arena = a };
    struct diag d = { 0 };
    environ_parse(&again, "again", arena_copy_n(a, text->data, text->len), text->len, &d);
    require(d.errors == 0 && again.count == first->count);
    for (uint32_t i = 0; i < first->count; i++)
        require(!strcmp(first->values[i], again.values[i]));
    diag_free(&d);
    arena_free(a);
}

static void write_all(const struct environment *env, struct buf *out)
{
    for (uint32_t slot = 0; slot < env->index.room; slot++) {
        const char *name = env->index.slots[slot].text;
        require(!name || (*name && !isdigit((unsigned char)*name)));
    }
    for (uint32_t i = 0; i < env->count; i++)
        for (uint32_t slot = 0; slot < env->index.room; slot++)
            if (env->index.slots[slot].text && env->index.slots[slot].value == i)
                write_quoted(out, env->index.slots[slot].text, env->values[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    struct environment env = { .arena = a };
    struct diag d = { 0 };
    struct buf out = BUF(1 << 20);
    unsigned lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    environ_parse(&env, "fuzz", arena_copy_n(a, (const char *)data, size), size, &d);
    check_findings(&d, lines);
    if (env.count && env.count < 64) {
        write_all(&env, &out);
        if (!out.over)
            check_again(&env, &out);
    }
    buf_free(&out);
    diag_free(&d);
    arena_free(a);
    return 0;
}
