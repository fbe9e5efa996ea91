#include "unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "builtin.h"
#include "fake_host.h"

static void certificate(struct vital_io *io, unsigned at, const char *subject, int days)
{
    int64_t now = (int64_t)(clock_wall() / USEC_S);
    io->certs[at] = (struct vital_cert){ subject, "CN=ca", now - 86400, now + days * 86400 + 60, NULL, VITAL_R_OK };
    if (io->cert_count <= at)
        io->cert_count = at + 1;
}

TEST(the_chain_is_judged_by_its_first_to_expire)
{
    static const struct { int leaf, middle; enum vital_class want; enum vital_reason reason; const char *text; } cases[] = {
        { 80, 300, VITAL_PASS, VITAL_R_OK, "TLSv1.3, certificate of CN=h expires in 80 days" },
        { 80, 20, VITAL_WARN, VITAL_R_CERT_EXPIRING, "intermediate certificate of CN=m expires in 20 days" },
        { 6, 20, VITAL_FAIL, VITAL_R_CERT_EXPIRING, "certificate of CN=h expires in 6 days" },
        { -4, 20, VITAL_FAIL, VITAL_R_CERT_EXPIRED, "certificate of CN=h expired 3 days ago" },
    };
    fake_probe(&tls_module, "address", "h.example", NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_start();
        struct vital_io *io = fake_io(FAKE_STREAM);
        CHECK_TEXT(io->dial.port, "443");
        CHECK(io->dial.tls != NULL);
        io->info.tls = 4000;
        io->info.tls_version = "TLSv1.3";
        certificate(io, 0, "CN=h", cases[i].leaf);
        certificate(io, 1, "CN=m", cases[i].middle);
        fake_open(io);
        CHECK_INT(fake.class, cases[i].want);
        CHECK_INT(fake.reason, cases[i].reason);
        CHECK_TEXT(fake.text, cases[i].text);
        CHECK(fake_number("tls_seconds") == 0.004);
    }
    fake_end();
}

TEST(days_are_reported_even_when_verification_fails)
{
    fake_probe(&tls_module, "address", "h.example:8443", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    certificate(io, 0, "CN=h", -3);
    fake_shut(io, VITAL_R_CERT_EXPIRED, "certificate has expired");
    CHECK_INT(fake.reason, VITAL_R_CERT_EXPIRED);
    CHECK_TEXT(fake.text, "certificate has expired; certificate of CN=h expired 2 days ago");
    CHECK((int)floor(fake_number("certificate_days")) == -3);
    fake_end();
}

TEST(a_problem_that_is_not_verified_is_told)
{
    fake_probe(&tls_module, "address", "h.example:8443", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    certificate(io, 0, "CN=h", 100);
    io->certs[0].problem = "self-signed certificate";
    fake_open(io);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "TLS, certificate of CN=h expires in 100 days, not verified: self-signed certificate");
    fake_end();
}

TEST(alpn_must_be_the_chosen_one)
{
    fake_probe(&tls_module, "address", "h.example:8443", "alpn", "h2", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK_TEXT(io->dial.alpn, "h2");
    certificate(io, 0, "CN=h", 100);
    fake_open(io);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "h.example:8443 chooses the protocol (none), not h2");
    fake_start();
    io = fake_io(FAKE_STREAM);
    certificate(io, 0, "CN=h", 100);
    io->info.alpn = "h2";
    fake_open(io);
    CHECK_INT(fake.class, VITAL_PASS);
    fake_end();
}

TEST(starttls_goes_first)
{
    fake_probe(&tls_module, "address", "db:5432", "starttls", "postgres", NULL);
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    CHECK(!io->dial.tls);
    fake_open(io);
    CHECK_INT(io->sent.len, 8);
    fake_data(io, "S");
    CHECK(io->tls);
    certificate(io, 0, "CN=db", 100);
    fake_open(io);
    CHECK_INT(fake.class, VITAL_PASS);
    fake_start();
    fake_open(fake_io(FAKE_STREAM));
    fake_data(fake_io(FAKE_STREAM), "N");
    CHECK_INT(fake.reason, VITAL_R_CONFIG);
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_OK, NULL);
    CHECK_TEXT(fake.text, "db:5432 closed the connection before TLS");
    fake_end();
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static int begins = -86400;

static void add_pem(BIO *out, const char *name, int days, bool der)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(x), begins);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days + 60);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    if (der)
        i2d_X509_bio(out, x);
    else
        PEM_write_bio_X509(out, x);
    if (!der)
        PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void answer_file(const char *data, size_t len)
{
    char *exact = malloc(len);
    memcpy(exact, data, len);
    struct vital_file f = { .data = exact, .len = len };
    fake_file_done(fake_io(FAKE_FILE), &f);
    free(exact);
}

