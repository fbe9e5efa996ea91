#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/mounts.h"
#include "io/zygote.h"

/* ---- a stage: a scratch directory, the zygote, a loop ---- */

static char dir[] = "/tmp/vitald-zygote-XXXXXX";

/* A zygote that died is followed by another one, which is this program executed anew. */
__attribute__((constructor)) static void become(int argc, char **argv)
{
    zygote_become(argc, argv);
}

static void start(void)
{
    zygote_start();
    CHECK(mkdtemp(dir) != NULL);
    loop_open();
    zygote_attach();
}

static void turn(void)
{
    loop_wait(timer_next(loop_timers()));
    timer_run(loop_timers(), loop_now());
    loop_reap();
}

static void finish(void)
{
    char command[PATH_MAX];
    zygote_stop();
    loop_close();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_INT(system(command), 0);
}

static char *in_dir(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    fputs(text, f);
    fclose(f);
}

struct seen { unsigned calls; struct vital_file file; char text[128]; };

static void got_file(void *arg, const struct vital_file *f)
{
    struct seen *s = arg;
    s->calls++;
    s->file = *f;
    if (f->data)
        snprintf(s->text, sizeof s->text, "%s", f->data);
}

static struct zygote_call *ask(enum vital_file_op op, const char *path, struct seen *s)
{
    enum vital_reason reason;
    struct zygote_call *call = zygote_file(op, path, got_file, s, &reason);
    CHECK(call != NULL);
    return call;
}

static struct seen answer_of(enum vital_file_op op, const char *path)
{
    struct seen s = { 0 };
    ask(op, path, &s);
    CHECK_INT(s.calls, 0); /* never inside */
    while (!s.calls)
        turn();
    CHECK_INT(s.calls, 1);
    return s;
}

static struct zygote_stats stats(void)
{
    struct zygote_stats s;
    zygote_stats(&s);
    return s;
}

/* ---- file calls ---- */

TEST(the_four_calls_answer)
{
    start();
    put("a", "hello");
    struct seen s = answer_of(VITAL_READFILE, in_dir("a"));
    CHECK_INT(s.file.error, 0);
    CHECK_INT(s.file.len, 5);
    CHECK_TEXT(s.text, "hello");
    s = answer_of(VITAL_STAT, in_dir("a"));
    CHECK_INT(s.file.size, 5);
    CHECK_INT(s.file.kind, S_IFREG);
    CHECK(s.file.mtime_us > UINT64_C(1500000000) * USEC_S);
    s = answer_of(VITAL_STATFS, dir);
    CHECK(s.file.blocks > 0 && s.file.block_size >= 512 && s.file.blocks_available <= s.file.blocks);
    s = answer_of(VITAL_WRITETEST, dir);
    CHECK_INT(s.file.error, 0);
    DIR *d = opendir(dir); /* nothing is left behind */
    unsigned entries = 0;
    while (readdir(d))
        entries++;
    closedir(d);
    CHECK_INT(entries, 3);
    CHECK_INT(stats().helpers, 1); /* the same one, every time */
    finish();
}

TEST(failures_carry_their_errno)
{
    start();
    put("a", "x");
    CHECK_INT(answer_of(VITAL_STAT, in_dir("none")).file.error, ENOENT);
    CHECK_INT(answer_of(VITAL_READFILE, dir).file.error, EISDIR);
    CHECK_INT(answer_of(VITAL_WRITETEST, in_dir("a")).file.error, ENOTDIR);
    char *longer = mem_alloc(PATH_MAX + 10);
    memset(longer, 'x', PATH_MAX + 5);
    longer[0] = '/';
    CHECK_INT(answer_of(VITAL_STAT, longer).file.error, ENAMETOOLONG);
    mem_free(longer);
    CHECK_INT(symlink("loop", in_dir("loop")), 0);
    CHECK_INT(answer_of(VITAL_STAT, in_dir("loop")).file.error, ELOOP);
    finish();
}

