#include "unit.h"

#include "world_stage.h"

/* ---- standing still ---- */

TEST(no_red_burst_after_standing_still)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_until(kit_find_probe("pa")->plan.due < kit_find_probe("pb")->plan.due ? kit_find_probe("pa")->plan.due - 1 : kit_find_probe("pb")->plan.due - 1);
    kit_time += 600 * USEC_S; /* many times max_age */
    struct verdict v = kit_verdict("ready");
    CHECK(v.level == LEVEL_PASS && v.stalled >= 599 * USEC_S);
    kit_pass_time(USEC_S);
    v = kit_verdict("ready");
    CHECK(v.level == LEVEL_PASS && !v.stalled); /* all had a fresh outcome */
    kit_close();
}

TEST(what_nobody_attempts_again_after_a_stall_is_stale_after_one_max_age_and_says_why)
{
    struct kit_world w = three(0);
    w.probes[0].timeout = 1000 * USEC_S;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = NULL;
    kit_time += 500 * USEC_S;
    CHECK(kit_verdict("ready").level == LEVEL_PASS);
    kit_time += w.probes[0].max_age; /* stands still again at once: that is no new lease */
    struct verdict v = kit_verdict("ready");
    CHECK(v.level == LEVEL_FAIL && v.why == WHY_STALLED && v.unknown);
    kit_pass_time(59 * USEC_S - w.probes[0].max_age);
    CHECK(kit_verdict("ready").stalled > 0);
    kit_pass_time(USEC_S);
    CHECK_INT(kit_verdict("ready").stalled, 0);
    CHECK_INT(kit_verdict("ready").why, WHY_MEMBERS);
    kit_close();
}

TEST(a_sample_is_shifted_once)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("pa");
    kit_on_start = NULL;
    kit_time += 60 * USEC_S;
    kit_turn();
    uint64_t again = kit_time + a->conf->timeout + USEC_S;
    CHECK_INT(probe_stale_at(a), again);
    kit_time += 2 * USEC_S;
    core_stalled(2 * USEC_S);
    CHECK_INT(probe_stale_at(a), again);
    kit_close();
}

TEST(a_shift_ends_with_the_next_outcome)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("pa");
    kit_time += 1000 * USEC_S;
    core_stalled(1000 * USEC_S);
    CHECK(a->record.lease > kit_time);
    kit_pass_time(20 * USEC_S);
    CHECK_INT(a->record.lease, 0);
    CHECK_INT(probe_stale_at(a), a->record.at + a->conf->max_age);
    kit_close();
}

TEST(an_ordinary_wait_is_no_stall)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1")->interval = 1000 * USEC_S;
    w.probes[0].max_age = 5000 * USEC_S;
    begin(&w);
    kit_pass_time(5000 * USEC_S);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.stalls, 0);
    kit_time = timer_next(&kit_heap) + USEC_S;
    kit_turn();
    core_stats(&s);
    CHECK_INT(s.stalls, 0);
    kit_time = timer_next(&kit_heap) + USEC_S + 1;
    kit_turn();
    core_stats(&s);
    CHECK_INT(s.stalls, 1);
    kit_close();
}

TEST(what_the_machine_slept_is_no_stall_of_ours)
{
    struct kit_world w = three(0);
    w.probes[0].interval = w.probes[1].interval = 1000 * USEC_S;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct core_stats s;
    uint64_t expected = engine.expected;
    engine.slept -= 3 * USEC_S; /* as if it had slept for that long since */
    kit_time = expected + 10 * USEC_S;
    CHECK_INT(kit_verdict("ready").stalled, 7 * USEC_S);
    kit_verdict("ready");
    core_stats(&s);
    CHECK_INT(s.stalls, 1); /* once per turn, whoever asks */
    kit_turn();
    kit_time = engine.expected + 10 * USEC_S;
    kit_verdict("ready");
    core_stats(&s);
    CHECK_INT(s.stalls, 2);
    CHECK_INT(kit_verdict("ready").stalled, 10 * USEC_S); /* what it slept is counted from the last turn */
    kit_close();
}

TEST(all_standstills_together_are_known_to_whoever_measures_silence)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    uint64_t until = 1;
    CHECK_INT(core_stood(&until), 0);
    CHECK_INT(until, 0);
    kit_time = engine.expected + 54 * USEC_S;
    CHECK_INT(core_stood(&until), 54 * USEC_S); /* known before anybody else asks */
    CHECK_INT(until, kit_time);
    kit_pass_time(5 * USEC_S);
    kit_time = engine.expected + 2 * USEC_S;
    CHECK_INT(core_stood(&until), 56 * USEC_S);
    CHECK_INT(until, kit_time);
    kit_close();
}

/* ---- the edges of its life ---- */

TEST(before_the_first_configuration_there_is_nothing)
{
    struct core_stats s;
    kit_open();
    core_publish(kit_time);
    CHECK(!core_conf() && !core_busy());
    CHECK_INT(core_group_find("ready", 5), UINT32_MAX);
    core_stats(&s);
    CHECK(s.probes == 0 && s.groups == 0 && s.started == KIT_BOOT && s.progress == KIT_BOOT);
    core_stalled(10 * USEC_S);
    core_stats(&s);
    CHECK_INT(s.stalls, 0);
    kit_close();
}

