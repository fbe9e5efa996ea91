#include "config/conf_notify.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/enumtext.h"
#include "base/mem.h"
#include "base/noticefields.h"
#include "base/secret.h"
#include "base/url.h"
#include "config/build.h"
#include "config/opt_types.h"
#include "config/tree.h"

ENUM_TEXT(outlet_kind, OUTLET_KIND_COUNT, "webhook", "exec", "alertmanager")

const char *const conf_notice_fields[] = {
#define X(field, name) name,
    NOTICE_FIELDS(X)
#undef X
    NULL
};

/* ---- rows --------------------------------------------------------------------------------------------------- */

struct post_rows {
    const struct vital_secret *url, *bearer;
    const struct vital_tls *tls;
    struct vital_list headers, labels;
    const struct vital_secret *body;
    uint64_t timeout, resend;
};
struct exec_rows {
    struct vital_list command, env;
    const char *dir;
    const struct vital_secret *body;
    uint64_t timeout;
};
struct flap_rows { int64_t changes; uint64_t window; };
struct receiver_rows {
    struct vital_list webhook, exec, alertmanager;
    struct vital_list groups, probes;
    uint8_t level;
    bool resolved;
    uint64_t group_wait, repeat, retry_for;
    struct flap_rows flapping;
    int64_t queue;
};

enum { OUTLETS_MAX = 16 };
static const char *const level_words[] = { [TELL_WARN] = "warn", [TELL_FAIL] = "fail", NULL };

#define POST_ROWS                                                                                                                         \
    VITAL_OPT(struct post_rows, url, SECRET, .flags = VITAL_REQUIRED | VITAL_BARE,                                                        \
              .help = "http://, https:// or http+unix://%2Fpath%2Fof.sock/, kept secret as a whole, for the path is often the key; a user and a password in it are sent as basic authentication"), \
    VITAL_OPT(struct post_rows, tls, TLS, .help = "how to verify the receiver; default: as the URL says, with the system's CA certificates"), \
    VITAL_OPT(struct post_rows, bearer, SECRET, .help = "token for Authorization: Bearer"),                                               \
    VITAL_OPT(struct post_rows, headers, PAIRS, .max = 32, .help = "further request headers")
#define TIMEOUT_ROW(st) \
    VITAL_OPT(st, timeout, DURATION, .def = "10s", .min = 100 * 1000, .max = 300 * USEC_S, .help = "for one try, from the look-up of the name to its end")

