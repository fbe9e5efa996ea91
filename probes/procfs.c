#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

int procfs_read(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno;
    char chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && !out->over)
        buf_add(out, chunk, (size_t)n);
    int error = n < 0 ? errno : 0;
    close(fd);
    return error;
}

/* ---- lines, words, numbers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool procfs_line(struct procfs_text *rest, struct procfs_text *line)
{
    if (!rest->len)
        return false;
    const char *end = memchr(rest->at, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->at) : rest->len;
    *line = (struct procfs_text){ rest->at, len };
    len += end != NULL;
    rest->at += len;
    rest->len -= len;
    return true;
}

bool procfs_word(struct procfs_text *rest, struct procfs_text *word)
{
    while (rest->len && is_blank(*rest->at)) {
        rest->at++;
        rest->len--;
    }
    size_t len = 0;
    while (len < rest->len && !is_blank(rest->at[len]))
        len++;
    *word = (struct procfs_text){ rest->at, len };
    rest->at += len;
    rest->len -= len;
    return len > 0;
}

bool procfs_is(struct procfs_text t, const char *text)
{
    return t.len == strlen(text) && !memcmp(t.at, text, t.len);
}

static bool starts_with(struct procfs_text t, const char *text)
{
    size_t len = strlen(text);
    return t.len >= len && !memcmp(t.at, text, len);
}

bool procfs_uint(struct procfs_text t, uint64_t *value)
{
    uint64_t v = 0;
    for (size_t i = 0; i < t.len; i++) {
        unsigned digit = (unsigned)(t.at[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *value = v;
    return t.len > 0;
}

static bool read_int(struct procfs_text t, int64_t *value)
{
    bool minus = t.len && *t.at == '-';
    uint64_t v;
    if (!procfs_uint((struct procfs_text){ t.at + minus, t.len - minus }, &v) || v > INT64_MAX)
        return false;
    *value = minus ? -(int64_t)v : (int64_t)v;
    return true;
}

bool procfs_decimal(struct procfs_text t, double *value)
{
    char raw[32];
    if (!t.len || t.len >= sizeof raw || *t.at == '.')
        return false;
    unsigned dots = 0;
    for (size_t i = 0; i < t.len; i++) {
        dots += t.at[i] == '.';
        if ((t.at[i] < '0' || t.at[i] > '9') && t.at[i] != '.')
            return false;
    }
    memcpy(raw, t.at, t.len);
    raw[t.len] = 0;
    *value = strtod(raw, NULL);
    return dots <= 1;
}

/* ---- memory, pressure, load ---- */

bool procfs_meminfo(struct procfs_text text, struct procfs_meminfo *m)
{
    uint64_t *const fields[] = { &m->total, &m->available, &m->swap_total, &m->swap_free };
    static const char *const keys[] = { "MemTotal:", "MemAvailable:", "SwapTotal:", "SwapFree:" };
    unsigned seen = 0;
    struct procfs_text line, key, number, unit;
    while (procfs_line(&text, &line)) {
        if (!procfs_word(&line, &key))
            continue;
        for (unsigned i = 0; i < 4; i++) {
            uint64_t value;
            if (!procfs_is(key, keys[i]))
                continue;
            if (!procfs_word(&line, &number) || !procfs_uint(number, &value) || !procfs_word(&line, &unit) ||
                !procfs_is(unit, "kB") || value > UINT64_MAX / 1024)
                return false;
            *fields[i] = value * 1024;
            seen |= 1u << i;
        }
    }
    return seen == 15 && m->total && m->available <= m->total && m->swap_free <= m->swap_total;
}

bool procfs_pressure(struct procfs_text text, struct procfs_pressure *p)
{
    *p = (struct procfs_pressure){ .some = -1 };
    struct procfs_text line, kind, average;
    while (procfs_line(&text, &line)) {
        double value;
        if (!procfs_word(&line, &kind) || !procfs_word(&line, &average) || !starts_with(average, "avg10=") ||
            !procfs_decimal((struct procfs_text){ average.at + 6, average.len - 6 }, &value) || value > 100)
            return false;
        if (procfs_is(kind, "some")) {
            p->some = value / 100;
        } else if (procfs_is(kind, "full")) {
            p->full = value / 100;
            p->has_full = true;
        }
    }
    return p->some >= 0;
}