TEST(large_files_are_cut_and_say_so)
{
    start();
    for (unsigned size = 65536; size <= 65537; size++) {
        CHECK_INT(truncate(in_dir("big"), 0) < 0 ? errno : 0, size == 65536 ? ENOENT : 0);
        put("big", "");
        CHECK_INT(truncate(in_dir("big"), size), 0);
        struct seen s = answer_of(VITAL_READFILE, in_dir("big"));
        CHECK_INT(s.file.len, 65536);
        CHECK_INT(s.file.cut, size > 65536);
    }
    finish();
}

TEST(links_are_followed_step_by_step)
{
    start();
    put("target", "there");
    CHECK_INT(mkdir(in_dir("sub"), 0755), 0);
    CHECK_INT(symlink("../target", in_dir("sub/one")), 0);
    CHECK_INT(symlink(in_dir("sub"), in_dir("abs")), 0);
    CHECK_TEXT(answer_of(VITAL_READFILE, in_dir("abs/./one")).text, "there");
    CHECK_TEXT(answer_of(VITAL_READFILE, in_dir("abs/../sub//one")).text, "there");
    CHECK_INT(answer_of(VITAL_STAT, in_dir("abs")).file.kind, S_IFDIR);
    CHECK(answer_of(VITAL_READFILE, "/proc/self/status").file.len > 0);
    finish();
}

TEST(the_longest_prefix_is_the_mount)
{
    CHECK_TEXT(mounts_find("/proc/self/stat"), "/proc");
    CHECK_TEXT(mounts_find("/proc"), "/proc");
    CHECK_TEXT(mounts_find("/procession"), "/");
    CHECK_TEXT(mounts_find("/"), "/");
}

/* ---- hanging: opening a FIFO that nobody writes blocks as a dead NFS server does ---- */

static unsigned returns;
static char returned_mount[PATH_MAX];

static void on_return(const char *mount, void *arg)
{
    CHECK(arg == &returns);
    returns++;
    snprintf(returned_mount, sizeof returned_mount, "%s", mount);
}

static void release(const char *path)
{
    close(open(path, O_WRONLY)); /* waits for the reader: a fact, not a time */
}

static uint64_t skew;
static uint64_t skewed(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000 + skew;
}

static struct zygote_call *hang(const char *path, struct seen *s)
{
    CHECK_INT(mkfifo(path, 0600), 0);
    return ask(VITAL_READFILE, path, s);
}

TEST(a_call_that_hangs_is_parked_and_its_late_answer_is_an_edge)
{
    enum vital_reason reason;
    struct seen hung = { 0 }, waiting[2] = { { 0 } };
    clock_replace(skewed, NULL);
    start();
    zygote_on_return(on_return, &returns);
    char *fifo = in_dir("fifo");
    struct zygote_call *call = hang(fifo, &hung);
    ask(VITAL_STAT, dir, &waiting[0]);
    struct zygote_call *leaves = ask(VITAL_STAT, dir, &waiting[1]);
    zygote_forget(leaves);
    CHECK(zygote_file(VITAL_STAT, "/proc", got_file, &waiting[1], &reason) != NULL); /* another mount goes on */
    while (!waiting[1].calls)
        turn();
    CHECK_INT(waiting[0].calls, 0);
    CHECK_INT(stats().parked, 0);

    skew += USEC_S;
    zygote_forget(call);
    CHECK_INT(stats().parked, 1);
    while (!waiting[0].calls)
        turn();
    CHECK(waiting[0].file.hung);
    CHECK(!zygote_file(VITAL_STAT, dir, got_file, &hung, &reason));
    CHECK_INT(reason, VITAL_R_HUNG);
    CHECK_INT(returns, 0);

    release(fifo);
    while (!returns)
        turn();
    CHECK_INT(returns, 1);
    CHECK_TEXT(returned_mount, mounts_find(dir));
    CHECK_INT(stats().parked, 0);
    CHECK_INT(hung.calls, 0); /* forgotten is forgotten */
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    CHECK_INT(stats().busy, 0);
    finish();
}

