#include "view/notice.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/enumtext.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { TEXT_MAX = 8192, DETAIL_MAX = 500 };

ENUM_TEXT(notice_status, NOTICE_STATUS_COUNT, "firing", "resolved", "reminder", "flapping", "test")

static const char *const field_names[] = {
#define X(field, name) [NOTICE_##field] = (name),
    NOTICE_FIELDS(X)
#undef X
};

const char *notice_field_name(unsigned field)
{
    return field_names[field];
}

/* ---- making ---- */

static const char *keep(struct notice *n, const char *text)
{
    return arena_copy(n->arena, text ? text : "");
}

struct notice *notice_plain(enum notice_status status, const char *host, const char *name, bool is_group, const char *detail)
{
    struct notice *n = mem_alloc(sizeof *n);
    *n = (struct notice){ .refs = 1, .arena = arena_new(), .status = status, .is_group = is_group, .level = LEVEL_FAIL };
    n->time = n->since = clock_wall();
    n->host = keep(n, host);
    n->name = keep(n, name);
    n->detail = keep(n, detail);
    n->type = n->target = n->state = n->reason = n->sentence = n->caused_by = n->mode = "";
    return n;
}

static struct notice *begin(const struct picture *p, const char *name, bool is_group, enum notice_status status, enum level level)
{
    struct notice *n = notice_plain(status, p->host, name, is_group, "");
    n->level = level;
    n->time = p->wall;
    return n;
}

struct notice *notice_of_probe(const struct picture *pic, uint32_t index, enum notice_status status, enum level level)
{
    const struct picture_probe *p = &pic->probes[index];
    struct notice *n = begin(pic, p->name, false, status, level);
    n->type = keep(n, p->type);
    n->target = keep(n, p->target);
    n->state = state_text(p->state);
    n->reason = p->had_outcome ? reason_text(p->reason) : "";
    n->sentence = p->had_outcome ? reason_sentence(p->reason) : "";
    n->detail = p->text ? arena_printf(n->arena, "%.*s", DETAIL_MAX, p->text) : "";
    n->caused_by = keep(n, p->caused_by);
    n->mode = p->mode == MODE_NORMAL ? "" : mode_text(p->mode);
    n->now = p->state == STATE_UP ? LEVEL_PASS : p->state == STATE_DEGRADED ? LEVEL_WARN : LEVEL_FAIL;
    n->since = p->since;
    return n;
}

struct notice *notice_of_group(const struct picture *pic, uint32_t index, enum notice_status status, enum level level)
{
    const struct picture_group *g = &pic->groups[index];
    struct notice *n = begin(pic, g->name, true, status, level);
    n->type = keep(n, g->rule);
    n->state = level_text(g->level);
    n->reason = g->why == WHY_MEMBERS ? "" : why_text(g->why);
    n->mode = g->draining ? "draining" : "";
    n->now = g->level;
    n->since = g->since;
    for (unsigned i = 0; i < g->cause_count; i++)
        notice_add(n, &n->causes, pic->probes[g->causes[i].probe].name);
    return n;
}

void notice_add(struct notice *n, struct notice_names *to, const char *name)
{
    to->all++;
    if (to->count < NOTICE_NAMES_MAX)
        to->names[to->count++] = keep(n, name);
}

struct notice *notice_hold(struct notice *n)
{
    n->refs++;
    return n;
}

void notice_release(struct notice *n)
{
    if (--n->refs)
        return;
    arena_free(n->arena);
    mem_free(n);
}

/* ---- words for people ---- */

static bool begins_link(const char *text)
{
    return !strncmp(text, "://", 3) || !strncasecmp(text, "www.", 4);
}

/* A text in a line for people: nothing in it is markup, a mention or a line of its own. Where a stranger wrote it, no link. */
static void put_tame_text(struct buf *out, const char *text, bool strange)
{
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        n = utf8_length(text, left);
        n = n ? n : 1;
        bool parted = *text == '@' || (strange && begins_link(text));
        if (*text == '<' || *text == '>')
            buf_text(out, *text == '<' ? "\xe2\x80\xb9" : "\xe2\x80\xba");
        else if (utf8_is_obeyed(text, (unsigned)n))
            buf_char(out, ' ');
        else
            buf_add(out, text, n);
        if (parted)
            buf_text(out, "\xe2\x80\x8b");        /* a space of no width: @everybody is nobody */
    }
}

