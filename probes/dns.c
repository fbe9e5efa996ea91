/* dns: asks name servers for a record and checks the answer. Own packets, for the system's resolver hides what we want
 * to know: which server said what, with which code and time to live. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/url.h"
#include "builtin.h"
#include "dns_message.h"
#include "net.h"

enum { SERVERS_MAX = 8, SYSTEM_MAX = 3, EXPECT_MAX = 32, TRIES = 2, DATAGRAMS_PER_TURN = 16, SEEN_MAX = 256, TCP_MAX = 65535 };

struct dns_server {
    struct sockaddr_storage address;
    socklen_t len;
    char host[80], port[6], text[96];
};

struct dns_conf {
    const char *name;
    uint8_t type;
    struct vital_list servers, expect;
    uint8_t need, rcode, transport;
    int64_t min_answers;
    struct vital_threshold warn_above;
    /* made by prepare() */
    struct dns_server ready[SERVERS_MAX];
    unsigned ready_count;
    char asked[DNS_WIRE_NAME_MAX + 1];
};

struct dns_priv {
    uint64_t began;
    struct dns_server system[SYSTEM_MAX];
    const struct dns_server *servers; /* the configured ones, or the system's */
    unsigned count, server, tries;
    bool open;                        /* fd is one */
    int fd;
    struct vital_io *watch, *timer, *stream;
    uint8_t query[DNS_QUERY_MAX];
    size_t query_len;
    struct buf reply;                 /* over TCP */
    bool slow;
};

static const unsigned rcodes[] = { 0, 3, 2, 5 };
static const char *const rcode_words[] = { "noerror", "nxdomain", "servfail", "refused", NULL };
static const char *const need_words[] = { "all", "any", NULL };
static const char *const transport_words[] = { "udp", "tcp", NULL };
enum { TRANSPORT_UDP, TRANSPORT_TCP };
enum { NEED_ALL, NEED_ANY };
enum { DNS_SECONDS, DNS_ANSWERS, DNS_TTL };

static void ask(struct vital_probe *p);
static void ask_by_tcp(struct vital_probe *p);

/* ---- ends ------------------------------------------------------------------------------------------------- */

/* The descriptor is ours; the handles are the engine's, and closed when the attempt is over. */
static void drop(struct dns_priv *t)
{
    if (t->open)
        close(t->fd);
    t->open = false;
    buf_free(&t->reply);
}

/* Lets go of the server that was asked, to ask another one or to finish. */
static void leave_server(struct vital_probe *p)
{
    struct dns_priv *t = p->priv;
    p->host->close(t->watch);
    p->host->close(t->timer);
    p->host->close(t->stream);
    t->watch = t->timer = t->stream = NULL;
    drop(t);
}

