/* Request heads. Whatever comes: fields lie inside the bytes, and no cut of a whole head is taken for a whole or refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void inside(struct span s, const char *bytes, size_t len)
{
    require(!s.at || (s.at >= bytes && s.at + s.len <= bytes + len));
    for (size_t i = 0; i < s.len; i++)
        require(s.at[i] != '\r' && s.at[i] != '\n' && s.at[i] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_request r, again;
    const char *bytes = (const char *)data;
    int got = http1_request(bytes, size, &r);
    if (got <= 0) {
        require(got == 0 || got == -400 || got == -414 || got == -431 || got == -501 || got == -505);
        require(got != 0 || size < HTTP1_HEAD_MAX);
        return 0;
    }
    require((size_t)got <= size && got <= HTTP1_HEAD_MAX && r.count <= HTTP1_FIELDS);
    inside(r.path, bytes, (size_t)got);
    inside(r.query, bytes, (size_t)got);
    for (unsigned i = 0; i < r.count; i++) {
        inside(r.fields[i].name, bytes, (size_t)got);
        inside(r.fields[i].value, bytes, (size_t)got);
    }
    require(http1_request(bytes, (size_t)got, &again) == got);
    for (size_t cut = (size_t)got, step = (size_t)got / 8 + 1; cut > step; cut -= step)
        require(http1_request(bytes, cut - step, &again) == 0);
    return 0;
}
