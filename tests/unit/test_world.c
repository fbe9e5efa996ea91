#include "unit.h"

#include <signal.h>

#include "world_kit.h"

static void pass_at_once(struct vital_probe *p) { kit_finish(p, VITAL_PASS, VITAL_R_OK, ""); }
static void fail_at_once(struct vital_probe *p) { kit_finish(p, VITAL_FAIL, VITAL_R_REFUSED, ""); }
static void warn_at_once(struct vital_probe *p) { kit_finish(p, VITAL_WARN, VITAL_R_SLOW, ""); }

/* Ends as the first letter of the name says: p w f, and h hangs. */
static void by_name(struct vital_probe *p)
{
    static void (*const ends[256])(struct vital_probe *) = { ['p'] = pass_at_once, ['w'] = warn_at_once, ['f'] = fail_at_once };
    void (*end)(struct vital_probe *) = ends[(unsigned char)*p->name];
    if (end)
        end(p);
}

static void adopt(struct kit_world *w) { core_adopt(kit_conf(w)); }

static void begin(struct kit_world *w)
{
    kit_open();
    kit_on_start = by_name;
    adopt(w);
}

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
    CHECK(core_is_member(ready, f1) && core_is_member(ready, w1));
    CHECK(!core_is_member(core_group_find("inner", 5), w1));
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

/* ---- reload ---- */

static struct kit_world three(int64_t variant_of_b)
{
    struct kit_world w = kit_world();
    kit_probe_with(&w, "pa", "host-a:1", 0);
    kit_probe_with(&w, "pb", "host-b:1", variant_of_b);
    kit_group(&w, "ready", GROUP_ALL, 1, "pa pb", "");
    return w;
}

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
static void reload_now(void) { core_adopt(waiting_conf); }

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

static struct conf *second_conf;
static void reload_twice(void)
{
    core_adopt(waiting_conf);
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
