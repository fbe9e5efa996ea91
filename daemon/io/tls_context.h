/* Between tls.c (contexts) and tls_session.c (connections). Nobody else includes it. */
#ifndef IO_TLS_CONTEXT_H
#define IO_TLS_CONTEXT_H

#include <stdatomic.h>

#include "base/list.h"
#include "io/tls.h"

enum { TLS_DIGEST = 32 };

struct vital_tls {
    struct list link;
    atomic_uint references;
    SSL_CTX *ctx;
    char *name;                              /* NULL = the host's */
    bool verify;
    unsigned char digest[TLS_DIGEST];        /* of all settings and file contents: equal = the same context */
};

void tls_record_chains(SSL_CTX *);           /* so that tls_certificates() can tell also after a refusal */

#endif
