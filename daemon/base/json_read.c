/* The reading half of json.h. One strict parser serves the check and every walk, so the two cannot disagree. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* ---- strings as bytes: escapes undone on the way ----------------------------------------------------------- */

struct bytes {
    const char *at, *end;
    bool escaped;
    char held[4];            /* the rest of a character that was written as an escape */
    unsigned next, count;
};

static unsigned hex4(const char *at)
{
    unsigned value = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned c = (unsigned char)at[i];
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static unsigned utf8_put(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (unsigned i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(leads[n] | code);
    return n;
}

/* at is behind "\u" of a checked string. */
static void unescape_code(struct bytes *b)
{
    unsigned code = hex4(b->at);
    b->at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(b->at + 2) - 0xdc00);
        b->at += 6;
    }
    b->count = utf8_put(code, b->held);
    b->next = 0;
}

static int bytes_next(struct bytes *b)
{
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    if (b->next < b->count)
        return (unsigned char)b->held[b->next++];
    if (b->at == b->end)
        return -1;
    char c = *b->at++;
    if (c != '\\' || !b->escaped)
        return (unsigned char)c;
    c = *b->at++;
    if (c == 'u') {
        unescape_code(b);
        return (unsigned char)b->held[b->next++];
    }
    const char *hit = strchr(from, c);
    return hit ? to[hit - from] : (unsigned char)c;
}

static int compare(struct bytes a, struct bytes b)
{
    if (!a.escaped && !b.escaped) {
        size_t a_len = (size_t)(a.end - a.at), b_len = (size_t)(b.end - b.at);
        int order = memcmp(a.at, b.at, a_len < b_len ? a_len : b_len);
        return order ? order : (a_len > b_len) - (a_len < b_len);
    }
    for (;;) {
        int x = bytes_next(&a), y = bytes_next(&b);
        if (x != y || x < 0)
            return x - y;
    }
}

static struct bytes string_bytes(const struct json_value *v)
{
    return (struct bytes){ .at = v->start, .end = v->start + v->len, .escaped = v->truth };
}

bool json_string(const struct json_value *v, char *room, size_t size)
{
    if (v->kind != JSON_STRING)
        return false;
    struct bytes b = string_bytes(v);
    for (size_t i = 0; i < size; i++) {
        int c = bytes_next(&b);
        room[i] = c < 0 ? '\0' : (char)c;
        if (c <= 0)
            return c < 0;
    }
    return false;
}

/* ---- the parser -------------------------------------------------------------------------------------------- */

/* Keys of the objects that are still open, one object's keys behind the other's; only the check keeps them. */
struct keys {
    struct json_value *items;
    size_t count, room;
};

struct scan {
    const char *at, *end;
    const char *why;
    struct keys *keys;
    unsigned depth;
};

static bool scan_value(struct scan *, struct json_value *);

static bool refuse(struct scan *s, const char *why)
{
    s->why = why;
    return false;
}

static char look(const struct scan *s)
{
    return s->at < s->end ? *s->at : '\0';
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool skip_digits(struct scan *s)
{
    const char *first = s->at;
    while (is_digit(look(s)))
        s->at++;
    return s->at > first;
}

static bool scan_number(struct scan *s, struct json_value *v)
{
    char text[JSON_MAX_NUMBER + 1];
    if (look(s) == '-')
        s->at++;
    if (look(s) == '0')
        s->at++;
    else if (!skip_digits(s))
        return refuse(s, "a value is expected");
    if (look(s) == '.' && (s->at++, !skip_digits(s)))
        return refuse(s, "digits are missing behind the decimal point");
    if ((look(s) | 0x20) == 'e') {
        s->at++;
        if (look(s) == '+' || look(s) == '-')
            s->at++;
        if (!skip_digits(s))
            return refuse(s, "digits are missing in the exponent");
    }
    v->kind = JSON_NUMBER;
    v->len = (size_t)(s->at - v->start);
    if (v->len > JSON_MAX_NUMBER)
        return refuse(s, "a number is too long");
    memcpy(text, v->start, v->len);
    text[v->len] = '\0';
    v->number = strtod(text, NULL);        /* nothing here ever leaves the C locale */
    return isfinite(v->number) || refuse(s, "a number is too large");
}

static bool scan_hex4(struct scan *s, unsigned *code)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    for (unsigned i = 0; i < 4; i++)
        if (s->end - s->at <= (ptrdiff_t)i || !s->at[i] || !strchr(digits, s->at[i]))
            return refuse(s, "four hexadecimal digits are expected behind \\u");
    *code = hex4(s->at);
    s->at += 4;
    return true;
}

