#include "ctl/health.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "ctl/fetch.h"

enum { NAME_MAX_LEN = 160, OUTPUT_MAX = 600, SUMMARY_CHECKS = 3, NUMBERS_MAX = 64, NUMBERS_ROOM = 4096 };

static bool document_of(const struct fetch *f, struct json_value *root)
{
    size_t at;
    return !f->body.over && f->body.len && !json_check(f->body.data, f->body.len, &at, root) && root->kind == JSON_OBJECT;
}

static const char *member_text(const struct json_value *object, const char *name, char *room, size_t size)
{
    struct json_value v = json_member(object, name);
    if (v.kind != JSON_STRING || !json_string(&v, room, size))
        *room = '\0';
    return room;
}

static bool passes(const struct json_value *entry)
{
    char status[16], mode[16];
    const char *s = member_text(entry, "status", status, sizeof status);
    if (!strcmp(member_text(entry, "mode", mode, sizeof mode), "maintenance"))
        return true;        /* people know, and no group counts it */
    return strcmp(s, "fail") != 0 && strcmp(s, "warn") != 0;
}

/* Calls each for every entry of `checks`, with its key; those of one probe stand together, so `first` marks its first. */
struct visit { void (*each)(struct visit *, const char *key, const struct json_value *entry, bool first); struct buf *out; unsigned told, left; };

static void visit_checks(const struct json_value *root, struct visit *v)
{
    struct json_value checks = json_member(root, "checks"), key, list;
    char name[NAME_MAX_LEN], component[NAME_MAX_LEN], last[NAME_MAX_LEN] = "";
    for (size_t at = 0; checks.kind == JSON_OBJECT && json_next(&checks, &at, &key, &list);) {
        struct json_value entry = json_element(&list, 0);
        if (entry.kind != JSON_OBJECT || !json_string(&key, name, sizeof name))
            continue;
        member_text(&entry, "componentId", component, sizeof component);
        v->each(v, name, &entry, strcmp(component, last) != 0);
        memcpy(last, component, sizeof last);
    }
}

static void put_trouble(struct buf *out, const struct json_value *entry)
{
    char component[NAME_MAX_LEN], output[OUTPUT_MAX];
    buf_printf(out, "%s: %s", member_text(entry, "componentId", component, sizeof component), member_text(entry, "output", output, sizeof output));
}

static void summary_check(struct visit *v, const char *key, const struct json_value *entry, bool first)
{
    (void)key;
    if (!first || passes(entry))
        return;
    if (v->told == SUMMARY_CHECKS) {
        v->left++;
        return;
    }
    buf_text(v->out, v->out->len ? "; " : "");
    put_trouble(v->out, entry);
    v->told++;
}

void health_summary(struct buf *out, const struct fetch *f)
{
    struct json_value root, notes, key, note;
    struct visit v = { .each = summary_check, .out = out };
    char text[NAME_MAX_LEN];
    if (!document_of(f, &root))
        return;
    notes = json_member(&root, "notes");
    for (size_t at = 0; notes.kind == JSON_ARRAY && json_next(&notes, &at, &key, &note);)
        if (note.kind == JSON_STRING && json_string(&note, text, sizeof text))
            buf_printf(out, "%s%s", out->len ? ", " : "", text);
    visit_checks(&root, &v);
    if (v.left)
        buf_printf(out, " (and %u more)", v.left);
}

static void line_check(struct visit *v, const char *key, const struct json_value *entry, bool first)
{
    char status[16];
    (void)key;
    if (!first || passes(entry))
        return;
    buf_printf(v->out, "  [%s] ", member_text(entry, "status", status, sizeof status));
    put_trouble(v->out, entry);
    buf_char(v->out, '\n');
}

void health_lines(struct buf *out, const struct fetch *f)
{
    struct json_value root;
    struct visit v = { .each = line_check, .out = out };
    if (document_of(f, &root))
        visit_checks(&root, &v);
}

/* Labels in quotes hold anything but a quote and '='; nothing of ours may break the line. */
static void put_label(struct buf *out, const char *key)
{
    buf_text(out, " '");
    for (; *key; key++)
        buf_char(out, *key == ':' ? ' ' : *key == '\'' || *key == '=' || *key == '|' || (unsigned char)*key < ' ' ? '_' : *key);
    buf_text(out, "'=");
}

static void number_check(struct visit *v, const char *key, const struct json_value *entry, bool first)
{
    static const struct { const char *unit, *nagios; double factor; } units[] = {
        { "ms", "ms", 1 }, { "seconds", "s", 1 }, { "bytes", "B", 1 }, { "ratio", "%", 100 },
    };
    struct json_value value = json_member(entry, "observedValue");
    char unit[32];
    (void)first;
    if (value.kind != JSON_NUMBER || v->told == NUMBERS_MAX || v->out->len > NUMBERS_ROOM)
        return;
    v->told++;
    member_text(entry, "observedUnit", unit, sizeof unit);
    put_label(v->out, key);
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(unit, units[i].unit)) {
            json_format_number(v->out, value.number * units[i].factor);
            buf_text(v->out, units[i].nagios);
            return;
        }
    json_format_number(v->out, value.number);
}

void health_numbers(struct buf *out, const struct fetch *f)
{
    struct json_value root;
    struct visit v = { .each = number_check, .out = out };
    if (document_of(f, &root))
        visit_checks(&root, &v);
}
