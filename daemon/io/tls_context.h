/* Between tls.c and tls_serving.c (contexts), tls_session.c (connections of probes) and peer.c (those that came to us). Nobody else includes it. */
#ifndef IO_TLS_CONTEXT_H
#define IO_TLS_CONTEXT_H

#include <stdatomic.h>

#include "base/list.h"
#include "io/tls.h"

enum { TLS_DIGEST = 32, TLS_ALPN_MAX = 64 };

struct vital_tls {
    struct list link;
    atomic_uint references;
    SSL_CTX *ctx;
    char *name;                              /* NULL = the host's */
    bool verify;
    unsigned char alpn[TLS_ALPN_MAX];        /* a listener's, as it goes over the wire */
    unsigned char alpn_len;
    int64_t expires;                         /* of our own certificate, in seconds since 1970; 0 = there is none */
    unsigned char digest[TLS_DIGEST];        /* of all settings and file contents: equal = the same context */
};

void tls_record_chains(SSL_CTX *);           /* so that tls_certificates() can tell also after a refusal */
int64_t tls_seconds(const ASN1_TIME *);      /* since 1970; 0 = no time */
const char *tls_library_says(void);          /* the last error's words; the queue is empty then */
/* What a listener's context has beyond cert, key and CA; the digest is known by then. */
char *tls_serve(struct vital_tls *, const struct tls_settings *);

#endif
