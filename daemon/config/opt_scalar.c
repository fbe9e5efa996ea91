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
    opt_fail(s, n, row, "expected a %s, not %s", opt_type_text(row->type), node_kind_text(n));
    return NULL;
}

static bool refuse(struct opt_scope *s, const struct vital_opt *row, const struct node *n, const char *why)
{
    opt_fail(s, n, row, "%s: %s", opt_shown(s, n), why);
    return false;
}

static bool has_bounds(const struct vital_opt *row)
{
    return row->min || row->max;
}

/* max below min: there is no upper bound. */
static bool in_bounds(const struct vital_opt *row, double value)
{
    return !has_bounds(row) || (value >= (double)row->min && (row->max < row->min || value <= (double)row->max));
}

static void bound_text(const struct vital_opt *row, int64_t bound, struct buf *out)
{
    if (row->type == VITAL_DURATION)
        opt_print_duration(row, &bound, out);
    else if (row->type == VITAL_SIZE)
        opt_print_size(row, &bound, out);
    else
        buf_printf(out, "%lld", (long long)bound);
}

static bool check_bounds(struct opt_scope *s, const struct vital_opt *row, const struct node *n, double value)
{
    if (in_bounds(row, value))
        return true;
    struct buf low = BUF(64), high = BUF(64);
    bound_text(row, row->min, &low);
    bound_text(row, row->max, &high);
    if (row->max < row->min)
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
        refuse(s, row, n, "what stands in quotes is text: remove the quotes");
        return NULL;
    }
    return text;
}

bool opt_decode_bool(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const char *text = plain_text(s, row, n), *why = text ? scalar_bool(text, field) : NULL;
    return text && (!why || refuse(s, row, n, why));
}

bool opt_decode_int(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    int64_t value = 0;
    const char *text = plain_text(s, row, n), *why = text ? scalar_int(text, &value) : NULL;
    if (!text || (why && !refuse(s, row, n, why)) || !check_bounds(s, row, n, (double)value))
        return false;
    *(int64_t *)field = value;
    return true;
}

static bool is_percent(const struct vital_opt *row, const char *text)
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
    bool percent = is_percent(row, text);
    if (!percent && !plain_text(s, row, n))
        return false;
    const char *why = percent ? scalar_percent(text, &value) : scalar_number(text, &value);
    if (percent)
        value /= 100;
    if ((why && !refuse(s, row, n, why)) || !check_bounds(s, row, n, value))
        return false;
    *(double *)field = value;
    return true;
}

static bool with_unit(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field,
                      const char *(*parse)(const char *, uint64_t *))
{
    uint64_t value = 0;
    const char *text = opt_text(s, row, n), *why = text ? parse(text, &value) : NULL;
    if (!text || (why && !refuse(s, row, n, why)) || !check_bounds(s, row, n, (double)value))
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
        return refuse(s, row, n, "must be an absolute path, from '/'");
    *(const char **)field = arena_copy(s->arena, text);
    return true;
}

static const char *word_name(const void *words, size_t i)
{
    return ((const char *const *)words)[i];
}

/* Its index, or -1 after a finding. */
static int find_word(struct opt_scope *s, const struct vital_opt *row, const struct node *n, const char *text)
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
    int word = text ? find_word(s, row, n, text) : -1;
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
        refuse(s, row, n, error);
    mem_free(error);
    if (r)
        *(const struct vital_regex **)field = r;
    return r;
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

static bool check_count(struct opt_scope *s, const struct vital_opt *row, const struct node *n, uint32_t count)
{
    if (in_bounds(row, count))
        return true;
    if (row->max < row->min)
        opt_fail(s, n, row, "has %u elements, must have at least %lld", count, (long long)row->min);
    else
        opt_fail(s, n, row, "has %u elements, must have from %lld to %lld", count, (long long)row->min, (long long)row->max);
    return false;
}

bool opt_decode_strings(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    const struct node *const one[] = { n };
    const struct node *const *items = n->kind == NODE_LIST ? (const struct node *const *)n->items : one;
    uint32_t count = n->kind == NODE_LIST ? n->count : 1;
    const char **texts = arena_alloc(s->arena, (count + 1) * sizeof *texts);
    bool good = check_count(s, row, n, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *text = opt_text(s, row, items[i]);
        good &= text && (!row->words || find_word(s, row, items[i], text) >= 0);
        if (text && (row->flags & VITAL_PATHNAME) && *text != '/')
            good = refuse(s, row, items[i], "must be an absolute path, from '/'");
        texts[i] = text ? arena_copy(s->arena, text) : "";
    }
    *(struct vital_list *)field = (struct vital_list){ texts, count };
    return good;
}

static const char *parse_range(char *part, struct vital_range *r)
{
    char *dash = strchr(part + 1, '-');
    if (dash)
        *dash = '\0';
    const char *why = scalar_int(part, &r->low);
    r->high = r->low;
    if (!why && dash)
        why = scalar_int(dash + 1, &r->high);
    return why ? "expected numbers and ranges like 200-299,304" : r->low > r->high ? "a range goes from the lower to the higher number" : NULL;
}

