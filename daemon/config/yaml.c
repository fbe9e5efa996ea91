#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

#include "base/diag.h"
#include "base/mem.h"
#include "config/tree.h"

struct level {
    struct node *node;
    const char *key;              /* a map waits for this key's value; NULL: it waits for a key */
    struct diag_place key_place;
    bool drop;                    /* the key was refused: its value is read and forgotten */
};

struct reader {
    struct arena *arena;
    struct diag *diag;
    const char *file, *text;
    size_t len;
    struct level stack[YAML_DEPTH];
    unsigned depth, documents, events;
    struct node *root;
    bool stop;
};

static struct diag_place place_of(const struct reader *r, yaml_mark_t mark)
{
    return (struct diag_place){ r->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1 };
}

/* ---- what libyaml refuses ----------------------------------------------------------------------------------- */

/* Errors of its reader come with an offset only. */
static struct diag_place place_at(const struct reader *r, size_t offset)
{
    struct diag_place place = { r->file, 1, 1 };
    for (size_t i = 0; i < offset && i < r->len; i++) {
        if (r->text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static const struct { const char *problem, *say; } plain_words[] = {
    { "found unexpected end of stream", "this quote is never closed" },
    { "did not find expected key", "a key is expected here: the indentation differs from the lines above, or a quote or bracket is left over" },
    { "mapping values are not allowed in this context", "a ':' cannot stand here: quote the text, or mend the indentation" },
    { "did not find expected ',' or ']'", "a ',' or ']' is missing" },
    { "did not find expected ',' or '}'", "a ',' or '}' is missing" },
    { "could not find expected ':'", "a ':' is missing after this key" },
    { "did not find expected alphabetic or numeric character", "text that begins with '*' or '&' must be quoted" },
    { "block sequence entries are not allowed in this context", "a list's '-' cannot stand here: put it on a line of its own" },
    { "found unknown escape character", "unknown escape in double quotes: use single quotes, or write '\\\\' for a backslash" },
};

/* Marks count characters, not bytes. */
static char byte_at(const struct reader *r, yaml_mark_t mark)
{
    size_t at = 0;
    for (size_t i = 0; i < r->len; i++) {
        if (((unsigned char)r->text[i] & 0xc0) == 0x80)
            continue;
        if (at++ == mark.index)
            return r->text[i];
    }
    return '\0';
}

static const char *in_plain_words(const struct reader *r, const yaml_parser_t *p)
{
    if (!strcmp(p->problem, "found character that cannot start any token"))
        return byte_at(r, p->problem_mark) == '\t' ? "a tab cannot indent: use spaces"
                                   : "text that begins with one of @ ` % must be quoted";
    for (size_t i = 0; i < sizeof plain_words / sizeof *plain_words; i++)
        if (!strcmp(plain_words[i].problem, p->problem))
            return plain_words[i].say;
    return p->problem;
}

static void refused(struct reader *r, const yaml_parser_t *p)
{
    if (p->error == YAML_READER_ERROR) {
        diag_add(r->diag, DIAG_ERROR, place_at(r, p->problem_offset), "%s: the file must be UTF-8 text without control characters",
                 p->problem);
    } else if (p->problem) {
        bool quote = p->context && strstr(p->context, "quoted scalar") && strstr(p->problem, "end of stream");
        const char *say = in_plain_words(r, p);
        if (!quote && strstr(p->problem, "end of stream"))
            say = p->problem;
        diag_add(r->diag, DIAG_ERROR, place_of(r, quote ? p->context_mark : p->problem_mark), "not valid YAML: %s", say);
    } else {
        diag_add(r->diag, DIAG_ERROR, (struct diag_place){ .file = r->file }, "cannot be read: out of memory"); /* all else has a problem text */
        r->diag->host = true;
    }
    r->stop = true;
}

/* ---- what we refuse ----------------------------------------------------------------------------------------- */

static void refuse_extras(struct reader *r, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        diag_add(r->diag, DIAG_ERROR, place_of(r, e->start_mark),
                 "anchors are not supported (&%s): write the value out, or use `defaults:`", (const char *)anchor);
    if (tag && strcmp((const char *)tag, "!") != 0)
        diag_add(r->diag, DIAG_ERROR, place_of(r, e->start_mark), "tags are not supported (%s): the option decides the type",
                 (const char *)tag);
}

static bool key_refused(struct reader *r, const struct node *map, const char *key, struct diag_place place)
{
    struct entry *first = map_entry(map, key);
    if (!strcmp(key, "<<"))
        diag_add(r->diag, DIAG_ERROR, place, "merge keys (<<) are not supported: use `defaults:`");
    else if (!*key)
        diag_add(r->diag, DIAG_ERROR, place, "a key is empty");
    else if (strlen(key) > YAML_KEY)
        diag_add(r->diag, DIAG_ERROR, place, "a key is longer than %d bytes: `%.40s...`", YAML_KEY, key);
    else if (first)
        diag_add(r->diag, DIAG_ERROR, place, "duplicate key `%s`: it is already at %u:%u, remove one of them", key,
                 first->place.line, first->place.column);
    else
        return false;
    return true;
}

/* ---- building ----------------------------------------------------------------------------------------------- */

static struct level *top(struct reader *r)
{
    return r->depth ? &r->stack[r->depth - 1] : NULL;
}

static void place_value(struct reader *r, struct node *n)
{
    struct level *l = top(r);
    if (!l) {
        r->root = n;
    } else if (l->node->kind == NODE_LIST) {
        list_add(r->arena, l->node, n);
    } else if (l->key) {
        if (!l->drop)
            map_put(r->arena, l->node, l->key, l->key_place, n);
        l->key = NULL;
    } else { /* a list or map where a key belongs: this value stands for it, its own value follows */
        diag_add(r->diag, DIAG_ERROR, n->place, "a key must be text, not %s", node_kind_text(n));
        l->key = "";
        l->drop = true;
    }
}

static void push(struct reader *r, const yaml_event_t *e, struct node *n)
{
    if (r->depth == YAML_DEPTH) {
        diag_add(r->diag, DIAG_ERROR, place_of(r, e->start_mark), "nested deeper than %d levels", YAML_DEPTH);
        r->stop = true;
        return;
    }
    r->stack[r->depth++] = (struct level){ .node = n };
}

static void on_alias(struct reader *r, const yaml_event_t *e)
{
    diag_add(r->diag, DIAG_ERROR, place_of(r, e->start_mark),
             "aliases are not supported (*%s): write the value out, use `defaults:`, or quote the text if a star was meant",
             (const char *)e->data.alias.anchor);
    struct level *l = top(r);
    if (l && l->node->kind == NODE_MAP && !l->key) {
        l->key = "";
        l->drop = true;
    } else {
        struct node *nothing = node_null(r->arena, place_of(r, e->start_mark), true);
        nothing->broken = true;
        place_value(r, nothing);
    }
}

static bool is_null(const char *text)
{
    return !*text || !strcmp(text, "~") || !strcmp(text, "null");
}

static void on_scalar(struct reader *r, const yaml_event_t *e)
{
    refuse_extras(r, e, e->data.scalar.anchor, e->data.scalar.tag);
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    bool quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    struct diag_place place = place_of(r, e->start_mark);
    struct level *l = top(r);
    if (memchr(text, '\0', len)) {
        diag_add(r->diag, DIAG_ERROR, place, "text may not contain a NUL character");
        len = strlen(text);
    }
    if (l && l->node->kind == NODE_MAP && !l->key) {
        l->drop = key_refused(r, l->node, text, place);
        l->key = arena_copy(r->arena, text);
        l->key_place = place;
    } else if (!quoted && is_null(text)) {
        place_value(r, node_null(r->arena, place, !*text));
    } else {
        place_value(r, node_scalar(r->arena, place, text, len, quoted));
    }
}

static void on_map(struct reader *r, const yaml_event_t *e)
{
    refuse_extras(r, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    push(r, e, node_map(r->arena, place_of(r, e->start_mark)));
}

static void on_list(struct reader *r, const yaml_event_t *e)
{
    refuse_extras(r, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    push(r, e, node_list(r->arena, place_of(r, e->start_mark)));
}

static void on_end(struct reader *r, const yaml_event_t *e)
{
    (void)e;
    struct node *done = r->stack[--r->depth].node; /* libyaml reports no end without its beginning */
    place_value(r, done);
}

static void on_document(struct reader *r, const yaml_event_t *e)
{
    if (r->documents++ == 0)
        return;
    diag_add(r->diag, DIAG_ERROR, place_of(r, e->start_mark), "a second document (---) begins here: put it into a file of its own");
    r->stop = true;
}

static void on_event(struct reader *r, const yaml_event_t *e)
{
    static void (*const handlers[])(struct reader *, const yaml_event_t *) = {
        [YAML_DOCUMENT_START_EVENT] = on_document, [YAML_ALIAS_EVENT] = on_alias,
        [YAML_SCALAR_EVENT] = on_scalar,           [YAML_SEQUENCE_START_EVENT] = on_list,
        [YAML_SEQUENCE_END_EVENT] = on_end,        [YAML_MAPPING_START_EVENT] = on_map,
        [YAML_MAPPING_END_EVENT] = on_end,
    };
    if (++r->events > YAML_EVENTS) {
        diag_add(r->diag, DIAG_ERROR, place_of(r, e->start_mark), "more than %d elements in one file", YAML_EVENTS);
        r->stop = true;
    } else if (e->type < sizeof handlers / sizeof *handlers && handlers[e->type]) {
        handlers[e->type](r, e);
    }
}

struct node *yaml_parse(struct arena *a, const char *file, const char *text, size_t len, struct diag *d)
{
    struct reader r = { .arena = a, .diag = d, .file = file, .text = text, .len = len };
    struct diag_place start = { file, 1, 1 };
    yaml_parser_t parser;
    if (len > YAML_BYTES) {
        diag_add(d, DIAG_ERROR, (struct diag_place){ .file = file }, "larger than %d MiB", YAML_BYTES >> 20);
        return NULL;
    }
    if (!yaml_parser_initialize(&parser)) {
        diag_add(d, DIAG_ERROR, start, "out of memory");
        d->host = true;
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    for (bool more = true; more && !r.stop;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            refused(&r, &parser);
            break;
        }
        on_event(&r, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (r.stop)
        return NULL;
    return r.root ? r.root : node_map(a, start);
}