TEST(with_nothing_to_do_nothing_wakes_it)
{
    struct kit_world w = kit_world();
    begin(&w);
    CHECK_INT(timer_next(&kit_heap), KIT_BOOT + 300 * USEC_S); /* the end of starting, before any turn */
    CHECK(core_conf() == w.conf);
    kit_pass_time(USEC_S);
    CHECK_INT(kit_level("ready"), LEVEL_PASS); /* nobody to wait for */
    kit_pass_time(301 * USEC_S);
    CHECK_INT(kit_heap.count, 0);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.groups, 4);
    CHECK_INT(s.progress, kit_time);
    CHECK_INT(s.reloads, 0);
    CHECK_INT(s.last_reload, KIT_BOOT);
    kit_close();
}

/* Longer than this clock has run. */
TEST(a_long_max_age_has_an_end)
{
    struct kit_world w = three(0);
    w.probes[0].max_age = 2 * KIT_BOOT;
    w.probes[1].max_age = TIME_NEVER;
    begin(&w);
    kit_pass_time(2 * USEC_S);
    const struct probe *a = kit_find_probe("pa");
    CHECK_INT(probe_stale_at(a), a->record.fresh_from + 2 * KIT_BOOT);
    CHECK_INT(probe_stale_at(kit_find_probe("pb")), TIME_NEVER);
    kit_close();
}

TEST(the_loop_is_woken_for_what_time_alone_brings)
{
    struct kit_world w = three(0);
    w.probes[0].max_age = 5 * USEC_S;
    begin(&w);
    kit_pass_time(2 * USEC_S);
    uint64_t stale = probe_stale_at(kit_find_probe("pa")), last = journal_last();
    kit_until(stale - 1);
    CHECK_INT(journal_last(), last);
    CHECK_INT(timer_next(&kit_heap), stale);
    kit_until(stale); /* nobody asks */
    CHECK_INT(journal_last(), last + 2);
    kit_close();
}

TEST(a_stall_and_a_failed_reload_are_journalled)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    uint64_t last = journal_last();
    core_stalled(5 * USEC_S);
    CHECK_INT(journal_last(), last + 1);
    CHECK(journal_get(last + 1)->kind == JOURNAL_SELF);
    CHECK_TEXT(journal_get(last + 1)->to, "stalled");
    core_reload_failed();
    CHECK_TEXT(journal_get(last + 2)->to, "reload failed");
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.last_reload, kit_time);
    kit_close();
}

TEST(a_stall_that_nobody_waits_for_is_over_at_once)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    begin(&w);
    kit_pass_time(20 * USEC_S);
    mem_free(admin_mode("p1", MODE_PAUSED, LEVEL_PASS, 0));
    core_stalled(5 * USEC_S);
    CHECK_INT(kit_verdict("ready").stalled, 0);
    mem_free(admin_mode("p1", MODE_NORMAL, LEVEL_PASS, 0));
    core_stalled(5 * USEC_S);
    CHECK_INT(kit_verdict("ready").stalled, 0); /* the same standstill */
    kit_turn();
    core_stalled(5 * USEC_S);
    CHECK_INT(kit_verdict("ready").stalled, 5 * USEC_S);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.stalls, 2);
    kit_close();
}

TEST(a_stall_is_forgotten_as_a_whole)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "h1")->timeout = 1000 * USEC_S;
    kit_probe(&w, "h2")->timeout = 1000 * USEC_S;
    kit_probe(&w, "p3");
    begin(&w);
    kit_pass_time(20 * USEC_S);
    core_stalled(5 * USEC_S);
    CHECK_INT(engine.stall_left, 3);
    kit_pass_time(59 * USEC_S);
    CHECK_INT(engine.stall_left, 2);
    CHECK(engine.stalled);
    kit_pass_time(2 * USEC_S);
    CHECK(!engine.stalled && !engine.stall_left);
    for (uint32_t i = 0; i < 3; i++)
        CHECK(!engine.world->probes[i]->stall_awaited);
    core_stalled(5 * USEC_S);
    mem_free(admin_mode("p3", MODE_PAUSED, LEVEL_PASS, 0));
    pass_at_once(kit_handle("h1"));
    CHECK_INT(engine.stall_left, 2);
    core_stalled(5 * USEC_S); /* paused ones are not waited for */
    kit_turn();
    core_stalled(5 * USEC_S);
    CHECK_INT(engine.stall_left, 2);
    kit_close();
}

TEST(after_a_pause_there_may_be_a_lease_as_ever)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("pa");
    a->record.lease = kit_time + USEC_S;
    mem_free(admin_mode("pa", MODE_PAUSED, LEVEL_PASS, 0));
    kit_pass_time(100 * USEC_S);
    kit_on_start = NULL;
    mem_free(admin_resume("pa"));
    CHECK_INT(a->record.lease, 0);
    CHECK_INT(a->record.fresh_from, kit_time);
    kit_time += 100 * USEC_S;
    kit_verdict("ready");
    CHECK_INT(a->record.lease, kit_time + a->conf->timeout + ATTEMPT_AGAIN);
    kit_close();
}

TEST(the_sum_of_an_age_may_be_just_beyond_the_end_of_time)
{
    struct kit_world w = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("pa");
    struct conf_probe conf = *a->conf;
    conf.max_age = TIME_NEVER - a->record.fresh_from + 1;
    const struct conf_probe *real = a->conf;
    a->conf = &conf;
    CHECK_INT(probe_fresh_until(a), TIME_NEVER);
    a->conf = real;
    kit_close();
}
