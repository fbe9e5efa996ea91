#include "front/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "front/listen.h"
#include "io/resolve.h"
#include "vital_probe.h"

/* ---- texts ---- */

static char *tcp_problem(const char *address, const char *port, int error)
{
    switch (error) {
    case EADDRINUSE:
        return mem_printf("cannot listen on %s: the address is in use by another program (perhaps another vitald), or, when this "
                          "is a reload, by the configuration before; `ss -ltnp 'sport = :%s'` shows which: stop it, choose another "
                          "address, or restart", address, port);
    case EACCES:
        return mem_printf("cannot listen on %s: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE "
                          "(systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE) or a port from 1024 up", address);
    case EADDRNOTAVAIL:
        return mem_printf("cannot listen on %s: no interface of this host has this address; `ip address` shows what there "
                          "is (for a floating address set net.ipv4.ip_nonlocal_bind=1)", address);
    case EAFNOSUPPORT:
        return mem_printf("cannot listen on %s: this host has no such address family; use an IPv4 address, or enable IPv6",
                          address);
    default:
        return mem_printf("cannot listen on %s: %s", address, strerror(error));
    }
}

static char *unix_problem(const char *path, int error)
{
    switch (error) {
    case ENOENT:
        return mem_printf("cannot listen on unix:%s: its directory does not exist; create it (systemd: "
                          "RuntimeDirectory=vitald)", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return mem_printf("cannot listen on unix:%s: not permitted to create the socket there (%s); let the user that "
                          "runs vitald write to the directory", path, strerror(error));
    default:
        return mem_printf("cannot listen on unix:%s: %s", path, strerror(error));
    }
}

/* ---- TCP ---- */

static bool tcp_address(const struct vital_url *at, struct sockaddr_storage *to, socklen_t *len)
{
    struct resolve_address found;
    const char *host = at->host && *at->host ? at->host : "::";
    if (!resolve_numeric(!strcmp(host, "localhost") ? "127.0.0.1" : host, &found))
        return false;
    in_port_t port = htons((uint16_t)strtoul(at->port ? at->port : "", NULL, 10));
    if (found.u.any.sa_family == AF_INET)
        found.u.v4.sin_port = port;
    else
        found.u.v6.sin6_port = port;
    memcpy(to, &found.u, found.len);
    *len = found.len;
    return true;
}

struct tcp_wish { bool only_v6, listening; };

static int bind_tcp(const struct sockaddr_storage *to, socklen_t len, struct tcp_wish wish)
{
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, six = wish.only_v6;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);      /* accepted sockets inherit it */
    if (to->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &six, sizeof six);
    if (bind(fd, (const struct sockaddr *)to, len) == 0 && (!wish.listening || listen(fd, LISTEN_BACKLOG) == 0))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_tcp(const struct vital_url *at, struct tcp_wish wish, char **error)
{
    struct sockaddr_storage to = { 0 };
    socklen_t len = 0;
    if (!tcp_address(at, &to, &len)) {
        *error = mem_printf("cannot listen on %s: listening addresses are numeric: 127.0.0.1:8686, [::1]:8686, "
                            "0.0.0.0:8686, or unix:/path", at->text);
        return -1;
    }
    int fd = bind_tcp(&to, len, wish);
    if (fd < 0 && (!at->host || !*at->host) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        struct vital_url four = *at;      /* every address, on a host without IPv6 */
        four.host = "0.0.0.0";
        wish.only_v6 = false;
        if (tcp_address(&four, &to, &len))
            fd = bind_tcp(&to, len, wish);
    }
    if (fd < 0)
        *error = tcp_problem(at->text, at->port, errno);
    return fd;
}

/* ---- unix ---- */

/* A socket file that nobody listens on is left over from a process that was killed. */
static bool remove_stale(const struct sockaddr_un *to, char **error)
{
    struct stat st;
    if (lstat(to->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        *error = mem_printf("cannot listen on unix:%s: there is something that is not a socket; remove it, or choose "
                            "another path", to->sun_path);
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!dead)
        *error = mem_printf("cannot listen on unix:%s: another program answers there (perhaps another vitald); stop it, or "
                            "choose another path", to->sun_path);
    else if (unlink(to->sun_path) < 0 && errno != ENOENT) {
        *error = mem_printf("cannot remove the stale socket %s: %s; remove it, or give the user that runs vitald the right "
                            "to", to->sun_path, strerror(errno));
        dead = false;
    }
    return dead;
}

static int listen_unix(const char *path, uint16_t mode, char **error)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof to.sun_path) {
        *error = mem_printf("cannot listen on unix:%s: a socket's path has at most %zu bytes", path, sizeof to.sun_path - 1);
        return -1;
    }
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *error = unix_problem(path, errno);
        return -1;
    }
    fchmod(fd, mode);      /* before bind: the file never has more rights than asked for, not even for a moment */
    int rc = bind(fd, (const struct sockaddr *)&to, sizeof to);
    if (rc < 0 && errno == EADDRINUSE) {
        if (!remove_stale(&to, error)) {
            close(fd);
            return -1;
        }
        rc = bind(fd, (const struct sockaddr *)&to, sizeof to);
    }
    if (rc < 0 || chmod(path, mode) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        *error = unix_problem(path, errno);
        close(fd);
        return -1;
    }
    return fd;
}

int socket_listen(const struct vital_url *at, uint16_t mode, bool only_v6, char **error)
{
    return at->unix_path && *at->unix_path ? listen_unix(at->unix_path, mode, error) : open_tcp(at, (struct tcp_wish){ only_v6, true }, error);
}

int socket_bind(const struct vital_url *at, char **error)
{
    return open_tcp(at, (struct tcp_wish){ false, false }, error);
}

/* ---- names ---- */

static bool same_tcp(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
    return x->sin6_port == y->sin6_port && !memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr);
}

bool socket_is_at(int fd, const struct vital_url *at)
{
    struct sockaddr_storage bound = { 0 }, want = { 0 };
    socklen_t len = sizeof bound, want_len = 0;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
        return false;
    if (at->unix_path && *at->unix_path)
        return bound.ss_family == AF_UNIX && !strcmp(((const struct sockaddr_un *)(const void *)&bound)->sun_path, at->unix_path);
    return (bound.ss_family == AF_INET || bound.ss_family == AF_INET6) && tcp_address(at, &want, &want_len) &&
           same_tcp(&bound, &want);
}

const char *socket_text(const struct sockaddr_storage *at, socklen_t len, char *room, size_t size)
{
    char host[INET6_ADDRSTRLEN + 32], port[8];
    if (at->ss_family == AF_UNIX)
        snprintf(room, size, "unix:%s", ((const struct sockaddr_un *)(const void *)at)->sun_path);
    else if (getnameinfo((const struct sockaddr *)at, len, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(room, size, at->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    else
        snprintf(room, size, "?");
    return room;
}

const char *socket_peer(int fd, char *room, size_t size)
{
    struct sockaddr_storage at = { 0 };
    socklen_t len = sizeof at;
    if (getpeername(fd, (struct sockaddr *)&at, &len) < 0)
        at.ss_family = AF_UNSPEC;
    if (at.ss_family == AF_INET || at.ss_family == AF_INET6)
        return socket_text(&at, len, room, size);
    snprintf(room, size, at.ss_family == AF_UNIX ? "a local client" : "a client that has gone");
    return room;
}