__attribute__((format(printf, 4, 5))) static void end(struct vital_probe *p, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[NET_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    leave_server(p);
    vital_finish(p, class, reason, "%s", text);
}

static const struct dns_server *current(const struct dns_priv *t)
{
    return &t->servers[t->server];
}

/* This server is of no use: the next one, or the end with what was found out about this last one. */
__attribute__((format(printf, 3, 4))) static void give_up(struct vital_probe *p, enum vital_reason reason, const char *fmt, ...)
{
    struct dns_priv *t = p->priv;
    char text[NET_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (t->server + 1 >= t->count) {
        enum vital_class class = reason == VITAL_R_NO_FDS ? VITAL_INTERNAL : VITAL_FAIL;
        end(p, class, reason, "%s", text);
        return;
    }
    leave_server(p);
    t->server++;
    t->tries = 0;
    ask(p);
}

/* ---- the answer ------------------------------------------------------------------------------------------- */

struct findings {
    unsigned count;
    uint32_t ttl, found;              /* found: bit n is expect[n] */
    char seen[SEEN_MAX];              /* the values, for people */
};

/* False when the answer is malformed. */
static bool collect(const struct dns_conf *c, struct dns_answer *a, struct findings *f)
{
    struct dns_record r;
    const char *const *expect = c->expect.items;
    size_t out = 0;
    int more;
    f->seen[0] = '\0';
    while ((more = dns_answer_next(a, &r)) > 0) {
        if (r.type != dns_types[c->type].number)
            continue;
        f->ttl = !f->count || r.ttl < f->ttl ? r.ttl : f->ttl;
        f->count++;
        for (uint32_t i = 0; i < c->expect.count; i++)
            if (dns_same(r.type, expect[i], r.value))
                f->found |= UINT32_C(1) << i;
        if (out + 32 < sizeof f->seen)
            out += (size_t)snprintf(f->seen + out, sizeof f->seen - out, "%s%.*s", out ? ", " : "", (int)(sizeof f->seen - out - 8), r.value);
    }
    return more == 0;
}

static void judge_values(struct vital_probe *p, const struct findings *f)
{
    const struct dns_conf *c = p->conf;
    struct dns_priv *t = p->priv;
    const char *const *expect = c->expect.items, *type = dns_types[c->type].name;
    uint32_t all = c->expect.count ? UINT32_MAX >> (32 - c->expect.count) : 0;
    uint64_t took = vital_now(p) - t->began;
    if (f->count < (uint64_t)c->min_answers) {
        end(p, VITAL_FAIL, VITAL_R_COUNT, "%s has %u %s records, at least %lld are expected%s%s", c->asked, f->count, type, (long long)c->min_answers,
            f->count ? ": " : "", f->seen);
        return;
    }
    if (c->need == NEED_ALL ? f->found != all : c->expect.count && !f->found) {
        unsigned missing = 0;
        while (f->found >> missing & 1)
            missing++;
        end(p, VITAL_FAIL, VITAL_R_MISMATCH, "%s is %s; %s%s", c->asked, *f->seen ? f->seen : "empty",
            c->need == NEED_ALL ? "expected is also " : "none of these is expected", c->need == NEED_ALL ? expect[missing] : "");
        return;
    }
    if (vital_above(&c->warn_above, (double)took, &t->slow)) {
        end(p, VITAL_WARN, VITAL_R_SLOW, "%s answered after %.3f s", current(t)->text, net_seconds(took));
        return;
    }
    end(p, VITAL_PASS, VITAL_R_OK, "%s is %s", c->asked, f->seen);
}

static void judge(struct vital_probe *p, struct dns_answer *a)
{
    const struct dns_conf *c = p->conf;
    struct dns_priv *t = p->priv;
    struct findings f = { 0 };
    if (a->rcode != rcodes[c->rcode]) {
        bool it_cannot = a->rcode != 0 && a->rcode != 3; /* another server may know better */
        if (it_cannot)
            give_up(p, VITAL_R_DNS, "%s says %s for %s", current(t)->text, dns_rcode_text(a->rcode), c->asked);
        else
            end(p, VITAL_FAIL, c->rcode ? VITAL_R_MISMATCH : VITAL_R_DNS, "%s says %s for %s, expected %s", current(t)->text, dns_rcode_text(a->rcode),
                c->asked, dns_rcode_text(rcodes[c->rcode]));
        return;
    }
    if (!collect(c, a, &f)) {
        give_up(p, VITAL_R_BAD_REPLY, "%s sends a malformed answer", current(t)->text);
        return;
    }
    vital_number(p, DNS_SECONDS, net_seconds(vital_now(p) - t->began));
    vital_number(p, DNS_ANSWERS, f.count);
    if (f.count)
        vital_number(p, DNS_TTL, f.ttl);
    if (c->rcode)
        end(p, VITAL_PASS, VITAL_R_OK, "%s says %s for %s, as expected", current(t)->text, dns_rcode_text(a->rcode), c->asked);
    else
        judge_values(p, &f);
}

/* ---- UDP -------------------------------------------------------------------------------------------------- */

static void no_answer(struct vital_probe *p, void *arg);
static void readable(struct vital_probe *p, int fd, unsigned what, void *arg);

static void wait_for_answer(struct vital_probe *p)
{
    struct dns_priv *t = p->priv;
    t->watch = p->host->watch(p, t->fd, VITAL_READ, readable, NULL);
}

static void send_query(struct vital_probe *p)
{
    struct dns_priv *t = p->priv;
    t->tries++;
    /* a full socket buffer is a lost packet like any other */
    if (send(t->fd, t->query, t->query_len, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != ENOBUFS) {
        give_up(p, errno == ECONNREFUSED ? VITAL_R_REFUSED : VITAL_R_UNREACHABLE, "%s cannot be asked: %s", current(t)->text, strerror(errno));
        return;
    }
    if (!t->watch)
        wait_for_answer(p);
    t->timer = p->host->timer(p, vital_left(p) / 3, no_answer, NULL);
}

/* Silent for a third of what was left: ask again, then another server. After the last one the deadline decides. */
static void no_answer(struct vital_probe *p, void *arg)
{
    (void)arg;
    struct dns_priv *t = p->priv;
    t->timer = NULL;
    if (t->tries < TRIES)
        send_query(p);
    else if (t->server + 1 < t->count)
        give_up(p, VITAL_R_TIMEOUT, "%s does not answer", current(t)->text);
}

/* True when the datagram was ours and the attempt went on or ended by it. */
static bool datagram(struct vital_probe *p, const uint8_t *bytes, size_t len)
{
    struct dns_priv *t = p->priv;
    struct dns_answer a;
    if (dns_answer_open(bytes, len, t->query, t->query_len, &a))
        return false; /* somebody else's, or a forgery: the real one may still come */
    if (a.truncated)
        ask_by_tcp(p);
    else
        judge(p, &a);
    return true;
}

static void readable(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)what, (void)arg;
    struct dns_priv *t = p->priv;
    uint8_t bytes[DNS_UDP_MAX];
    t->watch = NULL;
    for (unsigned i = 0; i < DATAGRAMS_PER_TURN; i++) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n >= 0 && datagram(p, bytes, (size_t)n))
            return;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            give_up(p, errno == ECONNREFUSED ? VITAL_R_REFUSED : VITAL_R_UNREACHABLE, "%s: %s", current(t)->text, strerror(errno));
            return;
        }
    }
    wait_for_answer(p);
}

