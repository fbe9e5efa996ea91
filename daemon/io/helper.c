#include "io/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

void helper_send(const struct helper_reply *reply, const void *bytes, size_t len)
{
    struct iovec parts[2] = {
        { .iov_base = (void *)(uintptr_t)reply, .iov_len = sizeof *reply },
        { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len },
    };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
    if (sendmsg(HELPER_SOCKET, &message, MSG_NOSIGNAL) < 0)
        _exit(0); /* nobody listens any more */
}

void helper_die_with_parent(bool on)
{
    prctl(PR_SET_PDEATHSIG, on ? SIGKILL : 0);
}

/* ---- file-system calls ---- */

/* The first symbolic link on the way; `moved` is the path with that link replaced by its target. What goes wrong on the
 * way is left for the call itself to find. /proc is left alone: its links are not what they say, and it does not hang. */
static bool find_link(const char *path, char moved[PATH_MAX])
{
    char clean[PATH_MAX] = "", target[PATH_MAX];
    size_t len = 0;
    if (!strncmp(path, "/proc/", 6))
        return false;
    for (const char *rest = path + strspn(path, "/"); *rest; rest += strspn(rest, "/")) {
        size_t part = strcspn(rest, "/"), before = len;
        const char *name = rest;
        rest += part;
        if (part == 1 && name[0] == '.')
            continue;
        if (part == 2 && name[0] == '.' && name[1] == '.') {
            char *slash = strrchr(clean, '/');
            len = slash ? (size_t)(slash - clean) : 0;
            clean[len] = '\0';
            continue;
        }
        if (len + part + 2 > sizeof clean)
            return false;
        clean[len++] = '/';
        memcpy(clean + len, name, part);
        len += part;
        clean[len] = '\0';
        ssize_t n = readlink(clean, target, sizeof target - 1);
        if (n < 0 && errno != EINVAL)
            return false;
        if (n > 0) {
            target[n] = '\0';
            clean[before] = '\0';
            const char *from = target[0] == '/' ? "" : clean;
            return snprintf(moved, PATH_MAX, "%s%s%s%s", from, target[0] == '/' ? "" : "/", target, rest) < PATH_MAX;
        }
    }
    return false;
}

static char data[HELPER_FILE_MAX + 1];

static int do_statfs(const char *path, struct vital_file *f)
{
    struct statvfs s;
    if (statvfs(path, &s) < 0)
        return errno;
    f->block_size = s.f_frsize;
    f->blocks = s.f_blocks;
    f->blocks_free = s.f_bfree;
    f->blocks_available = s.f_bavail;
    f->inodes = s.f_files;
    f->inodes_free = s.f_favail;
    f->flags = s.f_flag;
    return 0;
}

static int do_stat(const char *path, struct vital_file *f)
{
    struct stat s;
    if (stat(path, &s) < 0)
        return errno;
    f->size = (uint64_t)s.st_size;
    f->mode = s.st_mode & 07777;
    f->kind = s.st_mode & S_IFMT;
    f->uid = s.st_uid;
    f->gid = s.st_gid;
    f->mtime_us = (uint64_t)s.st_mtim.tv_sec * 1000000 + (uint64_t)s.st_mtim.tv_nsec / 1000;
    return 0;
}

static int do_read(const char *path, struct vital_file *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno;
    size_t len = 0;
    ssize_t n;
    while (len < sizeof data && (n = read(fd, data + len, sizeof data - len)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int error = errno;
            close(fd);
            return error;
        }
        len += (size_t)n;
    }
    close(fd);
    f->cut = len > HELPER_FILE_MAX;
    f->len = f->cut ? HELPER_FILE_MAX : len;
    return 0;
}

