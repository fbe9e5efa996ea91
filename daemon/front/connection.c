#include "front/connection.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/timer.h"
#include "front/access.h"
#include "front/balancer.h"
#include "front/detail.h"
#include "front/events.h"
#include "front/guest.h"
#include "front/listen.h"
#include "front/serve.h"
#include "front/stats.h"
#include "io/loop.h"
#include "io/peer.h"

#define HEAD_TIME (5 * USEC_S)         /* from accept, or from a head's first byte, to its last; absolute */
#define IDLE_TIME (60 * USEC_S)
#define WRITE_TIME (10 * USEC_S)
#define STREAM_TIME (30 * USEC_S)      /* a body of many chunks, all of it */
#define DRAIN_TIME (1 * USEC_S)
enum { INPUT_MAX = 16 * 1024, DRAIN_MAX = 64 * 1024, OUT_MAX = VIEW_ROOM + 64 * 1024 };
_Static_assert((int)INPUT_MAX > (int)HTTP1_HEAD_MAX, "a head must fit");

enum phase { READING, WRITING, DRAINING, FOLLOWING, PHASES };

struct connection {
    struct loop_fd io;
    struct timer timer;
    struct loop_dead dead;
    struct guest guest;
    uint64_t deadline;           /* the timer may be earlier: moving it for each request would cost more than asking */
    char *stash;                 /* bytes that no request was made of yet; NULL while there are none */
    struct buf out;
    size_t out_at;
    struct detail *rest;
    struct follower *follower;
    struct peer peer;
    uint32_t stash_len, served, drained;
    unsigned generation;         /* of the listener's access that `known` was found under */
    uint8_t phase;
    bool known;                  /* by its certificate */
    bool watched, pipelined, chunked, close, drain, moved /* bytes since the last beat */;
};

static char input[INPUT_MAX];          /* the process's only read buffer */

/* ---- the only two places that touch the peer's bytes ---- */

static ssize_t receive(struct connection *c, char *room, size_t size)
{
    return peer_read(&c->peer, room, size);
}

static ssize_t transmit(struct connection *c, const char *bytes, size_t len)
{
    return peer_write(&c->peer, bytes, len);
}

/* ---- waiting, watching, ending ---- */

static void on_ready(struct loop_fd *, unsigned what);

static void watch(struct connection *c, unsigned what)
{
    if (c->watched)
        loop_change(&c->io, what);
    else
        loop_add(&c->io, c->peer.fd, what, on_ready);
    c->watched = true;
}

static void set_deadline(struct connection *c, uint64_t at)
{
    c->deadline = at;
    if (!timer_is_set(&c->timer) || c->timer.at > at)
        timer_set(loop_timers(), &c->timer, at);
}

static void stash(struct connection *c, const char *bytes, size_t len)
{
    if (len == 0 && !c->stash)
        return;
    char *kept = len ? mem_grow(NULL, len) : NULL;
    if (len)
        memcpy(kept, bytes, len);
    mem_free(c->stash);
    c->stash = kept;
    c->stash_len = (uint32_t)len;
}

static void free_connection(struct loop_dead *dead)
{
    struct connection *c = LIST_OWNER(dead, struct connection, dead);
    mem_free(c->stash);
    buf_free(&c->out);
    mem_free(c);
}

static void close_connection(struct connection *c)
{
    if (c->watched)
        loop_remove(&c->io);
    timer_clear(loop_timers(), &c->timer);
    peer_close(&c->peer);
    if (c->rest)
        detail_end(c->rest);
    events_leave(c->follower);
    guest_leave(&c->guest);
    loop_bury(&c->dead, free_connection);
}

/* Unread bytes in the socket would turn close() into a reset, which may overtake the answer: the peer is told that we
 * send no more, and what it still sends is read for a moment. */
