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

/* Label values: \ " and newline are escaped, bytes that are no UTF-8 would make the whole scrape invalid. */
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
        else if (len)
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

void promline_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_text(out, "# HELP ");
    buf_text(out, name);
    buf_char(out, ' ');
    for (; *help; help++)
        if (*help == '\\' || *help == '\n')
            buf_text(out, *help == '\n' ? "\\n" : "\\\\");
        else
            buf_char(out, *help);
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

double promline_seconds(uint64_t wall)
{
    return (double)wall / 1e6;
}
