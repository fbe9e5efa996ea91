#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/tls_context.h"

enum { NAME_MAX_LEN = 256 };

/* ---- verification: by the library, but remembered, so that a refused certificate can be shown ---- */

static int chain_index(void);

static void chain_free(void *parent, void *chain, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
    (void)parent, (void)ad, (void)index, (void)argl, (void)argp;
    sk_X509_pop_free(chain, X509_free);
}

static int verify(X509_STORE_CTX *x, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(x);
    if (sent && !SSL_get_ex_data(ssl, chain_index()))
        SSL_set_ex_data(ssl, chain_index(), X509_chain_up_ref(sent));
    return X509_verify_cert(x);
}

static int chain_index_made;
static CRYPTO_ONCE chain_index_once = CRYPTO_ONCE_STATIC_INIT;

static void make_chain_index(void)
{
    chain_index_made = SSL_get_ex_new_index(0, NULL, NULL, NULL, chain_free);
}

static int chain_index(void)
{
    CRYPTO_THREAD_run_once(&chain_index_once, make_chain_index);
    return chain_index_made;
}

void tls_record_chains(SSL_CTX *ctx)
{
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
}

/* ---- sessions ---- */

static bool is_address(const char *name)
{
    struct in6_addr any;
    return inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
}

/* As certificates have it: without the root's dot and without a zone. */
static bool plain_name(const char *host, char out[NAME_MAX_LEN])
{
    size_t len = host ? strcspn(host, "%") : 0;
    if (len && host[len - 1] == '.')
        len--;
    if (len == 0 || len >= NAME_MAX_LEN)
        return false;
    memcpy(out, host, len);
    out[len] = '\0';
    return true;
}

static bool set_name(SSL *ssl, const char *host)
{
    char name[NAME_MAX_LEN];
    if (!plain_name(host, name))
        return true; /* a unix socket: the chain alone is checked */
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address(name)) /* never as SNI: RFC 6066 forbids it */
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool set_alpn(SSL *ssl, const char *alpn)
{
    unsigned char wire[256];
    size_t len = alpn ? strlen(alpn) : 0;
    if (len == 0 || len > 255)
        return len == 0;
    wire[0] = (unsigned char)len;
    memcpy(wire + 1, alpn, len);
    return SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1) == 0; /* 0 is its success */
}

SSL *tls_client_session(const struct vital_tls *t, const char *host, const char *alpn)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(t->ctx);
    if (ssl && set_name(ssl, t->name ? t->name : host) && set_alpn(ssl, alpn)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

/* ---- what went wrong ---- */

static enum vital_reason certificate_reason(long result)
{
    static const struct { long result; enum vital_reason reason; } table[] = {
        { X509_V_OK, VITAL_R_OK },
        { X509_V_ERR_CERT_HAS_EXPIRED, VITAL_R_CERT_EXPIRED },
        { X509_V_ERR_CERT_NOT_YET_VALID, VITAL_R_CERT_EXPIRED },
        { X509_V_ERR_HOSTNAME_MISMATCH, VITAL_R_CERT_NAME },
        { X509_V_ERR_IP_ADDRESS_MISMATCH, VITAL_R_CERT_NAME },
    };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].result == result)
            return table[i].reason;
    return VITAL_R_CERT_UNTRUSTED;
}

