/* Verifies the server's certificate ourselves: libpq would build its context from the CA file on the loop (25 ms with the
 * system's bundle) and then only say that verification failed, not why. Runs in a helper thread while the server waits for
 * our first message, so before any password has left. All that is of OpenSSL is here. */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "postgres_parts.h"

/* ---- memory ------------------------------------------------------------------------------------------------- */

void *pg_alloc(size_t size)
{
    void *block = OPENSSL_zalloc(size + 1);
    if (!block)
        abort();
    return block;
}

void pg_free(void *block, size_t size)
{
    OPENSSL_clear_free(block, size);
}

/* ---- the certificates --------------------------------------------------------------------------------------- */

static void remember_days(struct pg_chain *c, X509 *x)
{
    int days = 0, seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)))
        return;
    double left = days + seconds / 86400.0;
    if (c->known && left >= c->days)
        return;
    char subject[256] = "";
    X509_NAME_oneline(X509_get_subject_name(x), subject, sizeof subject);
    pg_shown(subject, strlen(subject), sizeof c->subject - 16, c->subject, sizeof c->subject);
    c->known = true;
    c->days = left;
}

void pg_chain_read(void *ssl, struct pg_chain *c)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    *c = (struct pg_chain){ .reason = VITAL_R_OK };
    for (int i = 0; i < sk_X509_num(chain) && i < 8; i++)
        remember_days(c, sk_X509_value(chain, i));
}

static bool load(X509_STORE *store, const char *pem, size_t len)
{
    if (!pem)
        return X509_STORE_set_default_paths(store) == 1;
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    unsigned count = 0;
    for (X509 *x; bio && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)); X509_free(x))
        count += X509_STORE_add_cert(store, x) == 1;
    BIO_free(bio);
    return count > 0;
}

static enum vital_reason reason_of(int error)
{
    switch (error) {
    case X509_V_OK: return VITAL_R_OK;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return VITAL_R_CERT_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return VITAL_R_CERT_NAME;
    default: return VITAL_R_CERT_UNTRUSTED;
    }
}

static bool expect_name(X509_VERIFY_PARAM *param, const char *host)
{
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 || X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static int verify(X509_STORE *store, SSL *ssl, const struct pg_trust *t)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    int error = X509_V_ERR_UNSPECIFIED;
    if (ctx && leaf && X509_STORE_CTX_init(ctx, store, leaf, SSL_get_peer_cert_chain(ssl)) == 1 && X509_STORE_CTX_set_default(ctx, "ssl_server") == 1
        && (!t->names || expect_name(X509_STORE_CTX_get0_param(ctx), t->host)))
        error = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    return error == X509_V_OK || leaf ? error : X509_V_ERR_UNSPECIFIED;
}

void pg_chain_verify(void *ssl, const struct pg_trust *t, struct pg_chain *c)
{
    pg_chain_read(ssl, c);
    X509_STORE *store = t->verify ? X509_STORE_new() : NULL;
    if (!t->verify)
        return;
    if (!store || !load(store, t->ca, t->ca_len)) {
        c->reason = VITAL_R_CONFIG;
        snprintf(c->text, sizeof c->text, t->ca ? "there is no certificate in the file of `tls: ca`" : "the system's certificates cannot be read");
    } else {
        int error = verify(store, ssl, t);
        c->reason = reason_of(error);
        snprintf(c->text, sizeof c->text, c->reason == VITAL_R_CERT_NAME ? "the certificate %s is not for %s: %s" : "the certificate %s of %s: %s",
                 c->subject, t->host, X509_verify_cert_error_string(error));
    }
    X509_STORE_free(store);
}