TEST(a_young_call_that_is_forgotten_hangs_nothing)
{
    struct seen s = { 0 }, next = { 0 };
    clock_replace(skewed, NULL);
    start();
    zygote_on_return(on_return, &returns);
    char *fifo = in_dir("fifo");
    zygote_forget(hang(fifo, &s));
    CHECK_INT(stats().parked, 0);
    ask(VITAL_STAT, dir, &next); /* stands in line, is not refused */
    release(fifo);
    while (!next.calls)
        turn();
    CHECK(!next.file.hung && next.file.error == 0);
    CHECK_INT(returns, 0);
    CHECK_INT(s.calls, 0);
    finish();
}

TEST(forgotten_young_it_is_parked_when_it_is_old)
{
    struct seen s = { 0 };
    clock_replace(skewed, NULL);
    start();
    zygote_forget(hang(in_dir("fifo"), &s));
    CHECK_INT(stats().parked, 0);
    skew += USEC_S;
    while (!stats().parked)
        turn();
    CHECK_INT(stats().hung, 1);
    finish();
}

TEST(the_line_is_bounded)
{
    enum vital_reason reason;
    struct seen s = { 0 };
    unsigned n = 0;
    start();
    hang(in_dir("fifo"), &s);
    while (zygote_file(VITAL_STAT, dir, got_file, &s, &reason))
        n++;
    CHECK_INT(n, 64);
    CHECK_INT(reason, VITAL_R_NO_HELPER);
    finish();
}

/* ---- processes ---- */

static unsigned find_processes(const char *name, pid_t parent, pid_t *first)
{
    DIR *d = opendir("/proc");
    unsigned n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[300], line[512] = "", *close_paren;
        int ppid = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        char *ok = fgets(line, sizeof line, f);
        fclose(f);
        if (!ok || !(close_paren = strrchr(line, ')')) || close_paren[2] == 'Z')
            continue;
        *close_paren = '\0';
        sscanf(close_paren + 4, "%d", &ppid);
        if (!strcmp(strchr(line, '(') + 1, name) && ppid == parent) {
            *first = atoi(e->d_name);
            n++;
        }
    }
    closedir(d);
    return n;
}

static pid_t zygote_of(pid_t parent)
{
    pid_t pid = 0;
    while (find_processes("vitald-zygote", parent, &pid) != 1) {
    }
    return pid;
}

TEST(a_helper_that_dies_is_an_error_and_is_replaced)
{
    struct seen s = { 0 };
    pid_t helper = 0;
    start();
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    hang(in_dir("fifo"), &s);
    CHECK_INT(find_processes("vitald-helper", zygote_of(getpid()), &helper), 1);
    kill(helper, SIGKILL);
    while (!s.calls)
        turn();
    CHECK_INT(s.file.error, EIO);
    CHECK_INT(stats().helpers, 0);
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    CHECK_INT(stats().helpers, 1);
    finish();
}

static void kill_the_zygote(void)
{
    uint64_t deaths = stats().deaths;
    kill(zygote_of(getpid()), SIGKILL);
    while (stats().deaths == deaths || stats().helpers) /* helpers go with it */
        turn();
}

