#include "front/handshake.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/timer.h"
#include "front/guest.h"
#include "front/listen.h"
#include "front/source.h"
#include "front/stats.h"
#include "io/loop.h"
#include "io/peer.h"

#define HANDSHAKE_TIME (5 * USEC_S)    /* from accept; absolute */
#define DRAIN_TIME (1 * USEC_S)
#define A_TURN (2 * USEC_MS)           /* for all handshakes together, and always one step: a large RSA key takes longer */
enum { DRAIN_MAX = 64 * 1024, SOURCE_SHARE = 4, LISTENER_SHARE = 8 };

static const char not_here[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
                               "this port speaks TLS: use https://\n";

struct handshake {
    struct loop_fd io;
    struct timer timer;
    struct loop_dead dead;
    struct guest guest;
    struct list shaking, source_shaking;    /* in the lists of its listener and its source */
    struct peer peer;
    handshake_done_fn *done;
    uint32_t drained;
    bool told;                     /* it does not speak TLS and was told so; what it still sends is thrown away */
};

static void free_handshake(struct loop_dead *dead)
{
    mem_free(LIST_OWNER(dead, struct handshake, dead));
}

/* It holds nothing any more, its peer excepted. */
static void stop(struct handshake *h)
{
    loop_remove(&h->io);
    timer_clear(loop_timers(), &h->timer);
    list_remove(&h->shaking);
    list_remove(&h->source_shaking);
    h->guest.listener->handshakes--;
    if (h->guest.source)
        h->guest.source->handshakes--;
    loop_bury(&h->dead, free_handshake);
}

static void end(struct handshake *h)
{
    stop(h);
    peer_close(&h->peer);
    guest_leave(&h->guest);
}

static void hand_over(struct handshake *h)
{
    front_stats.handshakes++;
    front_stats.resumed += peer_is_resumed(&h->peer);
    stop(h);
    guest_busy(&h->guest); /* its source may go with whoever takes the peer over */
    h->done(&h->peer, h->guest.listener, h->guest.source);
    h->guest.source = NULL; /* who took the peer over counts for it now */
    guest_leave(&h->guest);
}

static void turn_away(struct handshake *h)
{
    front_stats.plain_on_tls++;
    h->told = true;
    if (peer_write(&h->peer, not_here, sizeof not_here - 1) < 0) {
        end(h);
        return;
    }
    peer_finish(&h->peer);
    loop_change(&h->io, LOOP_READ);
    timer_set(loop_timers(), &h->timer, clock_now() + DRAIN_TIME);
}

static void fail(struct handshake *h, enum peer_step step, const char *why)
{
    front_stats.handshakes_failed++;
    if (step == PEER_FAILED)
        listen_complain(h->guest.listener, h->peer.fd, why);
    end(h);
}

/* Who does not get any of this turn has its part in the next: its descriptor stays ready. */
static void step_on(struct handshake *h)
{
    static uint64_t turn, spent;
    char why[160] = "failed in the TLS handshake: ";
    if (turn != loop_turns())
        spent = 0;
    turn = loop_turns();
    if (spent >= A_TURN)
        return;
    uint64_t start = clock_now();
    enum peer_step step = peer_handshake(&h->peer, why + strlen(why), sizeof why - strlen(why));
    spent += clock_now() - start;
    if (step == PEER_READY)
        hand_over(h);
    else if (step == PEER_WANTS_READ || step == PEER_WANTS_WRITE)
        loop_change(&h->io, step == PEER_WANTS_READ ? LOOP_READ : LOOP_WRITE);
    else if (step == PEER_SPEAKS_PLAIN)
        turn_away(h);
    else
        fail(h, step, why);
}

static void drain(struct handshake *h)
{
    char room[4096];
    ssize_t got = peer_read(&h->peer, room, sizeof room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    h->drained += got > 0 ? (uint32_t)got : 0;
    if (got <= 0 || h->drained > DRAIN_MAX)
        end(h);
}

static void on_ready(struct loop_fd *f, unsigned what)
{
    struct handshake *h = LIST_OWNER(f, struct handshake, io);
    (void)what;
    if (h->told)
        drain(h);
    else
        step_on(h);
}

static void on_time(struct timer *t, uint64_t now)
{
    struct handshake *h = TIMER_OWNER(t, struct handshake, timer);
    (void)now;
    front_stats.handshakes_late += !h->told;
    end(h);
}

static void evict(struct guest *g)
{
    end(LIST_OWNER(g, struct handshake, guest));
}

/* It came for an answer and has none yet. */
static void let_go(struct guest *g)
{
    (void)g;
}

void handshake_open(int fd, struct listener *l, struct source *s, handshake_done_fn *done)
{
    static const struct guest_kind kind = { evict, let_go };
    struct handshake *h = mem_alloc(sizeof *h);
    peer_open(&h->peer, fd);
    h->done = done;
    list_init(&h->source_shaking);
    list_append(&l->shaking, &h->shaking);
    timer_init(&h->timer, on_time);
    guest_enter(&h->guest, &kind, l, s);
    guest_wait(&h->guest);
    l->handshakes++;
    if (s) {
        s->handshakes++;
        list_append(&s->shaking, &h->source_shaking);
    }
    loop_add(&h->io, fd, LOOP_READ, on_ready);
    timer_set(loop_timers(), &h->timer, clock_now() + HANDSHAKE_TIME);
    if (peer_secure(&h->peer, l->tls))
        step_on(h);
    else
        fail(h, PEER_LEFT, "");
}

unsigned handshake_bound(struct listener *l, struct source *s)
{
    unsigned ended = 0;
    if (s->handshakes > l->max_per_source / SOURCE_SHARE && !list_empty(&s->shaking)) {
        end(LIST_OWNER(list_first(&s->shaking), struct handshake, source_shaking));
        ended++;
    }
    if (l->handshakes > l->max_connections / LISTENER_SHARE && !list_empty(&l->shaking)) {
        end(LIST_OWNER(list_first(&l->shaking), struct handshake, shaking));
        ended++;
    }
    return ended;
}
