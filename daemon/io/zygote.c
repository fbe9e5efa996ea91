#include "io/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/zygote_call.h"

enum { IDLE_MAX = 4, PID_TEXT = 16 };
#define PAUSE_FIRST USEC_S           /* before another zygote, when the last one died early */
#define PAUSE_MAX (60 * USEC_S)      /* one that lived for so long did not die early */
#define REAP_EVERY (20 * USEC_MS)
#define MAKE_HELPERS "--make-helpers-for"

struct helper {
    struct list link;
    struct loop_fd io;
    struct zygote_call *call;      /* NULL = idle */
    bool alive;                    /* it has answered once: before that, its end means that it could not be forked */
};

struct zygote_stats zygote_counts;

static int zygote_fd = -1;
static pid_t zygote_pid;
static struct loop_fd zygote_io;
static struct timer again_timer;
static uint64_t made_at, pause_last;
static struct list idle = { &idle, &idle }, working = { &working, &working };
static unsigned idle_count;
static struct list laters = { &laters, &laters };
static struct timer later_timer;

/* ---- the zygote ---- */

static _Noreturn void start_failed(const char *what)
{
    log_line(LOG_CRIT, "cannot start the process that makes helpers: %s: %s; check the limit on processes", what, strerror(errno));
    exit(71); /* EX_OSERR */
}

static void not_blocking(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK); /* our end only: helpers wait for requests */
}

void zygote_start(void)
{
    int pair[2], me = (int)getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        start_failed("socketpair");
    zygote_pid = fork();
    if (zygote_pid < 0)
        start_failed("fork");
    if (zygote_pid == 0)
        helper_zygote(pair[1], me);
    close(pair[1]);
    zygote_fd = pair[0];
    not_blocking(zygote_fd);
}

/* Forking a process that has threads would leave the child with locks that nobody opens again, so it is our own program
 * that starts anew. By the loop's thread: the parent whose death ends it is a thread, not a process. */
static int execute_another(int theirs)
{
    char me[PID_TEXT];
    char *argv[] = { "vitald", MAKE_HELPERS, me, NULL };
    posix_spawn_file_actions_t actions;
    snprintf(me, sizeof me, "%d", (int)getpid());
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs, HELPER_SOCKET);
    int error = posix_spawn(&zygote_pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

void zygote_become(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], MAKE_HELPERS))
        helper_zygote(HELPER_SOCKET, (int)strtol(argv[2], NULL, 10));
}

static void zygote_gone(struct loop_fd *f, unsigned what);

static int start_another(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return errno;
    int error = execute_another(pair[1]);
    close(pair[1]);
    if (error) {
        close(pair[0]);
        return error;
    }
    zygote_fd = pair[0];
    not_blocking(zygote_fd);
    loop_add(&zygote_io, zygote_fd, LOOP_READ, zygote_gone);
    return 0;
}

/* At once after a long life; after short ones longer each time. */
static uint64_t pause_after(uint64_t lived, uint64_t last)
{
    if (lived >= PAUSE_MAX)
        return 0;
    return !last ? PAUSE_FIRST : last * 2 < PAUSE_MAX ? last * 2 : PAUSE_MAX;
}

static void try_again_after(uint64_t now, uint64_t lived)
{
    pause_last = pause_after(lived, pause_last);
    timer_set(loop_timers(), &again_timer, now + (pause_last ? pause_last : REAP_EVERY));
}

static void try_again(struct timer *t, uint64_t now)
{
    char span[CLOCK_TEXT];
    if (zygote_pid > 0 && waitpid(zygote_pid, NULL, WNOHANG) == 0) { /* its sockets close before it has ended */
        timer_set(loop_timers(), t, now + REAP_EVERY);
        return;
    }
    zygote_pid = 0;
    int error = start_another();
    if (error) {
        try_again_after(now, 0);
        log_line(LOG_ERR, "cannot start another process that makes helpers: %s; the next attempt is in %s", strerror(error), clock_span(pause_last, span));
        return;
    }
    made_at = now;
    log_line(LOG_NOTICE, "another process makes helpers now (pid %d)", (int)zygote_pid);
}

