/* What a `tls:` option says, a probe's or a listener's: decoded by config/, made into a context by io/tls. */
#ifndef BASE_TLS_SETTINGS_H
#define BASE_TLS_SETTINGS_H

#include <stdbool.h>

struct vital_secret;

struct tls_settings {               /* all strings may be NULL */
    const char *ca;                 /* file or directory of CA certificates; NULL = the system's */
    const char *cert;               /* certificate chain (PEM) */
    const struct vital_secret *key; /* its private key, PEM text (usually {file: ...}) */
    const char *name;               /* name to verify and to send as SNI; NULL = the host */
    unsigned min_version;           /* 12, 13; 10 and 11 are allowed for old targets */
    bool verify;                    /* false: record the problem and go on */
    /* A listener's: cert and key are our own, ca is what clients' certificates are verified with (NULL: none is asked for). */
    bool serves;
    bool demands;                   /* no client without a certificate */
    const char *alpn;               /* what is spoken there, best first: "h2,http/1.1" */
};

#endif
