#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/conf.h"
#include "front/access.h"
#include "front/grpc_parts.h"
#include "front/listen.h"

#define CREDIT_MAX 400.0
#define CREDIT_A_SECOND 100.0

enum { INPUT_MAX = 16 * 1024, GATHER = 16 * 1024, OUT_MAX = GATHER + 32 * 1024, DRAIN_MAX = 64 * 1024, SESSIONS_A_TURN = 64 };

static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static const char not_here[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
                               "this port speaks gRPC (HTTP/2): grpc.health.v1.\n";

struct list grpc_sessions = { &grpc_sessions, &grpc_sessions };
struct grpc_stats grpc_counts;

static struct list with_news = { &with_news, &with_news };
static char input[INPUT_MAX];

const struct grpc_stats *grpc_stats(void)
{
    return &grpc_counts;
}

/* ---- the only two places that touch the peer's bytes ---- */

static ssize_t receive(struct grpc_session *s, char *room, size_t size)
{
    return peer_read(&s->peer, room, size);
}

static ssize_t transmit(struct grpc_session *s, const char *bytes, size_t len)
{
    return peer_write(&s->peer, bytes, len);
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* ---- ending ---- */

static void free_session(struct loop_dead *dead)
{
    struct grpc_session *s = LIST_OWNER(dead, struct grpc_session, dead);
    nghttp2_session_del(s->http2);
    buf_free(&s->out);
    mem_free(s);
}

static void close_session(struct grpc_session *s)
{
    LIST_EACH_SAFE(at, after, &s->streams)
        grpc_stream_free(LIST_OWNER(at, struct grpc_stream, link));
    if (s->watched)
        loop_remove(&s->io);
    timer_clear(loop_timers(), &s->timer);
    s->gone = true;
    list_remove(&s->link);
    list_remove(&s->news);
    peer_close(&s->peer);
    guest_leave(&s->guest);
    grpc_counts.sessions--;
    loop_bury(&s->dead, free_session);
}

static void on_ready(struct loop_fd *, unsigned what);

static void await(struct grpc_session *s, unsigned what)
{
    if (s->watched)
        loop_change(&s->io, what);
    else
        loop_add(&s->io, s->peer.fd, what, on_ready);
    s->watched = true;
}

/* Unread bytes in the socket would turn close() into a reset, which may overtake what we said last. */
static void end_session(struct grpc_session *s)
{
    peer_finish(&s->peer);
    list_remove(&s->news);
    guest_busy(&s->guest);
    await(s, LOOP_READ);
    s->end_at = clock_now() + GRPC_DRAIN_TIME;
    timer_set(loop_timers(), &s->timer, s->end_at);
}

/* ---- deadlines ---- */

static uint64_t first_due(const struct grpc_session *s)
{
    uint64_t due = TIME_NEVER;
    LIST_EACH(at, &s->streams) {
        const struct grpc_stream *st = LIST_OWNER(at, struct grpc_stream, link);
        due = st->deadline < due ? st->deadline : due;
    }
    return due;
}

static uint64_t deadline_of(const struct grpc_session *s)
{
    if (s->end_at)
        return s->end_at;
    if (s->blocked)
        return s->blocked + GRPC_ANSWER_TIME;
    if (!s->stream_count)
        return s->since + (s->served ? GRPC_IDLE_TIME : GRPC_REQUEST_TIME);
    uint64_t due = first_due(s);
    return s->watch_count && s->beat < due ? s->beat : due;
}

static void settle(struct grpc_session *s)
{
    uint64_t now = clock_now();
    if (s->stream_count) {
        guest_busy(&s->guest);
        s->since = 0;
    } else if (!s->since) {
        guest_wait(&s->guest);
        s->since = now;
    }
    s->beat = !s->watch_count ? 0 : s->beat ? s->beat : now + GRPC_BEAT;
    uint64_t at = deadline_of(s);
    if (!timer_is_set(&s->timer) || s->timer.at != at)
        timer_set(loop_timers(), &s->timer, at);
}

/* ---- sending ---- */

static void gather(struct grpc_session *s)
{
    const uint8_t *bytes;
    ssize_t n = 1;
    buf_reset(&s->out);
    s->out.max = OUT_MAX;
    s->out_at = 0;
    while (s->out.len < GATHER && (n = nghttp2_session_mem_send(s->http2, &bytes)) > 0)
        buf_add(&s->out, bytes, (size_t)n);
}

/* What is ready goes out; while the peer takes nothing, nothing is read from it either. May be the session's end. */
static void pump(struct grpc_session *s)
{
    list_remove(&s->news);
    for (;;) {
        if (s->out_at == s->out.len)
            gather(s);
        if (s->out_at == s->out.len)
            break;
        ssize_t sent = transmit(s, s->out.data + s->out_at, s->out.len - s->out_at);
        if (sent < 0 && !is_passing(errno)) {
            close_session(s);
            return;
        }
        s->out_at += sent > 0 ? (size_t)sent : 0;
        if (s->out_at < s->out.len) {
            s->blocked = s->blocked && sent <= 0 ? s->blocked : clock_now();
            await(s, LOOP_WRITE);
            settle(s);
            return;
        }
    }
    buf_free(&s->out);
    s->out = (struct buf){ 0 };
    s->out_at = 0;
    s->blocked = 0;
    if (!nghttp2_session_want_read(s->http2) && !nghttp2_session_want_write(s->http2)) {
        end_session(s);
        return;
    }
    await(s, LOOP_READ);
    settle(s);
}

static void terminate(struct grpc_session *s, uint32_t why)
{
    nghttp2_session_terminate_session(s->http2, why);
    pump(s);
}

void grpc_session_news(struct grpc_session *s)
{
    if (s->end_at || s->blocked)
        return;
    if (list_empty(&s->news))
        list_append(&with_news, &s->news);
    loop_soon();
}

/* ---- who asks ---- */

/* What it came through has changed: whether it may still come, and how, is decided when it comes again. */
static bool is_outdated(const struct grpc_session *s)
{
    const struct listener *l = s->guest.listener;
    return l->closed || !(l->serve & SERVE_GRPC) || !l->tls != !s->peer.ssl;
}

/* Two tokens would let two readers see different ones: none of them counts. */
void grpc_session_judge(struct grpc_stream *st, struct span authorization)
{
    static struct http1_request request;
    struct grpc_session *s = st->session;
    const struct listener *l = s->guest.listener;
    if (s->generation != l->generation) {
        s->known = access_knows(l->access, &s->peer);
        s->generation = l->generation;
    }
    bool again = authorization.at && st->vouched;
    request.fields[0] = (struct http1_field){ { "authorization", 13 }, authorization };
    request.count = authorization.at && !again;
    struct access_grant g = access_judge(l->access, &request, s->known);
    st->serve = g.serve;
    st->vouched |= authorization.at != NULL;
    st->refused |= again || g.credential == ACCESS_WRONG;
}

/* ---- receiving ---- */

void grpc_session_spend(struct grpc_session *s, double cost)
{
    s->credit -= cost;
    if (s->credit > CREDIT_MAX)
        s->credit = CREDIT_MAX;
    if (s->credit >= 0)
        return;
    uint64_t now = clock_now();
    s->credit += (double)(now - s->refilled) * CREDIT_A_SECOND / USEC_S;
    s->refilled = now;
    if (s->credit > CREDIT_MAX)
        s->credit = CREDIT_MAX;
    s->flooding |= s->credit < 0;
}

/* A browser, or an HTTP check that was pointed here: told in its own words. */
static void turn_away(struct grpc_session *s)
{
    grpc_counts.not_http2++;
    if (transmit(s, not_here, sizeof not_here - 1) < 0)
        close_session(s);
    else
        end_session(s);
}

static void take_input(struct grpc_session *s, size_t len)
{
    size_t known = len < sizeof hello - 1 ? len : sizeof hello - 1;
    if (!s->begun && memcmp(input, hello, known) != 0) {
        turn_away(s);
        return;
    }
    s->begun = s->heard = true;
    grpc_session_spend(s, (double)len / GRPC_BYTES_PER_COST);
    ssize_t used = nghttp2_session_mem_recv(s->http2, (const uint8_t *)input, len);
    if (used < 0) {
        *(used == NGHTTP2_ERR_FLOODED ? &grpc_counts.floods : &grpc_counts.broken) += 1;
        end_session(s);
    } else if (s->flooding) {
        grpc_counts.floods++;
        terminate(s, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (is_outdated(s) && !s->leaving) {
        grpc_session_leave(s);
    } else {
        pump(s);
    }
}

static void drain(struct grpc_session *s)
{
    ssize_t got = receive(s, input, sizeof input);
    s->drained += got > 0 ? (uint32_t)got : 0;
    if (got == 0 || s->drained > DRAIN_MAX || (got < 0 && !is_passing(errno)))
        close_session(s);
}

static void read_more(struct grpc_session *s)
{
    ssize_t got = receive(s, input, sizeof input);
    if (got < 0 && is_passing(errno))
        return;
    if (got <= 0)
        close_session(s);
    else
        take_input(s, (size_t)got);
}

/* TLS may hold the rest of a record, of which no event will tell. */
static void read_all(struct grpc_session *s)
{
    do
        read_more(s);
    while (!s->gone && !s->end_at && !s->blocked && peer_has_more(&s->peer));
}

static void on_ready(struct loop_fd *f, unsigned what)
{
    struct grpc_session *s = LIST_OWNER(f, struct grpc_session, io);
    (void)what;
    if (s->end_at)
        drain(s);
    else if (s->blocked)
        pump(s);
    else
        read_all(s);
}

/* ---- time ---- */

static void cancel_late(struct grpc_session *s, uint64_t now)
{
    LIST_EACH(at, &s->streams) {
        struct grpc_stream *st = LIST_OWNER(at, struct grpc_stream, link);
        if (st->deadline > now)
            continue;
        st->deadline = TIME_NEVER;
        grpc_counts.late++;
        nghttp2_submit_rst_stream(s->http2, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
    }
    pump(s);
}

/* A watcher that did not answer the last beat is gone, though nobody told us. */
static void beat(struct grpc_session *s, uint64_t now)
{
    if (!s->heard) {
        grpc_counts.late++;
        close_session(s);
        return;
    }
    s->heard = false;
    s->beat = now + GRPC_BEAT;
    nghttp2_submit_ping(s->http2, NGHTTP2_FLAG_NONE, NULL);
    pump(s);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct grpc_session *s = TIMER_OWNER(t, struct grpc_session, timer);
    if (now < deadline_of(s)) {
        settle(s);
    } else if (s->end_at) {
        close_session(s);
    } else if (s->blocked) {
        grpc_counts.late++;
        close_session(s);
    } else if (!s->stream_count) {
        (*(s->served ? &grpc_counts.idle : &grpc_counts.late))++;
        terminate(s, NGHTTP2_NO_ERROR);
    } else if (first_due(s) <= now) {
        cancel_late(s, now);
    } else {
        beat(s, now);
    }
}

/* ---- coming and going ---- */

static void evict(struct guest *g)
{
    close_session(LIST_OWNER(g, struct grpc_session, guest));
}

/* One that has asked nothing yet came for an answer, and gets it. */
static void let_go(struct guest *g)
{
    struct grpc_session *s = LIST_OWNER(g, struct grpc_session, guest);
    if (s->served)
        grpc_session_leave(s);
}

void grpc_session_leave(struct grpc_session *s)
{
    if (s->leaving || s->end_at)
        return;
    s->leaving = true;
    LIST_EACH(at, &s->streams) {
        struct grpc_stream *st = LIST_OWNER(at, struct grpc_stream, link);
        if (st->watched)
            grpc_stream_end(st, GRPC_UNAVAILABLE);
    }
    nghttp2_submit_goaway(s->http2, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(s->http2), NGHTTP2_NO_ERROR, NULL, 0);
    pump(s);
}

void grpc_open(const struct peer *peer, struct listener *l, struct source *source)
{
    static const struct guest_kind kind = { evict, let_go };
    struct grpc_session *s = mem_alloc(sizeof *s);
    s->peer = *peer;
    s->credit = CREDIT_MAX;
    s->refilled = s->since = clock_now();
    list_init(&s->news);
    list_init(&s->streams);
    list_append(&grpc_sessions, &s->link);
    guest_enter(&s->guest, &kind, l, source);
    timer_init(&s->timer, on_timer);
    grpc_counts.sessions++;
    s->http2 = grpc_http2_open(s);
    guest_wait(&s->guest);
    await(s, LOOP_READ);
    settle(s);
    read_all(s);
}

/* ---- everybody ---- */

void grpc_adopt(void)
{
    grpc_health_adopt();
    LIST_EACH_SAFE(at, after, &grpc_sessions) {
        struct grpc_session *s = LIST_OWNER(at, struct grpc_session, link);
        if (is_outdated(s))
            grpc_session_leave(s);
    }
}

void grpc_publish(void)
{
    grpc_health_publish();
    for (unsigned i = 0; i < SESSIONS_A_TURN && !list_empty(&with_news); i++)
        pump(LIST_OWNER(list_first(&with_news), struct grpc_session, news));
    if (!list_empty(&with_news))
        loop_soon();
}

void grpc_leave(void)
{
    LIST_EACH_SAFE(at, after, &grpc_sessions) {
        struct grpc_session *s = LIST_OWNER(at, struct grpc_session, link);
        if (s->watch_count)
            grpc_session_leave(s);
    }
}

void grpc_close(void)
{
    LIST_EACH_SAFE(at, after, &grpc_sessions)
        close_session(LIST_OWNER(at, struct grpc_session, link));
}