static void ask_by_udp(struct vital_probe *p)
{
    struct dns_priv *t = p->priv;
    const struct dns_server *s = current(t);
    int fd = socket(s->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        give_up(p, errno == EAFNOSUPPORT ? VITAL_R_UNREACHABLE : VITAL_R_NO_FDS, "no socket for %s: %s", s->text, strerror(errno));
        return;
    }
    t->fd = fd;
    t->open = true;
    /* connected: the kernel then drops what comes from elsewhere, tells of refusals, and chooses a random port */
    if (connect(fd, (const struct sockaddr *)&s->address, s->len) < 0) {
        give_up(p, VITAL_R_UNREACHABLE, "%s: %s", s->text, strerror(errno));
        return;
    }
    send_query(p);
}

/* ---- TCP -------------------------------------------------------------------------------------------------- */

static void tcp_open(struct vital_probe *p, struct vital_io *io, void *arg)
{
    (void)arg;
    struct dns_priv *t = p->priv;
    uint8_t message[2 + DNS_QUERY_MAX] = { (uint8_t)(t->query_len >> 8), (uint8_t)t->query_len };
    memcpy(message + 2, t->query, t->query_len);
    p->host->write(io, message, 2 + t->query_len); /* in one piece, for there are servers that read no further (RFC 7766, 8) */
}

static void tcp_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    (void)io, (void)arg;
    struct dns_priv *t = p->priv;
    buf_add(&t->reply, bytes, len);
    const uint8_t *have = (const uint8_t *)t->reply.data;
    if (t->reply.len < 2 || t->reply.len < 2 + ((size_t)have[0] << 8 | have[1]))
        return;
    struct dns_answer a;
    struct buf reply = t->reply; /* the answer points into it until it is judged */
    t->reply = (struct buf){ 0 };
    const char *wrong = dns_answer_open(have + 2, (size_t)have[0] << 8 | have[1], t->query, t->query_len, &a);
    if (wrong)
        give_up(p, VITAL_R_BAD_REPLY, "%s answers over TCP with %s", current(t)->text, wrong);
    else
        judge(p, &a);
    buf_free(&reply);
}

