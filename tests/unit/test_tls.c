#include "unit.h"
#include "throwaway_ca.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "io/tls.h"

/* ---- two ends in one process, joined by memory ---- */

static char dir[] = "/tmp/vitald-tls-XXXXXX";
static struct issued ca;
static char ca_file[64], seen_sni[64], texts[2048];

static void start(void)
{
    CHECK(mkdtemp(dir) != NULL);
    ca = issue(NULL, "Test CA", NULL, -1, 100);
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    write_cert(ca_file, ca.cert);
}

static void finish(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
    issued_free(&ca);
}

static const char *in_dir(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, 128, "%s/%s", dir, name);
    return path;
}

static struct vital_tls *client(struct tls_settings s)
{
    char *error;
    struct vital_tls *t = tls_context(&s, &error);
    if (error)
        fprintf(stderr, "%s\n", error);
    CHECK(t && !error);
    return t;
}

static void refused(struct tls_settings s, const char *words)
{
    char *error;
    CHECK(!tls_context(&s, &error));
    if (!error || !strstr(error, words))
        fprintf(stderr, "got: %s\n", error ? error : "(none)");
    CHECK(error && strstr(error, words));
    CHECK_INT(ERR_peek_error(), 0);
    mem_free(error);
}

struct met {
    enum vital_reason reason;
    char text[300];
    unsigned certs;
    struct vital_cert chain[4];
    char alpn[32];
    const char *version;
};

static int note_sni(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert, (void)arg;
    snprintf(seen_sni, sizeof seen_sni, "%s", name ? name : "(none)");
    return SSL_TLSEXT_ERR_OK;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl, (void)in_len, (void)arg;
    *out = in + 1;
    *len = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static void look(SSL *us, struct met *m)
{
    const unsigned char *alpn;
    unsigned len;
    m->certs = tls_certificates(us, m->chain, 4, texts, sizeof texts);
    SSL_get0_alpn_selected(us, &alpn, &len);
    snprintf(m->alpn, sizeof m->alpn, "%.*s", (int)len, alpn ? (const char *)alpn : "");
    m->version = SSL_get_version(us);
}

static struct met meet(const struct vital_tls *t, const char *host, SSL_CTX *server)
{
    struct met m = { 0 };
    BIO *ends[2];
    SSL *us = tls_client_session(t, host, "h2"), *them = SSL_new(server);
    CHECK(us != NULL);
    BIO_new_bio_pair(&ends[0], 1 << 17, &ends[1], 1 << 17);
    SSL_set_bio(us, ends[0], ends[0]);
    SSL_set_bio(them, ends[1], ends[1]);
    SSL_set_accept_state(them);
    for (;;) {
        int n = SSL_do_handshake(us);
        if (n != 1 && SSL_get_error(us, n) != SSL_ERROR_WANT_READ) {
            m.reason = tls_failure(us, n, m.text, sizeof m.text);
            break;
        }
        int k = SSL_do_handshake(them);
        ERR_clear_error();
        if (n == 1 && k == 1)
            break;
        char byte;
        if (n == 1 && SSL_get_error(them, k) != SSL_ERROR_WANT_READ) { /* refused after our end was done: TLS 1.3 */
            n = SSL_read(us, &byte, 1);
            m.reason = tls_failure(us, n, m.text, sizeof m.text);
            break;
        }
    }
    CHECK_INT(ERR_peek_error(), 0);
    look(us, &m);
    SSL_free(us);
    SSL_free(them);
    return m;
}

/* A server with one certificate for `names` meets a client with these settings. */
static struct met meet_with(struct tls_settings s, const char *host, const char *names, int from, int to, bool self_signed)
{
    struct issued server = issue(self_signed ? NULL : &ca, "the server", names, from, to);
    SSL_CTX *ctx = serving(&server);
    SSL_CTX_set_tlsext_servername_callback(ctx, note_sni);
    SSL_CTX_set_alpn_select_cb(ctx, choose, NULL);
    struct vital_tls *t = client(s);
    struct met m = meet(t, host, ctx);
    tls_release(t);
    SSL_CTX_free(ctx);
    issued_free(&server);
    return m;
}

#define TRUSTING { .ca = ca_file, .verify = true }

TEST(a_good_certificate_is_accepted_and_shown)
{
    start();
    struct met m = meet_with((struct tls_settings)TRUSTING, "a.test", "DNS:a.test", -1, 10, false);
    CHECK_INT(m.reason, VITAL_R_OK);
    CHECK_TEXT(seen_sni, "a.test");
    CHECK_TEXT(m.alpn, "h2");
    CHECK_TEXT(m.version, "TLSv1.3");
    CHECK_INT(m.certs, 1);
    CHECK_TEXT(m.chain[0].subject, "CN = the server");
    CHECK_TEXT(m.chain[0].issuer, "CN = Test CA");
    CHECK(!m.chain[0].problem);
    int64_t now = (int64_t)(clock_wall() / USEC_S);
    CHECK(m.chain[0].not_after > now + 9 * 86400 && m.chain[0].not_after <= now + 10 * 86400);
    CHECK(m.chain[0].not_before < now);
    finish();
}

TEST(bad_certificates_are_refused_with_the_reason_and_still_shown)
{
    static const struct { const char *host, *names; int from, to; bool self_signed; enum vital_reason reason; const char *words; } table[] = {
        { "a.test", "DNS:a.test", -10, -1, false, VITAL_R_CERT_EXPIRED, "has expired" },
        { "a.test", "DNS:a.test", 1, 10, false, VITAL_R_CERT_EXPIRED, "not yet valid" },
        { "a.test", "DNS:b.test", -1, 10, false, VITAL_R_CERT_NAME, "CN = the server" },
        { "a.b.test", "DNS:*.test", -1, 10, false, VITAL_R_CERT_NAME, "mismatch" },
        { "a.test", "DNS:a.test", -1, 10, true, VITAL_R_CERT_UNTRUSTED, "self-signed" },
        { "127.0.0.1", "DNS:127.0.0.1", -1, 10, false, VITAL_R_CERT_NAME, "IP address mismatch" },
        { "::1", "IP:127.0.0.1", -1, 10, false, VITAL_R_CERT_NAME, "IP address mismatch" },
    };
    start();
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        struct met m = meet_with((struct tls_settings)TRUSTING, table[i].host, table[i].names, table[i].from, table[i].to, table[i].self_signed);
        CHECK_INT(m.reason, table[i].reason);
        CHECK(strstr(m.text, table[i].words) != NULL);
        CHECK_INT(m.certs, 1);
        CHECK_TEXT(m.chain[0].subject, "CN = the server");
        CHECK_INT(m.chain[0].reason, table[i].reason);
    }
    finish();
}