static void put_tame(struct buf *out, const char *text)
{
    put_tame_text(out, text, false);
}

static bool is_over(const struct notice *n)
{
    return n->status == NOTICE_RESOLVED;
}

/* The alarm is over, but what it was about need not be: people ordered something, or it is configured no more. */
static bool is_called_off(const struct notice *n)
{
    return is_over(n) && (*n->mode || n->now == LEVEL_FAIL || !*n->state);
}

static void put_state(struct buf *out, const struct notice *n)
{
    static const char *const group[] = { "passes", "warns", "fails" }, *const probe[] = { "up", "degraded", "down" };
    const char *still = n->status == NOTICE_REMINDER ? "still " : "";
    if (n->status == NOTICE_FLAPPING)
        buf_text(out, " is flapping");
    else if (n->is_group)
        buf_printf(out, " %s%s", still, group[is_over(n) ? n->now : n->level]);
    else
        buf_printf(out, " is %s%s", still, is_over(n) ? n->state : probe[n->level]);
}

static void put_why(struct buf *out, const struct notice *n)
{
    char span[CLOCK_TEXT];
    uint64_t duration = n->time > n->since ? n->time - n->since : 0;
    if (is_called_off(n) && *n->mode)
        buf_printf(out, " (%s)", n->mode);
    if (is_called_off(n))
        buf_printf(out, ": its alarm ends%s", *n->state ? ", for what was ordered alarms nobody" : "");
    else if (is_over(n))
        buf_printf(out, "%s after %s", n->now == LEVEL_PASS ? " again" : n->is_group ? ", no longer failing," : ", no longer down,", clock_span(duration, span));
    else if (n->status == NOTICE_FLAPPING)
        buf_printf(out, ": %u changes; the next message comes when it is steady", n->changes);
    else if (*n->sentence)
        buf_printf(out, ": %s", n->sentence);
    else if (n->causes.count)
        buf_printf(out, ": %s%s", n->causes.names[0], n->causes.all > 1 ? " and others" : "");
    if (n->status == NOTICE_REMINDER)
        buf_printf(out, ", since %s", clock_span(duration, span));
}

static void put_title(struct buf *out, const struct notice *n)
{
    if (n->status == NOTICE_TEST) {
        buf_text(out, "Test message of vitald on ");
        put_tame(out, n->host);
        return;
    }
    buf_text(out, n->is_group ? "group " : "");
    put_tame(out, n->name);
    if (n->together && n->affected.all + n->groups.all && !is_over(n))
        buf_printf(out, " (and %u more)", n->affected.all + n->groups.all);
    if (!is_over(n) || *n->state)
        put_state(out, n);
    buf_text(out, " on ");
    put_tame(out, n->host);
    put_why(out, n);
}

static void put_list(struct buf *out, const char *what, const struct notice_names *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        buf_printf(out, i ? ", " : "\n%s", what);
        put_tame(out, l->names[i]);
    }
    if (l->all > l->count)
        buf_printf(out, " and %u more", l->all - l->count);
}

static void put_text(struct buf *out, const struct notice *n)
{
    put_title(out, n);
    if (*n->detail) {
        buf_char(out, '\n');
        put_tame_text(out, n->detail, true);
    }
    if (*n->target) {
        buf_printf(out, "\n%s: ", n->type);
        put_tame(out, n->target);
    }
    if (*n->caused_by) {
        buf_text(out, "\ncaused by ");
        put_tame(out, n->caused_by);
    }
    put_list(out, "because of ", &n->causes);
    if (is_called_off(n))
        return;
    put_list(out, is_over(n) ? "up with it: " : n->together ? "at the same time: " : "takes along: ", &n->affected);
    put_list(out, is_over(n) ? "groups that pass with it: " : "groups that fail with it: ", &n->groups);
}