static void tcp_closed(struct vital_probe *p, struct vital_io *io, void *arg, enum vital_reason reason, const char *text)
{
    (void)io, (void)arg;
    struct dns_priv *t = p->priv;
    t->stream = NULL;
    if (reason == VITAL_R_OK || reason == VITAL_R_CLOSED)
        give_up(p, VITAL_R_CLOSED, "%s closed the connection before the whole answer had come", current(t)->text);
    else
        give_up(p, reason, "%s over TCP: %s", current(t)->text, text ? text : "no connection");
}

static void ask_by_tcp(struct vital_probe *p)
{
    static const struct vital_stream_ops ops = { tcp_open, tcp_data, tcp_closed };
    struct dns_priv *t = p->priv;
    const struct vital_dial dial = { .host = current(t)->host, .port = current(t)->port };
    leave_server(p);
    t->reply = BUF(TCP_MAX + 2);
    t->stream = p->host->dial(p, &dial, &ops, NULL);
}

static void ask(struct vital_probe *p)
{
    const struct dns_conf *c = p->conf;
    if (c->transport == TRANSPORT_TCP)
        ask_by_tcp(p);
    else
        ask_by_udp(p);
}

/* ---- servers ---------------------------------------------------------------------------------------------- */

static bool make_server(const char *text, struct dns_server *s)
{
    struct url u = { 0 };
    int family;
    bool bare = url_is_numeric(text, &family); /* IPv6 without brackets, too */
    if (!bare && url_parse_address(text, strlen(text), false, &u))
        return false;
    int n = snprintf(s->host, sizeof s->host, "%s", bare ? text : u.host);
    snprintf(s->port, sizeof s->port, "%s", u.port[0] ? u.port : "53");
    if (n >= (int)sizeof s->host || !net_sockaddr(s->host, (uint16_t)strtoul(s->port, NULL, 10), &s->address, &s->len))
        return false;
    snprintf(s->text, sizeof s->text, strchr(s->host, ':') ? "[%s]:%s" : "%s:%s", s->host, s->port);
    return true;
}

/* resolv.conf(5): the first three `nameserver` lines; none at all means this host. */
static unsigned read_resolv_conf(const char *text, size_t len, struct dns_server *out)
{
    unsigned count = 0;
    for (const char *at = text, *stop = text + len; at < stop && count < SYSTEM_MAX;) {
        const char *newline = memchr(at, '\n', (size_t)(stop - at)), *after = newline ? newline : stop;
        char line[128], address[96];
        snprintf(line, sizeof line, "%.*s", (int)(after - at < 127 ? after - at : 127), at);
        if (sscanf(line, "nameserver %95s", address) == 1 && make_server(address, &out[count]))
            count++;
        at = after + 1;
    }
    if (!count)
        count += make_server("127.0.0.1", &out[0]);
    return count;
}

static void resolv_conf_read(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    struct dns_priv *t = p->priv;
    if (f->hung || (f->error && f->error != ENOENT)) {
        end(p, VITAL_FAIL, f->hung ? VITAL_R_HUNG : VITAL_R_IO_ERROR, "/etc/resolv.conf cannot be read: %s", strerror(f->error));
        return;
    }
    t->count = read_resolv_conf(f->error ? "" : f->data, f->error ? 0 : f->len, t->system);
    t->servers = t->system;
    ask(p);
}

/* ---- the module ------------------------------------------------------------------------------------------- */

static void dns_start(struct vital_probe *p)
{
    const struct dns_conf *c = p->conf;
    struct dns_priv *t = p->priv;
    uint16_t id;
    if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
        id = (uint16_t)vital_now(p);
    t->began = vital_now(p);
    t->server = t->tries = 0;
    t->watch = t->timer = t->stream = NULL;
    t->query_len = dns_query(t->query, id, c->asked, dns_types[c->type].number);
    t->count = c->ready_count;
    t->servers = c->ready;
    if (t->count)
        ask(p);
    else
        p->host->file(p, VITAL_READFILE, "/etc/resolv.conf", resolv_conf_read, NULL);
}

static void dns_end(struct vital_probe *p)
{
    drop(p->priv);
}

