/* Who has connected to us: its bytes, plain or through TLS, behind calls that behave like recv() and send().
 *
 * A plain peer is its descriptor and costs nothing more. A secure one shakes hands first, in steps: the caller watches the
 * descriptor as each step asks, under a deadline of its own, and spends on steps as much of a turn as it can afford, for
 * one signature may take milliseconds. */
#ifndef IO_PEER_H
#define IO_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ssl_st;
struct vital_tls;

struct peer {
    int fd;
    struct ssl_st *ssl;              /* NULL: plain */
    const struct vital_tls *tls;     /* held */
    bool begun;                      /* the first byte was seen, and is TLS's */
    bool broken;                     /* no goodbye after a protocol error */
};

void peer_open(struct peer *, int fd);
bool peer_secure(struct peer *, const struct vital_tls *);      /* before its first byte; false: it cannot be */

enum peer_step {
    PEER_READY, PEER_WANTS_READ, PEER_WANTS_WRITE,
    PEER_SPEAKS_PLAIN,               /* it sends HTTP: the peer is a plain one now, and can be told so */
    PEER_LEFT,                       /* closed or reset */
    PEER_FAILED,                     /* why says so; the alert is sent */
};
enum peer_step peer_handshake(struct peer *, char *why, size_t size);

/* As recv() and send(): -1 with EAGAIN when it is not the time; 0 of peer_read() is the end. What peer_write() did not
 * take must be offered again, the same bytes, before any other. */
ssize_t peer_read(struct peer *, char *room, size_t size);
ssize_t peer_write(struct peer *, const char *bytes, size_t len);
bool peer_has_more(const struct peer *);     /* bytes that no event will tell of: read again */
void peer_finish(struct peer *);             /* we send no more */
void peer_close(struct peer *);

bool peer_speaks(const struct peer *, const char *protocol);    /* by ALPN */
bool peer_is_resumed(const struct peer *);
bool peer_is_certified(const struct peer *);                    /* it has shown a certificate, and that was verified */
bool peer_is_named(const struct peer *, const char *name);      /* that certificate is for it: a SAN (DNS, URI, e-mail, address) or the CN */

#endif
