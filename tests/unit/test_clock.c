#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { STOPS = 20, STOP_US = 60000, ONE_US = 1000 };

static _Noreturn void compare_for_ever(void)
{
    int64_t first = (int64_t)clock_slept();
    for (;;)
        if (llabs((int64_t)clock_slept() - first) > STOP_US / 2)
            _exit(1);
}

/* Whoever does nothing but ask is stopped in between two readings of clocks nearly every time. */
TEST(a_stop_of_ours_is_no_sleep_of_the_machine)
{
    pid_t child = fork();
    if (!child)
        compare_for_ever();
    int status = 0;
    for (int i = 0; i < STOPS; i++) {
        kill(child, SIGSTOP);
        if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
            break;
        usleep(STOP_US);
        kill(child, SIGCONT);
        usleep(ONE_US);
    }
    kill(child, SIGKILL);
    kill(child, SIGCONT);
    CHECK(!WIFEXITED(status));
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
}
