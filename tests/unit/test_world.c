#include "unit.h"

#include "world_stage.h"

/* ---- starting ---- */

TEST(ready_fails_until_startup_has_latched)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "f1");
    kit_group(&w, "ready", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "p1 f1", "")->configured = false;
    begin(&w);
    struct verdict v = kit_verdict("ready");
    CHECK(v.level == LEVEL_FAIL && v.why == WHY_STARTING && v.unknown && v.code == 503);
    CHECK_INT(v.oldest, 0);
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    uint64_t first = kit_find_probe("p1")->plan.due, second = kit_find_probe("f1")->plan.due;
    kit_until((first < second ? first : second));
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    CHECK_INT(kit_verdict("ready").why, WHY_STARTING);
    kit_until(first < second ? second : first);
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    v = kit_verdict("ready");
    CHECK(v.level == LEVEL_PASS && v.why == WHY_MEMBERS && !v.unknown);
    CHECK_INT(v.since, kit_time);
    CHECK_INT(v.oldest, kit_find_probe("p1")->record.at);
    kit_close();
}

TEST(startup_latches)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "x");
    kit_group(&w, "startup", GROUP_ALL, 1, "x", "");
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(USEC_S);
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    kit_on_start = fail_at_once;
    kit_pass_time(100 * USEC_S);
    CHECK_INT(kit_find_probe("x")->record.settle.line[1].bad, true);
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    kit_close();
}

TEST(a_warning_is_enough_to_start)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "w1");
    kit_group(&w, "startup", GROUP_ALL, 1, "w1", "");
    begin(&w);
    kit_pass_time(USEC_S);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    kit_close();
}

TEST(startup_waits_only_for_what_can_still_come)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    struct conf_probe *gone = kit_probe(&w, "gone");
    conf_options_release(gone->options);
    gone->options = kit_options(NULL, "db:1", 0);
    gone->missing = "install vitald-postgres";
    kit_probe(&w, "paused");
    kit_probe(&w, "advice");
    kit_group(&w, "nested", GROUP_ANY, 1, "p1 paused", "advice");
    kit_group(&w, "ready", GROUP_ALL, 1, "nested gone", "");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "nested gone", "")->configured = false;
    begin(&w);
    mem_free(admin_mode("paused", MODE_PAUSED, LEVEL_PASS, 0));
    mem_free(admin_mode("advice", MODE_PAUSED, LEVEL_PASS, 0));
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    kit_pass_time(USEC_S);
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    struct verdict v = kit_verdict("ready");
    CHECK(v.level == LEVEL_FAIL && v.why == WHY_MEMBERS && v.unknown);
    kit_close();
}

TEST(a_configured_live_passes_while_starting_for_so_long)
{
    struct kit_world w = kit_world();
    w.conf->startup_timeout = 30 * USEC_S;
    kit_probe(&w, "f1");
    kit_group(&w, "live", GROUP_ALL, 1, "f1", "");
    kit_group(&w, "startup", GROUP_ALL, 1, "f1", "");
    kit_group(&w, "health", GROUP_ALL, 1, "f1", "")->configured = false;
    begin(&w);
    kit_pass_time(20 * USEC_S);
    struct verdict v = kit_verdict("live");
    CHECK(v.level == LEVEL_PASS && v.why == WHY_STARTING);
    CHECK_INT(kit_verdict("health").why, WHY_STARTING);
    CHECK_INT(kit_level("health"), LEVEL_PASS);
    kit_until(KIT_BOOT + 30 * USEC_S - 1);
    CHECK_INT(kit_level("live"), LEVEL_PASS);
    kit_time++; /* no turn */
    v = kit_verdict("live");
    CHECK(v.level == LEVEL_FAIL && v.why == WHY_MEMBERS);
    CHECK_INT(kit_level("health"), LEVEL_FAIL);
    CHECK_INT(kit_verdict("ready").why, WHY_STARTING);
    kit_close();
}

