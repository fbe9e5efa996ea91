/* What gRPC puts inside an HTTP/2 stream, as far as the health protocol needs it: messages with their five bytes of head,
 * the two small protobuf messages of grpc.health.v1, and the status codes. Pure; both ends use it. */
#ifndef BASE_GRPC_H
#define BASE_GRPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/enumtext.h"
#include "base/http1.h"

enum grpc_status {
    GRPC_OK, GRPC_CANCELLED, GRPC_UNKNOWN, GRPC_INVALID_ARGUMENT, GRPC_DEADLINE_EXCEEDED, GRPC_NOT_FOUND, GRPC_ALREADY_EXISTS,
    GRPC_PERMISSION_DENIED, GRPC_RESOURCE_EXHAUSTED, GRPC_FAILED_PRECONDITION, GRPC_ABORTED, GRPC_OUT_OF_RANGE, GRPC_UNIMPLEMENTED,
    GRPC_INTERNAL, GRPC_UNAVAILABLE, GRPC_DATA_LOSS, GRPC_UNAUTHENTICATED, GRPC_STATUSES
};
ENUM_TEXT_DECLARE(grpc_status);

enum grpc_serving { GRPC_SERVING_UNKNOWN, GRPC_SERVING, GRPC_NOT_SERVING, GRPC_SERVICE_UNKNOWN, GRPC_SERVINGS };
ENUM_TEXT_DECLARE(grpc_serving);

#define GRPC_CHECK "/grpc.health.v1.Health/Check"
#define GRPC_WATCH "/grpc.health.v1.Health/Watch"
#define GRPC_LIST "/grpc.health.v1.Health/List"

enum { GRPC_HEAD = 5, GRPC_MESSAGE_MAX = 4096 };

/* A message that comes in pieces. */
struct grpc_reader { struct buf bytes; };
enum grpc_read { GRPC_MORE, GRPC_WHOLE, GRPC_TOO_LARGE, GRPC_COMPRESSED };
/* Takes from *bytes up to the end of one message, and advances. After GRPC_WHOLE: grpc_message(), then grpc_reader_reset(). */
enum grpc_read grpc_read(struct grpc_reader *, const char **bytes, size_t *len);
struct span grpc_message(const struct grpc_reader *);
void grpc_reader_reset(struct grpc_reader *);            /* memory is given back */

/* With their head. */
void grpc_put_request(struct buf *out, const char *service);
void grpc_put_reply(struct buf *out, enum grpc_serving);
/* One service of the answer to List; all of them together are grpc_put_list()'s content. */
void grpc_put_listed(struct buf *out, const char *service, enum grpc_serving);
void grpc_put_list(struct buf *out, const struct buf *content);

/* Without their head. False: malformed. Unknown fields are skipped, of a repeated one the last counts. */
bool grpc_get_request(struct span message, struct span *service);
bool grpc_get_reply(struct span message, uint64_t *serving);

/* "5" -> GRPC_NOT_FOUND; -1: no number of up to three digits. A code that nobody has defined is GRPC_UNKNOWN. */
int grpc_status_from_digits(struct span);
/* grpc-message is percent-encoded; what is malformed stays as it is. */
void grpc_put_message(struct buf *out, const char *text);
void grpc_get_message(struct span, struct buf *out);

#endif