bool procfs_loadavg(struct procfs_text text, double load[3])
{
    struct procfs_text word;
    for (unsigned i = 0; i < 3; i++)
        if (!procfs_word(&text, &word) || !procfs_decimal(word, &load[i]))
            return false;
    return true;
}

bool procfs_key(struct procfs_text text, const char *key, uint64_t *value)
{
    struct procfs_text line, word;
    while (procfs_line(&text, &line))
        if (procfs_word(&line, &word) && procfs_is(word, key))
            return procfs_word(&line, &word) && procfs_uint(word, value);
    return false;
}

bool procfs_limit(struct procfs_text text, uint64_t *value)
{
    struct procfs_text word;
    if (!procfs_word(&text, &word))
        return false;
    if (!procfs_is(word, "max"))
        return procfs_uint(word, value);
    *value = UINT64_MAX;
    return true;
}

bool procfs_cpu_max(struct procfs_text text, double *cpus)
{
    struct procfs_text word;
    uint64_t quota, period;
    if (!procfs_word(&text, &word))
        return false;
    bool unlimited = procfs_is(word, "max");
    if ((!unlimited && !procfs_uint(word, &quota)) || !procfs_word(&text, &word) || !procfs_uint(word, &period) || !period)
        return false;
    *cpus = unlimited ? 0 : (double)quota / (double)period;
    return true;
}

/* ---- processes ---- */

/* The name stands in parentheses and may hold anything, parentheses and newlines too: it ends at the last one. */
bool procfs_stat(struct procfs_text text, struct procfs_process *p)
{
    struct procfs_text word;
    const char *open = text.len ? memchr(text.at, '(', text.len) : NULL;
    const char *close = text.len ? memrchr(text.at, ')', text.len) : NULL;
    if (!open || !close || close < open)
        return false;
    struct procfs_text head = { text.at, (size_t)(open - text.at) };
    struct procfs_text tail = { close + 1, text.len - (size_t)(close + 1 - text.at) };
    size_t name_len = (size_t)(close - open - 1);
    if (name_len >= sizeof p->name || !procfs_word(&head, &word) || !read_int(word, &p->pid))
        return false;
    memcpy(p->name, open + 1, name_len);
    p->name[name_len] = 0;
    enum { STATE = 3, PARENT = 4, START = 22, RESIDENT = 24 };    /* as numbered in proc(5) */
    for (unsigned field = STATE; field <= RESIDENT; field++) {
        if (!procfs_word(&tail, &word))
            return false;
        if (field == STATE)
            p->state = *word.at;
        else if ((field == PARENT && !read_int(word, &p->parent)) || (field == START && !procfs_uint(word, &p->start_ticks)) ||
                 (field == RESIDENT && !read_int(word, &p->resident_pages)))
            return false;
    }
    return true;
}

bool procfs_pidfile(struct procfs_text text, int64_t *pid)
{
    struct procfs_text word;
    return procfs_word(&text, &word) && read_int(word, pid) && *pid > 0 && *pid <= INT32_MAX && !procfs_word(&text, &word);
}

/* ---- mounts ---- */

bool procfs_mount(struct procfs_text line, struct procfs_mount *m)
{
    struct procfs_text skip;
    if (!procfs_word(&line, &skip) || !procfs_uint(skip, &m->id) || !procfs_word(&line, &skip) || !procfs_word(&line, &skip) ||
        !procfs_word(&line, &m->root) || !procfs_word(&line, &m->point) || !procfs_word(&line, &skip))
        return false;
    do { /* optional fields, any number, up to a lone dash */
        if (!procfs_word(&line, &skip))
            return false;
    } while (!procfs_is(skip, "-"));
    /* The source may be an empty word: then the line has one field less, and the last one is still the super options. */
    if (!procfs_word(&line, &m->type) || !procfs_word(&line, &m->source))
        return false;
    if (!procfs_word(&line, &m->super)) {
        m->super = m->source;
        m->source.len = 0;
    }
    return true;
}