static const struct vital_opt webhook_rows[] = {
    POST_ROWS,
    VITAL_OPT(struct post_rows, body, SECRET, .help = "the JSON to send, with {{placeholders}}; a secret, for there may be a key in it; default: an object of all facts"),
    TIMEOUT_ROW(struct post_rows),
    VITAL_OPT_END,
};
static const struct vital_opt alertmanager_rows[] = {
    POST_ROWS,
    VITAL_OPT(struct post_rows, labels, PAIRS, .max = 32, .help = "further labels of every alert"),
    VITAL_OPT(struct post_rows, resend, DURATION, .def = "1m", .min = USEC_S, .max = 3600 * USEC_S,
              .help = "alerts that go on are sent again that often; Alertmanager is told that they end four times that after the last one"),
    TIMEOUT_ROW(struct post_rows),
    VITAL_OPT_END,
};
static const struct vital_opt exec_rows[] = {
    VITAL_OPT(struct exec_rows, command, STRINGS, .flags = VITAL_REQUIRED | VITAL_BARE, .min = 1, .max = 64,
              .help = "program (absolute path) and its arguments, as a list; there is no shell"),
    VITAL_OPT(struct exec_rows, env, PAIRS, .max = 64, .help = "its environment, besides PATH=/usr/bin:/bin, LANG=C and the facts as VITALD_*; nothing of vitald's own is passed on"),
    VITAL_OPT(struct exec_rows, dir, STRING, .flags = VITAL_PATHNAME, .def = "/", .help = "directory to start it in"),
    VITAL_OPT(struct exec_rows, body, SECRET, .help = "the JSON for its standard input, with {{placeholders}}; default: an object of all facts"),
    TIMEOUT_ROW(struct exec_rows),
    VITAL_OPT_END,
};
static const struct vital_opt flap_rows[] = {
    VITAL_OPT(struct flap_rows, changes, INT, .def = "5", .min = 2, .max = 16, .help = "so many changes ..."),
    VITAL_OPT(struct flap_rows, window, DURATION, .def = "10m", .min = USEC_MS, .max = 86400 * USEC_S,
              .help = "... within that long are flapping: told once, then silence until there was no change for half as long"),
    VITAL_OPT_END,
};
const struct vital_opt conf_receiver_rows[] = {
    VITAL_OPT(struct receiver_rows, webhook, BLOCKS, .rows = webhook_rows, .row_size = sizeof(struct post_rows), .max = OUTLETS_MAX,
              .help = "told by POST with a JSON body; a list: all of them are"),
    VITAL_OPT(struct receiver_rows, exec, BLOCKS, .rows = exec_rows, .row_size = sizeof(struct exec_rows), .max = OUTLETS_MAX,
              .help = "told by starting a program"),
    VITAL_OPT(struct receiver_rows, alertmanager, BLOCKS, .rows = alertmanager_rows, .row_size = sizeof(struct post_rows), .max = OUTLETS_MAX,
              .help = "told as alerts of Prometheus' Alertmanager, API v2; list every member of a cluster"),
    VITAL_OPT(struct receiver_rows, groups, STRINGS, .def = "ready", .max = 1000, .help = "groups whose verdicts are told; none: no group"),
    VITAL_OPT(struct receiver_rows, probes, STRINGS, .def = "all", .max = 100000,
              .help = "probes whose states are told; all: every probe with `notify: true`; none: no probe"),
    VITAL_OPT(struct receiver_rows, level, WORD, .def = "fail", .words = level_words, .help = "warn: degraded probes and warning groups are told too"),
    VITAL_OPT(struct receiver_rows, resolved, BOOL, .def = "true", .help = "tell also when it is over; Alertmanager always hears it"),
    VITAL_OPT(struct receiver_rows, group_wait, DURATION, .def = "3s", .max = 600 * USEC_S,
              .help = "a change is told when it has lasted that long, together with what it takes along"),
    VITAL_OPT(struct receiver_rows, repeat, DURATION, .def = "4h", .max = 30 * 86400 * USEC_S, .help = "what still goes on is told again that often; 0: never"),
    VITAL_OPT(struct receiver_rows, retry_for, DURATION, .def = "1h", .min = USEC_S, .max = 7 * 86400 * USEC_S, .help = "a message that cannot be delivered for that long is dropped, and counted"),
    VITAL_OPT_BLOCK(struct receiver_rows, flapping, flap_rows, .help = "when many changes become one message"),
    VITAL_OPT(struct receiver_rows, queue, INT, .def = "100", .min = 1, .max = 10000, .help = "messages that wait for one outlet; beyond it the least important is dropped, and counted"),
    VITAL_OPT_END,
};

/* What releases and compares a receiver's options. */
static const struct vital_module receiver_options = { VITAL_MODULE_HEAD, .name = "receiver", .opts = conf_receiver_rows, .conf_size = sizeof(struct receiver_rows) };

/* ---- findings ----------------------------------------------------------------------------------------------- */

struct reading {
    struct build *b;
    struct opt_scope scope;
    const struct node *map;                /* of the receiver */
    struct conf_receiver *to;
};

static struct diag_place place_of(const struct node *map, const char *key)
{
    const struct node *n = map->kind == NODE_MAP ? map_find(map, key) : NULL;
    return n ? n->place : map->place;
}

static void fail(struct reading *r, const struct node *map, const char *key, const char *what)
{
    diag_add(r->b->diag, DIAG_ERROR, place_of(map, key), "receiver `%s`: `%s`: %s", r->to->name, key, what);
}

/* The map of one outlet, or the list of receivers' that stands for it. */
static const struct node *outlet_node(struct reading *r, const char *kind, uint32_t i)
{
    const struct node *n = map_find(r->map, kind);
    return n->kind == NODE_LIST ? n->items[i] : n;
}

/* ---- outlets ------------------------------------------------------------------------------------------------ */

static const struct template *read_body(struct reading *r, const struct node *map, const struct vital_secret *text)
{
    struct template *t = NULL;
    size_t at = 0;
    if (!text)
        return NULL;
    const char *wrong = template_parse(r->scope.arena, text->value, text->len, conf_notice_fields, &t, &at);
    if (wrong)
        diag_add(r->b->diag, DIAG_ERROR, place_of(map, "body"), "receiver `%s`: `body`: %s (at its character %zu)", r->to->name, wrong, at + 1);
    return t;
}

