#include "config/optdoc_form.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/modules.h"
#include "config/opt_types.h"

/* Where the type's name says too little. */
static const char *const notes[VITAL_TYPE_COUNT] = {
    [VITAL_BOOL] = "true or false",
    [VITAL_SECRET] = "secret: text, { file: PATH }, { env: NAME } or { credential: NAME }",
    [VITAL_URL] = "URL, also { file: PATH }, { env: NAME } or { credential: NAME }",
    [VITAL_ADDRESS] = "address: host:port, [v6]:port or unix:/path",
    [VITAL_RANGES] = "numbers and ranges like 200-299,304",
    [VITAL_TLS] = "true, false, auto (as the URL says), or a map",
    [VITAL_STRINGS] = "text, or a list of texts",
    [VITAL_PAIRS] = "map of names to secrets",
};

static void put_words(const struct vital_opt *row, struct buf *out)
{
    for (unsigned i = 0; row->words[i]; i++)
        buf_printf(out, "%s%s", i ? " | " : "", row->words[i]);
}

static void put_type(const struct vital_opt *row, struct buf *out)
{
    if (row->words)
        put_words(row, out);
    else if (row->type == VITAL_STRING && row->flags & VITAL_PATHNAME)
        buf_text(out, "absolute path");
    else if (row->type == VITAL_THRESHOLD)
        buf_printf(out, "%s%s, or { enter: ..., leave: ... }",
                   row->flags & VITAL_IN_BYTES ? "size" : row->flags & VITAL_IN_TIME ? "duration" : "number", row->flags & VITAL_PERCENT ? " or percentage" : "");
    else if (row->type == VITAL_NUMBER && row->flags & VITAL_PERCENT)
        buf_text(out, "percentage");
    else
        buf_text(out, notes[row->type] ? notes[row->type] : opt_type_text(row->type));
}

static void put_bound(const struct vital_opt *row, int64_t bound, struct buf *out)
{
    if (row->type == VITAL_DURATION)
        opt_print_duration(row, &bound, out);
    else if (row->type == VITAL_SIZE)
        opt_print_size(row, &bound, out);
    else if (row->type == VITAL_NUMBER && row->flags & VITAL_PERCENT)
        buf_printf(out, "%lld%%", (long long)bound * 100);
    else
        buf_printf(out, "%lld", (long long)bound);
}

static void put_bounds(const struct vital_opt *row, struct buf *out)
{
    bool counted = row->type == VITAL_STRINGS || row->type == VITAL_PAIRS || row->type == VITAL_BLOCKS;
    if (!row->min && !row->max)
        return;
    buf_text(out, counted ? ", elements from " : " from ");
    put_bound(row, row->min, out);
    if (row->max >= row->min) {
        buf_text(out, " to ");
        put_bound(row, row->max, out);
    }
}

void optdoc_form(const struct vital_opt *row, struct buf *out)
{
    put_type(row, out);
    put_bounds(row, out);
    if (row->flags & VITAL_REQUIRED)
        buf_text(out, ", required");
    if (row->def)
        buf_printf(out, ", default %s", row->def);
}

static int by_name(const void *a, const void *b)
{
    const struct vital_module *const *m = a, *const *n = b;
    return strcmp((*m)->name, (*n)->name);
}

size_t optdoc_modules(const struct vital_module **out)
{
    size_t count = modules_all(out, DOC_MODULES_MAX);
    qsort(out, count, sizeof(const struct vital_module *), by_name);
    return count;
}