/* ---- facts ---- */

static const char *made(const struct notice *n, void (*put)(struct buf *, const struct notice *))
{
    struct buf out = BUF(TEXT_MAX);
    put(&out, n);
    const char *kept = arena_copy(n->arena, out.data ? out.data : "");
    buf_free(&out);
    return kept;
}

static const char *made_time(const struct notice *n, uint64_t wall)
{
    char text[CLOCK_TEXT];
    return arena_copy(n->arena, clock_iso(wall, text));
}

static const char *kind_word(const struct notice *n)
{
    return n->status == NOTICE_TEST ? "test" : n->is_group ? "group" : "probe";
}

void notice_seal(struct notice *n)
{
    n->title = made(n, put_title);
    n->text = made(n, put_text);
    n->key = arena_printf(n->arena, "vitald/%s/%s/%s", n->host, kind_word(n), n->name);
    n->since_text = made_time(n, n->since);
    n->time_text = made_time(n, n->time);
}

/* How bad, as the tables of others count it. */
enum { MOOD_GOOD, MOOD_NEWS, MOOD_WARN, MOOD_BAD, MOOD_COUNT };
static const struct { const char *severity, *colour; unsigned number, priority; } moods[MOOD_COUNT] = {
    [MOOD_GOOD] = { "info", "#2e7d32", 0x2e7d32, 3 }, [MOOD_NEWS] = { "info", "#1565c0", 0x1565c0, 3 },
    [MOOD_WARN] = { "warning", "#f9a825", 0xf9a825, 4 }, [MOOD_BAD] = { "critical", "#c62828", 0xc62828, 5 },
};

static unsigned mood(const struct notice *n)
{
    if (n->status == NOTICE_RESOLVED || n->status == NOTICE_TEST)
        return n->status == NOTICE_TEST ? MOOD_NEWS : MOOD_GOOD;
    return n->status == NOTICE_FLAPPING || n->level == LEVEL_WARN ? MOOD_WARN : MOOD_BAD;
}

static struct template_value text_value(const char *text)
{
    return (struct template_value){ .kind = TEMPLATE_TEXT, .text = text };
}

static struct template_value number_value(double number)
{
    return (struct template_value){ .kind = TEMPLATE_NUMBER, .number = number };
}

static double seconds(uint64_t span)
{
    uint64_t ms = span / USEC_MS;
    return (double)ms / 1e3;
}

static struct template_value list_value(const struct notice_names *l)
{
    return (struct template_value){ .kind = TEMPLATE_TEXTS, .texts = l->names, .count = l->count };
}

static const char *level_word(const struct notice *n)
{
    return n->status == NOTICE_TEST || is_over(n) ? "pass" : level_text(n->level);
}

struct template_value notice_value(const void *notice, unsigned field)
{
    const struct notice *n = notice;
    switch ((enum notice_field)field) {
    case NOTICE_TITLE: return text_value(n->title);
    case NOTICE_TEXT:
    case NOTICE_CONTENT: return text_value(n->text);
    case NOTICE_STATUS: return text_value(notice_status_text(n->status));
    case NOTICE_ACTION: return text_value(is_over(n) ? "resolve" : "trigger");
    case NOTICE_SEVERITY: return text_value(moods[mood(n)].severity);
    case NOTICE_PRIORITY: return number_value(moods[mood(n)].priority);
    case NOTICE_COLOUR: return text_value(moods[mood(n)].colour);
    case NOTICE_COLOUR_NUMBER: return number_value(moods[mood(n)].number);
    case NOTICE_KEY: return text_value(n->key);
    case NOTICE_HOST: return text_value(n->host);
    case NOTICE_KIND: return text_value(kind_word(n));
    case NOTICE_NAME: return text_value(n->name);
    case NOTICE_TYPE: return text_value(n->type);
    case NOTICE_TARGET: return text_value(n->target);
    case NOTICE_LEVEL: return text_value(level_word(n));
    case NOTICE_STATE: return text_value(n->state);
    case NOTICE_REASON: return text_value(n->reason);
    case NOTICE_DETAIL: return text_value(n->detail);
    case NOTICE_CAUSED_BY: return text_value(n->caused_by);
    case NOTICE_CAUSES: return list_value(&n->causes);
    case NOTICE_AFFECTED: return list_value(&n->affected);
    case NOTICE_AFFECTED_COUNT: return number_value(n->affected.all);
    case NOTICE_GROUPS: return list_value(&n->groups);
    case NOTICE_CHANGES: return number_value(n->changes);
    case NOTICE_SINCE: return text_value(n->since_text);
    case NOTICE_TIME: return text_value(n->time_text);
    case NOTICE_DURATION: return number_value(n->time > n->since ? seconds(n->time - n->since) : 0);
    case NOTICE_VERSION: return text_value(VITALD_VERSION);
    case NOTICE_FIELD_COUNT: break;
    }
    return text_value("");
}

