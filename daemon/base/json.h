/* JSON: a streaming writer and a strict, bounded reader. No tree: the reader is a cursor over the text. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Writer: keeps the commas right. Text is repaired to valid UTF-8 and escaped; also safe inside <script>. */
struct json {
    struct buf *out;
    uint8_t depth;
    bool need_comma;
};
#define JSON(buffer) ((struct json){ .out = (buffer) })

/* key NULL: an array's element, or the outermost value. */
void json_open_object(struct json *, const char *key);
void json_close_object(struct json *);
void json_open_array(struct json *, const char *key);
void json_close_array(struct json *);
void json_text(struct json *, const char *key, const char *text);          /* NULL writes null */
void json_text_n(struct json *, const char *key, const char *text, size_t len);
void json_int(struct json *, const char *key, int64_t);
void json_number(struct json *, const char *key, double);                  /* NaN and infinities write null */
void json_bool(struct json *, const char *key, bool);
void json_null(struct json *, const char *key);
void json_raw(struct json *, const char *key, const char *text);           /* already JSON */
void json_time(struct json *, const char *key, uint64_t wall);             /* ISO 8601; 0 and TIME_NEVER write null */
/* Shortest fixed form with at most 6 decimals; exponents only beyond 1e15. */
void json_format_number(struct buf *, double);

/* Reader. */
enum json_kind { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum { JSON_MAX_DEPTH = 64, JSON_MAX_NUMBER = 512 };

struct json_value {
    enum json_kind kind;
    const char *start;      /* its first byte; for strings after the quote */
    size_t len;             /* raw length; strings: still escaped, without quotes */
    double number;
    bool truth;             /* bools: the value; strings: there are escapes in it */
};

/* Checks a whole document: NULL or what is wrong, with *at the offset. Refused beyond the grammar: duplicate keys, lone
 * surrogates, numbers that a double cannot hold or that have more than JSON_MAX_NUMBER characters. */
const char *json_check(const char *text, size_t len, size_t *at, struct json_value *root);
/* Member of an object / element of an array of a checked document; kind JSON_NONE when absent. */
struct json_value json_member(const struct json_value *, const char *key);
struct json_value json_element(const struct json_value *, size_t index);
/* Iterates: *cursor starts at 0; false at the end. key is empty for arrays. */
bool json_next(const struct json_value *, size_t *cursor, struct json_value *key, struct json_value *value);
/* RFC 6901: "/a/0/b"; JSON_NONE when it leads nowhere. */
struct json_value json_pointer(const struct json_value *root, const char *pointer);
/* Unescapes a string value; false when it does not fit or holds a NUL. */
bool json_string(const struct json_value *, char *room, size_t size);

#endif
