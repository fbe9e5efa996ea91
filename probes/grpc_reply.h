/* What a gRPC server may say to a Check of grpc.health.v1, judged: pure, for the module, its test and its fuzz target. */
#ifndef PROBES_GRPC_REPLY_H
#define PROBES_GRPC_REPLY_H

#include "vital_probe.h"

enum { GRPC_BODY_MAX = 4096, GRPC_SAID_MAX = 160, GRPC_VERDICT_MAX = 400 };
enum grpc_serving { GRPC_UNKNOWN, GRPC_SERVING, GRPC_NOT_SERVING, GRPC_SERVICE_UNKNOWN, GRPC_SERVINGS };
enum { GRPC_STATUS_NONE = -1, GRPC_STATUS_NOT_FOUND = 5, GRPC_STATUS_UNIMPLEMENTED = 12 };

extern const char *const grpc_serving_words[];     /* ended by NULL */
const char *grpc_status_name(int status);

struct grpc_reply {
    int http_status, status;             /* 0, GRPC_STATUS_NONE = none came */
    bool typed;                          /* content-type: application/grpc */
    char said[GRPC_SAID_MAX];            /* grpc-message, printable */
    unsigned char body[GRPC_BODY_MAX];
    size_t body_len;
    bool too_large;
    uint32_t error;                      /* the stream's, as HTTP/2 counts them; 0 = it ended well */
};
void grpc_reply_reset(struct grpc_reply *);
/* One field of the header or the trailer. */
void grpc_reply_field(struct grpc_reply *, const char *name, size_t name_len, const char *value, size_t value_len);
void grpc_reply_data(struct grpc_reply *, const unsigned char *bytes, size_t len);

struct grpc_verdict { enum vital_class class; enum vital_reason reason; int serving; char text[GRPC_VERDICT_MAX]; };   /* serving -1: none was told */
/* accepted: bits by enum grpc_serving. unimplemented: the class when there is no health service. */
void grpc_reply_judge(const struct grpc_reply *, const char *service, unsigned accepted, enum vital_class unimplemented, struct grpc_verdict *);

#endif
