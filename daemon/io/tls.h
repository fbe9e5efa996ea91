/* TLS contexts: built off the loop from files, shared by everybody who asks for the same. OpenSSL is initialised on
 * first use. Minimum TLS 1.2 unless asked otherwise; name and address verification is the stream's business. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/tls_settings.h"
#include "vital_probe.h"

/* OpenSSL's allocations are ours from here on (base/mem.h): when one fails it reports a wrong certificate, or dies of it somewhere.
 * And it stays till the end: whoever calls exit() may have a helper in a handshake. Before anything of it is used; once. */
void tls_prepare(void);

struct vital_tls;                   /* opaque to everybody else */

/* Builds or finds the shared context; NULL and *error (heap, the caller's). Any thread; counted references. */
struct vital_tls *tls_context(const struct tls_settings *, char **error);
struct vital_tls *tls_hold(const struct vital_tls *);
void tls_release(const struct vital_tls *);
bool tls_same(const struct vital_tls *, const struct vital_tls *);        /* same settings and same file contents */

int64_t tls_expires(const struct vital_tls *);      /* our own certificate, in seconds since 1970; 0 = there is none */
/* New keys for a listener's session tickets: who holds the old ones cannot read what comes after. Loop only. */
void tls_renew_tickets(const struct vital_tls *);

SSL *tls_client_session(const struct vital_tls *, const char *host, const char *alpn);   /* SNI and verification set */
/* After a failed handshake or verification: the reason and a text for people. */
enum vital_reason tls_failure(SSL *, int ssl_result, char *text, size_t size);
unsigned tls_certificates(SSL *, struct vital_cert *, unsigned room, char *texts, size_t size);

#endif
