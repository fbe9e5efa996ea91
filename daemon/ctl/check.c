/* check: one question, one exit code, one hard timeout; for HEALTHCHECK lines, scripts and Nagios. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"
#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/fetch.h"
#include "ctl/health.h"
#include "ctl/link.h"
#include "ctl/term.h"

enum { CHECK_TIMEOUT_S = 2, CHECK_BODY_MAX = 64 * 1024, CHECK_MEMBERS_MAX = 1024 * 1024, CHECK_SHOWN_MAX = 2048 };

/* Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; everybody else: 0 or 1, for Docker reserves 2. */
static const int plain_exits[] = { [FETCH_PASS] = 0, [FETCH_WARN] = 0, [FETCH_FAIL] = 1 };
static const int nagios_exits[] = { [FETCH_PASS] = 0, [FETCH_WARN] = 1, [FETCH_FAIL] = 2 };
static const char *const plain_words[] = { [FETCH_PASS] = "pass", [FETCH_WARN] = "warn", [FETCH_FAIL] = "fail" };
static const char *const nagios_words[] = { [FETCH_PASS] = "OK", [FETCH_WARN] = "WARNING", [FETCH_FAIL] = "CRITICAL" };
enum { NAGIOS_UNKNOWN = 3 };

struct finding {
    enum fetch_level level;
    char *summary;               /* one line, heap */
    const char *detail;          /* more lines, or NULL */
    struct buf numbers;          /* more performance data */
    uint64_t took, timeout;
    unsigned status;
};

static bool is_nagios(const struct args *a)
{
    return a->output && !strcmp(a->output, "nagios");
}

/* To Nagios a bar begins the performance data. */
static void no_bars(char *text)
{
    while ((text = strchr(text, '|')))
        *text = '/';
}

/* Nagios shows people what stands on standard output only. */
int check_misused(const struct args *a, const char *text)
{
    if (!is_nagios(a))
        return EXIT_NO;
    char *line = mem_copy(text);
    no_bars(line);
    printf("VITALD UNKNOWN - %s\n", line);
    mem_free(line);
    return NAGIOS_UNKNOWN;
}

static int check_usage(const struct args *a, const char *text)
{
    term_error("%s", text);
    return check_misused(a, text);
}

static int check_print(const struct args *a, const struct finding *found)
{
    struct buf out = BUF(CHECK_SHOWN_MAX + 16 * 1024);
    bool nagios = is_nagios(a);
    if (nagios) {
        no_bars(found->summary);
        buf_printf(&out, "VITALD %s - %s|time=%.6fs;;%.3f;0;%.3f", nagios_words[found->level], found->summary,
                   (double)found->took / 1e6, (double)found->timeout / 1e6, (double)found->timeout / 1e6);
        if (found->status)
            buf_printf(&out, " status=%u", found->status);
        buf_text(&out, found->numbers.len ? found->numbers.data : "");
        buf_char(&out, '\n');
    } else {
        buf_printf(&out, "%s: %s\n", plain_words[found->level], found->summary);
    }
    if (found->detail && found->level != FETCH_PASS) {
        size_t head = out.len;
        buf_add(&out, found->detail, strnlen(found->detail, CHECK_SHOWN_MAX));
        if (nagios)
            no_bars(out.data + head);
    }
    if (!(a->given & ARG_QUIET))
        term_print(stdout, out.data, false);
    buf_free(&out);
    return (nagios ? nagios_exits : plain_exits)[found->level];
}

/* A resolver may hang below any deadline of ours: the alarm ends the process with the answer that is due. */
static char alarm_text[128];
static int alarm_exit;

static void on_alarm(int signo)
{
    (void)signo;
    if (write(STDOUT_FILENO, alarm_text, strlen(alarm_text)) < 0)
        _exit(alarm_exit);
    _exit(alarm_exit);
}

static void set_alarm(const struct args *a, uint64_t timeout)
{
    uint64_t usec = timeout + 200 * USEC_MS;
    struct itimerval at = { .it_value = { .tv_sec = (time_t)(usec / USEC_S), .tv_usec = (suseconds_t)(usec % USEC_S) } };
    alarm_exit = is_nagios(a) ? nagios_exits[FETCH_FAIL] : EXIT_NO;
    snprintf(alarm_text, sizeof alarm_text, is_nagios(a) ? "VITALD CRITICAL - no answer in %.3g s\n" : "fail: no answer in %.3g s\n",
             (double)timeout / 1e6);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &at, NULL);
}

