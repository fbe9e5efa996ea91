/* Whole requests to whole answers: paths, queries, Accept, conditions and bearers, with the real core and views behind, one after
 * another as on a kept connection. The first byte says what the asker may see. Whatever comes, an answer is one well-formed head and
 * the body that it announces, nothing of the request stands in the head, and who may see verdicts only is told no name. */
#include <stdint.h>

#include "../unit/small_world.h"

#include "base/buf.h"
#include "base/http1.h"
#include "front/answer.h"
#include "front/detail.h"
#include "front/listen.h"
#include "front/route.h"
#include "front/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct listener listener = { .name = (char *)(uintptr_t)"fuzz", .refs = 1000000, .max_connections = 8 };

static void require(int truth)
{
    if (!truth)
        abort();
}

static void nothing(void) { }

static void open_world(void)
{
    static const struct conf_access open_to_all = { .open = SERVE_ALL };
    if (listener.access)
        return;
    small_open(NULL);
    small[0].next = VITAL_PASS;
    small[1].next = VITAL_FAIL;
    for (unsigned i = 0; i < 10; i++)
        small_turn(nothing);
    route_build(core_conf());
    listener.access = access_new(&open_to_all);
}

/* All that is sent after the first piece. */
static size_t rest_of(struct reply *r, bool *named)
{
    struct buf out = BUF(1 << 20);
    size_t sum = 0;
    for (bool last = !r->rest; !last; sum += out.len) {
        buf_reset(&out);
        last = detail_next(r->rest, &out);
        *named |= memmem(out.data, out.len, "web", 3) != NULL;
    }
    if (r->rest)
        detail_end(r->rest);
    buf_free(&out);
    return sum;
}

static void check(struct reply *r, const struct http1_request *asked, bool public)
{
    static struct http1_reply said;
    const char *why = NULL;
    int head = http1_reply(r->bytes, r->len, &said, &why);
    require(head > 0 && said.status >= 200 && said.minor == 1);
    size_t body = r->len - (size_t)head;
    bool named = memmem(r->bytes, r->len, "web", 3) != NULL;
    bool streamed = r->rest != NULL;
    body += rest_of(r, &named);
    require(!public || !named);
    if (asked && asked->method == HTTP1_HEAD)
        require(body == 0);
    else if (said.has_length)
        require(body == said.length);
    else
        require(said.status == 304 || said.chunked || r->close);
    require(!streamed || said.chunked || r->close);
    require(!r->close == said.keep_alive || r->follows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http1_request request;
    if (!size)
        return 0;
    open_world();
    bool public = data[0] & 1;
    unsigned serve = public ? SERVE_VERDICTS : SERVE_ALL;
    listener.serve = serve;
    for (const char *at = (const char *)data + 1, *end = (const char *)data + size; at < end;) {
        struct reply reply;
        int head = http1_request(at, (size_t)(end - at), &request);
        if (head == 0)
            return 0;
        if (head < 0) {
            serve_broken((unsigned)-head, &reply);
            check(&reply, NULL, public);
            return 0;
        }
        struct access_grant g = access_judge(listener.access, &request, false);
        struct asker asker = { .listener = &listener, .access = listener.access, .serve = serve & g.serve, .locked = data[0] & 2 ? SERVE_ALL & ~serve : 0,
                               .credential = g.credential, .by_token = data[0] & 4, .keep = request.keep_alive };
        serve_request(&request, &asker, &reply);
        check(&reply, &request, public);
        if (reply.close)
            return 0;
        at += head;
    }
    return 0;
}