TEST(a_zygote_that_dies_is_followed_by_another)
{
    enum vital_reason reason = VITAL_R_OK;
    struct seen s = { 0 };
    clock_replace(skewed, NULL);
    skew = 3600 * USEC_S;
    start();
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    hang(in_dir("fifo"), &s);
    unsigned fds = loop_fd_count();
    kill_the_zygote();
    CHECK_INT(s.calls, 1);
    CHECK_INT(s.file.error, EIO);
    CHECK(stats().lost);
    CHECK(!zygote_file(VITAL_STAT, dir, got_file, &s, &reason));
    CHECK_INT(reason, VITAL_R_NO_HELPER);
    while (stats().lost)
        turn();
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    CHECK_INT(loop_fd_count(), fds);
    pid_t second = zygote_of(getpid());
    kill_the_zygote(); /* this one died early: no hurry */
    uint64_t early = timer_next(loop_timers());
    CHECK(early > clock_now() + USEC_S / 2 && early < clock_now() + 2 * USEC_S);
    skew += USEC_S;
    while (stats().lost)
        turn();
    CHECK(zygote_of(getpid()) != second);
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    skew += 3600 * USEC_S; /* that was a long life */
    kill_the_zygote();
    CHECK(timer_next(loop_timers()) < clock_now() + USEC_S / 2);
    while (stats().lost)
        turn();
    CHECK_INT(stats().deaths, 3);
    finish();
}

TEST(an_end_while_another_zygote_is_awaited)
{
    start();
    kill_the_zygote();
    finish();
}

static bool gone(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return true;
    char *ok = fgets(line, sizeof line, f);
    fclose(f);
    return !ok || strstr(line, ") Z ");
}

struct victims { pid_t zygote, helper, program; };

static void got_exit(void *arg, const struct vital_exit *e);
struct exited { unsigned calls; int status, error; size_t len; bool cut; char text[256]; };

/* Killed by SIGKILL, the daemon leaves nobody: not an idle helper, not a blocked one, not a program. */
TEST(nothing_survives_the_daemon)
{
    int tell[2];
    struct victims v;
    CHECK_INT(pipe(tell), 0);
    CHECK(mkdtemp(dir) != NULL);
    char *fifo = in_dir("fifo"), *pid_file = in_dir("pid");
    CHECK_INT(mkfifo(fifo, 0600), 0);
    CHECK_INT(mkfifo(pid_file, 0600), 0);
    pid_t daemon = fork();
    if (daemon == 0) {
        struct seen s = { 0 };
        struct exited x = { 0 };
        enum vital_reason reason;
        const char *argv[] = { "/bin/sh", "-c", "trap '' TERM HUP INT; echo $$ >$1; while :; do sleep 60; done", "sh", pid_file, NULL }, *env[] = { NULL };
        zygote_start();
        loop_open();
        zygote_attach();
        zygote_spawn(&(struct vital_child){ .argv = argv, .env = env, .cap = 10 }, got_exit, &x, &reason);
        FILE *f = fopen(pid_file, "r");
        CHECK_INT(fscanf(f, "%d", &v.program), 1);
        zygote_file(VITAL_READFILE, fifo, got_file, &s, &reason);
        v.zygote = zygote_of(getpid());
        while (find_processes("vitald-helper", v.zygote, &v.helper) != 2) {
        }
        CHECK_INT(write(tell[1], &v, sizeof v), sizeof v);
        for (;;)
            pause();
    }
    CHECK_INT(read(tell[0], &v, sizeof v), sizeof v);
    CHECK(!gone(v.zygote) && !gone(v.helper) && !gone(v.program));
    kill(daemon, SIGKILL);
    while (!gone(v.zygote) || !gone(v.helper) || !gone(v.program)) {
    }
    unlink(fifo);
    unlink(pid_file);
    rmdir(dir);
}

/* ---- programs ---- */

static void got_exit(void *arg, const struct vital_exit *e)
{
    struct exited *x = arg;
    x->calls++;
    x->status = e->status;
    x->error = e->error;
    x->len = e->len;
    x->cut = e->cut;
    snprintf(x->text, sizeof x->text, "%.*s", (int)(e->len < 255 ? e->len : 255), e->out);
}

