/* checker PORT COUNTERS RATE TARGETS: the least that checks over HTTP can do: a new connection to 127.1.x.y, one request,
 * read the status, close; what is due within 8 ms begins together, as vitald's probes do. The floor below any prober that
 * uses epoll. */
#include "net.h"

#define SLOT 8000000u
enum { EVENTS = 256 };

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.1.0.1\r\nUser-Agent: floor\r\nAccept: */*\r\nConnection: close\r\n\r\n";
static volatile uint64_t *count;
static int epoll;

static void begin(struct sockaddr_in *to, uint64_t target)
{
    to->sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)(target / 250 << 8) + (uint32_t)(target % 250) + 1);
    int fd = dial(to);
    if (fd < 0 || send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) {
        count[COUNT_ERRORS]++;
        if (fd >= 0)
            close(fd);
        return;
    }
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
}

static void finish(int fd)
{
    char in[4096];
    ssize_t n = recv(fd, in, sizeof in, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    count[n > 12 && !memcmp(in, "HTTP/1.1 200", 12) ? COUNT_WORK : COUNT_ERRORS]++;
    close(fd);
}

static void wait_until(uint64_t until)
{
    struct epoll_event events[EVENTS];
    for (uint64_t now = now_ns(); now < until; now = now_ns()) {
        struct timespec left = { .tv_sec = 0, .tv_nsec = (long)(until - now) };
        int n = epoll_pwait2(epoll, events, EVENTS, &left, NULL);
        for (int i = 0; i < n; i++)
            finish(events[i].data.fd);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct sockaddr_in to = address("127.1.0.1", argv[1]);
    count = counters(argv[2]);
    uint64_t rate = strtoull(argv[3], NULL, 10), targets = strtoull(argv[4], NULL, 10), started = now_ns(), begun = 0;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint64_t slot = 1;; slot++) {
        for (; begun < slot * SLOT * rate / 1000000000u; begun++)
            begin(&to, begun % targets);
        wait_until(started + slot * SLOT);
    }
}
