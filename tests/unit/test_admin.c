#include "unit.h"

#include "world_kit.h"

static void pass_at_once(struct vital_probe *p) { kit_finish(p, VITAL_PASS, VITAL_R_OK, ""); }
static void fail_at_once(struct vital_probe *p) { kit_finish(p, VITAL_FAIL, VITAL_R_REFUSED, ""); }

/* ready: a and b; either: a or b; both have passed. */
static void open_two(void)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "a");
    kit_probe(&w, "b");
    struct conf_group *g = kit_group(&w, "ready", GROUP_ALL, 2, "a b", "");
    g->drains = true;
    g->codes[CODE_DRAINING] = 599;
    kit_group(&w, "either", GROUP_ANY, 1, "a b", "");
    kit_group(&w, "only-a", GROUP_ALL, 1, "a", "");
    kit_open();
    core_adopt(kit_conf(&w));
    kit_on_start = pass_at_once;
    kit_pass_time(2 * USEC_S);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
}

static void order(enum mode mode, enum level forced, uint64_t period)
{
    char *error = admin_mode("a", mode, forced, period);
    CHECK_TEXT(error, NULL);
    mem_free(error);
}

TEST(drain_fails_what_drains)
{
    open_two();
    uint64_t version = kit_verdict("ready").version;
    kit_pass_time(USEC_S);
    uint64_t told = journal_last() + 1;
    admin_drain(false);
    admin_drain(false);
    CHECK(admin_is_draining() && !admin_drain_is_ordered());
    CHECK_INT(admin_draining_since(), kit_time);
    CHECK_INT(journal_get(told)->kind, JOURNAL_SELF);
    CHECK_TEXT(journal_get(told)->to, "draining");
    struct verdict v = kit_verdict("ready");
    CHECK(v.level == LEVEL_FAIL && v.why == WHY_DRAINING && v.draining && v.version != version);
    CHECK_INT(v.code, 599);
    CHECK_INT(v.since, kit_time);
    CHECK_INT(kit_level("either"), LEVEL_PASS);
    CHECK(!kit_verdict("either").draining);
    admin_drain(true);
    CHECK(admin_drain_is_ordered());
    admin_undrain();
    CHECK(!admin_is_draining() && !admin_drain_is_ordered() && !admin_draining_since());
    v = kit_verdict("ready");
    CHECK(v.level == LEVEL_PASS && v.why == WHY_MEMBERS && v.code == 200);
    uint64_t last = journal_last();
    admin_undrain();
    CHECK_INT(journal_last(), last);
    kit_close();
}

TEST(paused_keeps_its_last_state_and_never_becomes_stale)
{
    open_two();
    struct probe *a = kit_find_probe("a");
    order(MODE_PAUSED, LEVEL_PASS, 0);
    unsigned starts = kit_fake(&a->handle)->starts;
    kit_pass_time(1000 * USEC_S);
    CHECK_INT(kit_fake(&a->handle)->starts, starts);
    CHECK_INT(probe_state(a), STATE_UP);
    CHECK_INT(probe_stale_at(a), TIME_NEVER);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    char *error = admin_run("a");
    CHECK(error && strstr(error, "paused"));
    mem_free(error);
    kit_on_start = NULL;
    error = admin_resume("a");
    CHECK_TEXT(error, NULL);
    CHECK_INT(probe_stale_at(a), kit_time + 33 * USEC_S);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    kit_turn();
    CHECK_INT(kit_fake(&a->handle)->starts, starts + 1);
    kit_close();
}

/* From one forced level to another, and from a mode that has a level to one that has the same by chance. */
TEST(each_change_of_an_order_is_journalled_and_nothing_else)
{
    open_two();
    uint64_t last = journal_last();
    order(MODE_FORCED, LEVEL_WARN, 0);
    CHECK_INT(journal_get(++last)->kind, JOURNAL_MODE);
    order(MODE_FORCED, LEVEL_WARN, 100 * USEC_S);
    order(MODE_FORCED, LEVEL_FAIL, 0);
    unsigned modes = 0;
    for (uint64_t id = last + 1; id <= journal_last(); id++)
        modes += journal_get(id)->kind == JOURNAL_MODE;
    CHECK_INT(modes, 1);
    last = journal_last();
    order(MODE_MAINTENANCE, LEVEL_PASS, 0);
    order(MODE_PAUSED, LEVEL_PASS, 0);
    modes = 0;
    for (uint64_t id = last + 1; id <= journal_last(); id++)
        modes += journal_get(id)->kind == JOURNAL_MODE;
    CHECK_INT(modes, 2);
    kit_close();
}

TEST(what_is_stale_when_it_is_paused_stays_stale_although_nobody_asked)
{
    open_two();
    struct probe *a = kit_find_probe("a");
    a->record.fresh_from = kit_time + 1 - a->conf->max_age;
    probe_arm_expiry(a);
    CHECK_INT(probe_state(a), STATE_UP);
    kit_time++;
    order(MODE_PAUSED, LEVEL_PASS, 0);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    kit_close();
}

TEST(pausing_cancels_and_a_stale_one_stays_stale)
{
    open_two();
    struct probe *a = kit_find_probe("a");
    kit_on_start = NULL;
    while (!probe_in_attempt(a))
        kit_pass_time(SLOT);
    order(MODE_PAUSED, LEVEL_PASS, 0);
    CHECK(!probe_in_attempt(a));
    CHECK_INT(a->record.cancelled, 1);
    CHECK_INT(kit_fake(&a->handle)->cancels, 1);
    CHECK_INT(a->record.attempts[VITAL_FAIL], 0);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.cancelled, 1);
    mem_free(admin_resume("a"));
    kit_on_start = NULL;
    kit_settle();
    a->record.fresh_from -= 100 * USEC_S; /* as if nothing had been heard for long */
    probe_arm_expiry(a);
    CHECK_INT(kit_level("only-a"), LEVEL_FAIL);
    order(MODE_PAUSED, LEVEL_PASS, 0);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    CHECK_INT(kit_level("only-a"), LEVEL_FAIL);
    uint64_t fresh = a->record.fresh_from;
    mem_free(admin_resume("a"));
    CHECK_INT(a->record.fresh_from, fresh);
    CHECK_INT(kit_level("only-a"), LEVEL_FAIL);
    kit_close();
}

