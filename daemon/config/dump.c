/* The configuration in force, as a file that could be loaded again: variables filled in, files merged, defaults written
 * out. Redaction follows the option rows, so it cannot forget a secret; where one comes from is shown. */
#include <ctype.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/build.h"
#include "config/opt_types.h"
#include "config/tree.h"

struct dumper {
    struct buf *out;
    unsigned depth;
};

static void dump_rows(struct dumper *, const struct node *map, const struct vital_opt *rows);

/* ---- scalars ------------------------------------------------------------------------------------------------ */

static bool is_plain(const char *text)
{
    static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i]))
            return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_./%+", *c) && (*c != '-' || c == text))
            return false;
    return *text && *text != '%' && *text != '.';
}

/* A dollar is doubled, for this will be read again. */
static void quote(struct buf *out, const char *text)
{
    buf_char(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_text(out, c == '$' ? "$$" : (char[]){ (char)c, '\0' });
    }
    buf_char(out, '"');
}

/* `typed`: true, 5 and 10s must stay what they are; as text they would be quoted. */
static void put_text(struct dumper *d, const char *text, bool typed)
{
    if (is_plain(text) || (typed && (!strcmp(text, "true") || !strcmp(text, "false") || (*text == '-' && is_plain(text + 1)))))
        buf_text(d->out, text);
    else
        quote(d->out, text);
}

static void put_key(struct dumper *d, const char *key)
{
    buf_printf(d->out, "%*s", (int)d->depth * 2, "");
    put_text(d, key, false);
    buf_char(d->out, ':');
}

/* The password of a URL, and what its query should not show. */
static const char *redact_url(struct arena *a, const char *text)
{
    const char *start = strstr(text, "://"), *at = start ? strpbrk(start + 3, "@/?#") : NULL;
    const char *colon = at && *at == '@' ? memchr(start + 3, ':', (size_t)(at - start) - 3) : NULL;
    const char *query = strchr(text, '?'), *rest = colon ? at : text;
    struct buf out = BUF(16384);
    if (colon)
        buf_printf(&out, "%.*s:***", (int)(colon - text), text);
    buf_add(&out, rest, query ? (size_t)(query - rest) : strlen(rest));
    if (query)
        opt_redact_query(query + 1, &out);
    const char *kept = arena_copy(a, out.data ? out.data : "");
    buf_free(&out);
    return kept;
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static void put_node(struct dumper *d, const struct node *n, bool secret);

static void put_map(struct dumper *d, const struct node *map, bool secret)
{
    d->depth++;
    buf_char(d->out, '\n');
    MAP_EACH(e, map) {
        put_key(d, e->key);
        put_node(d, e->value, secret);
    }
    d->depth--;
}

static void put_list(struct dumper *d, const struct node *list, bool secret)
{
    buf_text(d->out, " [");
    for (uint32_t i = 0; i < list->count; i++) {
        buf_text(d->out, i ? ", " : "");
        put_text(d, secret || list->items[i]->kind != NODE_SCALAR ? "***" : list->items[i]->text, !list->items[i]->quoted);
    }
    buf_text(d->out, "]\n");
}

/* Without a row; as a secret when nobody can say that it is none. */
static void put_node(struct dumper *d, const struct node *n, bool secret)
{
    if (n->kind == NODE_MAP && map_next(n, NULL)) {
        put_map(d, n, secret);
    } else if (n->kind == NODE_LIST) {
        put_list(d, n, secret);
    } else {
        buf_char(d->out, ' ');
        if (n->kind == NODE_SCALAR)
            put_text(d, secret ? "***" : n->text, !n->quoted);
        else
            buf_text(d->out, n->kind == NODE_MAP ? "{}" : "~");
        buf_char(d->out, '\n');
    }
}

static void put_secret(struct dumper *d, const struct vital_opt *row, const struct node *n)
{
    (void)row;
    put_node(d, n, n->kind != NODE_MAP); /* a map says where it comes from */
}

static void put_pairs(struct dumper *d, const struct vital_opt *row, const struct node *n)
{
    d->depth++;
    buf_text(d->out, map_next(n, NULL) ? "\n" : " {}\n");
    MAP_EACH(e, n) {
        put_key(d, e->key);
        put_secret(d, row, e->value);
    }
    d->depth--;
}

static void put_url(struct dumper *d, const struct vital_opt *row, const struct node *n)
{
    struct arena *scratch = arena_new();
    struct node shown = *n;
    (void)row;
    if (n->kind == NODE_SCALAR)
        shown.text = redact_url(scratch, n->text);
    put_node(d, &shown, false);
    arena_free(scratch);
}

static void put_block(struct dumper *d, const struct vital_opt *row, const struct node *n)
{
    if (n->kind != NODE_MAP) {
        put_node(d, n, false);
        return;
    }
    d->depth++;
    buf_char(d->out, '\n');
    dump_rows(d, n, row->type == VITAL_TLS ? opt_tls_rows : row->rows);
    d->depth--;
}

static void put_blocks(struct dumper *d, const struct vital_opt *row, const struct node *n)
{
    const struct node *const one[] = { n };
    const struct node *const *items = n->kind == NODE_LIST ? (const struct node *const *)n->items : one;
    uint32_t count = n->kind == NODE_LIST ? n->count : 1;
    struct arena *scratch = arena_new();
    buf_text(d->out, count ? "\n" : " []\n");
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(d->out, "%*s-", (int)(d->depth + 1) * 2, "");
        d->depth++;
        put_block(d, row, opt_unfold(scratch, row->rows, (struct node *)(uintptr_t)items[i]));
        d->depth--;
    }
    arena_free(scratch);
}

