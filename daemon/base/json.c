#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

/* What cannot stand in a string as it is. '<', '>', '&' could end a script element. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void add_special(struct buf *out, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        buf_char(out, '\\');
        buf_char(out, to[hit - from]);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

static unsigned code_point(const char *at, unsigned n)
{
    const unsigned char *b = (const unsigned char *)at;
    return n == 2 ? (b[0] & 0x1fU) << 6 | (b[1] & 0x3f) : (b[0] & 0x0fU) << 12 | (b[1] & 0x3fU) << 6 | (b[2] & 0x3f);
}

/* One character beyond ASCII: some end a line in scripts or are obeyed by the terminal that shows the document; broken bytes
 * become U+FFFD one by one. */
static size_t add_wide(struct buf *out, const char *at, size_t left)
{
    unsigned n = utf8_length(at, left);
    if (!n)
        buf_text(out, "\xef\xbf\xbd");
    else if (utf8_is_obeyed(at, n))
        buf_printf(out, "\\u%04x", code_point(at, n));
    else
        buf_add(out, at, n);
    return n ? n : 1;
}

static void add_quoted(struct buf *out, const char *text, size_t len)
{
    buf_char(out, '"');
    for (size_t i = 0, run; i < len; i += run) {
        for (run = 0; i + run < len && is_plain((unsigned char)text[i + run]); run++)
            ;
        if (run) {
            buf_add(out, text + i, run);
        } else if ((unsigned char)text[i] < 0x80) {
            add_special(out, (unsigned char)text[i]);
            run = 1;
        } else {
            run = add_wide(out, text + i, len - i);
        }
    }
    buf_char(out, '"');
}

/* Every value goes through here: the comma, then the key. */
static void lead(struct json *j, const char *key)
{
    if (j->need_comma)
        buf_char(j->out, ',');
    if (key) {
        add_quoted(j->out, key, strlen(key));
        buf_char(j->out, ':');
    }
    j->need_comma = true;
}

static void open_with(struct json *j, const char *key, char bracket)
{
    lead(j, key);
    buf_char(j->out, bracket);
    j->depth++;
    j->need_comma = false;
}

static void close_with(struct json *j, char bracket)
{
    buf_char(j->out, bracket);
    j->depth--;
    j->need_comma = j->depth > 0;
}

void json_open_object(struct json *j, const char *key)
{
    open_with(j, key, '{');
}

void json_close_object(struct json *j)
{
    close_with(j, '}');
}

void json_open_array(struct json *j, const char *key)
{
    open_with(j, key, '[');
}

void json_close_array(struct json *j)
{
    close_with(j, ']');
}

void json_raw(struct json *j, const char *key, const char *text)
{
    lead(j, key);
    buf_text(j->out, text);
}

void json_null(struct json *j, const char *key)
{
    json_raw(j, key, "null");
}

void json_text_n(struct json *j, const char *key, const char *text, size_t len)
{
    lead(j, key);
    add_quoted(j->out, text, len);
}

void json_text(struct json *j, const char *key, const char *text)
{
    if (text)
        json_text_n(j, key, text, strlen(text));
    else
        json_null(j, key);
}

void json_int(struct json *j, const char *key, int64_t value)
{
    lead(j, key);
    buf_printf(j->out, "%lld", (long long)value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    json_raw(j, key, value ? "true" : "false");
}

void json_number(struct json *j, const char *key, double value)
{
    lead(j, key);
    json_format_number(j->out, value);
}

void json_time(struct json *j, const char *key, uint64_t wall)
{
    char text[CLOCK_TEXT];
    if (wall == 0 || wall == TIME_NEVER)
        json_null(j, key);
    else
        json_text(j, key, clock_iso(wall, text));
}

/* 1e15 and more: the shortest text that reads back the same. */
static void format_large(struct buf *out, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_text(out, text);
}

void json_format_number(struct buf *out, double value)
{
    enum { DECIMALS = 6, SCALE = 1000000 };
    double size = fabs(value);
    if (!isfinite(value)) {
        buf_text(out, "null");
        return;
    }
    if (size >= 1e15) {
        format_large(out, value);
        return;
    }
    uint64_t whole = (uint64_t)size;
    uint64_t part = (uint64_t)((size - (double)whole) * SCALE + 0.5);
    if (part == SCALE) {
        whole++;
        part = 0;
    }
    char text[40], *end = text + sizeof text, *at = end;
    if (part) { /* from the last digit to the first; a scrape of many probes writes little else */
        for (unsigned i = 0; i < DECIMALS; i++, part /= 10)
            if (at != end || part % 10)
                *--at = (char)('0' + part % 10);
        *--at = '.';
    }
    bool shown = whole || at != end;
    do
        *--at = (char)('0' + whole % 10);
    while (whole /= 10);
    if (value < 0 && shown)
        *--at = '-';
    buf_add(out, at, (size_t)(end - at));
}
