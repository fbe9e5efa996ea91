/* The sections `listen`, `files`, `aliases` and `consumers`: who asks, and where. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"
#include "config/build.h"
#include "config/conf_access.h"
#include "config/opt_types.h"
#include "config/tree.h"

/* ---- listen ------------------------------------------------------------------------------------------------- */

struct listen_rows {
    const char *name, *address, *mode;
    struct vital_list serve;
    int64_t max_connections, max_per_source;
    struct access_rows access;
};

const struct vital_opt conf_listen_rows[] = {
    VITAL_OPT(struct listen_rows, address, STRING, .flags = VITAL_REQUIRED | VITAL_BARE,
              .help = "host:port, [v6]:port, :port for every address, or unix:/path"),
    VITAL_OPT(struct listen_rows, name, STRING, .help = "its name in logs, metrics and socket units; default: the address"),
    VITAL_OPT(struct listen_rows, serve, STRINGS, .def = "verdicts", .words = access_listen_words,
              .help = "what it answers, one of these or a list; grpc makes it a gRPC listener, where only status may stand beside it"),
    VITAL_OPT(struct listen_rows, mode, STRING, .def = "0666", .help = "permissions of a unix socket, in octal"),
    VITAL_OPT(struct listen_rows, max_connections, INT, .def = "8192", .min = 1, .max = 1000000, .help = "connections at the same time"),
    VITAL_OPT(struct listen_rows, max_per_source, INT, .def = "1024", .min = 1, .max = 1000000, .help = "of these, from one address"),
    ACCESS_ROWS(struct listen_rows, access),
    VITAL_OPT_END,
};

/* A name could mean other addresses tomorrow. */
static bool is_numeric(const char *host)
{
    struct in_addr four;
    return !strcmp(host, "localhost") || strchr(host, ':') || inet_pton(AF_INET, host, &four) == 1;
}

const struct vital_url *build_address(struct build *b, const struct node *n)
{
    struct url u = { 0 };
    if (n->broken)
        return NULL;
    const char *text = n->text, *why = url_parse_address(text, strlen(text), true, &u);
    if (!why && !*u.port && !*u.unix_path)
        why = "the port is missing";
    if (!why && *u.host && !is_numeric(u.host))
        why = "listening addresses are numeric, like 127.0.0.1 or 0.0.0.0";
    if (why) {
        diag_add(b->diag, DIAG_ERROR, n->place, "`address`: %s: %s: write host:port, [v6]:port, :port or unix:/path", opt_shown(&b->scope, n), why);
        return NULL;
    }
    struct vital_url *out = arena_alloc(b->conf->arena, sizeof *out);
    out->host = *u.host ? arena_copy(b->conf->arena, u.host) : NULL;
    out->port = *u.port ? arena_copy(b->conf->arena, u.port) : NULL;
    out->unix_path = *u.unix_path ? arena_copy(b->conf->arena, u.unix_path) : NULL;
    out->text = arena_copy(b->conf->arena, text);
    return out;
}

bool build_is_loopback(const struct vital_url *u)
{
    struct in_addr v4;
    return u->host && (!strcmp(u->host, "localhost") || !strcmp(u->host, "::1") ||
                       (inet_pton(AF_INET, u->host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127));
}

static uint16_t read_mode(struct build *b, const char *text, struct diag_place place)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (*end || !*text || mode > 0777 || strspn(text, "01234567") != strlen(text))
        diag_add(b->diag, DIAG_ERROR, place, "`mode`: \"%s\": expected octal permissions like 0660", text);
    return (uint16_t)mode;
}

static void read_listener(struct build *b, struct node *n, struct conf_listen *l)
{
    struct listen_rows r = { 0 };
    const struct node *map = opt_unfold(b->tree, conf_listen_rows, n);
    l->place = map->place;
    if (!opt_decode(&b->scope, map, "`listen`", conf_listen_rows, &r))
        return;
    l->address = build_address(b, map_find(map, "address"));
    l->name = r.name ? r.name : r.address;
    l->mode = read_mode(b, r.mode, map_find(map, "mode") ? map_find(map, "mode")->place : map->place);
    l->serve = access_bits(&r.serve);
    if ((l->serve & SERVE_GRPC) && (l->serve & ~(unsigned)(SERVE_GRPC | SERVE_STATUS)))
        diag_add(b->diag, DIAG_ERROR, map_find(map, "serve")->place, "`serve`: a listener speaks gRPC or HTTP, not both: leave grpc alone (or beside status, which lets it list the groups), and add a listener for the rest");
    l->max_connections = (uint32_t)r.max_connections;
    l->max_per_source = (uint32_t)r.max_per_source;
    access_read(b, map, &r.access, l);
}

