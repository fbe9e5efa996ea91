/* Certificates for one test: made with the library, thrown away with the process. */
#ifndef THROWAWAY_CA_H
#define THROWAWAY_CA_H

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct issued { X509 *cert; EVP_PKEY *key; };

static inline void issued_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* issuer NULL: a CA that signs itself. names: "DNS:a.test,IP:127.0.0.1", NULL = none; validity in days from now. */
static inline struct issued issue(const struct issued *issuer, const char *common_name, const char *names, int from, int to)
{
    static long serial;
    struct issued me = { X509_new(), EVP_EC_gen("P-256") };
    X509_set_version(me.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(me.cert), ++serial);
    X509_time_adj_ex(X509_getm_notBefore(me.cert), from, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(me.cert), to, 0, NULL);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(me.cert), "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(me.cert, X509_get_subject_name(issuer ? issuer->cert : me.cert));
    X509_set_pubkey(me.cert, me.key);
    issued_extend(me.cert, issuer ? issuer->cert : me.cert, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (names)
        issued_extend(me.cert, me.cert, NID_subject_alt_name, names);
    X509_sign(me.cert, issuer ? issuer->key : me.key, EVP_sha256());
    return me;
}

static inline void issued_free(struct issued *i)
{
    X509_free(i->cert);
    EVP_PKEY_free(i->key);
}

static inline void write_cert(const char *path, X509 *cert)
{
    FILE *f = fopen(path, "w");
    PEM_write_X509(f, cert);
    fclose(f);
}

static inline void write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
    FILE *f = fopen(path, "a");
    PEM_write_PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL, (void *)(uintptr_t)passphrase);
    fclose(f);
}

/* A server's context that shows this certificate. */
static inline SSL_CTX *serving(const struct issued *i)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(ctx, i->cert);
    SSL_CTX_use_PrivateKey(ctx, i->key);
    return ctx;
}

#endif
