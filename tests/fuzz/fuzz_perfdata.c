/* Plugin output: what comes out is bounded, printable and finite, whatever went in. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "perfdata.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void check_text(const char *text, size_t room)
{
    size_t len = strlen(text);
    require(len < room);
    for (size_t i = 0; i < len;) {
        unsigned n = utf8_length(text + i, len - i);
        require(n > 0 && (unsigned char)text[i] >= ' ' && text[i] != 0x7f);
        i += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct perfdata d;
    perfdata_parse((const char *)data, size, &d);
    check_text(d.line, sizeof d.line);
    require(d.count <= PERFDATA_MAX);
    for (unsigned i = 0; i < d.count; i++) {
        require(isfinite(d.values[i].value) && d.values[i].unit < PERFDATA_UNIT_COUNT && *d.values[i].label);
        check_text(d.values[i].label, sizeof d.values[i].label);
        for (unsigned k = 0; k < i; k++)
            require(strcmp(d.values[i].label, d.values[k].label) != 0);
    }
    return 0;
}