static void zygote_gone(struct loop_fd *f, unsigned what)
{
    char byte, span[CLOCK_TEXT];
    uint64_t now = clock_now();
    (void)what;
    if (recv(zygote_fd, &byte, sizeof byte, 0) != 0)
        return;
    loop_remove(f);
    close(zygote_fd);
    zygote_fd = -1;
    zygote_counts.deaths++;
    try_again_after(now, now - made_at);
    log_line(LOG_ERR, "the process that makes helpers (pid %d) has died; file and program probes wait for another one, which is started %s%s",
             (int)zygote_pid, pause_last ? "in " : "now", pause_last ? clock_span(pause_last, span) : "");
}

static void run_laters(struct timer *t, uint64_t now)
{
    (void)t, (void)now;
    struct list batch;
    list_init(&batch);
    while (!list_empty(&laters)) {
        struct list *l = list_first(&laters);
        list_remove(l);
        list_append(&batch, l);
    }
    for (struct list *l; (l = list_first(&batch));) { /* one may take another off the batch */
        list_remove(l);
        struct zygote_call *call = LIST_OWNER(l, struct zygote_call, link);
        call->later(call);
    }
}

void zygote_attach(void)
{
    if (getpid() == 1) /* a container's first process inherits what programs leave behind: the kernel shall reap it */
        signal(SIGCHLD, SIG_IGN);
    timer_init(&later_timer, run_laters);
    timer_init(&again_timer, try_again);
    if (zygote_fd >= 0)
        loop_add(&zygote_io, zygote_fd, LOOP_READ, zygote_gone);
}

/* ---- helpers ---- */

static void helper_dismiss(struct helper *h)
{
    loop_remove(&h->io);
    close(h->io.fd); /* it ends by that */
    list_remove(&h->link);
    zygote_counts.helpers--;
    mem_free(h);
}

static void helper_rest(struct helper *h)
{
    h->call = NULL;
    list_remove(&h->link);
    list_append(&idle, &h->link);
    if (++idle_count > IDLE_MAX) {
        idle_count--;
        helper_dismiss(LIST_OWNER(idle.next, struct helper, link));
    }
}

static void helper_lost(struct helper *h)
{
    struct zygote_call *call = h->call;
    bool was_alive = h->alive;
    if (!call)
        idle_count--;
    helper_dismiss(h);
    if (!call)
        return;
    call->helper = NULL;
    call->kind->lost(call, was_alive ? EIO : EAGAIN);
}

static void on_helper(struct loop_fd *f, unsigned what)
{
    static union { struct helper_reply reply; char bytes[sizeof(struct helper_reply) + HELPER_FILE_MAX + 1]; } message;
    struct helper *h = LIST_OWNER(f, struct helper, io);
    (void)what;
    ssize_t n = recv(f->fd, &message, sizeof message - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    struct zygote_call *call = h->call;
    if (n < (ssize_t)sizeof message.reply || !call) {
        helper_lost(h);
        return;
    }
    message.bytes[n] = '\0';
    h->alive = true;
    call->helper = NULL;
    helper_rest(h);
    call->kind->reply(call, &message.reply, message.bytes + sizeof message.reply, (size_t)n - sizeof message.reply);
}

static int send_with(int sock, const struct iovec *parts, size_t count, const int *fds, unsigned fd_count)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control = { 0 };
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count };
    if (fd_count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof *fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof *fds);
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof *fds);
    }
    return sendmsg(sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

static struct helper *helper_new(int *error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        *error = errno;
        return NULL;
    }
    not_blocking(pair[0]);
    struct zygote_request request = { .order = ZYGOTE_FORK };
    *error = send_with(zygote_fd, &(struct iovec){ .iov_base = &request, .iov_len = sizeof request }, 1, &pair[1], 1);
    close(pair[1]);
    if (*error) {
        close(pair[0]);
        return NULL;
    }
    struct helper *h = mem_alloc(sizeof *h);
    list_append(&working, &h->link);
    loop_add(&h->io, pair[0], LOOP_READ, on_helper);
    zygote_counts.helpers++;
    return h;
}

