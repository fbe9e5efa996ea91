/* Chunked bodies: the same result and the same body whatever the pieces. The first byte is the size of a piece. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result { int got; size_t used, len; uint64_t sum; };

static struct result decode(const uint8_t *bytes, size_t size, size_t piece)
{
    struct http1_chunked c = { 0 };
    struct result r = { .got = 1 };
    while (r.got == 1 && r.used < size) {
        size_t len = size - r.used < piece ? size - r.used : piece, before = len, n;
        const char *at = (const char *)bytes + r.used, *data;
        while (r.got == 1 && len) {
            r.got = http1_chunked(&c, &at, &len, &data, &n);
            for (size_t i = 0; i < n; i++)
                r.sum = r.sum * 31 + (uint8_t)data[i];
            r.len += n;
        }
        r.used += before - len;
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct result whole = decode(data + 1, size - 1, size), pieces = decode(data + 1, size - 1, data[0] % 16 + 1u);
    if (whole.got != pieces.got || whole.used != pieces.used || whole.len != pieces.len || whole.sum != pieces.sum)
        abort();
    return 0;
}
