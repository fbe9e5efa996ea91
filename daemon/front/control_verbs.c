/* Requests: checked, permitted or not, and handed to the verb's row. What takes longer than a call becomes a task. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/journal.h"
#include "core/picture.h"
#include "front/control_client.h"
#include "front/notify.h"
#include "front/self.h"
#include "view/brief.h"
#include "view/explain.h"
#include "view/json.h"
#include "view/text.h"

enum { TEXT_MAX = 64 * 1024 };

struct call {
    struct control_client *client;
    struct json_value args;
    enum ctl_verb verb;
    char name[CTL_NAME_MAX];         /* the argument `name`; "" = none */
};

/* ---- arguments ---- */

/* False when it is there but is no text, or too long. Absent: "". */
static bool arg_text(const struct call *k, const char *key, char *room, size_t size)
{
    struct json_value v = json_member(&k->args, key);
    *room = '\0';
    return v.kind == JSON_NONE || v.kind == JSON_NULL || (v.kind == JSON_STRING && json_string(&v, room, size));
}

static bool arg_word(const struct call *k, const char *key, const char *word)
{
    char room[32];
    return arg_text(k, key, room, sizeof room) && !strcmp(room, word);
}

static bool arg_flag(const struct call *k, const char *key)
{
    struct json_value v = json_member(&k->args, key);
    return v.kind == JSON_BOOL && v.truth;
}

/* A whole number from 0 to max; absent: `otherwise`. False, and the client is told, when it is something else. */
static bool arg_count(const struct call *k, const char *key, uint64_t max, uint64_t otherwise, uint64_t *out)
{
    struct json_value v = json_member(&k->args, key);
    *out = otherwise;
    if (v.kind == JSON_NONE || v.kind == JSON_NULL)
        return true;
    if (v.kind != JSON_NUMBER || !(v.number >= 0 && v.number <= (double)max)) {
        client_error(k->client, CTL_USAGE, "`%s` must be a number from 0 to %" PRIu64, key, max);
        return false;
    }
    *out = (uint64_t)v.number;
    return true;
}

/* ---- names ---- */

static const char *any_name(const void *conf, size_t i)
{
    const struct conf *c = conf;
    return i < c->probe_count ? c->probes[i].name : c->groups[i - c->probe_count].name;
}

enum wanted { WANT_PROBE = 1, WANT_GROUP = 2 };
struct target { bool is_group; uint32_t index; };

/* The probe or group of that name; the client is told when there is none. */
static bool find_target(const struct call *k, const char *name, unsigned wanted, struct target *t)
{
    const struct conf *c = core_conf();
    size_t len = strlen(name);
    uint32_t probe = core_probe_find(name, len), group = core_group_find(name, len);
    *t = (struct target){ .is_group = probe == UINT32_MAX, .index = probe == UINT32_MAX ? group : probe };
    if (t->index != UINT32_MAX && (wanted & (t->is_group ? WANT_GROUP : WANT_PROBE)))
        return true;
    if (!*name)
        client_error(k->client, CTL_USAGE, "%s needs a name", ctl_verb_text(k->verb));
    else if (t->index != UINT32_MAX)
        client_error(k->client, CTL_USAGE, "`%s` is a %s; %s wants a %s", name, t->is_group ? "group" : "probe", ctl_verb_text(k->verb),
                     t->is_group ? "probe" : "group");
    else {
        const char *near = diag_nearest(name, any_name, c, (size_t)c->probe_count + c->group_count);
        client_error(k->client, CTL_NOT_FOUND, "nothing is called `%s`%s%s%s", name,
                     near ? "; did you mean `" : "; `vitalctl status` shows all names", near ? near : "", near ? "`?" : "");
    }
    return false;
}

/* ---- looking ---- */

static void verb_status(struct call *k)
{
    struct target t;
    bool json = arg_word(k, "format", "json"), colour = arg_flag(k, "colour");
    if (!*k->name)
        task_render(k->client, picture_all(), json ? json_status : text_table, colour);
    else if (!find_target(k, k->name, WANT_PROBE | WANT_GROUP, &t))
        return;
    else if (t.is_group)
        task_render(k->client, picture_group(t.index), json ? json_group : text_table, colour);
    else
        task_render(k->client, picture_probe(t.index), json ? json_probe : text_probe, colour);
}

