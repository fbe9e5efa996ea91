/* Heartbeats as datagrams: "NAME text". For jobs that can say `echo backup ok | socat - UNIX-SENDTO:...` and no more. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/core.h"
#include "front/control_client.h"

enum { BEATS_PER_TURN = 64 };

static struct loop_fd watch;
static int beat_fd = -1;
static char beat_path[CTL_PATH_MAX];
static uint64_t last_complaint;

/* Not more than one line a minute: anybody may send. */
static void beat_complain(const char *name, const char *why)
{
    uint64_t now = clock_now();
    control_counts.beats_refused++;
    if (last_complaint && now - last_complaint < 60 * USEC_S)
        return;
    last_complaint = now;
    log_line(LOG_WARNING, "heartbeat datagram for `%.64s` refused: %s", name, why);
}

static void beat_take(char *bytes, size_t len)
{
    control_counts.beats++;
    while (len && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r' || bytes[len - 1] == ' '))
        len--;
    bytes[len] = '\0';
    char *text = memchr(bytes, ' ', len);
    if (text)
        *text++ = '\0';
    size_t name = strlen(bytes), left = text ? len - (size_t)(text - bytes) : 0;
    const char *why = name + (text ? 1 + strlen(text) : 0) != len ? "it holds a NUL byte" : !name ? "it names no probe"
                      : core_beat(bytes, text ? text : "", left);
    if (why)
        beat_complain(bytes, why);
}

/* Who sent it is the kernel's word. */
static ssize_t receive(char bytes[CTL_BEAT_MAX], struct ucred *from)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } room;
    struct iovec part = { bytes, CTL_BEAT_MAX };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes };
    ssize_t n = recvmsg(beat_fd, &message, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
        memcpy(from, CMSG_DATA(c), sizeof *from);
    return n;
}

static void beat_ready(struct loop_fd *unused, unsigned what)
{
    char bytes[CTL_BEAT_MAX + 1];
    (void)unused;
    (void)what;
    for (unsigned i = 0; i < BEATS_PER_TURN; i++) {
        struct ucred from = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
        ssize_t n = receive(bytes, &from);
        if (n < 0)
            return;
        if (core_conf()->control_beats_trusted && !peer_may_change(&from, -1))
            beat_complain("?", "`control: beats: trusted` does not take it from this user");
        else if (n <= CTL_BEAT_MAX)
            beat_take(bytes, (size_t)n);
        else
            beat_complain("?", "it is longer than 1024 bytes");
    }
    loop_soon();
}

void beat_open(const char *control)
{
    char *error = NULL;
    bool busy;
    if (!ctl_beat_path(control, beat_path)) {
        log_line(LOG_WARNING, "no heartbeat socket: the path beside %s is too long for a socket; `vitalctl beat` works", control);
        return;
    }
    beat_fd = control_bind(beat_path, SOCK_DGRAM, &error, &busy);
    if (beat_fd < 0)
        log_line(LOG_WARNING, "no heartbeat socket: %s; `vitalctl beat` works", error);
    else
        loop_add(&watch, beat_fd, LOOP_READ, beat_ready);
    mem_free(error);
}

void beat_close(void)
{
    if (beat_fd < 0)
        return;
    loop_remove(&watch);
    close(beat_fd);
    beat_fd = -1;
    control_unlink(beat_path);
}
