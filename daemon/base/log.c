#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
    RING_SIZE = 256 * 1024,
    LINE_SIZE = PIPE_BUF,       /* with its newline: a line is written whole, also where several processes write */
    NAME_SIZE = 256,
    WRITES_A_TURN = 16,
    GIVE_UP_MS = 1000,          /* before log_init, on a stderr that takes nothing */
};

struct event {
    int level;
    const char *kind, *name;    /* NULL: about nothing in particular */
    const char *text;
    size_t len;
    bool journal;
};

/* Where lines go. stderr itself is never made non-blocking, for it is shared with whoever started us: a pipe or a
 * terminal is opened a second time instead, a socket is asked call by call, and what allows neither is polled. */
static struct {
    int fd;
    bool socket, reopened, journal;
} sink = { .fd = STDERR_FILENO };

static struct {
    pthread_mutex_t lock;
    bool started;
    size_t head, len;
    uint64_t dropped, untold;   /* untold: not yet reported in the log itself */
    char bytes[RING_SIZE];
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static atomic_int wanted_format = LOG_FORMAT_AUTO, wanted_level = LOG_INFO;

/* ---- rendering --------------------------------------------------------------------------------------------- */

static const char *const level_texts[] = { "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug" };

/* Nothing a stranger sends may end a line or move a terminal's cursor: what is obeyed, and broken UTF-8, becomes \xNN. */
static void add_escaped(struct buf *out, const char *text, size_t len, const char *also)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        unsigned n = utf8_length(text + i, len - i);
        bool obeyed = utf8_is_obeyed(text + i, n);
        if (c == '\n' || c == '\t')
            buf_text(out, c == '\n' ? "\\n" : "\\t");
        else if (obeyed || !n)
            buf_printf(out, "\\x%02x", c);
        else if (c < 0x80 && strchr(also, c))
            buf_printf(out, "\\%c", c);
        else
            buf_add(out, text + i, n);
        i += n && !obeyed ? n : 1;
    }
}

static bool is_plain_word(const char *text, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@[]";
    return len > 0 && strspn(text, plain) >= len;
}

static void add_subject(struct buf *out, const struct event *e)
{
    size_t len = strnlen(e->name, NAME_SIZE);
    bool plain = is_plain_word(e->name, len);
    buf_text(out, e->kind);
    buf_text(out, plain ? "=" : "=\"");
    add_escaped(out, e->name, len, "\"\\");
    buf_text(out, plain ? " " : "\" ");
}

static void render_text(struct buf *out, const struct event *e)
{
    char now[CLOCK_TEXT];
    if (!e->journal)
        buf_printf(out, "%s %s ", clock_iso(clock_wall(), now), level_texts[e->level]);
    if (e->name)
        add_subject(out, e);
    add_escaped(out, e->text, e->len, "");
}

static void render_json(struct buf *out, const struct event *e)
{
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_time(&j, "time", clock_wall());
    json_text(&j, "level", level_texts[e->level]);
    if (e->name)
        json_text_n(&j, e->kind, e->name, strnlen(e->name, NAME_SIZE));
    json_text_n(&j, "text", e->text, e->len);
    json_close_object(&j);
}

/* Renders into at most LINE_SIZE bytes: a text that is too long once escaped is cut, never the line's own structure. */
static void render(struct buf *out, struct event *e, char *text, bool cut)
{
    bool json = atomic_load(&wanted_format) == LOG_FORMAT_JSON;
    *out = BUF(LINE_SIZE - 1);
    for (;; cut = true) {
        if (cut && e->len >= 3)
            memcpy(text + e->len - 3, "...", 3);
        if (e->journal)
            buf_printf(out, "<%d>", e->level);
        (json ? render_json : render_text)(out, e);
        if (!out->over || e->len < 3)
            break;
        e->len /= 2;
        buf_reset(out);
    }
    out->max = LINE_SIZE;
    buf_char(out, '\n');
}

/* ---- the sink ---------------------------------------------------------------------------------------------- */

static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat s;
    char mine[64];
    if (!stream || fstat(STDERR_FILENO, &s) < 0)
        return false;
    snprintf(mine, sizeof mine, "%ju:%ju", (uintmax_t)s.st_dev, (uintmax_t)s.st_ino);
    return !strcmp(stream, mine);
}

static void sink_open(void)
{
    struct stat s;
    bool known = fstat(STDERR_FILENO, &s) == 0;
    if (sink.reopened)
        close(sink.fd);
    sink.fd = STDERR_FILENO;
    sink.journal = is_journal();
    sink.socket = known && S_ISSOCK(s.st_mode);
    int again = known && (S_ISFIFO(s.st_mode) || S_ISCHR(s.st_mode))
                    ? open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
                    : -1;
    sink.reopened = again >= 0;
    if (sink.reopened)
        sink.fd = again;
}

static bool sink_wait(int milliseconds)
{
    struct pollfd p = { .fd = sink.fd, .events = POLLOUT };
    return poll(&p, 1, milliseconds) > 0;
}

/* How many bytes were taken, or -1 with errno; EAGAIN instead of waiting. */
static ssize_t sink_write(const char *bytes, size_t len)
{
    if (sink.socket)
        return send(sink.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (!sink.reopened && !sink_wait(0)) {
        errno = EAGAIN;
        return -1;
    }
    return write(sink.fd, bytes, len);
}

static void write_at_once(const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno != EAGAIN || !sink_wait(GIVE_UP_MS)))
            return;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
}

/* ---- the ring: all of it under the lock -------------------------------------------------------------------- */

