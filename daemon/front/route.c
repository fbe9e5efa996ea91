#include "front/route.h"

#include <string.h>

#include "base/mem.h"
#include "config/conf.h"
#include "core/core.h"
#include "front/roles.h"

/* The whole paths are in an open-addressing table, so the hot path is one hash and one compare; only paths that name a
 * probe are taken apart. */
struct entry { char *path; uint32_t len, hash; struct route to; };

static struct entry *table;
static uint32_t mask;

static uint32_t hash_of(const char *at, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)at[i]) * 16777619u;
    return h;
}

static struct entry *slot_of(const char *at, size_t len, uint32_t hash)
{
    uint32_t i = hash & mask;
    while (table[i].path && (table[i].hash != hash || table[i].len != len || memcmp(table[i].path, at, len) != 0))
        i = (i + 1) & mask;
    return &table[i];
}

/* The first one wins: built-in paths cannot be taken away by an alias. */
static void put(const char *path, struct route to)
{
    size_t len = strlen(path);
    if (len > 1 && path[len - 1] == '/')
        len--;
    uint32_t hash = hash_of(path, len);
    struct entry *e = slot_of(path, len, hash);
    if (e->path)
        return;
    *e = (struct entry){ mem_copy_n(path, len), (uint32_t)len, hash, to };
}

static void put_group(const char *prefix, const char *name, enum route_kind kind, uint32_t group)
{
    char *path = mem_printf("%s%s", prefix, name);
    put(path, (struct route){ kind, group, 0 });
    mem_free(path);
}

void route_build(const struct conf *conf)
{
    uint32_t room = 64;
    route_free();
    while (room < 3 * (2 * conf->group_count + conf->alias_count + 24))
        room *= 2;
    table = mem_alloc(room * sizeof *table);
    mask = room - 1;
    put("/livez", (struct route){ ROUTE_VERDICT, conf->live, 0 });
    put("/readyz", (struct route){ ROUTE_VERDICT, conf->ready, 0 });
    put("/startupz", (struct route){ ROUTE_VERDICT, conf->startup, 0 });
    put("/healthz", (struct route){ ROUTE_VERDICT, conf->health, 0 });
    put("/", (struct route){ ROUTE_PAGE, conf->ready, 0 });
    put("*", (struct route){ ROUTE_VERDICT, conf->ready, 0 });      /* OPTIONS * */
    put("/status", (struct route){ ROUTE_STATUS, 0, 0 });
    put("/metrics", (struct route){ ROUTE_METRICS, 0, 0 });
    put("/events", (struct route){ ROUTE_EVENTS, 0, 0 });
    for (uint32_t i = 0; i < conf->group_count; i++) {
        put_group("/healthz/", conf->groups[i].name, ROUTE_VERDICT, i);
        put_group("/explain/", conf->groups[i].name, ROUTE_EXPLAIN, i);
    }
    for (uint32_t i = 0; i < conf->alias_count; i++)
        put(conf->aliases[i].path, (struct route){ ROUTE_VERDICT, conf->aliases[i].group, 0 });
    for (const struct role_name *r = role_names; r->path && conf->role_probe != UINT32_MAX; r++)
        put(r->path, (struct route){ ROUTE_ROLE, r->asks, conf->role_probe });
}

void route_free(void)
{
    for (uint32_t i = 0; table && i <= mask; i++)
        mem_free(table[i].path);
    mem_free(table);
    table = NULL;
    mask = 0;
}

static const struct route nowhere = { ROUTE_NONE, 0, 0 };

static struct route find_whole(struct span path)
{
    const struct entry *e = slot_of(path.at, path.len, hash_of(path.at, path.len));
    return e->path ? e->to : nowhere;
}

/* <verdict path>/<probe> and /status/<probe>. */
static struct route find_probe(struct span path)
{
    static const char *const parents[] = { "/readyz", "/livez" };
    const char *slash = memrchr(path.at, '/', path.len);
    if (!slash || slash == path.at)
        return nowhere;
    struct span parent = { path.at, (size_t)(slash - path.at) };
    uint32_t probe = core_probe_find(slash + 1, path.len - parent.len - 1);
    if (probe == UINT32_MAX)
        return nowhere;
    if (span_is(parent, "/status"))
        return (struct route){ ROUTE_PROBE, 0, probe };
    bool known = parent.len > 9 && !memcmp(parent.at, "/healthz/", 9);
    for (unsigned i = 0; i < sizeof parents / sizeof *parents && !known; i++)
        known = span_is(parent, parents[i]);
    struct route group = known ? find_whole(parent) : nowhere;
    if (group.kind != ROUTE_VERDICT || !core_is_member(group.group, probe))
        return nowhere;
    return (struct route){ ROUTE_MEMBER, group.group, probe };
}

struct route route_find(struct span path)
{
    if (path.len > 1 && path.at[path.len - 1] == '/')
        path.len--;
    struct route r = find_whole(path);
    return r.kind == ROUTE_NONE ? find_probe(path) : r;
}

unsigned route_class(enum route_kind kind)
{
    static const unsigned classes[ROUTE_KIND_COUNT] = {
        [ROUTE_VERDICT] = SERVE_VERDICTS, [ROUTE_MEMBER] = SERVE_STATUS,  [ROUTE_STATUS] = SERVE_STATUS,
        [ROUTE_PROBE] = SERVE_STATUS,     [ROUTE_EXPLAIN] = SERVE_STATUS, [ROUTE_METRICS] = SERVE_METRICS,
        [ROUTE_EVENTS] = SERVE_EVENTS,    [ROUTE_PAGE] = SERVE_PAGE,     [ROUTE_ROLE] = SERVE_VERDICTS,
    };
    return classes[kind];
}
