/* The section `probes`. */
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/build.h"
#include "config/tree.h"

/* An attempt may wait for its slot, the cap on starts per turn and the cap on attempts in flight: with everything at its
 * default that is far below a second, so a second more never makes a probe that works look stale. */
#define QUEUEING USEC_S

enum { WHAT_MAX = 96, PROBE_TEXT = 176, PROBE_SLACK = 8 };     /* PROBE_TEXT: what the texts of most probes take, with a URL in its parts */

/* ---- the module's options ----------------------------------------------------------------------------------- */

/* What prepare() says, placed at the option that it names. */
struct prepare_diag {
    struct vital_diag base;
    struct diag *diag;
    const struct node *map;
    const char *what;
};

static void prepare_says(struct vital_diag *base, enum diag_level level, const char *option, const char *fmt, va_list args)
{
    struct prepare_diag *p = (struct prepare_diag *)base;
    struct entry *e = option ? map_entry(p->map, option) : NULL;
    struct buf text = BUF(2048);
    if (option)
        buf_printf(&text, "`%s`: ", option);
    else
        buf_printf(&text, "%s: ", p->what);
    buf_vprintf(&text, fmt, args);
    diag_add(p->diag, level, e ? e->value->place : p->map->place, "%s", text.data);
    buf_free(&text);
}

static void __attribute__((format(printf, 3, 4))) prepare_error(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    prepare_says(d, DIAG_ERROR, option, fmt, args);
    va_end(args);
}

static void __attribute__((format(printf, 3, 4))) prepare_warning(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    prepare_says(d, DIAG_WARNING, option, fmt, args);
    va_end(args);
}

static void __attribute__((format(printf, 3, 4))) prepare_note(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    prepare_says(d, DIAG_NOTE, option, fmt, args);
    va_end(args);
}

static bool prepare(struct build *b, const struct vital_module *m, const struct node *map, const char *what, void *data)
{
    struct prepare_diag p = { { prepare_error, prepare_warning, prepare_note }, b->diag, map, what };
    unsigned errors = b->diag->errors;
    if (!m->prepare || m->prepare(data, &p.base))
        return true;
    if (b->diag->errors == errors)
        diag_add(b->diag, DIAG_ERROR, map->place, "%s: the module refuses these options", what);
    return false;
}

/* Most targets are the URL, which has its text already. */
static const char *same_text(const struct vital_opt *rows, const void *data, const char *text)
{
    for (; rows->name; rows++) {
        bool has_text = rows->flags & VITAL_TARGET && (rows->type == VITAL_URL || rows->type == VITAL_ADDRESS);
        const struct vital_url *u = has_text ? *(const struct vital_url *const *)(const void *)((const char *)data + rows->offset) : NULL;
        if (u && !strcmp(u->text, text))
            return u->text;
    }
    return NULL;
}

static const char *make_target(struct arena *a, const struct vital_module *m, const void *data)
{
    char room[256] = "";
    struct buf text = BUF(512);
    const char *own = m->target ? m->target(data, room, sizeof room) : NULL;
    if (!own)
        opt_target(m->opts, data, &text);
    const char *said = own ? own : text.data ? text.data : "", *kept = same_text(m->opts, data, said);
    kept = kept ? kept : arena_copy(a, said);
    buf_free(&text);
    return kept;
}

struct conf_options *build_options(struct build *b, struct build_type *t, struct node *map, const char *what)
{
    struct conf_options *o = conf_options_new(!t->module ? 0 : t->room ? t->room : t->module->conf_size + PROBE_TEXT);
    size_t before = arena_used(o->arena);
    if (!t->module)
        return o;
    struct opt_scope s = { .arena = o->arena, .diag = b->diag, .env = b->env };
    o->module = t->module;
    o->data = arena_alloc(o->arena, t->module->conf_size);
    if (opt_decode(&s, map, what, t->module->opts, o->data) && prepare(b, t->module, map, what, o->data))
        o->target = make_target(o->arena, t->module, o->data);
    if (s.secret_count) {
        struct vital_secret **kept = arena_alloc(o->arena, s.secret_count * sizeof(struct vital_secret *));
        memcpy(kept, s.secrets, s.secret_count * sizeof(struct vital_secret *));
        o->secrets = (const struct vital_secret *const *)kept;
        o->secret_count = s.secret_count;
    }
    mem_free(s.secrets);
    t->room = arena_used(o->arena) - before + PROBE_SLACK;
    return o;
}

