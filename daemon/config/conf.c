#include "config/conf.h"

#include <syslog.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/build.h"
#include "config/environ.h"
#include "config/files.h"
#include "config/tree.h"

enum { NAME_MOST = 63 };

/* ---- names -------------------------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return n && !name[n] && n <= NAME_MOST && *name != '-' && *name != '_';
}

bool build_name(struct build *b, const char *name, struct diag_place place, bool is_group, uint32_t index)
{
    uint32_t other = names_get(&b->names, name);
    if (!is_name(name)) {
        diag_add(b->diag, DIAG_ERROR, place, "`%.80s` is no name: lower case letters, digits, - and _, beginning with a letter or digit, at most %d",
                 name, NAME_MOST);
    } else if (other != NAMES_NONE) {
        diag_add(b->diag, DIAG_ERROR, place, "the name `%s` is taken by a %s: probes and groups share their names", name,
                 other & 1 ? "group" : "probe");
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

struct node *build_section(struct build *b, const char *name, unsigned kind)
{
    struct node *n = map_find(b->root, name);
    if (!n || n->kind == NODE_NULL)
        return NULL;
    if (n->kind == kind)
        return n;
    diag_add(b->diag, DIAG_ERROR, n->place, "`%s` must be %s, not %s", name, kind == NODE_MAP ? "a map" : "a list", node_kind_text(n));
    return NULL;
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

struct settings {
    int64_t max_in_flight, max_per_address;
    uint64_t startup_timeout, shutdown_delay;
    const char *state_file;
    struct control_rows { const char *path, *group; } control;
    struct log_rows { uint8_t level, format; } log;
};

static const char *const level_words[] = { "error", "warning", "notice", "info", "debug", NULL };
static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
static const char *const format_words[] = { [LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL };

static const struct vital_opt control_rows[] = {
    VITAL_OPT(struct control_rows, path, STRING, .flags = VITAL_PATHNAME, .help = "the socket for vitalctl; default: /run/vitald/control.sock or $XDG_RUNTIME_DIR/vitald/control.sock"),
    VITAL_OPT(struct control_rows, group, STRING, .help = "system group whose members may change things, besides root and the daemon's user"),
    VITAL_OPT_END,
};
static const struct vital_opt log_rows[] = {
    VITAL_OPT(struct log_rows, level, WORD, .def = "info", .words = level_words, .help = "what is less important is not logged"),
    VITAL_OPT(struct log_rows, format, WORD, .def = "auto", .words = format_words, .help = "auto: text, with journal prefixes under systemd"),
    VITAL_OPT_END,
};
const struct vital_opt conf_setting_rows[] = {
    VITAL_OPT(struct settings, max_in_flight, INT, .def = "256", .min = 1, .max = 100000, .help = "attempts at the same time"),
    VITAL_OPT(struct settings, max_per_address, INT, .def = "8", .min = 1, .max = 100000, .help = "of these, to one address"),
    VITAL_OPT(struct settings, startup_timeout, DURATION, .def = "5m", .min = USEC_MS, .max = 7 * 86400 * USEC_S,
              .help = "a configured `live` passes until `startup` has passed, but no longer than this"),
    VITAL_OPT(struct settings, shutdown_delay, DURATION, .def = "0s", .max = 3600 * USEC_S, .help = "after SIGTERM, answers as draining for that long"),
    VITAL_OPT(struct settings, state_file, STRING, .flags = VITAL_PATHNAME, .help = "keeps states and modes over a restart"),
    VITAL_OPT_BLOCK(struct settings, control, control_rows, .help = "the control socket"),
    VITAL_OPT_BLOCK(struct settings, log, log_rows, .help = "the log, on standard error"),
    VITAL_OPT_END,
};

const struct conf_section conf_sections[] = {
    { "listen", conf_listen_rows, "a list of listeners, each a map or just its address", "where HTTP is answered" },
    { "defaults", conf_policy_rows, "a map of these options, and per type a map of its options", "what probes inherit" },
    { "probes", conf_policy_rows, "a map: name to a map with exactly one module and these options", "what is checked" },
    { "groups", conf_group_rows, "a map: name to a list (= all) or a map", "what is answered" },
    { "consumers", conf_consumer_rows, "a map: name to a map", "who asks how often, for the linter" },
    { "files", conf_file_rows, "a list of maps", "files that exist while a group passes" },
    { "aliases", NULL, "a map: path to group", "other paths for a group's verdict" },
    { NULL, NULL, NULL, NULL },
};
enum { SECTION_COUNT = sizeof conf_sections / sizeof *conf_sections - 1 };

static bool is_section(void *arg, const struct entry *e)
{
    (void)arg;
    for (unsigned i = 0; i < SECTION_COUNT; i++)
        if (!strcmp(conf_sections[i].name, e->key))
            return true;
    return false;
}

void build_settings(struct build *b)
{
    const char *names[SECTION_COUNT + 1] = { NULL };
    struct settings set = { 0 };
    struct conf *c = b->conf;
    struct opt_scope s = b->scope;
    for (unsigned i = 0; i < SECTION_COUNT; i++)
        names[i] = conf_sections[i].name;
    s.elsewhere = is_section;
    s.also = names;
    opt_decode(&s, b->root, "the configuration", conf_setting_rows, &set);
    c->max_in_flight = (uint32_t)set.max_in_flight;
    c->max_per_address = (uint32_t)set.max_per_address;
    c->startup_timeout = set.startup_timeout;
    c->shutdown_delay = set.shutdown_delay;
    c->state_file = set.state_file;
    c->control_path = set.control.path;
    c->control_group = set.control.group;
    c->log_level = levels[set.log.level];
    c->log_format = set.log.format;
}

/* ---- what is there without being written -------------------------------------------------------------------- */