TEST(without_verification_the_problem_is_recorded_and_the_talk_goes_on)
{
    start();
    struct tls_settings s = { .ca = ca_file };
    struct met m = meet_with(s, "a.test", "DNS:a.test", -10, -1, false);
    CHECK_INT(m.reason, VITAL_R_OK);
    CHECK_TEXT(m.chain[0].problem, "certificate has expired");
    CHECK_INT(m.chain[0].reason, VITAL_R_CERT_EXPIRED);
    m = meet_with(s, "a.test", "DNS:b.test", -1, 10, false);
    CHECK_INT(m.reason, VITAL_R_OK);
    CHECK_INT(m.chain[0].reason, VITAL_R_CERT_NAME);
    finish();
}

TEST(names_are_checked_as_certificates_have_them)
{
    static const struct { const char *host, *names, *sni; } good[] = {
        { "a.test.", "DNS:a.test", "a.test" },
        { "127.0.0.1", "IP:127.0.0.1", "(none)" },
        { "::1", "IP:::1", "(none)" },
        { "fe80::1%eth0", "IP:fe80::1", "(none)" },
        { "x.a.test", "DNS:*.a.test", "x.a.test" },
        { NULL, "DNS:whatever", "(none)" },
    };
    start();
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        struct met m = meet_with((struct tls_settings)TRUSTING, good[i].host, good[i].names, -1, 10, false);
        CHECK_INT(m.reason, VITAL_R_OK);
        CHECK_TEXT(seen_sni, good[i].sni);
    }
    struct met m = meet_with((struct tls_settings){ .ca = ca_file, .verify = true, .name = "b.test" }, "127.0.0.1", "DNS:b.test", -1, 10, false);
    CHECK_INT(m.reason, VITAL_R_OK);
    CHECK_TEXT(seen_sni, "b.test");
    finish();
}

