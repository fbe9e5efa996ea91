/* A whole configuration: YAML, merging, every option decoder of the built-in modules, groups, linter and dump. What loads must
 * give a dump that loads again. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/conf.h"

/* well_formed: it is one of our dumps, so its YAML must be right. */
static struct conf *load(const void *text, size_t len, bool well_formed, struct buf *dump)
{
    char path[64];
    int fd = memfd_create("conf", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *paths[] = { path };
    struct conf_request q = { .paths = paths, .path_count = 1 };
    struct diag d = { 0 };
    struct buf out = BUF(1 << 20);
    struct conf *c = conf_load(&q, &d);
    if (!c != (d.errors > 0))
        abort();
    diag_print(&d, &out);
    if (well_formed && out.data && (strstr(out.data, "not valid YAML") || strstr(out.data, "duplicate key")))
        abort();
    diag_free(&d);
    buf_free(&out);
    if (c)
        conf_dump(&q, dump, &d);
    diag_free(&d);
    close(fd);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct buf dump = BUF(1 << 20);
    struct conf *c = load(bytes, len, false, &dump);
    if (c) {
        struct diag d = { 0 };
        conf_lint(c, &d);
        diag_free(&d);
        conf_free(c);
        /* Redacted secrets may make another configuration, but never a broken tree. */
        struct buf again = BUF(1 << 20);
        conf_free(load(dump.data, dump.len, !dump.over, &again));
        buf_free(&again);
    }
    buf_free(&dump);
    return 0;
}