static struct helper *helper_take(unsigned helpers_max, int *error)
{
    *error = zygote_fd < 0 ? ENXIO : EAGAIN;
    if (!list_empty(&idle)) {
        struct helper *h = LIST_OWNER(idle.prev, struct helper, link); /* the last to rest: the others may go */
        list_remove(&h->link);
        list_append(&working, &h->link);
        idle_count--;
        return h;
    }
    if (zygote_fd < 0 || zygote_counts.helpers >= helpers_max)
        return NULL;
    return helper_new(error);
}

/* ---- calls ---- */

int call_send(struct zygote_call *call, const struct helper_request *request, const void *bytes, size_t len, const int *fds, unsigned fd_count, unsigned helpers_max)
{
    int error;
    struct helper *h = helper_take(helpers_max, &error);
    if (!h) {
        zygote_counts.refused++;
        return error;
    }
    struct iovec parts[2] = {
        { .iov_base = (void *)(uintptr_t)request, .iov_len = sizeof *request },
        { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len },
    };
    error = send_with(h->io.fd, parts, 2, fds, fd_count);
    if (error) { /* it has just died, or the kernel lacks memory */
        helper_dismiss(h);
        zygote_counts.refused++;
        return EAGAIN;
    }
    h->call = call;
    call->helper = h;
    call->since = clock_now();
    zygote_counts.calls++;
    return 0;
}

void call_order(struct zygote_call *call, const struct helper_request *request)
{
    send_with(call->helper->io.fd, &(struct iovec){ .iov_base = (void *)(uintptr_t)request, .iov_len = sizeof *request }, 1, NULL, 0);
}

void call_later(struct zygote_call *call, void (*fn)(struct zygote_call *))
{
    call->later = fn;
    list_append(&laters, &call->link);
    timer_set(loop_timers(), &later_timer, clock_now());
}

void call_free(struct zygote_call *call)
{
    list_remove(&call->link);
    mem_free(call);
}

enum vital_reason call_reason(int error)
{
    return error == EMFILE || error == ENFILE ? VITAL_R_NO_FDS : VITAL_R_NO_HELPER;
}

void zygote_stats(struct zygote_stats *s)
{
    *s = zygote_counts;
    s->busy = s->helpers - idle_count - s->parked;
    s->lost = s->deaths && zygote_fd < 0;
}

static void dismiss_all(struct list *helpers)
{
    for (struct list *l; (l = list_first(helpers));)
        helper_dismiss(LIST_OWNER(l, struct helper, link));
}

/* In order behind what was asked before it, ahead of what comes. One that cannot obey ends, and the next one is made by a
 * process that is that user already. */
void zygote_drop(const struct privilege *who)
{
    struct zygote_request request = { .order = ZYGOTE_DROP, .who = *who };
    request.who.raw_sockets = false;
    for (struct list *l; (l = list_first(&idle));)
        helper_lost(LIST_OWNER(l, struct helper, link));
    for (struct list *l; (l = list_first(&working));)
        helper_lost(LIST_OWNER(l, struct helper, link));
    if (zygote_fd >= 0)
        send_with(zygote_fd, &(struct iovec){ .iov_base = &request, .iov_len = sizeof request }, 1, NULL, 0);
}

void zygote_stop(void)
{
    dismiss_all(&idle);
    dismiss_all(&working);
    idle_count = 0;
    timer_clear(loop_timers(), &again_timer);
    if (zygote_fd < 0)
        return;
    loop_remove(&zygote_io);
    close(zygote_fd);
    zygote_fd = -1;
}