static void verb_explain(struct call *k)
{
    struct target t;
    bool colour = arg_flag(k, "colour");
    if (!find_target(k, *k->name ? k->name : "ready", WANT_PROBE | WANT_GROUP, &t))
        return;
    if (t.is_group)
        task_render(k->client, picture_group(t.index), explain_text, colour);
    else
        task_render(k->client, picture_probe(t.index), text_probe, colour);
}

static void verb_check(struct call *k)
{
    struct target t;
    if (!find_target(k, *k->name ? k->name : "health", WANT_GROUP, &t))
        return;
    struct verdict v;
    struct buf text = BUF(TEXT_MAX);
    const struct picture *p = picture_group(t.index);
    core_verdict(t.index, &v);
    brief_group(&text, p);
    client_event(k->client, level_text(v.level), text.data);
    client_ok(k->client, "");
    picture_free(p);
    buf_free(&text);
}

static void verb_wait(struct call *k)
{
    struct target t;
    uint64_t hold, timeout;
    const char *group = *k->name ? k->name : "ready";
    if (find_target(k, group, WANT_GROUP, &t) && arg_count(k, "for", CTL_PERIOD_MAX, 0, &hold) &&
        arg_count(k, "timeout", CTL_PERIOD_MAX, 0, &timeout))
        task_wait(k->client, group, arg_word(k, "until", "fail"), hold, timeout);
}

static void verb_events(struct call *k)
{
    uint64_t since, last, newest = journal_last();
    if (!arg_count(k, "since", UINT64_C(1) << 52, 0, &since) || !arg_count(k, "last", JOURNAL_SIZE, JOURNAL_SIZE, &last))
        return;
    if (newest > last && since < newest - last)
        since = newest - last;
    task_events(k->client, since, arg_flag(k, "follow"), arg_word(k, "format", "json"));
}

static void stats_line(struct buf *out, const char *name, const char *of, double value)
{
    char *left = of ? mem_printf("%s %s", name, of) : mem_copy(name);
    buf_printf(out, "%-44s ", left);
    json_format_number(out, value);
    buf_char(out, '\n');
    mem_free(left);
}

