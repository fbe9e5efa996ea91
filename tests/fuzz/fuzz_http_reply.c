/* Reply heads: fields lie inside the bytes, a refusal always says why, and what Retry-After asks for is no time beyond all dates. */
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/http1.h"
#include "front/notify_send.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void inside(struct span s, const char *bytes, size_t len)
{
    require(s.at >= bytes && s.at + s.len <= bytes + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_reply r, again;
    const char *bytes = (const char *)data, *why = NULL;
    int got = http1_reply(bytes, size, &r, &why);
    require((got == -1) == (why != NULL));
    require(got != 0 || size < HTTP1_REPLY_HEAD_MAX);
    if (got <= 0)
        return 0;
    require((size_t)got <= size && r.status >= 100 && r.status <= 999 && !(r.chunked && r.has_length));
    for (unsigned i = 0; i < r.count; i++) {
        inside(r.fields[i].name, bytes, (size_t)got);
        inside(r.fields[i].value, bytes, (size_t)got);
    }
    if (r.text.len)
        inside(r.text, bytes, (size_t)got);
    require(send_retry_after(&r, 1700000000 * USEC_S) < 10000ULL * 366 * 86400 * USEC_S);
    require(http1_reply(bytes, (size_t)got - 1, &again, &why) == 0);
    return 0;
}