static void end_answered(struct connection *c)
{
    if (!c->drain) {
        close_connection(c);
        return;
    }
    peer_finish(&c->peer);
    c->phase = DRAINING;
    stash(c, NULL, 0);
    buf_free(&c->out);
    guest_busy(&c->guest);
    watch(c, LOOP_READ);
    set_deadline(c, clock_now() + DRAIN_TIME);
}

static void answered(struct connection *c)
{
    if (c->close) {
        end_answered(c);
        return;
    }
    uint64_t now = clock_now();
    c->phase = READING;
    guest_wait(&c->guest);
    watch(c, LOOP_READ);
    set_deadline(c, now + IDLE_TIME);
    if (!c->stash && !peer_has_more(&c->peer))
        return;
    c->pipelined = true;
    timer_set(loop_timers(), &c->timer, now);
}

/* ---- writing ---- */

static void begin_writing(struct connection *c, const char *bytes, size_t len)
{
    guest_busy(&c->guest);
    c->phase = WRITING;
    c->out = BUF(OUT_MAX);
    c->out_at = 0;
    buf_add(&c->out, bytes, len);
    watch(c, LOOP_WRITE);
    set_deadline(c, clock_now() + (c->rest ? STREAM_TIME : WRITE_TIME));
}

/* ---- following /events ---- */

/* False: not all of it was taken, or the connection is closed. */
static bool send_events(struct connection *c)
{
    ssize_t sent = c->out.len ? transmit(c, c->out.data + c->out_at, c->out.len - c->out_at) : 0;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        close_connection(c);
        return false;
    }
    c->out_at += sent > 0 ? (size_t)sent : 0;
    c->moved |= sent > 0;
    bool blocked = c->out_at < c->out.len;
    if (blocked) {
        events_block(c->follower);
    } else {
        buf_free(&c->out);
        c->out_at = 0;
    }
    watch(c, blocked ? LOOP_READ | LOOP_WRITE : LOOP_READ);
    return !blocked;
}

static void wake_follower(void *owner)
{
    struct connection *c = owner;
    c->out = BUF(EVENTS_ROOM);
    bool on = events_take(c->follower, &c->out);
    if (send_events(c) && !on)
        close_connection(c);
}

static void begin_following(struct connection *c, const struct reply *r)
{
    guest_busy(&c->guest);
    stash(c, NULL, 0);
    c->phase = FOLLOWING;
    c->out = BUF(EVENTS_ROOM);
    c->out_at = 0;
    buf_add(&c->out, r->bytes, r->len);
    c->follower = events_follow(c->guest.listener, r->seen, &c->out, wake_follower, c);
    setsockopt(c->peer.fd, SOL_SOCKET, SO_SNDBUF, &(int){ EVENTS_SOCKET }, sizeof(int));
    set_deadline(c, clock_now() + EVENTS_BEAT_S * USEC_S);
    send_events(c);
}

/* What a follower still sends is read, so that its end is noticed, and not answered. */
static void follow_more(struct connection *c)
{
    ssize_t got = receive(c, input, sizeof input);
    c->drained += got > 0 ? (uint32_t)got : 0;
    if (got == 0 || c->drained > DRAIN_MAX || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        close_connection(c);
        return;
    }
    if (c->out.len > 0 && send_events(c))
        events_unblock(c->follower);
}

/* One that let bytes lie from beat to beat is gone or hostile. */
static void beat(struct connection *c)
{
    if (c->out.len && !c->moved) {
        front_stats.late_writes++;
        close_connection(c);
        return;
    }
    c->moved = false;
    set_deadline(c, c->deadline + EVENTS_BEAT_S * USEC_S);
    if (c->out.len)
        return;
    c->out = BUF(EVENTS_ROOM);
    buf_text(&c->out, ":\n\n");
    send_events(c);
}

