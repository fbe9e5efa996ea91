/* Between stream.c (the life of a stream), stream_connect.c (how it comes to a connection) and stream_tls.c (its handshake).
 * Nobody else includes it. */
#ifndef IO_STREAM_STATE_H
#define IO_STREAM_STATE_H

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "io/loop.h"
#include "io/pool.h"
#include "io/resolve.h"
#include "io/stream.h"

enum { STREAM_TRIES = 4 /* connects in flight at once */, STREAM_TEXT = 256 };

enum stream_state { STREAM_RESOLVING, STREAM_CONNECTING, STREAM_HANDSHAKE, STREAM_OPEN, STREAM_DEAD };

/* One connect in flight; the one that wins goes on to carry the stream. */
struct stream_try {
    struct loop_fd io;
    struct stream *stream;
    unsigned address;
    bool used;
};

struct stream {
    enum stream_state state;
    const struct stream_ops *ops;
    void *arg;
    struct loop_dead dead;
    struct timer timer;             /* what must not happen inside a call, and the next address */
    bool failing;                   /* the timer reports the failure below */
    bool deaf;                      /* writing failed: what the peer still says is read, then its end */
    bool stale_name;
    bool look_again;                /* connects that may be done by now */
    bool speaks_first;              /* what we say follows the connect at once */
    enum vital_reason reason;
    char text[STREAM_TEXT];

    char *host, *unix_path;
    in_port_t port;
    struct resolve_address source;  /* len 0 = any */
    struct resolve *resolve;
    struct resolve_address *addresses;
    unsigned address_count, next_address, tries_running;
    struct stream_try tries[STREAM_TRIES];
    struct stream_try *won;
    int first_error;                /* the most telling one so far */
    unsigned first_failed;

    const struct vital_tls *tls;    /* held */
    char *tls_name, *alpn;
    SSL *ssl;
    bool tls_broken;                /* no goodbye after a protocol error */
    uint64_t away;                  /* since when a step of the handshake is with a helper thread, and with it ssl, descriptor,
                                     * reason and text; 0 = none is */
    atomic_int clock;               /* the processor time of the helper that has begun the step, which started_at is of; 0 = none has */
    uint64_t started_at;
    atomic_bool unwanted;           /* closed while away: a step that has not begun is left out */
    uint8_t wants;                  /* what the step waits for; 0 = the handshake is over */
    struct pool_job step;
    struct buf out;
    char *cert_texts;

    uint64_t started, phase_started, resolve_took, connect_took, tls_took;
    char address_text[INET6_ADDRSTRLEN + 16], alpn_text[32];
};

/* stream.c */
void stream_fail_later(struct stream *, enum vital_reason, const char *text);    /* for what is found out inside a call of the owner */
void stream_connected(struct stream *, struct stream_try *);
void stream_opened(struct stream *);
/* The one place where a stream ends by itself. The callback may look at it (certificates) and may close it. */
void stream_end(struct stream *, enum vital_reason, const char *text);
void stream_bury(struct stream *);               /* after its close */

/* stream_connect.c */
void stream_connect(struct stream *, unsigned address_count);
void stream_try_again(struct stream *);          /* its timer went off while it was connecting */
void stream_try_drop(struct stream_try *);
void stream_address_text(const struct resolve_address *, char *out, size_t size);

/* stream_tls.c */
bool stream_tls(struct stream *);                /* false: the name to verify is not a valid one */
void stream_handshake(struct stream *);          /* the next step of it */

#endif
