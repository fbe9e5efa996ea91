#include "config/opt.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/conf.h"
#include "config/opt_types.h"
#include "config/regex.h"
#include "config/tree.h"
#include "config/yaml.h"

#define SIMPLE(word, ctype, decoder, comparer, printer) { word, sizeof(ctype), decoder, comparer, printer, NULL }

static void release_regex(const struct vital_opt *, void *);
static void release_tls(const struct vital_opt *, void *);
static void release_block(const struct vital_opt *, void *);
static void release_blocks(const struct vital_opt *, void *);

const struct opt_type opt_types[VITAL_TYPE_COUNT] = {
    [VITAL_BOOL] = SIMPLE("boolean", bool, opt_decode_bool, opt_same_bool, opt_print_bool),
    [VITAL_INT] = SIMPLE("whole number", int64_t, opt_decode_int, opt_same_int, opt_print_int),
    [VITAL_NUMBER] = SIMPLE("number", double, opt_decode_number, opt_same_number, opt_print_number),
    [VITAL_DURATION] = SIMPLE("duration", uint64_t, opt_decode_duration, opt_same_int, opt_print_duration),
    [VITAL_SIZE] = SIMPLE("size", uint64_t, opt_decode_size, opt_same_int, opt_print_size),
    [VITAL_STRING] = SIMPLE("text", const char *, opt_decode_string, opt_same_text, opt_print_string),
    [VITAL_WORD] = SIMPLE("word", uint8_t, opt_decode_word, opt_same_word, opt_print_word),
    [VITAL_SECRET] = SIMPLE("secret", void *, opt_decode_secret, opt_same_secret, opt_print_secret),
    [VITAL_URL] = SIMPLE("URL", void *, opt_decode_url, opt_same_url, opt_print_url),
    [VITAL_ADDRESS] = SIMPLE("address", void *, opt_decode_address, opt_same_url, opt_print_url),
    [VITAL_REGEX] = { "regular expression", sizeof(void *), opt_decode_regex, opt_same_regex, opt_print_regex, release_regex },
    [VITAL_RANGES] = SIMPLE("list of ranges", struct vital_list, opt_decode_ranges, opt_same_ranges, opt_print_ranges),
    [VITAL_THRESHOLD] = SIMPLE("threshold", struct vital_threshold, opt_decode_threshold, opt_same_threshold, opt_print_threshold),
    [VITAL_TLS] = { "tls", sizeof(void *), opt_decode_tls, opt_same_tls, NULL, release_tls },
    [VITAL_STRINGS] = SIMPLE("list of text", struct vital_list, opt_decode_strings, opt_same_strings, opt_print_strings),
    [VITAL_PAIRS] = SIMPLE("map of secrets", struct vital_list, opt_decode_pairs, opt_same_pairs, NULL),
    [VITAL_BLOCK] = { "map", 0, opt_decode_block, opt_same_block, NULL, release_block },
    [VITAL_BLOCKS] = { "list of maps", sizeof(struct vital_list), opt_decode_blocks, opt_same_blocks, NULL, release_blocks },
};

const char *opt_type_text(unsigned type)
{
    return type < VITAL_TYPE_COUNT ? opt_types[type].text : "?";
}

static struct conf_hooks hooks_now;

const struct conf_hooks *conf_hooks(void)
{
    return &hooks_now;
}

void conf_set_hooks(const struct conf_hooks *h)
{
    hooks_now = *h;
}