TEST(the_system_s_authorities_are_the_default)
{
    start();
    uint64_t began = clock_now();
    struct vital_tls *t = client((struct tls_settings){ .verify = true });
    CHECK(clock_now() - began < USEC_S);
    tls_release(t);
    struct met m = meet_with((struct tls_settings){ .verify = true }, "a.test", "DNS:a.test", -1, 10, false);
    CHECK_INT(m.reason, VITAL_R_CERT_UNTRUSTED);
    CHECK(strstr(m.text, "unable to get local issuer") != NULL);
    finish();
}

TEST(a_directory_of_authorities_is_read_whole)
{
    struct issued other = issue(NULL, "Other CA", NULL, -1, 10);
    start();
    CHECK_INT(mkdir(in_dir("cas"), 0755), 0);
    refused((struct tls_settings){ .ca = in_dir("cas"), .verify = true }, "no certificate");
    write_cert(in_dir("cas/one.crt"), other.cert);
    CHECK_INT(meet_with((struct tls_settings){ .ca = in_dir("cas"), .verify = true }, "a.test", "DNS:a.test", -1, 10, false).reason, VITAL_R_CERT_UNTRUSTED);
    write_cert(in_dir("cas/two.crt"), ca.cert);
    CHECK_INT(meet_with((struct tls_settings){ .ca = in_dir("cas"), .verify = true }, "a.test", "DNS:a.test", -1, 10, false).reason, VITAL_R_OK);
    issued_free(&other);
    finish();
}

TEST(a_server_s_own_certificate_may_be_named)
{
    start();
    struct issued server = issue(&ca, "the server", "DNS:a.test", -1, 10);
    SSL_CTX *ctx = serving(&server);
    write_cert(in_dir("leaf.pem"), server.cert);
    struct vital_tls *t = client((struct tls_settings){ .ca = in_dir("leaf.pem"), .verify = true });
    CHECK_INT(meet(t, "a.test", ctx).reason, VITAL_R_OK);
    tls_release(t);
    SSL_CTX_free(ctx);
    issued_free(&server);
    finish();
}

TEST(equal_settings_share_a_context_until_a_file_changes)
{
    struct tls_settings s = TRUSTING;
    start();
    struct vital_tls *one = client(s), *two = client(s);
    CHECK(one == two);
    CHECK(tls_same(one, two));
    s.min_version = 13;
    struct vital_tls *other = client(s);
    CHECK(!tls_same(one, other));
    s.min_version = 0;
    struct issued fresh = issue(NULL, "Test CA", NULL, -1, 100);
    write_cert(ca_file, fresh.cert); /* rotated under the same name */
    struct vital_tls *three = client(s);
    CHECK(!tls_same(one, three));
    CHECK(!tls_same(one, NULL));
    CHECK(tls_hold(one) == two);
    for (unsigned i = 0; i < 3; i++)
        tls_release(one);
    tls_release(other);
    tls_release(three);
    tls_release(NULL);
    issued_free(&fresh);
    finish();
}

