/* tls: the handshake and the certificates' days left, of a server or of files. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "builtin.h"
#include "net.h"
#include "starttls.h"

enum { FILES_MAX = 32, SUBJECT_MAX = 256 };

struct tls_conf {
    const struct vital_url *address;
    struct vital_list files;
    const struct vital_tls *tls;
    uint8_t starttls;
    const char *alpn;
    struct net_certificate limits;
    struct vital_threshold warn_above;
};

struct tls_priv {
    struct vital_io *stream;
    uint64_t began;
    struct starttls starttls;
    struct net_memory memory;
    /* of the files */
    uint32_t next;
    bool any;
    double days;                     /* of the certificate that expires first */
    char first[NET_TEXT];            /* its text */
    char early[NET_TEXT];            /* of the first one that is not valid yet; "": all are */
};

/* ---- a server --------------------------------------------------------------------------------------------- */

static const char *where_of(const struct tls_conf *c, char *room, size_t size)
{
    struct vital_url u = *c->address;
    u.port = u.port ? u.port : "443";
    return net_where(&u, room, size);
}

static void fail(struct vital_probe *p, enum vital_reason reason, const char *text)
{
    struct tls_priv *t = p->priv;
    net_report(p, t->stream, t->began);
    vital_finish(p, VITAL_FAIL, reason, "%s", text);
}

static void conclude(struct vital_probe *p, struct vital_io *io)
{
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    const struct net_rules rules = { &c->warn_above, &c->limits };
    struct net_verdict found = { VITAL_PASS, VITAL_R_OK, "" };
    struct vital_stream_info info = { 0 };
    struct vital_cert certs[NET_CERTS];
    char about[NET_TEXT / 2], where[300];
    unsigned which = 0, count = p->host->certificates(io, certs, NET_CERTS);
    double days = 0;
    p->host->stream_info(io, &info);
    if (!net_first_to_expire(certs, count, (int64_t)(clock_wall() / USEC_S), &days, &which)) {
        snprintf(found.text, sizeof found.text, "%s shows no certificate", where_of(c, where, sizeof where));
        fail(p, VITAL_R_TLS, found.text);
        return;
    }
    if (c->alpn && (!info.alpn || strcmp(info.alpn, c->alpn) != 0)) {
        snprintf(found.text, sizeof found.text, "%s chooses the protocol %s, not %s", where_of(c, where, sizeof where),
                 info.alpn ? info.alpn : "(none)", c->alpn);
        fail(p, VITAL_R_MISMATCH, found.text);
        return;
    }
    net_certificate_text(&certs[which], which, days, about, sizeof about);
    snprintf(found.text, sizeof found.text, "%s, %s%s%s", info.tls_version ? info.tls_version : "TLS", about,
             certs[0].problem ? ", not verified: " : "", certs[0].problem ? certs[0].problem : "");
    net_conclude(p, io, t->began, &rules, &t->memory, &found);
}

static void stream_open(struct vital_probe *p, struct vital_io *io, void *arg)
{
    (void)arg;
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    if (c->starttls && !t->starttls.tls)
        starttls_open(&t->starttls, p, io);
    else
        conclude(p, io);
}

static void stream_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    (void)arg;
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    enum starttls_result result = starttls_feed(&t->starttls, p, io, bytes, len);
    if (result == STARTTLS_FAILED) {
        fail(p, t->starttls.reason, t->starttls.text);
    } else if (result == STARTTLS_READY) {
        t->starttls.tls = true;
        if (!p->host->starttls(io, c->tls, c->address->host, c->alpn))
            fail(p, VITAL_R_TLS, "the TLS handshake cannot be begun after STARTTLS");
    }
}

/* A refused certificate is still worth its days: "expired" alone does not say since when. */
static void stream_closed(struct vital_probe *p, struct vital_io *io, void *arg, enum vital_reason reason, const char *text)
{
    (void)arg;
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    struct vital_cert certs[NET_CERTS];
    char about[NET_TEXT / 2], where[300];
    unsigned which = 0, count = p->host->certificates(io, certs, NET_CERTS);
    double days = 0;
    bool known = net_first_to_expire(certs, count, (int64_t)(clock_wall() / USEC_S), &days, &which);
    bool refused = reason == VITAL_R_CERT_EXPIRED || reason == VITAL_R_CERT_NAME || reason == VITAL_R_CERT_UNTRUSTED;
    net_report(p, io, t->began);
    if (known && refused) {
        net_certificate_text(&certs[which], which, days, about, sizeof about);
        vital_finish(p, VITAL_FAIL, reason, "%s; %s", text ? text : "the certificate is refused", about);
        return;
    }
    net_closed(p, reason, text, where_of(c, where, sizeof where), "before TLS");
}

