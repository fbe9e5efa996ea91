#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"

/* stderr becomes something of ours while lines are written, and is the harness's again before anything is checked. */
static int real_stderr;
static char got[1 << 20];

static void take_stderr(int fd)
{
    real_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void give_stderr_back(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
}

static void read_available(int fd)
{
    size_t len = strlen(got);
    ssize_t n;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    while ((n = read(fd, got + len, sizeof got - 1 - len)) > 0)
        len += (size_t)n;
    got[len] = '\0';
}

static uint64_t fixed_now(void)
{
    return 5 * USEC_S;
}

static uint64_t fixed_wall(void)
{
    return UINT64_C(1795198147123000);
}

/* What one log call writes, through the ring and a pipe. */
static const char *logged(enum log_format format, const char *kind, const char *name, const char *fmt, ...)
{
    int ends[2];
    va_list args;
    got[0] = '\0';
    CHECK_INT(pipe(ends), 0);
    clock_replace(fixed_now, fixed_wall);
    take_stderr(ends[1]);
    log_init(format, LOG_INFO);
    va_start(args, fmt);
    log_vabout(LOG_WARNING, kind, name, fmt, args);
    va_end(args);
    log_flush();
    give_stderr_back();
    read_available(ends[0]);
    close(ends[0]);
    close(ends[1]);
    return got;
}

TEST(text_and_json)
{
    CHECK_TEXT(logged(LOG_FORMAT_AUTO, "probe", "db", "down: %s", "refused"), "2026-11-20T18:09:07.123Z warning probe=db down: refused\n");
    CHECK_TEXT(logged(LOG_FORMAT_TEXT, NULL, NULL, "%d", 7), "2026-11-20T18:09:07.123Z warning 7\n");
    CHECK_TEXT(logged(LOG_FORMAT_TEXT, "file", "/a b\"c", "x"), "2026-11-20T18:09:07.123Z warning file=\"/a b\\\"c\" x\n");
    CHECK_TEXT(logged(LOG_FORMAT_JSON, "probe", "db", "say \"%s\"\n", "hi"),
               "{\"time\":\"2026-11-20T18:09:07.123Z\",\"level\":\"warning\",\"probe\":\"db\",\"text\":\"say \\\"hi\\\"\\n\"}\n");
}

TEST(no_line_can_be_forged)
{
    CHECK_TEXT(logged(LOG_FORMAT_TEXT, NULL, NULL, "%s", "a\n2026 error b\r\t\x1b[2J\x7f\xc2\x9b\xff\xc3\xa4"),
               "2026-11-20T18:09:07.123Z warning a\\n2026 error b\\x0d\\t\\x1b[2J\\x7f\\xc2\\x9b\\xff\xc3\xa4\n");
    CHECK_TEXT(logged(LOG_FORMAT_TEXT, "probe", "x\ny", "z"), "2026-11-20T18:09:07.123Z warning probe=\"x\\ny\" z\n");
}

TEST(a_long_text_is_cut_and_stays_one_line)
{
    static const enum log_format formats[] = { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
    char *text = malloc(10001);
    memset(text, '<', 10000); /* six bytes each in JSON */
    text[10000] = '\0';
    for (unsigned i = 0; i < 2; i++) {
        const char *line = logged(formats[i], NULL, NULL, "%s", text);
        size_t len = strlen(line);
        CHECK(len > 1000 && len <= 4096);
        CHECK(strchr(line, '\n') == line + len - 1);
        CHECK(strstr(line, i ? "...\"}\n" : "...\n"));
    }
    memset(text, 1, 10000); /* four bytes each in text */
    CHECK(strstr(logged(LOG_FORMAT_TEXT, NULL, NULL, "%s", text), "...\n"));
    free(text);
}

TEST(levels_are_kept_out)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    take_stderr(ends[1]);
    log_init(LOG_FORMAT_TEXT, LOG_WARNING);
    log_line(LOG_NOTICE, "no");
    log_set(LOG_FORMAT_TEXT, LOG_NOTICE);
    log_line(LOG_NOTICE, "yes");
    log_line(LOG_INFO, "no");
    errno = EDOM;
    log_flush();
    log_line(LOG_ERR, "%m");
    int after = errno;
    log_drain(USEC_S);
    give_stderr_back();
    read_available(ends[0]);
    CHECK_INT(after, EDOM);
    CHECK(strstr(got, "notice yes\n"));
    CHECK(strstr(got, "error Numerical argument out of domain\n"));
    CHECK(!strstr(got, " no\n"));
}

TEST(before_init_lines_are_written_at_once)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    take_stderr(ends[1]);
    log_line(LOG_ERR, "early");
    give_stderr_back();
    read_available(ends[0]);
    CHECK(strstr(got, " error early\n"));
}