static struct vital_secret secret_of(const char *path)
{
    static char text[8192];
    FILE *f = fopen(path, "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return (struct vital_secret){ .source = SECRET_FILE, .origin = path, .value = text, .len = n };
}

TEST(client_certificates)
{
    start();
    struct issued server = issue(&ca, "the server", "DNS:a.test", -1, 10), me = issue(&ca, "me", NULL, -1, 10);
    SSL_CTX *ctx = serving(&server);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    struct vital_tls *without = client((struct tls_settings)TRUSTING);
    struct met m = meet(without, "a.test", ctx);
    CHECK_INT(m.reason, VITAL_R_TLS);
    CHECK(strstr(m.text, "wants a client certificate") != NULL);
    tls_release(without);

    write_cert(in_dir("me.pem"), me.cert);
    write_key(in_dir("me.key"), me.key, NULL);
    struct vital_secret key = secret_of(in_dir("me.key"));
    struct vital_tls *with = client((struct tls_settings){ .ca = ca_file, .verify = true, .cert = in_dir("me.pem"), .key = &key });
    CHECK_INT(meet(with, "a.test", ctx).reason, VITAL_R_OK);
    tls_release(with);

    write_key(in_dir("me.pem"), me.key, NULL); /* both in one file */
    with = client((struct tls_settings){ .ca = ca_file, .verify = true, .cert = in_dir("me.pem") });
    CHECK_INT(meet(with, "a.test", ctx).reason, VITAL_R_OK);
    tls_release(with);
    SSL_CTX_free(ctx);
    issued_free(&server);
    issued_free(&me);
    finish();
}

TEST(what_cannot_be_used_says_why)
{
    start();
    struct issued me = issue(&ca, "me", NULL, -1, 10), other = issue(&ca, "other", NULL, -1, 10);
    write_cert(in_dir("me.pem"), me.cert);
    write_key(in_dir("other.key"), other.key, NULL);
    write_key(in_dir("locked.key"), me.key, "passphrase");
    refused((struct tls_settings){ .ca = "/nonexistent/ca.pem" }, "/nonexistent/ca.pem: No such file");
    refused((struct tls_settings){ .ca = "/etc/passwd" }, "no certificate in /etc/passwd");
    refused((struct tls_settings){ .cert = "/nonexistent/me.pem" }, "certificate file /nonexistent/me.pem");
    refused((struct tls_settings){ .cert = "/etc/passwd" }, "cannot be used");
    refused((struct tls_settings){ .cert = in_dir("me.pem") }, "no usable private key");
    struct vital_secret key = secret_of(in_dir("other.key"));
    refused((struct tls_settings){ .key = &key }, "without a certificate");
    refused((struct tls_settings){ .cert = in_dir("me.pem"), .key = &key }, "does not belong");
    key = secret_of(in_dir("locked.key"));
    refused((struct tls_settings){ .cert = in_dir("me.pem"), .key = &key }, "without a passphrase"); /* and nobody is asked for it */
    int fd = open(in_dir("broken.pem"), O_WRONLY | O_CREAT, 0600);
    CHECK(write(fd, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 60) > 0);
    close(fd);
    refused((struct tls_settings){ .ca = in_dir("broken.pem") }, "damaged");
    issued_free(&me);
    issued_free(&other);
    finish();
}

TEST(versions_below_the_minimum_are_not_spoken)
{
    start();
    struct issued server = issue(&ca, "the server", "DNS:a.test", -1, 10);
    SSL_CTX *ctx = serving(&server);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_security_level(ctx, 0);
    static const struct { unsigned min; enum vital_reason reason; } table[] = { { 0, VITAL_R_TLS }, { 12, VITAL_R_TLS }, { 13, VITAL_R_TLS }, { 11, VITAL_R_OK }, { 10, VITAL_R_OK } };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        struct vital_tls *t = client((struct tls_settings){ .ca = ca_file, .verify = true, .min_version = table[i].min });
        struct met m = meet(t, "a.test", ctx);
        CHECK_INT(m.reason, table[i].reason);
        CHECK(m.reason == VITAL_R_OK || strstr(m.text, "min_version"));
        tls_release(t);
    }
    SSL_CTX_free(ctx);
    issued_free(&server);
    finish();
}

TEST(a_peer_that_does_not_speak_tls_is_told_apart)
{
    char text[300];
    start();
    struct vital_tls *t = client((struct tls_settings)TRUSTING);
    SSL *us = tls_client_session(t, "a.test", NULL);
    BIO *in = BIO_new(BIO_s_mem());
    BIO_puts(in, "HTTP/1.1 400 Bad Request\r\n\r\n");
    SSL_set_bio(us, in, BIO_new(BIO_s_mem()));
    int n = SSL_do_handshake(us);
    CHECK_INT(tls_failure(us, n, text, sizeof text), VITAL_R_TLS);
    CHECK(strstr(text, "does not speak TLS here") != NULL);
    SSL_free(us);
    tls_release(t);
    finish();
}
