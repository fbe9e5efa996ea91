#include "config/env.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/secret.h"
#include "config/build.h"
#include "config/tree.h"

/* Only these prefixes announce a store, and only by _URL, _DSN and _HOST: a port alone is a Kubernetes service link, a
 * password alone is somebody else's, and a guessed localhost would be a lie. */
static const struct family { const char *name, *type; } families[] = {
    { "DATABASE", NULL }, { "DB", NULL }, { "POSTGRES", "postgres" }, { "PG", "postgres" }, { "REDIS", "redis" }, { "MYSQL", "mysql" },
};
enum { STORES_MAX = sizeof families / sizeof *families };

struct diag_place env_place(struct env_reader *r, const char *variable)
{
    return (struct diag_place){ .file = arena_printf(r->names, "environment variable %s", variable) };
}

/* ---- variables ---------------------------------------------------------------------------------------------- */

static const char *get(struct env_reader *r, const char *variable)
{
    const char *value = environ_get(r->env, variable);
    return value && *value ? value : NULL;
}

static const char *read_file(struct env_reader *r, const char *variable, const char *path)
{
    struct vital_secret secret = { .source = SECRET_FILE, .origin = path };
    const char *error = secret_load(&secret, r->arena);
    const char *text = error ? NULL : arena_copy_n(r->arena, secret.value, secret.len);
    if (error)
        diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "%s", error);
    secret_free(&secret);
    return text;
}

/* Which of NAME and NAME_FILE is set; NULL: none of them. */
static const char *which(struct env_reader *r, const char *family, const char *suffix, bool *file)
{
    const char *plain = arena_printf(r->names, "%s_%s", family, suffix);
    const char *other = arena_printf(r->names, "%s_FILE", plain);
    *file = get(r, other);
    if (*file && get(r, plain))
        diag_add(r->diag, DIAG_ERROR, env_place(r, plain), "%s is set as well: keep one of them", other);
    return *file ? other : get(r, plain) ? plain : NULL;
}

const char *env_value(struct env_reader *r, const char *family, const char *suffix, const char **variable)
{
    bool file;
    const char *name = *variable = which(r, family, suffix, &file);
    return !name ? NULL : file ? read_file(r, name, get(r, name)) : get(r, name);
}

/* The first of several suffixes that mean the same. */
static const char *first_value(struct env_reader *r, const char *family, const char *const *suffixes, const char **variable)
{
    const char *value = NULL;
    for (; *suffixes && !value; suffixes++)
        value = env_value(r, family, *suffixes, variable);
    return value;
}

/* ---- one family --------------------------------------------------------------------------------------------- */

static bool contradict(struct env_reader *r, const char *variable, const char *other)
{
    diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "contradicts %s: make them agree, or remove one of them", other);
    return false;
}

static bool is_link(const char *port)
{
    return strstr(port, "://") != NULL; /* REDIS_PORT=tcp://10.0.0.1:6379 */
}

static bool take_port(struct env_reader *r, const char *family, struct env_store *s)
{
    const char *variable, *port = env_value(r, family, "PORT", &variable);
    if (!port || is_link(port))
        return true;
    if (!env_is_port(port)) {
        diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "its value is not a port from 1 to 65535");
        return false;
    }
    if (s->port && strcmp(s->port, port) != 0)
        return contradict(r, variable, s->variable);
    s->port = port;
    return true;
}

/* *_TYPE; "" after a finding, NULL when it is not set or names a store that is none of ours (*other is set then). */
static const char *announced_type(struct env_reader *r, const struct family *f, bool *other)
{
    const char *variable, *word = env_value(r, f->name, "TYPE", &variable);
    const char *type = word ? env_type_of(word) : NULL;
    *other = word && !type;
    if (type && f->type && strcmp(type, f->type) != 0) {
        diag_add(r->diag, DIAG_ERROR, env_place(r, variable), "says something else than the variables' own name: set it to %s, or remove it", f->type);
        return "";
    }
    return type ? type : f->type;
}

