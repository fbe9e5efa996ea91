/* The settings outside of every section, the list of sections, and what is there without being written. */
#include <syslog.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/build.h"
#include "config/environ.h"
#include "config/tree.h"

/* ---- settings ----------------------------------------------------------------------------------------------- */

struct settings {
    int64_t max_in_flight, max_per_address;
    uint64_t startup_timeout, shutdown_delay;
    const char *state_file, *role_probe, *user;
    bool core_dumps;
    struct control_rows { const char *path, *group; uint8_t beats; } control;
    struct log_rows { uint8_t level, format; } log;
};

static const char *const level_words[] = { "error", "warning", "notice", "info", "debug", NULL };
static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };
static const char *const format_words[] = { [LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL };

static const char *const beats_words[] = { "everybody", "trusted", NULL };
static const struct vital_opt control_rows[] = {
    VITAL_OPT(struct control_rows, path, STRING, .flags = VITAL_PATHNAME, .help = "the socket for vitalctl; default: /run/vitald/control.sock or $XDG_RUNTIME_DIR/vitald/control.sock"),
    VITAL_OPT(struct control_rows, group, STRING, .help = "system group whose members may change things, besides root and the daemon's user"),
    VITAL_OPT(struct control_rows, beats, WORD, .def = "everybody", .words = beats_words, .help = "who may send heartbeats; trusted: those who may change things (by their main group, for datagrams)"),
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
    VITAL_OPT(struct settings, state_file, STRING, .flags = VITAL_PATHNAME, .help = "keeps states, modes and an ordered drain over a restart; default: under systemd $STATE_DIRECTORY/state, else none"),
    VITAL_OPT(struct settings, role_probe, STRING, .help = "the postgres probe by which /primary, /replica and the like answer; default: the only one there is"),
    VITAL_OPT(struct settings, user, STRING, .help = "started as root, become this user (name, UID or UID:GID) once everything is open; root stays root; default: vitald, or nobody where there is none, but root under a service manager"),
    VITAL_OPT(struct settings, core_dumps, BOOL, .def = "false", .help = "a crash may leave a core dump, which holds secrets; debuggers of the same user may attach"),
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
    { "agents", conf_agent_rows, "a list of agents, each a map or just its address", "what HAProxy's agent-check asks" },
    { "gates", conf_gate_rows, "a list of gates, each a map or just its address", "ports that take connections only while a group passes" },
    { "notify", conf_receiver_rows, "a map: name to a map", "who is told when something changes" },
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
    c->user = set.user;
    c->core_dumps = set.core_dumps;
    c->control_path = set.control.path;
    c->control_group = set.control.group;
    c->control_beats_trusted = set.control.beats != 0;
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

/* Settings that a variable gives when the configuration does not. */
static const struct { const char *variable, *place, *setting; } said_by_env[] = {
    { "VITALD_SHUTDOWN_DELAY", "environment variable VITALD_SHUTDOWN_DELAY", "shutdown_delay" },
    { "VITALD_USER", "environment variable VITALD_USER", "user" },
};

/* It goes into the tree, so that --dump-config shows it. */
void build_implied(struct build *b)
{
    struct diag_place nowhere = { 0 }, from_env = { .file = "environment variable VITALD_LISTEN" };
    struct node *probes = root_map(b, "probes"), *listen = map_find(b->root, "listen");
    const char *address = environ_get(b->env, "VITALD_LISTEN");
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
    for (unsigned i = 0; i < sizeof said_by_env / sizeof *said_by_env; i++) {
        const char *value = environ_get(b->env, said_by_env[i].variable);
        if (!value || !*value || map_find(b->root, said_by_env[i].setting))
            continue;
        struct node *n = text_node(b, value);
        n->place.file = said_by_env[i].place;
        map_put(b->tree, b->root, said_by_env[i].setting, nowhere, n);
    }
}
