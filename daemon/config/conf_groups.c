/* The section `groups`, and the four groups that always exist. */
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/build.h"
#include "config/tree.h"

struct group_rows {
    struct vital_list all, any, of, advisory;
    int64_t at_least;
    uint8_t unknown, on_shared;
    bool drains;
    struct codes { int64_t pass, warn, fail, draining; } codes;
};

static const char *const unknown_words[] = { [UNKNOWN_PASS] = "pass", [UNKNOWN_WARN] = "warn", [UNKNOWN_FAIL] = "fail", NULL };
static const char *const shared_words[] = { [SHARED_FAIL] = "fail", [SHARED_WARN] = "warn", NULL };
static const struct vital_opt code_rows[] = {
    VITAL_OPT(struct codes, pass, INT, .min = 200, .max = 599, .help = "HTTP status when it passes; default 200. After 204, 205 and 304 comes no body"),
    VITAL_OPT(struct codes, warn, INT, .min = 200, .max = 599, .help = "when it warns; default 200"),
    VITAL_OPT(struct codes, fail, INT, .min = 200, .max = 599, .help = "when it fails; default 503"),
    VITAL_OPT(struct codes, draining, INT, .min = 200, .max = 599, .help = "while draining; default 503"),
    VITAL_OPT_END,
};
const struct vital_opt conf_group_rows[] = {
    VITAL_OPT(struct group_rows, all, STRINGS, .min = 1, .flags = VITAL_BARE, .help = "probes and groups that must all be good"),
    VITAL_OPT(struct group_rows, any, STRINGS, .min = 1, .help = "one of these is enough"),
    VITAL_OPT(struct group_rows, at_least, INT, .min = 1, .max = UINT32_MAX / 4, .help = "how many of `of` are enough"),
    VITAL_OPT(struct group_rows, of, STRINGS, .min = 1, .help = "the members that `at_least` counts"),
    VITAL_OPT(struct group_rows, advisory, STRINGS, .help = "members that can only make a passing group warn"),
    VITAL_OPT(struct group_rows, unknown, WORD, .words = unknown_words, .help = "what unknown counts as; default: fail, but pass in live and health"),
    VITAL_OPT(struct group_rows, on_shared, WORD, .words = shared_words, .help = "what a failing member that every instance shares does; default: fail"),
    VITAL_OPT_BLOCK(struct group_rows, codes, code_rows, .help = "HTTP status per verdict"),
    VITAL_OPT(struct group_rows, drains, BOOL, .help = "whether draining makes it fail; default: true for ready, else false"),
    VITAL_OPT_END,
};

static struct group_rows default_rows(const char *name)
{
    bool lenient = !strcmp(name, "live") || !strcmp(name, "health");
    return (struct group_rows){ .unknown = lenient ? UNKNOWN_PASS : UNKNOWN_FAIL, .on_shared = SHARED_FAIL, .drains = !strcmp(name, "ready"),
                                .codes = { 200, 200, 503, 503 } };
}

static void take_rows(struct conf_group *g, const struct group_rows *r)
{
    g->unknown = (enum conf_unknown)r->unknown;
    g->on_shared = (enum conf_shared)r->on_shared;
    g->drains = r->drains;
    g->codes[CODE_PASS] = (uint16_t)r->codes.pass;
    g->codes[CODE_WARN] = (uint16_t)r->codes.warn;
    g->codes[CODE_FAIL] = (uint16_t)r->codes.fail;
    g->codes[CODE_DRAINING] = (uint16_t)r->codes.draining;
}

/* ---- a configured group ------------------------------------------------------------------------------------- */

struct reading {
    struct build *b;
    struct conf_group *group;
    const struct node *map;
    struct names seen;
    char what[96];
};

static void add_member(struct reading *r, const struct node *n, struct conf_member *out, uint32_t *count)
{
    uint32_t at = n->kind == NODE_SCALAR ? names_get(&r->b->names, n->text) : NAMES_NONE;
    if (n->kind != NODE_SCALAR)
        return; /* the row has complained */
    if (at == NAMES_NONE) {
        build_unknown(r->b, n->text, n->place, r->what);
    } else if (names_get(&r->seen, n->text) != NAMES_NONE) {
        diag_add(r->b->diag, DIAG_ERROR, n->place, "`%s` is in %s already", n->text, r->what);
    } else {
        names_put(&r->seen, r->b->tree, n->text, 0);
        out[(*count)++] = (struct conf_member){ at & 1, at / 2 };
    }
}

static const struct conf_member *read_members(struct reading *r, const char *key, uint32_t *count)
{
    const struct node *list = map_find(r->map, key);
    if (!list || list->kind == NODE_NULL)
        return NULL;
    uint32_t room = list->kind == NODE_LIST ? list->count : 1;
    struct conf_member *members = arena_alloc(r->b->conf->arena, (room + 1) * sizeof *members);
    if (list->kind != NODE_LIST)
        add_member(r, list, members, count);
    for (uint32_t i = 0; list->kind == NODE_LIST && i < list->count; i++)
        add_member(r, list->items[i], members, count);
    return members;
}