TEST(only_those_that_should_wait_for_startup_do)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "f1");
    kit_group(&w, "startup", GROUP_ALL, 1, "f1", "");
    kit_group(&w, "health", GROUP_ALL, 1, "f1", ""); /* configured: has its own mind */
    kit_group(&w, "live", GROUP_ALL, 1, "f1", "");
    kit_group(&w, "other", GROUP_ALL, 1, "live ready", "");
    begin(&w);
    kit_pass_time(10 * USEC_S);
    CHECK_INT(kit_level("live"), LEVEL_PASS);
    CHECK_INT(kit_level("health"), LEVEL_FAIL);
    CHECK_INT(kit_verdict("other").why, WHY_MEMBERS); /* sees live's members, not its patience */
    CHECK_INT(kit_level("other"), LEVEL_FAIL);
    kit_close();
}

TEST(startup_may_hold_ready)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "ready", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "startup", GROUP_ALL, 1, "ready", "");
    begin(&w);
    kit_pass_time(USEC_S);
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    kit_close();
}

/* ---- trees ---- */

TEST(votes_travel_through_every_layer)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "p2");
    kit_probe(&w, "x");
    kit_group(&w, "top", GROUP_ALL, 1, "middle p1", "");
    kit_group(&w, "middle", GROUP_ANY, 1, "bottom", "");
    kit_group(&w, "bottom", GROUP_AT_LEAST, 2, "p1 p2 x", "");
    kit_group(&w, "strict", GROUP_ALL, 1, "bottom x", "");
    kit_group(&w, "advised", GROUP_ALL, 1, "p1", "strict");
    begin(&w);
    kit_pass_time(10 * USEC_S);
    CHECK_INT(kit_level("top"), LEVEL_PASS);
    CHECK_INT(kit_level("strict"), LEVEL_FAIL); /* x hangs: it times out */
    CHECK_INT(kit_level("advised"), LEVEL_WARN);
    kit_on_start = fail_at_once;
    mem_free(admin_run("p2"));
    kit_pass_time(30 * USEC_S);
    CHECK_INT(kit_level("bottom"), LEVEL_FAIL);
    CHECK_INT(kit_level("middle"), LEVEL_FAIL);
    CHECK_INT(kit_level("top"), LEVEL_FAIL);
    kit_on_start = pass_at_once;
    kit_pass_time(60 * USEC_S);
    CHECK_INT(kit_level("top"), LEVEL_PASS);
    CHECK_INT(kit_level("strict"), LEVEL_PASS);
    CHECK_INT(kit_level("advised"), LEVEL_PASS);
    kit_close();
}

TEST(the_asked_group_maps_unknown_at_any_depth)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "h1");
    kit_group(&w, "inner", GROUP_ALL, 1, "h1", "");
    kit_group(&w, "strict", GROUP_ALL, 1, "inner", "");
    kit_group(&w, "mild", GROUP_ALL, 1, "inner", "")->unknown = UNKNOWN_PASS;
    kit_group(&w, "wary", GROUP_ALL, 1, "inner", "")->unknown = UNKNOWN_WARN;
    begin(&w);
    CHECK_INT(kit_level("strict"), LEVEL_FAIL);
    CHECK_INT(kit_level("mild"), LEVEL_PASS);
    CHECK_INT(kit_level("wary"), LEVEL_WARN);
    CHECK(kit_verdict("mild").unknown);
    kit_close();
}

TEST(many_groups_in_a_chain)
{
    enum { DEEP = 3000 };
    struct kit_world w = kit_world_of(1, DEEP);
    kit_probe(&w, "p1");
    char name[16], member[16] = "p1";
    for (unsigned i = 0; i < DEEP; i++) {
        snprintf(name, sizeof name, "g%u", i);
        kit_group(&w, name, GROUP_ALL, 1, member, "");
        memcpy(member, name, sizeof name);
    }
    begin(&w);
    CHECK_INT(kit_level(name), LEVEL_FAIL);
    kit_pass_time(10 * USEC_S);
    CHECK_INT(kit_level(name), LEVEL_PASS);
    CHECK_INT(kit_verdict(name).oldest, kit_find_probe("p1")->record.at);
    CHECK(core_is_member(core_group_find(name, strlen(name)), 0));
    uint32_t without = 0;
    struct verdict v;
    core_verdict_without(core_group_find(name, strlen(name)), &without, 1, &v);
    CHECK_INT(v.level, LEVEL_PASS);
    kit_close();
}

