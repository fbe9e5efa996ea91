#include "front/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/conf.h"
#include "front/access.h"
#include "front/grpc.h"
#include "front/renewal.h"
#include "front/socket.h"
#include "io/tls.h"

#define COMPLAINT_EVERY (60 * USEC_S)
enum { INHERITED_MAX = 64, FIRST_INHERITED = 3 };

struct inherited { int fd; char *name; };      /* fd -1: given away */

struct prepared {
    const struct conf_listen *conf;
    struct listener *kept;      /* equal address: its socket goes on; else fd */
    int fd;
    bool inherited;
    unsigned slot;              /* of the inherited one */
};

struct listen_set { uint32_t count; struct prepared items[]; };

static struct list all = { &all, &all };
static struct listen_set *pending;
static struct inherited inherited[INHERITED_MAX];
static unsigned inherited_count;

struct list *listen_all(void)
{
    return &all;
}

/* ---- from systemd ---- */

static unsigned env_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    return text && *text && !*end && value < INT32_MAX ? (unsigned)value : 0;
}

/* LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES: taken once, and unset, so that no child believes they are for it. */
static void inherit(void)
{
    unsigned count = env_number("LISTEN_PID") == (unsigned)getpid() ? env_number("LISTEN_FDS") : 0;
    char *names = mem_copy(getenv("LISTEN_FDNAMES")), *rest = names;
    if (count > INHERITED_MAX)
        count = INHERITED_MAX;
    for (unsigned i = 0; i < count; i++) {
        int fd = FIRST_INHERITED + (int)i, listening = 0;
        socklen_t len = sizeof listening;
        const char *name = rest ? strsep(&rest, ":") : NULL;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening) {
            log_line(LOG_WARNING, "inherited descriptor %d (%s) is no listening socket: not used", fd, name ? name : "no name");
            continue;
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        inherited[inherited_count++] = (struct inherited){ fd, mem_copy(name ? name : "") };
    }
    mem_free(names);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static bool is_taken(const struct listen_set *set, unsigned slot)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->items[i].inherited && set->items[i].slot == slot)
            return true;
    return false;
}

/* By name first: one address can be configured differently from what systemd calls it. */
static bool take_inherited(const struct listen_set *set, struct prepared *p)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < inherited_count; i++) {
            if (inherited[i].fd < 0 || is_taken(set, i))
                continue;
            if (pass == 0 ? strcmp(inherited[i].name, p->conf->name) != 0
                          : !socket_is_at(inherited[i].fd, p->conf->address))
                continue;
            p->fd = inherited[i].fd;
            p->slot = i;
            p->inherited = true;
            return true;
        }
    return false;
}

static void close_leftovers(void)
{
    for (unsigned i = 0; i < inherited_count; i++) {
        if (inherited[i].fd >= 0) {
            log_line(LOG_WARNING, "the socket \"%s\" that systemd handed over belongs to no listener of the configuration: "
                     "closed; name a listener so, or remove it from the socket unit", inherited[i].name);
            close(inherited[i].fd);
        }
        mem_free(inherited[i].name);
    }
    inherited_count = 0;
}

/* ---- prepare ---- */

static bool is_kept(const struct listen_set *set, const struct listener *l)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->items[i].kept == l)
            return true;
    return false;
}

static struct listener *find_equal(const struct listen_set *set, const struct conf_listen *c)
{
    LIST_EACH(at, &all) {
        struct listener *l = LIST_OWNER(at, struct listener, link);
        if (!strcmp(l->address, c->address->text) && !is_kept(set, l))
            return l;
    }
    return NULL;
}

/* [::] takes IPv4 along, unless an IPv4 listener of the same port stands beside it. */
static bool has_v4_twin(const struct conf *conf, const struct conf_listen *c)
{
    if (!c->address->host || !c->address->port || strcmp(c->address->host, "::") != 0)
        return false;
    for (uint32_t i = 0; i < conf->listen_count; i++) {
        const struct vital_url *other = conf->listeners[i].address;
        if (other->host && other->port && !strchr(other->host, ':') && !strcmp(other->port, c->address->port))
            return true;
    }
    return false;
}

static void prepare_one(const struct conf *conf, struct listen_set *set, const struct conf_listen *c, struct diag *diag)
{
    struct prepared p = { .conf = c, .fd = -1 };
    char *error = NULL;
    p.kept = find_equal(set, c);
    if (!p.kept && !take_inherited(set, &p)) {
        p.fd = socket_listen(c->address, c->mode, has_v4_twin(conf, c), &error);
        if (p.fd < 0) {
            diag_add(diag, DIAG_ERROR, c->place, "%s", error);
            mem_free(error);
            return;
        }
    }
    set->items[set->count++] = p;
}

/* What was opened for a configuration that is refused. Inherited sockets wait for the next one. */
static void discard(struct listen_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct prepared *p = &set->items[i];
        if (p->kept || p->inherited)
            continue;
        close(p->fd);
        if (p->conf->address->unix_path && *p->conf->address->unix_path)
            unlink(p->conf->address->unix_path);
    }
    mem_free(set);
}

bool listen_prepare(const struct conf *conf, struct diag *diag)
{
    static bool inherited_once;
    unsigned before = diag->errors;
    struct listen_set *set = mem_alloc(sizeof *set + conf->listen_count * sizeof *set->items);
    if (!inherited_once)
        inherit();
    inherited_once = true;
    for (uint32_t i = 0; i < conf->listen_count; i++)
        prepare_one(conf, set, &conf->listeners[i], diag);
    if (diag->errors == before)
        pending = set;
    else
        discard(set);
    return diag->errors == before;
}

/* ---- commit ---- */

