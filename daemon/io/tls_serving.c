/* Contexts of listeners: who comes is told which protocol is spoken, may have to show a certificate, and gets one ticket
 * by which it can come back cheaply. */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/mem.h"
#include "io/tls_context.h"

enum { TICKET_LIFE_S = 7200, CHAIN_DEPTH = 6, KEYS_MAX = 256 };

/* "h2,http/1.1" as the wire has it: each name behind its length. */
static bool set_alpn(struct vital_tls *t, const char *names)
{
    while (*names) {
        size_t len = strcspn(names, ",");
        if (!len || t->alpn_len + len + 1 > TLS_ALPN_MAX)
            return false;
        t->alpn[t->alpn_len] = (unsigned char)len;
        memcpy(t->alpn + t->alpn_len + 1, names, len);
        t->alpn_len = (unsigned char)(t->alpn_len + len + 1);
        names += len + (names[len] == ',');
    }
    return true;
}

/* A client that speaks nothing of ours is told nothing, and finds out by itself: one that offers more than it needs goes on. */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered, unsigned len, void *arg)
{
    const struct vital_tls *t = arg;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, t->alpn, t->alpn_len, offered, len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Their names are sent, so that a client with several certificates knows which one is meant. */
static void name_authorities(SSL_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (x)
            SSL_CTX_add_client_CA(ctx, x);
    }
}

static void ask_for_certificates(SSL_CTX *ctx, bool demands)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (demands ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH);
    name_authorities(ctx);
}

char *tls_serve(struct vital_tls *t, const struct tls_settings *s)
{
    if (!s->cert)
        return mem_printf("a listener needs a certificate: set cert and key");
    if (s->alpn && !set_alpn(t, s->alpn))
        return mem_printf("the protocols \"%s\" cannot be offered", s->alpn);
    if (t->alpn_len)
        SSL_CTX_set_alpn_select_cb(t->ctx, choose, t);
    if (s->ca)
        ask_for_certificates(t->ctx, s->demands);
    /* A ticket is good for the very settings it was given under: another CA, another certificate, and it is void. */
    SSL_CTX_set_session_id_context(t->ctx, t->digest, TLS_DIGEST);
    SSL_CTX_set_num_tickets(t->ctx, 1);
    SSL_CTX_set_timeout(t->ctx, TICKET_LIFE_S);
    SSL_CTX_set_options(t->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    return NULL;
}

void tls_renew_tickets(const struct vital_tls *t)
{
    unsigned char keys[KEYS_MAX];
    long len = SSL_CTX_get_tlsext_ticket_keys(t->ctx, NULL, 0);
    if (len > 0 && len <= KEYS_MAX && RAND_bytes(keys, (int)len) == 1)
        SSL_CTX_set_tlsext_ticket_keys(t->ctx, keys, len);
    mem_wipe(keys, sizeof keys);
    ERR_clear_error();
}