TEST(a_cycle_is_a_broken_invariant)
{
    struct kit_world w = kit_world();
    kit_group(&w, "one", GROUP_ALL, 1, "two", "");
    kit_group(&w, "two", GROUP_ALL, 1, "one", "");
    kit_open();
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        CHECK(freopen("/dev/null", "w", stderr));
        adopt(&w);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    conf_free(w.conf);
    kit_close();
}

TEST(some_leaves_can_be_taken_out_of_the_question)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "f1");
    kit_probe(&w, "w1");
    kit_group(&w, "ready", GROUP_ALL, 1, "inner p1", "w1");
    kit_group(&w, "inner", GROUP_ALL, 1, "f1 p1", "");
    begin(&w);
    kit_pass_time(10 * USEC_S);
    uint32_t ready = core_group_find("ready", 5), f1 = core_probe_find("f1", 2), w1 = core_probe_find("w1", 2);
    struct verdict v;
    CHECK_INT(kit_level("ready"), LEVEL_FAIL);
    core_verdict_without(ready, &w1, 1, &v);
    CHECK_INT(v.level, LEVEL_FAIL);
    CHECK_INT(v.code, 503);
    core_verdict_without(ready, &f1, 1, &v);
    CHECK_INT(v.level, LEVEL_WARN);
    CHECK_INT(v.code, 200);
    core_verdict_without(ready, (uint32_t[]){ f1, w1 }, 2, &v);
    CHECK_INT(v.level, LEVEL_PASS);
    CHECK_INT(kit_level("ready"), LEVEL_FAIL);
    mem_free(admin_mode("w1", MODE_FORCED, LEVEL_PASS, 0));
    CHECK(kit_verdict("ready").forced);
    core_verdict_without(ready, &w1, 1, &v);
    CHECK(!v.forced && !v.unknown);
    CHECK(core_is_member(ready, f1) && core_is_member(ready, w1));
    CHECK(!core_is_member(core_group_find("inner", 5), w1));
    kit_close();
}

TEST(a_question_about_everything)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "f1");
    kit_group(&w, "live", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "p1", "");
    kit_group(&w, "health", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "ready", GROUP_ALL, 4, "live startup health f1", "");
    begin(&w);
    kit_pass_time(10 * USEC_S);
    uint32_t ready = core_group_find("ready", 5), f1 = core_probe_find("f1", 2);
    struct verdict v;
    CHECK_INT(kit_level("ready"), LEVEL_FAIL);
    core_verdict_without(ready, &f1, 1, &v);
    CHECK_INT(v.level, LEVEL_PASS);
    CHECK(core_is_member(ready, f1) && !core_is_member(core_group_find("live", 4), f1));
    const struct picture *o = picture_group(ready);
    CHECK(o->group_count == 4 && o->probe_count == 2);
    picture_free(o);
    kit_close();
}

TEST(startup_does_not_wait_for_those_that_only_advise_it)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "h1");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "p1", "h1");
    begin(&w);
    kit_pass_time(USEC_S);
    CHECK(engine.startup_latched);
    kit_close();
}

