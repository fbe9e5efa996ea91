#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "io/account.h"

struct answer { pid_t by; char name[2000]; };

static pid_t self;

static int answers(const char *name, void *out)
{
    struct answer *a = out;
    a->by = getpid();
    snprintf(a->name, sizeof a->name, "%s", name);
    return 0;
}

static int refuses(const char *name, void *out)
{
    (void)name, (void)out;
    return getpid() == self ? EINVAL : ENOENT;
}

static int dies_elsewhere(const char *name, void *out)
{
    if (getpid() != self)
        raise(SIGKILL);
    return answers(name, out);
}

TEST(another_process_looks_and_tells)
{
    struct answer a = { 0 };
    CHECK_INT(account_apart(answers, "somebody", &a, sizeof a), 0);
    CHECK_TEXT(a.name, "somebody");
    CHECK(a.by != getpid());
}

TEST(what_it_could_not_find_is_told)
{
    struct answer a = { 0 };
    self = getpid();
    CHECK_INT(account_apart(refuses, "nobody", &a, sizeof a), ENOENT);
}

TEST(what_it_dies_of_is_not_tried_here)
{
    struct answer a = { 0 };
    self = getpid();
    CHECK_INT(account_apart(dies_elsewhere, "somebody", &a, sizeof a), EAGAIN);
    CHECK(a.by == 0);
}
