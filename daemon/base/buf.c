#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { BUF_FIRST = 256 };

static char *make_room(struct buf *b, size_t len)
{
    size_t need = b->len + len + 1;
    if (need > b->room) {
        size_t room = b->room ? b->room : BUF_FIRST;
        while (room < need)
            room *= 2;
        if (room > b->max + 1)
            room = b->max + 1;
        b->data = mem_grow(b->data, room);
        b->room = room;
    }
    return b->data + b->len;
}

char *buf_reserve(struct buf *b, size_t len)
{
    if (len > b->max || b->len > b->max - len) {
        b->over = true;
        return NULL;
    }
    return make_room(b, len);
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    size_t fits = b->max - b->len < len ? b->max - b->len : len;
    if (fits < len)
        b->over = true;
    char *to = make_room(b, fits);
    if (fits)
        memcpy(to, bytes, fits);
    b->len += fits;
    b->data[b->len] = '\0';
}

void buf_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    if (n > 0 && (size_t)n < sizeof small) {
        buf_add(b, small, (size_t)n);
    } else if (n > 0) {
        char *large = mem_alloc((size_t)n + 1);
        vsnprintf(large, (size_t)n + 1, fmt, again);
        buf_add(b, large, (size_t)n);
        mem_free(large);
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t len)
{
    if (len >= b->len) {
        b->len = 0;
    } else {
        b->len -= len;
        memmove(b->data, b->data + len, b->len);
    }
    if (b->data)
        b->data[b->len] = '\0';
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->over = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
    mem_free(b->data);
    *b = BUF(b->max);
}

char *buf_take(struct buf *b)
{
    char *data = b->data ? b->data : mem_alloc(1);
    *b = BUF(b->max);
    return data;
}
