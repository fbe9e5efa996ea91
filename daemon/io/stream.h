/* A client stream: descriptor, optional TLS, bounded write queue, one shared 16 KiB read buffer for the whole process.
 *
 * Dialling resolves, tries every address in turn (the next one starts 250 ms after the one before, or at once when that
 * failed), then TLS. There is no timeout in here: the attempt's deadline, owned by the engine, covers all of it. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "vital_probe.h"

enum { STREAM_QUEUE_MAX = 256 * 1024, STREAM_READ_MAX = 16 * 1024 };

struct stream;
struct stream_ops {
    void (*open)(void *arg);
    void (*data)(void *arg, const char *bytes, size_t len);
    void (*closed)(void *arg, enum vital_reason, const char *text);   /* once; the stream is dead after it. OK = clean end */
};

struct stream *stream_dial(const struct vital_dial *, const struct stream_ops *, void *arg);   /* errors come by closed(), never inside */
bool stream_write(struct stream *, const void *bytes, size_t len);
bool stream_starttls(struct stream *, const struct vital_tls *, const char *name, const char *alpn);
void stream_info(const struct stream *, struct vital_stream_info *);
unsigned stream_certificates(const struct stream *, struct vital_cert *, unsigned room);
uint64_t stream_held(const struct stream *);            /* how long its handshake has been waiting for us, not for the peer or its keys */
void stream_close(struct stream *);                     /* at once; no callbacks after it */
unsigned stream_count(void);

/* One place that turns a connect or read errno into a reason. */
enum vital_reason stream_reason(int error);

#endif
