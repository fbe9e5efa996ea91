#include "config/modules.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/places.h"

enum { LOADED_MAX = 64, TYPE_MAX = 63 };

/* Modules with a heavy library: their files come in packages of their own. */
static const struct { const char *type, *package; } packages[] = {
    { "postgres", "vitald-postgres" }, { "redis", "vitald-redis" }, { "mysql", "vitald-mysql" },
    { "grpc", "vitald-grpc" },         { "unit", "vitald-unit" },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct vital_module *loaded[LOADED_MAX];
static unsigned loaded_count;
static char *dir_set;

void modules_set_dir(const char *dir)
{
    pthread_mutex_lock(&lock);
    mem_free(dir_set);
    dir_set = mem_copy(dir);
    pthread_mutex_unlock(&lock);
}

const char *modules_package(const char *type)
{
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
        if (!strcmp(packages[i].type, type))
            return packages[i].package;
    return NULL;
}

/* ---- the gate ----------------------------------------------------------------------------------------------- */

static bool is_name(const char *name, char also)
{
    for (const char *at = name; *at; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= '0' && *at <= '9') && *at != '_' && *at != also)
            return false;
    return *name && strlen(name) <= TYPE_MAX;
}

static const char *check_row(const struct vital_opt *row)
{
    bool composite = row->type == VITAL_BLOCK || row->type == VITAL_BLOCKS;
    if (row->type >= VITAL_TYPE_COUNT)
        return "has an unknown type";
    if (!is_name(row->name, '-'))
        return "has a name that is not lower case letters, digits, _ and -";
    if (!row->help || !*row->help)
        return "has no help";
    if (row->type == VITAL_WORD && !row->words)
        return "is a WORD without words";
    if (composite && (!row->rows || !row->row_size))
        return "is a block without rows";
    return NULL;
}

static const char *check_rows(const struct vital_opt *rows, unsigned depth, const struct vital_opt **bad)
{
    unsigned count = 0, bare = 0;
    for (const struct vital_opt *row = rows; row->name; row++) {
        const char *why = check_row(row);
        bare += (row->flags & VITAL_BARE) != 0;
        *bad = row;
        if (!why && ++count > 64)
            why = "is one too many: at most 64";
        if (!why && bare > 1)
            why = "is a second BARE row";
        if (!why && row->rows && depth > 1)
            why = "nests blocks too deeply";
        if (!why && row->rows)
            why = check_rows(row->rows, depth + 1, bad);
        if (why)
            return why;
    }
    return NULL;
}

static const char *check_shape(const struct vital_module *m)
{
    if (!m->name || !is_name(m->name, '-'))
        return "it has no proper name";
    if (!m->summary || !*m->summary)
        return "it has no summary";
    if (!m->opts || !m->start || !m->conf_size)
        return "it has no options, no start() or no conf struct";
    for (const struct vital_number *n = m->numbers; n && n->name; n++)
        if (!is_name(n->name, '_') || !n->unit || !n->help)
            return "a number has no proper name, unit or help";
    return NULL;
}