static bool scan_escape(struct scan *s)
{
    unsigned code, low;
    s->at++;
    if (s->at == s->end || !*s->at || !strchr("\"\\/bfnrtu", *s->at))
        return refuse(s, "unknown escape in a string");
    if (*s->at++ != 'u')
        return true;
    if (!scan_hex4(s, &code))
        return false;
    if (code < 0xd800 || code > 0xdfff)
        return true;
    if (code > 0xdbff || s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u')
        return refuse(s, "half a surrogate pair in a string");
    s->at += 2;
    if (!scan_hex4(s, &low))
        return false;
    return (low >= 0xdc00 && low <= 0xdfff) || refuse(s, "half a surrogate pair in a string");
}

static bool scan_string(struct scan *s, struct json_value *v)
{
    v->kind = JSON_STRING;
    v->start = ++s->at;
    while (s->at < s->end && *s->at != '"') {
        unsigned char c = (unsigned char)*s->at;
        unsigned n = 1;
        if (c < 0x20)
            return refuse(s, "a control character in a string: it must be escaped");
        if (c == '\\') {
            v->truth = true;
            if (!scan_escape(s))
                return false;
            continue;
        }
        if (c >= 0x80 && !(n = utf8_length(s->at, (size_t)(s->end - s->at))))
            return refuse(s, "a string is not valid UTF-8");
        s->at += n;
    }
    if (s->at == s->end)
        return refuse(s, "a string does not end");
    v->len = (size_t)(s->at++ - v->start);
    return true;
}

static bool scan_word(struct scan *s, struct json_value *v)
{
    static const struct { const char *text; size_t len; enum json_kind kind; bool truth; } words[] = {
        { "true", 4, JSON_BOOL, true }, { "false", 5, JSON_BOOL, false }, { "null", 4, JSON_NULL, false },
    };
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if ((size_t)(s->end - s->at) < words[i].len || memcmp(s->at, words[i].text, words[i].len) != 0)
            continue;
        v->kind = words[i].kind;
        v->truth = words[i].truth;
        v->len = words[i].len;
        s->at += v->len;
        return true;
    }
    return refuse(s, "a value is expected");
}

static bool scan_key(struct scan *s, struct json_value *key)
{
    *key = (struct json_value){ 0 };
    if (look(s) != '"')
        return refuse(s, "a key in double quotes is expected");
    if (!scan_string(s, key))
        return false;
    skip_space(s);
    if (look(s) != ':')
        return refuse(s, "':' is expected behind a key");
    s->at++;
    skip_space(s);
    return true;
}

/* One member or element. 1: there is one; 0: the closing bracket was read; -1: refused. */
static int scan_member(struct scan *s, bool object, bool first, struct json_value *key, struct json_value *value)
{
    skip_space(s);
    if (look(s) == (object ? '}' : ']')) {
        s->at++;
        return 0;
    }
    if (!first) {
        if (look(s) != ',') {
            refuse(s, object ? "',' or '}' is expected" : "',' or ']' is expected");
            return -1;
        }
        s->at++;
        skip_space(s);
    }
    if (object && !scan_key(s, key))
        return -1;
    return scan_value(s, value) ? 1 : -1;
}

static int by_key(const void *a, const void *b)
{
    return compare(string_bytes(a), string_bytes(b));
}

static void keys_add(struct keys *k, const struct json_value *key)
{
    if (k->count == k->room) {
        k->room = k->room ? k->room * 2 : 16;
        k->items = mem_grow(k->items, k->room * sizeof *k->items);
    }
    k->items[k->count++] = *key;
}

/* Takes the keys of the object that just ended off the stack. Sorting, so that a million keys cost no million squared. */
static bool keys_differ(struct scan *s, size_t first)
{
    size_t count = s->keys->count - first;
    s->keys->count = first;
    if (count < 2)
        return true;
    struct json_value *items = s->keys->items + first;
    qsort(items, count, sizeof *items, by_key);
    for (size_t i = 1; i < count; i++) {
        if (by_key(&items[i - 1], &items[i]) == 0) {
            s->at = items[items[i].start > items[i - 1].start ? i : i - 1].start - 1;
            return refuse(s, "the same key twice in an object");
        }
    }
    return true;
}