TEST(the_journal_gets_prefixes_and_no_time)
{
    int ends[2];
    struct stat s;
    char stream[64];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fstat(ends[1], &s);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)s.st_dev, (uintmax_t)s.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    take_stderr(ends[1]);
    log_init(LOG_FORMAT_AUTO, LOG_INFO);
    log_about(LOG_WARNING, "probe", "db", "late");
    log_flush();
    setenv("JOURNAL_STREAM", "1:2", 1); /* inherited from somebody whose stderr it was */
    log_init(LOG_FORMAT_AUTO, LOG_INFO);
    log_line(LOG_INFO, "here");
    log_flush();
    give_stderr_back();
    read_available(ends[0]);
    CHECK(!strncmp(got, "<4>probe=db late\n", 17));
    CHECK(strstr(got, "Z info here\n"));
}

static unsigned lines_of(const char *text, const char *with)
{
    unsigned count = 0;
    for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1)
        count += memmem(at, (size_t)(end - at), with, strlen(with)) != NULL;
    return count;
}

/* Nobody reads: logging and flushing go on, the loss is counted, and told as soon as somebody reads again. */
static void full_sink(int write_end, int read_end)
{
    enum { N = 20000 };
    unsigned long long told = 0;
    take_stderr(write_end);
    log_init(LOG_FORMAT_TEXT, LOG_INFO);
    for (int i = 0; i < N; i++) {
        log_line(LOG_INFO, "line %d", i);
        log_flush();
    }
    bool pending = log_pending();
    uint64_t dropped = log_dropped();
    log_drain(20 * USEC_MS); /* gives up: this must return */
    for (int i = 0; i < 200; i++) {
        read_available(read_end);
        log_flush();
    }
    bool left = log_pending();
    log_line(LOG_INFO, "the end");
    log_flush();
    give_stderr_back();
    read_available(read_end);
    CHECK(pending && !left);
    CHECK(dropped > 0);
    CHECK_INT(lines_of(got, "info line "), N - (int)dropped);
    CHECK_INT(lines_of(got, "were dropped here"), 1);
    CHECK(strstr(got, "info the end\n"));
    const char *report = strstr(got, "warning ");
    CHECK(report && sscanf(report, "warning %llu log lines", &told) == 1 && told == dropped);
}

TEST(a_full_pipe_blocks_nothing)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    full_sink(ends[1], ends[0]);
    CHECK(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK)); /* it is shared with whoever started us */
}

TEST(a_full_socket_blocks_nothing)
{
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    full_sink(ends[1], ends[0]);
    CHECK(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK));
}

TEST(a_full_terminal_blocks_nothing)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    take_stderr(slave);
    log_init(LOG_FORMAT_TEXT, LOG_INFO);
    for (int i = 0; i < 20000; i++) {
        log_line(LOG_INFO, "line %d", i);
        if (i % 500 == 499) /* so that what is written is always more than what has room */
            log_flush();
    }
    uint64_t dropped = log_dropped();
    give_stderr_back();
    CHECK(dropped > 0);
}

TEST(a_reader_that_left_costs_only_the_lines)
{
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    signal(SIGPIPE, SIG_IGN);
    take_stderr(ends[1]);
    log_init(LOG_FORMAT_TEXT, LOG_INFO);
    close(ends[0]);
    log_line(LOG_INFO, "one");
    log_line(LOG_INFO, "two");
    log_flush();
    bool pending = log_pending();
    give_stderr_back();
    CHECK(!pending);
    CHECK_INT(log_dropped(), 2);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_line(LOG_INFO, "thread %s says %d", (char *)arg, i);
    return NULL;
}

TEST(any_thread_may_log)
{
    static char names[4][2] = { "a", "b", "c", "d" };
    pthread_t threads[4];
    char path[] = "/tmp/vitald-test-log-XXXXXX";
    int fd = mkstemp(path);
    take_stderr(fd);
    log_init(LOG_FORMAT_TEXT, LOG_INFO);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_many, names[i]);
    for (int i = 0; i < 100; i++)
        log_flush();
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_drain(10 * USEC_S);
    give_stderr_back();
    lseek(fd, 0, SEEK_SET);
    read_available(fd);
    unlink(path);
    CHECK_INT(lines_of(got, "Z info thread "), 2000);
    CHECK_INT(lines_of(got, "thread c says 499"), 1);
    CHECK_INT(log_dropped(), 0);
}