/* What the document tells, in Nagios' words. The first line is all that most people see of it. */
static void tell_nagios(struct finding *found, const char *where, const struct fetch *f, struct buf *lines)
{
    struct buf said = BUF(CHECK_SHOWN_MAX);
    health_summary(&said, f);
    health_lines(lines, f);
    health_numbers(&found->numbers, f);
    found->detail = lines->len ? lines->data : NULL;
    if (said.len) {
        mem_free(found->summary);
        found->summary = mem_printf("%s answered %u: %s", where, f->status, said.data);
    }
    for (char *c = found->summary; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    buf_free(&said);
}

static int check_url(const struct args *a, const char *text, const char *path, uint64_t timeout, bool members)
{
    struct url u;
    char where[512];
    struct fetch f = { .deadline = clock_now() + timeout, .body_max = members ? CHECK_MEMBERS_MAX : CHECK_BODY_MAX,
                       .accept = "application/health+json, application/json;q=0.9, text/plain;q=0.5, */*;q=0.1" };
    struct finding found = { .timeout = timeout, .numbers = BUF(8 * 1024) };
    struct buf lines = BUF(CHECK_SHOWN_MAX + 1024);
    char *error = fetch_url(text, path, &u);
    if (error) {
        int code = check_usage(a, error);
        mem_free(error);
        return code;
    }
    fetch_name(&u, where, sizeof where);
    bool answered = fetch_get(&u, &f);
    if (members && answered && f.body.over) {        /* too many members to read: the verdict alone will do */
        char *alone = mem_copy_n(path, strcspn(path, "?"));
        fetch_free(&f);
        int code = check_url(a, text, alone, timeout, false);
        mem_free(alone);
        return code;
    }
    found.took = f.took;
    found.status = f.status;
    found.level = answered ? fetch_level(&f) : FETCH_FAIL;
    found.detail = f.body.len ? f.body.data : NULL;
    found.summary = answered ? mem_printf("%s answered %u in %.1f ms", where, f.status, (double)f.took / 1e3)
                             : mem_printf("%s: %s", where, f.error);
    if (answered && is_nagios(a) && !strcmp(f.type, "application/health+json"))
        tell_nagios(&found, where, &f, &lines);
    int code = check_print(a, &found);
    mem_free(found.summary);
    buf_free(&found.numbers);
    buf_free(&lines);
    fetch_free(&f);
    return code;
}

/* Through the control socket: the daemon answers with one event that names the level. */
static int check_socket(const struct args *a, const char *group, uint64_t timeout)
{
    struct link l;
    struct request r;
    struct reply reply = { 0 };
    uint64_t begin = clock_now(), deadline = begin + timeout;
    struct finding found = { .level = FETCH_FAIL, .timeout = timeout };
    request_open(&r, CTL_CHECK);
    json_text(&r.json, "name", group);
    request_close(&r);
    if (!link_open(&l, a, deadline) || !link_send(&l, &r, deadline) || !link_read(&l, &reply, deadline)) {
        found.summary = mem_copy(l.error);
    } else if (reply.last) {
        found.summary = mem_copy(reply.text);
    } else {
        char *end = strchr(reply.text, '\n');
        found.detail = end ? end + 1 : NULL;
        found.summary = mem_copy_n(reply.text, end ? (size_t)(end - reply.text) : strlen(reply.text));
        for (unsigned i = 0; i < sizeof plain_words / sizeof *plain_words; i++)
            if (!strcmp(plain_words[i], reply.event))
                found.level = (enum fetch_level)i;
    }
    found.took = clock_now() - begin;
    int code = check_print(a, &found);
    mem_free(found.summary);
    reply_free(&reply);
    request_free(&r);
    link_close(&l);
    return code;
}

static bool is_url(const char *text)
{
    return strpbrk(text, ":/.") != NULL;
}

int check_run(const struct args *a)
{
    const char *what = a->count ? a->names[0] : NULL;
    uint64_t timeout = a->given & ARG_TIMEOUT ? a->timeout : CHECK_TIMEOUT_S * USEC_S;
    if (!timeout)
        return check_usage(a, "--timeout 0: a check must end; give it a period");
    if (what && is_url(what) && (a->given & (ARG_URL | ARG_SOCKET)))
        return check_usage(a, "a URL cannot be combined with --url or --socket");
    set_alarm(a, timeout);
    if (a->given & ARG_SOCKET)
        return check_socket(a, what ? what : "health", timeout);
    if (what && is_url(what))
        return check_url(a, what, "/healthz", timeout, false);
    /* Where only verdicts are served nobody is told of members, and the question is the same as without. */
    const char *members = is_nagios(a) ? "?verbose" : "";
    char *path = what ? mem_printf("/healthz/%s%s", what, members) : mem_printf("/healthz%s", members);
    int code = check_url(a, a->url, path, timeout, is_nagios(a));
    mem_free(path);
    return code;
}
