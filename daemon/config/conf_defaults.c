/* The section `defaults`, and the probe types that a configuration names. */
#include "base/clock.h"
#include "base/mem.h"
#include "config/build.h"
#include "config/modules.h"
#include "config/tree.h"

static const char *const initial_words[] = { [INITIAL_FIRST] = "unknown", [INITIAL_UP] = "up", [INITIAL_DOWN] = "down", NULL };
static const char *const edge_words[] = { [EDGE_HASTEN] = "hasten", [EDGE_CONFIRM] = "confirm", NULL };

const struct vital_opt conf_policy_rows[] = {
    VITAL_OPT(struct policy, interval, DURATION, .def = "10s", .min = 10 * USEC_MS, .max = 7 * 86400 * USEC_S, .help = "from start to start of attempts"),
    VITAL_OPT(struct policy, timeout, DURATION, .def = "2s", .min = USEC_MS, .max = 3600 * USEC_S, .help = "an attempt without an outcome by then has failed"),
    VITAL_OPT(struct policy, rise, INT, .def = "2", .min = 1, .max = 255, .help = "good outcomes in a row until it is up again"),
    VITAL_OPT(struct policy, fall, INT, .def = "3", .min = 1, .max = 255, .help = "bad outcomes in a row until it is down"),
    VITAL_OPT(struct policy, interval_unsettled, DURATION, .min = 10 * USEC_MS, .max = 7 * 86400 * USEC_S,
              .help = "interval while outcomes contradict the state; default: 1s, or interval when that is shorter"),
    VITAL_OPT(struct policy, interval_down, DURATION, .min = 10 * USEC_MS, .max = 7 * 86400 * USEC_S, .help = "interval while down; default: interval"),
    VITAL_OPT(struct policy, jitter, NUMBER, .def = "5%", .flags = VITAL_PERCENT, .max = 1, .help = "each interval is up to that much shorter; the first one by any part"),
    VITAL_OPT(struct policy, jitter_unsettled, NUMBER, .def = "20%", .flags = VITAL_PERCENT, .max = 1, .help = "the same while unsettled or down"),
    VITAL_OPT(struct policy, max_age, DURATION, .min = 100 * USEC_MS, .max = 30 * 86400 * USEC_S,
              .help = "an older outcome is stale; default: 3 times the longest interval in force, and timeout, and 1s"),
    VITAL_OPT(struct policy, initial, WORD, .def = "unknown", .words = initial_words, .help = "state before the first outcome"),
    VITAL_OPT(struct policy, on_edge, WORD, .def = "hasten", .words = edge_words,
              .help = "after an event between attempts: one attempt at once (hasten), or attempts at once until it is settled (confirm)"),
    VITAL_OPT(struct policy, shared, BOOL, .def = "false", .help = "every instance of this service sees the same target"),
    VITAL_OPT(struct policy, notify, BOOL, .def = "true", .help = "false: changes of its state are told to nobody"),
    VITAL_OPT(struct policy, depends_on, STRINGS, .help = "probes whose failure explains a failure of this one"),
    VITAL_OPT_END,
};

const char *const *build_policy_names(struct build *b)
{
    unsigned n = 0;
    while (conf_policy_rows[n].name)
        n++;
    const char **names = arena_alloc(b->tree, (n + 1) * sizeof *names);
    for (unsigned i = 0; i < n; i++)
        names[i] = conf_policy_rows[i].name;
    return names;
}

const char *const *build_type_names(struct build *b)
{
    enum { MOST = 256 };
    const char **names = arena_alloc(b->tree, (MOST + 1) * sizeof *names);
    modules_names(names, MOST);
    return names;
}

/* ---- types and defaults ------------------------------------------------------------------------------------- */

static void refuse_depends(struct build *b, struct node *map)
{
    struct entry *e = map_entry(map, "depends_on");
    if (e)
        diag_add(b->diag, DIAG_ERROR, e->place, "`depends_on` cannot be a default: it belongs to a probe");
}

