#include "front/gate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/core.h"
#include "front/listen.h"
#include "front/ports.h"
#include "front/socket.h"

#define RETRY (1 * USEC_S)

struct gate {
    struct port port;
    uint64_t version, retry_at;  /* of the verdict that was acted upon; 0 = it could be */
    bool open, failed;           /* failed: said so once */
};

static struct gate_stats stats;

const struct gate_stats *gate_stats(void)
{
    return &stats;
}

static void take(struct port *p, int fd)
{
    (void)p;
    stats.accepted++;
    close(fd);
}

static int open_gate(const struct conf_port *c, char **error)
{
    return socket_bind(c->address, error);
}

static struct ports ports = {
    .all = { &ports.all, &ports.all }, .size = sizeof(struct gate), .open = open_gate, .accepted = take,
};

static const struct conf_port *item(const void *section, uint32_t i)
{
    return &((const struct conf_port *)section)[i];
}

bool gate_prepare(const struct conf *conf, struct diag *diag)
{
    return ports_prepare(&ports, item, conf->gates, conf->gate_count, diag);
}

void gate_abandon(void)
{
    ports_abandon(&ports);
}

/* ---- opening and shutting ---- */

/* The socket stays bound all the time, so that the port is still ours when the group passes again: shutdown() takes a
 * listening socket back to that, and resets what waited in its queue. */
static bool shut(struct gate *g)
{
    if (shutdown(g->port.in.fd, SHUT_RD) < 0)
        return false;
    ports_unwatch(&g->port);
    return true;
}

static bool open_up(struct gate *g)
{
    if (listen(g->port.in.fd, LISTEN_BACKLOG) < 0)
        return false;
    ports_watch(&g->port);
    return true;
}

static void set(struct gate *g, bool open)
{
    if (open == g->open) {
        g->retry_at = 0;
        return;
    }
    if (open ? open_up(g) : shut(g)) {
        g->open = open;
        g->failed = false;
        g->retry_at = 0;
        stats.open += open ? 1u : -1u;
        log_about(LOG_NOTICE, "gate", g->port.address, open ? "open: the group %s passes" : "shut: the group %s fails", core_conf()->groups[g->port.group].name);
        return;
    }
    stats.failed++;
    g->retry_at = clock_now() + RETRY;
    if (!g->failed)
        log_about(LOG_ERR, "gate", g->port.address, "cannot %s it: %s; tried again every second", open ? "open" : "shut", strerror(errno));
    g->failed = true;
}

void gate_publish(void)
{
    struct verdict v;
    LIST_EACH(at, &ports.all) {
        struct gate *g = LIST_OWNER(at, struct gate, port.link);
        core_verdict(g->port.group, &v);
        if (g->version == v.version && !(g->retry_at && clock_now() >= g->retry_at))
            continue;
        g->version = v.version;
        set(g, v.level != LEVEL_FAIL);
    }
}

void gate_adopt(void)
{
    ports_commit(&ports);
    stats.open = stats.all = 0;
    LIST_EACH(at, &ports.all) {
        struct gate *g = LIST_OWNER(at, struct gate, port.link);
        g->version = 0;
        stats.all++;
        stats.open += g->open;
    }
    gate_publish();
}

void gate_close(void)
{
    ports_close(&ports);
}
