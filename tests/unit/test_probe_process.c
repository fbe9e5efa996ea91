#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "builtin.h"
#include "fake_host.h"

static pid_t run(const char *name)
{
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_NAME, name);
        CHECK(write(ready[1], "x", 1) == 1);
        pause();
        _exit(0);
    }
    char c;
    CHECK(read(ready[0], &c, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* A name that nothing else on the machine has. */
static const char *unique(void)
{
    static char name[16];
    snprintf(name, sizeof name, "vt%d", getpid());
    return name;
}

static void scanned(void)
{
    fake_start();
    fake_job(fake_io(FAKE_JOB));
    CHECK(fake.finished);
}

TEST(found_by_name_and_counted)
{
    pid_t a = run(unique()), b = run(unique());
    fake_probe(&process_module, "name", unique(), NULL);
    scanned();
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_INT(fake_number("running"), 2);
    CHECK(fake_number("resident_bytes") > 0);
    CHECK(fake_number("oldest_age_seconds") >= 0 && fake_number("oldest_age_seconds") < 60);
    CHECK(strstr(fake.text, "runs 2 times") != NULL);
    fake_set("min", "3");
    scanned();
    CHECK_INT(fake.reason, VITAL_R_COUNT);
    CHECK(strstr(fake.text, "expected at least 3") != NULL);
    fake_set("min", "1");
    fake_set("max", "1");
    scanned();
    CHECK_INT(fake.reason, VITAL_R_COUNT);
    end(a);
    end(b);
    scanned();
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    fake_end();
}

TEST(long_names_are_compared_as_the_kernel_keeps_them)
{
    char name[64];
    snprintf(name, sizeof name, "%s-very-long-program-name", unique());
    pid_t a = run(name);
    fake_probe(&process_module, "name", name, NULL);
    scanned();
    CHECK_INT(fake_number("running"), 1);
    end(a);
    fake_end();
}

TEST(zombies_do_not_run)
{
    pid_t a = run(unique());
    kill(a, SIGKILL);
    siginfo_t info;
    CHECK(waitid(P_PID, (id_t)a, &info, WEXITED | WNOWAIT) == 0);
    fake_probe(&process_module, "name", unique(), NULL);
    scanned();
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    CHECK_INT(fake_number("running"), 0);
    CHECK_INT(fake_number("zombies"), 1);
    CHECK(strstr(fake.text, "zombie") != NULL);
    waitpid(a, NULL, 0);
    fake_end();
}

TEST(what_must_not_run)
{
    fake_probe(&process_module, "name", unique(), "min", "0", "max", "0", NULL);
    scanned();
    CHECK_INT(fake.class, VITAL_PASS);
    pid_t a = run(unique());
    scanned();
    CHECK_INT(fake.class, VITAL_FAIL);
    end(a);
    fake_end();
}

TEST(the_end_of_a_process_is_an_edge)
{
    pid_t a = run(unique());
    fake_probe(&process_module, "name", unique(), NULL);
    scanned();
    struct vital_io *watch = fake_io(FAKE_WATCH);
    CHECK(watch->kept);
    CHECK_INT(watch->what, VITAL_READ);
    end(a);
    fake_ready(watch, VITAL_READ);
    CHECK_INT(fake.nudges, 1);
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

TEST(watches_do_not_pile_up)
{
    pid_t pids[20];
    for (int i = 0; i < 20; i++)
        pids[i] = run(unique());
    fake_probe(&process_module, "name", unique(), NULL);
    scanned();
    scanned();
    CHECK_INT(fake_number("running"), 20);
    CHECK_INT(fake_open_count(), 16);
    fake_end();
    CHECK_INT(fake_open_count(), 0);
    for (int i = 0; i < 20; i++)
        end(pids[i]);
}

TEST(command_lines_and_users)
{
    char uid[16], self[16];
    snprintf(uid, sizeof uid, "%d", getuid());
    snprintf(self, sizeof self, "%d", getpid());
    fake_probe(&process_module, "cmdline", "test_probe_process", "user", uid, NULL);
    scanned();
    CHECK_INT(fake.class, VITAL_PASS);
    fake_set("cmdline", "no such argument anywhere \x01");
    scanned();
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    fake_set("user", "no-such-user-here");
    scanned();
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    CHECK(strstr(fake.text, "no user no-such-user-here") != NULL);
    fake_end();
}

TEST(pidfiles)
{
    char pid[32];
    pid_t a = run(unique());
    snprintf(pid, sizeof pid, "%d\n", a);
    fake_probe(&process_module, "pidfile", "/run/x.pid", "name", unique(), NULL);
    fake_start();
    CHECK_TEXT(fake_io(FAKE_FILE)->text, "/run/x.pid");
    fake_file_text(fake_io(FAKE_FILE), pid);
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_INT(fake_number("running"), 1);
    fake_start();
    fake_file_text(fake_io(FAKE_FILE), "1\n");             /* reused by another program */
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    CHECK_TEXT(fake.text, "/run/x.pid names process 1, which does not run or is another program");
    fake_start();
    fake_file_text(fake_io(FAKE_FILE), "starting\n");
    CHECK_INT(fake.reason, VITAL_R_BAD_REPLY);
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = ENOENT });
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    end(a);
    fake_start();
    fake_file_text(fake_io(FAKE_FILE), pid);
    fake_job(fake_io(FAKE_JOB));
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    fake_end();
}

TEST(young_ones_warn)
{
    pid_t a = run(unique());
    fake_probe(&process_module, "name", unique(), "min_age", "1h", NULL);
    scanned();
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_INT(fake.reason, VITAL_R_AGE);
    end(a);
    fake_end();
}

TEST(something_must_be_looked_for)
{
    fake_probe(&process_module, NULL);
    CHECK(!fake_prepare());
    fake_set("name", "x");
    fake_set("max", "1");
    fake_set("min", "2");
    CHECK(!fake_prepare());
}

/* One descriptor is left: the directory can be opened, no process in it can. */
TEST(without_descriptors_nothing_is_said_of_processes)
{
    fake_probe(&process_module, "name", unique(), NULL);
    struct rlimit before, tight;
    for (int left = 0; left < 2; left++) {
        int next = dup(0);
        close(next);
        CHECK(next >= 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
        tight = (struct rlimit){ (rlim_t)(next + left), before.rlim_max };
        CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
        scanned();
        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK_INT(fake.class, VITAL_INTERNAL);
        CHECK_INT(fake.reason, VITAL_R_NO_FDS);
        CHECK_TEXT(fake.text, "processes could not be looked at: Too many open files");
    }
    fake_end();
}
