#include "base/http1.h"

enum state { SIZE_FIRST, SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER_FIRST, TRAILER, TRAILER_LF, LAST_LF, DONE, BAD };

enum { SIZE_BITS = 60 };    /* a size with more is no size */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of what nobody wants to see: bounded over the whole body, for a chunk of one byte may bring 4 KiB along. */
static enum state extra(struct http1_chunked *c, char byte, enum state same)
{
    if (++c->extra > HTTP1_CHUNK_EXTRA || ((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f)
        return BAD;
    return same;
}

static enum state expect(char byte, char wanted, enum state then)
{
    return byte == wanted ? then : BAD;
}

static enum state take_size(struct http1_chunked *c, char byte)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        if (c->left >> (SIZE_BITS - 4) || (c->state == SIZE && !c->left && extra(c, byte, SIZE) == BAD)) /* 0000000... */
            return BAD;
        c->left = c->left * 16 + (unsigned)digit;
        return SIZE;
    }
    if (c->state == SIZE_FIRST)
        return BAD;
    if (byte == '\r')
        return SIZE_LF;
    return byte == ';' || byte == ' ' || byte == '\t' ? extra(c, byte, EXTENSION) : BAD;
}

/* The state behind one byte of framing. */
static enum state step(struct http1_chunked *c, char byte)
{
    switch ((enum state)c->state) {
    case SIZE_FIRST:
    case SIZE:
        return take_size(c, byte);
    case EXTENSION:
        return byte == '\r' ? SIZE_LF : extra(c, byte, EXTENSION);
    case SIZE_LF:
        return expect(byte, '\n', c->left ? DATA : TRAILER_FIRST);
    case DATA_CR:
        return expect(byte, '\r', DATA_LF);
    case DATA_LF:
        return expect(byte, '\n', SIZE_FIRST);
    case TRAILER_FIRST:
        return byte == '\r' ? LAST_LF : extra(c, byte, TRAILER);
    case TRAILER:
        return byte == '\r' ? TRAILER_LF : extra(c, byte, TRAILER);
    case TRAILER_LF:
        return expect(byte, '\n', TRAILER_FIRST);
    case LAST_LF:
        return expect(byte, '\n', DONE);
    case DATA:
    case DONE:
    case BAD:
        break;
    }
    return BAD;
}

int http1_chunked(struct http1_chunked *c, const char **bytes, size_t *len, const char **data, size_t *data_len)
{
    *data = NULL;
    *data_len = 0;
    while (*len && c->state != DONE && c->state != BAD) {
        if (c->state == DATA) {
            size_t n = c->left < *len ? (size_t)c->left : *len;
            *data = *bytes;
            *data_len = n;
            *bytes += n;
            *len -= n;
            c->left -= n;
            c->state = c->left ? DATA : DATA_CR;
            return 1;
        }
        c->state = (uint8_t)step(c, **bytes);
        ++*bytes;
        --*len;
    }
    return c->state == BAD ? -1 : c->state != DONE;
}