static void *field_of(const struct vital_opt *row, const void *data)
{
    return (char *)(uintptr_t)data + row->offset;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

const struct vital_opt *opt_row(const struct vital_opt *rows, const char *name)
{
    for (; rows->name; rows++)
        if (!strcmp(rows->name, name))
            return rows;
    return NULL;
}

const struct vital_opt *opt_bare(const struct vital_opt *rows)
{
    for (; rows->name; rows++)
        if (rows->flags & VITAL_BARE)
            return rows;
    return NULL;
}

struct node *opt_unfold(struct arena *a, const struct vital_opt *rows, struct node *value)
{
    const struct vital_opt *bare = opt_bare(rows);
    if (value->kind == NODE_MAP || (value->kind != NODE_NULL && !bare))
        return value;
    struct node *map = node_map(a, value->place);
    if (value->kind != NODE_NULL)
        map_put(a, map, bare->name, value->place, value);
    return map;
}

/* ---- findings ----------------------------------------------------------------------------------------------- */

void opt_fail(struct opt_scope *s, const struct node *n, const struct vital_opt *row, const char *fmt, ...)
{
    struct buf text = BUF(2048);
    va_list args;
    if (n->broken)
        return;
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    diag_add(s->diag, DIAG_ERROR, n->place, "`%s`: %s", row->name, text.data);
    buf_free(&text);
}

struct known { const struct vital_opt *rows; size_t row_count; const char *const *also; };

static const char *known_name(const void *names, size_t i)
{
    const struct known *k = names;
    return i < k->row_count ? k->rows[i].name : k->also[i - k->row_count];
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return len > 0;
    return false;
}

/* The row for what others call it, also one in a map of these rows: "tls: { ca: ... }". False: there is none. */
static bool called_otherwise(const struct vital_opt *rows, const char *key, struct buf *name)
{
    for (const struct vital_opt *row = rows; row->name; row++) {
        if (has_word(row->also, key)) {
            buf_text(name, row->name);
            return true;
        }
        for (const struct vital_opt *in = row->type == VITAL_BLOCK ? row->rows : NULL; in && in->name; in++)
            if (has_word(in->also, key)) {
                buf_printf(name, "%s: { %s: ... }", row->name, in->name);
                return true;
            }
    }
    return false;
}

void opt_unknown(struct opt_scope *s, const struct entry *e, const char *what, const struct vital_opt *rows)
{
    struct known k = { .rows = rows, .also = s->also };
    while (rows[k.row_count].name)
        k.row_count++;
    size_t count = k.row_count;
    while (s->also && s->also[count - k.row_count])
        count++;
    struct buf other = BUF(256);
    const char *near = called_otherwise(rows, e->key, &other) ? other.data : diag_nearest(e->key, known_name, &k, count);
    if (near)
        diag_add(s->diag, DIAG_ERROR, e->place, "%s has no option `%s`: did you mean `%s`?", what, e->key, near);
    else
        diag_add(s->diag, DIAG_ERROR, e->place, "%s has no option `%s`: `vitald --dump-options=yaml` lists them", what, e->key);
    buf_free(&other);
}

/* ---- a map -------------------------------------------------------------------------------------------------- */

static bool set_default(struct opt_scope *s, const struct vital_opt *row, void *data)
{
    if (row->type == VITAL_BLOCK && !row->def)
        return opt_defaults(s, row->rows, field_of(row, data));
    if (!row->def)
        return true;
    if (row->type == VITAL_STRING) { /* as it stands: a row lives as long as the program */
        *(const char **)field_of(row, data) = row->def;
        return true;
    }
    struct diag_place nowhere = { 0 };
    struct arena *scratch = arena_new();
    struct node *n = strchr("[{", *row->def) && *row->def ? yaml_parse(scratch, NULL, row->def, strlen(row->def), s->diag)
                                                          : node_scalar(scratch, nowhere, row->def, strlen(row->def), false);
    bool good = n && opt_types[row->type].decode(s, row, n, field_of(row, data));
    arena_free(scratch);
    return good;
}

bool opt_defaults(struct opt_scope *s, const struct vital_opt *rows, void *data)
{
    bool good = true;
    for (; rows->name; rows++)
        good &= set_default(s, rows, data);
    return good;
}

static bool decode_entry(struct opt_scope *s, const struct vital_opt *row, const struct node *n, void *data)
{
    if (n->kind == NODE_NULL && n->blank) {
        opt_fail(s, n, row, "has no value: write one, or remove the line");
        return false;
    }
    if (n->kind == NODE_NULL) {
        memset(field_of(row, data), 0, opt_types[row->type].size ? opt_types[row->type].size : row->row_size);
        return set_default(s, row, data);
    }
    return opt_types[row->type].decode(s, row, n, field_of(row, data));
}

/* One of two passes over a map: TLS rows come in the second one, for `auto` looks at the URL beside them. */
struct pass {
    const struct node *map;
    const char *what;
    const struct vital_opt *rows;
    void *data;
    uint64_t given;
    bool tls;
};

static bool is_of(const struct pass *p, const struct vital_opt *row)
{
    return (row->type == VITAL_TLS) == p->tls;
}

/* ~ brings the default back: where there can be none, it is as if nothing stood there. */
static bool is_taken_back(const struct vital_opt *row, const struct node *n)
{
    return row->flags & VITAL_REQUIRED && n->kind == NODE_NULL && !n->blank;
}

static bool decode_given(struct opt_scope *s, struct pass *p)
{
    bool good = true;
    MAP_EACH(e, p->map) {
        const struct vital_opt *row = opt_row(p->rows, e->key);
        if (row && is_of(p, row)) {
            p->given |= (uint64_t)!is_taken_back(row, e->value) << (row - p->rows);
            good &= decode_entry(s, row, e->value, p->data);
        } else if (!row && !p->tls && (!s->elsewhere || !s->elsewhere(s->arg, e))) {
            opt_unknown(s, e, p->what, p->rows);
            good = false;
        }
    }
    return good;
}

static bool decode_absent(struct opt_scope *s, const struct pass *p)
{
    bool good = true;
    for (unsigned i = 0; p->rows[i].name; i++) {
        if (p->given >> i & 1 || !is_of(p, &p->rows[i]))
            continue;
        if (p->rows[i].flags & VITAL_REQUIRED) {
            diag_add(s->diag, DIAG_ERROR, p->map->place, "%s needs `%s` (%s)", p->what, p->rows[i].name, p->rows[i].help);
            good = false;
        } else {
            good &= set_default(s, &p->rows[i], p->data);
        }
    }
    return good;
}

bool opt_override(struct opt_scope *s, const struct node *map, const char *what, const struct vital_opt *rows, void *data)
{
    struct pass plain = { .map = map, .what = what, .rows = rows, .data = data }, tls = plain;
    tls.tls = true;
    bool good = decode_given(s, &plain);
    return decode_given(s, &tls) && good;
}

bool opt_decode(struct opt_scope *s, const struct node *map, const char *what, const struct vital_opt *rows, void *data)
{
    if (map->kind != NODE_MAP) {
        diag_add(s->diag, DIAG_ERROR, map->place, "%s must be a map of options, not %s", what, node_kind_text(map));
        return false;
    }
    const char *outer = s->scheme;
    bool good = true;
    s->scheme = NULL;
    for (unsigned i = 0; i < 2; i++) {
        struct pass p = { .map = map, .what = what, .rows = rows, .data = data, .tls = i == 1 };
        good &= decode_given(s, &p);
        good &= decode_absent(s, &p);
    }
    s->scheme = outer;
    return good;
}

/* ---- the decoded struct ------------------------------------------------------------------------------------- */

bool opt_same(const struct vital_opt *rows, const void *a, const void *b, unsigned flags)
{
    for (; rows->name; rows++)
        if ((rows->flags & flags) == flags && !opt_types[rows->type].same(rows, field_of(rows, a), field_of(rows, b)))
            return false;
    return true;
}

void opt_release(const struct vital_opt *rows, void *data)
{
    for (; rows->name; rows++)
        if (opt_types[rows->type].release)
            opt_types[rows->type].release(rows, field_of(rows, data));
}

void opt_print(const struct vital_opt *row, const void *field, struct buf *out)
{
    if (opt_types[row->type].print)
        opt_types[row->type].print(row, field, out);
}

void opt_target(const struct vital_opt *rows, const void *data, struct buf *out)
{
    for (; rows->name; rows++) {
        if (!(rows->flags & VITAL_TARGET))
            continue;
        struct buf one = BUF(512);
        opt_print(rows, field_of(rows, data), &one);
        if (one.len)
            buf_printf(out, "%s%s", out->len ? " " : "", one.data);
        buf_free(&one);
    }
}

void opt_free_secrets(struct opt_scope *s)
{
    for (uint32_t i = 0; i < s->secret_count; i++)
        secret_free(s->secrets[i]);
    mem_free(s->secrets);
    s->secrets = NULL;
    s->secret_count = s->secret_room = 0;
}

static void release_regex(const struct vital_opt *row, void *field)
{
    (void)row;
    regex_free(*(const struct vital_regex **)field);
}

static void release_tls(const struct vital_opt *row, void *field)
{
    (void)row;
    const struct vital_tls *tls = *(const struct vital_tls **)field;
    if (tls && hooks_now.tls_release)
        hooks_now.tls_release(tls);
}

static void release_block(const struct vital_opt *row, void *field)
{
    opt_release(row->rows, field);
}

static void release_blocks(const struct vital_opt *row, void *field)
{
    const struct vital_list *l = field;
    for (uint32_t i = 0; i < l->count; i++)
        opt_release(row->rows, (char *)(uintptr_t)l->items + i * row->row_size);
}
