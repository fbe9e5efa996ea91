#include "io/privilege.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/account.h"

static bool dumps;
static struct rlimit cores;

/* ---- accounts ---- */

static bool take_number(const char **at, uint32_t *to)
{
    char *end;
    errno = 0;
    unsigned long n = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 10) : ULONG_MAX;
    if (errno || n >= UINT32_MAX)      /* (uid_t)-1 means "leave it as it is" */
        return false;
    *at = end;
    *to = (uint32_t)n;
    return true;
}

static bool find_number(const char *user, struct privilege *p)
{
    if (!take_number(&user, &p->uid))
        return false;
    p->gid = p->uid;
    if (*user == ':') {
        user++;
        if (!take_number(&user, &p->gid))
            return false;
    }
    p->group_count = 1;
    p->groups[0] = p->gid;
    return !*user;
}

static int look_up(const char *user, void *out)
{
    struct privilege *p = out;
    char room[16 * 1024];
    struct passwd entry, *found = NULL;
    int count = PRIVILEGE_GROUPS_MAX;
    int error = getpwnam_r(user, &entry, room, sizeof room, &found);
    if (!found)
        return error ? error : ENOENT;
    p->uid = entry.pw_uid;
    p->gid = entry.pw_gid;
    if (getgrouplist(entry.pw_name, entry.pw_gid, p->groups, &count) < 0)
        return count > PRIVILEGE_GROUPS_MAX ? E2BIG : ENOMEM;
    p->group_count = (uint32_t)count;
    return 0;
}

int privilege_find(const char *user, struct privilege *p)
{
    *p = (struct privilege){ 0 };
    return find_number(user, p) ? 0 : account_apart(look_up, user, p, sizeof *p);
}

bool privilege_pings(const struct privilege *p)
{
    unsigned long low = 1, high = 0;
    FILE *range = fopen("/proc/sys/net/ipv4/ping_group_range", "re");
    char line[64];
    if (range && fgets(line, sizeof line, range)) {
        char *rest;
        low = strtoul(line, &rest, 10);
        high = strtoul(rest, NULL, 10);
    }
    if (range)
        fclose(range);
    for (uint32_t i = 0; i < p->group_count; i++)
        if (p->groups[i] >= low && p->groups[i] <= high)
            return true;
    return p->gid >= low && p->gid <= high;
}

/* ---- giving up ---- */

static int set_capabilities(uint64_t bits)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { 0 };
    data[0].effective = data[0].permitted = (uint32_t)bits;
    data[1].effective = data[1].permitted = (uint32_t)(bits >> 32);
    return syscall(SYS_capset, &head, data) < 0 ? errno : 0;
}

/* Without CAP_SETPCAP the bounding set stays; what it could give comes through setuid programs only, which are shut below. */
static void empty_bounding_set(void)
{
    for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int privilege_drop(const struct privilege *p)
{
    empty_bounding_set();
    if (p->raw_sockets && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return errno;
    if (setgroups(p->group_count, p->groups) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 || setresuid(p->uid, p->uid, p->uid) < 0)
        return errno;
    int error = set_capabilities(p->raw_sockets ? (uint64_t)1 << CAP_NET_RAW : 0);
    if (error)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || (p->uid != 0 && setresuid(0, 0, 0) == 0))
        return errno ? errno : EPERM;
    prctl(PR_SET_DUMPABLE, dumps, 0, 0, 0);      /* a change of the user sets what fs.suid_dumpable says */
    return 0;
}

void privilege_dumps(bool on)
{
    if (!on)
        getrlimit(RLIMIT_CORE, &cores);
    struct rlimit limit = { .rlim_cur = on ? cores.rlim_cur : 0, .rlim_max = cores.rlim_max };
    setrlimit(RLIMIT_CORE, &limit);
    prctl(PR_SET_DUMPABLE, on, 0, 0, 0);
    dumps = on;
}