static int create_test_file(const char *dir)
{
    char name[PATH_MAX];
    int room = snprintf(name, sizeof name, "%s/.vitald-write-test.%d", dir, (int)getpid());
    if (room < 0 || room >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST && unlink(name) == 0) /* left by one that was killed right here */
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && unlink(name) < 0) { /* before writing: nothing is left behind, whatever happens */
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int do_writetest(const char *path, struct vital_file *f)
{
    static const char block[4096];
    (void)f;
    int fd = create_test_file(path), error = 0;
    if (fd < 0)
        return errno;
    ssize_t n = write(fd, block, sizeof block);
    if (n < 0 || fsync(fd) < 0)
        error = errno;
    else if (n < (ssize_t)sizeof block)
        error = ENOSPC;
    if (close(fd) < 0 && !error) /* network file systems report quotas only here */
        error = errno;
    return error;
}

static int (*const file_ops[])(const char *path, struct vital_file *) = {
    [VITAL_STATFS] = do_statfs,
    [VITAL_STAT] = do_stat,
    [VITAL_READFILE] = do_read,
    [VITAL_WRITETEST] = do_writetest,
};

static void run_file(const struct helper_request *request, const char *path)
{
    static char moved[PATH_MAX];
    struct helper_reply reply = { .answer = HELPER_DONE };
    if (find_link(path, moved)) {
        reply.answer = HELPER_MOVED;
        helper_send(&reply, moved, strlen(moved) + 1);
        return;
    }
    reply.error = request->op < sizeof file_ops / sizeof *file_ops ? file_ops[request->op](path, &reply.file) : EINVAL;
    helper_send(&reply, data, reply.error ? 0 : reply.file.len);
}

/* ---- the processes ---- */

/* One message with up to `room` descriptors; ends the process when the daemon is gone. */
static size_t receive(void *into, size_t size, int *fds, unsigned room)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control;
    struct iovec part = { .iov_base = into, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
    ssize_t n;
    while ((n = recvmsg(HELPER_SOCKET, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    if (n <= 0)
        _exit(0);
    for (unsigned i = 0; i < room; i++)
        fds[i] = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_type == SCM_RIGHTS) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        memcpy(fds, CMSG_DATA(c), bytes < room * sizeof *fds ? bytes : room * sizeof *fds);
    }
    return (size_t)n;
}

static _Noreturn void serve(void)
{
    static union { struct helper_request request; char bytes[HELPER_MESSAGE_MAX + 1]; } message;
    for (;;) {
        int fds[2];
        size_t len = receive(&message, sizeof message - 1, fds, 2);
        message.bytes[len] = '\0';
        char *rest = message.bytes + sizeof message.request;
        if (len < sizeof message.request)
            _exit(1);
        if (message.request.order == HELPER_FILE)
            run_file(&message.request, rest);
        else if (message.request.order == HELPER_CHILD)
            helper_run_child(&message.request, rest, len - sizeof message.request, fds);
        /* A kill order for a program that has ended meanwhile is late, and harmless. */
    }
}

static void become_helper(int sock, int zygote)
{
    prctl(PR_SET_NAME, "vitald-helper");
    signal(SIGCHLD, SIG_DFL); /* it waits for its programs */
    helper_die_with_parent(true);
    if (getppid() != zygote)
        _exit(0);
    if (dup2(sock, HELPER_SOCKET) < 0) /* in place of the zygote's */
        _exit(1);
    close(sock);
    serve();
}

/* Whatever it inherited: a descriptor held here by a hung helper would keep a terminal, a log pipe or a port alive. */
static void let_go_of_everything(int sock)
{
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        if (dup2(null, fd) < 0)
            _exit(1);
    if (dup2(sock, HELPER_SOCKET) < 0 || chdir("/") < 0)
        _exit(1);
    close_range(HELPER_SOCKET + 1, ~0U, 0);
    setsid();
}

/* Rather none than one with the wrong rights. The kernel forgets whose death we wait for when the user changes. */
static void become(const struct privilege *who, int parent)
{
    if (privilege_drop(who) != 0)
        _exit(1);
    helper_die_with_parent(true);
    if (getppid() != parent)
        _exit(0);
}

_Noreturn void helper_zygote(int sock, int parent)
{
    /* Ctrl-C and a service manager's SIGTERM to the whole group are for the daemon, which still needs its helpers while
     * it drains; they leave when it does. */
    static const int not_for_us[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2 };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (unsigned i = 0; i < sizeof not_for_us / sizeof *not_for_us; i++)
        signal(not_for_us[i], SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* reaped by the kernel: helpers report for themselves */
    prctl(PR_SET_NAME, "vitald-zygote");
    helper_die_with_parent(true);
    if (getppid() != parent)
        _exit(0);
    let_go_of_everything(sock);
    int me = (int)getpid();
    for (;;) {
        struct zygote_request request = { .order = ZYGOTE_FORK };
        int fd;
        receive(&request, sizeof request, &fd, 1);
        if (request.order == ZYGOTE_DROP)
            become(&request.who, parent);
        if (fd >= 0 && fork() == 0)
            become_helper(fd, me);
        close(fd); /* when the fork failed, the daemon sees the helper's end closed */
    }
}
