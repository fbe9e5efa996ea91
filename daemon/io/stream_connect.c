/* Connecting: every address in turn, the next one 250 ms after the one before, or at once when that failed. */
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/stream_state.h"

#define NEXT_TRY_AFTER (250 * USEC_MS)

enum vital_reason stream_reason(int error)
{
    static const struct { int error; enum vital_reason reason; } table[] = {
        { ECONNREFUSED, VITAL_R_REFUSED },     { ENOENT, VITAL_R_NOT_FOUND },        { ECONNRESET, VITAL_R_RESET },
        { EPIPE, VITAL_R_RESET },              { ECONNABORTED, VITAL_R_RESET },      { ETIMEDOUT, VITAL_R_TIMEOUT },
        { ENETUNREACH, VITAL_R_UNREACHABLE },  { EHOSTUNREACH, VITAL_R_UNREACHABLE }, { ENETDOWN, VITAL_R_UNREACHABLE },
        { EHOSTDOWN, VITAL_R_UNREACHABLE },    { EADDRNOTAVAIL, VITAL_R_UNREACHABLE }, { EAFNOSUPPORT, VITAL_R_UNREACHABLE },
        { EINVAL, VITAL_R_UNREACHABLE },       { EMFILE, VITAL_R_NO_FDS },           { ENFILE, VITAL_R_NO_FDS },
        { EACCES, VITAL_R_PERMISSION },        { EPERM, VITAL_R_PERMISSION },        { EAGAIN, VITAL_R_BUSY },
        { EPROTOTYPE, VITAL_R_CONFIG },        { ENOTSOCK, VITAL_R_CONFIG },
    };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].error == error)
            return table[i].reason;
    return VITAL_R_IO_ERROR;
}

void stream_try_drop(struct stream_try *t)
{
    if (!t->used)
        return;
    t->used = false;
    t->stream->tries_running--;
    loop_remove(&t->io);
    close(t->io.fd);
}

void stream_address_text(const struct resolve_address *a, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "", zone[IF_NAMESIZE] = "";
    bool v6 = a->u.any.sa_family == AF_INET6;
    inet_ntop(a->u.any.sa_family, v6 ? (const void *)&a->u.v6.sin6_addr : (const void *)&a->u.v4.sin_addr, text, sizeof text);
    bool zoned = v6 && a->u.v6.sin6_scope_id && if_indextoname(a->u.v6.sin6_scope_id, zone);
    snprintf(out, size, "%s%s%s", text, zoned ? "%" : "", zone);
}

static void next_try(struct stream *s);

/* All addresses were tried. */
static void no_address_left(struct stream *s)
{
    char text[STREAM_TEXT], address[sizeof s->address_text] = "";
    int error = s->first_error;
    if (s->unix_path) {
        snprintf(text, sizeof text, "connect to %s: %s", s->unix_path, strerror(error));
    } else {
        stream_address_text(&s->addresses[s->first_failed], address, sizeof address);
        int n = snprintf(text, sizeof text, "connect to %s port %u: %s", address, s->port, strerror(error));
        if (s->source.len) {
            stream_address_text(&s->source, address, sizeof address);
            n += snprintf(text + n, sizeof text - (size_t)n, " (from %s)", address);
        }
        if (s->address_count > 1)
            snprintf(text + n, sizeof text - (size_t)n, " (all %u addresses failed)", s->address_count);
    }
    stream_fail_later(s, stream_reason(error), text);
}

/* What one address says may be the truth about the target; "unreachable" is often just our lack of IPv6. */
static void note_error(struct stream *s, unsigned address, int error)
{
    bool telling = s->first_error && stream_reason(s->first_error) != VITAL_R_UNREACHABLE;
    if (telling || (s->first_error && stream_reason(error) == VITAL_R_UNREACHABLE))
        return;
    s->first_error = error;
    s->first_failed = address;
}

static void try_failed(struct stream *s, struct stream_try *t, int error)
{
    note_error(s, t->address, error);
    stream_try_drop(t);
    next_try(s);
}

static struct sockaddr *address_of(struct stream *s, unsigned i, struct sockaddr_un *room, socklen_t *len)
{
    if (!s->unix_path) {
        *len = s->addresses[i].len;
        return &s->addresses[i].u.any;
    }
    size_t path = strlen(s->unix_path); /* checked at the dial */
    *room = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(room->sun_path, s->unix_path, path);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path + 1);
    return (struct sockaddr *)room;
}

