#include "user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "front/control.h"
#include "front/sd.h"
#include "io/privilege.h"
#include "io/zygote.h"

static const char *problem_text(int error)
{
    return error == ENOENT ? "there is no such account" : error == E2BIG ? "it is in too many groups" : strerror(error);
}

static _Noreturn void give_up(const char *name, int error)
{
    bool host = mem_is_short(error);
    log_line(LOG_ERR, "not started: `user: %s`: %s; %s", name, problem_text(error),
             host ? "the host is short of memory, file descriptors or processes" :
                    "name an account that there is, `user: root` to stay root, or start as somebody else");
    log_drain(USEC_S);
    exit(host ? EXIT_OS : EXIT_CONFIG);
}

/* Accounts of that name are not everywhere (the image has none), its number is the same wherever there is one. */
static const char *find_default(struct privilege *p)
{
    int error = privilege_find("vitald", p);
    if (mem_is_short(error))
        give_up("vitald", error);     /* it may be there: as somebody else we could not write what it wrote */
    if (!error && p->uid != 0)
        return "vitald";
    if (privilege_find("nobody", p) != 0)
        privilege_find("65534", p);
    return "nobody";
}

static bool has_pings(const struct conf *c)
{
    for (uint32_t i = 0; i < c->probe_count; i++)
        if (!strcmp(c->probes[i].type, "ping"))
            return true;
    return false;
}

static void tell_what_is_lost(const struct args *a, const char *name)
{
    for (unsigned i = 0; i < a->request.path_count; i++)
        if (access(a->request.paths[i], R_OK) < 0)
            log_line(LOG_WARNING, "%s cannot be read by %s: %s; reloads will be refused: let that user read it, or set `user: root`",
                     a->request.paths[i], name, strerror(errno));
}

/* A default that cannot be had is told, and we go on: root without the right to change its user is not what it was, as in a
 * container that took its capabilities. */
static bool drop(const struct privilege *p, const char *name, bool asked)
{
    zygote_drop(p);
    int error = privilege_drop(p);
    if (!error)
        return true;
    if (asked || geteuid() != 0)
        give_up(name, error);
    log_line(LOG_WARNING, "stays root: cannot become %s: %s", name, strerror(error));
    return false;
}

void user_become(const struct conf *c, const struct args *a)
{
    struct privilege p;
    const char *name = c->user;
    int error = name ? privilege_find(name, &p) : 0;
    if (error)
        give_up(name, error);
    if (geteuid() != 0) {
        if (name && p.uid != geteuid())
            log_line(LOG_WARNING, "`user: %s` is not followed: only root can become another user", name);
        return;
    }
    if (!name && sd_is_there()) {
        log_line(LOG_NOTICE, "runs as root, as the service manager ordered (its User=, or `user` in the configuration, is the cure)");
        return;
    }
    if (!name)
        name = find_default(&p);
    if (p.uid == 0) {
        log_line(LOG_NOTICE, "stays root, as `user: %s` says", name);
        return;
    }
    p.raw_sockets = has_pings(c) && !privilege_pings(&p);
    control_give(p.uid, p.gid, !c->user && !strcmp(name, "nobody"));
    if (!drop(&p, name, c->user != NULL))
        return;
    log_line(LOG_NOTICE, "gave up root: runs as %s (uid %u, gid %u), without capabilities%s", name, p.uid, p.gid,
             p.raw_sockets ? " but CAP_NET_RAW, for ping probes" : "");
    tell_what_is_lost(a, name);
}

void user_compare(const struct conf *old, const struct conf *new, struct diag *d)
{
    if (!old->user != !new->user || (old->user && strcmp(old->user, new->user) != 0))
        diag_add(d, DIAG_WARNING, (struct diag_place){ 0 }, "`user`: another one takes effect at the next start");
    if (old->core_dumps != new->core_dumps)
        diag_add(d, DIAG_WARNING, (struct diag_place){ 0 }, "`core_dumps` takes effect at the next start");
}