static void put_value(struct dumper *d, const struct vital_opt *row, const struct node *n)
{
    static void (*const special[VITAL_TYPE_COUNT])(struct dumper *, const struct vital_opt *, const struct node *) = {
        [VITAL_SECRET] = put_secret, [VITAL_PAIRS] = put_pairs,   [VITAL_URL] = put_url,
        [VITAL_TLS] = put_block,     [VITAL_BLOCK] = put_block,   [VITAL_BLOCKS] = put_blocks,
    };
    if (special[row->type])
        special[row->type](d, row, n);
    else
        put_node(d, n, false);
}

static void put_default(struct dumper *d, const struct vital_opt *row)
{
    struct node nothing = { .kind = NODE_MAP };
    if (row->type == VITAL_BLOCK && !row->def) {
        put_key(d, row->name);
        put_block(d, row, &nothing);
    } else if (row->def) {
        put_key(d, row->name);
        buf_char(d->out, ' ');
        if (*row->def == '[' || *row->def == '{')
            buf_text(d->out, row->def);
        else
            put_text(d, row->def, true);
        buf_char(d->out, '\n');
    }
}

static bool has_anything(const struct vital_opt *rows, const struct node *map)
{
    for (; rows->name; rows++)
        if (rows->def || map_find(map, rows->name))
            return true;
    return false;
}

static void dump_rows(struct dumper *d, const struct node *map, const struct vital_opt *rows)
{
    for (const struct vital_opt *row = rows; row->name; row++) {
        const struct node *given = map_find(map, row->name);
        if (given && given->kind != NODE_NULL) {
            put_key(d, row->name);
            put_value(d, row, given);
        } else if (row->type != VITAL_BLOCK || has_anything(row->rows, map)) {
            put_default(d, row);
        }
    }
}

/* ---- sections ----------------------------------------------------------------------------------------------- */

static void dump_policy(struct dumper *d, const struct conf *c, const struct conf_probe *p)
{
    struct policy policy = policy_of(p);
    for (const struct vital_opt *row = conf_policy_rows; row->name; row++) {
        if (row->type == VITAL_STRINGS)
            continue;
        put_key(d, row->name);
        buf_char(d->out, ' ');
        opt_print(row, (const char *)&policy + row->offset, d->out);
        buf_char(d->out, '\n');
    }
    for (uint32_t i = 0; i < p->depends_count; i++)
        buf_printf(d->out, i ? ", %s" : "    depends_on: [%s", c->probes[p->depends_on[i]].name);
    if (p->depends_count)
        buf_text(d->out, "]\n");
}

static void dump_probe(struct dumper *d, const struct conf *c, const struct conf_probe *p, const struct node *options)
{
    d->depth = 1;
    put_key(d, p->name);
    buf_char(d->out, '\n');
    d->depth = 2;
    put_key(d, p->type);
    if (!p->options->module) {
        put_node(d, options, true);
    } else {
        struct arena *scratch = arena_new();
        size_t before = d->out->len;
        d->depth = 3;
        buf_char(d->out, '\n');
        dump_rows(d, opt_unfold(scratch, p->options->module->opts, (struct node *)(uintptr_t)options), p->options->module->opts);
        if (d->out->len == before + 1) {
            d->out->len = before;
            buf_text(d->out, " {}\n");
        }
        arena_free(scratch);
        d->depth = 2;
    }
    dump_policy(d, c, p);
}