TEST(those_that_only_advise_are_attempted_early_too)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    for (unsigned i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "p-a%u", i);
        kit_probe(&w, name);
    }
    kit_group(&w, "ready", GROUP_ALL, 1, "p1", "p-a0 p-a1 p-a2 p-a3 p-a4 p-a5 p-a6 p-a7 p-a8 p-a9 p-a10 p-a11 p-a12 p-a13 p-a14 p-a15 p-a16 p-a17 p-a18 p-a19");
    for (unsigned i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "p-s%u", i);
        kit_probe(&w, name);
    }
    kit_group(&w, "startup", GROUP_ALL, 1, "p1", "p-s0 p-s1 p-s2 p-s3 p-s4 p-s5 p-s6 p-s7 p-s8 p-s9 p-s10 p-s11 p-s12 p-s13 p-s14 p-s15 p-s16 p-s17 p-s18 p-s19");
    begin(&w);
    CHECK(core_is_member(core_group_find("ready", 5), core_probe_find("p-a7", 4)));
    for (uint32_t i = 0; i < 41; i++)
        CHECK(engine.world->probes[i]->plan.regular <= kit_time + FIRST_URGENT);
    kit_close();
}

TEST(a_question_without_some_brings_what_time_brings)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "p2");
    kit_group(&w, "ready", GROUP_ALL, 1, "p1 p2", "");
    begin(&w);
    kit_pass_time(5 * USEC_S);
    mem_free(admin_mode("p1", MODE_FORCED, LEVEL_FAIL, 2 * USEC_S));
    kit_turn();
    kit_time += 2 * USEC_S; /* no turn */
    uint32_t p2 = core_probe_find("p2", 2), ready = core_group_find("ready", 5);
    struct verdict v, whole;
    core_verdict_without(ready, &p2, 1, &v);
    CHECK_INT(v.level, LEVEL_PASS);
    core_verdict(ready, &whole);
    CHECK(v.version == whole.version && v.since == whole.since);
    kit_close();
}

TEST(leaving_out_the_awaited_ends_the_wait)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "h1");
    kit_probe(&w, "p1");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "h1 p1", "");
    begin(&w);
    kit_pass_time(250 * USEC_MS);
    struct verdict v;
    uint32_t startup = core_group_find("startup", 7), h1 = core_probe_find("h1", 2), p1 = core_probe_find("p1", 2);
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    core_verdict_without(startup, &h1, 1, &v);
    CHECK_INT(v.level, LEVEL_PASS);
    core_verdict_without(startup, &p1, 1, &v);
    CHECK_INT(v.level, LEVEL_FAIL);
    kit_close();
}

TEST(names_are_found_exactly)
{
    struct kit_world w = kit_world();
    for (unsigned i = 0; i < 60; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%u", i);
        kit_probe(&w, name);
    }
    kit_group(&w, "pack", GROUP_ALL, 1, "p1", "");
    CHECK_INT(core_probe_find("p1", 2), UINT32_MAX);
    begin(&w);
    for (unsigned i = 0; i < 60; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%u", i);
        CHECK_INT(core_probe_find(name, strlen(name)), i);
    }
    CHECK_INT(core_probe_find("p12", 2), 1);
    CHECK_INT(core_probe_find("p1\0zz", 5), UINT32_MAX);
    CHECK_INT(core_probe_find("p60", 3), UINT32_MAX);
    CHECK_INT(core_probe_find("pack", 4), UINT32_MAX);
    CHECK_INT(core_group_find("pack", 4), 0);
    CHECK_INT(core_group_find("p1", 2), UINT32_MAX);
    kit_close();
}

TEST(the_oldest_sample_that_mattered)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "p2");
    kit_probe(&w, "p3")->interval = 7 * USEC_S;
    kit_group(&w, "inner", GROUP_ALL, 1, "p1 p2", "");
    kit_group(&w, "ready", GROUP_ALL, 1, "inner", "p3");
    begin(&w);
    kit_pass_time(40 * USEC_S);
    for (unsigned i = 0; i < 50; i++) {
        kit_pass_time(999 * USEC_MS);
        uint64_t a = kit_find_probe("p1")->record.at, b = kit_find_probe("p2")->record.at, c = kit_find_probe("p3")->record.at;
        CHECK_INT(kit_verdict("inner").oldest, a < b ? a : b);
        CHECK_INT(kit_verdict("ready").oldest, a < b && a < c ? a : b < c ? b : c);
    }
    mem_free(admin_mode("p1", MODE_MAINTENANCE, LEVEL_PASS, 0));
    CHECK_INT(kit_verdict("inner").oldest, kit_find_probe("p2")->record.at);
    kit_close();
}