static void read_form(struct reading *r, const struct group_rows *rows)
{
    static const char *const keys[] = { [GROUP_ALL] = "all", [GROUP_ANY] = "any", [GROUP_AT_LEAST] = "at_least" };
    struct conf_group *g = r->group;
    struct diag *d = r->b->diag;
    unsigned forms = 0;
    for (unsigned i = 0; i < 3; i++)
        if (map_find(r->map, keys[i])) {
            g->kind = (enum conf_kind)i;
            forms++;
        }
    if (forms != 1) {
        diag_add(d, DIAG_ERROR, r->map->place, "%s needs exactly one of `all`, `any` and `at_least` with `of`", r->what);
        return;
    }
    if ((g->kind == GROUP_AT_LEAST) != (map_find(r->map, "of") != NULL))
        diag_add(d, DIAG_ERROR, r->map->place, "%s: `at_least: N` and `of: [...]` belong together", r->what);
    g->members = read_members(r, g->kind == GROUP_AT_LEAST ? "of" : keys[g->kind], &g->member_count);
    g->need = g->kind == GROUP_ALL ? g->member_count : g->kind == GROUP_ANY ? 1 : (uint32_t)rows->at_least;
    if (g->kind == GROUP_AT_LEAST && g->member_count && g->need > g->member_count)
        diag_add(d, DIAG_ERROR, map_find(r->map, "at_least")->place, "%s wants %u of %u members: it could never pass", r->what, g->need,
                 g->member_count);
}

static void read_group(struct build *b, const struct entry *e, struct conf_group *g)
{
    struct reading r = { .b = b, .group = g };
    struct group_rows rows = default_rows(e->key);
    snprintf(r.what, sizeof r.what, "group `%s`", e->key);
    take_rows(g, &rows);
    if (e->value->kind != NODE_LIST && e->value->kind != NODE_MAP) {
        diag_add(b->diag, DIAG_ERROR, e->value->place, "%s must be a list of members, or a map with all, any or at_least, not %s", r.what,
                 node_kind_text(e->value));
        return;
    }
    r.map = opt_unfold(b->tree, conf_group_rows, e->value);
    if (!opt_decode(&b->scope, r.map, r.what, conf_group_rows, &rows))
        return;
    take_rows(g, &rows);
    read_form(&r, &rows);
    g->advisory = read_members(&r, "advisory", &g->advisory_count);
}

static uint32_t next_member(const void *arg, uint32_t group, uint32_t i)
{
    const struct conf_group *g = (const struct conf_group *)arg + group;
    const struct conf_member *m = i < g->member_count ? &g->members[i] : i - g->member_count < g->advisory_count ? &g->advisory[i - g->member_count] : NULL;
    return !m ? NAMES_NONE : m->is_group ? m->index : GRAPH_SKIP;
}

static bool refuse_cycle(struct build *b, const struct conf_group *groups, uint32_t count)
{
    uint32_t *path = arena_alloc(b->tree, (count + 1) * sizeof *path);
    uint32_t len = graph_cycle(count, next_member, groups, path, b->tree);
    if (!len)
        return false;
    struct buf text = BUF(1024);
    for (uint32_t i = 0; i <= len; i++)
        buf_printf(&text, "%s%s", i ? " -> " : "", groups[path[i % len]].name);
    diag_add(b->diag, DIAG_ERROR, groups[path[0]].place, "groups contain each other in a circle: %s", text.data);
    buf_free(&text);
    return true;
}

/* ---- the four that always exist ----------------------------------------------------------------------------- */

/* Marks the probes below a group: required ones only, or all. The groups are known to be free of circles. */
static void mark_leaves(const struct conf *c, uint32_t group, bool advisory_too, uint8_t *probes, uint8_t *groups, uint32_t *stack)
{
    uint32_t depth = 0;
    stack[depth++] = group;
    groups[group] = 1;
    while (depth) {
        const struct conf_group *g = &c->groups[stack[--depth]];
        for (uint32_t i = 0; i < g->member_count + (advisory_too ? g->advisory_count : 0); i++) {
            const struct conf_member *m = i < g->member_count ? &g->members[i] : &g->advisory[i - g->member_count];
            if (!m->is_group)
                probes[m->index] = 1;
            else if (!groups[m->index]) {
                groups[m->index] = 1;
                stack[depth++] = m->index;
            }
        }
    }
}

static uint8_t *leaves_of(struct build *b, uint32_t group, bool advisory_too)
{
    uint8_t *probes = arena_alloc(b->tree, b->conf->probe_count + 1);
    uint8_t *groups = arena_alloc(b->tree, b->conf->group_count + 1);
    uint32_t *stack = arena_alloc(b->tree, (b->conf->group_count + 1) * sizeof *stack);
    mark_leaves(b->conf, group, advisory_too, probes, groups, stack);
    return probes;
}

