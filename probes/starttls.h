/* The dialogue in plain text that comes before TLS: one row of a table per protocol. Used by tcp and tls. */
#ifndef PROBES_STARTTLS_H
#define PROBES_STARTTLS_H

#include "vital_probe.h"

enum starttls_protocol { STARTTLS_NONE, STARTTLS_SMTP, STARTTLS_IMAP, STARTTLS_POP3, STARTTLS_LDAP, STARTTLS_POSTGRES, STARTTLS_MYSQL, STARTTLS_COUNT };
extern const char *const starttls_words[];       /* none, smtp, ...: for the option rows */

enum starttls_result { STARTTLS_MORE, STARTTLS_READY, STARTTLS_FAILED };

enum { STARTTLS_REPLY_MAX = 1024, STARTTLS_TEXT_MAX = 256 };

struct starttls {
    uint8_t protocol, step;
    bool tls;                                    /* the handshake was asked for: the next open() is the TLS one */
    uint16_t have;
    char reply[STARTTLS_REPLY_MAX];              /* what has come and was not understood yet */
    enum vital_reason reason;                    /* after STARTTLS_FAILED */
    char text[STARTTLS_TEXT_MAX];
};

void starttls_begin(struct starttls *, enum starttls_protocol);
/* After the connection is open: what the client says first. */
void starttls_open(struct starttls *, struct vital_probe *, struct vital_io *);
/* What came from the server. READY: nothing more of plain text; ask the host for TLS. */
enum starttls_result starttls_feed(struct starttls *, struct vital_probe *, struct vital_io *, const char *bytes, size_t len);

#endif