static const char *const user_words[] = { "USER", "USERNAME", NULL }, *const database_words[] = { "DB", "NAME", "DATABASE", NULL },
                        *const password_words[] = { "PASSWORD", NULL };

/* A value that nobody asks for, because another one stands where the store was announced, is said: else it is looked for long. */
static void say_unused(struct env_reader *r, const char *variable, const char *value, const struct env_store *s, const char *kept, const char *what)
{
    if (value && kept && strcmp(value, kept) != 0)
        diag_add(r->diag, DIAG_WARNING, env_place(r, variable), "is not used: %s announces the store, with %s %s", s->variable, *kept ? "another" : "no",
                 what);
}

static void take_field(struct env_reader *r, const char *family, const char *const *words, const struct env_store *s, const char *what, const char **field,
                       const char **from)
{
    const char *variable = NULL, *value = first_value(r, family, words, &variable);
    if (*field || !value) {
        say_unused(r, variable, value, s, *field, what);
        return;
    }
    *field = value;
    *from = variable;
}

static void take_password(struct env_reader *r, const char *family, struct env_store *s)
{
    bool file;
    const char *variable = which(r, family, "PASSWORD", &file);
    if (!variable)
        return;
    if (s->password) {
        say_unused(r, variable, file ? read_file(r, variable, get(r, variable)) : get(r, variable), s, s->password, "password");
        return;
    }
    s->password_variable = variable;
    *(file ? &s->password_file : &s->password_env) = file ? get(r, variable) : variable;
}

static bool take_rest(struct env_reader *r, const char *family, struct env_store *s)
{
    take_field(r, family, user_words, s, "user", &s->user, &s->user_variable);
    take_field(r, family, database_words, s, "database", &s->database, &s->database_variable);
    take_password(r, family, s);
    if (s->user || strcmp(s->type, "mysql") != 0)
        return true;
    diag_add(r->diag, DIAG_ERROR, env_place(r, s->variable), "announces a store, but nothing says who logs in: set %s_USER", family);
    return false;
}

static bool from_host(struct env_reader *r, const struct family *f, const char *text, const char *type, bool other, struct env_store *s)
{
    if (strstr(text, "://"))
        return env_read_url(r, s->variable, text, type, s);
    if (!env_read_host(r, s->variable, text, s) || !take_port(r, f->name, s))
        return false;
    s->type = type ? type : s->port ? env_type_of_port(s->port) : NULL;
    if (other) {
        diag_add(r->diag, DIAG_WARNING, env_place(r, arena_printf(r->names, "%s_TYPE", f->name)),
                 "names a store for which there is no probe: it is not checked");
        s->type = NULL;
    } else if (!s->type) {
        diag_add(r->diag, DIAG_ERROR, env_place(r, s->variable),
                 "neither %s_TYPE nor %s_PORT says what it is: set %s_TYPE to postgres, mysql or redis", f->name, f->name, f->name);
        return false;
    }
    return true;
}

/* A URL and a host, with the port that belongs to the host, must mean the same in one family. */
static bool agrees(struct env_reader *r, const struct family *f, const struct env_store *s)
{
    const char *variable, *host = env_value(r, f->name, "HOST", &variable);
    struct env_store other = { 0 };
    if (!host || strstr(host, "://") || !s->host)
        return true;
    other.variable = variable;
    if (!env_read_host(r, variable, host, &other) || !take_port(r, f->name, &other))
        return false;
    if (!other.host || strcasecmp(other.host, s->host) != 0)
        return contradict(r, variable, s->variable);
    return !other.port || !strcmp(other.port, env_port_of(s)) || contradict(r, arena_printf(r->names, "%s_PORT", f->name), s->variable);
}

