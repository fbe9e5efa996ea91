#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "front/sd.h"
#include "small_world.h"

static int manager = -1;
static char path[64];
static uint64_t now_is;
static uint64_t fake_now(void) { return now_is; }

static void open_manager(const char *watchdog)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    snprintf(path, sizeof path, "/tmp/vtsd%d", (int)getpid());
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    unlink(path);
    CHECK(bind(manager, (struct sockaddr *)&at, sizeof at) == 0);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", watchdog, 1);
    unsetenv("WATCHDOG_PID");
    sd_open();
}

static void close_manager(void)
{
    close(manager);
    unlink(path);
    small_close();
}

/* The next message, or "" when there is none. */
static const char *heard(void)
{
    static char text[4096];
    ssize_t n = recv(manager, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static unsigned heard_with(const char *what)
{
    unsigned count = 0;
    for (const char *text; *(text = heard());)
        count += strstr(text, what) != NULL;
    return count;
}

static void open_world(void)
{
    now_is = clock_now();
    small_open(NULL);
    clock_replace(fake_now, NULL);
    core_publish(now_is);
}

TEST(children_inherit_none_of_it)
{
    open_manager("3000000");
    CHECK(!getenv("NOTIFY_SOCKET") && !getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"));
    small_open(NULL);
    close_manager();
}

TEST(the_watchdog_is_fed_only_while_the_scheduler_advances)
{
    open_manager("3000000");
    open_world();
    sd_publish();
    CHECK_INT(heard_with("WATCHDOG=1"), 1);
    now_is += 500 * USEC_MS;
    sd_publish();
    CHECK_INT(heard_with("WATCHDOG=1"), 0);      /* at a third of the period, not before */
    now_is += 500 * USEC_MS;
    core_publish(now_is);
    sd_publish();
    CHECK_INT(heard_with("WATCHDOG=1"), 1);
    now_is += 200 * USEC_S;                      /* beyond 30 s and the longest timeout, which is 60 s */
    sd_publish();
    CHECK_INT(heard_with("WATCHDOG=1"), 0);
    now_is += 2 * USEC_S;
    core_publish(now_is);
    sd_publish();
    CHECK_INT(heard_with("WATCHDOG=1"), 1);
    close_manager();
}

TEST(a_long_attempt_is_no_standstill)
{
    open_manager("3000000");
    open_world();
    now_is += 80 * USEC_S;
    sd_publish();
    CHECK_INT(heard_with("WATCHDOG=1"), 1);
    close_manager();
}

TEST(what_is_not_taken_is_said_later_and_only_the_newest)
{
    open_manager("0");
    open_world();
    for (unsigned i = 0; i < 100; i++) {
        sd_reloading();
        sd_ready();
    }
    heard_with("");
    now_is += USEC_S;
    sd_publish();
    CHECK_TEXT(heard(), "READY=1\nSTATUS=ready: fail (starting); 2 probes, 2 unknown: db web\n");
    CHECK_TEXT(heard(), "");
    close_manager();
}

TEST(a_status_is_told_when_it_changes)
{
    open_manager("0");
    open_world();
    sd_publish();
    CHECK_INT(heard_with("STATUS=ready: fail (starting); 2 probes, 2 unknown: db web\n"), 1);
    now_is += 10 * USEC_S;
    sd_publish();
    CHECK_INT(heard_with("STATUS"), 0);
    CHECK(!admin_mode("db", MODE_MAINTENANCE, LEVEL_PASS, 0));
    sd_publish();
    CHECK_INT(heard_with("STATUS"), 0);          /* the same words */
    close_manager();
}

TEST(who_leaves_is_not_ready_any_more)
{
    open_manager("0");
    open_world();
    sd_stopping(5 * USEC_S);
    CHECK_TEXT(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000\n");
    sd_ready();
    sd_reloading();
    CHECK_TEXT(heard(), "");
    close_manager();
}
