/* Attempts that an edge asks for: when they come, how many of them, and what is confirmed. */
#include "unit.h"

#include "sched_stage.h"

static struct probe *open_edge(struct kit_world *w, enum conf_edge on_edge)
{
    open_one(w)->on_edge = on_edge;
    begin(w);
    kit_on_start = pass_at_once;
    kit_pass_time(3 * USEC_S);
    CHECK_INT(starts, 1);
    return kit_find_probe("a");
}

TEST(an_edge_brings_one_attempt_forward)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_HASTEN);
    kit_on_start = fail_at_once;
    uint64_t edge = kit_time += 1234;
    probe_nudge(a);
    probe_nudge(a);
    kit_turn();
    CHECK_INT(starts, 2);
    CHECK_INT(starts_at[1], edge);
    CHECK_INT(a->record.attempts[VITAL_FAIL], 1);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.nudges, 2);
    kit_pass_time(5 * USEC_S);
    CHECK(gap(1) <= USEC_S && gap(1) > USEC_S - SLOT - 1);
    CHECK_INT(gap(2), USEC_S);
    CHECK_INT(starts, 4);
    CHECK_INT(probe_state(a), STATE_DOWN);
    kit_close();
}

TEST(a_flapping_edge_is_as_fast_as_an_unsettled_probe)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_HASTEN);
    for (unsigned i = 0; i < 10000; i++) {
        kit_pass_time(USEC_MS);
        probe_nudge(a);
    }
    CHECK(starts >= 10 && starts <= 12);
    for (unsigned i = 0; i + 1 < starts; i++)
        CHECK(gap(i) >= USEC_S);
    kit_close();
}

TEST(an_edge_during_an_attempt_asks_for_another)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_HASTEN);
    kit_on_start = hang;
    kit_pass_time(8 * USEC_S);
    CHECK_INT(starts, 2);
    probe_nudge(a);
    kit_pass_time(100 * USEC_MS);
    CHECK_INT(starts, 2);
    kit_on_start = pass_at_once;
    end(&a->handle, VITAL_PASS);
    kit_pass_time(5 * USEC_S);
    CHECK_INT(starts, 3);
    CHECK_INT(gap(1), USEC_S);
    kit_close();
}

TEST(confirming_turns_the_verdict_in_one_moment)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_CONFIRM);
    kit_on_start = fail_at_once;
    uint64_t edge = kit_time += 77;
    probe_nudge(a);
    kit_settle();
    CHECK_INT(starts, 4);
    CHECK_INT(starts_at[3], edge);
    CHECK_INT(probe_state(a), STATE_DOWN);
    kit_pass_time(5 * USEC_S);
    CHECK_INT(starts, 4);
    kit_on_start = pass_at_once;
    probe_nudge(a);
    kit_settle();
    CHECK_INT(starts, 6);
    CHECK_INT(probe_state(a), STATE_UP);
    kit_close();
}

TEST(nothing_to_confirm_is_one_attempt)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_CONFIRM);
    probe_nudge(a);
    kit_settle();
    CHECK_INT(starts, 2);
    CHECK_INT(a->plan.confirm, 0);
    kit_on_start = fail_at_once;
    kit_pass_time(12 * USEC_S);
    CHECK_INT(gap(2), USEC_S);
    kit_close();
}

TEST(an_edge_during_a_confirmable_attempt_is_confirmed_afterwards)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_CONFIRM);
    kit_on_start = hang;
    kit_pass_time(8 * USEC_S);
    probe_nudge(a);
    kit_on_start = fail_at_once;
    end(&a->handle, VITAL_PASS);
    kit_pass_time(2 * USEC_S);
    CHECK_INT(probe_state(a), STATE_DOWN);
    CHECK_INT(starts, 5);
    CHECK_INT(starts_at[4], starts_at[2]);
    kit_close();
}

TEST(edges_take_a_quarter_of_the_places)
{
    struct kit_world w = many(40, false);
    w.conf->max_in_flight = 16;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(6 * USEC_S);
    kit_on_start = hang;
    in_flight_max = 0;
    char name[12];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "p%u", i);
        if (kit_find_probe(name)->plan.due > kit_time + 600 * USEC_MS)
            probe_nudge(kit_find_probe(name));
    }
    kit_settle();
    CHECK_INT(in_flight_max, 4);
    kit_pass_time(500 * USEC_MS);
    CHECK_INT(in_flight_max, 4);
    kit_on_start = pass_at_once; /* those that fall due by themselves are not held up */
    kit_pass_time(9 * USEC_S);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "p%u", i);
        CHECK(kit_time - kit_find_probe(name)->started <= 10 * USEC_S);
    }
    kit_close();
}

TEST(edges_that_have_to_wait_a_little_take_no_more)
{
    struct kit_world w = many(40, true);
    w.conf->max_in_flight = 16;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(300 * USEC_MS);
    CHECK_INT(starts, 40);
    kit_on_start = hang;
    in_flight_max = 0;
    for (unsigned i = 0; i < 40; i++)
        probe_nudge(engine.world->probes[i]); /* within interval_unsettled of their last attempts */
    kit_settle();
    CHECK_INT(in_flight_max, 0);
    kit_pass_time(1500 * USEC_MS);
    CHECK_INT(in_flight_max, 4);
    CHECK_INT(starts, 44);
    for (unsigned i = 0; i < 40; i++) /* those that waited take the places that become free */
        if (probe_in_attempt(engine.world->probes[i]))
            end(&engine.world->probes[i]->handle, VITAL_PASS);
    kit_settle();
    CHECK_INT(starts, 48);
    CHECK_INT(in_flight, 4);
    kit_close();
}