/* Asking to connect again tells how it stands: done, not yet, or why not. A wake-up alone proves nothing. (A unix socket
 * connects at once or not at all, and asking again would ask the backlog.) */
static void try_look(struct stream *s, struct stream_try *t)
{
    const struct resolve_address *to = s->unix_path ? NULL : &s->addresses[t->address];
    if (!to || connect(t->io.fd, &to->u.any, to->len) == 0 || errno == EISCONN)
        stream_connected(s, t);
    else if (errno == EALREADY || errno == EINPROGRESS || errno == EINTR)
        loop_change(&t->io, LOOP_WRITE);
    else
        try_failed(s, t, errno);
}

static void on_connect(struct loop_fd *io, unsigned what)
{
    struct stream_try *t = LIST_OWNER(io, struct stream_try, io);
    (void)what;
    if (!t->stream->failing)
        try_look(t->stream, t);
}

static bool is_loopback(const struct resolve_address *a)
{
    if (a->u.any.sa_family == AF_INET)
        return (ntohl(a->u.v4.sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
}

static int prepare_socket(const struct stream *s, int family, int fd)
{
    int on = 1, off = 0;
    if (family == AF_UNIX)
        return 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* The handshake's last acknowledgement goes with our first bytes: one packet and one wake-up of the target less. */
    if (s->speaks_first)
        setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    if (!s->source.len)
        return 0;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on); /* else each bind uses up a port of its own */
    return bind(fd, &s->source.u.any, s->source.len) < 0 ? errno : 0;
}

/* 0, or why this address cannot even be tried. */
static int try_start(struct stream *s, struct stream_try *t, unsigned address)
{
    struct sockaddr_un room;
    socklen_t len;
    const struct sockaddr *to = address_of(s, address, &room, &len);
    if (s->source.len && s->source.u.any.sa_family != to->sa_family)
        return EAFNOSUPPORT;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = prepare_socket(s, to->sa_family, fd);
    if (!error && connect(fd, to, len) < 0 && errno != EINPROGRESS)
        error = errno;
    if (error) {
        close(fd);
        return error;
    }
    *t = (struct stream_try){ .stream = s, .address = address, .used = true };
    s->tries_running++;
    /* On this host the answer is there already: looked at in the next turn, without asking the kernel to wake us. */
    bool near = s->unix_path || is_loopback(&s->addresses[address]);
    loop_add(&t->io, fd, near ? 0 : LOOP_WRITE, on_connect);
    s->look_again |= near;
    return 0;
}

static struct stream_try *free_try(struct stream *s)
{
    for (unsigned i = 0; i < STREAM_TRIES; i++)
        if (!s->tries[i].used)
            return &s->tries[i];
    return NULL;
}

/* Starts the next address that can be tried at all, and says when to come back. */
static void next_try(struct stream *s)
{
    struct stream_try *t = free_try(s);
    while (t && s->next_address < s->address_count) {
        unsigned address = s->next_address++;
        int error = try_start(s, t, address);
        if (error == EMFILE || error == ENFILE) {
            stream_fail_later(s, VITAL_R_NO_FDS, "no socket for the connection: too many open files; raise the limit (LimitNOFILE)");
            return;
        }
        if (!error)
            break;
        note_error(s, address, error);
    }
    if (!s->tries_running) {
        no_address_left(s);
        return;
    }
    uint64_t now = clock_now();
    if (s->look_again)
        timer_set(loop_timers(), &s->timer, now);
    else if (s->next_address < s->address_count)
        timer_set(loop_timers(), &s->timer, now + NEXT_TRY_AFTER);
}

/* A look at those that are near; then the next address gets its turn in time. */
static void look_at_tries(struct stream *s)
{
    s->look_again = false;
    for (unsigned i = 0; i < STREAM_TRIES && s->state == STREAM_CONNECTING && !s->failing; i++)
        if (s->tries[i].used && s->tries[i].io.what == 0)
            try_look(s, &s->tries[i]);
    if (s->state == STREAM_CONNECTING && !s->failing && !timer_is_set(&s->timer) && s->next_address < s->address_count)
        timer_set(loop_timers(), &s->timer, clock_now() + NEXT_TRY_AFTER);
}

void stream_try_again(struct stream *s)
{
    if (s->look_again)
        look_at_tries(s);
    else
        next_try(s);
}

void stream_connect(struct stream *s, unsigned count)
{
    s->state = STREAM_CONNECTING;
    s->phase_started = clock_now();
    s->address_count = count;
    next_try(s);
}
