#include "io/mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { MOUNTINFO_MAX = 8 * 1024 * 1024, READ_STEP = 16 * 1024, FIELD_MOUNT_POINT = 5 };

static struct { char **points; unsigned count, room; } mounts;
static int info = -1;

/* The kernel tells through poll() whether the table has changed since it was asked last. */
static bool is_stale(void)
{
    if (info < 0) {
        info = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        return info >= 0;
    }
    struct pollfd p = { .fd = info, .events = POLLPRI };
    return poll(&p, 1, 0) > 0;
}

/* Blanks, tabs, newlines and backslashes stand there as \ooo. */
static char *unescape(const char *text, size_t len)
{
    char *out = mem_alloc(len + 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 3 < len && text[i + 1] >= '0' && text[i + 1] <= '3') {
            *to++ = (char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            *to++ = text[i];
        }
    }
    return out;
}

static void add_line(const char *line, const char *end)
{
    for (unsigned field = 1; field < FIELD_MOUNT_POINT; field++) {
        const char *blank = memchr(line, ' ', (size_t)(end - line));
        if (!blank)
            return;
        line = blank + 1;
    }
    const char *blank = memchr(line, ' ', (size_t)(end - line));
    if (!blank || *line != '/')
        return;
    if (mounts.count == mounts.room) {
        mounts.room = mounts.room ? mounts.room * 2 : 32;
        mounts.points = mem_grow(mounts.points, mounts.room * sizeof *mounts.points);
    }
    mounts.points[mounts.count++] = unescape(line, (size_t)(blank - line));
}

static void read_table(void)
{
    struct buf text = BUF(MOUNTINFO_MAX);
    char *room;
    for (off_t at = 0; (room = buf_reserve(&text, READ_STEP));) {
        ssize_t n = pread(info, room, READ_STEP, at);
        if (n <= 0)
            break;
        text.len += (size_t)n;
        at += n;
    }
    while (mounts.count)
        mem_free(mounts.points[--mounts.count]);
    const char *line = text.data, *stop = text.data + text.len;
    for (const char *end; line < stop && (end = memchr(line, '\n', (size_t)(stop - line))); line = end + 1)
        add_line(line, end);
    buf_free(&text);
}

static bool lies_on(const char *path, const char *point, size_t len)
{
    return !strncmp(path, point, len) && (path[len] == '/' || path[len] == '\0' || len == 1);
}

const char *mounts_find(const char *path)
{
    const char *best = "/";
    size_t longest = 1;
    if (is_stale())
        read_table();
    for (unsigned i = 0; i < mounts.count; i++) {
        size_t len = strlen(mounts.points[i]);
        if (len > longest && lies_on(path, mounts.points[i], len)) {
            best = mounts.points[i];
            longest = len;
        }
    }
    return best;
}