TEST(a_quarter_of_few_is_one)
{
    struct kit_world w;
    open_one(&w);
    w.conf->max_in_flight = 2;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3 * USEC_S);
    probe_nudge(kit_find_probe("a"));
    kit_settle();
    CHECK_INT(starts, 2);
    kit_close();
}

TEST(a_pause_forgets_what_was_to_be_confirmed)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_CONFIRM);
    kit_on_start = NULL;
    kit_time += 77;
    probe_nudge(a);
    kit_settle();
    CHECK(probe_in_attempt(a) && a->plan.confirm);
    probe_nudge(a);
    CHECK(a->plan.nudged && a->plan.again);
    mem_free(admin_mode(a->conf->name, MODE_PAUSED, LEVEL_PASS, 0));
    CHECK_INT(a->plan.confirm, 0);
    CHECK(!a->plan.nudged && !a->plan.again);
    kit_close();
}

TEST(a_quarter_of_few_is_not_two)
{
    struct kit_world w = many(2, true);
    w.conf->max_in_flight = 2;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3 * USEC_S);
    kit_on_start = hang;
    in_flight_max = 0;
    for (unsigned i = 0; i < 2; i++)
        probe_nudge(engine.world->probes[i]);
    kit_settle();
    CHECK_INT(in_flight_max, 1);
    kit_close();
}

TEST(an_edge_is_planned_for_the_moment_it_came)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_HASTEN);
    kit_time += 1234;
    uint64_t regular = a->plan.regular;
    probe_nudge(a);
    CHECK_INT(a->plan.due, kit_time);
    CHECK_INT(a->plan.regular, regular);
    CHECK(a->plan.nudged && a->plan.queue == QUEUE_READY);
    kit_settle();
    CHECK_INT(a->plan.base, kit_time);
    kit_close();
}

/* One that waits for a place among the edges does so until it is due by itself, and no longer. */
TEST(what_is_due_by_itself_waits_for_no_edge)
{
    struct kit_world w = many(8, true);
    w.conf->max_in_flight = 4;
    for (unsigned i = 0; i < 8; i++)
        w.probes[i].timeout = i ? 2 * USEC_S : 1000 * USEC_S;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3 * USEC_S);
    kit_on_start = hang;
    probe_nudge(engine.world->probes[0]); /* takes the one place there is */
    kit_settle();
    kit_on_start = pass_at_once;
    unsigned before = starts;
    for (unsigned i = 1; i < 8; i++)
        probe_nudge(engine.world->probes[i]);
    kit_settle();
    CHECK_INT(starts, before);
    for (unsigned i = 1; i < 8; i++)
        CHECK_INT(engine.world->probes[i]->plan.queue, QUEUE_NUDGED);
    kit_pass_time(10 * USEC_S);
    CHECK_INT(starts, before + 7);
    kit_close();
}

TEST(an_edge_that_would_come_no_earlier_is_none)
{
    struct kit_world w;
    open_one(&w)->interval = USEC_S;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3 * USEC_S);
    struct probe *a = kit_find_probe("a");
    CHECK_INT(a->started + USEC_S, a->plan.due);
    probe_nudge(a);
    CHECK(!a->plan.nudged);
    kit_close();
}

TEST(an_edge_asked_for_meanwhile_that_would_come_no_earlier_is_none)
{
    struct kit_world w;
    open_one(&w)->interval = USEC_S;
    begin(&w);
    kit_on_start = hang;
    struct probe *a = kit_find_probe("a");
    while (!probe_in_attempt(a))
        kit_pass_time(SLOT);
    kit_pass_time(50 * USEC_MS);
    probe_nudge(a);
    end(&a->handle, VITAL_PASS);
    CHECK_INT(a->plan.due, a->started + USEC_S);
    CHECK(!a->plan.nudged);
    kit_close();
}

TEST(an_edge_that_waited_for_its_time_and_its_place_is_due_in_the_end)
{
    struct kit_world w = many(8, true);
    w.conf->max_in_flight = 4;
    w.probes[0].timeout = 1000 * USEC_S;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3 * USEC_S);
    kit_on_start = hang;
    probe_nudge(engine.world->probes[0]);
    kit_settle();
    kit_on_start = pass_at_once;
    for (unsigned i = 1; i < 8; i++)
        mem_free(admin_run(engine.world->probes[i]->conf->name));
    kit_settle();
    unsigned before = starts;
    for (unsigned i = 1; i < 8; i++)
        probe_nudge(engine.world->probes[i]); /* too early after the last attempt */
    kit_pass_time(1500 * USEC_MS);
    CHECK_INT(starts, before);
    for (unsigned i = 1; i < 8; i++)
        CHECK_INT(engine.world->probes[i]->plan.queue, QUEUE_NUDGED);
    kit_pass_time(9 * USEC_S);
    CHECK_INT(starts, before + 7);
    kit_close();
}

static unsigned endings;
static void fail_then_nothing_that_counts(struct vital_probe *p)
{
    note_start(p);
    end(p, endings++ ? VITAL_INTERNAL : VITAL_FAIL);
}

TEST(confirming_ends_although_nothing_is_found_out)
{
    struct kit_world w;
    struct probe *a = open_edge(&w, EDGE_CONFIRM);
    kit_on_start = fail_then_nothing_that_counts;
    kit_time += 77;
    probe_nudge(a);
    kit_settle();
    CHECK_INT(starts, 4);
    CHECK(settle_is_contradicted(&a->record.settle));
    kit_close();
}