/* Policy and module options stand side by side in a type's defaults; where both know a name it is the module's. */
static void split_defaults(struct build *b, const struct build_type *t, const struct node *given, struct node *policy, struct node *own)
{
    struct opt_scope s = b->scope;
    s.also = build_policy_names(b);
    MAP_EACH(e, given) {
        if (!t->module || opt_row(t->module->opts, e->key))
            map_put(b->tree, !t->module && opt_row(conf_policy_rows, e->key) ? policy : own, e->key, e->place, e->value);
        else if (opt_row(conf_policy_rows, e->key))
            map_put(b->tree, policy, e->key, e->place, e->value);
        else
            opt_unknown(&s, e, t->name, t->module->opts);
    }
}

/* Read once on their own, so that a mistake in them is told once and not for every probe. */
static bool are_sound(struct build *b, const struct build_type *t, const struct node *own)
{
    struct opt_scope s = { .arena = b->tree, .diag = b->diag, .env = b->env };
    void *data = arena_alloc(b->tree, t->module->conf_size);
    bool good = opt_override(&s, own, t->name, t->module->opts, data);
    opt_release(t->module->opts, data);
    opt_free_secrets(&s);
    return good;
}

static void type_defaults(struct build *b, struct build_type *t)
{
    struct node *given = map_find(map_find(b->root, "defaults"), t->name);
    t->policy = b->policy;
    if (!given || given->kind == NODE_NULL)
        return;
    if (given->kind != NODE_MAP) {
        diag_add(b->diag, DIAG_ERROR, given->place, "the defaults of `%s` must be a map of its options, not %s", t->name, node_kind_text(given));
        return;
    }
    struct node *own = node_map(b->tree, given->place), *policy = node_map(b->tree, given->place);
    split_defaults(b, t, given, policy, own);
    refuse_depends(b, policy);
    opt_override(&b->scope, policy, t->name, conf_policy_rows, &t->policy);
    if (own->count && (!t->module || are_sound(b, t, own)))
        t->defaults = own;
}

static struct build_type *make_type(struct build *b, const char *name)
{
    struct build_type *t = arena_alloc(b->tree, sizeof *t);
    char *error = NULL;
    enum modules_result result = modules_lookup(name, &t->module, &error);
    t->name = arena_copy(b->conf->arena, name);
    if (result == MODULES_NOT_INSTALLED)
        t->missing = arena_copy(b->conf->arena, error);
    else if (result == MODULES_UNUSABLE)
        t->error = arena_copy(b->tree, error);
    mem_free(error);
    if (result == MODULES_UNKNOWN)
        return NULL;
    type_defaults(b, t);
    return t;
}

struct build_type *build_type(struct build *b, const char *name)
{
    uint32_t i = names_get(&b->types, name);
    if (i == NAMES_NONE) {
        i = b->type_count++;
        if (i == b->type_room) {
            b->type_room = b->type_room ? b->type_room * 2 : 16;
            b->type_list = mem_grow(b->type_list, b->type_room * sizeof(struct build_type *));
        }
        names_put(&b->types, b->tree, name, i);
        b->type_list[i] = make_type(b, name);
    }
    return b->type_list[i];
}

void build_defaults(struct build *b)
{
    struct node *map = build_section(b, "defaults"), *policy;
    opt_defaults(&b->scope, conf_policy_rows, &b->policy);
    if (!map)
        return;
    refuse_depends(b, map);
    policy = node_map(b->tree, map->place);
    MAP_EACH(e, map)
        if (opt_row(conf_policy_rows, e->key))
            map_put(b->tree, policy, e->key, e->place, e->value);
    opt_override(&b->scope, policy, "`defaults`", conf_policy_rows, &b->policy);
    struct opt_scope s = b->scope;
    s.also = build_type_names(b);
    MAP_EACH(e, map) /* the types inherit, so they come after the policy */
        if (!opt_row(conf_policy_rows, e->key) && !build_type(b, e->key))
            opt_unknown(&s, e, "`defaults`", conf_policy_rows);
}