static void name_text(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    int n = BIO_read(bio, out, (int)size - 1);
    out[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
}

static STACK_OF(X509) *chain_of(SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get_ex_data(ssl, chain_index());
    return chain ? chain : SSL_get_peer_cert_chain(ssl);
}

static void certificate_text(SSL *ssl, long result, char *text, size_t size)
{
    char subject[160] = "", issuer[160] = "";
    STACK_OF(X509) *chain = chain_of(ssl);
    if (chain && sk_X509_num(chain) > 0) {
        name_text(X509_get_subject_name(sk_X509_value(chain, 0)), subject, sizeof subject);
        name_text(X509_get_issuer_name(sk_X509_value(chain, 0)), issuer, sizeof issuer);
    }
    snprintf(text, size, "certificate: %s; it is for %s, issued by %s", X509_verify_cert_error_string(result), subject, issuer);
}

/* What the library's words mean. */
static const char *hint(int reason)
{
    static const struct { int reason; const char *text; } table[] = {
        { SSL_R_WRONG_VERSION_NUMBER, ": the target does not speak TLS here" },
        { SSL_R_HTTP_REQUEST, ": the target does not speak TLS here" },
        { SSL_R_UNSUPPORTED_PROTOCOL, ": the target's TLS versions are below min_version" },
        { SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, ": no TLS version in common, see min_version" },
        { SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, ": it wants a client certificate, set cert and key" },
        { SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, ": it refuses our client certificate, or wants one" },
        { SSL_R_TLSV1_ALERT_UNKNOWN_CA, ": it does not trust our client certificate" },
        { SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, ": no cipher in common, or it wants a client certificate" },
        { SSL_R_TLSV1_UNRECOGNIZED_NAME, ": it does not know the name we ask for, see name" },
    };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].reason == reason)
            return table[i].text;
    return "";
}

enum vital_reason tls_failure(SSL *ssl, int ssl_result, char *text, size_t size)
{
    int error = errno, kind = SSL_get_error(ssl, ssl_result);
    unsigned long code = ERR_peek_last_error();
    long result = SSL_get_verify_result(ssl);
    ERR_clear_error(); /* else it is blamed on the next one */
    if (result != X509_V_OK && SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) {
        certificate_text(ssl, result, text, size);
        return certificate_reason(result);
    }
    if (kind == SSL_ERROR_SSL && code) {
        const char *reason = ERR_reason_error_string(code);
        snprintf(text, size, "TLS: %s%s", reason ? reason : "protocol error", hint(ERR_GET_REASON(code)));
        return VITAL_R_TLS;
    }
    if (kind == SSL_ERROR_SYSCALL && error) {
        snprintf(text, size, "TLS: %s", strerror(error));
        return error == ECONNRESET || error == EPIPE ? VITAL_R_RESET : VITAL_R_TLS;
    }
    snprintf(text, size, "TLS: the target closed the connection%s", SSL_is_init_finished(ssl) ? "" : " during the handshake");
    return VITAL_R_TLS;
}

/* ---- certificates ---- */

/* Puts a text into what is left of the room. */
static const char *keep(const X509_NAME *name, char **room, size_t *size)
{
    if (*size < 2)
        return "";
    char *text = *room;
    name_text(name, text, *size < NAME_MAX_LEN ? *size : NAME_MAX_LEN);
    size_t used = strlen(text) + 1;
    *room += used;
    *size -= used;
    return text;
}

int64_t tls_seconds(const ASN1_TIME *t)
{
    struct tm parts;
    return ASN1_TIME_to_tm(t, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

unsigned tls_certificates(SSL *ssl, struct vital_cert *certs, unsigned room, char *texts, size_t size)
{
    STACK_OF(X509) *chain = chain_of(ssl);
    long result = SSL_get_verify_result(ssl);
    unsigned n = 0;
    for (; chain && n < room && (int)n < sk_X509_num(chain); n++) {
        const X509 *x = sk_X509_value(chain, (int)n);
        certs[n] = (struct vital_cert){
            .not_before = tls_seconds(X509_get0_notBefore(x)),
            .not_after = tls_seconds(X509_get0_notAfter(x)),
            .reason = VITAL_R_OK,
        };
        certs[n].subject = keep(X509_get_subject_name(x), &texts, &size);
        certs[n].issuer = keep(X509_get_issuer_name(x), &texts, &size);
    }
    if (n && result != X509_V_OK) { /* about the chain as a whole, told at the leaf */
        certs[0].problem = X509_verify_cert_error_string(result);
        certs[0].reason = certificate_reason(result);
    }
    return n;
}