static void stats_control(struct buf *out)
{
    struct control_stats s;
    control_stats(&s);
    const struct { const char *name; uint64_t value; } rows[] = {
        { "control_clients", s.clients }, { "control_accepted", s.accepted }, { "control_refused", s.refused },
        { "control_requests", s.requests }, { "control_denied", s.denied }, { "control_malformed", s.malformed },
        { "control_closed slow", s.closed_slow }, { "control_closed idle", s.closed_idle },
        { "control_events_skipped", s.events_skipped }, { "beats", s.beats }, { "beats_refused", s.beats_refused },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        stats_line(out, rows[i].name, NULL, (double)rows[i].value);
}

static void verb_stats(struct call *k)
{
    struct buf text = BUF(TEXT_MAX);
    struct arena *arena = arena_new();
    unsigned count;
    const struct view_fact *facts = self_facts(arena, &count);
    for (unsigned i = 0; i < count; i++)
        stats_line(&text, facts[i].name, facts[i].label_value, facts[i].value);
    stats_control(&text);
    client_ok(k->client, text.data);
    arena_free(arena);
    buf_free(&text);
}

static void verb_version(struct call *k)
{
    char *text = mem_printf("vitald %s, control protocol %d, pid %d", VITALD_VERSION, CTL_PROTOCOL, (int)getpid());
    client_ok(k->client, text);
    mem_free(text);
}

static void verb_beat(struct call *k)
{
    char text[CTL_BEAT_MAX];
    struct target t;
    if (!find_target(k, k->name, WANT_PROBE, &t))
        return;
    if (!arg_text(k, "text", text, sizeof text)) {
        client_error(k->client, CTL_USAGE, "`text` must be a text of less than %d bytes", CTL_BEAT_MAX);
        return;
    }
    if (core_conf()->control_beats_trusted && !client_may_change(k->client)) {
        client_error(k->client, CTL_DENIED, "`control: beats: trusted` lets only root, vitald's own user and members of `control: group:` send heartbeats");
        return;
    }
    const char *why = core_beat(k->name, text, strlen(text));
    if (why)
        client_error(k->client, CTL_FAILED, "%s: %s", k->name, why);
    else
        client_ok(k->client, "");
}

/* ---- changing ---- */

static void verb_drain(struct call *k)
{
    struct buf text = BUF(TEXT_MAX);
    const struct conf *c = core_conf();
    unsigned count = 0;
    admin_drain(true);
    buf_text(&text, "draining: ");
    for (uint32_t i = 0; i < c->group_count; i++)
        if (c->groups[i].drains)
            buf_printf(&text, "%s%s", count++ ? ", " : "", c->groups[i].name);
    buf_text(&text, count == 1 ? " fails now; `vitalctl undrain` ends it" : count ? " fail now; `vitalctl undrain` ends it" : "but no group drains: give one `drains: true`");
    client_ok(k->client, text.data);
    buf_free(&text);
}

static void verb_undrain(struct call *k)
{
    bool was = admin_is_draining();
    admin_undrain();
    client_ok(k->client, was ? "not draining any more" : "was not draining");
}

/* What a change of mode ends with: why it could not be, or the text. Takes both. */
static void mode_reply(struct call *k, char *why, char *text)
{
    if (why)
        client_error(k->client, CTL_FAILED, "%s", why);
    else
        client_ok(k->client, text);
    mem_free(text);
    mem_free(why);
}

/* Of two words one is the level: in the wrong order they are both what they should not be. */
static void refuse_level(struct call *k, const char *word)
{
    if (state_from(k->name) > STATE_UNKNOWN && *word)
        client_error(k->client, CTL_USAGE, "force: the level stands last: `vitalctl force %s %s`", word, k->name);
    else
        client_error(k->client, CTL_USAGE, "force: `%s` is no level: it must be up, degraded or down", word);
}

static void verb_mode(struct call *k)
{
    static const enum mode modes[CTL_VERB_COUNT] = { [CTL_PAUSE] = MODE_PAUSED, [CTL_MAINTENANCE] = MODE_MAINTENANCE, [CTL_FORCE] = MODE_FORCED };
    static const enum level levels[STATE_COUNT] = { [STATE_UP] = LEVEL_PASS, [STATE_DEGRADED] = LEVEL_WARN, [STATE_DOWN] = LEVEL_FAIL };
    struct target t;
    uint64_t period;
    char word[CTL_NAME_MAX] = "";
    int state = STATE_UP;
    if (k->verb == CTL_FORCE && (!arg_text(k, "level", word, sizeof word) || (state = state_from(word)) <= STATE_UNKNOWN)) {
        refuse_level(k, word);
        return;
    }
    if (!find_target(k, k->name, WANT_PROBE, &t) || !arg_count(k, "for", CTL_PERIOD_MAX, ADMIN_DEFAULT_FOR * USEC_S, &period))
        return;
    const char *mode = mode_text(modes[k->verb]), *space = *word ? " " : "";
    char span[CLOCK_TEXT];
    char *text = period ? mem_printf("%s: %s%s%s for %s", k->name, mode, space, word, clock_span(period, span))
                        : mem_printf("%s: %s%s%s until `vitalctl resume %s`", k->name, mode, space, word, k->name);
    mode_reply(k, admin_mode(k->name, modes[k->verb], levels[state], period), text);
}

static void verb_resume(struct call *k)
{
    struct target t;
    if (!find_target(k, k->name, WANT_PROBE, &t))
        return;
    mode_reply(k, admin_resume(k->name), mem_printf("%s: normal", k->name));
}

static void verb_run(struct call *k)
{
    struct target t;
    if (find_target(k, k->name, WANT_PROBE, &t))
        task_run(k->client, k->name);
}

static void verb_notify(struct call *k)
{
    struct buf text = BUF(TEXT_MAX);
    struct arena *arena = arena_new();
    unsigned count;
    const struct view_receiver *all = notify_list(arena, &count);
    receiver_text(&text, all, count);
    client_ok(k->client, count ? text.data : "no receiver is configured: see `notify` in vitald.yaml(5)");
    arena_free(arena);
    buf_free(&text);
}

static const char *receiver_name(const void *unused, size_t i)
{
    (void)unused;
    return notify_name((unsigned)i);
}

static void verb_notify_test(struct call *k)
{
    size_t count = 0, at = 0;
    while (notify_name((unsigned)count))
        count++;
    while (at < count && strcmp(notify_name((unsigned)at), k->name) != 0)
        at++;
    const char *near = at < count ? NULL : diag_nearest(k->name, receiver_name, NULL, count);
    if (at < count)
        task_notify(k->client, k->name);
    else
        client_error(k->client, CTL_NOT_FOUND, "no receiver is called `%s`%s%s%s", k->name, near ? "; did you mean `" : "; `vitalctl notify` lists them",
                     near ? near : "", near ? "`?" : "");
}

static void verb_reload(struct call *k)
{
    task_reload(k->client);
}

static void verb_stop(struct call *k)
{
    client_ok(k->client, "leaving");
    control_calls->stop();
}

/* ---- the table ---- */

static void (*const verbs[CTL_VERB_COUNT])(struct call *) = {
    [CTL_STATUS] = verb_status, [CTL_EXPLAIN] = verb_explain, [CTL_CHECK] = verb_check, [CTL_WAIT] = verb_wait,
    [CTL_EVENTS] = verb_events, [CTL_STATS] = verb_stats, [CTL_VERSION] = verb_version, [CTL_BEAT] = verb_beat,
    [CTL_DRAIN] = verb_drain, [CTL_UNDRAIN] = verb_undrain, [CTL_PAUSE] = verb_mode, [CTL_RESUME] = verb_resume,
    [CTL_MAINTENANCE] = verb_mode, [CTL_FORCE] = verb_mode, [CTL_RUN] = verb_run, [CTL_NOTIFY] = verb_notify, [CTL_NOTIFY_TEST] = verb_notify_test, [CTL_RELOAD] = verb_reload, [CTL_STOP] = verb_stop,
};

static void malformed(struct control_client *c, const char *why)
{
    control_counts.malformed++;
    client_error(c, CTL_USAGE, "%s", why);
}

static void denied(const struct call *k)
{
    control_counts.denied++;
    log_line(LOG_WARNING, "control: `%s %s` denied to uid %u (pid %d)", ctl_verb_text(k->verb), k->name, (unsigned)k->client->uid,
             (int)k->client->pid);
    client_error(k->client, CTL_DENIED,
                 "%s is not permitted to uid %u: only root, vitald's own user and members of `control: group:` may change anything",
                 ctl_verb_text(k->verb), (unsigned)k->client->uid);
}

/* The verb of a checked request, or -1; the client is told. */
static int request_verb(struct control_client *c, const struct json_value *root)
{
    char word[32] = "";
    struct json_value v = json_member(root, "verb");
    bool text = v.kind == JSON_STRING && json_string(&v, word, sizeof word);
    int verb = text ? ctl_verb_from(word) : -1;
    if (verb < 0)
        malformed(c, text ? "unknown verb; this vitald may be older than its client: see `vitalctl version`" : "a request needs a `verb`");
    return verb;
}

/* The last checks, then the verb's row. */
static void call_verb(struct call *k)
{
    struct control_client *c = k->client;
    bool changes = ctl_verb_changes(k->verb);
    if (k->args.kind != JSON_NONE && k->args.kind != JSON_OBJECT) {
        malformed(c, "`args` must be an object");
    } else if (!arg_text(k, "name", k->name, sizeof k->name)) {
        malformed(c, "`name` must be a short text");
    } else if (changes && !client_may_change(c)) {
        denied(k);
    } else {
        if (changes)
            log_line(LOG_NOTICE, "control: `%s%s%s` by uid %u (pid %d)", ctl_verb_text(k->verb), *k->name ? " " : "", k->name,
                     (unsigned)c->uid, (int)c->pid);
        verbs[k->verb](k);
        if (changes)
            loop_soon();             /* core publishes it in a turn that begins at once */
    }
}

void control_request(struct control_client *c, const char *line, size_t len)
{
    struct json_value root;
    size_t at;
    c->request = 0;
    const char *wrong = json_check(line, len, &at, &root);
    if (wrong || root.kind != JSON_OBJECT) {
        malformed(c, "a request is one line with one JSON object: {\"id\":1,\"verb\":\"status\",\"args\":{}}");
        return;
    }
    struct json_value id = json_member(&root, "id");
    if (id.kind == JSON_NUMBER && id.number >= 0 && id.number < 9e15)
        c->request = (int64_t)id.number;
    int verb = request_verb(c, &root);
    struct call call = { .client = c, .verb = (enum ctl_verb)verb, .args = json_member(&root, "args") };
    if (verb >= 0)
        call_verb(&call);
}
