/* What a stranger may send to a gRPC listener: HTTP/2 and what is inside it, cut anywhere, with the real core behind. The
 * preface and our own settings go ahead, so that the bytes are frames from the first on. */
#include <stdint.h>

#include "../unit/small_world.h"

#include "front/access.h"
#include "front/grpc_parts.h"
#include "front/listen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static struct listener listener = { .name = (char *)(uintptr_t)"fuzz", .serve = SERVE_GRPC | SERVE_STATUS, .refs = 1000000 };

static void open_world(void)
{
    static const struct conf_access nobody = { .open = SERVE_ALL };
    if (listener.access)
        return;
    small_open(NULL);
    listener.access = access_new(&nobody);
    list_init(&listener.waiting);
    list_init(&listener.link);
}

static void swallow(nghttp2_session *http2)
{
    const uint8_t *bytes;
    size_t sum = 0;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(http2, &bytes)) > 0)
        sum += (size_t)n;
    require(sum < 4 << 20);
}

/* The socket's part is left out: what is between the bytes and the core is all here. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct grpc_session s = { .credit = 400, .guest = { .listener = &listener }, .peer = { .fd = -1 } };
    size_t step = size ? 1 + data[0] % 200U : 1;
    open_world();
    list_init(&s.streams);
    list_init(&s.news);
    s.http2 = grpc_http2_open(&s);
    ssize_t used = nghttp2_session_mem_recv(s.http2, (const uint8_t *)hello, sizeof hello);
    for (size_t at = 1; at < size && used >= 0; at += step) {
        used = nghttp2_session_mem_recv(s.http2, data + at, size - at < step ? size - at : step);
        swallow(s.http2);
        require(s.stream_count <= GRPC_STREAMS + 8 && s.watch_count <= GRPC_WATCHES_OF_SESSION);
    }
    unsigned left = 0;
    LIST_EACH_SAFE(at, after, &s.streams) {
        grpc_stream_free(LIST_OWNER(at, struct grpc_stream, link));
        left++;
    }
    require(!s.stream_count && !s.watch_count && left <= GRPC_STREAMS + 8);
    list_remove(&s.news);
    nghttp2_session_del(s.http2);
    require(!grpc_stats()->watching);
    return 0;
}