static unsigned octal(struct procfs_text t, size_t i)
{
    unsigned value = 0;
    if (t.len - i < 4 || t.at[i] != '\\')
        return 256;
    for (size_t k = i + 1; k < i + 4; k++) {
        if (t.at[k] < '0' || t.at[k] > '7')
            return 256;
        value = value * 8 + (unsigned)(t.at[k] - '0');
    }
    return value;
}

size_t procfs_unescape(struct procfs_text t, char *room, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < t.len;) {
        unsigned c = octal(t, i);
        char plain = c < 256 ? (char)c : t.at[i];
        if (used + 1 >= size || !plain)
            return 0;
        room[used++] = plain;
        i += c < 256 ? 4 : 1;
    }
    if (size)
        room[used] = 0;
    return used;
}

bool procfs_option(struct procfs_text options, const char *name)
{
    while (options.len) {
        const char *comma = memchr(options.at, ',', options.len);
        size_t len = comma ? (size_t)(comma - options.at) : options.len;
        if (procfs_is((struct procfs_text){ options.at, len }, name))
            return true;
        len += comma != NULL;
        options.at += len;
        options.len -= len;
    }
    return false;
}

/* How much of the path the mount point covers; 0 = the path does not lie below it. "/" covers one byte. */
static size_t covers(struct procfs_text point, const char *path)
{
    char plain[4096];
    size_t len = procfs_unescape(point, plain, sizeof plain);
    if (len == 1 && *plain == '/')
        return *path == '/';
    bool below = len > 1 && !strncmp(path, plain, len) && (path[len] == '/' || !path[len]);
    return below ? len : 0;
}

bool procfs_mount_of(struct procfs_text mountinfo, const char *path, struct procfs_mount *found, size_t *point_len)
{
    struct procfs_text line;
    size_t best = 0;
    while (procfs_line(&mountinfo, &line)) {
        struct procfs_mount m;
        size_t len = procfs_mount(line, &m) ? covers(m.point, path) : 0;
        if (len && len >= best) {
            best = len;
            *found = m;
        }
    }
    *point_len = best;
    return best > 0;
}

/* ---- cgroups ---- */

/* Takes "id:controllers:path" apart. */
static bool cgroup_line(struct procfs_text line, struct procfs_text *controllers, struct procfs_text *path)
{
    const char *one = line.len ? memchr(line.at, ':', line.len) : NULL;
    const char *end = line.at + line.len;
    const char *two = one ? memchr(one + 1, ':', (size_t)(end - one - 1)) : NULL;
    if (!two)
        return false;
    *controllers = (struct procfs_text){ one + 1, (size_t)(two - one - 1) };
    *path = (struct procfs_text){ two + 1, (size_t)(end - two - 1) };
    return true;
}

static bool take_path(struct procfs_text where, char *path, size_t size)
{
    if (!where.len || *where.at != '/' || where.len >= size)
        return false;
    memcpy(path, where.at, where.len);
    path[where.len] = 0;
    return true;
}

bool procfs_cgroup(struct procfs_text text, char *path, size_t size)
{
    struct procfs_text line, controllers, where;
    while (procfs_line(&text, &line)) {
        if (!starts_with(line, "0::") || !cgroup_line(line, &controllers, &where))
            continue;
        return take_path(where, path, size);
    }
    return false;
}

bool procfs_cgroup_v1(struct procfs_text text, const char *controller, char *path, size_t size)
{
    struct procfs_text line, controllers, where;
    while (procfs_line(&text, &line))
        if (cgroup_line(line, &controllers, &where) && procfs_option(controllers, controller))
            return take_path(where, path, size);
    return false;
}
