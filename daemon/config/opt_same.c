/* Comparing and printing decoded values. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/secret.h"
#include "config/conf.h"
#include "config/opt_types.h"
#include "config/regex.h"

/* ---- the same? ---------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same_secret(const struct vital_secret *a, const struct vital_secret *b)
{
    return a && b ? secret_equal(a, b) : a == b;
}

bool opt_same_bool(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    return *(const bool *)a == *(const bool *)b;
}

bool opt_same_int(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    return *(const int64_t *)a == *(const int64_t *)b;
}

bool opt_same_number(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    return *(const double *)a == *(const double *)b;
}

bool opt_same_word(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    return *(const uint8_t *)a == *(const uint8_t *)b;
}

bool opt_same_text(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    return same_text(*(const char *const *)a, *(const char *const *)b);
}

bool opt_same_secret(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    return same_secret(*(const struct vital_secret *const *)a, *(const struct vital_secret *const *)b);
}

bool opt_same_url(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_url *u = *(const struct vital_url *const *)a, *v = *(const struct vital_url *const *)b;
    if (!u || !v)
        return u == v;
    return same_text(u->scheme, v->scheme) && same_text(u->host, v->host) && same_text(u->port, v->port) && same_text(u->path, v->path) &&
           same_text(u->user, v->user) && same_text(u->unix_path, v->unix_path) && same_secret(u->password, v->password);
}

bool opt_same_regex(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_regex *r = *(const struct vital_regex *const *)a, *q = *(const struct vital_regex *const *)b;
    return r && q ? same_text(regex_pattern(r), regex_pattern(q)) : r == q;
}

bool opt_same_ranges(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_list *l = a, *m = b;
    return l->count == m->count && (!l->count || !memcmp(l->items, m->items, l->count * sizeof(struct vital_range)));
}

bool opt_same_threshold(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_threshold *t = a, *u = b;
    return t->set == u->set && t->percent == u->percent && t->enter == u->enter && t->leave == u->leave;
}

bool opt_same_tls(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_tls *t = *(const struct vital_tls *const *)a, *u = *(const struct vital_tls *const *)b;
    return t == u || (t && u && conf_hooks()->tls_same && conf_hooks()->tls_same(t, u));
}

bool opt_same_strings(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_list *l = a, *m = b;
    bool same = l->count == m->count;
    for (uint32_t i = 0; same && i < l->count; i++)
        same = same_text(((const char *const *)l->items)[i], ((const char *const *)m->items)[i]);
    return same;
}

bool opt_same_pairs(const struct vital_opt *row, const void *a, const void *b)
{
    (void)row;
    const struct vital_list *l = a, *m = b;
    const struct vital_pair *p = l->items, *q = m->items;
    bool same = l->count == m->count;
    for (uint32_t i = 0; same && i < l->count; i++)
        same = same_text(p[i].key, q[i].key) && same_secret(p[i].value, q[i].value);
    return same;
}

bool opt_same_block(const struct vital_opt *row, const void *a, const void *b)
{
    return opt_same(row->rows, a, b, 0);
}

bool opt_same_blocks(const struct vital_opt *row, const void *a, const void *b)
{
    const struct vital_list *l = a, *m = b;
    bool same = l->count == m->count;
    for (uint32_t i = 0; same && i < l->count; i++)
        same = opt_same(row->rows, (const char *)l->items + i * row->row_size, (const char *)m->items + i * row->row_size, 0);
    return same;
}

/* ---- printing ----------------------------------------------------------------------------------------------- */

void opt_print_bool(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    buf_text(out, *(const bool *)field ? "true" : "false");
}

void opt_print_int(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    buf_printf(out, "%lld", (long long)*(const int64_t *)field);
}

void opt_print_number(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    json_format_number(out, *(const double *)field);
}

/* The largest unit that divides it; unlike clock_span() this loses nothing. */
static void print_units(uint64_t value, const char *const *names, const uint64_t *factors, struct buf *out)
{
    unsigned i = 0;
    while (factors[i] > 1 && value % factors[i])
        i++;
    buf_printf(out, "%llu%s", (unsigned long long)(value / factors[i]), names[i]);
}

void opt_print_duration(const struct vital_opt *row, const void *field, struct buf *out)
{
    static const char *const names[] = { "d", "h", "m", "s", "ms", "us" };
    static const uint64_t factors[] = { 86400000000, 3600000000, 60000000, 1000000, 1000, 1 };
    (void)row;
    uint64_t value = *(const uint64_t *)field;
    if (value)
        print_units(value, names, factors, out);
    else
        buf_text(out, "0s");
}

void opt_print_size(const struct vital_opt *row, const void *field, struct buf *out)
{
    static const char *const names[] = { "TiB", "GiB", "MiB", "KiB", "B" };
    static const uint64_t factors[] = { UINT64_C(1) << 40, 1 << 30, 1 << 20, 1 << 10, 1 };
    (void)row;
    uint64_t value = *(const uint64_t *)field;
    if (value)
        print_units(value, names, factors, out);
    else
        buf_text(out, "0B");
}

void opt_print_string(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    const char *text = *(const char *const *)field;
    if (text)
        buf_text(out, text);
}

void opt_print_word(const struct vital_opt *row, const void *field, struct buf *out)
{
    buf_text(out, row->words[*(const uint8_t *)field]);
}

void opt_print_secret(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    if (*(const struct vital_secret *const *)field)
        buf_text(out, "***");
}

void opt_print_url(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    const struct vital_url *u = *(const struct vital_url *const *)field;
    if (u)
        buf_text(out, u->text);
}

void opt_print_regex(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    const struct vital_regex *r = *(const struct vital_regex *const *)field;
    if (r)
        buf_text(out, regex_pattern(r));
}

void opt_print_ranges(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    const struct vital_list *l = field;
    const struct vital_range *r = l->items;
    for (uint32_t i = 0; i < l->count; i++) {
        buf_printf(out, "%s%lld", i ? "," : "", (long long)r[i].low);
        if (r[i].high != r[i].low)
            buf_printf(out, "-%lld", (long long)r[i].high);
    }
}

static void print_threshold(const struct vital_opt *row, const struct vital_threshold *t, double value, struct buf *out)
{
    uint64_t whole = (uint64_t)value;
    if (t->percent)
        buf_printf(out, "%g%%", value);
    else if (row->flags & VITAL_IN_BYTES)
        opt_print_size(row, &whole, out);
    else if (row->flags & VITAL_IN_TIME)
        opt_print_duration(row, &whole, out);
    else
        json_format_number(out, value);
}

void opt_print_threshold(const struct vital_opt *row, const void *field, struct buf *out)
{
    const struct vital_threshold *t = field;
    if (t->set)
        print_threshold(row, t, t->enter, out);
}

void opt_print_strings(const struct vital_opt *row, const void *field, struct buf *out)
{
    (void)row;
    const struct vital_list *l = field;
    for (uint32_t i = 0; i < l->count; i++)
        buf_printf(out, "%s%s", i ? "," : "", ((const char *const *)l->items)[i]);
}
