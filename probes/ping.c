/* ping: ICMP echo by an unprivileged datagram socket where the kernel lets us, else by a raw one. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "builtin.h"
#include "net.h"

enum { COUNT_MAX = 20, DATAGRAMS_PER_TURN = 32, PACKET_MAX = 512 };
enum { RTT, RTT_MIN, RTT_MAX, LOSS };

struct ping_conf {
    const char *host;
    uint8_t ip;
    int64_t count;
    uint64_t gap;
    struct vital_threshold loss_warn_above, loss_fail_above, warn_above, fail_above;
};

struct echo {
    uint8_t type, code;
    uint16_t sum, id, seq;
    uint64_t cookie;                  /* ours alone: raw sockets see everybody's replies */
} __attribute__((packed));

struct ping_priv {
    char address[64];
    bool open, raw, v6;
    int fd;
    uint16_t id, first_seq;
    uint64_t cookie;
    unsigned sent, received, refused; /* refused: the network said that it cannot get there */
    uint64_t sent_at[COUNT_MAX];
    uint32_t seen;                    /* bit n: the n-th was answered; a second answer does not count */
    uint64_t sum, shortest, longest;
    int error;                        /* what the network said instead of an answer */
    bool loss_warns, loss_fails, warns, fails;
};

enum { IP_ANY, IP_V4, IP_V6 };
static const char *const ip_words[] = { "any", "v4", "v6", NULL };

static void drop(struct ping_priv *t)
{
    if (t->open)
        close(t->fd);
    t->open = false;
}

/* ---- the end ---------------------------------------------------------------------------------------------- */

static double loss_of(const struct ping_priv *t)
{
    return 1.0 - (double)t->received / (double)t->sent;
}

/* A threshold is a percentage or a ratio, as it was written. */
static bool lost_too_many(const struct vital_threshold *limit, double loss, bool *was)
{
    return vital_above(limit, limit->percent ? loss * 100 : loss, was);
}

static void report(struct vital_probe *p)
{
    const struct ping_priv *t = p->priv;
    if (t->received) {
        vital_number(p, RTT, net_seconds(t->sum / t->received));
        vital_number(p, RTT_MIN, net_seconds(t->shortest));
        vital_number(p, RTT_MAX, net_seconds(t->longest));
    }
    vital_number(p, LOSS, loss_of(t));
}

static void nobody_answered(struct vital_probe *p)
{
    const struct ping_priv *t = p->priv;
    if (t->error == EPERM || t->error == EACCES)
        vital_finish(p, VITAL_FAIL, VITAL_R_PERMISSION, "pings to %s may not leave this host (a firewall?): %s", t->address, strerror(t->error));
    else if (t->error)
        vital_finish(p, VITAL_FAIL, VITAL_R_UNREACHABLE, "%s: %s", t->address, strerror(t->error));
    else
        vital_finish(p, VITAL_FAIL, VITAL_R_TIMEOUT, "no answer from %s to %u pings", t->address, t->sent);
}

static void judge(struct vital_probe *p)
{
    const struct ping_conf *c = p->conf;
    struct ping_priv *t = p->priv;
    drop(t);
    report(p);
    if (!t->received) {
        nobody_answered(p);
        return;
    }
    char text[200];
    double loss = loss_of(t), mean = (double)t->sum / t->received;
    bool loss_fails = lost_too_many(&c->loss_fail_above, loss, &t->loss_fails), loss_warns = lost_too_many(&c->loss_warn_above, loss, &t->loss_warns);
    bool fails = vital_above(&c->fail_above, mean, &t->fails), warns = vital_above(&c->warn_above, mean, &t->warns);
    snprintf(text, sizeof text, "%u of %u answers from %s, %.3f ms", t->received, t->sent, t->address, mean / 1e3);
    if (loss_fails || loss_warns)
        vital_finish(p, loss_fails || fails ? VITAL_FAIL : VITAL_WARN, VITAL_R_THRESHOLD, "%s: %.0f%% are lost", text, loss * 100);
    else if (fails || warns)
        vital_finish(p, fails ? VITAL_FAIL : VITAL_WARN, VITAL_R_SLOW, "%s on average", text);
    else
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s", text);
}

/* ---- packets ---------------------------------------------------------------------------------------------- */

