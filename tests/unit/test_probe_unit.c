#include "unit.h"

#include "unit_parts.h"

/* The judging alone: connections are played through with a real bus in tests/func/test_systemd_fakes.py. */
static const struct unit_conf conf = { .transition_limit = 90000000, .oneshot = VITAL_WARN };

static void judge(struct unit_state s, enum vital_class class, enum vital_reason reason, const char *text)
{
    struct unit_finding f = { 0 };
    if (!*s.load)
        strcpy(s.load, "loaded");
    unit_judge(&conf, "app.service", &s, 200000000, &f);
    CHECK_INT(f.class, class);
    CHECK_INT(f.reason, reason);
    CHECK_TEXT(f.text, text);
}

TEST(states)
{
    judge((struct unit_state){ .active = "active", .sub = "running" }, VITAL_PASS, VITAL_R_OK, "app.service is active (running)");
    judge((struct unit_state){ .active = "reloading", .sub = "reload" }, VITAL_PASS, VITAL_R_OK, "app.service is reloading (reload)");
    judge((struct unit_state){ .active = "inactive", .sub = "dead" }, VITAL_FAIL, VITAL_R_MISMATCH, "app.service is inactive (dead)");
    judge((struct unit_state){ .active = "inactive", .sub = "dead", .type = "oneshot", .result = "success" }, VITAL_WARN, VITAL_R_MISMATCH,
          "app.service is not running; its last run succeeded");
    judge((struct unit_state){ .active = "inactive", .sub = "dead", .type = "oneshot", .result = "exit-code" }, VITAL_FAIL, VITAL_R_MISMATCH,
          "app.service is inactive (dead)");
    judge((struct unit_state){ .active = "sideways" }, VITAL_FAIL, VITAL_R_BAD_REPLY, "app.service is \"sideways\", which is not known here");
}

TEST(on_the_way)
{
    judge((struct unit_state){ .active = "activating", .sub = "start", .changing_since = 110000000 }, VITAL_WARN, VITAL_R_STARTING,
          "app.service is activating (start) for 90 s");
    judge((struct unit_state){ .active = "activating", .sub = "start", .changing_since = 109999999 }, VITAL_FAIL, VITAL_R_STARTING,
          "app.service is activating (start) for 90 s");
    judge((struct unit_state){ .active = "deactivating", .sub = "stop", .changing_since = 200000000 }, VITAL_WARN, VITAL_R_STOPPING,
          "app.service is deactivating (stop) for 0 s");
    judge((struct unit_state){ .active = "activating", .sub = "auto-restart", .result = "exit-code", .status = 7, .restarts = 4 }, VITAL_FAIL,
          VITAL_R_EXIT, "app.service ended (exit status 7) and is about to be started again, for the 5. time");
}

TEST(ends)
{
    judge((struct unit_state){ .active = "failed", .result = "exit-code", .status = 3 }, VITAL_FAIL, VITAL_R_EXIT, "app.service has failed: exit status 3");
    judge((struct unit_state){ .active = "failed", .result = "signal", .status = 9 }, VITAL_FAIL, VITAL_R_SIGNAL, "app.service has failed: signal 9");
    judge((struct unit_state){ .active = "failed", .result = "core-dump", .status = 11 }, VITAL_FAIL, VITAL_R_SIGNAL,
          "app.service has failed: core dump, signal 11");
    judge((struct unit_state){ .active = "failed", .result = "oom-kill" }, VITAL_FAIL, VITAL_R_MEMORY, "app.service has failed: oom-kill");
    judge((struct unit_state){ .active = "failed", .result = "watchdog" }, VITAL_FAIL, VITAL_R_HUNG, "app.service has failed: watchdog");
    judge((struct unit_state){ .active = "failed", .result = "start-limit-hit" }, VITAL_FAIL, VITAL_R_EXIT, "app.service has failed: start-limit-hit");
    judge((struct unit_state){ .active = "failed", .sub = "failed" }, VITAL_FAIL, VITAL_R_EXIT, "app.service has failed: failed");
}

TEST(not_there)
{
    judge((struct unit_state){ .load = "not-found", .active = "inactive" }, VITAL_FAIL, VITAL_R_NOT_FOUND, "app.service does not exist");
    judge((struct unit_state){ .load = "masked", .active = "inactive" }, VITAL_FAIL, VITAL_R_CONFIG, "app.service is masked");
    judge((struct unit_state){ .load = "bad-setting" }, VITAL_FAIL, VITAL_R_CONFIG, "app.service cannot be loaded (bad-setting); see systemctl status");
}

TEST(names)
{
    char room[UNIT_NAME_MAX], most[UNIT_NAME_MAX];
    CHECK_TEXT(unit_full_name("nginx", room), "nginx.service");
    CHECK_TEXT(unit_full_name("data.mount", room), "data.mount");
    CHECK(unit_name_is_valid("getty@tty1.service") && unit_name_is_valid("a\\x2db.mount"));
    CHECK(!unit_name_is_valid("") && !unit_name_is_valid("a b") && !unit_name_is_valid("a*") && !unit_name_is_valid("a'b") && !unit_name_is_valid(".x"));
    memset(most, 'a', sizeof most);
    most[UNIT_NAME_MAX - 1] = 0;
    CHECK(!unit_name_is_valid(most));
    most[UNIT_NAME_MAX - sizeof ".service"] = 0;
    CHECK(unit_name_is_valid(most));
}