uint32_t build_list(const struct build *b, const char *section, struct node ***items, struct node **room)
{
    *room = map_find(b->root, section);
    if (!*room || (*room)->kind == NODE_NULL)
        return 0;
    *items = (*room)->kind == NODE_LIST ? (*room)->items : room;
    return (*room)->kind == NODE_LIST ? (*room)->count : 1;
}

void build_listeners(struct build *b)
{
    struct node **items, *room;
    uint32_t count = build_list(b, "listen", &items, &room);
    struct conf_listen *all = arena_alloc(b->conf->arena, (count + 1) * sizeof *all);
    struct names names = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        read_listener(b, items[i], &all[i]);
        if (all[i].name && names_get(&names, all[i].name) != NAMES_NONE)
            diag_add(b->diag, DIAG_ERROR, all[i].place, "two listeners are called `%s`", all[i].name);
        if (all[i].name)
            names_put(&names, b->tree, all[i].name, i);
    }
    b->conf->listeners = all;
    b->conf->listen_count = count;
}

/* ---- files -------------------------------------------------------------------------------------------------- */

struct file_rows { const char *path, *group, *content, *otherwise; };
const struct vital_opt conf_file_rows[] = {
    VITAL_OPT(struct file_rows, path, STRING, .flags = VITAL_REQUIRED | VITAL_PATHNAME, .help = "a file that exists while the group passes or warns"),
    VITAL_OPT(struct file_rows, group, STRING, .def = "ready", .help = "the group it tells about"),
    VITAL_OPT(struct file_rows, content, STRING, .help = "what is in it, as it is; default: pass or warn, and a line's end"),
    VITAL_OPT(struct file_rows, otherwise, STRING, .help = "what is in it while the group fails, and when vitald leaves; default: there is no file then"),
    VITAL_OPT_END,
};

void build_files(struct build *b)
{
    struct node **items, *room;
    uint32_t count = build_list(b, "files", &items, &room);
    struct conf_file *all = arena_alloc(b->conf->arena, (count + 1) * sizeof *all);
    struct names paths = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        struct file_rows r = { 0 };
        all[i].place = items[i]->place;
        if (!opt_decode(&b->scope, items[i], "`files`", conf_file_rows, &r))
            continue;
        all[i].path = r.path;
        all[i].content = r.content;
        all[i].otherwise = r.otherwise;
        all[i].group = build_find_group(b, r.group, map_find(items[i], "group") ? map_find(items[i], "group")->place : items[i]->place);
        if (names_get(&paths, r.path) != NAMES_NONE)
            diag_add(b->diag, DIAG_ERROR, items[i]->place, "`files` names %s twice", r.path);
        names_put(&paths, b->tree, r.path, i);
    }
    b->conf->files = all;
    b->conf->file_count = count;
}

/* ---- aliases ------------------------------------------------------------------------------------------------ */

static const char *const own_paths[] = { "/", "/livez", "/readyz", "/startupz", "/healthz", "/status", "/explain", "/metrics", "/events" };

static const char *alias_fault(const char *path)
{
    if (*path != '/')
        return "must begin with '/'";
    if (strpbrk(path, "?# %"))
        return "must be a plain path, without ?, #, % and spaces";
    for (size_t i = 0; i < sizeof own_paths / sizeof *own_paths; i++) {
        size_t n = strlen(own_paths[i]);
        if (!strcmp(path, own_paths[i]) || (i && !strncmp(path, own_paths[i], n) && path[n] == '/'))
            return "is a path that vitald answers itself";
    }
    return NULL;
}