static bool prepare_name(struct dns_conf *c, struct vital_diag *d)
{
    uint8_t scratch[DNS_QUERY_MAX];
    char reverse[80];
    const char *name = c->name;
    if (!strcmp(dns_types[c->type].name, "PTR") && dns_reverse_name(c->name, reverse, sizeof reverse))
        name = reverse;
    int n = snprintf(c->asked, sizeof c->asked, "%s", name);
    if (!dns_query(scratch, 0, name, dns_types[c->type].number) || n >= (int)sizeof c->asked) {
        d->error(d, "name", "%s is no domain name: labels have 1 to 63 bytes, the whole at most 253", c->name);
        return false;
    }
    return true;
}

static bool dns_prepare(void *conf, struct vital_diag *d)
{
    struct dns_conf *c = conf;
    const char *const *servers = c->servers.items;
    for (uint32_t i = 0; i < c->servers.count && i < SERVERS_MAX; i++) {
        if (!make_server(servers[i], &c->ready[i])) {
            d->error(d, "servers", "%s: a name server is given by its address: 10.0.0.1, 10.0.0.1:5353, 2001:db8::1 or [2001:db8::1]:53", servers[i]);
            return false;
        }
        c->ready_count = i + 1;
    }
    if (c->rcode && c->expect.count) {
        d->error(d, "expect", "there are no values in an answer that says %s", rcode_words[c->rcode]);
        return false;
    }
    return prepare_name(c, d);
}

static const struct vital_opt dns_opts[] = {
    VITAL_OPT(struct dns_conf, name, STRING, .flags = VITAL_REQUIRED | VITAL_BARE | VITAL_TARGET,
              .help = "name to ask for, as it is: search domains are not tried; for PTR also an address"),
    VITAL_OPT(struct dns_conf, type, WORD, .flags = VITAL_TARGET, .words = dns_type_words, .def = "A", .help = "kind of record"),
    VITAL_OPT(struct dns_conf, servers, STRINGS, .flags = VITAL_TARGET, .max = SERVERS_MAX,
              .help = "addresses of name servers, asked in this order; default: those of /etc/resolv.conf, read anew each time"),
    VITAL_OPT(struct dns_conf, expect, STRINGS, .max = EXPECT_MAX, .help = "values that must be in the answer: 10.0.0.7, \"10 mail.example\""),
    VITAL_OPT(struct dns_conf, need, WORD, .words = need_words, .def = "all", .help = "whether all values of `expect` must be there, or any of them"),
    VITAL_OPT(struct dns_conf, min_answers, INT, .min = 0, .max = 1000, .def = "1", .help = "records of the type that must be there at least"),
    VITAL_OPT(struct dns_conf, rcode, WORD, .words = rcode_words, .def = "noerror", .help = "result code that is expected"),
    VITAL_OPT(struct dns_conf, transport, WORD, .words = transport_words, .def = "udp", .help = "udp goes on over TCP when the answer is truncated"),
    VITAL_OPT(struct dns_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the answer takes longer than this"),
    VITAL_OPT_END,
};

static const struct vital_number dns_numbers[] = {
    [DNS_SECONDS] = { "query_seconds", "seconds", "time until the answer, retries included", false, NULL },
    [DNS_ANSWERS] = { "answers", "", "records of the type that the answer holds", false, NULL },
    [DNS_TTL] = { "ttl_seconds", "seconds", "shortest time to live of those records", false, NULL },
    { 0 },
};

const struct vital_module dns_module = {
    VITAL_MODULE_HEAD,
    .name = "dns",
    .summary = "asks name servers for a record and checks the answer",
    .manual = "Each server is asked twice at most, the second time when a third of the time left has gone by without an answer, then comes the next one. A server "
              "that is unreachable, or that answers SERVFAIL, REFUSED or NOTIMP, is passed over at once. NXDOMAIN is an answer: it decides.\n\n"
              "Only answers to our own question count: same id, same question, from the server that was asked. Values are written as in zone files, "
              "without the last dot: MX `10 mail.example`, SRV `0 5 389 ldap.example`, CAA `0 issue ca.example`; the parts of a TXT record are joined.",
    .opts = dns_opts,
    .numbers = dns_numbers,
    .conf_size = sizeof(struct dns_conf),
    .priv_size = sizeof(struct dns_priv),
    .outside = true,
    .prepare = dns_prepare,
    .start = dns_start,
    .cancel = dns_end,
    .release = dns_end,
};
