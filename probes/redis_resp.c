#include "redis_resp.h"

#include <hiredis/alloc.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

void *redis_alloc(size_t size)
{
    void *block = hi_calloc(1, size ? size : 1);
    if (!block)
        abort(); /* 0.14 does so by itself */
    return block;
}

void redis_free(void *block)
{
#if HIREDIS_MAJOR >= 1
    hi_free(block);
#else
    free(block);
#endif
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static struct redis_value *value_new(const redisReadTask *task, enum redis_kind kind, size_t extra)
{
    struct redis_reader *r = task->privdata;
    if (++r->values > REDIS_VALUES_CAP) {
        r->over = true;
        return NULL;
    }
    struct redis_value *v = redis_alloc(sizeof *v + extra);
    v->kind = kind;
    if (task->parent)
        ((struct redis_value *)task->parent->obj)->items[task->idx] = v;
    return v;
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    enum redis_kind kind = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_TEXT;
    struct redis_value *v = value_new(task, kind, len + 1);
    if (!v)
        return NULL;
    char *copy = (char *)(v + 1);
    memcpy(copy, text, len);
    v->text = copy;
    v->len = len;
    return v;
}

static bool is_deep(const redisReadTask *task)
{
    unsigned depth = 1;
    for (; task->parent; task = task->parent)
        depth++;
    return depth > REDIS_DEPTH_CAP;
}

static void *create_array(const redisReadTask *task, element_count count)
{
    struct redis_reader *r = task->privdata;
    if (count > REDIS_ARRAY_CAP || is_deep(task)) {
        r->over = true;
        return NULL;
    }
    struct redis_value *v = value_new(task, REDIS_ARRAY, (size_t)count * sizeof(struct redis_value *));
    if (v)
        v->count = (unsigned)count;
    return v;
}

static void *create_integer(const redisReadTask *task, long long integer)
{
    struct redis_value *v = value_new(task, REDIS_INTEGER, 0);
    if (v)
        v->integer = integer;
    return v;
}

static void *create_nil(const redisReadTask *task)
{
    return value_new(task, REDIS_NIL, 0);
}

static void free_object(void *object)
{
    redis_value_free(object);
}

void redis_value_free(struct redis_value *v)
{
    if (!v)
        return;
    for (unsigned i = 0; i < v->count; i++)
        redis_value_free(v->items[i]);
    redis_free(v);
}

#if HIREDIS_MAJOR >= 1
/* RESP3 was never asked for, so nobody may answer in it. */
static void *refuse_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)task, (void)value, (void)text, (void)len;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
    (void)task, (void)value;
    return NULL;
}
#endif

/* ---- the reader --------------------------------------------------------------------------------------------- */

void redis_reader_open(struct redis_reader *r)
{
    static redisReplyObjectFunctions functions = {
        .createString = create_string, .createArray = create_array, .createInteger = create_integer,
        .createNil = create_nil, .freeObject = free_object,
#if HIREDIS_MAJOR >= 1
        .createDouble = refuse_double, .createBool = refuse_bool,
#endif
    };
    redis_reader_close(r);
    redisReader *parser = redisReaderCreateWithFunctions(&functions);
    if (!parser)
        abort();
    parser->privdata = r;
    r->parser = parser;
}

void redis_reader_close(struct redis_reader *r)
{
    if (r->parser)
        redisReaderFree(r->parser);
    *r = (struct redis_reader){ NULL, 0, 0, false };
}

void redis_reader_feed(struct redis_reader *r, const char *bytes, size_t len)
{
    r->fed += len;
    redisReaderFeed(r->parser, bytes, len);
}

static size_t unread(const struct redis_reader *r)
{
    const redisReader *parser = r->parser;
    return parser->len - parser->pos;
}

enum redis_read redis_reader_next(struct redis_reader *r, struct redis_value **out)
{
    void *object = NULL;
    *out = NULL;
    if (redisReaderGetReply(r->parser, &object) != REDIS_OK)
        return r->over ? REDIS_TOO_LARGE : REDIS_BAD;
    if (!object)
        return r->fed > REDIS_REPLY_CAP ? REDIS_TOO_LARGE : REDIS_MORE;
    r->fed = unread(r);
    r->values = 0;
    *out = object;
    return REDIS_READ;
}

const char *redis_reader_error(const struct redis_reader *r)
{
    return ((const redisReader *)r->parser)->errstr;
}

bool redis_reader_is_empty(const struct redis_reader *r)
{
    return !r->fed;
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

void redis_commands_add(struct redis_commands *c, unsigned count, const char *const *words, const size_t *lens)
{
    char *one = NULL;
    int len = redisFormatCommandArgv(&one, (int)count, (const char **)(uintptr_t)words, lens);
    if (len < 0)
        abort();
    char *all = redis_alloc(c->len + (size_t)len);
    if (c->len)
        memcpy(all, c->data, c->len);
    memcpy(all + c->len, one, (size_t)len);
    size_t total = c->len + (size_t)len;
    explicit_bzero(one, (size_t)len);
    redisFreeCommand(one);
    redis_commands_free(c);
    *c = (struct redis_commands){ all, total };
}

void redis_commands_free(struct redis_commands *c)
{
    if (c->data)
        explicit_bzero(c->data, c->len);
    redis_free(c->data);
    *c = (struct redis_commands){ NULL, 0 };
}