TEST(maintenance_is_left_out_but_attempted)
{
    open_two();
    struct probe *a = kit_find_probe("a");
    kit_on_start = fail_at_once;
    unsigned starts = kit_fake(&a->handle)->starts;
    order(MODE_MAINTENANCE, LEVEL_PASS, 0);
    CHECK_INT(kit_level("only-a"), LEVEL_WARN);
    kit_pass_time(15 * USEC_S);
    CHECK(kit_fake(&a->handle)->starts > starts);
    CHECK_INT(probe_state(a), STATE_DOWN);
    CHECK_INT(kit_level("only-a"), LEVEL_WARN);
    mem_free(admin_resume("a"));
    CHECK_INT(kit_level("only-a"), LEVEL_FAIL);
    kit_close();
}

TEST(forced_counts_and_is_seen)
{
    open_two();
    order(MODE_FORCED, LEVEL_FAIL, 0);
    struct verdict v = kit_verdict("ready");
    CHECK(v.level == LEVEL_FAIL && v.forced);
    CHECK_INT(kit_level("either"), LEVEL_WARN);
    order(MODE_FORCED, LEVEL_PASS, 0);
    v = kit_verdict("ready");
    CHECK(v.level == LEVEL_WARN && v.forced);
    CHECK_INT(kit_find_probe("a")->order.forced, LEVEL_PASS);
    mem_free(admin_resume("a"));
    CHECK(!kit_verdict("ready").forced);
    kit_close();
}

TEST(orders_expire_by_themselves)
{
    open_two();
    uint64_t lines = kit_lines;
    order(MODE_FORCED, LEVEL_FAIL, 5 * USEC_S);
    CHECK(kit_lines > lines);
    kit_pass_time(5 * USEC_S - 1);
    CHECK_INT(kit_find_probe("a")->order.mode, MODE_FORCED);
    kit_time++;
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    CHECK_INT(kit_find_probe("a")->order.mode, MODE_NORMAL);
    CHECK_INT(kit_find_probe("a")->order.until, 0);
    bool found = false;
    for (uint64_t id = journal_first(); id <= journal_last(); id++) {
        const struct journal_entry *e = journal_get(id);
        found |= e->kind == JOURNAL_MODE && !strcmp(e->from, "forced") && !strcmp(e->to, "normal") && !strcmp(e->text, "its time is over");
    }
    CHECK(found);
    order(MODE_MAINTENANCE, LEVEL_PASS, UINT64_MAX);
    CHECK_INT(kit_find_probe("a")->order.until, TIME_NEVER);
    order(MODE_MAINTENANCE, LEVEL_PASS, 0);
    CHECK_INT(kit_find_probe("a")->order.until, 0);
    kit_pass_time(100 * USEC_S);
    CHECK_INT(kit_find_probe("a")->order.mode, MODE_MAINTENANCE);
    kit_close();
}

TEST(prolonging_is_no_news)
{
    open_two();
    order(MODE_MAINTENANCE, LEVEL_PASS, 5 * USEC_S);
    kit_turn();
    uint64_t last = journal_last();
    order(MODE_MAINTENANCE, LEVEL_PASS, 50 * USEC_S);
    CHECK_INT(journal_last(), last);
    kit_pass_time(20 * USEC_S);
    CHECK_INT(kit_find_probe("a")->order.mode, MODE_MAINTENANCE);
    kit_close();
}

static void expect_error(char *error, const char *part)
{
    CHECK(error && strstr(error, part));
    mem_free(error);
}

TEST(errors_say_what_to_do)
{
    open_two();
    expect_error(admin_mode("aa", MODE_PAUSED, LEVEL_PASS, 0), "did you mean \"a\"");
    expect_error(admin_mode("zzzzzzzzzzz", MODE_PAUSED, LEVEL_PASS, 0), "vitalctl status");
    expect_error(admin_run("ready"), "is a group");
    expect_error(admin_resume("nothing-like-it"), "no probe");
    kit_find_probe("a")->quarantined = true;
    expect_error(admin_run("a"), "quarantined");
    kit_find_probe("a")->quarantined = false;
    kit_close();
}

TEST(run_is_one_attempt_now)
{
    open_two();
    struct probe *a = kit_find_probe("a");
    unsigned starts = kit_fake(&a->handle)->starts;
    kit_pass_time(2 * USEC_S);
    CHECK_INT(kit_fake(&a->handle)->starts, starts);
    CHECK_TEXT(admin_run("a"), NULL);
    kit_on_start = NULL;
    kit_turn();
    CHECK_INT(kit_fake(&a->handle)->starts, starts + 1);
    CHECK_TEXT(admin_run("a"), NULL);
    kit_turn();
    CHECK_INT(kit_fake(&a->handle)->starts, starts + 1);
    kit_close();
}

TEST(beats_reach_the_module)
{
    open_two();
    CHECK_TEXT(core_beat("a", "x", 1), NULL);
    CHECK_INT(kit_fake(kit_handle("a"))->received, 1);
    CHECK(strstr(core_beat("nobody", "", 0), "no probe"));
    kit_close();
}