static void start_server(struct vital_probe *p)
{
    static const struct vital_stream_ops ops = { stream_open, stream_data, stream_closed };
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    const struct vital_dial dial = {
        .host = c->address->host, .port = c->address->port ? c->address->port : "443", .unix_path = c->address->unix_path,
        .tls = c->starttls ? NULL : c->tls, .alpn = c->starttls ? NULL : c->alpn,
    };
    starttls_begin(&t->starttls, c->starttls);
    t->stream = p->host->dial(p, &dial, &ops, NULL);
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static void next_file(struct vital_probe *p);

static void subject_text(X509 *x, char *room, size_t size)
{
    BIO *out = BIO_new(BIO_s_mem());
    int n = out && X509_NAME_print_ex(out, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0 ? BIO_read(out, room, (int)size - 1) : 0;
    room[n > 0 ? n : 0] = '\0';
    BIO_free(out);
}

/* Whoever serves it is refused until then, just as with one that has ended. */
static void note_early(struct tls_priv *t, const char *path, X509 *x, unsigned place)
{
    char subject[SUBJECT_MAX], span[CLOCK_TEXT];
    struct tm tm;
    int64_t now = (int64_t)(clock_wall() / USEC_S);
    if (*t->early || !ASN1_TIME_to_tm(X509_get0_notBefore(x), &tm) || timegm(&tm) <= now)
        return;
    subject_text(x, subject, sizeof subject);
    snprintf(t->early, sizeof t->early, "%.200s: %s of %.200s is not yet valid, only in %s", path, place ? "intermediate certificate" : "certificate",
             subject, clock_span((uint64_t)(timegm(&tm) - now) * USEC_S, span));
}

static void note_certificate(struct tls_priv *t, const char *path, X509 *x, unsigned place)
{
    note_early(t, path, x, place);
    char subject[SUBJECT_MAX], about[NET_TEXT];
    struct tm tm;
    if (!ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
        return;
    double days = (double)(timegm(&tm) - (time_t)(clock_wall() / USEC_S)) / 86400;
    if (t->any && days >= t->days)
        return;
    subject_text(x, subject, sizeof subject);
    struct vital_cert cert = { .subject = subject };
    net_certificate_text(&cert, place, days, about, sizeof about);
    snprintf(t->first, sizeof t->first, "%.200s: %.300s", path, about);
    t->days = days;
    t->any = true;
}

/* PEM with any number of certificates between other blocks, or one in DER. How many there were. */
static unsigned read_certificates(struct tls_priv *t, const char *path, const char *data, size_t len)
{
    unsigned count = 0;
    BIO *in = BIO_new_mem_buf(data, (int)len);
    X509 *x;
    while (in && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        note_certificate(t, path, x, count++);
        X509_free(x);
    }
    BIO_free(in);
    const unsigned char *der = (const unsigned char *)data;
    if (!count && (x = d2i_X509(NULL, &der, (long)len))) {
        note_certificate(t, path, x, count++);
        X509_free(x);
    }
    ERR_clear_error(); /* or the next handshake would be blamed for it */
    return count;
}

static void file_read(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    const char *path = arg;
    struct tls_priv *t = p->priv;
    if (f->hung)
        vital_finish(p, VITAL_FAIL, VITAL_R_HUNG, "reading %s hangs: its file system does not answer", path);
    else if (f->error)
        vital_finish(p, VITAL_FAIL, f->error == ENOENT ? VITAL_R_NOT_FOUND : f->error == EACCES ? VITAL_R_PERMISSION : VITAL_R_IO_ERROR,
                     "%s cannot be read: %s", path, strerror(f->error));
    else if (f->cut)
        vital_finish(p, VITAL_FAIL, VITAL_R_TOO_LARGE, "%s has more than 64 KiB: bundles of that size are not looked at", path);
    else if (!read_certificates(t, path, f->data, f->len))
        vital_finish(p, VITAL_FAIL, VITAL_R_BAD_REPLY, "%s holds no certificate (PEM or DER)", path);
    else
        next_file(p);
}

static void judge_files(struct vital_probe *p)
{
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    bool warn, fails;
    vital_number(p, NET_TOTAL, net_seconds(vital_now(p) - t->began));
    vital_number(p, NET_CERT_DAYS, t->days);
    net_judge_days(&c->limits, &t->memory, t->days, &warn, &fails);
    if (*t->early)
        vital_finish(p, VITAL_FAIL, VITAL_R_CERT_EXPIRED, "%s", t->early);
    else if (warn || fails)
        vital_finish(p, fails ? VITAL_FAIL : VITAL_WARN, t->days < 0 ? VITAL_R_CERT_EXPIRED : VITAL_R_CERT_EXPIRING, "%s", t->first);
    else
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s", t->first);
}

static void next_file(struct vital_probe *p)
{
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    if (t->next == c->files.count) {
        judge_files(p);
        return;
    }
    const char *path = ((const char *const *)c->files.items)[t->next++];
    p->host->file(p, VITAL_READFILE, path, file_read, (void *)(uintptr_t)path);
}

/* ---- the module ------------------------------------------------------------------------------------------- */

static void tls_start(struct vital_probe *p)
{
    const struct tls_conf *c = p->conf;
    struct tls_priv *t = p->priv;
    t->began = vital_now(p);
    t->next = 0;
    t->any = false;
    t->early[0] = '\0';
    if (c->address)
        start_server(p);
    else
        next_file(p);
}

static bool tls_prepare(void *conf, struct vital_diag *d)
{
    const struct tls_conf *c = conf;
    if (!c->address == !c->files.count) {
        d->error(d, c->address ? "files" : "address", "exactly one of `address` and `files` is needed");
        return false;
    }
    if (c->address && !c->tls) {
        d->error(d, "tls", "it cannot be false here: this probe is about TLS");
        return false;
    }
    if (c->limits.warn_below.set && c->limits.fail_below.set && c->limits.warn_below.enter < c->limits.fail_below.enter)
        d->warning(d, "warn_below", "it is less than `fail_below`, so it never warns");
    return true;
}

static const struct vital_opt tls_opts[] = {
    VITAL_OPT(struct tls_conf, address, ADDRESS, .flags = VITAL_BARE | VITAL_TARGET, .help = "host, host:port or unix:/path; the port is 443 unless given"),
    VITAL_OPT(struct tls_conf, files, STRINGS, .flags = VITAL_TARGET | VITAL_PATHNAME, .max = FILES_MAX,
              .help = "certificate files (PEM, chains too, or DER), instead of a server"),
    VITAL_OPT(struct tls_conf, tls, TLS, .def = "true", .help = "TLS settings: name, ca, min_version, verify, client certificate"),
    VITAL_OPT(struct tls_conf, starttls, WORD, .words = starttls_words, .def = "none", .help = "ask for TLS in this protocol's own words first"),
    VITAL_OPT(struct tls_conf, alpn, STRING, .help = "protocol that the server must choose, such as h2"),
    VITAL_OPT_AS("warn_below", struct tls_conf, limits.warn_below, THRESHOLD, .def = "21", .help = "warn when a certificate of the chain has fewer days left"),
    VITAL_OPT_AS("fail_below", struct tls_conf, limits.fail_below, THRESHOLD, .def = "7", .help = "fail when a certificate of the chain has fewer days left"),
    VITAL_OPT(struct tls_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "warn when the attempt takes longer than this"),
    VITAL_OPT_END,
};

static const struct vital_number tls_numbers[] = { NET_NUMBER_ROWS, { 0 } };

const struct vital_module tls_module = {
    VITAL_MODULE_HEAD,
    .name = "tls",
    .summary = "makes a TLS handshake, or reads certificate files, and counts the days left",
    .manual = "The handshake verifies the chain and the name, unless `tls: { verify: false }`; then a problem is only told. The days count for every certificate that "
              "the server sends, intermediates too, and the one that expires first decides. They are reported even when verification fails.\n\n"
              "With `files` nothing is connected: every certificate in each file counts, and one that is not valid yet fails like one that has ended. Files are read by a helper process, so a hung file system costs only this "
              "probe.",
    .opts = tls_opts,
    .numbers = tls_numbers,
    .conf_size = sizeof(struct tls_conf),
    .priv_size = sizeof(struct tls_priv),
    .outside = true,
    .prepare = tls_prepare,
    .start = tls_start,
};
