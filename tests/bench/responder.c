/* responder PORT COUNTERS: the least that an HTTP server can do. The floor below any server that uses epoll, and the
 * target of probes. It finds the end of a head, answers, keeps the connection unless it was asked not to; nothing else is
 * understood. Bytes on the wire are as many as vitald's. */
#include "net.h"

enum { EVENTS = 256, ACCEPTS = 16 };

#define HEAD "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 18:09:07 GMT\r\nVitald-Oldest-Sample: 2026-11-20T18:09:07.000Z\r\n" \
             "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Length: 5\r\n"
static const char kept[] = HEAD "\r\npass\n", closed[] = HEAD "Connection: close\r\n\r\npass\n";

static volatile uint64_t *count;
static int epoll;

/* False: the connection is over. */
static bool serve(int fd)
{
    static char in[16384];
    ssize_t n = recv(fd, in, sizeof in - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    in[n] = '\0';
    bool close = strstr(in, "onnection: close") || strstr(in, " HTTP/1.0\r\n");
    for (const char *at = in; (at = strstr(at, "\r\n\r\n")); at += 4) {
        if (send(fd, close ? closed : kept, (close ? sizeof closed : sizeof kept) - 1, MSG_NOSIGNAL) < 0)
            return false;
        count[COUNT_WORK]++;
    }
    return !close;
}

static void accept_some(int listener)
{
    for (unsigned i = 0; i < ACCEPTS; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        count[COUNT_ACCEPTS]++;
        if (serve(fd))
            watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
        else
            close(fd);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int on = 1;
    if (argc != 3)
        return 2;
    struct sockaddr_in at = address("0.0.0.0", argv[1]);
    count = counters(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 4096) < 0)
        die("listen");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_some(listener);
            else if (!serve(events[i].data.fd))
                close(events[i].data.fd);
        }
    }
}
