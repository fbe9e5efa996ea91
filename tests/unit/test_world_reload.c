#include "unit.h"

#include "world_stage.h"

/* ---- reload ---- */

TEST(an_equal_probe_moves_with_its_attempt)
{
    struct kit_world w = three(0), again = three(0);
    begin(&w);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pa")))
        kit_pass_time(SLOT);
    struct probe *a = kit_find_probe("pa");
    struct conf_options *options = a->options;
    again.probes[0].interval = 77 * USEC_S;
    adopt(&again);
    CHECK_INT(a->plan.timer.at, a->deadline);
    CHECK(kit_find_probe("pa") == a && a->options == options && a->handle.conf == options->data);
    CHECK(probe_in_attempt(a) && a->conf == &core_conf()->probes[0]);
    CHECK(a->handle.name == core_conf()->probes[0].name);
    CHECK_INT(kit_fake(&a->handle)->cancels, 0);
    CHECK_INT(core_generation(), 2);
    pass_at_once(&a->handle);
    CHECK_INT(a->plan.due - a->started, slot_down(77 * USEC_S));
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.reloads, 1);
    CHECK(s.last_reload_ok && s.last_reload > 0);
    core_reload_failed();
    core_stats(&s);
    CHECK_INT(s.reload_failures, 1);
    CHECK(!s.last_reload_ok);
    CHECK_INT(kit_releases, 0);
    kit_close();
    CHECK_INT(kit_releases, 2);
}

TEST(an_idle_probe_follows_its_new_interval)
{
    struct kit_world w = three(0), again = three(0), third = three(0);
    w.probes[0].interval = 3600 * USEC_S;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("pa");
    uint64_t far = a->plan.due;
    CHECK(far > kit_time + 3000 * USEC_S);
    again.probes[0].interval = 3600 * USEC_S;
    again.probes[0].fall = 7;
    adopt(&again);
    CHECK_INT(a->plan.due, far);
    adopt(&third);
    CHECK(a->plan.due <= kit_time + 10 * USEC_S);
    kit_close();
}

TEST(other_options_for_the_same_target_take_over)
{
    struct kit_world w = three(0), again = three(1);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pb")))
        kit_pass_time(SLOT);
    struct probe *b = kit_find_probe("pb");
    uint64_t since = b->record.since;
    b->quarantined = true;
    engine.stats.quarantined++;
    mem_free(admin_mode("pb", MODE_MAINTENANCE, LEVEL_PASS, 100 * USEC_S));
    uint64_t version = kit_verdict("ready").version, last = journal_last();
    adopt(&again);
    struct probe *now = kit_find_probe("pb");
    CHECK(now != b && !now->quarantined && !probe_in_attempt(now) && !now->pending);
    CHECK_INT(kit_releases, 1);
    CHECK_INT(probe_state(now), STATE_UP);
    CHECK_INT(now->record.since, since);
    CHECK_INT(now->record.attempts[VITAL_PASS], 1);
    CHECK_INT(now->record.cancelled, 1);
    CHECK_INT(now->order.mode, MODE_MAINTENANCE);
    CHECK_INT(kit_fake(&now->handle)->starts, 0);
    CHECK_INT(kit_verdict("ready").version, version);
    CHECK_INT(journal_last(), last + 1); /* the reload itself */
    CHECK(now->plan.due <= kit_time + 250 * USEC_MS);
    kit_pass_time(100 * USEC_S);
    CHECK_INT(now->order.mode, MODE_NORMAL);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.quarantined, 0);
    kit_close();
}

TEST(runs_are_clamped_to_the_new_rule)
{
    struct kit_world w = three(0), again = three(0);
    w.probes[0].fall = 9;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = fail_at_once;
    struct probe *a = kit_find_probe("pa");
    while (a->record.settle.line[1].run < 5)
        kit_pass_time(SLOT);
    adopt(&again);
    CHECK_INT(a->record.settle.line[1].run, 2);
    CHECK_INT(probe_state(a), STATE_UP);
    kit_pass_time(1100 * USEC_MS);
    CHECK_INT(probe_state(a), STATE_DOWN);
    kit_close();
}

