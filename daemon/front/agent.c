#include "front/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/picture.h"
#include "front/ports.h"
#include "front/socket.h"
#include "view/agent.h"

#define LINE_AGE (250 * USEC_MS)
#define END_TIME (1 * USEC_S)
/* After our own start, a group that has seen no outcome yet says nothing for that long: HAProxy would take a server out
 * because its agent was restarted. Then it is down. */
#define SILENCE (3 * USEC_S)

struct agent {
    struct port port;
    uint64_t version, made;      /* of the line: the verdict's, and when */
    char line[AGENT_LINE_MAX];
    size_t len;
};

/* The line is sent, and our end is closed. What the peer wrote is read away, for closing with unread bytes would turn
 * into a reset that overtakes the line. */
struct peer {
    struct list link;
    struct loop_fd io;
    struct timer timer;
    struct loop_dead dead;
    unsigned drained;
};

static struct list peers = { &peers, &peers };
static struct buf scratch = { .max = AGENT_LINE_MAX };
static struct agent_stats stats;

const struct agent_stats *agent_stats(void)
{
    return &stats;
}

/* ---- the line ---- */

static bool find_number(const struct conf_weight *w, double *value)
{
    const struct picture *pic = picture_probe(w->probe);
    const struct picture_probe *p = &pic->probes[0];
    bool found = false;
    for (unsigned i = 0; i < p->number_count && !found && p->state != STATE_UNKNOWN; i++) {
        const struct picture_number *n = &p->numbers[i];
        found = !strcmp(n->name, w->number) && (!w->label || (n->label_value && !strcmp(n->label_value, w->label)));
        *value = n->value;
    }
    picture_free(pic);
    return found;
}

static unsigned weight_of(const struct conf_weight *w, enum level level)
{
    unsigned percent = level == LEVEL_WARN ? w->warn : w->pass;
    double value = 0;
    if (w->probe == UINT32_MAX || !find_number(w, &value))
        return percent;
    double share = (value - w->least_at) / (w->full_at - w->least_at), room = 100.0 - w->least;
    share = share > 0 ? share < 1 ? share : 1 : 0;
    unsigned mapped = (unsigned)(w->least + share * room + 0.5);
    return mapped < percent ? mapped : percent;
}

static bool is_undecided(const struct verdict *v)
{
    struct core_stats s;
    if (v->why != WHY_STARTING && !(v->unknown && v->level == LEVEL_FAIL))
        return false;
    core_stats(&s);
    return clock_now() - s.started < SILENCE;
}

static void render(struct agent *a, const struct verdict *v)
{
    const struct conf_agent *c = &core_conf()->agents[a->port.index];
    const struct picture *pic = v->level != LEVEL_PASS || c->admin_words ? picture_group(a->port.group) : NULL;
    const struct view_agent view = {
        .picture = pic, .level = v->level, .why = v->why, .draining = v->draining, .leaving = v->draining && !admin_drain_is_ordered(),
        .undecided = is_undecided(v), .admin_words = c->admin_words, .weight = weight_of(&c->weight, v->level),
    };
    buf_reset(&scratch);
    agent_line(&view, &scratch);
    picture_free(pic);
    memcpy(a->line, scratch.data, scratch.len);
    a->len = scratch.len;
    a->version = v->version;
    a->made = clock_now();
}

static void freshen(struct agent *a)
{
    struct verdict v;
    core_verdict(a->port.group, &v);
    if (a->version != v.version || clock_now() - a->made >= LINE_AGE)
        render(a, &v);
}

/* ---- ending a connection ---- */

static void free_peer(struct loop_dead *dead)
{
    mem_free(LIST_OWNER(dead, struct peer, dead));
}

static void close_peer(struct peer *p)
{
    loop_remove(&p->io);
    timer_clear(loop_timers(), &p->timer);
    list_remove(&p->link);
    close(p->io.fd);
    stats.peers--;
    loop_bury(&p->dead, free_peer);
}

/* True when it is over: the peer has closed, failed, or said more than an agent is told. */
static bool read_away(int fd, unsigned *drained)
{
    char bytes[AGENT_READ_MAX];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    *drained += got > 0 ? (unsigned)got : 0;
    return got == 0 || *drained >= AGENT_READ_MAX || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_peer(struct loop_fd *f, unsigned what)
{
    struct peer *p = LIST_OWNER(f, struct peer, io);
    (void)what;
    if (read_away(f->fd, &p->drained))
        close_peer(p);
}

static void on_late(struct timer *t, uint64_t now)
{
    (void)now;
    stats.late++;
    close_peer(TIMER_OWNER(t, struct peer, timer));
}

static void linger(int fd, unsigned drained)
{
    if (stats.peers == AGENT_PEERS) {
        stats.evicted++;
        close_peer(LIST_OWNER(peers.next, struct peer, link));
    }
    struct peer *p = mem_alloc(sizeof *p);
    p->drained = drained;
    list_append(&peers, &p->link);
    timer_init(&p->timer, on_late);
    timer_set(loop_timers(), &p->timer, clock_now() + END_TIME);
    loop_add(&p->io, fd, LOOP_READ, on_peer);
    stats.peers++;
}

static void answer(struct port *port, int fd)
{
    struct agent *a = LIST_OWNER(port, struct agent, port);
    unsigned drained = 0;
    freshen(a);
    stats.lines++;
    ssize_t sent = send(fd, a->line, a->len, MSG_NOSIGNAL);
    if (sent != (ssize_t)a->len || shutdown(fd, SHUT_WR) < 0 || read_away(fd, &drained))
        close(fd);
    else
        linger(fd, drained);
}

/* ---- ports ---- */

static int open_agent(const struct conf_port *c, char **error)
{
    return socket_listen(c->address, 0, false, error);
}

static struct ports ports = {
    .all = { &ports.all, &ports.all }, .size = sizeof(struct agent), .open = open_agent, .accepted = answer,
};

static const struct conf_port *item(const void *section, uint32_t i)
{
    return &((const struct conf_agent *)section)[i].port;
}

bool agent_prepare(const struct conf *conf, struct diag *diag)
{
    return ports_prepare(&ports, item, conf->agents, conf->agent_count, diag);
}

void agent_abandon(void)
{
    ports_abandon(&ports);
}

void agent_adopt(void)
{
    ports_commit(&ports);
    LIST_EACH(at, &ports.all) {
        struct agent *a = LIST_OWNER(at, struct agent, port.link);
        a->version = 0;
        if (!a->port.watched)
            log_about(LOG_NOTICE, "agent", a->port.address, "answers HAProxy's agent-check for the group %s", core_conf()->groups[a->port.group].name);
        ports_watch(&a->port);
    }
}

void agent_close(void)
{
    while (!list_empty(&peers))
        close_peer(LIST_OWNER(peers.next, struct peer, link));
    ports_close(&ports);
}
