/* load once|kept HOST PORT PATH CONNECTIONS SECONDS RATE: asks, and says how long answers took.
 *
 * once: a connection for each request, as kubelet does; kept: connections stay. RATE 0: the next request begins when one is
 * answered; else so many a second, whatever the answers do, and a request that finds no free connection counts from when
 * it was due. One line of JSON at the end; times in microseconds. */
#include "net.h"

#include <sys/resource.h>
#include <sys/syscall.h>

enum { SLOTS_MAX = 4096, SAMPLES_MAX = 4 << 20 };

struct slot { int fd; uint64_t began; bool busy, sent; size_t got; char in[2048]; };

static struct slot slots[SLOTS_MAX];
static uint32_t samples[SAMPLES_MAX];      /* microseconds x 10 */
static unsigned slot_count, answers, errors, wrong;
static int epoll;
static bool once;
static struct sockaddr_in to;
static char request[1024];
static size_t request_len;

static void watch_slot(struct slot *s, int op, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = s };
    if (epoll_ctl(epoll, op, s->fd, &e) < 0)
        die("epoll_ctl");
}

static void drop(struct slot *s)
{
    close(s->fd);
    s->fd = -1;
    s->busy = false;
}

static void transmit(struct slot *s)
{
    ssize_t n = send(s->fd, request, request_len, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
        watch_slot(s, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        return;
    }
    if (n < 0) {
        errors++;
        drop(s);
        return;
    }
    s->sent = true;
}

static void ask(struct slot *s, uint64_t began)
{
    *s = (struct slot){ .fd = s->fd, .began = began, .busy = true };
    if (s->fd < 0) {
        if ((s->fd = dial(&to)) < 0) {
            errors++;
            s->busy = false;
            return;
        }
        watch_slot(s, EPOLL_CTL_ADD, EPOLLIN);
    }
    transmit(s);
}

static void answered(struct slot *s)
{
    uint64_t took = (now_ns() - s->began) / 100;
    if (answers < SAMPLES_MAX)
        samples[answers] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    answers++;
    wrong += s->got < 12 || memcmp(s->in + 9, "200", 3) != 0;
    s->busy = false;
    if (once)
        drop(s);
}

/* A connection of its own is answered when the peer has closed it; else when head and body are here. */
static bool is_whole(const struct slot *s, ssize_t n)
{
    if (once)
        return n == 0;
    const char *end = memmem(s->in, s->got, "\r\n\r\n", 4), *length = end ? strcasestr(s->in, "content-length: ") : NULL;
    return length && s->got >= (size_t)(end + 4 - s->in) + strtoul(length + 16, NULL, 10);
}

static void receive(struct slot *s)
{
    for (;;) {
        ssize_t n = recv(s->fd, s->in + s->got, sizeof s->in - 1 - s->got, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        s->got += n > 0 ? (size_t)n : 0;
        s->in[s->got] = '\0';
        if (is_whole(s, n)) {
            answered(s);
            return;
        }
        if (n <= 0) {
            errors++;
            drop(s);
            return;
        }
    }
}

static void on_ready(struct slot *s, uint32_t events)
{
    if (!s->busy && s->fd >= 0) {
        drop(s);      /* closed by the server between two requests */
        return;
    }
    if (events & EPOLLOUT && !s->sent) {
        watch_slot(s, EPOLL_CTL_MOD, EPOLLIN);
        transmit(s);
    }
    if (s->busy && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(s);
}

static struct slot *free_slot(void)
{
    static unsigned next;
    for (unsigned i = 0; i < slot_count; i++) {
        struct slot *s = &slots[next++ % slot_count];
        if (!s->busy)
            return s;
    }
    return NULL;
}

static void run(uint64_t end, double rate)
{
    struct epoll_event events[256];
    uint64_t started = now_ns(), begun = 0;
    for (uint64_t now = started; now < end; now = now_ns()) {
        uint64_t due = rate > 0 ? started + (uint64_t)((double)begun * 1e9 / rate) : now;
        struct slot *s = NULL;
        while (due <= now && (s = free_slot())) {
            ask(s, rate > 0 && now - due > 1000000 ? due : now_ns());
            begun++;
            due = rate > 0 ? started + (uint64_t)((double)begun * 1e9 / rate) : now;
        }
        bool full = due <= now;
        struct timespec left = { .tv_sec = 0, .tv_nsec = full ? 10000000 : (long)(due - now) };
        int n = epoll_pwait2(epoll, events, 256, &left, NULL);
        for (int i = 0; i < n; i++)
            on_ready(events[i].data.ptr, events[i].events);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double share(double part)
{
    unsigned n = answers < SAMPLES_MAX ? answers : SAMPLES_MAX;
    return n ? samples[(unsigned)((n - 1) * part)] / 10.0 : 0;
}

/* With a rate we sleep between, and must not wait for the targets of probes that share our core: a short slice gets in at once. */
static void go_before_targets(void)
{
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t slice, deadline, period; } a = {
        .size = sizeof a, .nice = getpriority(PRIO_PROCESS, 0), .slice = 100000,
    };
    if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
        perror("load: its slice stays as it is");
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    if (atof(argv[7]) > 0)
        go_before_targets();
    once = !strcmp(argv[1], "once");
    to = address(argv[2], argv[3]);
    slot_count = (unsigned)atoi(argv[5]) > SLOTS_MAX ? SLOTS_MAX : (unsigned)atoi(argv[5]);
    request_len = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: kube-probe/1.29\r\nAccept: */*\r\n%s\r\n",
                                   argv[4], argv[2], argv[3], once ? "Connection: close\r\n" : "");
    for (unsigned i = 0; i < slot_count; i++)
        slots[i].fd = -1;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t started = now_ns();
    run(started + (uint64_t)(atof(argv[6]) * 1e9), atof(argv[7]));
    double took = (double)(now_ns() - started) / 1e9;
    qsort(samples, answers < SAMPLES_MAX ? answers : SAMPLES_MAX, sizeof *samples, by_size);
    printf("{\"answers\": %u, \"errors\": %u, \"wrong\": %u, \"seconds\": %.3f, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}\n", answers,
           errors, wrong, took, share(.5), share(.99), share(1));
}