/* False: nothing is announced, or a finding says why it cannot be used. */
static bool read_family(struct env_reader *r, const struct family *f, struct env_store *s)
{
    const char *text, *dsn_variable, *host_variable;
    bool other;
    const char *type = announced_type(r, f, &other);
    if (type && !*type)
        return false;
    *s = (struct env_store){ .family = f->name };
    const char *url = env_value(r, f->name, "URL", &s->variable), *dsn = env_value(r, f->name, "DSN", &dsn_variable);
    if (url && dsn && strcmp(url, dsn) != 0)
        return contradict(r, dsn_variable, s->variable);
    bool good = false;
    if (url) {
        good = env_read_url(r, s->variable, url, type, s) && (!s->type || agrees(r, f, s));
    } else if (dsn) {
        s->variable = dsn_variable;
        good = env_read_dsn(r, dsn_variable, dsn, type, s);
    } else if ((text = env_value(r, f->name, "HOST", &host_variable))) {
        s->variable = host_variable;
        good = from_host(r, f, text, type, other, s);
    }
    if (!good || !s->type)
        return false;
    return take_rest(r, f->name, s);
}

/* ---- several ------------------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
    return a && b ? !strcasecmp(a, b) : a == b;
}

/* One server: another database of it is another target, but an unnamed one is not. */
static bool same_target(const struct env_store *a, const struct env_store *b)
{
    return !strcmp(a->type, b->type) && same(a->host, b->host) && same(a->socket, b->socket) && !strcmp(env_port_of(a), env_port_of(b)) &&
           (!strcmp(a->type, "redis") || !a->database || !b->database || !strcmp(a->database, b->database));
}

static bool has_password(const struct env_store *s)
{
    return s->password || s->password_env || s->password_file;
}

/* "" when there is none. A file that cannot be read is told about when it is wanted. */
static const char *password_text(struct env_reader *r, const struct env_store *s)
{
    struct vital_secret secret = { .source = SECRET_FILE, .origin = s->password_file };
    const char *text = s->password ? s->password : s->password_env ? get(r, s->password_env) : NULL;
    if (!text && s->password_file && !secret_load(&secret, r->arena))
        text = arena_copy_n(r->arena, secret.value, secret.len);
    secret_free(&secret);
    return text ? text : "";
}

static void absorb(struct env_reader *r, struct env_store *kept, const struct env_store *again)
{
    if (kept->user && again->user && strcmp(kept->user, again->user) != 0)
        diag_add(r->diag, DIAG_WARNING, env_place(r, again->variable), "announces the same store as %s with another user: %s is used", kept->variable,
                 kept->variable);
    if (!kept->database) {
        kept->database = again->database;
        kept->database_variable = again->database_variable ? again->database_variable : again->variable;
    }
    if (!kept->user) {
        kept->user = again->user;
        kept->user_variable = again->user_variable ? again->user_variable : again->variable;
    }
    if (!same(kept->user, again->user) || !has_password(again))
        return;
    if (has_password(kept)) {
        say_unused(r, again->password_variable ? again->password_variable : again->variable, password_text(r, again), kept, password_text(r, kept), "password");
        return;
    }
    kept->password = again->password;
    kept->password_env = again->password_env;
    kept->password_file = again->password_file;
    kept->password_variable = again->password_variable ? again->password_variable : again->variable;
}

static bool announces(struct env_reader *r, const char *family)
{
    static const char *const suffixes[] = { "URL", "URL_FILE", "DSN", "DSN_FILE", "HOST", "HOST_FILE" };
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (get(r, arena_printf(r->names, "%s_%s", family, suffixes[i])))
            return true;
    return false;
}

/* DB_USER beside DATABASE_URL: variables of a family that announces nothing, which say something else than the store does. */
static void check_bystander(struct env_reader *r, const struct family *f, const struct env_store *stores, unsigned count)
{
    const struct env_store *s = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (f->type && strcmp(f->type, stores[i].type) != 0)
            continue;
        if (s)
            return; /* whose they are is anybody's guess */
        s = &stores[i];
    }
    if (!s || announces(r, f->name))
        return;
    const char *variable = NULL, *value = first_value(r, f->name, user_words, &variable);
    say_unused(r, variable, value, s, s->user ? s->user : "", "user");
    value = first_value(r, f->name, password_words, &variable);
    say_unused(r, variable, value, s, password_text(r, s), "password");
}

