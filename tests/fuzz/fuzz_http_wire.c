/* link: -lpcre2-8 */
/* The http module before a server: heads, bodies, chunks, redirects to wherever it is sent, kept connections. See wire.h. */
#include "wire.h"

#include "builtin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(unsigned which)
{
    if (which % 5 == 0)
        fake_probe(&http_module, "url", "http://h/", NULL);
    else if (which % 5 == 1)
        fake_probe(&http_module, "url", "http://h:8080/dir/file?q=1", "redirects", "any", "bearer", "hush", NULL);
    else if (which % 5 == 2)
        fake_probe(&http_module, "url", "http://h/", "contains", "UP", "not_contains", "DOWN", "body_cap", "1000", NULL);
    else if (which % 5 == 3)
        fake_probe(&http_module, "url", "http://u:p@h/", "method", "HEAD", "warn_status", "429", "redirects", "same_host", NULL);
    else {
        fake_probe(&http_module, "url", "http://h/", NULL);
        fake_block("json", "pointer", "/status", "equals", "UP", NULL);
        fake_block("json", "pointer", "/queue/depth", "warn_above", "100", "fail_above", "1000", NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_run(begin, data, size);
    return 0;
}