TEST(the_version_changes_with_the_answer_only)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "ready", GROUP_ALL, 1, "p1", "");
    begin(&w);
    uint64_t starting = kit_verdict("ready").version;
    kit_pass_time(USEC_S);
    uint64_t up = kit_verdict("ready").version;
    CHECK(up != starting);
    kit_pass_time(100 * USEC_S);
    CHECK_INT(kit_verdict("ready").version, up);
    kit_on_start = fail_at_once;
    kit_pass_time(100 * USEC_S);
    CHECK(kit_verdict("ready").version != up);
    kit_close();
}

TEST(transitions_are_journalled_once)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "ready", GROUP_ALL, 1, "p1", "");
    begin(&w);
    kit_pass_time(USEC_S);
    uint64_t last = journal_last();
    kit_on_start = fail_at_once;
    kit_pass_time(100 * USEC_S);
    CHECK_INT(journal_last(), last + 2);
    const struct journal_entry *e = journal_get(last + 1);
    CHECK(e->kind == JOURNAL_PROBE && !strcmp(e->name, "p1") && !strcmp(e->from, "up") && !strcmp(e->to, "down"));
    CHECK_TEXT(e->reason, "refused");
    e = journal_get(last + 2);
    CHECK(e->kind == JOURNAL_GROUP && !strcmp(e->name, "ready") && !strcmp(e->from, "pass") && !strcmp(e->to, "fail"));
    CHECK_TEXT(kit_log, "4 group ready: pass -> fail");
    kit_on_start = pass_at_once;
    kit_pass_time(100 * USEC_S);
    CHECK_INT(journal_last(), last + 4);
    CHECK_TEXT(kit_log, "5 group ready: fail -> pass");
    kit_close();
}

/* ---- initial states ---- */

TEST(initial_states_count_until_outcomes_contradict_them)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "f1")->initial = INITIAL_UP;
    kit_probe(&w, "p1")->initial = INITIAL_DOWN;
    kit_probe(&w, "h1")->initial = INITIAL_UP;
    w.probes[2].timeout = 1000 * USEC_S;
    w.probes[2].max_age = 20 * USEC_S;
    kit_group(&w, "g", GROUP_ALL, 1, "f1", "");
    kit_group(&w, "h", GROUP_ALL, 1, "h1", "");
    begin(&w);
    CHECK_INT(probe_state(kit_find_probe("f1")), STATE_UP);
    CHECK_INT(probe_state(kit_find_probe("p1")), STATE_DOWN);
    CHECK_INT(kit_level("g"), LEVEL_PASS);
    while (!kit_find_probe("f1")->record.had_outcome)
        kit_pass_time(SLOT);
    CHECK_INT(probe_state(kit_find_probe("f1")), STATE_UP);
    kit_until(KIT_BOOT + 20 * USEC_S);
    CHECK_INT(probe_state(kit_find_probe("f1")), STATE_DOWN);
    CHECK_INT(probe_state(kit_find_probe("p1")), STATE_UP);
    CHECK_INT(kit_level("h"), LEVEL_FAIL); /* what was only declared grows old too */
    kit_close();
}

TEST(an_answer_that_changes_within_its_level_is_no_transition)
{
    struct kit_world w = kit_world();
    struct conf_probe *p = kit_probe(&w, "p1");
    p->interval = p->interval_unsettled = 1000 * USEC_S;
    kit_group(&w, "g", GROUP_ALL, 1, "p1", "")->unknown = UNKNOWN_PASS;
    begin(&w);
    kit_pass_time(2 * USEC_S);
    kit_on_start = NULL;
    uint64_t last = journal_last(), version = kit_verdict("g").version;
    kit_until(probe_stale_at(kit_find_probe("p1")));
    CHECK(kit_verdict("g").unknown && kit_verdict("g").version > version);
    CHECK_INT(kit_level("g"), LEVEL_PASS);
    CHECK_INT(journal_last(), last + 1); /* the probe's own */
    kit_close();
}