static struct node *text_node(struct build *b, const char *text)
{
    struct node *n = node_scalar(b->tree, (struct diag_place){ 0 }, text, strlen(text), true);
    n->verbatim = true;
    return n;
}

static struct node *root_map(struct build *b, const char *key)
{
    struct diag_place nowhere = { 0 };
    struct node *map = map_find(b->root, key);
    if (!map || map->kind == NODE_NULL) {
        struct entry *e = map_entry(b->root, key);
        map = node_map(b->tree, nowhere);
        if (e)
            e->value = map;
        else
            map_put(b->tree, b->root, key, nowhere, map);
    }
    return map;
}

/* It goes into the tree, so that --dump-config shows it. */
static void add_implied(struct build *b)
{
    struct diag_place nowhere = { 0 }, from_env = { .file = "environment variable VITALD_LISTEN" };
    struct node *probes = root_map(b, "probes"), *listen = map_find(b->root, "listen");
    const char *address = environ_get(b->env, "VITALD_LISTEN"), *delay = environ_get(b->env, "VITALD_SHUTDOWN_DELAY");
    if (probes->kind == NODE_MAP && !map_find(probes, "self")) {
        struct node *self = node_map(b->tree, nowhere);
        map_put(b->tree, self, "self", nowhere, node_map(b->tree, nowhere));
        map_put(b->tree, probes, "self", nowhere, self);
    }
    if (!listen || listen->kind == NODE_NULL) {
        bool set = address && *address;
        struct node *one = node_map(b->tree, set ? from_env : nowhere), *list = node_list(b->tree, nowhere);
        struct node *where = text_node(b, set ? address : "127.0.0.1:8686");
        where->place = set ? from_env : nowhere;
        map_put(b->tree, one, "address", nowhere, where);
        map_put(b->tree, one, "serve", nowhere, text_node(b, "all"));
        list_add(b->tree, list, one);
        if (map_entry(b->root, "listen"))
            map_entry(b->root, "listen")->value = list;
        else
            map_put(b->tree, b->root, "listen", nowhere, list);
    }
    if (delay && *delay && !map_find(b->root, "shutdown_delay")) {
        struct node *n = text_node(b, delay);
        n->place.file = "environment variable VITALD_SHUTDOWN_DELAY";
        map_put(b->tree, b->root, "shutdown_delay", nowhere, n);
    }
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

static void build_all(struct build *b)
{
    static void (*const steps[])(struct build *) = { build_settings, build_defaults,  build_probes, build_groups,
                                                     build_listeners, build_consumers, build_files,  build_aliases };
    tree_expand(b->root, b->tree, b->env, b->diag);
    add_implied(b);
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
    struct arena *tree = arena_new();
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
    arena_free(c->arena);
    mem_free(c);
}

/* ---- a probe's options -------------------------------------------------------------------------------------- */

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
    arena_free(o->arena);
    mem_free(o);
}

bool conf_options_equal(const struct conf_options *a, const struct conf_options *b)
{
    return a->module == b->module && (!a->module || opt_same(a->module->opts, a->data, b->data, 0));
}

bool conf_options_same_target(const struct conf_options *a, const struct conf_options *b)
{
    return a->module == b->module && (!a->module || opt_same(a->module->opts, a->data, b->data, VITAL_TARGET));
}
