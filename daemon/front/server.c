#include "front/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timer.h"
#include "core/core.h"
#include "front/access.h"
#include "front/answer.h"
#include "front/connection.h"
#include "front/detail.h"
#include "front/events.h"
#include "front/grpc.h"
#include "front/guest.h"
#include "front/handshake.h"
#include "front/listen.h"
#include "front/roles.h"
#include "front/route.h"
#include "front/source.h"
#include "front/stats.h"
#include "io/loop.h"
#include "io/peer.h"

#define PAUSE (100 * USEC_MS)
enum { ACCEPTS_A_TURN = 16, RESERVE_MAX = 512 };

struct front_stats front_stats;

static struct timer resume_timer;
static int reserve = -1;               /* a descriptor to accept with, and to close at once, when there are none */
static unsigned connections_max;

unsigned server_connections(void)
{
    return guest_count();
}

unsigned server_connections_max(void)
{
    return connections_max;
}

/* Half of the descriptors, or all but 512, are left to probes, helpers and logs. */
static unsigned limit_from_descriptors(void)
{
    struct rlimit files = { .rlim_cur = 1024 };
    getrlimit(RLIMIT_NOFILE, &files);
    unsigned all = files.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)files.rlim_cur;
    return all - (all / 2 < RESERVE_MAX ? all / 2 : RESERVE_MAX);
}

static void resume(struct timer *t, uint64_t now)
{
    (void)t;
    (void)now;
    LIST_EACH(at, listen_all()) {
        struct listener *l = LIST_OWNER(at, struct listener, link);
        if (l->paused && !l->closed)
            loop_change(&l->in, LOOP_READ);
        l->paused = false;
    }
}

/* The listening socket stays readable while we cannot accept: without a pause the loop would spin. */
static void pause_accepting(struct listener *l)
{
    front_stats.out_of_fds++;
    if (reserve >= 0)
        close(reserve);
    int fd = accept4(l->in.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->paused = true;
    loop_change(&l->in, 0);
    if (!timer_is_set(&resume_timer))
        timer_set(loop_timers(), &resume_timer, clock_now() + PAUSE);
}

static void count_evicted(struct listener *l)
{
    front_stats.evicted++;
    l->evicted++;
}

static bool make_room(struct listener *l)
{
    if (!guest_evict(&l->waiting))
        return false;
    count_evicted(l);
    return true;
}

/* It matters to this listener who comes. */
static bool looks_at_source(const struct listener *l)
{
    return l->max_per_source < l->max_connections || l->tls || access_by_network(l->access);
}

static bool admit(struct listener *l, const struct sockaddr_storage *from, struct source **source)
{
    *source = NULL;
    if (!access_admits(l->access, (const struct sockaddr *)from)) {
        front_stats.refused_network++;
        return false;
    }
    if ((l->connections >= l->max_connections || guest_count() >= connections_max) && !make_room(l)) {
        front_stats.refused_full++;
        return false;
    }
    if (!looks_at_source(l) || !(*source = source_enter(l, from)))
        return true;
    for (unsigned i = handshake_bound(l, *source); i > 0; i--)
        count_evicted(l);
    if ((*source)->connections <= l->max_per_source)
        return true;
    if (guest_evict_source(&(*source)->waiting)) {
        count_evicted(l);
        return true;
    }
    front_stats.refused_source++;
    source_leave(*source);
    return false;
}

static void receive(int fd, struct listener *l, struct source *source)
{
    handshake_done_fn *speak = l->serve & SERVE_GRPC ? grpc_open : connection_open;
    struct peer plain;
    if (l->tls) {
        handshake_open(fd, l, source, speak);
        return;
    }
    peer_open(&plain, fd);
    speak(&plain, l, source);
}

/* False: nothing more to accept in this turn. */
static bool accept_one(struct listener *l)
{
    struct sockaddr_storage from = { 0 };
    socklen_t len = sizeof from;
    bool by_source = looks_at_source(l);
    struct source *source;
    int fd = accept4(l->in.fd, by_source ? (struct sockaddr *)&from : NULL, by_source ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool want_of_fds = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (want_of_fds && !make_room(l))
            pause_accepting(l);
        return want_of_fds ? !l->paused : errno == ECONNABORTED || errno == EINTR;
    }
    front_stats.accepted++;
    l->accepted++;
    if (admit(l, &from, &source)) {
        receive(fd, l, source);
        return true;
    }
    l->refused++;
    close(fd);
    return true;
}

static void on_accept(struct loop_fd *f, unsigned what)
{
    struct listener *l = LIST_OWNER(f, struct listener, in);
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_A_TURN && accept_one(l); i++)
        continue;
}

void server_adopt(void)
{
    if (reserve < 0) {
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
        connections_max = limit_from_descriptors();
        timer_init(&resume_timer, resume);
    }
    route_build(core_conf());
    roles_reset();
    answer_reset();
    detail_reset();
    events_adopt();
    LIST_EACH(at, listen_all()) {
        struct listener *l = LIST_OWNER(at, struct listener, link);
        if (!l->watched)
            loop_add(&l->in, l->in.fd, LOOP_READ, on_accept);
        l->watched = true;
    }
}

/* What waits in a socket that dies with us is taken first; an inherited one is our successor's too. */
void server_leave(void)
{
    LIST_EACH(at, listen_all()) {
        struct listener *l = LIST_OWNER(at, struct listener, link);
        for (unsigned i = 0; !l->inherited && i < LISTEN_BACKLOG && accept_one(l); i++)
            continue;
        loop_change(&l->in, 0);
        l->closed = true;
        guest_let_go(&l->waiting);
    }
    grpc_leave();
}

bool server_is_answering(void)
{
    return guest_count() > front_stats.followers;
}
