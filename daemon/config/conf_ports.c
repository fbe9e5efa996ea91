/* The sections `agents` and `gates`: ports that stand for one group each. And what listens must not get in its own way. */
#include <string.h>

#include "base/mem.h"
#include "config/build.h"
#include "config/opt_types.h"
#include "config/tree.h"

struct weight_rows {
    int64_t pass, warn, least;
    const char *probe, *number, *label;
    double full_at, least_at;
};
struct agent_rows {
    const char *address, *group;
    bool admin_words;
    struct weight_rows weight;
};
struct gate_rows { const char *address, *group; };

static const struct vital_opt weight_rows[] = {
    VITAL_OPT(struct weight_rows, pass, INT, .def = "100", .max = 100, .help = "percent of the server's weight while the group passes"),
    VITAL_OPT(struct weight_rows, warn, INT, .def = "100", .max = 100, .help = "while it warns"),
    VITAL_OPT(struct weight_rows, probe, STRING, .help = "a probe whose number lowers the weight further"),
    VITAL_OPT(struct weight_rows, number, STRING, .help = "the number, as vitald-probes(7) calls it; as long as the probe has none, the verdict alone decides"),
    VITAL_OPT(struct weight_rows, label, STRING, .help = "which of them, where there is one per something; default: the first"),
    VITAL_OPT(struct weight_rows, full_at, NUMBER, .help = "the number at which the weight is 100 percent"),
    VITAL_OPT(struct weight_rows, least_at, NUMBER, .help = "the number at which it is `least`; between the two it falls evenly, beyond them it stays"),
    VITAL_OPT(struct weight_rows, least, INT, .def = "10", .max = 100, .help = "percent at least_at"),
    VITAL_OPT_END,
};
const struct vital_opt conf_agent_rows[] = {
    VITAL_OPT(struct agent_rows, address, STRING, .flags = VITAL_REQUIRED | VITAL_BARE, .help = "host:port, [v6]:port, or :port for every address: HAProxy's agent-addr and agent-port"),
    VITAL_OPT(struct agent_rows, group, STRING, .def = "ready", .help = "the group it tells about"),
    VITAL_OPT(struct agent_rows, admin_words, BOOL, .def = "false",
              .help = "say ready, drain, maint and stopped too; `ready` cancels what an operator ordered in HAProxy"),
    VITAL_OPT_BLOCK(struct agent_rows, weight, weight_rows, .help = "what it says about the server's weight"),
    VITAL_OPT_END,
};
const struct vital_opt conf_gate_rows[] = {
    VITAL_OPT(struct gate_rows, address, STRING, .flags = VITAL_REQUIRED | VITAL_BARE, .help = "host:port, [v6]:port, or :port for every address"),
    VITAL_OPT(struct gate_rows, group, STRING, .def = "ready", .help = "connections are taken while it passes or warns"),
    VITAL_OPT_END,
};

/* Where in the file an option stands; the map itself when it is not written. */
static struct diag_place place_of(const struct node *map, const char *key)
{
    const struct node *n = map_find(map, key);
    return n ? n->place : map->place;
}

static void read_port(struct build *b, const struct node *map, const char *group, struct conf_port *p)
{
    const struct node *address = map_find(map, "address");
    p->place = map->place;
    p->group = build_find_group(b, group, place_of(map, "group"));
    p->address = build_address(b, address);
    if (p->address && (!p->address->port || !strcmp(p->address->port, "0")))
        diag_add(b->diag, DIAG_ERROR, address->place, "`address`: %s: a TCP port that others know is needed here, as in 0.0.0.0:8688", opt_shown(&b->scope, address));
}

/* ---- agents ------------------------------------------------------------------------------------------------- */

static const char *number_name(const void *arg, size_t i)
{
    return ((const struct vital_number *)arg)[i].name;
}

/* A probe whose module is not installed cannot be checked. */
static void check_number(struct build *b, const struct node *map, const struct conf_probe *probe, const char *number)
{
    const struct vital_module *module = probe->options ? probe->options->module : NULL;
    size_t count = 0;
    if (!module)
        return;
    for (const struct vital_number *n = module->numbers; n && n->name; n++, count++)
        if (!strcmp(n->name, number))
            return;
    const char *near = diag_nearest(number, number_name, module->numbers, count);
    diag_add(b->diag, DIAG_ERROR, place_of(map, "number"), "`weight`: probe `%s` (%s) reports no number `%s`: %s%s%svitald-probes(7) lists them", probe->name,
             probe->type, number, near ? "did you mean `" : "", near ? near : "", near ? "`? " : "");
}

static uint32_t find_probe(struct build *b, const struct node *map, const char *name)
{
    uint32_t at = names_get(&b->names, name);
    if (at == NAMES_NONE)
        build_unknown(b, name, place_of(map, "probe"), "`weight`");
    else if (at & 1)
        diag_add(b->diag, DIAG_ERROR, place_of(map, "probe"), "`weight`: `%s` is a group: a probe is needed here", name);
    else
        return at / 2;
    return UINT32_MAX;
}

