/* JSON: what the check accepts, every walk agrees on; what the writer writes, the check accepts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

/* Copies a checked value through the writer. */
static void copy(struct json *j, const char *key, const struct json_value *v)
{
    static char room[65536];
    struct json_value name, item;
    char *own_key = NULL;
    size_t cursor = 0;
    bool object = v->kind == JSON_OBJECT;
    if (object || v->kind == JSON_ARRAY) {
        (object ? json_open_object : json_open_array)(j, key);
        while (json_next(v, &cursor, &name, &item)) {
            if (object && !json_string(&name, room, sizeof room))
                continue; /* a NUL in a key */
            own_key = object ? strdup(room) : NULL;
            require(!object || json_member(v, own_key).start == item.start);
            copy(j, own_key, &item);
            free(own_key);
        }
        require(cursor == v->len);
        (object ? json_close_object : json_close_array)(j);
    } else if (v->kind == JSON_STRING) {
        json_text(j, key, json_string(v, room, sizeof room) ? room : NULL);
    } else if (v->kind == JSON_NUMBER) {
        json_number(j, key, v->number);
    } else {
        require(v->kind == JSON_BOOL || v->kind == JSON_NULL);
        json_raw(j, key, v->kind == JSON_NULL ? "null" : v->truth ? "true" : "false");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = BUF(16 << 20);
    struct json j = JSON(&out);
    struct json_value root;
    size_t at;
    if (size > 4096)
        return 0;
    json_text_n(&j, NULL, (const char *)data, size);
    require(!json_check(out.data, out.len, &at, &root));
    buf_reset(&out);
    const char *why = json_check((const char *)data, size, &at, &root);
    require(at <= size && (why || at == size));
    if (!why) {
        j = JSON(&out);
        copy(&j, NULL, &root);
        require(!out.over && !json_check(out.data, out.len, &at, &root));
    }
    char *pointer = strndup((const char *)data, size);
    if (!why)
        json_pointer(&root, pointer);
    free(pointer);
    buf_free(&out);
    return 0;
}