static struct zygote_call *spawn(struct vital_child child, struct exited *x)
{
    enum vital_reason reason;
    static const char *const no_env[] = { NULL };
    if (!child.env)
        child.env = no_env;
    if (!child.cap)
        child.cap = 200;
    struct zygote_call *call = zygote_spawn(&child, got_exit, x, &reason);
    CHECK(call != NULL);
    return call;
}

static struct exited run(struct vital_child child)
{
    struct exited x = { 0 };
    spawn(child, &x);
    CHECK_INT(x.calls, 0);
    while (!x.calls)
        turn();
    CHECK_INT(x.calls, 1);
    CHECK_INT(stats().children, 0);
    return x;
}

#define SHELL(text) { .argv = (const char *const[]){ "/bin/sh", "-c", text, NULL } }
#define RUN(text) run((struct vital_child)SHELL(text))

TEST(programs_report_status_and_output)
{
    start();
    struct exited x = RUN("echo out; echo err >&2; exit 3");
    CHECK_INT(WEXITSTATUS(x.status), 3);
    CHECK_TEXT(x.text, "out\n");
    CHECK_TEXT(RUN("echo err >&2").text, "err\n"); /* stderr when there is nothing else */
    CHECK_INT(WTERMSIG(RUN("kill -9 $$").status), 9);
    x = RUN("yes | head -c 3000000");
    CHECK(x.cut);
    CHECK_INT(x.len, 200);
    CHECK_INT(WEXITSTATUS(x.status), 0);
    finish();
}

