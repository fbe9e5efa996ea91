#include "base/diag.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { WORD_MAX_LEN = 48 };

void diag_vadd(struct diag *d, enum diag_level level, struct diag_place place, const char *fmt, va_list args)
{
    d->errors += level == DIAG_ERROR;
    d->warnings += level == DIAG_WARNING;
    if (d->count == DIAG_MAX) {
        d->dropped++;
        return;
    }
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : 8;
        d->items = mem_grow(d->items, d->room * sizeof *d->items);
    }
    struct buf text = BUF(4096);
    buf_vprintf(&text, fmt, args);
    place.file = mem_copy(place.file);
    d->items[d->count++] = (struct diag_finding){ level, place, buf_take(&text) };
}

void diag_add(struct diag *d, enum diag_level level, struct diag_place place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    diag_vadd(d, level, place, fmt, args);
    va_end(args);
}

static int by_place(const struct diag_finding *a, const struct diag_finding *b)
{
    int order = strcmp(a->place.file ? a->place.file : "", b->place.file ? b->place.file : "");
    if (!order)
        order = (a->place.line > b->place.line) - (a->place.line < b->place.line);
    if (!order)
        order = (a->place.column > b->place.column) - (a->place.column < b->place.column);
    return order;
}

/* Insertion sort: stable, and there are at most DIAG_MAX. */
void diag_sort(struct diag *d)
{
    for (size_t i = 1; i < d->count; i++) {
        struct diag_finding f = d->items[i];
        size_t j = i;
        for (; j > 0 && by_place(&d->items[j - 1], &f) > 0; j--)
            d->items[j] = d->items[j - 1];
        d->items[j] = f;
    }
}

void diag_print(const struct diag *d, struct buf *out)
{
    static const char *const words[] = { "note", "warning", "error" };
    for (size_t i = 0; i < d->count; i++) {
        const struct diag_finding *f = &d->items[i];
        if (f->place.file)
            buf_printf(out, "%s:", f->place.file);
        if (f->place.line)
            buf_printf(out, "%u:%u:", f->place.line, f->place.column);
        buf_printf(out, "%s%s: %s\n", f->place.file ? " " : "", words[f->level], f->text);
    }
    if (d->dropped)
        buf_printf(out, "... and %u more\n", d->dropped);
}

void diag_free(struct diag *d)
{
    for (size_t i = 0; i < d->count; i++) {
        mem_free((char *)(uintptr_t)d->items[i].place.file);
        mem_free(d->items[i].text);
    }
    mem_free(d->items);
    *d = (struct diag){ 0 };
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX_LEN + 1];
    size_t m = strlen(a), n = strlen(b);
    if (m > WORD_MAX_LEN || n > WORD_MAX_LEN)
        return WORD_MAX_LEN;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= m; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= n; j++) {
            unsigned above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

const char *diag_nearest(const char *word, const char *(*name)(const void *, size_t), const void *names, size_t count)
{
    const char *best = NULL;
    unsigned limit = (unsigned)strlen(word) / 3 + 1, nearest = limit + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned d = edit_distance(word, name(names, i));
        if (d < nearest) {
            nearest = d;
            best = name(names, i);
        }
    }
    return best;
}