TEST(a_new_member_is_left_out_until_it_had_an_outcome)
{
    struct kit_world w = three(0), again = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    struct conf_probe *h = kit_probe(&again, "hnew"), *n = kit_probe(&again, "fnew");
    h->timeout = 3 * USEC_S;
    again.groups[0].members = "pa pb hnew fnew";
    n->timeout = 4 * USEC_S;
    uint64_t last = journal_last(), at = kit_time;
    kit_on_start = NULL;
    adopt(&again);
    CHECK(kit_find_probe("hnew")->pending && kit_find_probe("fnew")->pending);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    CHECK(!kit_verdict("ready").unknown);
    CHECK_INT(journal_last(), last + 1);
    kit_pass_time(USEC_S);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    fail_at_once(kit_handle("fnew"));
    CHECK(!kit_find_probe("fnew")->pending);
    CHECK_INT(kit_level("ready"), LEVEL_FAIL);
    kit_fake(kit_handle("hnew"))->running = false;
    kit_find_probe("hnew")->deadline = 0; /* nothing was heard of it */
    kit_fake(kit_handle("hnew"))->running = true;
    kit_time = at + 4 * USEC_S - 1;
    CHECK(kit_find_probe("hnew")->pending);
    kit_time++;
    kit_verdict("ready");
    CHECK(!kit_find_probe("hnew")->pending);
    kit_close();
}

TEST(before_startup_has_latched_nothing_is_pending)
{
    struct kit_world w = kit_world(), again = kit_world();
    kit_probe(&w, "h1");
    kit_group(&w, "ready", GROUP_ALL, 1, "h1", "");
    kit_group(&w, "startup", GROUP_ALL, 1, "h1", "");
    begin(&w);
    CHECK(!kit_find_probe("h1")->pending);
    kit_probe(&again, "h2");
    kit_group(&again, "ready", GROUP_ALL, 1, "h2", "");
    kit_group(&again, "startup", GROUP_ALL, 1, "h2", "");
    adopt(&again);
    CHECK(!kit_find_probe("h2")->pending);
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    kit_close();
}

TEST(another_target_is_another_probe)
{
    struct kit_world w = three(0), again = kit_world();
    begin(&w);
    kit_pass_time(5 * USEC_S);
    mem_free(admin_mode("pa", MODE_FORCED, LEVEL_WARN, 0));
    admin_drain(true);
    kit_probe_with(&again, "pa", "elsewhere:1", 0);
    kit_group(&again, "ready", GROUP_ALL, 1, "pa", "");
    adopt(&again);
    struct probe *a = kit_find_probe("pa");
    CHECK(a->pending && !a->record.had_outcome);
    CHECK_INT(a->order.mode, MODE_FORCED);
    CHECK_INT(a->order.forced, LEVEL_WARN);
    CHECK(admin_is_draining() && admin_drain_is_ordered());
    CHECK_INT(kit_releases, 2);
    CHECK_INT(kit_level("ready"), LEVEL_WARN);
    kit_close();
}

TEST(a_removed_probe_is_cancelled_and_released)
{
    struct kit_world w = three(0), again = kit_world();
    begin(&w);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pb")))
        kit_pass_time(SLOT);
    kit_probe_with(&again, "pa", "host-a:1", 0);
    kit_group(&again, "ready", GROUP_ALL, 1, "pa", "");
    struct core_stats s;
    unsigned kept = kit_closes_kept;
    adopt(&again);
    core_stats(&s);
    CHECK_INT(s.cancelled, 1);
    CHECK_INT(kit_closes_kept, kept + 1);
    CHECK_INT(kit_releases, 1);
    CHECK_INT(s.probes, 1);
    CHECK_INT(core_probe_find("pb", 2), UINT32_MAX);
    kit_pass_time(100 * USEC_S);
    kit_close();
}

static struct conf *waiting_conf;
static void reload_now(void)
{
    core_adopt(waiting_conf);
    waiting_conf = NULL; /* the leak checker follows pointers */
}

TEST(a_configuration_that_comes_amid_a_deadline_waits_for_the_turn)
{
    struct kit_world w = three(0), again = three(1);
    begin(&w);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pa")))
        kit_pass_time(SLOT);
    waiting_conf = kit_conf(&again);
    kit_on_serve = reload_now;
    kit_time = kit_find_probe("pa")->deadline + 900 * USEC_MS;
    timer_run(&kit_heap, kit_time);
    CHECK_INT(core_generation(), 1);
    kit_on_serve = NULL;
    core_publish(kit_time);
    CHECK_INT(core_generation(), 2);
    kit_close();
}

static struct conf *second_conf;
static void reload_twice(void)
{
    core_adopt(waiting_conf);
    waiting_conf = NULL;
    core_adopt(second_conf);
}

TEST(of_two_configurations_that_wait_the_later_counts)
{
    struct kit_world w = three(0), first = three(1), second = kit_world();
    begin(&w);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pa")))
        kit_pass_time(SLOT);
    waiting_conf = kit_conf(&first);
    second_conf = kit_conf(&second);
    kit_on_serve = reload_twice;
    kit_time = kit_find_probe("pa")->deadline + 900 * USEC_MS;
    timer_run(&kit_heap, kit_time);
    core_publish(kit_time);
    CHECK(core_conf() == second.conf);
    CHECK_INT(core_generation(), 2);
    kit_close();
}