static struct listener *listener_new(const struct prepared *p)
{
    struct listener *l = mem_alloc(sizeof *l);
    const struct vital_url *at = p->conf->address;
    struct stat st;
    l->address = mem_copy(at->text);
    l->inherited = p->inherited;
    l->refs = 1;
    l->in.fd = p->fd;
    list_init(&l->waiting);
    list_init(&l->shaking);
    list_init(&l->link);
    if (p->inherited)
        inherited[p->slot].fd = -1;
    if (at->unix_path && *at->unix_path && stat(at->unix_path, &st) == 0) {
        l->unix_path = mem_copy(at->unix_path);
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    return l;
}

static void drop_access(struct listener *l)
{
    renewal_stop(l->renewal);
    access_free(l->access);
    tls_release(l->tls);
    l->renewal = NULL;
    l->access = NULL;
    l->tls = NULL;
}

static void listener_set_access(struct listener *l, const struct conf_access *c)
{
    bool other = c->tls && !tls_same(l->tls, c->tls);
    drop_access(l);
    l->access = access_new(c);
    l->tls = tls_hold(c->tls);
    l->hsts = c->hsts / USEC_S;
    l->generation++;
    l->renewal = renewal_start(l, c);
    if (other)
        renewal_tell(l);
}

void listen_renew(struct listener *l, const struct vital_tls *tls, struct access_tokens *tokens)
{
    if (tls) {
        tls_release(l->tls);
        l->tls = tls;
    }
    if (tokens)
        access_set_tokens(l->access, tokens);
    l->generation++;
}

void listen_complain(struct listener *l, int fd, const char *what)
{
    uint64_t now = clock_now();
    char from[160];
    l->unwelcome++;
    if (l->complained_at && now - l->complained_at < COMPLAINT_EVERY)
        return;
    log_about(LOG_NOTICE, "listener", l->name, "%s %s (%llu refused since the last such line)", socket_peer(fd, from, sizeof from), what,
              (unsigned long long)l->unwelcome);
    l->complained_at = now;
    l->unwelcome = 0;
}

/* What may change while the socket stays. */
static void listener_set(struct listener *l, const struct conf_listen *c)
{
    mem_free(l->name);
    l->name = mem_copy(c->name);
    l->serve = c->serve;
    l->max_connections = c->max_connections ? c->max_connections : LISTEN_CONNECTIONS;
    l->max_per_source = c->max_per_source ? c->max_per_source : l->max_connections;
    if (l->serve & SERVE_GRPC) {
        l->max_connections = l->max_connections < GRPC_SESSIONS ? l->max_connections : GRPC_SESSIONS;
        l->max_per_source = l->max_per_source < GRPC_SESSIONS_OF_SOURCE ? l->max_per_source : GRPC_SESSIONS_OF_SOURCE;
    }
    if (l->unix_path && !l->inherited && l->mode && l->mode != c->mode)
        chmod(l->unix_path, c->mode);
    l->mode = c->mode;
    listener_set_access(l, &c->access);
}

static void listener_close(struct listener *l)
{
    struct stat st;
    list_remove(&l->link);
    l->closed = true;
    if (l->watched)
        loop_remove(&l->in);
    close(l->in.fd);
    if (l->unix_path && !l->inherited && lstat(l->unix_path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        unlink(l->unix_path);
    renewal_stop(l->renewal);
    l->renewal = NULL;
    listen_release(l);
}

void listen_release(struct listener *l)
{
    if (--l->refs > 0)
        return;
    drop_access(l);
    mem_free(l->name);
    mem_free(l->address);
    mem_free(l->unix_path);
    mem_free(l);
}

static void announce(const struct listener *l)
{
    static const char *const classes[] = { "verdicts", "status", "metrics", "events", "page", "grpc" };
    static const char *const schemes[2][2] = { { "http://", "https://" }, { "grpc://", "grpcs://" } };
    char bound[160];
    struct buf served = BUF(256);
    for (unsigned i = 0; i < sizeof classes / sizeof *classes; i++)
        if (l->serve & 1u << i)
            buf_printf(&served, "%s%s", served.len ? ", " : "", classes[i]);
    log_about(LOG_NOTICE, "listener", l->name, "listening on %s%s%s for %s%s", l->unix_path ? "" : schemes[(l->serve & SERVE_GRPC) != 0][l->tls != NULL],
              listen_bound(l, bound, sizeof bound), l->inherited ? " (inherited)" : "", served.len ? served.data : "nothing",
              access_has_credentials(l->access) ? ", to those who may see it" : "");
    buf_free(&served);
}

void listen_commit(void)
{
    struct listen_set *set = pending;
    struct list old = { &old, &old };
    while (!list_empty(&all)) {
        struct list *first = list_first(&all);
        list_remove(first);
        list_append(&old, first);
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const struct prepared *p = &set->items[i];
        struct listener *l = p->kept ? p->kept : listener_new(p);
        list_remove(&l->link);
        list_append(&all, &l->link);
        listener_set(l, p->conf);
        if (!p->kept)
            announce(l);
    }
    LIST_EACH_SAFE(at, after, &old)
        listener_close(LIST_OWNER(at, struct listener, link));
    close_leftovers();
    mem_free(set);
    pending = NULL;
}

const char *listen_bound(const struct listener *l, char *room, size_t size)
{
    struct sockaddr_storage at = { 0 };
    socklen_t len = sizeof at;
    if (getsockname(l->in.fd, (struct sockaddr *)&at, &len) < 0)
        return l->name;
    return socket_text(&at, len, room, size);
}

void listen_close(void)
{
    LIST_EACH_SAFE(at, after, &all)
        listener_close(LIST_OWNER(at, struct listener, link));
}
