#include "ctl/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/url.h"

enum { ADDRESSES_MAX = 8 };

struct address {
    union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_un un; } u;
    socklen_t len;
};

/* 0.0.0.0 and :: are what a listener says when it means everywhere: from here that is the loopback. */
static const char *reachable(const char *host)
{
    if (!*host || !strcmp(host, "0.0.0.0") || !strcmp(host, "*"))
        return "127.0.0.1";
    return strcmp(host, "::") ? host : "::1";
}

static bool address_numeric(const char *host, uint16_t port, struct address *a)
{
    char plain[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t len = zone ? (size_t)(zone - host) : strlen(host);
    *a = (struct address){ 0 };
    if (len >= sizeof plain)
        return false;
    snprintf(plain, sizeof plain, "%.*s", (int)len, host);
    if (!zone && inet_pton(AF_INET, plain, &a->u.v4.sin_addr) == 1) {
        a->u.v4.sin_family = AF_INET;
        a->u.v4.sin_port = htons(port);
        a->len = sizeof a->u.v4;
        return true;
    }
    if (inet_pton(AF_INET6, plain, &a->u.v6.sin6_addr) != 1)
        return false;
    a->u.v6.sin6_family = AF_INET6;
    a->u.v6.sin6_port = htons(port);
    a->u.v6.sin6_scope_id = zone ? if_nametoindex(zone + 1) : 0;
    a->len = sizeof a->u.v6;
    return true;
}

#ifdef VITALCTL_STATIC
static unsigned address_resolve(const char *host, const char *port, struct address *out, char **error)
{
    (void)port, (void)out;
    *error = mem_printf("%s: this vitalctl is linked statically and resolves no names: use a numeric address or localhost", host);
    return 0;
}
#else
static unsigned address_resolve(const char *host, const char *port, struct address *out, char **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    unsigned count = 0;
    if (failed)
        *error = mem_printf("%s cannot be resolved: %s", host, gai_strerror(failed));
    for (struct addrinfo *at = found; at && count < ADDRESSES_MAX; at = at->ai_next) {
        if (at->ai_addrlen > sizeof out->u)
            continue;
        memcpy(&out[count].u, at->ai_addr, at->ai_addrlen);
        out[count++].len = at->ai_addrlen;
    }
    if (found)
        freeaddrinfo(found);
    return count;
}
#endif

static unsigned address_list(const struct url *u, struct address *out, char **error)
{
    uint16_t port = (uint16_t)strtoul(u->port, NULL, 10);
    const char *host = reachable(u->host);
    if (*u->unix_path) {
        *out = (struct address){ .len = sizeof out->u.un };
        out->u.un.sun_family = AF_UNIX;
        memcpy(out->u.un.sun_path, u->unix_path, strnlen(u->unix_path, sizeof out->u.un.sun_path - 1));
        return 1;
    }
    if (!strcmp(host, "localhost"))
        return address_numeric("127.0.0.1", port, &out[0]) + address_numeric("::1", port, &out[1]);
    if (address_numeric(host, port, out))
        return 1;
    return address_resolve(host, u->port, out, error);
}

/* Descriptor, or minus errno. */
static int address_try(const struct address *a, uint64_t deadline)
{
    int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t len = sizeof error;
    if (fd < 0)
        return -errno;
    if (connect(fd, &a->u.any, a->len) == 0)
        return fd;
    error = errno;
    if (error == EINPROGRESS || error == EINTR) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        uint64_t now = clock_now();
        int ms = now < deadline ? (int)((deadline - now) / USEC_MS % 3600000 + 1) : 0;
        if (poll(&p, 1, ms) <= 0)
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
            error = errno;
    }
    if (!error)
        return fd;
    close(fd);
    return -error;
}

int address_connect(const struct url *u, uint64_t deadline, char **error)
{
    struct address list[ADDRESSES_MAX];
    unsigned count = address_list(u, list, error);
    int last = -EADDRNOTAVAIL;
    for (unsigned i = 0; i < count; i++) {
        uint64_t now = clock_now(), left = deadline > now ? deadline - now : 0;
        last = address_try(&list[i], now + left / (count - i));      /* a silent first address leaves time for the next */
        if (last >= 0)
            return last;
    }
    if (!*error)
        *error = last == -ETIMEDOUT ? mem_copy("timeout: no connection came about") : mem_printf("cannot connect: %s", strerror(-last));
    return -1;
}
