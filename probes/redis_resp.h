/* Redis's protocol, read with hiredis's parser and no other part of it.
 *
 * A server, or what pretends to be one, can announce arrays of two thousand million elements, bulks of half a gigabyte and
 * lines without end. Here one reply is at most 256 KiB, 1024 elements an array, 8 deep and 16384 values in all: what is
 * beyond that ends the conversation as `too_large`. */
#ifndef PROBES_REDIS_RESP_H
#define PROBES_REDIS_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REDIS_REPLY_CAP = 256 * 1024, REDIS_ARRAY_CAP = 1024, REDIS_DEPTH_CAP = 8, REDIS_VALUES_CAP = 16384 };

enum redis_kind { REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_INTEGER, REDIS_NIL, REDIS_ARRAY };

struct redis_value {
    enum redis_kind kind;
    long long integer;
    size_t len;                         /* of text: TEXT, STATUS and ERROR; NUL-terminated too */
    const char *text;
    unsigned count;                     /* of items: ARRAY */
    struct redis_value *items[];
};

struct redis_reader {
    void *parser;
    size_t fed;                         /* bytes of the reply under way */
    unsigned values;
    bool over;
};

enum redis_read { REDIS_MORE, REDIS_READ, REDIS_BAD, REDIS_TOO_LARGE };

void redis_reader_open(struct redis_reader *);        /* may be open: starts anew */
void redis_reader_close(struct redis_reader *);
void redis_reader_feed(struct redis_reader *, const char *bytes, size_t len);
/* The next whole reply; the caller frees it. */
enum redis_read redis_reader_next(struct redis_reader *, struct redis_value **);
const char *redis_reader_error(const struct redis_reader *);
bool redis_reader_is_empty(const struct redis_reader *);
void redis_value_free(struct redis_value *);

/* Commands, gathered for one write. Wiped when freed, for there are passwords in them. */
struct redis_commands { char *data; size_t len; };
void redis_commands_add(struct redis_commands *, unsigned count, const char *const *words, const size_t *lens);
void redis_commands_free(struct redis_commands *);

void *redis_alloc(size_t size);                       /* zeroed; never NULL */
void redis_free(void *);

#endif
