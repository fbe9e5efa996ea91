/* link: probes/grpc_reply.c */
/* What a server may say to the grpc probe, once HTTP/2 is off it: fields and data in any order, cut anywhere. */
#include <stdint.h>
#include <stdlib.h>

#include "grpc_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

/* Each piece: a kind, a length, its bytes. */
static void feed(struct grpc_reply *r, const uint8_t *data, size_t size)
{
    static const char *const names[] = { ":status", "content-type", "grpc-status", "grpc-message", "x" };
    while (size >= 2) {
        size_t kind = data[0] % 6U, len = data[1] < size - 2 ? data[1] : size - 2;
        if (kind == 5)
            grpc_reply_data(r, data + 2, len);
        else
            grpc_reply_field(r, names[kind], strlen(names[kind]), (const char *)data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grpc_reply r;
    struct grpc_verdict v;
    grpc_reply_reset(&r);
    feed(&r, data, size);
    grpc_reply_judge(&r, "s", 1u << GRPC_SERVING, VITAL_FAIL, &v);
    require(v.serving >= -1 && v.serving <= GRPC_SERVINGS && strlen(v.text) > 0);
    require((v.class == VITAL_PASS) == (v.serving == GRPC_SERVING));
    for (const char *c = r.said; *c; c++)
        require(*c >= ' ' && *c < 0x7f);
    return 0;
}
