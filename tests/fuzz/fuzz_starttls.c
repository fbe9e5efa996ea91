/* What a server says before TLS: the first byte chooses the protocol, the second how its bytes are cut. The result does
 * not depend on the cut, and nothing is said twice. */
#include <stdlib.h>
#include <string.h>

#include "starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t written;

static bool count_write(struct vital_io *io, const void *bytes, size_t len)
{
    (void)io, (void)bytes;
    written += len;
    return true;
}

static enum starttls_result talk(unsigned protocol, const uint8_t *data, size_t size, size_t piece)
{
    static const struct vital_host host = { .write = count_write };
    struct vital_probe p = { .host = &host };
    struct starttls s;
    enum starttls_result r = STARTTLS_MORE;
    written = 0;
    starttls_begin(&s, protocol);
    starttls_open(&s, &p, NULL);
    for (size_t at = 0; at < size && r == STARTTLS_MORE; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *exact = malloc(n);
        if (!exact)
            abort();
        memcpy(exact, data + at, n);
        r = starttls_feed(&s, &p, NULL, exact, n);
        free(exact);
    }
    if (r == STARTTLS_FAILED && (!s.reason || !s.text[0] || strlen(s.text) >= sizeof s.text))
        abort();
    if (written > 64)
        abort();
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned protocol = 1 + data[0] % (STARTTLS_COUNT - 1);
    enum starttls_result whole = talk(protocol, data + 2, size - 2, size), cut = talk(protocol, data + 2, size - 2, 1 + data[1] % 16);
    /* bytes behind the server's agreement are seen only when they come along with it, and the size limit is one of pieces */
    if (whole != cut && !(whole == STARTTLS_FAILED && (cut == STARTTLS_READY || size > STARTTLS_REPLY_MAX)))
        abort();
    return 0;
}