/* The probes with this mark. */
static const struct conf_member *probes_with(struct build *b, const uint8_t *mark, uint8_t want, uint32_t *count)
{
    struct conf_member *members = arena_alloc(b->conf->arena, (b->conf->probe_count + 1) * sizeof *members);
    for (uint32_t i = 0; i < b->conf->probe_count; i++)
        if (mark[i] == want)
            members[(*count)++] = (struct conf_member){ false, i };
    return members;
}

static void make_live(struct build *b, struct conf_group *g)
{
    uint32_t self = names_get(&b->names, "self");
    struct conf_member *m = arena_alloc(b->conf->arena, sizeof *m);
    *m = (struct conf_member){ false, self / 2 };
    g->members = m;
    g->member_count = self != NAMES_NONE;
}

static void make_ready(struct build *b, struct conf_group *g)
{
    uint8_t *host = arena_alloc(b->tree, b->conf->probe_count + 1);
    for (uint32_t i = 0; i < b->conf->probe_count; i++) {
        const struct conf_options *o = b->conf->probes[i].options;
        host[i] = o && o->module && o->module->host_probe;
    }
    g->members = probes_with(b, host, 0, &g->member_count);
    g->advisory = probes_with(b, host, 1, &g->advisory_count);
}

/* Only what `ready` requires: an advisory probe that cannot run must not hold up the start for ever. */
static void make_startup(struct build *b, struct conf_group *g)
{
    g->kind = GROUP_HAD_OUTCOME;
    g->members = probes_with(b, leaves_of(b, b->conf->ready, false), 1, &g->member_count);
}

/* A `live` that is more than a list is required as it is: its members one by one would be stricter than itself. */
static void make_health(struct build *b, struct conf_group *g)
{
    const struct conf_group *live = &b->conf->groups[b->conf->live];
    g->members = live->members;
    g->member_count = live->member_count;
    if (live->kind != GROUP_ALL) {
        struct conf_member *m = arena_alloc(b->conf->arena, sizeof *m);
        *m = (struct conf_member){ true, b->conf->live };
        g->members = m;
        g->member_count = 1;
    }
    g->advisory = probes_with(b, leaves_of(b, b->conf->live, false), 0, &g->advisory_count);
}

static const struct standard {
    const char *name;
    size_t index;
    void (*make)(struct build *, struct conf_group *);
} standards[] = { /* in this order: later ones look at earlier ones */
    { "live", offsetof(struct conf, live), make_live },
    { "ready", offsetof(struct conf, ready), make_ready },
    { "startup", offsetof(struct conf, startup), make_startup },
    { "health", offsetof(struct conf, health), make_health },
};
enum { STANDARDS = sizeof standards / sizeof *standards };

static void add_standard(struct build *b, struct conf_group *groups, const struct standard *s, bool sound)
{
    uint32_t *index = (uint32_t *)(void *)((char *)b->conf + s->index), at = names_get(&b->names, s->name);
    if (at != NAMES_NONE && at & 1) {
        *index = at / 2;
        return;
    }
    if (at != NAMES_NONE) { /* a finding exists */
        *index = 0;
        return;
    }
    struct conf_group *g = &groups[*index = b->conf->group_count++];
    struct group_rows rows = default_rows(s->name);
    g->name = s->name;
    take_rows(g, &rows);
    build_name(b, g->name, g->place, true, *index);
    if (sound)
        s->make(b, g);
    g->need = g->member_count;
}

/* A probe cannot take the name of a group that always exists. */
static void reserve_names(struct build *b)
{
    for (unsigned i = 0; i < STANDARDS; i++) {
        uint32_t at = names_get(&b->names, standards[i].name);
        if (at != NAMES_NONE)
            diag_add(b->diag, DIAG_ERROR, b->conf->probes[at / 2].place, "`%s` is the name of a group that always exists: give the probe another one",
                     standards[i].name);
    }
}

void build_groups(struct build *b)
{
    const struct node *map = build_section(b, "groups");
    uint32_t n = 0;
    struct conf_group *groups = arena_alloc(b->conf->arena, ((map ? map->count : 0) + STANDARDS) * sizeof *groups);
    b->conf->groups = groups;
    reserve_names(b);
    if (map)
        MAP_EACH(e, map) {
            groups[n] = (struct conf_group){ .name = arena_copy(b->conf->arena, e->key), .place = e->place, .configured = true };
            build_name(b, groups[n].name, e->place, true, n);
            n++;
        }
    b->conf->group_count = n;
    n = 0;
    if (map)
        MAP_EACH(e, map)
            read_group(b, e, &groups[n++]);
    bool sound = !refuse_cycle(b, groups, b->conf->group_count);
    for (unsigned i = 0; i < STANDARDS; i++)
        add_standard(b, groups, &standards[i], sound);
}
