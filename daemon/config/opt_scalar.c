/* Decoders of plain values. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/opt_types.h"
#include "config/regex.h"
#include "config/scalar.h"
#include "config/tree.h"

enum { SHOWN_MAX = 60 };

const char *opt_shown(struct opt_scope *s, const struct node *n)
{
    if (n->expanded)
        return "the variable's value";
    if (n->len > SHOWN_MAX)
        return arena_printf(s->arena, "\"%.*s...\"", SHOWN_MAX, n->text);
    return arena_printf(s->arena, "\"%s\"", n->text);
}

const char *opt_text(struct opt_scope *s, const struct vital_opt *row, const struct node *n)
{
    if (n->kind == NODE_SCALAR)
        return n->text;
    const char *wanted = opt_type_text(row->type);
    opt_fail(s, n, row, "expected a%s %s, not %s", strchr("aeiou", *wanted) ? "n" : "", wanted, node_kind_text(n));
    return NULL;
}

bool opt_refuse(struct opt_scope *s, const struct vital_opt *row, const struct node *n, const char *why)
{
    opt_fail(s, n, row, "%s: %s", opt_shown(s, n), why);
    return false;
}

bool opt_has_bounds(const struct vital_opt *row)
{
    return row->min || row->max;
}

/* max below min: there is no upper bound. */
bool opt_in_bounds(const struct vital_opt *row, double value)
{
    return !opt_has_bounds(row) || (value >= (double)row->min && (row->max < row->min || value <= (double)row->max));
}

static void bound_text(const struct vital_opt *row, int64_t bound, struct buf *out)
{
    if (row->type == VITAL_DURATION)
        opt_print_duration(row, &bound, out);
    else if (row->type == VITAL_SIZE)
        opt_print_size(row, &bound, out);
    else
        buf_printf(out, row->flags & VITAL_PERCENT ? "%lld%%" : "%lld", (long long)bound * (row->flags & VITAL_PERCENT ? 100 : 1));
}

/* `jitter: 5` asks for five times the interval, and means 5%. */
static bool forgot_percent(const struct vital_opt *row, const struct node *n, double value)
{
    return (row->flags & VITAL_PERCENT) && n->text && !n->expanded && !opt_is_percent(row, n->text) && opt_in_bounds(row, value / 100);
}

static bool check_bounds(struct opt_scope *s, const struct vital_opt *row, const struct node *n, double value)
{
    if (opt_in_bounds(row, value))
        return true;
    struct buf low = BUF(64), high = BUF(64);
    bound_text(row, row->min, &low);
    bound_text(row, row->max, &high);
    if (forgot_percent(row, n, value))
        opt_fail(s, n, row, "%s: must be from %s to %s, and a number without %% is a ratio: write %s%%", opt_shown(s, n), low.data, high.data, n->text);
    else if (row->max < row->min)
        opt_fail(s, n, row, "%s: must be at least %s", opt_shown(s, n), low.data);
    else
        opt_fail(s, n, row, "%s: must be from %s to %s", opt_shown(s, n), low.data, high.data);
    buf_free(&low);
    buf_free(&high);
    return false;
}

/* JSON writes durations in quotes, but never numbers or truth values. */
static const char *plain_text(struct opt_scope *s, const struct vital_opt *row, const struct node *n)
{
    const char *text = opt_text(s, row, n);
    if (text && n->quoted) {
        opt_refuse(s, row, n, "what stands in quotes is text: remove the quotes");
        return NULL;
    }
    return text;
}

bool opt_decode_bool(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const char *text = plain_text(s, row, n), *why = text ? scalar_bool(text, field) : NULL;
    return text && (!why || opt_refuse(s, row, n, why));
}

bool opt_decode_int(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    int64_t value = 0;
    const char *text = plain_text(s, row, n), *why = text ? scalar_int(text, &value) : NULL;
    if (!text || (why && !opt_refuse(s, row, n, why)) || !check_bounds(s, row, n, (double)value))
        return false;
    *(int64_t *)field = value;
    return true;
}

bool opt_is_percent(const struct vital_opt *row, const char *text)
{
    size_t len = strlen(text);
    return (row->flags & VITAL_PERCENT) && len && text[len - 1] == '%';
}

/* With VITAL_PERCENT, 5% is the ratio 0.05. */
bool opt_decode_number(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    double value = 0;
    const char *text = opt_text(s, row, n);
    if (!text)
        return false;
    bool percent = opt_is_percent(row, text);
    if (!percent && !plain_text(s, row, n))
        return false;
    const char *why = percent ? scalar_percent(text, &value) : scalar_number(text, &value);
    if (percent)
        value /= 100;
    if ((why && !opt_refuse(s, row, n, why)) || !check_bounds(s, row, n, value))
        return false;
    *(double *)field = value;
    return true;
}

static bool with_unit(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field,
                      const char *(*parse)(const char *, uint64_t *))
{
    uint64_t value = 0;
    const char *text = opt_text(s, row, n), *why = text ? parse(text, &value) : NULL;
    if (!text || (why && !opt_refuse(s, row, n, why)) || !check_bounds(s, row, n, (double)value))
        return false;
    *(uint64_t *)field = value;
    return true;
}

bool opt_decode_duration(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    return with_unit(s, row, n, field, scalar_duration);
}

bool opt_decode_size(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    return with_unit(s, row, n, field, scalar_size);
}

bool opt_decode_string(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const char *text = opt_text(s, row, n);
    if (!text)
        return false;
    if ((row->flags & VITAL_PATHNAME) && *text != '/')
        return opt_refuse(s, row, n, "must be an absolute path, from '/'");
    *(const char **)field = arena_copy(s->arena, text);
    return true;
}

static const char *word_name(const void *words, size_t i)
{
    return ((const char *const *)words)[i];
}

/* Its index, or -1 after a finding. */
int opt_find_word(struct opt_scope *s, const struct vital_opt *row, const struct node *n, const char *text)
{
    size_t count = 0;
    struct buf all = BUF(512);
    for (; row->words[count]; count++) {
        if (!strcmp(row->words[count], text)) {
            buf_free(&all);
            return (int)count;
        }
        buf_printf(&all, "%s%s", count ? ", " : "", row->words[count]);
    }
    const char *near = n->expanded || strlen(text) < 4 ? NULL : diag_nearest(text, word_name, row->words, count);
    if (near)
        opt_fail(s, n, row, "%s: did you mean %s? (one of: %s)", opt_shown(s, n), near, all.data);
    else
        opt_fail(s, n, row, "%s: must be one of: %s", opt_shown(s, n), all.data);
    buf_free(&all);
    return -1;
}

bool opt_decode_word(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const char *text = opt_text(s, row, n);
    int word = text ? opt_find_word(s, row, n, text) : -1;
    if (word >= 0)
        *(uint8_t *)field = (uint8_t)word;
    return word >= 0;
}

bool opt_decode_regex(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const char *text = opt_text(s, row, n);
    char *error = NULL;
    struct vital_regex *r = text ? regex_new(text, &error) : NULL;
    if (text && !r)
        opt_refuse(s, row, n, error);
    mem_free(error);
    if (r)
        *(const struct vital_regex **)field = r;
    return r;
}