static void put_value(struct json *j, const char *key, const struct template_value *v)
{
    if (v->kind == TEMPLATE_NUMBER) {
        json_number(j, key, v->number);
    } else if (v->kind == TEMPLATE_TEXT) {
        json_text(j, key, v->text);
    } else {
        json_open_array(j, key);
        for (unsigned i = 0; i < v->count; i++)
            json_text(j, NULL, v->texts[i]);
        json_close_array(j);
    }
}

void notice_json(const struct notice *n, struct buf *out)
{
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    for (unsigned f = 0; f < NOTICE_FIELD_COUNT; f++) {
        struct template_value v = notice_value(n, f);
        put_value(&j, field_names[f], &v);
    }
    json_raw(&j, "allowed_mentions", "{\"parse\":[]}");      /* Discord: whatever the text says, nobody is called */
    json_close_object(&j);
}

/* ---- Alertmanager ---- */

static const char *alert_name(const struct notice *n)
{
    if (n->status == NOTICE_TEST)
        return "VitaldTest";
    if (n->changes)
        return n->is_group ? "VitaldGroupFlapping" : "VitaldProbeFlapping";
    if (n->is_group)
        return n->level == LEVEL_WARN ? "VitaldGroupWarning" : "VitaldGroupFailing";
    return n->level == LEVEL_WARN ? "VitaldProbeDegraded" : "VitaldProbeDown";
}

bool notice_same_alert(const struct notice *a, const struct notice *b)
{
    return a->is_group == b->is_group && !strcmp(a->name, b->name) && !strcmp(alert_name(a), alert_name(b));
}

static void put_fact(struct json *j, const char *key, const struct notice *n, unsigned field)
{
    struct template_value v = notice_value(n, field);
    struct buf text = BUF(TEXT_MAX);
    template_plain(&v, &text);
    if (text.len)
        json_text(j, key, text.data);
    buf_free(&text);
}

void notice_alert(struct json *j, const struct notice *n, const struct notice_label *labels, unsigned count, uint64_t ends)
{
    bool bad = n->level == LEVEL_FAIL && !n->changes && n->status != NOTICE_TEST;
    json_open_object(j, NULL);
    json_open_object(j, "labels");
    json_text(j, "alertname", alert_name(n));
    json_text(j, "job", "vitald");
    json_text(j, "instance", n->host);
    json_text(j, "severity", n->status == NOTICE_TEST ? "info" : bad ? "critical" : "warning");
    if (n->status != NOTICE_TEST)
        json_text(j, n->is_group ? "group" : "probe", n->name);
    if (!n->is_group && *n->type)
        json_text(j, "type", n->type);
    for (unsigned i = 0; i < count; i++)
        json_text(j, labels[i].name, labels[i].value);
    json_close_object(j);
    json_open_object(j, "annotations");
    put_fact(j, "summary", n, NOTICE_TITLE);
    put_fact(j, "description", n, NOTICE_TEXT);
    put_fact(j, "reason", n, NOTICE_REASON);
    put_fact(j, "affected", n, NOTICE_AFFECTED);
    put_fact(j, "groups", n, NOTICE_GROUPS);
    json_close_object(j);
    json_time(j, "startsAt", n->since);
    json_time(j, "endsAt", ends);
    json_close_object(j);
}