static uint16_t checksum(const struct echo *e)
{
    uint16_t words[sizeof *e / sizeof(uint16_t)];
    uint32_t sum = 0;
    memcpy(words, e, sizeof words);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        sum += words[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum; /* it is the same sum in either order of bytes */
}

static bool send_one(struct ping_priv *t, uint64_t now)
{
    struct echo e = {
        .type = t->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, .id = htons(t->id),
        .seq = htons((uint16_t)(t->first_seq + t->sent)), .cookie = t->cookie,
    };
    e.sum = t->v6 ? 0 : checksum(&e); /* the kernel does it for ICMPv6 */
    t->sent_at[t->sent++] = now;
    if (send(t->fd, &e, sizeof e, MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == ENOBUFS)
        return true;
    t->error = errno;
    return false;
}

static void take_reply(struct ping_priv *t, uint64_t now, const uint8_t *bytes, size_t len)
{
    struct echo e;
    size_t skip = t->raw && !t->v6 && len ? (size_t)(bytes[0] & 15) * 4 : 0; /* raw IPv4 sockets see the IP header, too */
    if (len < skip + sizeof e)
        return;
    memcpy(&e, bytes + skip, sizeof e);
    unsigned n = (uint16_t)(ntohs(e.seq) - t->first_seq);
    bool ours = e.type == (t->v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && e.cookie == t->cookie && n < t->sent;
    if (!ours || t->seen >> n & 1)
        return;
    uint64_t took = now - t->sent_at[n];
    t->seen |= UINT32_C(1) << n;
    t->shortest = !t->received || took < t->shortest ? took : t->shortest;
    t->longest = took > t->longest ? took : t->longest;
    t->sum += took;
    t->received++;
}

static void readable(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)what, (void)arg;
    const struct ping_conf *c = p->conf;
    struct ping_priv *t = p->priv;
    uint8_t bytes[PACKET_MAX];
    for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n >= 0)
            take_reply(t, vital_now(p), bytes, (size_t)n);
        else if (errno == EAGAIN || errno == EINTR)
            break;
        else {
            t->error = errno;
            t->refused++;
        }
    }
    if (t->received + t->refused >= (unsigned)c->count)
        judge(p);
    else
        p->host->watch(p, fd, VITAL_READ, readable, NULL);
}

/* ---- the course ------------------------------------------------------------------------------------------- */

static void out_of_patience(struct vital_probe *p, void *arg)
{
    (void)arg;
    judge(p);
}

/* What is lost must be told before the deadline, with its numbers, so the last one is given up shortly before. */
static void send_next(struct vital_probe *p, void *arg)
{
    (void)arg;
    const struct ping_conf *c = p->conf;
    struct ping_priv *t = p->priv;
    uint64_t left = vital_left(p);
    if (!send_one(t, vital_now(p)) && t->sent == 1) {
        judge(p);
        return;
    }
    if (t->sent < (unsigned)c->count && left > 2 * c->gap)
        p->host->timer(p, c->gap, send_next, NULL);
    else
        p->host->timer(p, left - left / 16, out_of_patience, NULL);
}

static void not_available(struct vital_probe *p, const char *family, int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS)
        vital_finish(p, VITAL_INTERNAL, VITAL_R_NO_FDS, "no socket for pings: %s", strerror(error));
    else if (error == EAFNOSUPPORT || error == EPROTONOSUPPORT)
        vital_finish(p, VITAL_FAIL, VITAL_R_NOT_AVAILABLE, "this host has no %s", family);
    else
        vital_finish(p, VITAL_FAIL, VITAL_R_NOT_AVAILABLE, "this process may not send pings (%s): let the sysctl net.ipv4.ping_group_range include its "
                     "group, or give it CAP_NET_RAW", strerror(error));
}

/* The error, or 0 with t->fd open. */
static int open_socket(struct ping_priv *t)
{
    int family = t->v6 ? AF_INET6 : AF_INET, protocol = t->v6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), first = errno;
    t->raw = fd < 0 && (first == EACCES || first == EPERM);
    if (t->raw)
        fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return first;
    if (t->raw && !t->v6) {
        struct icmp_filter only = { .data = ~(UINT32_C(1) << ICMP_ECHOREPLY) };
        setsockopt(fd, SOL_RAW, ICMP_FILTER, &only, sizeof only);
    } else if (t->raw) {
        struct icmp6_filter only;
        ICMP6_FILTER_SETBLOCKALL(&only);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only);
        setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only, sizeof only);
    }
    t->fd = fd;
    t->open = true;
    return 0;
}

static void ping(struct vital_probe *p, const char *address)
{
    struct ping_priv *t = p->priv;
    struct sockaddr_storage to;
    socklen_t len;
    snprintf(t->address, sizeof t->address, "%s", address);
    if (!net_sockaddr(address, 0, &to, &len)) {
        vital_finish(p, VITAL_FAIL, VITAL_R_DNS, "%s is no address", t->address);
        return;
    }
    t->v6 = to.ss_family == AF_INET6;
    int error = open_socket(t);
    if (error) {
        not_available(p, t->v6 ? "IPv6" : "IPv4", error);
        return;
    }
    if (connect(t->fd, (const struct sockaddr *)&to, len) < 0) {
        error = errno;
        drop(t);
        vital_finish(p, VITAL_FAIL, VITAL_R_UNREACHABLE, "%s: %s", t->address, strerror(error));
        return;
    }
    p->host->watch(p, t->fd, VITAL_READ, readable, NULL);
    send_next(p, NULL);
}

