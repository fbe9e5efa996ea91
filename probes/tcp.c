/* tcp: does it accept a connection, and when asked for, does it finish TLS and say the right thing? */
#include <stdio.h>

#include "base/buf.h"
#include "builtin.h"
#include "net.h"
#include "starttls.h"

enum { EXPECT_CAP = 64 * 1024, SHOWN = 80 };

struct tcp_conf {
    const struct vital_url *address;
    const struct vital_tls *tls;
    uint8_t starttls;
    const char *send, *expect, *quit;
    const struct vital_regex *matches;
    uint64_t read_cap;
    struct vital_threshold warn_above;
    struct net_certificate certificate;
};

struct tcp_priv {
    struct vital_io *stream;
    uint64_t began;
    bool impatient;              /* the timer that speaks before the deadline is set */
    struct starttls starttls;
    struct buf got;
    struct net_memory memory;
};

static void drop(struct tcp_priv *t)
{
    buf_free(&t->got);
}

static bool expects(const struct tcp_conf *c)
{
    return c->expect || c->matches;
}

static void conclude(struct vital_probe *p, struct vital_io *io, const char *what)
{
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    const struct net_rules rules = { &c->warn_above, &c->certificate };
    struct net_verdict found = { VITAL_PASS, VITAL_R_OK, "" };
    char where[300];
    if (c->quit)
        p->host->write(io, c->quit, strlen(c->quit));
    snprintf(found.text, sizeof found.text, "%s %s", net_where(c->address, where, sizeof where), what);
    drop(t);
    net_conclude(p, io, t->began, &rules, &t->memory, &found);
}

static void fail(struct vital_probe *p, enum vital_reason reason, const char *text)
{
    struct tcp_priv *t = p->priv;
    net_report(p, t->stream, t->began);
    drop(t);
    vital_finish(p, VITAL_FAIL, reason, "%s", text);
}

static void mismatch(struct vital_probe *p, const char *why)
{
    struct tcp_priv *t = p->priv;
    const struct tcp_conf *c = p->conf;
    char where[300], shown[SHOWN * 4 + 16], text[NET_TEXT];
    net_excerpt(t->got.data ? t->got.data : "", t->got.len, SHOWN, shown, sizeof shown);
    snprintf(text, sizeof text, "%s said \"%s\"%s, not what is expected", net_where(c->address, where, sizeof where), shown, why);
    fail(p, VITAL_R_MISMATCH, text);
}

static bool satisfied(struct vital_probe *p)
{
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    return (!c->expect || memmem(t->got.data, t->got.len, c->expect, strlen(c->expect)))
        && (!c->matches || p->host->match(p, c->matches, t->got.data, t->got.len));
}

/* Something came and it was wrong: better said with its words than as a bare timeout. */
static void waited_long_enough(struct vital_probe *p, void *arg)
{
    (void)arg;
    mismatch(p, " and then nothing more");
}

static void judge(struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len)
{
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    buf_add(&t->got, bytes, len);
    if (satisfied(p)) {
        conclude(p, io, "answers as expected");
    } else if (t->got.len >= c->read_cap) {
        mismatch(p, " up to the cap");
    } else if (!t->impatient) {
        uint64_t left = vital_left(p);
        t->impatient = true;
        p->host->timer(p, left - left / 16, waited_long_enough, NULL);
    }
}

static void stream_open(struct vital_probe *p, struct vital_io *io, void *arg)
{
    (void)arg;
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    if (c->starttls && !t->starttls.tls) {
        starttls_open(&t->starttls, p, io);
        return;
    }
    if (c->send)
        p->host->write(io, c->send, strlen(c->send));
    if (!expects(c))
        conclude(p, io, c->tls ? "accepts connections and TLS" : "accepts connections");
}

static void before_tls(struct vital_probe *p, struct vital_io *io, const char *bytes, size_t len)
{
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    switch (starttls_feed(&t->starttls, p, io, bytes, len)) {
    case STARTTLS_MORE:
        return;
    case STARTTLS_FAILED:
        fail(p, t->starttls.reason, t->starttls.text);
        return;
    case STARTTLS_READY:
        t->starttls.tls = true;
        if (!p->host->starttls(io, c->tls, c->address->host, NULL))
            fail(p, VITAL_R_TLS, "the TLS handshake cannot be begun after STARTTLS");
    }
}

static void stream_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    (void)arg;
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    if (c->starttls && !t->starttls.tls)
        before_tls(p, io, bytes, len);
    else if (expects(c))
        judge(p, io, bytes, len);
}

