/* Decoders of lists and of thresholds. */
#include <string.h>

#include "base/mem.h"
#include "config/opt_types.h"
#include "config/scalar.h"
#include "config/tree.h"

/* ---- lists -------------------------------------------------------------------------------------------------- */

static bool check_count(struct opt_scope *s, const struct vital_opt *row, const struct node *n, uint32_t count)
{
    if (opt_in_bounds(row, count))
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
        good &= text && (!row->words || opt_find_word(s, row, items[i], text) >= 0);
        if (text && (row->flags & VITAL_PATHNAME) && *text != '/')
            good = opt_refuse(s, row, items[i], "must be an absolute path, from '/'");
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
        if (!why && opt_has_bounds(row) && (!opt_in_bounds(row, (double)r.low) || !opt_in_bounds(row, (double)r.high)))
            why = "is outside of what makes sense here";
        out[(*count)++] = r;
    }
    mem_free(copy);
    return !why || opt_refuse(s, row, n, why);
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
    *percent = opt_is_percent(row, text);
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
    return !why || opt_refuse(s, row, n, why);
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
