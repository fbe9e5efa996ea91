#include "base/utf8.h"

#include <string.h>

/* What may follow each kind of first byte; the narrowed second bytes keep out overlong forms and surrogates. */
static const struct row {
    unsigned char first, last, length, second_low, second_high;
} rows[] = {
    { 0x00, 0x7f, 1, 0, 0 },
    { 0xc2, 0xdf, 2, 0x80, 0xbf },
    { 0xe0, 0xe0, 3, 0xa0, 0xbf },
    { 0xe1, 0xec, 3, 0x80, 0xbf },
    { 0xed, 0xed, 3, 0x80, 0x9f },
    { 0xee, 0xef, 3, 0x80, 0xbf },
    { 0xf0, 0xf0, 4, 0x90, 0xbf },
    { 0xf1, 0xf3, 4, 0x80, 0xbf },
    { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static bool follows(const struct row *row, const unsigned char *bytes, size_t left)
{
    if (row->length > left)
        return false;
    if (row->length > 1 && (bytes[1] < row->second_low || bytes[1] > row->second_high))
        return false;
    for (unsigned i = 2; i < row->length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    return true;
}

unsigned utf8_length(const char *at, size_t left)
{
    const unsigned char *bytes = (const unsigned char *)at;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (bytes[0] >= rows[i].first && bytes[0] <= rows[i].last)
            return follows(&rows[i], bytes, left) ? rows[i].length : 0;
    return 0;
}

bool utf8_is_obeyed(const char *at, unsigned length)
{
    static const struct { unsigned length; const char *first, *last; } obeyed[] = {
        { 1, "\x00", "\x1f" }, { 1, "\x7f", "\x7f" }, { 2, "\xc2\x80", "\xc2\x9f" }, { 2, "\xd8\x9c", "\xd8\x9c" },
        { 3, "\xe2\x80\x8e", "\xe2\x80\x8f" }, { 3, "\xe2\x80\xa8", "\xe2\x80\xae" }, { 3, "\xe2\x81\xa6", "\xe2\x81\xa9" },
    };
    for (size_t i = 0; i < sizeof obeyed / sizeof *obeyed; i++)
        if (length == obeyed[i].length && memcmp(at, obeyed[i].first, length) >= 0 && memcmp(at, obeyed[i].last, length) <= 0)
            return true;
    return false;
}