static bool add_ranges(struct opt_scope *s, const struct vital_opt *row, const struct node *n, struct vital_range *out, uint32_t *count)
{
    const char *text = opt_text(s, row, n);
    if (!text)
        return false;
    char *copy = mem_copy(text), *rest = copy;
    const char *why = *text ? NULL : "is empty";
    for (char *part = strsep(&rest, ","); part && !why; part = strsep(&rest, ",")) {
        struct vital_range r = { 0, 0 };
        while (*part == ' ')
            part++;
        why = parse_range(part, &r);
        if (!why && has_bounds(row) && (!in_bounds(row, (double)r.low) || !in_bounds(row, (double)r.high)))
            why = "is outside of what makes sense here";
        out[(*count)++] = r;
    }
    mem_free(copy);
    return !why || refuse(s, row, n, why);
}

static uint32_t most_ranges(const struct node *n)
{
    uint32_t most = 1;
    if (n->kind == NODE_LIST)
        for (uint32_t i = 0; i < n->count; i++)
            most += most_ranges(n->items[i]);
    else if (n->kind == NODE_SCALAR)
        for (const char *comma = strchr(n->text, ','); comma; comma = strchr(comma + 1, ','))
            most++;
    return most;
}

bool opt_decode_ranges(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    struct vital_range *ranges = arena_alloc(s->arena, most_ranges(n) * sizeof *ranges);
    uint32_t count = 0;
    bool good = true;
    if (n->kind != NODE_LIST)
        good = add_ranges(s, row, n, ranges, &count);
    for (uint32_t i = 0; n->kind == NODE_LIST && i < n->count; i++)
        good &= add_ranges(s, row, n->items[i], ranges, &count);
    *(struct vital_list *)field = (struct vital_list){ ranges, count };
    return good;
}

/* ---- thresholds --------------------------------------------------------------------------------------------- */

static bool threshold_value(struct opt_scope *s, const struct vital_opt *row, const struct node *n, double *value, bool *percent)
{
    const char *text = opt_text(s, row, n), *why;
    uint64_t whole = 0;
    if (!text)
        return false;
    *percent = is_percent(row, text);
    if (*percent) {
        why = scalar_percent(text, value);
    } else if (row->flags & (VITAL_IN_BYTES | VITAL_IN_TIME)) {
        why = row->flags & VITAL_IN_BYTES ? scalar_size(text, &whole) : scalar_duration(text, &whole);
        if (why && (row->flags & VITAL_PERCENT))
            why = row->flags & VITAL_IN_BYTES ? "expected a size like 2GiB or a percentage like 15%" : "expected a duration like 10s or a percentage like 15%";
        *value = (double)whole;
    } else {
        why = scalar_number(text, value);
        if (why && (row->flags & VITAL_PERCENT))
            why = "expected a percentage like 15%, or a number";
    }
    return !why || refuse(s, row, n, why);
}

static bool ends_in(const char *text, const char *tail)
{
    size_t n = strlen(text), m = strlen(tail);
    return n >= m && !strcmp(text + n - m, tail);
}

static bool wrong_way(struct opt_scope *s, const struct vital_opt *row, const struct node *n, const struct vital_threshold *t)
{
    if (ends_in(row->name, "_below") && t->leave < t->enter)
        opt_fail(s, n, row, "`leave` must not be below `enter`: the alarm begins below `enter` and ends at `leave` or above");
    else if (ends_in(row->name, "_above") && t->leave > t->enter)
        opt_fail(s, n, row, "`leave` must not be above `enter`: the alarm begins above `enter` and ends at `leave` or below");
    else
        return false;
    return true;
}

static bool threshold_map(struct opt_scope *s, const struct vital_opt *row, const struct node *n, struct vital_threshold *t)
{
    const struct node *enter = map_find(n, "enter"), *leave = map_find(n, "leave");
    bool leave_percent = false, good = true;
    MAP_EACH(e, n)
        if (strcmp(e->key, "enter") != 0 && strcmp(e->key, "leave") != 0) {
            opt_fail(s, n, row, "has no option `%s`: a threshold is a value, or { enter: ..., leave: ... }", e->key);
            good = false;
        }
    if (!enter || !leave) {
        opt_fail(s, n, row, "needs both `enter` and `leave`");
        return false;
    }
    good &= threshold_value(s, row, enter, &t->enter, &t->percent);
    good &= threshold_value(s, row, leave, &t->leave, &leave_percent);
    if (good && t->percent != leave_percent) {
        opt_fail(s, n, row, "`enter` and `leave` must both be percentages or both not");
        good = false;
    }
    return good && !wrong_way(s, row, n, t);
}

bool opt_decode_threshold(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *field)
{
    struct vital_threshold t = { .set = true };
    bool good = n->kind == NODE_MAP ? threshold_map(s, row, n, &t) : threshold_value(s, row, n, &t.enter, &t.percent);
    if (n->kind != NODE_MAP)
        t.leave = t.enter;
    if (good)
        *(struct vital_threshold *)field = t;
    return good;
}
