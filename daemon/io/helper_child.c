/* A helper's other work: one program at a time, from its start to its last process. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/helper.h"

enum { STRINGS_MAX = 4096, KILLED_BEFORE_US = 500, KILLED_FIRST = 1000 };

/* Takes `count` NUL-ended strings from the front; NULL when they are not there. */
static char *take_strings(char *at, const char *end, char **list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char *nul = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;
        if (!nul)
            return NULL;
        list[i] = at;
        at = nul + 1;
    }
    list[count] = NULL;
    return at;
}

/* A file in memory rather than a pipe: it never blocks us, whether the program reads it or not. */
static int make_input(const char *bytes, size_t len)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd >= 0 && (write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int start(pid_t *pid, char *const argv[], char *const env[], const char *dir, int input, const int fds[2])
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawn_file_actions_init(&actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, 0); /* else it is /dev/null already */
    posix_spawn_file_actions_adddup2(&actions, fds[0], 1);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    int error = posix_spawn(pid, argv[0], &actions, &attr, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return error;
}

static int our_oom_score(void)
{
    char text[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    return (int)strtol(text, NULL, 10);
}

/* What the kernel adds to a process's size when it looks for one to kill for want of memory. A program that takes it all shall go
 * before the daemon, however large that is. Set from here, and not inherited: our own belongs to root, for nobody may look into us. */
static void let_be_killed_first(pid_t pid)
{
    char path[40], text[16];
    int score = our_oom_score() + KILLED_BEFORE_US;
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC), len = snprintf(text, sizeof text, "%d", score < KILLED_FIRST ? score : KILLED_FIRST);
    if (fd >= 0 && write(fd, text, (size_t)len) < 0) {
        /* then it is judged by its size */
    }
    if (fd >= 0)
        close(fd);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the program has ended. Its group is only ever signalled before it is reaped: its number cannot be another's. */
static void attend(pid_t pid, int pidfd)
{
    int64_t kill_at = -1;
    for (;;) {
        struct pollfd wait[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = HELPER_SOCKET, .events = POLLIN } };
        int64_t left = kill_at < 0 ? -1 : kill_at - now_ms();
        int n = poll(wait, 2, kill_at < 0 ? -1 : left > 0 ? (int)left : 0);
        if (n > 0 && wait[0].revents)
            return;
        if (n == 0) {
            kill(-pid, SIGKILL);
            kill_at = -1;
        }
        if (n > 0 && wait[1].revents) {
            struct helper_request order;
            if (recv(HELPER_SOCKET, &order, sizeof order, 0) <= 0) { /* the daemon is gone */
                kill(-pid, SIGKILL);
                _exit(0);
            }
            kill(-pid, SIGTERM);
            kill_at = now_ms() + HELPER_GRACE_MS;
        }
    }
}

static void finish(pid_t pid, struct helper_reply *reply)
{
    kill(-pid, SIGKILL); /* what it left behind in its group */
    while (waitpid(pid, &reply->status, 0) < 0 && errno == EINTR) {
    }
}

/* Takes the request apart and starts the program. */
static int launch(pid_t *pid, const struct helper_request *r, char *strings, size_t len, const int fds[2])
{
    static char *argv[STRINGS_MAX + 1], *env[STRINGS_MAX + 1];
    char *dir[2], *end = strings + len;
    if (r->argc == 0 || r->argc > STRINGS_MAX || r->envc > STRINGS_MAX)
        return E2BIG;
    char *at = take_strings(strings, end, dir, 1);
    at = at ? take_strings(at, end, argv, r->argc) : NULL;
    at = at ? take_strings(at, end, env, r->envc) : NULL;
    if (!at || (size_t)(end - at) < r->input_len || fds[0] < 0 || fds[1] < 0)
        return EINVAL;
    int input = r->input_len ? make_input(at, r->input_len) : -1;
    if (r->input_len && input < 0)
        return errno;
    int error = start(pid, argv, env, dir[0], input, fds);
    if (!error)
        let_be_killed_first(*pid);
    if (input >= 0)
        close(input);
    return error;
}

static int see_through(pid_t pid, struct helper_reply *reply)
{
    int pidfd = pidfd_open(pid, 0), error = pidfd < 0 ? errno : 0;
    if (!error) {
        attend(pid, pidfd);
        close(pidfd);
    }
    finish(pid, reply);
    return error;
}

void helper_run_child(const struct helper_request *r, char *strings, size_t len, const int fds[2])
{
    struct helper_reply reply = { .answer = HELPER_EXITED };
    pid_t pid = 0;
    /* From here on the daemon's end is noticed by its closed socket, for the program must be ended first. */
    helper_die_with_parent(false);
    reply.error = launch(&pid, r, strings, len, fds);
    explicit_bzero(strings, len); /* environment and input may hold secrets */
    for (unsigned i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (!reply.error)
        reply.error = see_through(pid, &reply);
    helper_die_with_parent(true);
    helper_send(&reply, NULL, 0);
}