static bool ring_put(const char *bytes, size_t len)
{
    if (len > RING_SIZE - ring.len)
        return false;
    size_t tail = (ring.head + ring.len) % RING_SIZE;
    size_t first = len < RING_SIZE - tail ? len : RING_SIZE - tail;
    memcpy(ring.bytes + tail, bytes, first);
    memcpy(ring.bytes, bytes + first, len - first);
    ring.len += len;
    return true;
}

/* Copies the oldest whole lines, as many as fit; the rest of a line that was only half taken counts as one. */
static size_t ring_peek(char out[LINE_SIZE])
{
    size_t len = ring.len < LINE_SIZE ? ring.len : LINE_SIZE;
    size_t first = len < RING_SIZE - ring.head ? len : RING_SIZE - ring.head;
    memcpy(out, ring.bytes + ring.head, first);
    memcpy(out + first, ring.bytes, len - first);
    const char *end = memrchr(out, '\n', len);
    return end ? (size_t)(end - out) + 1 : len;
}

static void ring_consume(size_t len)
{
    ring.head = (ring.head + len) % RING_SIZE;
    ring.len -= len;
    if (!ring.len)
        ring.head = 0;       /* a quiet log touches few of its pages */
}

static void ring_count_drop(void)
{
    ring.dropped++;
    ring.untold++;
}

static void ring_put_drops(void)
{
    char text[128];
    struct event e = { .level = LOG_WARNING, .text = text, .journal = sink.journal };
    struct buf line;
    if (!ring.untold)
        return;
    int n = snprintf(text, sizeof text, "%llu log lines were dropped here: stderr does not take them fast enough",
                     (unsigned long long)ring.untold);
    e.len = (size_t)n;
    render(&line, &e, text, false);
    if (ring_put(line.data, line.len))
        ring.untold = 0;
    buf_free(&line);
}

/* Nobody will ever read stderr again: keeping the lines would only keep the loop busy. */
static void ring_discard(void)
{
    for (size_t i = 0; i < ring.len; i++)
        ring.dropped += ring.bytes[(ring.head + i) % RING_SIZE] == '\n';
    ring.head = ring.len = 0;
    ring.untold = 0;
}

/* ---- the outside ------------------------------------------------------------------------------------------- */

void log_set(enum log_format format, int max_level)
{
    atomic_store(&wanted_format, format);
    atomic_store(&wanted_level, max_level);
}

void log_init(enum log_format format, int max_level)
{
    log_set(format, max_level);
    pthread_mutex_lock(&ring.lock);
    sink_open();
    ring.started = true;
    pthread_mutex_unlock(&ring.lock);
}

void log_vabout(int level, const char *kind, const char *name, const char *fmt, va_list args)
{
    char text[LINE_SIZE];
    struct buf line;
    int saved = errno;
    level = LOG_PRI(level);
    if (level > atomic_load(&wanted_level))
        return;
    int n = vsnprintf(text, sizeof text, fmt, args);
    bool cut = n >= (int)sizeof text;
    struct event e = { level, kind, name, text, cut ? sizeof text - 1 : n > 0 ? (size_t)n : 0, false };

    pthread_mutex_lock(&ring.lock);
    e.journal = ring.started ? sink.journal : is_journal();
    pthread_mutex_unlock(&ring.lock);
    render(&line, &e, text, cut);

    pthread_mutex_lock(&ring.lock);
    if (!ring.started)
        write_at_once(line.data, line.len);
    else if (ring.untold || !ring_put(line.data, line.len)) /* after a gap, its report comes first */
        ring_count_drop();
    pthread_mutex_unlock(&ring.lock);
    buf_free(&line);
    errno = saved;
}

void log_about(int level, const char *kind, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vabout(level, kind, name, fmt, args);
    va_end(args);
}

void log_line(int level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vabout(level, NULL, NULL, fmt, args);
    va_end(args);
}

/* Only the loop's thread flushes; the lock is not held while it writes, so a thread that logs never waits for stderr. */
static bool flush_once(void)
{
    char bytes[LINE_SIZE];
    pthread_mutex_lock(&ring.lock);
    ring_put_drops();
    size_t len = ring_peek(bytes);
    pthread_mutex_unlock(&ring.lock);
    if (!len)
        return false;
    ssize_t n = sink_write(bytes, len);
    int why = n < 0 ? errno : 0;
    pthread_mutex_lock(&ring.lock);
    if (n > 0)
        ring_consume((size_t)n);
    else if (why && why != EAGAIN && why != EINTR)
        ring_discard();
    pthread_mutex_unlock(&ring.lock);
    return n > 0;
}

void log_flush(void)
{
    int saved = errno;
    for (unsigned i = 0; i < WRITES_A_TURN && flush_once(); i++)
        ;
    errno = saved;
}

void log_drain(uint64_t patience)
{
    uint64_t end = clock_now() + patience;
    for (log_flush(); log_pending(); log_flush()) {
        uint64_t now = clock_now();
        if (now >= end || !sink_wait((int)((end - now) / USEC_MS) + 1))
            return;
    }
}

uint64_t log_dropped(void)
{
    pthread_mutex_lock(&ring.lock);
    uint64_t dropped = ring.dropped;
    pthread_mutex_unlock(&ring.lock);
    return dropped;
}

bool log_pending(void)
{
    pthread_mutex_lock(&ring.lock);
    bool pending = ring.len || ring.untold;
    pthread_mutex_unlock(&ring.lock);
    return pending;
}