static bool is_wanted(const struct ping_conf *c, const char *address)
{
    bool v6 = strchr(address, ':');
    return c->ip == IP_ANY || v6 == (c->ip == IP_V6);
}

static void resolved(struct vital_probe *p, const char *const *addresses, unsigned count, bool stale, const char *error, void *arg)
{
    (void)stale, (void)arg;
    const struct ping_conf *c = p->conf;
    for (unsigned i = 0; i < count; i++)
        if (is_wanted(c, addresses[i])) {
            ping(p, addresses[i]);
            return;
        }
    if (count)
        vital_finish(p, VITAL_FAIL, VITAL_R_DNS, "%s has no IP%s address", c->host, ip_words[c->ip]);
    else
        vital_finish(p, VITAL_FAIL, VITAL_R_DNS, "%s cannot be resolved: %s", c->host, error ? error : "no addresses");
}

static void ping_start(struct vital_probe *p)
{
    const struct ping_conf *c = p->conf;
    struct ping_priv *t = p->priv;
    struct sockaddr_storage numeric;
    socklen_t len;
    t->sent = t->received = t->refused = 0;
    t->seen = 0;
    t->sum = t->shortest = t->longest = 0;
    t->error = 0;
    struct { uint64_t cookie; uint16_t id, seq; } random;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) == (ssize_t)sizeof random) {
        t->cookie = random.cookie;
        t->id = random.id;
        t->first_seq = random.seq;
    } else {
        t->cookie++; /* too early after boot for random numbers; different from the last attempt's is enough */
    }
    if (net_sockaddr(c->host, 0, &numeric, &len))
        ping(p, c->host);
    else
        p->host->resolve(p, c->host, resolved, NULL);
}

static void ping_end(struct vital_probe *p)
{
    drop(p->priv);
}

static bool ping_prepare(void *conf, struct vital_diag *d)
{
    const struct ping_conf *c = conf;
    struct sockaddr_storage numeric;
    socklen_t len;
    if (!*c->host || strpbrk(c->host, "/ []")) {
        d->error(d, "host", "a name or an address is expected, without port, brackets or path");
        return false;
    }
    if (net_sockaddr(c->host, 0, &numeric, &len) && !is_wanted(c, c->host)) {
        d->error(d, "ip", "%s is of the other family", c->host);
        return false;
    }
    return true;
}

static const struct vital_opt ping_opts[] = {
    VITAL_OPT(struct ping_conf, host, STRING, .flags = VITAL_REQUIRED | VITAL_BARE | VITAL_TARGET, .help = "name or address; the first address of the family is used"),
    VITAL_OPT(struct ping_conf, ip, WORD, .words = ip_words, .def = "any", .help = "family of the address"),
    VITAL_OPT(struct ping_conf, count, INT, .min = 1, .max = COUNT_MAX, .def = "3", .help = "pings in one attempt; fewer when the timeout is near"),
    VITAL_OPT(struct ping_conf, gap, DURATION, .min = 1000, .max = 10000000, .def = "100ms", .help = "time between two of them"),
    VITAL_OPT(struct ping_conf, loss_warn_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "warn when more than this is lost: 0%, 0.3; without an answer the probe always fails"),
    VITAL_OPT(struct ping_conf, loss_fail_above, THRESHOLD, .flags = VITAL_PERCENT, .help = "fail when more than this is lost"),
    VITAL_OPT(struct ping_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the mean round trip takes longer than this"),
    VITAL_OPT(struct ping_conf, fail_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "fail when the mean round trip takes longer than this"),
    VITAL_OPT_END,
};

static const struct vital_number ping_numbers[] = {
    [RTT] = { "rtt_seconds", "seconds", "mean round trip time", false, NULL },
    [RTT_MIN] = { "rtt_min_seconds", "seconds", "shortest round trip time", false, NULL },
    [RTT_MAX] = { "rtt_max_seconds", "seconds", "longest round trip time", false, NULL },
    [LOSS] = { "loss_ratio", "ratio", "part of the pings without an answer", false, NULL },
    { 0 },
};

const struct vital_module ping_module = {
    VITAL_MODULE_HEAD,
    .name = "ping",
    .summary = "sends ICMP echo requests and counts the answers",
    .manual = "It needs no privilege where the sysctl net.ipv4.ping_group_range includes the daemon's group (for IPv6, too); else CAP_NET_RAW. With neither, the probe "
              "fails as `not_available` and says so. One answer among several is enough unless `loss_fail_above` asks for more; while some are missing "
              "the result waits until shortly before the timeout.",
    .opts = ping_opts,
    .numbers = ping_numbers,
    .conf_size = sizeof(struct ping_conf),
    .priv_size = sizeof(struct ping_priv),
    .outside = true,
    .prepare = ping_prepare,
    .start = ping_start,
    .cancel = ping_end,
    .release = ping_end,
};