static void stream_closed(struct vital_probe *p, struct vital_io *io, void *arg, enum vital_reason reason, const char *text)
{
    (void)arg;
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    char where[300];
    if (reason == VITAL_R_OK && t->got.len) {
        mismatch(p, " and closed");
        return;
    }
    net_report(p, io, t->began);
    drop(t);
    net_closed(p, reason, text, net_where(c->address, where, sizeof where),
               c->starttls && !t->starttls.tls ? "before TLS" : "before it said anything");
}

static void tcp_start(struct vital_probe *p)
{
    static const struct vital_stream_ops ops = { stream_open, stream_data, stream_closed };
    const struct tcp_conf *c = p->conf;
    struct tcp_priv *t = p->priv;
    struct vital_dial dial = {
        .host = c->address->host, .port = c->address->port, .unix_path = c->address->unix_path,
        .tls = c->starttls ? NULL : c->tls,
    };
    starttls_begin(&t->starttls, c->starttls);
    t->began = vital_now(p);
    t->impatient = false;
    t->got = BUF(c->read_cap);
    t->stream = p->host->dial(p, &dial, &ops, NULL);
}

static void tcp_end(struct vital_probe *p)
{
    drop(p->priv);
}

static bool tcp_prepare(void *conf, struct vital_diag *d)
{
    const struct tcp_conf *c = conf;
    if (!c->address->unix_path && !c->address->port) {
        d->error(d, "address", "a port is needed: %s:PORT", c->address->host);
        return false;
    }
    if (c->starttls && !c->tls) {
        d->error(d, "starttls", "it needs TLS settings too: add `tls: true`");
        return false;
    }
    if (c->tls && c->address->unix_path)
        d->warning(d, "tls", "over a unix socket there is no host name to verify: give tls: { name: ... }");
    if (c->send && !expects(c))
        d->warning(d, "send", "without `expect` or `matches` nobody looks at the answer");
    return true;
}

static const struct vital_opt tcp_opts[] = {
    VITAL_OPT(struct tcp_conf, address, ADDRESS, .flags = VITAL_REQUIRED | VITAL_BARE | VITAL_TARGET,
              .help = "host:port, [v6]:port or unix:/path; every address of a name is tried"),
    VITAL_OPT(struct tcp_conf, tls, TLS, .help = "speak TLS: true, or its settings"),
    VITAL_OPT(struct tcp_conf, starttls, WORD, .words = starttls_words, .def = "none",
              .help = "ask for TLS in this protocol's own words first; needs `tls`"),
    VITAL_OPT(struct tcp_conf, send, STRING, .help = "sent once connected; use double quotes for \\r\\n"),
    VITAL_OPT(struct tcp_conf, expect, STRING, .help = "text that must come within `read_cap` bytes"),
    VITAL_OPT(struct tcp_conf, matches, REGEX, .help = "regular expression that must match within `read_cap` bytes"),
    VITAL_OPT(struct tcp_conf, read_cap, SIZE, .min = 1, .max = EXPECT_CAP, .def = "4KiB", .help = "bytes of the answer that are looked at"),
    VITAL_OPT(struct tcp_conf, quit, STRING, .help = "sent before closing, for servers that log an impolite end; its answer is not awaited"),
    VITAL_OPT(struct tcp_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_BLOCK(struct tcp_conf, certificate, net_certificate_rows, .help = "days that the certificates must still be valid"),
    VITAL_OPT_END,
};

static const struct vital_number tcp_numbers[] = { NET_NUMBER_ROWS, { 0 } };

const struct vital_module tcp_module = {
    VITAL_MODULE_HEAD,
    .name = "tcp",
    .summary = "connects to a port or unix socket; TLS, STARTTLS, send and expect",
    .manual = "The attempt passes once the connection is accepted (and TLS is done, where asked for), unless `expect` or `matches` say what must "
              "come back: then it passes with the first bytes that fulfil both. An answer that does not fulfil them is a `mismatch`, with the "
              "beginning of what was said; no answer at all is a `timeout`.\n\n"
              "`starttls` speaks the plain dialogue of SMTP, IMAP, POP3, LDAP, PostgreSQL or MySQL up to its TLS handshake. Bytes that a server sends "
              "between its agreement and the handshake are refused. `send` and `expect` then run inside TLS.",
    .opts = tcp_opts,
    .numbers = tcp_numbers,
    .conf_size = sizeof(struct tcp_conf),
    .priv_size = sizeof(struct tcp_priv),
    .outside = true,
    .prepare = tcp_prepare,
    .start = tcp_start,
    .cancel = tcp_end,
    .release = tcp_end,
};