TEST(a_reload_ends_the_wait_for_probes_that_go)
{
    struct kit_world w = three(0), again = kit_world();
    w.probes[0].timeout = w.probes[1].timeout = 1000 * USEC_S;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = NULL;
    core_stalled(5 * USEC_S);
    CHECK_INT(engine.stall_left, 2);
    adopt(&again);
    CHECK_INT(engine.stall_left, 0);
    CHECK_INT(kit_verdict("ready").stalled, 0);
    kit_close();
}

TEST(a_configuration_may_wait_for_ever)
{
    struct kit_world w = three(0), again = three(1);
    begin(&w);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pa")))
        kit_pass_time(SLOT);
    waiting_conf = kit_conf(&again);
    kit_on_serve = reload_now;
    kit_time = kit_find_probe("pa")->deadline + 900 * USEC_MS;
    timer_run(&kit_heap, kit_time);
    kit_close(); /* it is not leaked */
}

TEST(what_is_taken_over_is_clamped_to_the_new_rule)
{
    struct kit_world w = three(0), again = three(1);
    w.probes[1].fall = 9;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = fail_at_once;
    while (kit_find_probe("pb")->record.settle.line[1].run < 5)
        kit_pass_time(SLOT);
    again.probes[1].max_age = 1000 * USEC_S;
    adopt(&again);
    const struct probe *b = kit_find_probe("pb");
    CHECK_INT(b->record.settle.line[1].run, 2);
    CHECK_INT(probe_state(b), STATE_UP);
    CHECK(timer_is_set(&b->expiry) && b->expiry.at == probe_stale_at(b));
    kit_close();
}

TEST(what_is_pending_and_gets_other_options_stays_so)
{
    struct kit_world w = three(0), again = three(0), third = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_probe_with(&again, "hnew", "host-c:1", 0);
    adopt(&again);
    uint64_t until = kit_find_probe("hnew")->pending_until;
    kit_probe_with(&third, "hnew", "host-c:1", 1);
    kit_pass_time(100 * USEC_MS);
    adopt(&third);
    CHECK(kit_find_probe("hnew")->pending);
    CHECK_INT(kit_find_probe("hnew")->pending_until, until);
    kit_time = until;
    kit_verdict("ready");
    CHECK(!kit_find_probe("hnew")->pending);
    kit_close();
}

static void without_module(struct conf_probe *p)
{
    conf_options_release(p->options);
    p->options = kit_options(NULL, "db:1", 0);
    p->missing = "install it";
}

TEST(a_module_that_went_away_or_came_is_another_probe)
{
    struct kit_world w = three(0), again = three(0), third = three(0), fourth = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    without_module(&again.probes[0]);
    adopt(&again);
    struct probe *gone = kit_find_probe("pa");
    CHECK(!gone->record.had_outcome && !gone->pending);
    CHECK(kit_find_probe("pb")->record.had_outcome);
    kit_pass_time(5 * USEC_S);
    without_module(&third.probes[0]);
    gone->record.had_outcome = true; /* a mark that nothing takes over */
    adopt(&third);
    CHECK(!kit_find_probe("pa")->record.had_outcome);
    adopt(&fourth);
    CHECK(kit_find_probe("pa")->pending);
    kit_pass_time(USEC_S);
    CHECK_INT(probe_state(kit_find_probe("pa")), STATE_UP);
    kit_close();
}

TEST(what_begins_with_a_state_is_not_pending_and_its_mode_ends)
{
    struct kit_world w = three(0), again = kit_world();
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = NULL;
    mem_free(admin_mode("pa", MODE_MAINTENANCE, LEVEL_PASS, 20 * USEC_S));
    struct conf_probe *p = kit_probe_with(&again, "pa", "elsewhere:1", 0);
    p->initial = INITIAL_UP;
    p->timeout = 1000 * USEC_S;
    adopt(&again);
    struct probe *a = kit_find_probe("pa");
    CHECK(!a->pending);
    CHECK_INT(probe_state(a), STATE_UP);
    kit_pass_time(20 * USEC_S);
    CHECK_INT(a->order.mode, MODE_NORMAL);
    kit_close();
}

TEST(what_starting_ended_a_moment_ago_counts_in_a_reload)
{
    struct kit_world w = kit_world(), again = kit_world();
    kit_probe(&w, "h1");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "h1", "");
    begin(&w);
    while (!probe_in_attempt(kit_find_probe("h1")))
        kit_pass_time(SLOT);
    pass_at_once(kit_handle("h1")); /* no turn */
    CHECK(!engine.startup_latched);
    kit_probe(&again, "h1");
    kit_probe(&again, "h2");
    kit_group(&again, "startup", GROUP_HAD_OUTCOME, 0, "h1 h2", "");
    adopt(&again);
    CHECK(engine.startup_latched && kit_find_probe("h2")->pending);
    kit_close();
}

