#include "config/conf.h"

#include "base/mem.h"
#include "base/secret.h"
#include "config/build.h"
#include "config/conf_notify.h"
#include "config/environ.h"
#include "config/files.h"
#include "config/tree.h"

enum { NAME_MOST = 63 };

/* ---- names -------------------------------------------------------------------------------------------------- */

bool build_is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return n && !name[n] && n <= NAME_MOST && *name != '-' && *name != '_';
}

bool build_name(struct build *b, const char *name, struct diag_place place, bool is_group, uint32_t index)
{
    if (!build_is_name(name)) {
        diag_add(b->diag, DIAG_ERROR, place, "`%.80s` is no name: lower case letters, digits, - and _, beginning with a letter or digit, at most %d",
                 name, NAME_MOST);
    } else if (names_get(&b->names, name) != NAMES_NONE) { /* probes come first, and no map has a key twice */
        diag_add(b->diag, DIAG_ERROR, place, "the name `%s` is taken by a probe: probes and groups share their names", name);
    } else {
        names_put(&b->names, b->tree, name, index * 2 + is_group);
        return true;
    }
    return false;
}

static const char *known_name(const void *arg, size_t i)
{
    const struct conf *c = arg;
    return i < c->probe_count ? c->probes[i].name : c->groups[i - c->probe_count].name;
}

/* Searching for a near name is linear: with very many names and very many mistakes that adds up, so there is an end. */
enum { SUGGEST_NAMES = 20000, SUGGEST_ERRORS = 50 };

void build_unknown(struct build *b, const char *name, struct diag_place place, const char *what)
{
    size_t count = b->conf->probe_count + b->conf->group_count;
    const char *near = count < SUGGEST_NAMES && b->diag->errors < SUGGEST_ERRORS ? diag_nearest(name, known_name, b->conf, count) : NULL;
    if (near)
        diag_add(b->diag, DIAG_ERROR, place, "%s: there is no `%s`: did you mean `%s`?", what, name, near);
    else
        diag_add(b->diag, DIAG_ERROR, place, "%s: there is no `%s`", what, name);
}

uint32_t build_find_group(struct build *b, const char *name, struct diag_place place)
{
    uint32_t at = names_get(&b->names, name);
    if (at != NAMES_NONE && at & 1)
        return at / 2;
    if (at != NAMES_NONE)
        diag_add(b->diag, DIAG_ERROR, place, "`%s` is a probe: a group is needed here, make one of it", name);
    else
        build_unknown(b, name, place, "`group`");
    return NAMES_NONE;
}

struct node *build_section(struct build *b, const char *name)
{
    struct node *n = map_find(b->root, name);
    if (!n || n->kind == NODE_NULL)
        return NULL;
    if (n->kind == NODE_MAP)
        return n;
    diag_add(b->diag, DIAG_ERROR, n->place, "`%s` must be a map, not %s", name, node_kind_text(n));
    return NULL;
}

/* ---- together ----------------------------------------------------------------------------------------------- */

static struct node *read_tree(const struct conf_request *q, struct arena *tree, struct conf *c, struct environment *env, struct diag *d)
{
    for (unsigned i = 0; i < q->env_file_count; i++)
        environ_read(env, arena_copy(c->arena, q->env_files[i]), d);
    if (q->path_count)
        return files_read(tree, c->arena, q->paths, q->path_count, &c->source, d);
    c->source = "built-in defaults and environment";
    return env_tree(tree, c->arena, env, d);
}

/* What inherits from nothing has nothing that ~ could bring back: there it deletes what another file said, and nothing else. */
static void prune_sections(struct node *root)
{
    MAP_EACH(e, root)
        if (strcmp(e->key, "probes") != 0 && strcmp(e->key, "defaults") != 0)
            tree_prune(e->value);
}

static void build_all(struct build *b)
{
    static void (*const steps[])(struct build *) = { build_settings, build_defaults,  build_probes, build_groups,
                                                     build_listeners, build_consumers, build_files,  build_agents,
                                                     build_gates,     build_doors,     build_aliases, build_role, build_receivers };
    tree_expand(b->root, b->tree, b->env, b->diag);
    prune_sections(b->root);
    build_implied(b);
    b->scope = (struct opt_scope){ .arena = b->conf->arena, .diag = b->diag, .env = b->env };
    b->type_names = build_type_names(b);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        steps[i](b);
}

struct conf *conf_make(const struct conf_request *q, struct arena *tree, struct node **root, struct diag *d)
{
    struct conf *c = mem_alloc(sizeof *c);
    struct environment env = { .arena = tree };
    struct build b = { .conf = c, .diag = d, .env = &env, .tree = tree };
    unsigned before = d->errors;
    c->arena = arena_new();
    b.root = read_tree(q, tree, c, &env, d);
    if (b.root)
        build_all(&b);
    mem_free(b.type_list);
    c->secrets = b.scope.secrets;
    c->secret_count = b.scope.secret_count;
    if (root)
        *root = b.root;
    diag_sort(d);
    if (d->errors == before)
        return c;
    conf_free(c);
    return NULL;
}

struct conf *conf_load(const struct conf_request *q, struct diag *d)
{
    struct arena *tree = arena_new_apart();
    struct conf *c = conf_make(q, tree, NULL, d);
    arena_free(tree);
    return c;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->probe_count; i++)
        conf_options_release(c->probes[i].options);
    conf_receivers_free(c);
    for (uint32_t i = 0; i < c->listen_count; i++)
        if (c->listeners[i].access.tls)
            conf_hooks()->tls_release(c->listeners[i].access.tls);
    for (uint32_t i = 0; i < c->secret_count; i++)
        secret_free(c->secrets[i]);
    mem_free(c->secrets);
    arena_free(c->arena);
    mem_free(c);
}

/* ---- a probe's options -------------------------------------------------------------------------------------- */

struct conf_options *conf_options_new(size_t room)
{
    struct arena *a = arena_new_for(sizeof(struct conf_options) + room);
    struct conf_options *o = arena_alloc(a, sizeof *o);
    *o = (struct conf_options){ .refs = 1, .arena = a, .target = "" };
    return o;
}

void conf_options_hold(struct conf_options *o)
{
    __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
}

void conf_options_release(struct conf_options *o)
{
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL))
        return;
    if (o->data)
        opt_release(o->module->opts, o->data);
    for (uint32_t i = 0; i < o->secret_count; i++)
        secret_free((struct vital_secret *)(uintptr_t)o->secrets[i]);
    arena_free(o->arena); /* and with it o */
}

bool conf_options_equal(const struct conf_options *a, const struct conf_options *b)
{
    return a->module == b->module && (!a->module || opt_same(a->module->opts, a->data, b->data, 0));
}

bool conf_options_same_target(const struct conf_options *a, const struct conf_options *b)
{
    return a->module == b->module && (!a->module || opt_same(a->module->opts, a->data, b->data, VITAL_TARGET));
}