const char *modules_check(const struct vital_module *m, char *room, size_t size)
{
    const struct vital_opt *bad = NULL;
    if (m->magic != VITAL_MAGIC)
        snprintf(room, size, "it is no vitald module (magic %08x, not %08x)", m->magic, (unsigned)VITAL_MAGIC);
    else if (m->abi != VITAL_ABI)
        snprintf(room, size, "it was built for module ABI %u, this vitald has ABI %u: rebuild it with this version's vital_probe.h", m->abi,
                 (unsigned)VITAL_ABI);
    else if (m->size != sizeof *m || m->opt_size != sizeof(struct vital_opt) || m->number_size != sizeof(struct vital_number))
        snprintf(room, size,
                 "its structs have %u, %u and %u bytes, this vitald's have %zu, %zu and %zu: rebuild it with this version's vital_probe.h", m->size,
                 m->opt_size, m->number_size, sizeof *m, sizeof(struct vital_opt), sizeof(struct vital_number));
    else if (check_shape(m))
        snprintf(room, size, "%s", check_shape(m));
    else if (check_rows(m->opts, 0, &bad))
        snprintf(room, size, "its option `%s` %s", bad->name, check_rows(m->opts, 0, &bad));
    else
        return NULL;
    return room;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

/* The directories that are searched, in order; heap. */
struct places { char *dir[2]; unsigned count; };

static struct places places_get(void)
{
    struct places p = { .count = 1 };
    char exe[PATH_MAX];
    ssize_t n = dir_set ? -1 : readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (dir_set) {
        p.dir[0] = mem_copy(dir_set);
        return p;
    }
    if (n > 0) {
        exe[n] = '\0';
        p.dir[0] = mem_printf("%.*s/modules", (int)(strrchr(exe, '/') - exe), exe);
        p.count = 2;
    }
    p.dir[p.count - 1] = mem_copy(places_modules);
    return p;
}

static void places_free(struct places *p)
{
    mem_free(p->dir[0]);
    mem_free(p->dir[1]);
}

static const struct vital_module *refuse(char **error, const char *path, const char *why)
{
    *error = mem_printf("module %s cannot be used: %s", path, why);
    return NULL;
}

static const struct vital_module *open_file(const char *path, const char *type, char **error)
{
    char why[512];
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* for ever: its code may be on some stack */
    if (!handle)
        return refuse(error, path, dlerror());
    const struct vital_module *const *symbol = dlsym(handle, "vital_module");
    if (!symbol || !*symbol)
        return refuse(error, path, "it exports no `vital_module`: its file must end in VITAL_EXPORT(...)");
    if (modules_check(*symbol, why, sizeof why))
        return refuse(error, path, why);
    if (strcmp((*symbol)->name, type) != 0)
        return refuse(error, path, "its name inside is another one than its file's");
    if (loaded_count == LOADED_MAX)
        return refuse(error, path, "too many modules are loaded");
    return loaded[loaded_count++] = *symbol;
}

static const struct vital_module *find_known(const char *type)
{
    for (size_t i = 0; builtin_modules[i]; i++)
        if (!strcmp(builtin_modules[i]->name, type))
            return builtin_modules[i];
    for (unsigned i = 0; i < loaded_count; i++)
        if (!strcmp(loaded[i]->name, type))
            return loaded[i];
    return NULL;
}

static enum modules_result find_file(const struct places *p, const char *type, const struct vital_module **out, char **error)
{
    for (unsigned i = 0; i < p->count; i++) {
        char *path = mem_printf("%s/%s.so", p->dir[i], type);
        bool there = access(path, F_OK) == 0;
        if (there)
            *out = open_file(path, type, error);
        mem_free(path);
        if (there)
            return *out ? MODULES_FOUND : MODULES_UNUSABLE;
    }
    if (!modules_package(type)) {
        *error = mem_printf("there is no probe type `%s`", type);
        return MODULES_UNKNOWN;
    }
    *error = mem_printf("the module for `%s` is not installed: install the package %s (looked for %s.so in %s%s%s)", type, modules_package(type),
                        type, p->dir[0], p->count > 1 ? " and " : "", p->count > 1 ? p->dir[1] : "");
    return MODULES_NOT_INSTALLED;
}

static enum modules_result find(const char *type, const struct vital_module **out, char **error)
{
    if ((*out = find_known(type)))
        return MODULES_FOUND;
    struct places p = places_get();
    enum modules_result result = find_file(&p, type, out, error);
    places_free(&p);
    return result;
}

enum modules_result modules_lookup(const char *type, const struct vital_module **out, char **error)
{
    *error = NULL;
    if (!is_name(type, '-')) {
        *out = NULL;
        *error = mem_printf("there is no probe type `%s`", type);
        return MODULES_UNKNOWN;
    }
    pthread_mutex_lock(&lock);
    enum modules_result result = find(type, out, error);
    pthread_mutex_unlock(&lock);
    return result;
}

const struct vital_module *modules_find(const char *type, char **error)
{
    const struct vital_module *m;
    modules_lookup(type, &m, error);
    return m;
}

size_t modules_names(const char **out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; builtin_modules[i] && n < room; i++)
        out[n++] = builtin_modules[i]->name;
    for (size_t i = 0; i < sizeof packages / sizeof *packages && n < room; i++)
        out[n++] = packages[i].type;
    return n;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static void load_directory(const char *dir)
{
    struct dirent **found = NULL;
    int n = scandir(dir, &found, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *dot = strrchr(found[i]->d_name, '.'), *error = NULL;
        if (dot && dot != found[i]->d_name && !strcmp(dot, ".so")) {
            *dot = '\0';
            modules_find(found[i]->d_name, &error);
            mem_free(error);
        }
        free(found[i]);
    }
    free(found);
}

size_t modules_all(const struct vital_module **out, size_t room)
{
    size_t n = 0;
    pthread_mutex_lock(&lock);
    struct places p = places_get();
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i < p.count; i++)
        load_directory(p.dir[i]);
    places_free(&p);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; builtin_modules[i] && n < room; i++)
        out[n++] = builtin_modules[i];
    for (unsigned i = 0; i < loaded_count && n < room; i++)
        out[n++] = loaded[i];
    pthread_mutex_unlock(&lock);
    return n;
}