void build_aliases(struct build *b)
{
    const struct node *map = build_section(b, "aliases");
    struct conf_alias *all = arena_alloc(b->conf->arena, ((map ? map->count : 0) + 1) * sizeof *all);
    uint32_t n = 0;
    if (map)
        MAP_EACH(e, map) {
            const char *fault = alias_fault(e->key);
            if (fault)
                diag_add(b->diag, DIAG_ERROR, e->place, "alias `%s` %s", e->key, fault);
            if (e->value->kind != NODE_SCALAR)
                diag_add(b->diag, DIAG_ERROR, e->value->place, "alias `%s` must name a group, not %s", e->key, node_kind_text(e->value));
            else
                all[n++] = (struct conf_alias){ arena_copy(b->conf->arena, e->key), build_find_group(b, e->value->text, e->value->place), e->place };
        }
    b->conf->aliases = all;
    b->conf->alias_count = n;
}

/* ---- role_probe --------------------------------------------------------------------------------------------- */

/* By its numbers; a module that is not installed declares none, and then the type's name has to do. */
static bool tells_role(const struct conf_probe *p)
{
    const struct vital_module *m = p->options ? p->options->module : NULL;
    for (const struct vital_number *n = m ? m->numbers : NULL; n && n->name; n++)
        if (!strcmp(n->name, "standby") && !n->label)
            return true;
    return !m && p->type && !strcmp(p->type, "postgres");
}

static uint32_t only_role_probe(const struct conf *c)
{
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < c->probe_count; i++) {
        if (tells_role(&c->probes[i]) && found != UINT32_MAX)
            return UINT32_MAX;
        if (tells_role(&c->probes[i]))
            found = i;
    }
    return found;
}

void build_role(struct build *b)
{
    const struct node *n = map_find(b->root, "role_probe");
    if (!n || n->kind != NODE_SCALAR) {
        b->conf->role_probe = only_role_probe(b->conf);
        return;
    }
    uint32_t at = names_get(&b->names, n->text);
    b->conf->role_probe = UINT32_MAX;
    if (at == NAMES_NONE)
        build_unknown(b, n->text, n->place, "`role_probe`");
    else if (at & 1 || !tells_role(&b->conf->probes[at / 2]))
        diag_add(b->diag, DIAG_ERROR, n->place, "`role_probe`: `%s` is %s: only a postgres probe knows whether a server is primary or replica", n->text,
                 at & 1 ? "a group" : "a probe of another type");
    else
        b->conf->role_probe = at / 2;
}

/* ---- consumers ---------------------------------------------------------------------------------------------- */

struct consumer_rows {
    const char *group;
    uint64_t period, timeout;
    int64_t threshold;
};
const struct vital_opt conf_consumer_rows[] = {
    VITAL_OPT(struct consumer_rows, group, STRING, .def = "ready", .help = "the group it asks for"),
    VITAL_OPT(struct consumer_rows, period, DURATION, .def = "10s", .min = 1000, .max = 86400 * USEC_S, .help = "it asks that often"),
    VITAL_OPT(struct consumer_rows, timeout, DURATION, .def = "1s", .min = 1000, .max = 86400 * USEC_S, .help = "it waits that long for an answer"),
    VITAL_OPT(struct consumer_rows, threshold, INT, .def = "3", .min = 1, .max = 10000, .help = "it acts after that many failures in a row"),
    VITAL_OPT_END,
};

void build_consumers(struct build *b)
{
    const struct node *map = build_section(b, "consumers");
    struct conf_consumer *all = arena_alloc(b->conf->arena, ((map ? map->count : 0) + 1) * sizeof *all);
    uint32_t n = 0;
    if (map)
        MAP_EACH(e, map) {
            struct consumer_rows r = { 0 };
            char what[96];
            snprintf(what, sizeof what, "consumer `%s`", e->key);
            if (!opt_decode(&b->scope, opt_unfold(b->tree, conf_consumer_rows, e->value), what, conf_consumer_rows, &r))
                continue;
            const struct node *group = map_find(e->value, "group");
            all[n++] = (struct conf_consumer){ arena_copy(b->conf->arena, e->key), build_find_group(b, r.group, group ? group->place : e->place),
                                               r.period, r.timeout, (uint32_t)r.threshold, e->place };
        }
    b->conf->consumers = all;
    b->conf->consumer_count = n;
}
