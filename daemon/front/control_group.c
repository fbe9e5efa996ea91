/* Who belongs to `control_group`. Names are resolved where it may take its time: /etc/group is only one of the places that
 * the system may ask. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "front/control_client.h"
#include "io/account.h"
#include "io/pool.h"

enum { GROUPS_MAX = 4096, ENTRY_MAX = 1024 * 1024 };

static char *current;            /* the name that was asked for last */
static bool known;
static gid_t gid;

struct lookup {
    struct pool_job job;
    char *name;
    bool found;
    gid_t gid;
};

static int group_resolve(const char *name, void *out)
{
    struct group entry, *found = NULL;
    size_t size = 4096;
    char *room = mem_alloc(size);
    int error;
    while ((error = getgrnam_r(name, &entry, room, size, &found)) == ERANGE && size < ENTRY_MAX)
        room = mem_grow(room, size *= 4);
    if (!error && found)
        *(gid_t *)out = entry.gr_gid;
    mem_free(room);
    return error ? error : found ? 0 : ENOENT;
}

static void group_settle(const char *name, bool found, gid_t id)
{
    known = found;
    gid = id;
    if (!found)
        log_line(LOG_WARNING, "control: there is no system group `%s`: only root and vitald's own user may change anything", name);
}

static void lookup_run(struct pool_job *job)
{
    struct lookup *l = LIST_OWNER(job, struct lookup, job);
    l->found = group_resolve(l->name, &l->gid) == 0;
}

static void lookup_done(struct pool_job *job)
{
    struct lookup *l = LIST_OWNER(job, struct lookup, job);
    if (current && !strcmp(current, l->name))
        group_settle(l->name, l->found, l->gid);
    mem_free(l->name);
    mem_free(l);
}

/* True: another name than before, and it is not resolved yet. */
static bool group_changes(const char *name)
{
    if (name && current && !strcmp(name, current))
        return false;
    mem_free(current);
    current = mem_copy(name);
    known = false;
    return name != NULL;
}

void group_watch_now(const char *name)
{
    gid_t id = 0;
    if (!group_changes(name))
        return;
    bool found = account_apart(group_resolve, name, &id, sizeof id) == 0;
    group_settle(name, found, id);
}

void group_watch(const char *name)
{
    static struct pool *pool;
    if (!group_changes(name))
        return;
    struct lookup *l = mem_alloc(sizeof *l);
    *l = (struct lookup){ .job = { .run = lookup_run, .done = lookup_done }, .name = mem_copy(name) };
    pool = pool ? pool : pool_new("names of groups", 1, 8);
    if (pool_submit(pool, &l->job))
        return;
    mem_free(l->name);
    mem_free(l);
    group_settle(name, false, 0);
}

bool group_is_member(int fd, gid_t primary)
{
    if (!known)
        return false;
    gid_t *groups = mem_alloc(GROUPS_MAX * sizeof *groups);
    socklen_t size = GROUPS_MAX * sizeof *groups;
    bool member = primary == gid;
    if (!member && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
        for (size_t i = 0; i < size / sizeof *groups; i++)
            member |= groups[i] == gid;
    mem_free(groups);
    return member;
}