static void read_weight(struct build *b, const struct node *map, const struct weight_rows *r, struct conf_weight *w)
{
    static const char *const together[] = { "probe", "number", "full_at", "least_at" };
    unsigned given = 0;
    *w = (struct conf_weight){ .pass = (uint8_t)r->pass, .warn = (uint8_t)r->warn, .probe = UINT32_MAX, .number = r->number, .label = r->label,
                               .full_at = r->full_at, .least_at = r->least_at, .least = (uint8_t)r->least };
    for (unsigned i = 0; i < 4; i++)
        given += map && map_find(map, together[i]) != NULL;
    if (given == 0)
        return;
    if (given < 4) {
        diag_add(b->diag, DIAG_ERROR, map->place, "`weight`: `probe`, `number`, `full_at` and `least_at` belong together");
        return;
    }
    if (w->full_at >= w->least_at && w->full_at <= w->least_at)
        diag_add(b->diag, DIAG_ERROR, place_of(map, "least_at"), "`weight`: full_at and least_at are equal: between them the weight falls from 100 to %u percent", w->least);
    w->probe = find_probe(b, map, r->probe);
    if (w->probe != UINT32_MAX)
        check_number(b, map, &b->conf->probes[w->probe], r->number);
}

void build_agents(struct build *b)
{
    struct node **items, *room;
    uint32_t count = build_list(b, "agents", &items, &room);
    struct conf_agent *all = arena_alloc(b->conf->arena, (count + 1) * sizeof *all);
    for (uint32_t i = 0; i < count; i++) {
        struct agent_rows r = { 0 };
        const struct node *map = opt_unfold(b->tree, conf_agent_rows, items[i]);
        if (!opt_decode(&b->scope, map, "`agents`", conf_agent_rows, &r))
            continue;
        read_port(b, map, r.group, &all[i].port);
        all[i].admin_words = r.admin_words;
        read_weight(b, map_find(map, "weight"), &r.weight, &all[i].weight);
    }
    b->conf->agents = all;
    b->conf->agent_count = count;
}

/* ---- gates -------------------------------------------------------------------------------------------------- */

void build_gates(struct build *b)
{
    struct node **items, *room;
    uint32_t count = build_list(b, "gates", &items, &room);
    struct conf_port *all = arena_alloc(b->conf->arena, (count + 1) * sizeof *all);
    for (uint32_t i = 0; i < count; i++) {
        struct gate_rows r = { 0 };
        const struct node *map = opt_unfold(b->tree, conf_gate_rows, items[i]);
        if (opt_decode(&b->scope, map, "`gates`", conf_gate_rows, &r))
            read_port(b, map, r.group, &all[i]);
    }
    b->conf->gates = all;
    b->conf->gate_count = count;
}

/* ---- who listens where -------------------------------------------------------------------------------------- */

struct door { const struct vital_url *at; const char *kind, *name; struct diag_place place; };

static const char *host_of(const struct vital_url *at)
{
    if (!at->host)
        return "::";
    return strcmp(at->host, "localhost") != 0 ? at->host : "127.0.0.1";
}

static bool is_every(const char *host)
{
    return !strcmp(host, "::") || !strcmp(host, "0.0.0.0");
}

/* Of two listeners a written [::] leaves IPv4 to the other. */
static bool takes_both(const struct door *six, const struct door *four)
{
    return is_every(host_of(six->at)) && !(six->at->host && six->name && four->name);
}

static bool is_clash(const struct door *a, const struct door *b)
{
    if (a->at->unix_path || b->at->unix_path)
        return a->at->unix_path && b->at->unix_path && !strcmp(a->at->unix_path, b->at->unix_path);
    if (strcmp(a->at->port, b->at->port) != 0 || !strcmp(a->at->port, "0"))
        return false;
    const char *of_a = host_of(a->at), *of_b = host_of(b->at);
    bool six_a = strchr(of_a, ':') != NULL, six_b = strchr(of_b, ':') != NULL;
    if (six_a != six_b)
        return six_a ? takes_both(a, b) : takes_both(b, a);
    return !strcmp(of_a, of_b) || is_every(of_a) || is_every(of_b);
}

static void add_door(struct build *b, struct door *doors, uint32_t *count, struct door door)
{
    if (!door.at)
        return;
    for (uint32_t i = 0; i < *count; i++) {
        bool named = door.name && doors[i].name && !strcmp(door.name, doors[i].name);      /* that was told */
        if (!named && is_clash(&doors[i], &door)) {
            diag_add(b->diag, DIAG_ERROR, door.place, "the %s at %s and the %s at %s cannot both listen there: %s", doors[i].kind, doors[i].at->text,
                     door.kind, door.at->text, door.at->unix_path ? "give one another path" : "give one another port");
            return;
        }
    }
    doors[(*count)++] = door;
}

void build_doors(struct build *b)
{
    const struct conf *c = b->conf;
    struct door *doors = arena_alloc(b->tree, (c->listen_count + c->agent_count + c->gate_count + 1) * sizeof *doors);
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->listen_count; i++)
        add_door(b, doors, &count, (struct door){ c->listeners[i].address, "listener", c->listeners[i].name, c->listeners[i].place });
    for (uint32_t i = 0; i < c->agent_count; i++)
        add_door(b, doors, &count, (struct door){ c->agents[i].port.address, "agent", NULL, c->agents[i].port.place });
    for (uint32_t i = 0; i < c->gate_count; i++)
        add_door(b, doors, &count, (struct door){ c->gates[i].address, "gate", NULL, c->gates[i].place });
}
