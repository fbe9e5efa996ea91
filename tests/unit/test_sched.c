#include "unit.h"

#include "core/stall.h"
#include "sched_stage.h"

TEST(fixed_rate_on_slots)
{
    struct kit_world w;
    open_one(&w)->interval = 10 * USEC_S + 3;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3000 * USEC_S);
    CHECK_INT(starts, 300);
    CHECK(starts_at[0] <= KIT_BOOT + 250 * USEC_MS);
    for (unsigned i = 0; i + 1 < starts; i++) {
        CHECK_INT(starts_at[i] % SLOT, 0);
        CHECK(gap(i) <= 10 * USEC_S + 3 && gap(i) > 10 * USEC_S - SLOT);
    }
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.starts_delayed, 0);
    kit_close();
}

TEST(jitter_only_shortens)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    p->jitter = 0.05;
    p->jitter_unsettled = 0.2;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(3000 * USEC_S);
    uint64_t least = UINT64_MAX, most = 0;
    CHECK(gap(0) <= 10 * USEC_S);     /* it parts those that began together */
    for (unsigned i = 1; i + 1 < starts; i++) {
        least = gap(i) < least ? gap(i) : least;
        most = gap(i) > most ? gap(i) : most;
    }
    CHECK(most <= 10 * USEC_S && most > 9900 * USEC_MS);
    CHECK(least >= 9500 * USEC_MS - SLOT && least < 9600 * USEC_MS);
    kit_on_start = fail_at_once;
    kit_pass_time(40 * USEC_S);
    unsigned down_from = starts;
    kit_pass_time(1000 * USEC_S);
    least = UINT64_MAX;
    for (unsigned i = down_from; i + 1 < starts; i++)
        least = gap(i) < least ? gap(i) : least;
    CHECK(least >= 8 * USEC_S - SLOT && least < 8300 * USEC_MS);
    kit_close();
}

TEST(the_interval_follows_the_state)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    p->interval_down = 30 * USEC_S;
    p->interval_unsettled = 2 * USEC_S;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(5 * USEC_S);
    kit_on_start = fail_at_once;
    kit_pass_time(100 * USEC_S);
    CHECK_INT(gap(0), 10 * USEC_S);
    CHECK_INT(gap(1), 2 * USEC_S);
    CHECK_INT(gap(2), 2 * USEC_S);
    CHECK_INT(gap(3), 30 * USEC_S);
    kit_on_start = pass_at_once;
    unsigned at = starts;
    kit_pass_time(60 * USEC_S);
    CHECK_INT(gap(at), 2 * USEC_S);
    CHECK_INT(gap(at + 1), 10 * USEC_S);
    kit_close();
}

TEST(a_long_attempt_is_followed_at_once_but_not_caught_up)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    p->interval = p->interval_unsettled = p->interval_down = USEC_S;
    p->timeout = 3500 * USEC_MS;
    begin(&w);
    kit_on_start = hang;
    kit_pass_time(2 * USEC_S);
    CHECK_INT(starts, 1);
    uint64_t deadline = kit_find_probe("a")->deadline;
    kit_on_start = pass_at_once;
    kit_until(deadline);
    CHECK_INT(starts, 2);
    CHECK_INT(starts_at[1], deadline);
    kit_pass_time(10 * USEC_S);
    CHECK_INT(starts, 12);
    kit_close();
}

TEST(those_that_began_together_are_parted_within_an_interval)
{
    struct kit_world w = kit_world_of(800, 1);
    char all[8000] = "", name[12];
    for (unsigned i = 0; i < 800; i++) {
        snprintf(name, sizeof name, "p%u", i);
        kit_probe(&w, name)->jitter = i < 400 ? 0.05 : 0;
        strcat(strcat(all, name), " ");
    }
    kit_group(&w, "ready", GROUP_ALL, 1, all, "");
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(9 * USEC_S);
    unsigned tenths[10] = { 0 }, on_grid = 0;
    for (unsigned i = 0; i < 800; i++) {
        snprintf(name, sizeof name, "p%u", i);
        uint64_t due = kit_find_probe(name)->plan.due - KIT_BOOT;
        if (i < 400)
            tenths[due % (10 * USEC_S) / USEC_S]++;
        else
            on_grid += due >= 10 * USEC_S && due <= 10250 * USEC_MS;
    }
    for (unsigned i = 0; i < 10; i++)
        CHECK(tenths[i] > 20 && tenths[i] < 60);
    CHECK_INT(on_grid, 400);          /* without jitter the rhythm is exact from the first */
    kit_close();
}