static bool scan_container(struct scan *s, struct json_value *v)
{
    bool object = look(s) == '{', first = true;
    size_t mark = s->keys ? s->keys->count : 0;
    struct json_value key, value;
    int got;
    if (++s->depth > JSON_MAX_DEPTH)
        return refuse(s, "nested too deeply");
    s->at++;
    for (; (got = scan_member(s, object, first, &key, &value)) > 0; first = false)
        if (object && s->keys)
            keys_add(s->keys, &key);
    s->depth--;
    v->kind = object ? JSON_OBJECT : JSON_ARRAY;
    v->len = (size_t)(s->at - v->start);
    return got == 0 && (!object || !s->keys || keys_differ(s, mark));
}

static bool scan_value(struct scan *s, struct json_value *v)
{
    char c = look(s);
    *v = (struct json_value){ .start = s->at };
    if (c == '{' || c == '[')
        return scan_container(s, v);
    if (c == '"')
        return scan_string(s, v);
    if (c == '-' || is_digit(c))
        return scan_number(s, v);
    return scan_word(s, v);
}

const char *json_check(const char *text, size_t len, size_t *at, struct json_value *root)
{
    struct keys keys = { 0 };
    struct scan s = { .at = text, .end = text + len, .keys = &keys };
    skip_space(&s);
    if (scan_value(&s, root)) {
        skip_space(&s);
        if (s.at != s.end)
            refuse(&s, "there is more behind the value");
    }
    mem_free(keys.items);
    *at = (size_t)(s.at - text);
    return s.why;
}

/* ---- walking a checked document ---------------------------------------------------------------------------- */

bool json_next(const struct json_value *v, size_t *cursor, struct json_value *key, struct json_value *value)
{
    struct scan s = { .at = v->start + *cursor, .end = v->start + v->len };
    bool first = *cursor == 0;
    *key = *value = (struct json_value){ 0 };
    if ((v->kind != JSON_OBJECT && v->kind != JSON_ARRAY) || *cursor >= v->len)
        return false;
    if (first)
        s.at++;
    int got = scan_member(&s, v->kind == JSON_OBJECT, first, key, value);
    *cursor = (size_t)(s.at - v->start);
    if (got <= 0)
        *value = (struct json_value){ 0 };
    return got > 0;
}

static struct json_value member(const struct json_value *v, const char *name, size_t len)
{
    struct json_value key, value;
    struct bytes wanted = { .at = name, .end = name + len };
    size_t cursor = 0;
    while (v->kind == JSON_OBJECT && json_next(v, &cursor, &key, &value))
        if (compare(string_bytes(&key), wanted) == 0)
            return value;
    return (struct json_value){ 0 };
}

struct json_value json_member(const struct json_value *v, const char *key)
{
    return member(v, key, strlen(key));
}

struct json_value json_element(const struct json_value *v, size_t index)
{
    struct json_value key, value = { 0 };
    size_t cursor = 0;
    if (v->kind != JSON_ARRAY)
        return value;
    while (json_next(v, &cursor, &key, &value) && index > 0)
        index--;
    return value;
}

/* An array index as RFC 6901 has it: no sign, no leading zero. */
static bool to_index(const char *text, size_t len, size_t *index)
{
    *index = 0;
    if (!len || len > 9 || (len > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]))
            return false;
        *index = *index * 10 + (size_t)(text[i] - '0');
    }
    return true;
}

/* ~1 is '/', ~0 is '~'. Writes at most len bytes. */
static bool unescape_token(const char *token, size_t len, char *out, size_t *out_len)
{
    *out_len = 0;
    for (size_t i = 0; i < len; i++) {
        char c = token[i];
        if (c == '~') {
            if (++i == len || (token[i] != '0' && token[i] != '1'))
                return false;
            c = token[i] == '0' ? '~' : '/';
        }
        out[(*out_len)++] = c;
    }
    return true;
}

struct json_value json_pointer(const struct json_value *root, const char *pointer)
{
    struct json_value v = *root;
    char *token = mem_alloc(strlen(pointer) + 1);
    while (*pointer && v.kind != JSON_NONE) {
        size_t len = strcspn(pointer + 1, "/"), token_len, index;
        if (*pointer != '/' || !unescape_token(pointer + 1, len, token, &token_len))
            v = (struct json_value){ 0 };
        else if (v.kind == JSON_ARRAY && to_index(token, token_len, &index))
            v = json_element(&v, index);
        else
            v = member(&v, token, token_len);
        pointer += len + 1;
    }
    mem_free(token);
    return v;
}