/* Bare values become maps, and the type's defaults go below what the probe says. */
static struct node *module_map(struct build *b, const struct build_type *t, struct node *given)
{
    struct node *own = t->module ? opt_unfold(b->tree, t->module->opts, given) : given;
    if (!t->defaults || own->kind != NODE_MAP)
        return own;
    struct node *all = tree_copy(b->tree, t->defaults);
    all->place = own->place;
    tree_merge(b->tree, all, own);
    return all;
}

/* ---- one probe ---------------------------------------------------------------------------------------------- */

static bool is_module(void *arg, const struct entry *e)
{
    return build_type(arg, e->key);
}

static struct entry *find_module(struct build *b, const struct node *map, const char *what)
{
    struct entry *module = NULL;
    bool unknown = false;
    MAP_EACH(e, map) {
        if (opt_row(conf_policy_rows, e->key))
            continue;
        if (!build_type(b, e->key))
            unknown = true;     /* reported as an option that nobody has, with types among the suggestions */
        else if (module)
            diag_add(b->diag, DIAG_ERROR, e->place, "%s has two modules, `%s` and `%s`: a probe has exactly one", what, module->key, e->key);
        else
            module = e;
    }
    if (!module && !unknown)
        diag_add(b->diag, DIAG_ERROR, map->place, "%s has no module: write for example `tcp: 10.0.0.1:9000` in it", what);
    return module;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void take_policy(struct conf_probe *p, const struct policy *from)
{
    p->interval = from->interval;
    p->timeout = from->timeout;
    p->interval_unsettled = from->interval_unsettled ? from->interval_unsettled : from->interval < USEC_S ? from->interval : USEC_S;
    p->interval_down = from->interval_down ? from->interval_down : from->interval;
    uint64_t longest = longer(p->interval, longer(p->interval_unsettled, p->interval_down));
    p->max_age = from->max_age ? from->max_age : 3 * longest + p->timeout + QUEUEING;
    p->jitter = from->jitter;
    p->jitter_unsettled = from->jitter_unsettled;
    p->rise = (uint8_t)from->rise;
    p->fall = (uint8_t)from->fall;
    p->initial = (enum conf_initial)from->initial;
    p->on_edge = (enum conf_edge)from->on_edge;
    p->shared = from->shared;
    p->notify = from->notify;
}

struct policy policy_of(const struct conf_probe *p)
{
    return (struct policy){ .interval = p->interval, .interval_unsettled = p->interval_unsettled, .interval_down = p->interval_down,
                            .timeout = p->timeout, .max_age = p->max_age, .jitter = p->jitter, .jitter_unsettled = p->jitter_unsettled,
                            .rise = p->rise, .fall = p->fall, .initial = (uint8_t)p->initial, .on_edge = (uint8_t)p->on_edge,
                            .shared = p->shared, .notify = p->notify };
}

static void read_policy(struct build *b, const struct build_type *t, const struct node *map, const char *what, struct conf_probe *p)
{
    struct policy policy = t ? t->policy : b->policy;
    struct opt_scope s = b->scope;
    s.elsewhere = is_module;
    s.arg = b;
    s.also = b->type_names;
    opt_override(&s, map, what, conf_policy_rows, &policy);
    take_policy(p, &policy);
}

static void read_probe(struct build *b, const struct entry *e, struct conf_probe *p)
{
    char what[WHAT_MAX];
    snprintf(what, sizeof what, "probe `%s`", e->key);
    if (e->value->broken)
        return;
    if (e->value->kind != NODE_MAP) {
        diag_add(b->diag, DIAG_ERROR, e->value->place, "%s must be a map like { tcp: \"10.0.0.1:9000\" }, not %s", what, node_kind_text(e->value));
        return;
    }
    struct entry *module = find_module(b, e->value, what);
    struct build_type *t = module ? build_type(b, module->key) : NULL;
    read_policy(b, t, e->value, what, p);
    if (!t)
        return;
    if (t->error)
        diag_add(b->diag, DIAG_ERROR, module->place, "%s: %s", what, t->error);
    p->type = t->name;
    p->missing = t->missing;
    module->value = module_map(b, t, module->value);
    snprintf(what, sizeof what, "`%s`", t->name);
    p->options = build_options(b, t, module->value, what);
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static uint32_t next_dependency(const void *arg, uint32_t probe, uint32_t i)
{
    const struct conf_probe *p = (const struct conf_probe *)arg + probe;
    return i < p->depends_count ? p->depends_on[i] : NAMES_NONE;
}

static void refuse_cycle(struct build *b)
{
    uint32_t *path = arena_alloc(b->tree, (b->conf->probe_count + 1) * sizeof *path);
    uint32_t len = graph_cycle(b->conf->probe_count, next_dependency, b->conf->probes, path, b->tree);
    if (!len)
        return;
    struct buf text = BUF(1024);
    for (uint32_t i = 0; i <= len; i++)
        buf_printf(&text, "%s%s", i ? " -> " : "", b->conf->probes[path[i % len]].name);
    diag_add(b->diag, DIAG_ERROR, b->conf->probes[path[0]].place, "`depends_on` goes in a circle: %s", text.data);
    buf_free(&text);
}

static const struct node *item_of(const struct node *list, uint32_t i)
{
    return list->kind == NODE_LIST ? list->items[i] : list;
}

static void resolve_dependencies(struct build *b, const struct node *map, struct conf_probe *p)
{
    const struct node *list = map_find(map, "depends_on");
    uint32_t count = !list || list->kind == NODE_NULL ? 0 : list->kind == NODE_LIST ? list->count : 1;
    uint32_t *found = count ? arena_alloc(b->conf->arena, count * sizeof *found) : NULL;
    p->depends_on = found;
    for (uint32_t i = 0; i < count; i++) {
        const struct node *n = item_of(list, i);
        uint32_t at = n->kind == NODE_SCALAR ? names_get(&b->names, n->text) : NAMES_NONE;
        if (n->kind == NODE_SCALAR && at == NAMES_NONE)
            build_unknown(b, n->text, n->place, "`depends_on`");
        else if (n->kind == NODE_SCALAR)
            found[p->depends_count++] = at / 2;
    }
}

static uint32_t count_entries(const struct node *map)
{
    uint32_t n = 0;
    MAP_EACH(e, map)
        n++;
    return n;
}

/* Called before there are groups, so every name in build.names is a probe's. */
void build_probes(struct build *b)
{
    const struct node *map = build_section(b, "probes");
    uint32_t count = map ? count_entries(map) : 0, n = 0;
    struct conf_probe *probes = arena_alloc(b->conf->arena, (count + 1) * sizeof *probes);
    b->conf->probes = probes;
    if (!map)
        return;
    MAP_EACH(e, map) {
        probes[n].name = arena_copy(b->conf->arena, e->key);
        probes[n].place = e->place;
        if (build_name(b, probes[n].name, e->place, false, n))
            read_probe(b, e, &probes[n]);
        n++;
    }
    b->conf->probe_count = n;
    n = 0;
    MAP_EACH(e, map) {
        if (e->value->kind == NODE_MAP)
            resolve_dependencies(b, e->value, &probes[n]);
        n++;
    }
    refuse_cycle(b);
}