static bool is_field_value(const struct vital_secret *s)
{
    for (size_t i = 0; i < s->len; i++)
        if ((unsigned char)s->value[i] < ' ' || s->value[i] == 0x7f)
            return false;
    return s->len < 8192;
}

static bool is_token(const char *name)
{
    return *name && !name[strspn(name, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")];
}

static void check_headers(struct reading *r, const struct node *map, const struct post_rows *p, bool has_user)
{
    static const char *const ours[] = { "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "User-Agent", "Expect", NULL };
    const struct vital_pair *pairs = p->headers.items;
    if (p->bearer && !is_field_value(p->bearer))
        fail(r, map, "bearer", "the token holds a line break or is too long");
    for (uint32_t i = 0; i < p->headers.count; i++) {
        unsigned k = 0;
        while (ours[k] && strcasecmp(ours[k], pairs[i].key) != 0)
            k++;
        if (!is_token(pairs[i].key) || ours[k])
            diag_add(r->b->diag, DIAG_ERROR, place_of(map, "headers"), "receiver `%s`: `headers`: `%s` %s", r->to->name, pairs[i].key,
                     ours[k] ? "is set by vitald itself" : "is no name of a header");
        if (!is_field_value(pairs[i].value))
            fail(r, map, "headers", "a value holds a line break or is too long");
        if (!strcasecmp(pairs[i].key, "Authorization") && (p->bearer || has_user))
            fail(r, map, "headers", "Authorization would be there twice");
    }
    if (p->bearer && has_user)
        fail(r, map, "bearer", "together with a user in the URL there would be two credentials");
}

static const char *url_fault(const struct vital_secret *text, struct url *u)
{
    const char *why = url_parse(text->value, text->len, u);
    if (why)
        return why;
    if (strcmp(u->scheme, "http") != 0 && strcmp(u->scheme, "https") != 0 && strcmp(u->scheme, "http+unix") != 0)
        return "it must begin with http://, https:// or http+unix://";
    return *u->host || *u->unix_path ? NULL : "it names no host";
}

static void keep_endpoint(struct reading *r, const struct url *u, struct conf_outlet *o)
{
    struct arena *a = r->scope.arena;
    bool https = !strcmp(u->scheme, "https"), v6 = strchr(u->host, ':');
    const char *port = *u->port ? u->port : https ? "443" : "80";
    const char *shown = arena_printf(a, "%s%s%s", v6 ? "[" : "", *u->unix_path ? "localhost" : u->host, v6 ? "]" : "");
    o->to = (struct conf_endpoint){
        .host = arena_copy(a, u->host),
        .port = arena_copy(a, port),
        .unix_path = *u->unix_path ? arena_copy(a, u->unix_path) : NULL,
        .path = *u->path ? arena_printf(a, "%s%s", *u->path == '/' ? "" : "/", u->path) : "/",
        .user = u->has_user ? arena_copy(a, u->user) : NULL,
        .password = u->has_password ? opt_new_secret(&r->scope, u->password, strlen(u->password)) : NULL,
        .host_field = *u->port ? arena_printf(a, "%s:%s", shown, u->port) : shown,
        .https = https,
    };
    if (strlen(o->to.path) > 1)
        opt_new_secret(&r->scope, o->to.path, strlen(o->to.path));
    o->text = *u->unix_path ? arena_printf(a, "unix:%s", u->unix_path) : arena_printf(a, "%s://%s", u->scheme, o->to.host_field);
}

/* Without a `tls:` of its own, https is verified with the system's certificates. */
static void default_tls(struct reading *r, const struct node *map, struct post_rows *p)
{
    const struct vital_opt *row = opt_row(webhook_rows, "tls");
    const struct node *on = node_scalar(r->b->tree, map->place, "true", 4, false);
    opt_types[VITAL_TLS].decode(&r->scope, row, on, &p->tls);
}

static void read_post(struct reading *r, const struct node *map, struct post_rows *p, struct conf_outlet *o)
{
    struct url u = { 0 };
    const char *why = url_fault(p->url, &u);
    if (why) {
        fail(r, map, "url", why);
    } else {
        keep_endpoint(r, &u, o);
        check_headers(r, map, p, u.has_user);
        if (o->to.https && !p->tls && map->kind == NODE_MAP && map_find(map, "tls"))
            fail(r, map, "tls", "https needs it");
        else if (o->to.https && !p->tls)
            default_tls(r, map, p);
        else if (!o->to.https && p->tls)
            fail(r, map, "tls", "the URL does not begin with https://");
    }
    o->tls = p->tls;
    o->bearer = p->bearer;
    o->headers = p->headers;
    o->labels = p->labels;
    o->resend = p->resend;
    o->timeout = p->timeout;
    o->body = read_body(r, map, p->body);
    mem_wipe(&u, sizeof u);
}

static bool is_label(const char *name)
{
    static const char *const ours[] = { "alertname", "job", "instance", "severity", "probe", "group", "type" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strcmp(name, ours[i]))
            return false;
    return *name && !(*name >= '0' && *name <= '9') && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")];
}

static void read_alertmanager(struct reading *r, const struct node *map, void *rows, struct conf_outlet *o)
{
    struct post_rows *p = rows;
    const struct vital_pair *pairs = p->labels.items;
    read_post(r, map, p, o);
    for (uint32_t i = 0; i < p->labels.count; i++)
        if (!is_label(pairs[i].key))
            fail(r, map, "labels", "a label's name is made of letters, digits and _, begins with no digit, and is none of vitald's own");
    if (!o->to.path)
        return;
    const char *base = o->to.path;
    size_t len = strlen(base);
    while (len && base[len - 1] == '/')
        len--;
    if (strchr(base, '?'))
        fail(r, map, "url", "Alertmanager's address is wanted, without a query: vitald adds /api/v2/alerts");
    bool whole = len >= 14 && !memcmp(base + len - 14, "/api/v2/alerts", 14);
    o->to.path = arena_printf(r->scope.arena, "%.*s%s", (int)len, base, whole ? "" : "/api/v2/alerts");
}

static void read_webhook(struct reading *r, const struct node *map, void *rows, struct conf_outlet *o)
{
    read_post(r, map, rows, o);
}

/* The message comes on standard input, and strangers wrote parts of it: who reads programs from there would run theirs. */
static bool runs_its_input(const struct vital_list *command)
{
    static const char *const interpreters[] = { "sh", "bash", "dash", "ash", "zsh", "ksh", "busybox", "python", "perl", "ruby", "node", "php", "lua", "tclsh" };
    const char *const *argv = command->items, *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    bool interprets = false;
    for (unsigned i = 0; i < sizeof interpreters / sizeof *interpreters; i++) {
        size_t len = strlen(interpreters[i]);
        interprets |= !strncmp(name, interpreters[i], len) && name[len + strspn(name + len, "0123456789.")] == '\0';
    }
    for (uint32_t i = 1; interprets && i < command->count; i++)
        if (!strcmp(argv[i], "-") || !strcmp(argv[i], "-s") || !strcmp(argv[i], "/dev/stdin"))
            return true;
    return interprets && (command->count == 1 || (command->count == 2 && !strcmp(name, "busybox")));
}

/* A list here is a list of programs, elsewhere it is a program and its arguments: what may be meant so is not taken. */
static void refuse_ambiguous(struct reading *r)
{
    const struct node *n = map_find(r->map, outlet_kind_text(OUTLET_EXEC));
    uint32_t plain = 0;
    for (uint32_t i = 0; n && n->kind == NODE_LIST && i < n->count; i++)
        plain += n->items[i]->kind == NODE_SCALAR;
    if (plain && n->count > 1)
        diag_add(r->b->diag, DIAG_ERROR, n->place, "receiver `%s`: `exec`: a list would be several programs; one program with arguments is "
                 "exec: { command: [/usr/local/bin/on-change, argument] }, several are a list of such maps", r->to->name);
}

static void read_exec(struct reading *r, const struct node *map, void *rows, struct conf_outlet *o)
{
    const struct exec_rows *e = rows;
    const char *const *argv = e->command.items;
    const struct vital_pair *env = e->env.items;
    if (argv[0][0] != '/')
        fail(r, map, "command", "the program is named by its absolute path; there is no shell and no search path");
    if (runs_its_input(&e->command))
        fail(r, map, "command", "an interpreter without a script would run the message as a program, and strangers write parts of it; name a script");
    for (uint32_t i = 0; i < e->env.count; i++)
        if (!*env[i].key || strchr(env[i].key, '=') || !strncmp(env[i].key, "VITALD_", 7))
            fail(r, map, "env", "this cannot be the name of a variable: it is empty, holds `=`, or begins with VITALD_");
    o->command = e->command;
    o->env = e->env;
    o->dir = e->dir;
    o->text = argv[0];
    o->timeout = e->timeout;
    o->body = read_body(r, map, e->body);
}

typedef void read_outlet_fn(struct reading *, const struct node *, void *rows, struct conf_outlet *);

static void read_outlets(struct reading *r, enum outlet_kind kind, const struct vital_list *list, size_t size)
{
    static read_outlet_fn *const readers[] = { [OUTLET_WEBHOOK] = read_webhook, [OUTLET_EXEC] = read_exec, [OUTLET_ALERTMANAGER] = read_alertmanager };
    for (uint32_t i = 0; i < list->count; i++) {
        struct conf_outlet *o = &r->to->outlets[r->to->outlet_count++];
        o->kind = kind;
        readers[kind](r, outlet_node(r, outlet_kind_text(kind), i), (char *)(uintptr_t)list->items + i * size, o);
    }
}

static void read_all_outlets(struct reading *r, const struct receiver_rows *rows)
{
    uint32_t count = rows->webhook.count + rows->exec.count + rows->alertmanager.count;
    r->to->outlets = arena_alloc(r->scope.arena, (count + 1) * sizeof *r->to->outlets);
    read_outlets(r, OUTLET_WEBHOOK, &rows->webhook, sizeof(struct post_rows));
    read_outlets(r, OUTLET_EXEC, &rows->exec, sizeof(struct exec_rows));
    read_outlets(r, OUTLET_ALERTMANAGER, &rows->alertmanager, sizeof(struct post_rows));
    refuse_ambiguous(r);
    if (!count)
        diag_add(r->b->diag, DIAG_ERROR, r->map->place, "receiver `%s` needs one of `webhook`, `exec`, `alertmanager`: where to tell", r->to->name);
}

/* ---- what it is told of ------------------------------------------------------------------------------------- */

static const struct node *name_node(struct reading *r, const char *key, uint32_t i)
{
    const struct node *n = map_find(r->map, key);
    return !n ? r->map : n->kind == NODE_LIST ? n->items[i] : n;
}

static bool is_word(const struct vital_list *list, const char *word)
{
    return list->count == 1 && !strcmp(((const char *const *)list->items)[0], word);
}

static uint32_t find_one(struct reading *r, const char *name, struct diag_place place, bool group)
{
    uint32_t at = names_get(&r->b->names, name);
    if (at != NAMES_NONE && (at & 1) == group)
        return at / 2;
    if (at != NAMES_NONE)
        diag_add(r->b->diag, DIAG_ERROR, place, "receiver `%s`: `%s` is a %s: it belongs under `%s`", r->to->name, name, group ? "probe" : "group", group ? "probes" : "groups");
    else
        build_unknown(r->b, name, place, group ? "`groups`" : "`probes`");
    return NAMES_NONE;
}

static const uint32_t *find_all(struct reading *r, const char *key, const struct vital_list *list, uint32_t *count)
{
    bool group = !strcmp(key, "groups");
    uint32_t *found = arena_alloc(r->scope.arena, (list->count + 1) * sizeof *found);
    *count = 0;
    if (is_word(list, "none"))
        return found;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = find_one(r, ((const char *const *)list->items)[i], name_node(r, key, i)->place, group);
        if (at != NAMES_NONE)
            found[(*count)++] = at;
    }
    return found;
}

static void read_scope(struct reading *r, const struct receiver_rows *rows)
{
    struct conf_receiver *to = r->to;
    to->every_probe = is_word(&rows->probes, "all");
    to->groups = find_all(r, "groups", &rows->groups, &to->group_count);
    if (!to->every_probe)
        to->probes = find_all(r, "probes", &rows->probes, &to->probe_count);
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static void keep_secrets(struct conf_options *o, struct opt_scope *s)
{
    struct vital_secret **kept = arena_alloc(o->arena, (s->secret_count + 1) * sizeof(struct vital_secret *));
    if (s->secret_count)
        memcpy(kept, s->secrets, s->secret_count * sizeof(struct vital_secret *));
    o->secrets = (const struct vital_secret *const *)kept;
    o->secret_count = s->secret_count;
    mem_free(s->secrets);
}

static void read_receiver(struct build *b, const struct entry *e, struct conf_receiver *to)
{
    struct receiver_rows *rows;
    struct conf_options *o = conf_options_new(sizeof *rows);
    struct reading r = { .b = b, .map = e->value, .to = to };
    char what[96];
    snprintf(what, sizeof what, "receiver `%s`", e->key);
    o->module = &receiver_options;
    o->data = rows = arena_alloc(o->arena, sizeof *rows);
    to->name = arena_copy(b->conf->arena, e->key);
    to->options = o;
    to->place = e->place;
    r.scope = (struct opt_scope){ .arena = o->arena, .diag = b->diag, .env = b->env };
    if (opt_decode(&r.scope, e->value, what, conf_receiver_rows, rows)) {
        to->least = rows->level;
        to->resolved = rows->resolved;
        to->group_wait = rows->group_wait;
        to->repeat = rows->repeat;
        to->retry_for = rows->retry_for;
        to->flap_changes = (uint32_t)rows->flapping.changes;
        to->flap_window = rows->flapping.window;
        to->queue = (uint32_t)rows->queue;
        read_all_outlets(&r, rows);
        read_scope(&r, rows);
    }
    keep_secrets(o, &r.scope);
}

void build_receivers(struct build *b)
{
    const struct node *map = build_section(b, "notify");
    struct conf_receiver *all = arena_alloc(b->conf->arena, ((map ? map->count : 0) + 1) * sizeof *all);
    uint32_t n = 0;
    if (map)
        MAP_EACH(e, map) {
            if (e->value->kind == NODE_NULL)
                continue;
            if (!build_is_name(e->key))
                diag_add(b->diag, DIAG_ERROR, e->place, "`%.80s` is no name of a receiver: lower case letters, digits, - and _, beginning with a letter or digit", e->key);
            read_receiver(b, e, &all[n++]);
        }
    b->conf->receivers = all;
    b->conf->receiver_count = n;
}

void conf_receivers_free(struct conf *c)
{
    for (uint32_t i = 0; i < c->receiver_count; i++)
        conf_options_release(c->receivers[i].options);
}

/* ---- lint --------------------------------------------------------------------------------------------------- */

static bool is_here(const struct conf_endpoint *to)
{
    int family = 0;
    return to->unix_path || !strcmp(to->host, "localhost") || !strcmp(to->host, "::1") || (url_is_numeric(to->host, &family) && !strncmp(to->host, "127.", 4));
}

static void lint_outlet(const struct conf_receiver *r, const struct conf_outlet *o, struct diag *d)
{
    bool credential = o->bearer || o->to.password;
    const struct vital_pair *headers = o->headers.items;
    for (uint32_t i = 0; i < o->headers.count; i++)
        credential |= !strcasecmp(headers[i].key, "Authorization");
    if (o->kind != OUTLET_EXEC && credential && !o->to.https && !is_here(&o->to))
        diag_add(d, DIAG_WARNING, r->place, "receiver `%s` sends a credential to %s in the clear: use https://", r->name, o->text);
}

static bool tells_of(const struct conf_receiver *r, uint32_t group)
{
    for (uint32_t i = 0; i < r->group_count; i++)
        if (r->groups[i] == group)
            return true;
    return false;
}

void conf_lint_receivers(const struct conf *c, struct diag *d)
{
    bool ready = false;
    for (uint32_t i = 0; i < c->receiver_count; i++) {
        const struct conf_receiver *r = &c->receivers[i];
        ready |= tells_of(r, c->ready);
        for (uint32_t k = 0; k < r->outlet_count; k++)
            lint_outlet(r, &r->outlets[k], d);
        for (uint32_t k = 0; k < r->options->secret_count; k++)
            if (secret_is_exposed(r->options->secrets[k]))
                diag_add(d, DIAG_WARNING, r->place, "receiver `%s`: everybody on this host can read the secret in %s: chmod 0400 it, or use a systemd credential",
                         r->name, r->options->secrets[k]->origin);
        if (!r->group_count && !r->every_probe && !r->probe_count)
            diag_add(d, DIAG_WARNING, r->place, "receiver `%s` is told of nothing: it has neither groups nor probes", r->name);
        if (r->repeat && r->repeat < 60 * USEC_S)
            diag_add(d, DIAG_NOTE, r->place, "receiver `%s` is told again within less than a minute", r->name);
    }
    if (c->receiver_count && !ready)
        diag_add(d, DIAG_NOTE, c->receivers[0].place, "no receiver is told of the group `ready`: its failing alarms nobody");
}
