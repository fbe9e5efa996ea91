#include "front/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/conf.h"
#include "core/core.h"
#include "front/control_client.h"

enum { ACCEPTS_PER_TURN = 16, BACKLOG = 64, PAUSE_S = 1, SOCKETS = 2 };

struct control_stats control_counts;
const struct control_hooks *control_calls;

static struct loop_fd listener;
static struct timer pause_timer;
static int listen_fd = -1;
static char path[CTL_PATH_MAX];
static uint64_t generation;
static bool in_default_place;

/* What we bound, so that at the end we remove our own socket and not the one of a daemon that came after us. */
static struct { char path[CTL_PATH_MAX]; dev_t device; ino_t inode; } bound[SOCKETS];

/* ---- binding ---- */

static struct sockaddr_un address_of(const char *at)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", at);
    return address;
}

/* What a connection to it meets: 0 = somebody answers. Only a refusal proves that nobody does. */
static int knock(const char *at, int type)
{
    struct sockaddr_un address = address_of(at);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error == EAGAIN ? 0 : error;      /* its backlog is full: somebody owns it */
}

static void remember(const char *at)
{
    struct stat st;
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (bound[i].path[0])
            continue;
        if (!lstat(at, &st)) {
            snprintf(bound[i].path, sizeof bound[i].path, "%s", at);
            bound[i].device = st.st_dev;
            bound[i].inode = st.st_ino;
        }
        return;
    }
}

void control_unlink(const char *at)
{
    struct stat st;
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (strcmp(bound[i].path, at) != 0)
            continue;
        if (!lstat(at, &st) && st.st_dev == bound[i].device && st.st_ino == bound[i].inode)
            unlink(at);
        bound[i].path[0] = '\0';
    }
}

/* Everybody may connect; what they may do is decided by who they are. The umask is the whole process's, but this runs
 * before there are threads that make files. A datagram's sender is told only when that was asked for before it came. */
static int bind_open(int fd, int type, const char *at)
{
    struct sockaddr_un address = address_of(at);
    int on = 1;
    if (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on))
        return errno;
    mode_t before = umask(0);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address) ? errno : 0;
    umask(before);
    if (!failed && chmod(at, 0666))
        failed = errno;
    return failed;
}

/* NULL when the way is free, else why not. */
static char *clear_way(const char *at, int type, bool *busy)
{
    struct stat st;
    if (lstat(at, &st))
        return NULL;
    if (!S_ISSOCK(st.st_mode))
        return mem_printf("%s exists and is not a socket: remove it, or name another path", at);
    int error = knock(at, type);
    if (error && error != ECONNREFUSED)
        return mem_printf("%s is there already, and whether a vitald lives behind it cannot be told: %s", at, strerror(error));
    if (!error) {
        *busy = true;
        return mem_printf("another vitald answers at %s: stop it, or give this one another `control:` path", at);
    }
    if (unlink(at))
        return mem_printf("%s is left over and cannot be removed: %s", at, strerror(errno));
    return NULL;
}

int control_bind(const char *at, int type, char **error, bool *busy)
{
    *busy = false;
    if (strlen(at) >= CTL_PATH_MAX) {
        *error = mem_printf("%s: a socket's path may have at most %d bytes", at, CTL_PATH_MAX - 1);
        return -1;
    }
    if ((*error = clear_way(at, type, busy)))
        return -1;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = fd < 0 ? errno : bind_open(fd, type, at);
    if (!failed && type == SOCK_STREAM && listen(fd, BACKLOG))
        failed = errno;
    if (!failed) {
        remember(at);
        return fd;
    }
    *error = mem_printf("cannot make the socket %s: %s%s", at, strerror(failed),
                        failed == ENOENT ? ": its directory does not exist" : failed == EACCES ? ": its directory must be writable for vitald's user" :
                        failed == EROFS ? ": configure another place (control: { path: ... })" : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- accepting ---- */

static void accept_resume(struct timer *t, uint64_t now)
{
    (void)t;
    (void)now;
    loop_change(&listener, LOOP_READ);
}

/* Out of descriptors: a listener that stays readable would spin the loop. */
static void accept_pause(int error)
{
    control_counts.refused++;
    log_line(LOG_WARNING, "control: no client can be accepted for a second: %s", strerror(error));
    loop_change(&listener, 0);
    timer_set(loop_timers(), &pause_timer, clock_now() + PAUSE_S * USEC_S);
}

static void accept_ready(struct loop_fd *unused, unsigned what)
{
    (void)unused;
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            client_open(fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            accept_pause(errno);
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* ---- opening ---- */

static void make_directory(const char *at, mode_t mode)
{
    char directory[CTL_PATH_MAX];
    snprintf(directory, sizeof directory, "%s", at);
    char *slash = strrchr(directory, '/');
    if (slash && slash != directory) {
        *slash = '\0';
        mkdir(directory, mode);      /* it may be there; whether it serves, bind says */
    }
}

/* The first of the default places that can be had; at a place where another daemon lives nothing else is tried. */
static int open_default(void)
{
    char *error = NULL, *first = NULL;
    bool busy = false;
    int fd = -1;
    for (unsigned i = 0; fd < 0 && !busy && ctl_default_path(i, path); i++) {
        make_directory(path, i ? 0700 : 0755);
        fd = control_bind(path, SOCK_STREAM, &error, &busy);
        if (error && (!first || busy)) {
            mem_free(first);
            first = error;
        } else {
            mem_free(error);
        }
        error = NULL;
    }
    if (fd < 0)
        log_line(LOG_WARNING, "no control socket, vitalctl cannot reach this daemon: %s", first ? first : "no place for it");
    mem_free(first);
    return fd;
}

bool control_open(const struct conf *conf, const struct control_hooks *hooks, char **error)
{
    bool busy;
    int fd = conf->control_path ? control_bind(conf->control_path, SOCK_STREAM, error, &busy) : open_default();
    if (fd < 0 && conf->control_path)
        return false;
    listen_fd = fd;
    if (conf->control_path)
        snprintf(path, sizeof path, "%s", conf->control_path);
    control_calls = hooks;
    timer_init(&pause_timer, accept_resume);
    group_watch_now(conf->control_group);
    generation = core_generation();
    in_default_place = fd >= 0 && !conf->control_path;
    if (listen_fd >= 0) {
        loop_add(&listener, listen_fd, LOOP_READ, accept_ready);
        beat_open(path);
    }
    return true;
}

void control_give(uint32_t uid, uint32_t gid, bool shared)
{
    struct stat st;
    char directory[CTL_PATH_MAX];
    client_trust_own_user(!shared);
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (!in_default_place || !slash)
        return;
    *slash = '\0';
    if (lstat(directory, &st) || !S_ISDIR(st.st_mode) || st.st_uid != 0 || lchown(directory, uid, gid))
        log_about(LOG_NOTICE, "file", directory, "stays as it is: the control socket in there will be left behind at the end");
}

void control_publish(void)
{
    if (generation != core_generation()) {
        generation = core_generation();
        group_watch(core_conf()->control_group);
    }
    client_publish();
}

void control_close(void)
{
    client_close_all();
    beat_close();
    if (listen_fd < 0)
        return;
    timer_clear(loop_timers(), &pause_timer);
    loop_remove(&listener);
    close(listen_fd);
    listen_fd = -1;
    control_unlink(path);
}

const char *control_path(void)
{
    return listen_fd >= 0 ? path : NULL;
}

void control_stats(struct control_stats *out)
{
    *out = control_counts;
}