TEST(a_group_that_only_advises_has_members_too)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "p2");
    kit_group(&w, "inner", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "outer", GROUP_ALL, 1, "p2", "inner");
    begin(&w);
    CHECK(core_is_member(core_group_find("outer", 5), 0));
    CHECK(core_is_member(core_group_find("outer", 5), 1));
    CHECK(!core_is_member(core_group_find("inner", 5), 1));
    kit_close();
}

TEST(without_those_that_are_unknown_a_stall_is_no_reason)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "h1")->timeout = 1000 * USEC_S;
    kit_group(&w, "g", GROUP_ALL, 1, "p1 h1", "");
    begin(&w);
    kit_pass_time(3 * USEC_S);
    core_stalled(5 * USEC_S);
    CHECK_INT(kit_verdict("g").why, WHY_STALLED);
    struct verdict v;
    uint32_t without = 1;
    core_verdict_without(core_group_find("g", 1), &without, 1, &v);
    CHECK_INT(v.why, WHY_MEMBERS);
    CHECK_INT(v.level, LEVEL_PASS);
    CHECK(!v.unknown);
    kit_close();
}

/* Each part of an answer alone makes it another one. */
TEST(any_part_of_an_answer_makes_a_version)
{
    struct kit_world w = kit_world(), again = kit_world();
    kit_probe(&w, "x");
    kit_group(&w, "g", GROUP_ALL, 1, "x", "");
    kit_group(&w, "live", GROUP_ALL, 1, "x", "");
    begin(&w);
    kit_on_start = pass_at_once;
    uint64_t version = kit_verdict("live").version;
    kit_pass_time(5 * USEC_S);
    CHECK(kit_verdict("live").version > version); /* why, and known */
    version = kit_verdict("g").version;
    kit_on_start = warn_at_once;
    kit_pass_time(20 * USEC_S);
    CHECK_INT(kit_level("g"), LEVEL_WARN);
    CHECK(kit_verdict("g").version > version && kit_verdict("g").code == 200);
    CHECK_TEXT(journal_get(journal_last())->reason, "");
    version = kit_verdict("g").version;
    uint64_t since = kit_verdict("g").since;
    mem_free(admin_mode("x", MODE_FORCED, LEVEL_WARN, 0));
    CHECK(kit_verdict("g").version > version && kit_verdict("g").forced);
    version = kit_verdict("g").version;
    core_stalled(5 * USEC_S);
    CHECK(kit_verdict("g").version > version && kit_verdict("g").stalled);
    version = kit_verdict("g").version;
    kit_probe(&again, "x");
    kit_group(&again, "g", GROUP_ALL, 1, "x", "")->codes[1] = 299;
    adopt(&again);
    CHECK(kit_verdict("g").version > version && kit_verdict("g").code == 299);
    CHECK_INT(kit_verdict("g").since, since);
    kit_close();
}

TEST(why_a_group_turned_is_journalled)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "g", GROUP_ALL, 1, "p1", "")->drains = true;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    admin_drain(true);
    kit_settle();
    CHECK_TEXT(journal_get(journal_last())->name, "g");
    CHECK_TEXT(journal_get(journal_last())->reason, "draining");
    kit_close();
}

/* The last one that startup waits for changes nothing in the group that it is in. */
TEST(startup_sees_through_groups_that_do_not_move)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "h1")->timeout = 1000 * USEC_S;
    struct conf_probe *gone = kit_probe(&w, "gone");
    conf_options_release(gone->options);
    gone->options = kit_options(NULL, "db:1", 0);
    kit_group(&w, "nested", GROUP_ANY, 1, "p1 h1 gone", "");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "nested", "");
    begin(&w);
    kit_pass_time(2 * USEC_S);
    CHECK_INT(kit_level("nested"), LEVEL_PASS);
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    pass_at_once(kit_handle("h1"));
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    kit_close();
}