TEST(first_attempts_are_spread)
{
    struct kit_world w = kit_world_of(800, 4);
    char urgent[4000] = "", name[12];
    for (unsigned i = 0; i < 800; i++) {
        snprintf(name, sizeof name, "p%u", i);
        kit_probe(&w, name)->interval = i % 2 ? 2 * USEC_S : 60 * USEC_S;
        if (i < 400)
            strcat(strcat(urgent, name), " ");
    }
    kit_group(&w, "startup", GROUP_ALL, 1, urgent, "");
    begin(&w);
    kit_on_start = pass_at_once;
    uint64_t last[2][2] = { { 0 } };
    for (unsigned i = 0; i < 800; i++) {
        char each[12];
        snprintf(each, sizeof each, "p%u", i);
        uint64_t due = kit_find_probe(each)->plan.due - KIT_BOOT, *most = &last[i >= 400][i % 2];
        *most = due > *most ? due : *most;
    }
    CHECK(last[0][0] <= 250 * USEC_MS && last[0][0] > 200 * USEC_MS);
    CHECK(last[0][1] <= 250 * USEC_MS && last[0][1] > 200 * USEC_MS);
    CHECK(last[1][0] <= 5 * USEC_S && last[1][0] > 4 * USEC_S);
    CHECK(last[1][1] <= 2 * USEC_S && last[1][1] > 1500 * USEC_MS);
    kit_pass_time(5 * USEC_S);
    CHECK(starts >= 800);
    kit_close();
}

TEST(eight_starts_a_turn_and_a_cap_in_flight)
{
    struct kit_world w = many(400, true);
    begin(&w);
    kit_on_start = hang;
    kit_time += USEC_S;
    kit_turn();
    CHECK_INT(starts, 8);
    CHECK(core_busy());
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.in_flight, 8);
    CHECK_INT(s.queued, 392);
    CHECK_INT(s.starts_delayed, 8);
    CHECK_INT(s.progress, kit_time);
    kit_turn();
    CHECK_INT(starts, 16);
    kit_settle();
    CHECK_INT(starts, 256);
    CHECK(!core_busy());
    kit_pass_time(1990 * USEC_MS);
    CHECK_INT(starts, 256);
    kit_pass_time(USEC_S);
    CHECK(starts >= 400);
    CHECK_INT(in_flight_max, 256);
    kit_close();
    CHECK_INT(in_flight, 0);
}

TEST(starts_keep_the_order_in_which_they_fell_due)
{
    struct kit_world w = many(40, true);
    w.conf->max_in_flight = 1;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_time += USEC_S;
    kit_settle();
    uint64_t last = 0;
    for (unsigned i = 0; i < 40; i++) {
        char name[12];
        snprintf(name, sizeof name, "p%u", i);
        struct probe *p = kit_find_probe(name);
        last = p->record.at > last ? p->record.at : last;
    }
    CHECK_INT(starts, 40);
    CHECK_INT(in_flight_max, 1);
    kit_close();
}

TEST(an_order_to_run_is_due_now)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "a");
    kit_open();
    core_adopt(kit_conf(&w));
    struct probe *a = kit_find_probe("a");
    CHECK(a->plan.due >= kit_time);
    a->plan.due = kit_time + 5 * USEC_S;
    char *error = admin_run("a");
    CHECK_TEXT(error, NULL);
    CHECK_INT(a->plan.due, kit_time);
    CHECK_INT(a->plan.regular, kit_time);
    kit_close();
}

TEST(lateness_within_reason_keeps_the_grid)
{
    struct kit_world w;
    open_one(&w);
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(5 * USEC_S);
    struct probe *a = kit_find_probe("a");
    uint64_t due = a->plan.due;
    kit_until(due - 1);
    kit_time = due + 249 * USEC_MS;
    kit_turn();
    CHECK_INT(a->plan.base, due);
    CHECK_INT(a->plan.due, due + 10 * USEC_S);
    due = a->plan.due;
    kit_until(due - 1);
    kit_time = due + 250 * USEC_MS;
    kit_turn();
    CHECK_INT(a->plan.base, kit_time);
    CHECK_INT(a->plan.due, slot_down(kit_time + 10 * USEC_S));
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.starts_delayed, 2);
    kit_close();
}

/* ---- addresses ---- */

static unsigned running_at(const char *const *targets, unsigned count, uint32_t cap)
{
    struct kit_world w = kit_world();
    w.conf->max_per_address = cap;
    for (unsigned i = 0; i < count; i++) {
        char name[12];
        snprintf(name, sizeof name, "p%u", i);
        kit_probe_with(&w, name, targets[i], 0);
    }
    begin(&w);
    kit_on_start = hang;
    kit_time += 10 * USEC_S;
    kit_settle();
    unsigned running = in_flight_max;
    kit_close();
    in_flight_max = 0;
    CHECK_INT(in_flight, 0);
    return running;
}

