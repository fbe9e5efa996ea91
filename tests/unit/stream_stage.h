/* What the tests of streams share: names that lead where a test wants, a client that records, servers. */
#ifndef STREAM_STAGE_H
#define STREAM_STAGE_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/tls.h"

/* ---- names that lead where a test wants them to ---- */

static const char *const *named;    /* the addresses of every name under .test */

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, **end = out;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!strstr(host, ".test"))
        return real(host, port, hints, out);
    if (!named)
        return EAI_NONAME;
    for (const char *const *text = named; *text; text++, end = &(*end)->ai_next)
        if (real(*text, NULL, &numeric, end) != 0)
            abort();
    return 0;
}

/* ---- a client that records ---- */

struct seen {
    struct stream *stream;
    unsigned opens, datas, closes;
    char data[1 << 20], text[300];
    size_t len;
    enum vital_reason reason;
    const char *say;                 /* when it opens */
    bool close_on_data, close_on_open, close_in_close;
    char subject[64];
    unsigned cert_count;
    struct vital_stream_info info;
    char address[64];
};

static void on_open(void *arg)
{
    struct seen *s = arg;
    s->opens++;
    stream_info(s->stream, &s->info);
    snprintf(s->address, sizeof s->address, "%s", s->info.address);
    if (s->say)
        stream_write(s->stream, s->say, strlen(s->say)); /* a peer that has gone meanwhile may refuse it */
    if (s->close_on_open)
        stream_close(s->stream);
}

static void on_data(void *arg, const char *bytes, size_t len)
{
    struct seen *s = arg;
    CHECK(len > 0 && len <= STREAM_READ_MAX);
    CHECK(s->len + len < sizeof s->data);
    memcpy(s->data + s->len, bytes, len);
    s->len += len;
    s->datas++;
    if (s->close_on_data)
        stream_close(s->stream);
}

static void on_closed(void *arg, enum vital_reason reason, const char *text)
{
    struct seen *s = arg;
    s->closes++;
    s->reason = reason;
    snprintf(s->text, sizeof s->text, "%s", text);
    struct vital_cert certs[4];
    s->cert_count = stream_certificates(s->stream, certs, 4);
    if (s->cert_count)
        snprintf(s->subject, sizeof s->subject, "%s", certs[0].subject);
    if (s->close_in_close)
        stream_close(s->stream);
}

static const struct stream_ops ops = { .open = on_open, .data = on_data, .closed = on_closed };

static void dial(struct seen *s, struct vital_dial d)
{
    s->stream = stream_dial(&d, &ops, s);
    CHECK(s->stream != NULL);
    CHECK_INT(s->opens + s->closes, 0); /* never inside */
}

static void turn(void)
{
    loop_wait(timer_next(loop_timers()));
    timer_run(loop_timers(), loop_now());
    loop_reap();
}

static void until(const unsigned *counter)
{
    while (!*counter)
        turn();
}

static unsigned descriptors;

/* Once: helper threads come home to one loop for life. */
static void start(void)
{
    static bool is_open;
    if (!is_open)
        loop_open();
    is_open = true;
    descriptors = loop_fd_count();
}

static void finish(void)
{
    for (unsigned i = 0; i < 3; i++) {
        loop_wait(0);
        loop_reap();
    }
    CHECK_INT(stream_count(), 0);
}

/* ---- servers ---- */

static char port[8];

static int listen_on(int family, const char *address, const char *unix_path)
{
    union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_un local; } at = { .any.sa_family = (sa_family_t)family };
    socklen_t len = sizeof at;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (family == AF_UNIX)
        snprintf(at.local.sun_path, sizeof at.local.sun_path, "%s", unix_path);
    else
        inet_pton(family, address, family == AF_INET ? (void *)&at.v4.sin_addr : (void *)&at.v6.sin6_addr);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    len = family == AF_INET ? sizeof at.v4 : family == AF_INET6 ? sizeof at.v6 : sizeof at.local;
    if (bind(fd, &at.any, len) < 0 || listen(fd, 16) < 0)
        abort();
    getsockname(fd, &at.any, &len);
    if (family != AF_UNIX)
        snprintf(port, sizeof port, "%u", ntohs(at.v4.sin_port));
    return fd;
}

static int accept_one(int listener)
{
    struct pollfd p = { .fd = listener, .events = POLLIN };
    while (poll(&p, 1, 0) != 1)
        turn();
    return accept(listener, NULL, NULL);
}

static size_t read_some(int fd, char *into, size_t size)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (poll(&p, 1, 0) != 1)
        turn();
    ssize_t n = recv(fd, into, size, 0);
    return n > 0 ? (size_t)n : 0;
}

static void reset(int fd)
{
    struct linger now = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

#define TO_PORT { .host = "127.0.0.1", .port = port }

#endif