static void dump_members(struct dumper *d, const struct conf *c, const char *key, const struct conf_member *m, uint32_t count)
{
    buf_printf(d->out, "%s: [", key);
    for (uint32_t i = 0; i < count; i++)
        buf_printf(d->out, "%s%s", i ? ", " : "", m[i].is_group ? c->groups[m[i].index].name : c->probes[m[i].index].name);
    buf_text(d->out, "]");
}

static const char *const unknown_texts[] = { [UNKNOWN_PASS] = "pass", [UNKNOWN_WARN] = "warn", [UNKNOWN_FAIL] = "fail" };

/* What we made ourselves stays a comment: written out it would be a configured group, which behaves differently. */
static void dump_group(struct dumper *d, const struct conf *c, const struct conf_group *g)
{
    static const char *const forms[] = { [GROUP_ALL] = "all", [GROUP_ANY] = "any", [GROUP_AT_LEAST] = "of", [GROUP_HAD_OUTCOME] = "had_outcome" };
    buf_printf(d->out, g->configured ? "  %s: { " : "  # built in: %s: { ", g->name);
    if (g->kind == GROUP_AT_LEAST)
        buf_printf(d->out, "at_least: %u, ", g->need);
    dump_members(d, c, forms[g->kind], g->members, g->member_count);
    if (g->advisory_count) {
        buf_text(d->out, ", ");
        dump_members(d, c, "advisory", g->advisory, g->advisory_count);
    }
    buf_printf(d->out, ", unknown: %s, on_shared: %s, drains: %s", unknown_texts[g->unknown], g->on_shared == SHARED_FAIL ? "fail" : "warn",
               g->drains ? "true" : "false");
    buf_printf(d->out, ", codes: { pass: %u, warn: %u, fail: %u, draining: %u } }\n", g->codes[CODE_PASS], g->codes[CODE_WARN], g->codes[CODE_FAIL],
               g->codes[CODE_DRAINING]);
}

static const struct node *options_of(const struct node *root, const struct conf_probe *p)
{
    return map_find(map_find(map_find(root, "probes"), p->name), p->type);
}

/* A section whose elements have rows: a list of maps, or a map of maps. */
static void dump_section(struct dumper *d, const struct node *root, const char *name, const struct vital_opt *rows)
{
    const struct node *n = map_find(root, name);
    const struct vital_opt row = { .name = name, .type = VITAL_BLOCKS, .rows = rows };
    if (!n || n->kind == NODE_NULL)
        return;
    d->depth = 0;
    put_key(d, name);
    if (!rows) {
        put_node(d, n, false);
    } else if (n->kind != NODE_MAP || opt_bare(rows) || !strcmp(name, "files")) {
        put_blocks(d, &row, n);
    } else {
        buf_char(d->out, '\n');
        d->depth = 1;
        MAP_EACH(e, n) {
            put_key(d, e->key);
            put_block(d, &row, e->value);
        }
    }
}

static void dump_all(struct dumper *d, const struct conf *c, const struct node *root)
{
    buf_printf(d->out, "# in force; from %s\n", c->source);
    dump_rows(d, root, conf_setting_rows);
    dump_section(d, root, "listen", conf_listen_rows);
    buf_text(d->out, "probes:\n");
    for (uint32_t i = 0; i < c->probe_count; i++)
        dump_probe(d, c, &c->probes[i], options_of(root, &c->probes[i]));
    buf_text(d->out, "groups:\n");
    for (uint32_t i = 0; i < c->group_count; i++)
        dump_group(d, c, &c->groups[i]);
    dump_section(d, root, "consumers", conf_consumer_rows);
    dump_section(d, root, "files", conf_file_rows);
    dump_section(d, root, "agents", conf_agent_rows);
    dump_section(d, root, "gates", conf_gate_rows);
    dump_section(d, root, "notify", conf_receiver_rows);
    dump_section(d, root, "aliases", NULL);
}

void conf_dump(const struct conf_request *q, struct buf *out, struct diag *diag)
{
    struct arena *tree = arena_new_apart();
    struct node *root = NULL;
    struct conf *c = conf_make(q, tree, &root, diag);
    struct dumper d = { .out = out };
    if (c)
        dump_all(&d, c, root);
    conf_free(c);
    arena_free(tree);
}