TEST(what_leads_to_the_same_host_shares_its_cap)
{
    static const char *const same[] = { "10.0.0.1:80", "http://10.0.0.1/x", "postgres://user@10.0.0.1:5432/db", "10.0.0.1", "https://a@b@10.0.0.1?q" };
    CHECK_INT(running_at(same, 5, 2), 2);
    CHECK_INT(running_at(same, 5, 3), 3);
    static const char *const v6[] = { "[::1]:80", "http://[::1]/", "[::1]:81", "[::2]:80" };
    CHECK_INT(running_at(v6, 4, 1), 2);
    static const char *const sockets[] = { "unix:/run/a.sock", "unix:/run/a.sock", "unix:/run/b.sock" };
    CHECK_INT(running_at(sockets, 3, 1), 2);
    static const char *const local[] = { "/", "/", "", "" };
    CHECK_INT(running_at(local, 4, 1), 4);
    static const char *const nowhere[] = { "", NULL, NULL };
    CHECK_INT(running_at(nowhere, 3, 1), 3);
    static const char *const alike[] = { "alpha:1", "another:1", "alpha-2:1" };
    CHECK_INT(running_at(alike, 3, 1), 3);
    static const char *const others[] = { "a:1", "b:1", "c:1", "http://d/e" };
    CHECK_INT(running_at(others, 4, 1), 4);
}

TEST(many_hosts_are_told_apart)
{
    enum { HOSTS = 200 };
    struct kit_world w = kit_world_of(2 * HOSTS, 4);
    w.conf->max_per_address = 1;
    w.conf->max_in_flight = 4 * HOSTS;
    for (unsigned i = 0; i < 2 * HOSTS; i++) {
        char name[12], target[24];
        snprintf(name, sizeof name, "p%u", i);
        snprintf(target, sizeof target, "host-%u:80", i % HOSTS);
        kit_probe_with(&w, name, target, 0);
    }
    begin(&w);
    kit_on_start = hang;
    kit_time += 10 * USEC_S;
    kit_settle();
    CHECK_INT(in_flight_max, HOSTS);
    for (unsigned i = 0; i < HOSTS; i++)
        CHECK(engine.world->probes[i]->plan.address == engine.world->probes[i + HOSTS]->plan.address);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.queued, HOSTS);
    kit_close();
}

static uint64_t first_of(const char *name) { return kit_fake(kit_handle(name))->began; }

TEST(who_waits_for_an_address_goes_first)
{
    struct kit_world w = kit_world();
    w.conf->max_per_address = 1;
    for (unsigned i = 0; i < 30; i++) {
        char name[12];
        snprintf(name, sizeof name, "p%u", i);
        kit_probe_with(&w, name, "h:1", 0)->interval = 10 * USEC_S;
    }
    begin(&w);
    kit_on_start = hang;
    kit_pass_time(70 * USEC_S);
    uint64_t last = 0;
    for (unsigned i = 0; i < 30; i++) {
        char name[12];
        snprintf(name, sizeof name, "p%u", i);
        CHECK_INT(kit_fake(kit_handle(name))->starts >= 1, 1);
        CHECK_INT(kit_fake(kit_handle(name))->starts <= 2, 1);
        last = first_of(name) > last ? first_of(name) : last;
    }
    CHECK_INT(in_flight_max, 1);
    kit_close();
}

/* ---- standing still ---- */

TEST(deadlines_shift_once_by_the_gap)
{
    struct kit_world w;
    open_one(&w);
    struct conf_probe *b = kit_probe(&w, "b");
    b->interval = USEC_S;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_until(kit_find_probe("a")->plan.due - 1);
    kit_pass_time(9999 * USEC_MS);
    kit_on_start = hang;
    for (struct probe *a = kit_find_probe("a"); !probe_in_attempt(a);)
        kit_pass_time(SLOT);
    kit_on_start = pass_at_once;
    struct probe *a = kit_find_probe("a");
    while (probe_in_attempt(kit_find_probe("b")))
        end(kit_handle("b"), VITAL_PASS);
    kit_settle();
    uint64_t deadline = a->deadline, expected = timer_next(&kit_heap);
    unsigned before = starts;
    kit_time += 5 * USEC_S;
    uint64_t gap = kit_time - expected;
    CHECK(gap > 3 * USEC_S);
    kit_turn();
    CHECK(probe_in_attempt(a));
    CHECK_INT(a->deadline, deadline + gap);
    CHECK_INT(starts, before + 1);
    core_stalled(gap / 2);
    CHECK_INT(a->deadline, deadline + gap);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.stalls, 2);
    CHECK_INT(kit_verdict("ready").stalled, gap / 2);
    kit_close();
}

