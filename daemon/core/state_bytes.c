#include "core/state_bytes.h"

#include <string.h>

static uint64_t checksum_of(const char *bytes, size_t len)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

enum { SUMMED_FROM = offsetof(struct state_head, length) };

void state_seal(struct buf *b)
{
    struct state_head head;
    if (b->len < sizeof head)
        return;
    memcpy(&head, b->data, sizeof head);
    head.length = b->len;
    memcpy(b->data, &head, sizeof head);
    head.checksum = checksum_of(b->data + SUMMED_FROM, b->len - SUMMED_FROM);
    memcpy(b->data, &head, sizeof head);
}

const char *state_check_head(const char *bytes, size_t len, struct state_head *h)
{
    if (len < sizeof *h)
        return "it is no state file of vitald's, or only its beginning";
    memcpy(h, bytes, sizeof *h);
    if (h->magic != STATE_MAGIC)
        return "it is no state file of vitald's, or another machine's";
    if (h->version != STATE_VERSION)
        return "it is of another version of vitald";
    if (h->length != len)
        return "it is damaged: not all of it is there";
    if (h->checksum != checksum_of(bytes + SUMMED_FROM, len - SUMMED_FROM))
        return "it is damaged: its checksum is wrong";
    return NULL;
}

/* ---- putting ---- */

void put_8(struct buf *b, uint8_t v)
{
    buf_add(b, &v, sizeof v);
}

void put_32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

void put_64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof v);
}

void put_text(struct buf *b, const char *text)
{
    size_t len = text ? strnlen(text, STATE_TEXT - 1) : 0;
    put_32(b, (uint32_t)len);
    buf_add(b, text ? text : "", len);
}

/* ---- getting ---- */

void get_bytes(struct state_reader *in, void *to, size_t len)
{
    memset(to, 0, len);
    if (in->broken || len > in->left) {
        in->broken = true;
        return;
    }
    memcpy(to, in->at, len);
    in->at += len;
    in->left -= len;
}

uint8_t get_8(struct state_reader *in)
{
    uint8_t v;
    get_bytes(in, &v, sizeof v);
    return v;
}

uint32_t get_32(struct state_reader *in)
{
    uint32_t v;
    get_bytes(in, &v, sizeof v);
    return v;
}

uint64_t get_64(struct state_reader *in)
{
    uint64_t v;
    get_bytes(in, &v, sizeof v);
    return v;
}

uint8_t get_below(struct state_reader *in, unsigned limit)
{
    uint8_t v = get_8(in);
    if (v < limit)
        return v;
    in->broken = true;
    return 0;
}

void get_text(struct state_reader *in, char *to, size_t size)
{
    uint32_t len = get_32(in);
    *to = '\0';
    if (len >= size || (!in->broken && len <= in->left && memchr(in->at, '\0', len)))
        in->broken = true;
    if (in->broken)
        return;
    get_bytes(in, to, len);
    to[len] = '\0'; /* what is not there was read as zeros */
}
