/* link: probes/redis_resp.c probes/redis_text.c -lhiredis */
/* What a server may say to the redis module: replies stay inside their caps however they are cut, and their text may be
 * anything at all. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis_resp.h"
#include "redis_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void texts(const char *text, size_t len)
{
    char shown[64];
    struct redis_replica replica;
    struct redis_nodes nodes;
    struct redis_address address;
    double number;
    redis_error_reason(text, len, VITAL_R_QUERY);
    redis_field_number(text, "a", &number);
    redis_field_is(text, "cluster_state", "ok");
    for (unsigned n = 0; n < 3 && redis_replica_nth(text, n, &replica); n++)
        require(memchr(replica.name, '\0', sizeof replica.name) != NULL);
    if (!redis_address_parse(text, "6379", &address))
        require(*address.host && *address.port);
    require(strlen(redis_shown(text, len, 40, shown, sizeof shown)) < sizeof shown);
    if (!redis_nodes_parse(text, &nodes))
        return;
    require(nodes.served <= REDIS_SLOTS && nodes.count <= REDIS_NODES_CAP);
    for (unsigned i = 0; i < nodes.count; i++)
        require(redis_node_replicas(&nodes, &nodes.items[i]) <= nodes.count);
    redis_nodes_free(&nodes);
}

static unsigned walk(const struct redis_value *v, unsigned depth)
{
    unsigned values = 1;
    require(depth <= REDIS_DEPTH_CAP + 1 && v->count <= REDIS_ARRAY_CAP);
    if (v->text) {
        require(strlen(v->text) <= v->len);
        texts(v->text, v->len);
    }
    for (unsigned i = 0; i < v->count; i++)
        values += walk(v->items[i], depth + 1);
    return values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_reader r = { NULL, 0, 0, false };
    struct redis_value *v;
    size_t step = size ? 1 + data[0] % 64U : 1;
    enum redis_read got = REDIS_MORE;
    redis_reader_open(&r);
    for (size_t at = 1; at < size && got == REDIS_MORE; at += step) {
        char part[64];
        size_t len = size - at < step ? size - at : step;
        memcpy(part, data + at, len);
        redis_reader_feed(&r, part, len);
        while ((got = redis_reader_next(&r, &v)) == REDIS_READ) {
            require(walk(v, 1) <= REDIS_VALUES_CAP);
            redis_value_free(v);
        }
        require(!v);
    }
    if (got == REDIS_BAD)
        require(*redis_reader_error(&r) != '\0');
    redis_reader_close(&r);
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    texts(text, strlen(text));
    free(text);
    return 0;
}
