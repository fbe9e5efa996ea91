#include "core/text.h"

#include <string.h>

size_t text_cut_at(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    if (len <= max)
        return len;
    len = max;
    for (unsigned back = 0; back < 3 && len && ((unsigned char)text[len] & 0xc0) == 0x80; back++)
        len--;
    return len;
}

size_t text_cut(char *room, size_t size, const char *text)
{
    size_t len = text ? text_cut_at(text, size - 1) : 0;
    memcpy(room, text ? text : "", len);
    room[len] = 0;
    return len;
}