TEST(only_another_interval_makes_another_plan)
{
    struct kit_world w = three(0), again = three(0), third = three(0), fourth = three(0);
    struct kit_world *all[] = { &w, &again, &third, &fourth };
    for (unsigned i = 0; i < 4; i++) {
        all[i]->probes[0].jitter = all[i]->probes[0].jitter_unsettled = 0.5;
        all[i]->probes[0].interval = all[i]->probes[0].interval_down = 3600 * USEC_S;
        all[i]->probes[0].max_age = 9999 * USEC_S;
    }
    again.probes[0].fall = 7;
    begin(&w);
    kit_on_start = fail_at_once;
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("pa");
    uint64_t due = a->plan.due;
    adopt(&again);
    CHECK_INT(a->plan.due, due);
    CHECK_INT(probe_state(a), STATE_DOWN);
    third.probes[0].interval_down = 10 * USEC_S;
    adopt(&third);
    CHECK(a->plan.due <= kit_time + 10 * USEC_S);
    kit_pass_time(10 * USEC_S);
    fourth.probes[0].interval_down = 10 * USEC_S;
    fourth.probes[0].interval_unsettled = 7 * USEC_S;
    due = a->plan.due;
    adopt(&fourth); /* planned anew, with another jitter */
    CHECK(a->plan.due != due);
    kit_close();
}

TEST(a_shorter_max_age_counts_at_once)
{
    struct kit_world w = three(0), again = three(0);
    w.probes[0].max_age = w.probes[0].interval = 3600 * USEC_S;
    begin(&w);
    kit_pass_time(5 * USEC_S);
    again.probes[0].interval = 3600 * USEC_S;
    again.probes[0].max_age = 6 * USEC_S;
    adopt(&again);
    struct probe *a = kit_find_probe("pa");
    CHECK_INT(probe_state(a), STATE_UP);
    kit_until(a->record.fresh_from + 6 * USEC_S);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    kit_close();
}

TEST(when_nothing_is_left_nothing_wakes_it)
{
    struct kit_world w = three(0), again = kit_world();
    begin(&w);
    kit_pass_time(301 * USEC_S);
    CHECK(timer_is_set(&engine.wake));
    adopt(&again);
    CHECK(!timer_is_set(&engine.wake));
    CHECK_INT(kit_heap.count, 0);
    kit_close();
}

TEST(a_plan_that_is_no_regular_one_stays)
{
    struct kit_world w = three(0), again = three(0), third = three(0);
    again.probes[0].interval = again.probes[1].interval = 3600 * USEC_S;
    w.probes[0].interval_unsettled = again.probes[0].interval_unsettled = 3 * USEC_S;
    begin(&w);
    struct probe *a = kit_find_probe("pa");
    uint64_t first = a->plan.due;
    adopt(&again); /* not yet attempted at all */
    CHECK_INT(a->plan.due, first);
    kit_pass_time(2 * USEC_S);
    probe_nudge(a);
    CHECK(a->plan.nudged);
    uint64_t edge = a->plan.due;
    third.probes[0].interval_unsettled = 3 * USEC_S;
    adopt(&third);
    CHECK_INT(a->plan.due, edge);
    kit_close();
}

TEST(another_end_does_not_end_the_wait_for_a_new_member)
{
    struct kit_world w = three(0), again = three(0);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = NULL;
    kit_probe(&again, "hnew");
    adopt(&again);
    struct probe *h = kit_find_probe("hnew");
    mem_free(admin_mode("hnew", MODE_MAINTENANCE, LEVEL_PASS, 100 * USEC_MS));
    kit_pass_time(100 * USEC_MS);
    CHECK_INT(h->order.mode, MODE_NORMAL);
    CHECK(h->pending);
    kit_close();
}

static void complain_late(struct vital_probe *p) { probe_module_bug(probe_of(p), "said on its way out"); }

TEST(what_is_on_its_way_out_moves_no_group)
{
    struct kit_world w = three(0), again = kit_world_of(1, 4);
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("pb")))
        kit_pass_time(SLOT);
    kit_probe_with(&again, "pa", "host-a:1", 0);
    kit_group(&again, "ready", GROUP_ALL, 1, "pa", "");
    kit_on_cancel = complain_late;
    adopt(&again);
    kit_on_cancel = NULL;
    CHECK_INT(engine.stats.module_bugs, 1);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    kit_close();
}