static void send_reply(struct connection *c, const struct reply *r)
{
    if (r->follows) {
        begin_following(c, r);
        return;
    }
    c->rest = r->rest;
    c->chunked = r->chunked;
    c->close = r->close;
    ssize_t sent = transmit(c, r->bytes, r->len);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        close_connection(c);
    else if (sent == (ssize_t)r->len && !r->rest)
        answered(c);
    else
        begin_writing(c, r->bytes + (sent > 0 ? sent : 0), r->len - (size_t)(sent > 0 ? sent : 0));
}

static void render_next(struct connection *c)
{
    static const char room_for_size[] = "00000000\r\n";
    char size[sizeof room_for_size];
    buf_reset(&c->out);
    c->out_at = 0;
    if (c->chunked)
        buf_text(&c->out, room_for_size);
    size_t start = c->out.len;
    bool last = detail_next(c->rest, &c->out);
    if (c->chunked && c->out.len == start) {
        buf_reset(&c->out);
    } else if (c->chunked) {
        snprintf(size, sizeof size, "%08x", (unsigned)(c->out.len - start));
        memcpy(c->out.data, size, 8);
        buf_text(&c->out, "\r\n");
    }
    if (!last)
        return;
    if (c->chunked)
        buf_text(&c->out, "0\r\n\r\n");
    detail_end(c->rest);
    c->rest = NULL;
}

/* One chunk is rendered a turn, whoever gets it: readers that take everything at once get their megabytes in turns, and
 * between any two chunks verdicts are served. */
static void write_more(struct connection *c)
{
    static uint64_t rendered;
    if (c->out_at == c->out.len && c->rest) {
        if (rendered == loop_turns())
            return;
        rendered = loop_turns();
        render_next(c);
    }
    ssize_t sent = transmit(c, c->out.data + c->out_at, c->out.len - c->out_at);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        close_connection(c);
        return;
    }
    c->out_at += sent > 0 ? (size_t)sent : 0;
    if (c->out_at < c->out.len || c->rest)
        return;
    buf_free(&c->out);
    answered(c);
}

/* ---- who asks ---- */

/* What it came through has changed: TLS or not is decided when it comes again. */
static bool is_outdated(const struct connection *c)
{
    return c->guest.listener->closed || !c->guest.listener->tls != !c->peer.ssl;
}

static void judge(struct connection *c, const struct http1_request *r, struct asker *a)
{
    const struct listener *l = c->guest.listener;
    if (c->generation != l->generation) {
        c->known = access_knows(l->access, &c->peer);
        c->generation = l->generation;
    }
    struct access_grant g = access_judge(l->access, r, c->known);
    a->serve = l->serve & g.serve;
    a->locked = l->serve & ~g.serve;
    a->credential = g.credential;
    a->by_token = g.by_token;
    a->access = l->access;
    a->hsts = c->peer.ssl ? l->hsts : 0;
}

/* ---- reading ---- */

/* The first `len` bytes of `input` are all that came and was not answered yet. */
static void take_input(struct connection *c, size_t len)
{
    static struct http1_request request;
    struct reply reply;
    bool fresh = !c->stash;
    int head = http1_request(input, len, &request);
    if (head == 0) {
        stash(c, input, len);
        if (fresh && c->served)
            set_deadline(c, clock_now() + HEAD_TIME);
        c->pipelined = peer_has_more(&c->peer);
        if (c->pipelined)
            timer_set(loop_timers(), &c->timer, clock_now());
        return;
    }
    if (head < 0) {
        c->drain = true;
        stash(c, NULL, 0);
        serve_broken((unsigned)-head, &reply);
    } else {
        bool worn = ++c->served >= CONNECTION_REQUESTS;
        front_stats.worn_out += worn;
        struct asker asker = { .listener = c->guest.listener, .keep = request.keep_alive && !worn && !is_outdated(c) };
        judge(c, &request, &asker);
        balancer_hear(&request, c->guest.listener->name);
        serve_request(&request, &asker, &reply);
        if (reply.refused)
            listen_complain(c->guest.listener, c->peer.fd, asker.credential == ACCESS_NONE ? "asked without a credential for what needs one"
                                                                                      : "asked with a credential that does not open what it wants");
        stash(c, input + head, len - (size_t)head);
        c->drain = reply.close && (request.keep_alive || request.has_body || c->stash);
    }
    send_reply(c, &reply);
}