TEST(programs_get_a_clean_room)
{
    const char *env[] = { "A=1", NULL };
    const char *ls[] = { "/bin/ls", "/proc/self/fd", NULL }, *sh[] = { "/bin/sh", "-c", "pwd; cat; echo $A; env | sort | tr '\\n' ' '", NULL };
    const char *masks[] = { "/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status", NULL };
    start();
    CHECK_TEXT(run((struct vital_child){ .argv = ls }).text, "0\n1\n2\n3\n"); /* 3 is the directory itself */
    CHECK_TEXT(run((struct vital_child){ .argv = sh, .env = env, .dir = "/usr", .input = "in\n", .input_len = 3 }).text, "/usr\nin\n1\nA=1 PWD=/usr ");
    unsigned long long blocked = 1, ignored = 1;
    CHECK_INT(sscanf(run((struct vital_child){ .argv = masks }).text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    CHECK_INT(blocked, 0);
    CHECK_INT(ignored & 0x7fffffff, 0); /* 32 and 33 are the C library's own */
    CHECK_TEXT(RUN("cat; readlink /proc/$$/fd/0").text, "/dev/null\n");
    finish();
}

TEST(what_cannot_be_started_says_why)
{
    const char *none[] = { "/nonexistent/program", NULL }, *directory[] = { "/usr", NULL };
    char *big = mem_alloc(70000);
    start();
    CHECK_INT(run((struct vital_child){ .argv = none }).error, ENOENT);
    CHECK_INT(run((struct vital_child){ .argv = directory }).error, EACCES);
    CHECK_INT(run((struct vital_child){ .argv = directory, .input = big, .input_len = 70000 }).error, E2BIG);
    memset(big, 'x', 60000);
    CHECK_INT(run((struct vital_child){ .argv = (const char *const[]){ "/usr/bin/wc", "-c", NULL }, .input = big, .input_len = 60000 }).text[0], '6');
    mem_free(big);
    finish();
}

TEST(an_exit_is_reported_though_a_grandchild_holds_the_pipe)
{
    start();
    struct exited x = RUN("sleep 1000 & echo pid $!");
    pid_t left;
    CHECK_INT(sscanf(x.text, "pid %d", &left), 1);
    while (!gone(left)) { /* it was in the group */
    }
    x = RUN("setsid sleep 1000 & echo pid $!; sleep 0.1; exit 4"); /* one that escaped is not waited for */
    CHECK_INT(WEXITSTATUS(x.status), 4);
    CHECK_INT(sscanf(x.text, "pid %d", &left), 1);
    kill(left, SIGKILL);
    finish();
}

static pid_t pid_from(const char *fifo)
{
    pid_t pid = 0;
    FILE *f = fopen(fifo, "r");
    CHECK_INT(fscanf(f, "%d", &pid), 1);
    fclose(f);
    return pid;
}

TEST(a_killed_program_goes_with_its_group_and_calls_back_no_more)
{
    struct exited x = { 0 };
    start();
    char *fifo = in_dir("fifo");
    CHECK_INT(mkfifo(fifo, 0600), 0);
    const char *stubborn[] = { "/bin/sh", "-c", "trap '' TERM; (sleep 1000; :) & echo $! >$1; wait; sleep 1000", "sh", fifo, NULL };
    const char *obedient[] = { "/bin/sh", "-c", "echo $$ >$1; exec sleep 1000", "sh", fifo, NULL };
    const char *const *both[] = { obedient, stubborn };
    for (unsigned i = 0; i < 2; i++) {
        struct zygote_call *call = spawn((struct vital_child){ .argv = both[i] }, &x);
        pid_t pid = pid_from(fifo);
        CHECK(!gone(pid));
        CHECK_INT(stats().children, 1);
        zygote_kill(call);
        uint64_t ordered = clock_now();
        while (stats().children)
            turn();
        CHECK_INT(clock_now() - ordered >= 2 * USEC_S, i); /* the stubborn one was granted its time */
        while (!gone(pid)) { /* it was signalled before its helper was free again; dying takes its own moment */
        }
    }
    CHECK_INT(x.calls, 0);
    CHECK_INT(RUN("exit 7").status >> 8, 7); /* its helper works again */
    finish();
}

/* Stopping the helper looks from outside like a program that SIGKILL cannot end. */
TEST(what_cannot_be_killed_is_not_started_again)
{
    struct exited x = { 0 };
    enum vital_reason reason = VITAL_R_OK;
    struct vital_child child = SHELL("sleep 1000"), other = SHELL("exit 0");
    const char *const no_env[] = { NULL };
    pid_t helper = 0;
    clock_replace(skewed, NULL);
    start();
    child.env = no_env;
    struct zygote_call *call = spawn(child, &x);
    while (find_processes("vitald-helper", zygote_of(getpid()), &helper) != 1) {
    }
    kill(helper, SIGSTOP);
    zygote_kill(call);
    skew += 4 * USEC_S;
    CHECK(!zygote_spawn(&child, got_exit, &x, &reason));
    CHECK_INT(reason, VITAL_R_HUNG);
    CHECK(zygote_spawn(&other, got_exit, &x, &reason) != NULL); /* another command is another matter */
    kill(helper, SIGCONT);
    while (stats().children)
        turn();
    CHECK_INT(x.calls, 1);
    CHECK(zygote_spawn(&other, got_exit, &x, &reason) != NULL);
    finish();
}

TEST(idle_helpers_beyond_four_are_let_go)
{
    struct exited x = { 0 };
    start();
    for (unsigned i = 0; i < 6; i++)
        spawn((struct vital_child)SHELL("exit 0"), &x);
    CHECK_INT(stats().helpers, 6);
    while (x.calls < 6)
        turn();
    CHECK_INT(stats().helpers, 4);
    pid_t some;
    while (find_processes("vitald-helper", zygote_of(getpid()), &some) != 4) {
    }
    finish();
}

TEST(no_descriptors_are_lost)
{
    start();
    CHECK_INT(WEXITSTATUS(RUN("exit 1").status), 1);
    CHECK_INT(answer_of(VITAL_STAT, dir).file.error, 0);
    unsigned before = loop_fd_count();
    for (unsigned i = 0; i < 20; i++) {
        RUN("echo x");
        answer_of(VITAL_STAT, dir);
    }
    CHECK_INT(loop_fd_count(), before);
    finish();
}