TEST(a_shift_is_at_most_one_max_age)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    p->max_age = 3 * USEC_S;
    begin(&w);
    kit_on_start = hang;
    for (struct probe *a = kit_find_probe("a"); !probe_in_attempt(a);)
        kit_pass_time(SLOT);
    uint64_t deadline = kit_find_probe("a")->deadline;
    core_stalled(7 * USEC_S);
    CHECK_INT(kit_find_probe("a")->deadline, deadline + 3 * USEC_S);
    kit_settle();
    core_stalled(STALL_GAP);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.stalls, 1);
    kit_close();
}

TEST(everything_due_is_attempted_once_after_a_stall)
{
    struct kit_world w = many(50, true);
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(5 * USEC_S);
    CHECK_INT(starts, 50);
    kit_time += 600 * USEC_S;
    kit_settle();
    CHECK_INT(starts, 100);
    kit_pass_time(9 * USEC_S);
    CHECK_INT(starts, 100);
    kit_close();
}

TEST(progress_is_told)
{
    struct kit_world w;
    open_one(&w);
    w.conf->max_in_flight = 1;
    begin(&w);
    kit_on_start = hang;
    kit_pass_time(USEC_S);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.progress, kit_time);
    for (uint32_t i = 0; i < w.conf->probe_count; i++)
        if (probe_in_attempt(engine.world->probes[i])) {
            kit_time += 1000; /* an end between two turns */
            pass_at_once(probe_handle(engine.world->probes[i]));
            core_stats(&s);
            CHECK_INT(s.progress, kit_time);
        }
    kit_close();
}

static uint64_t allocations;
static void count_allocations(struct vital_probe *p)
{
    probe_number(probe_of(p), 0, NULL, 1);
    pass_at_once(p);
}

TEST(a_round_of_attempts_allocates_nothing)
{
    struct kit_world w = many(50, true);
    begin(&w);
    kit_on_start = count_allocations;
    kit_pass_time(60 * USEC_S);
    allocations = mem_count();
    kit_pass_time(600 * USEC_S);
    CHECK_INT(mem_count() - allocations, 0);
    CHECK(starts > 3000);
    kit_close();
}

TEST(one_attempt_a_slot_at_most)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    p->interval = p->interval_unsettled = 1;
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(USEC_S);
    CHECK(starts > 50);
    for (unsigned i = 0; i + 1 < starts; i++)
        CHECK_INT(gap(i), SLOT);
    kit_close();
}

TEST(a_slot_late_is_not_late)
{
    struct kit_world w;
    open_one(&w);
    begin(&w);
    kit_on_start = pass_at_once;
    kit_pass_time(5 * USEC_S);
    struct core_stats s;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t due = kit_find_probe("a")->plan.due;
        kit_until(due - 1);
        kit_time = due + SLOT + i;
        kit_turn();
        core_stats(&s);
        CHECK_INT(s.starts_delayed, i);
    }
    kit_close();
}

TEST(a_turn_looks_at_so_many_and_no_more)
{
    enum { PROBES = LOOKS_PER_TURN + 50 };
    struct kit_world w = kit_world_of(PROBES, 4);
    w.conf->max_per_address = 1;
    for (unsigned i = 0; i < PROBES; i++) {
        char name[12];
        snprintf(name, sizeof name, "p%u", i);
        kit_probe_with(&w, name, "host:1", 0);
    }
    begin(&w);
    kit_on_start = hang;
    kit_time += 6 * USEC_S;
    kit_turn();
    CHECK(core_busy());
    kit_turn();
    CHECK(!core_busy());
    CHECK_INT(in_flight_max, 1);
    kit_close();
}

TEST(what_runs_or_cannot_run_is_not_planned_for_now)
{
    struct kit_world w;
    open_one(&w);
    struct conf_probe *gone = kit_probe(&w, "gone");
    conf_options_release(gone->options);
    gone->options = kit_options(NULL, "db:1", 0);
    begin(&w);
    kit_on_start = hang;
    struct probe *a = kit_find_probe("a");
    while (!probe_in_attempt(a))
        kit_pass_time(SLOT);
    uint64_t regular = a->plan.regular;
    kit_pass_time(SLOT);
    mem_free(admin_run("a"));
    CHECK_INT(a->plan.regular, regular);
    mem_free(admin_mode("gone", MODE_PAUSED, LEVEL_PASS, 0));
    mem_free(admin_resume("gone"));
    CHECK_INT(kit_find_probe("gone")->plan.queue, QUEUE_NONE);
    kit_settle();
    kit_close();
}