static unsigned collect(struct env_reader *r, struct env_store *stores)
{
    unsigned count = 0;
    for (unsigned i = 0; i < STORES_MAX; i++) {
        struct env_store s;
        unsigned at = 0;
        if (!read_family(r, &families[i], &s))
            continue;
        while (at < count && !same_target(&stores[at], &s))
            at++;
        if (at < count)
            absorb(r, &stores[at], &s);
        else
            stores[count++] = s;
    }
    for (unsigned i = 0; i < STORES_MAX; i++)
        check_bystander(r, &families[i], stores, count);
    return count;
}

/* ---- the tree ----------------------------------------------------------------------------------------------- */

static void put(struct env_reader *r, struct node *map, const char *key, struct node *value)
{
    map_put(r->arena, map, key, map->place, value);
}

static struct node *text_node(struct env_reader *r, struct diag_place place, const char *text)
{
    struct node *n = node_scalar(r->arena, place, text, strlen(text), true);
    n->verbatim = n->expanded = true;
    return n;
}

/* What has a variable of its own is an option of its own, so that a finding about it names that variable. */
static void put_of_variable(struct env_reader *r, struct node *options, const char *key, const char *text, bool is_number, const char *variable)
{
    struct diag_place place = env_place(r, variable ? variable : "");
    if (text && variable)
        map_put(r->arena, options, key, place, is_number ? node_scalar(r->arena, place, text, strlen(text), false) : text_node(r, place, text));
}

static struct node *password_node(struct env_reader *r, const struct env_store *s)
{
    struct diag_place place = env_place(r, s->password_variable ? s->password_variable : s->variable);
    struct node *map = node_map(r->arena, place);
    if (s->password)
        return text_node(r, place, s->password);
    put(r, map, s->password_env ? "env" : "file", text_node(r, place, s->password_env ? s->password_env : s->password_file));
    return map;
}

static void add_store(struct env_reader *r, struct node *probes, const struct env_store *s)
{
    struct diag_place place = env_place(r, s->variable);
    struct node *probe = node_map(r->arena, place), *options = node_map(r->arena, place);
    char *name = arena_printf(r->arena, map_find(probes, s->type) ? "%s-%s" : "%s", s->type, s->family);
    for (char *c = name; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 32 : *c);
    put(r, options, "url", text_node(r, place, env_url_text(r->arena, s)));
    put_of_variable(r, options, "user", s->user, false, s->user_variable);
    if (has_password(s))
        put(r, options, "password", password_node(r, s));
    put_of_variable(r, options, "database", s->database, !strcmp(s->type, "redis"), s->database_variable);
    put(r, probe, s->type, options);
    put(r, probes, name, probe);
}

/* Memory and disk with their own defaults; `ready` makes them advisory, for they are about this host. */
static void add_host(struct env_reader *r, struct node *probes)
{
    struct diag_place nowhere = { 0 };
    struct node *memory = node_map(r->arena, nowhere), *disk = node_map(r->arena, nowhere), *options = node_map(r->arena, nowhere);
    put(r, memory, "memory", node_map(r->arena, nowhere));
    put(r, options, "path", text_node(r, nowhere, "/"));
    put(r, disk, "disk", options);
    put(r, probes, "memory", memory);
    put(r, probes, "disk", disk);
}

struct node *env_tree(struct arena *tree, struct arena *names, const struct environment *env, struct diag *d)
{
    struct env_reader r = { tree, names, env, d };
    struct env_store stores[STORES_MAX];
    struct diag_place nowhere = { 0 };
    struct node *root = node_map(tree, nowhere), *probes = node_map(tree, nowhere);
    add_host(&r, probes);
    unsigned count = collect(&r, stores);
    for (unsigned i = 0; i < count; i++)
        add_store(&r, probes, &stores[i]);
    put(&r, root, "probes", probes);
    return root;
}
