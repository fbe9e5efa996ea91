#include "view/promline.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"

/* Nearly all of nearly every value. */
static size_t plain_length(const char *text)
{
    size_t n = 0;
    while ((unsigned char)text[n] >= ' ' && (unsigned char)text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

/* Label values: \ " and newline are escaped, bytes that are no UTF-8 would make the whole scrape invalid,
 * and people read it in terminals. */
static void put_text(struct buf *out, const char *text)
{
    size_t plain = plain_length(text);
    buf_add(out, text, plain);
    text += plain;
    for (size_t left = strlen(text); left > 0;) {
        unsigned len = utf8_length(text, left);
        if (*text == '\n')
            buf_text(out, "\\n");
        else if (*text == '"' || *text == '\\')
            buf_char(out, '\\'), buf_char(out, *text);
        else if (len && !utf8_is_obeyed(text, len))
            buf_add(out, text, len);
        else
            buf_text(out, "\xef\xbf\xbd");
        len = len ? len : 1;
        text += len;
        left -= len;
    }
}

void promline_label(struct buf *out, char before, const char *name, const char *value)
{
    buf_char(out, before);
    buf_text(out, name);
    buf_text(out, "=\"");
    put_text(out, value ? value : "");
    buf_char(out, '"');
}

void promline_value(struct buf *out, double value)
{
    buf_text(out, "} ");
    json_format_number(out, value);
    buf_char(out, '\n');
}

static bool ends_in(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len > n && !memcmp(text + len - n, end, n);
}

static void put_comment(struct buf *out, const char *word, const char *name, size_t len)
{
    buf_text(out, word);
    buf_add(out, name, len);
    buf_char(out, ' ');
}

/* OpenMetrics knows the family by its name without the ending of its lines, and its type info is a gauge to 0.0.4. */
static size_t family_length(const char *name, const char *type)
{
    static const struct { const char *type, *end; } ends[] = { { "counter", "_total" }, { "info", "_info" } };
    size_t len = strlen(name);
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
        if (!strcmp(type, ends[i].type) && ends_in(name, len, ends[i].end))
            return len - strlen(ends[i].end);
    return len;
}

/* In the words of our names the last one is the unit. */
static void put_unit(struct buf *out, const char *name, size_t len)
{
    static const char *const units[] = { "_seconds", "_bytes", "_ratio" };
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
        if (ends_in(name, len, units[i])) {
            put_comment(out, "# UNIT ", name, len);
            buf_text(out, units[i] + 1);
            buf_char(out, '\n');
        }
}

void promline_family(struct buf *out, bool openmetrics, const char *name, const char *type, const char *help)
{
    size_t len = openmetrics ? family_length(name, type) : strlen(name);
    put_comment(out, "# HELP ", name, len);
    for (; *help; help++) {
        if (*help == '\\' || *help == '\n' || (*help == '"' && openmetrics))
            buf_char(out, '\\');
        buf_char(out, *help == '\n' ? 'n' : *help);
    }
    buf_char(out, '\n');
    put_comment(out, "# TYPE ", name, len);
    buf_text(out, !openmetrics && !strcmp(type, "info") ? "gauge" : type);
    buf_char(out, '\n');
    if (openmetrics)
        put_unit(out, name, len);
}

double promline_seconds(uint64_t wall)
{
    return (double)wall / 1e6;
}