TEST(files_hold_chains_keys_and_der)
{
    char *data;
    BIO *pem = BIO_new(BIO_s_mem()), *der = BIO_new(BIO_s_mem());
    add_pem(pem, "leaf", 90, false);
    add_pem(pem, "middle", 15, false);
    add_pem(der, "other", 50, true);
    fake_probe(&tls_module, "files", "/etc/a.pem", "files", "/etc/b.der", NULL);
    fake_start();
    CHECK_TEXT(fake_io(FAKE_FILE)->text, "/etc/a.pem");
    long len = BIO_get_mem_data(pem, &data);
    answer_file(data, (size_t)len);
    CHECK_TEXT(fake_io(FAKE_FILE)->text, "/etc/b.der");
    len = BIO_get_mem_data(der, &data);
    answer_file(data, (size_t)len);
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_TEXT(fake.text, "/etc/a.pem: intermediate certificate of CN=middle expires in 15 days");
    CHECK((int)fake_number("certificate_days") == 15);
    CHECK_INT(fake_open_count(), 0);
    BIO_free(pem);
    BIO_free(der);
    fake_end();
}

TEST(a_file_whose_certificate_is_not_valid_yet)
{
    for (int i = 0; i < 3; i++) {
        char *data;
        BIO *pem = BIO_new(BIO_s_mem());
        add_pem(pem, "leaf", 90, false);
        begins = i < 2 ? 7260 : -1;
        add_pem(pem, "middle", i == 1 ? -3 : 60, false);    /* one that has ended as well changes nothing */
        begins = -86400;
        if (!i)
            fake_probe(&tls_module, "files", "/etc/a.pem", NULL);
        fake_start();
        long len = BIO_get_mem_data(pem, &data);
        answer_file(data, (size_t)len);
        CHECK_INT(fake.class, i < 2 ? VITAL_FAIL : VITAL_PASS);
        CHECK_INT(fake.reason, i < 2 ? VITAL_R_CERT_EXPIRED : VITAL_R_OK);
        CHECK(i == 2 || !strncmp(fake.text, "/etc/a.pem: intermediate certificate of CN=middle is not yet valid, only in 2h", 78));
        BIO_free(pem);
    }
    fake_end();
}

TEST(files_that_cannot_be_read)
{
    static const struct { struct vital_file f; enum vital_reason want; const char *text; } cases[] = {
        { { .error = ENOENT }, VITAL_R_NOT_FOUND, "/etc/a.pem cannot be read: No such file or directory" },
        { { .error = EACCES }, VITAL_R_PERMISSION, "/etc/a.pem cannot be read: Permission denied" },
        { { .error = EIO }, VITAL_R_IO_ERROR, "/etc/a.pem cannot be read: Input/output error" },
        { { .error = ETIMEDOUT, .hung = true }, VITAL_R_HUNG, "reading /etc/a.pem hangs: its file system does not answer" },
        { { .data = "x", .len = 1, .cut = true }, VITAL_R_TOO_LARGE, "/etc/a.pem has more than 64 KiB: bundles of that size are not looked at" },
        { { .data = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", .len = 59 }, VITAL_R_BAD_REPLY, "/etc/a.pem holds no certificate (PEM or DER)" },
        { { .data = "", .len = 0 }, VITAL_R_BAD_REPLY, "/etc/a.pem holds no certificate (PEM or DER)" },
    };
    fake_probe(&tls_module, "files", "/etc/a.pem", NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_start();
        fake_file_done(fake_io(FAKE_FILE), &cases[i].f);
        CHECK(fake.finished);
        CHECK_INT(fake.reason, cases[i].want);
        CHECK_TEXT(fake.text, cases[i].text);
    }
    fake_end();
}

TEST(what_cannot_work_is_refused_early)
{
    fake_probe(&tls_module, NULL);
    CHECK(!fake_prepare());
    fake_set("files", "/a");
    CHECK(fake_prepare());
    fake_set("address", "h");
    CHECK(!fake_prepare());
    CHECK_TEXT(fake.diag, "files: exactly one of `address` and `files` is needed");
    fake.module = NULL;
    fake_probe(&tls_module, "address", "h", "tls", "false", NULL);
    CHECK(!fake_prepare());
}