static void read_more(struct connection *c)
{
    size_t had = c->stash_len;
    if (c->pipelined && had)
        return;      /* what is there is served first: the end of a peer that sent all its questions at once waits behind them */
    ssize_t got = receive(c, input + had, INPUT_MAX - had);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_connection(c);
        return;
    }
    if (had)
        memcpy(input, c->stash, had);
    c->pipelined = false;
    take_input(c, had + (size_t)got);
}

static void drain_more(struct connection *c)
{
    ssize_t got = receive(c, input, sizeof input);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->drained += got > 0 ? (uint32_t)got : 0;
    if (got <= 0 || c->drained > DRAIN_MAX)
        close_connection(c);
}

static void on_ready(struct loop_fd *f, unsigned what)
{
    static void (*const by_phase[PHASES])(struct connection *) = {
        [READING] = read_more, [WRITING] = write_more, [DRAINING] = drain_more,
        [FOLLOWING] = follow_more,
    };
    struct connection *c = LIST_OWNER(f, struct connection, io);
    (void)what;
    by_phase[c->phase](c);
}

/* ---- time ---- */

static void expire(struct connection *c)
{
    struct reply reply;
    bool waits_for_head = c->phase == READING && (c->stash || !c->served);
    if (c->phase == WRITING)
        front_stats.late_writes++;
    else if (waits_for_head)
        front_stats.late_heads++;
    else if (c->phase == READING)
        front_stats.idle_ends++;
    if (!waits_for_head || !c->stash) {
        close_connection(c);
        return;
    }
    stash(c, NULL, 0);
    c->drain = true;
    serve_broken(408, &reply);
    send_reply(c, &reply);
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct connection *c = TIMER_OWNER(t, struct connection, timer);
    if (c->pipelined && (!c->stash || (peer_has_more(&c->peer) && c->stash_len < INPUT_MAX))) {
        c->pipelined = false;
        timer_set(loop_timers(), t, c->deadline);
        read_more(c);
    } else if (c->pipelined) {
        c->pipelined = false;
        memcpy(input, c->stash, c->stash_len);
        size_t len = c->stash_len;
        stash(c, NULL, 0);
        timer_set(loop_timers(), t, c->deadline);
        take_input(c, len);
    } else if (now < c->deadline) {
        timer_set(loop_timers(), t, c->deadline);
    } else if (c->phase == FOLLOWING) {
        beat(c);
    } else {
        expire(c);
    }
}

/* ---- coming and going ---- */

static void evict(struct guest *g)
{
    close_connection(LIST_OWNER(g, struct connection, guest));
}

/* One that has asked nothing yet came for an answer, and gets it. */
static void let_go(struct guest *g)
{
    struct connection *c = LIST_OWNER(g, struct connection, guest);
    if (c->served && !c->stash)
        close_connection(c);
}

void connection_open(const struct peer *peer, struct listener *l, struct source *s)
{
    static const struct guest_kind kind = { evict, let_go };
    struct connection *c = mem_alloc(sizeof *c);
    c->peer = *peer;
    guest_enter(&c->guest, &kind, l, s);
    timer_init(&c->timer, on_timer);
    ssize_t got = receive(c, input, INPUT_MAX);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        close_connection(c);
        return;
    }
    if (got > 0)
        take_input(c, (size_t)got);
    if (c->served || c->phase != READING || (got > 0 && !c->stash))
        return;
    guest_wait(&c->guest);
    watch(c, LOOP_READ);
    set_deadline(c, clock_now() + HEAD_TIME);
}
