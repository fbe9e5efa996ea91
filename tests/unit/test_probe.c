#include "unit.h"

#include <signal.h>

#include "base/secret.h"
#include "world_kit.h"

/* One probe "a" that is all of ready. */
static struct conf_probe *open_one(struct kit_world *w)
{
    *w = kit_world();
    struct conf_probe *p = kit_probe(w, "a");
    kit_group(w, "ready", GROUP_ALL, 1, "a", "");
    return p;
}

static void begin(struct kit_world *w)
{
    kit_open();
    core_adopt(kit_conf(w));
}

static void begin_one(void)
{
    struct kit_world w;
    open_one(&w);
    begin(&w);
}

static void until_running(const char *name)
{
    for (unsigned i = 0; i < 100000 && !kit_fake(kit_handle(name))->running; i++)
        kit_pass_time(8 * USEC_MS);
    CHECK(kit_fake(kit_handle(name))->running);
}

static void pass_now(struct vital_probe *p) { kit_finish(p, VITAL_PASS, VITAL_R_OK, "fine"); }
static void fail_now(struct vital_probe *p) { kit_finish(p, VITAL_FAIL, VITAL_R_REFUSED, "refused by 127.0.0.1"); }

TEST(an_attempt_may_end_inside_start)
{
    begin_one();
    struct probe *a = kit_find_probe("a");
    CHECK(!timer_is_set(&a->expiry)); /* time alone will bring it nothing */
    kit_on_start = pass_now;
    kit_pass_time(USEC_S);
    CHECK(timer_is_set(&a->expiry));
    CHECK(!probe_in_attempt(a));
    CHECK_INT(probe_state(a), STATE_UP);
    CHECK_INT(a->record.attempts[VITAL_PASS], 1);
    CHECK_TEXT(a->record.text, "fine");
    CHECK_INT(kit_closes, 1);
    CHECK_INT(kit_closes_kept, 0);
    CHECK_INT(kit_fake(kit_handle("a"))->cancels, 0);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    kit_close();
    CHECK_INT(kit_releases, 1);
    CHECK_INT(kit_closes_kept, 1);
}

TEST(no_answer_is_a_timeout_at_the_deadline)
{
    begin_one();
    until_running("a");
    struct probe *a = kit_find_probe("a");
    uint64_t began = kit_time;
    CHECK_INT(probe_left(a), a->deadline - kit_time);
    CHECK(a->deadline >= began + 2 * USEC_S && a->deadline < began + 2 * USEC_S + SLOT);
    CHECK_INT(a->deadline % SLOT, 0);
    kit_until(a->deadline - 1);
    CHECK(probe_in_attempt(a));
    kit_pass_time(1);
    CHECK_INT(a->record.reason, VITAL_R_TIMEOUT);
    CHECK_INT(a->record.class, VITAL_FAIL);
    CHECK_TEXT(a->record.text, "no answer within 2s");
    CHECK(a->record.reason_count == 1 && a->record.reasons[0].reason == VITAL_R_TIMEOUT && a->record.reasons[0].count == 1);
    CHECK_INT(a->record.duration, a->record.at - a->started);
    CHECK(a->record.duration_sum >= 2 * USEC_S);
    CHECK_INT(kit_fake(kit_handle("a"))->cancels, 1);
    CHECK_INT(kit_serves, 0);
    CHECK_INT(probe_left(a), 0);
    kit_close();
}

static unsigned order_seen;
static void note_cancel(struct vital_probe *p)
{
    (void)p;
    order_seen = kit_closes;
}

TEST(what_is_open_is_closed_before_cancel)
{
    begin_one();
    kit_on_cancel = note_cancel;
    until_running("a");
    kit_pass_time(3 * USEC_S);
    CHECK_INT(order_seen, 1);
    kit_close();
}

/* The loop comes back late, but not so late that it stood still. */
static void be_late(uint64_t late)
{
    until_running("a");
    kit_time = kit_find_probe("a")->deadline + late;
    kit_turn();
}

TEST(a_little_late_is_still_a_timeout)
{
    begin_one();
    be_late(SLOT);
    CHECK_INT(kit_find_probe("a")->record.reason, VITAL_R_TIMEOUT);
    CHECK_INT(kit_serves, 0);
    until_running("a");
    be_late(200 * USEC_MS);
    CHECK_INT(kit_find_probe("a")->record.attempts[VITAL_FAIL], 2);
    CHECK_INT(kit_serves, 1);
    kit_close();
}

TEST(our_own_lag_is_internal_and_settles_nothing)
{
    begin_one();
    be_late(900 * USEC_MS);
    struct probe *a = kit_find_probe("a");
    CHECK_INT(a->record.class, VITAL_INTERNAL);
    CHECK_INT(a->record.reason, VITAL_R_OWN_LAG);
    CHECK_TEXT(a->record.text, "vitald came back to it 900ms too late");
    CHECK(!a->record.sampled && a->record.had_outcome);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    CHECK_INT(kit_serves, 1);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.deferred_deadlines, 1);
    CHECK_INT(s.attempts[VITAL_INTERNAL], 1);
    kit_close();
}

static void reply_waits(void) { pass_now(kit_handle("a")); }

TEST(a_reply_found_together_with_the_deadline_counts)
{
    begin_one();
    until_running("a");
    kit_on_serve = reply_waits;
    kit_time = kit_find_probe("a")->deadline + 900 * USEC_MS;
    kit_turn();
    CHECK_INT(kit_find_probe("a")->record.class, VITAL_PASS);
    CHECK_INT(kit_find_probe("a")->record.attempts[VITAL_FAIL] + kit_find_probe("a")->record.attempts[VITAL_INTERNAL], 0);
    kit_close();
}

TEST(ready_descriptors_are_served_once_for_all_that_are_late)
{
    struct kit_world w = kit_world();
    for (unsigned i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%u", i);
        kit_probe(&w, name);
    }
    kit_group(&w, "ready", GROUP_ALL, 1, "p0 p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11 p12 p13 p14 p15 p16 p17 p18 p19", "");
    begin(&w);
    kit_pass_time(USEC_S);
    kit_time = KIT_BOOT + 2900 * USEC_MS;
    kit_turn();
    struct core_stats s;
    core_stats(&s);
    CHECK(s.deferred_deadlines > 10);
    CHECK_INT(kit_serves, 1);
    kit_close();
}

TEST(internal_neither_counts_nor_breaks_a_run)
{
    begin_one();
    struct probe *a = kit_find_probe("a");
    static const char row[] = "PFFIF";
    for (unsigned i = 0; row[i]; i++) {
        CHECK_INT(probe_state(a), i == 0 ? STATE_UNKNOWN : STATE_UP);
        until_running("a");
        uint64_t fresh = a->record.fresh_from;
        kit_finish(&a->handle, row[i] == 'P' ? VITAL_PASS : row[i] == 'F' ? VITAL_FAIL : VITAL_INTERNAL,
                   row[i] == 'I' ? VITAL_R_NO_FDS : VITAL_R_OK, NULL);
        CHECK(row[i] == 'I' ? a->record.fresh_from == fresh : a->record.fresh_from == kit_time);
    }
    CHECK_INT(probe_state(a), STATE_DOWN);
    CHECK_INT(a->record.transitions, 2);
    CHECK_INT(a->record.since, kit_time);
    CHECK_INT(a->record.last_pass < kit_time && a->record.last_pass > 0, 1);
    CHECK_INT(a->record.history.count, 5);
    CHECK_INT(probe_reasons_ok(&a->record), 4);
    CHECK(a->record.reason_count == 1 && a->record.reasons[0].reason == VITAL_R_NO_FDS && a->record.reasons[0].count == 1);
    CHECK_TEXT(a->record.text, "");
    kit_close();
}

/* ---- staleness ---- */

TEST(stale_is_unknown_and_the_next_outcome_settles_at_once)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    p->interval = p->interval_unsettled = 100 * USEC_S;
    p->max_age = 20 * USEC_S;
    begin(&w);
    kit_on_start = pass_now;
    kit_pass_time(USEC_S);
    struct probe *a = kit_find_probe("a");
    uint64_t at = a->record.at;
    CHECK_INT(probe_stale_at(a), at + 20 * USEC_S);
    kit_until(at + 20 * USEC_S - 1);
    CHECK_INT(probe_state(a), STATE_UP);
    CHECK_INT(kit_level("ready"), LEVEL_PASS);
    CHECK(!kit_verdict("ready").unknown);
    kit_time++; /* no turn: the question itself brings it */
    CHECK_INT(kit_level("ready"), LEVEL_FAIL);
    CHECK(kit_verdict("ready").unknown);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    CHECK_INT(probe_settled(a), STATE_UP);
    CHECK_INT(probe_stale_at(a), TIME_NEVER);
    const struct journal_entry *e = journal_get(journal_last() - 1);
    CHECK_TEXT(e->to, "unknown");
    CHECK_TEXT(e->text, "stale: no outcome for 20s");
    kit_on_start = fail_now;
    kit_until(at + 101 * USEC_S);
    CHECK_INT(probe_state(a), STATE_DOWN);
    CHECK(!a->record.stale);
    kit_close();
}

/* ---- numbers and texts ---- */

TEST(numbers_belong_to_their_outcome)
{
    begin_one();
    struct probe *a = kit_find_probe("a");
    until_running("a");
    probe_number(a, 0, NULL, 7);
    probe_number(a, 0, NULL, 1.5);
    probe_number(a, 1, "x", 2);
    probe_number(a, 1, "y", 3);
    probe_number(a, 1, "x", 4);
    CHECK_INT(a->record.numbers.count, 0);
    pass_now(&a->handle);
    CHECK_INT(a->record.numbers.count, 3);
    const char *labels = NULL;
    CHECK(packed_next(&a->record.numbers, 0, &labels).value == 1.5);
    CHECK(packed_next(&a->record.numbers, 1, &labels).value == 4);
    CHECK_TEXT(packed_next(&a->record.numbers, 2, &labels).label, "y");
    until_running("a");
    probe_number(a, 0, NULL, 9);
    kit_finish(&a->handle, VITAL_INTERNAL, VITAL_R_NO_FDS, "");
    CHECK_INT(a->record.numbers.count, 3);
    until_running("a");
    pass_now(&a->handle);
    CHECK_INT(a->record.numbers.count, 0);
    until_running("a");
    for (unsigned i = 0; i < OUTCOME_NUMBERS_MAX + 5; i++) {
        char label[100];
        snprintf(label, sizeof label, "%u and something that is far longer than a label may be, so that it is cut", i);
        probe_number(a, 1, label, i);
    }
    pass_now(&a->handle);
    CHECK_INT(a->record.numbers.count, OUTCOME_NUMBERS_MAX);
    labels = NULL;
    CHECK_INT(strlen(packed_next(&a->record.numbers, 0, &labels).label), OUTCOME_LABEL_MAX - 1);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.numbers_dropped, 5);
    CHECK_INT(s.module_bugs, 0);
    kit_close();
}

TEST(texts_are_scrubbed_before_they_are_cut)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    struct vital_secret secret = { .value = mem_copy("hunter2"), .len = 7 };
    struct vital_secret other = { .value = mem_copy("s3same"), .len = 6 };
    const struct vital_secret *const secrets[] = { &secret, &other };
    p->options->secrets = secrets;
    p->options->secret_count = 2;
    begin(&w);
    struct probe *a = kit_find_probe("a");
    until_running("a");
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    memcpy(text + 10, "hunter2", 7);
    memcpy(text + 30, "s3same", 6);
    memcpy(text + OUTCOME_TEXT_MAX - 3, "hunter2", 7);
    kit_finish(&a->handle, VITAL_FAIL, VITAL_R_AUTH, text);
    CHECK(!strstr(a->record.text, "hunt") && !strstr(a->record.text, "s3same"));
    CHECK(strstr(a->record.text, "***"));
    CHECK_INT(strlen(a->record.text), OUTCOME_TEXT_MAX - 1);
    until_running("a");
    for (unsigned i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    kit_finish(&a->handle, VITAL_FAIL, VITAL_R_AUTH, text);
    CHECK_INT(strlen(a->record.text), OUTCOME_TEXT_MAX - 2);
    p->options->secret_count = 0;
    kit_close();
    mem_free(secret.value);
    mem_free(other.value);
}

/* ---- mistakes of modules ---- */

static void twice(struct vital_probe *p)
{
    pass_now(p);
    probe_finish(probe_of(p), VITAL_FAIL, VITAL_R_OK, "again");
}

TEST(three_mistakes_quarantine)
{
    begin_one();
    struct probe *a = kit_find_probe("a");
    kit_on_start = twice;
    kit_pass_time(USEC_S);
    CHECK_INT(a->bugs, 1);
    CHECK_INT(probe_state(a), STATE_UP);
    CHECK_INT(a->record.attempts[VITAL_PASS], 1);
    kit_on_start = NULL;
    until_running("a");
    probe_number(a, 7, NULL, 1);
    CHECK_INT(a->record.reason, VITAL_R_MODULE_BUG);
    CHECK_INT(a->record.class, VITAL_INTERNAL);
    CHECK(!a->quarantined && !probe_in_attempt(a));
    CHECK_INT(kit_fake(&a->handle)->cancels, 1);
    until_running("a");
    probe_number(a, 0, NULL, NAN);
    CHECK(a->quarantined);
    CHECK(!timer_is_set(&a->plan.timer));
    CHECK_TEXT(journal_get(journal_last())->to, "quarantined");
    CHECK_TEXT(journal_get(journal_last())->reason, "module_bug");
    CHECK_INT(probe_state(a), STATE_UP);
    unsigned starts = kit_fake(&a->handle)->starts;
    kit_pass_time(100 * USEC_S);
    CHECK_INT(kit_fake(&a->handle)->starts, starts);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    struct core_stats s;
    core_stats(&s);
    CHECK_INT(s.quarantined, 1);
    CHECK_INT(s.module_bugs, 3);
    probe_nudge(a);
    kit_pass_time(100 * USEC_S);
    CHECK_INT(kit_fake(&a->handle)->starts, starts);
    CHECK(core_beat("a", "", 0) != NULL);
    kit_close();
    core_stats(&s);
    CHECK_INT(s.quarantined, 0);
}

TEST(what_counts_as_a_mistake)
{
    begin_one();
    struct probe *a = kit_find_probe("a");
    struct core_stats s;
    static const struct { int class, reason; } finishes[] = { { 4, 0 }, { -1, 0 }, { 0, VITAL_REASON_COUNT }, { 0, -1 } };
    for (unsigned i = 0; i < 4; i++) {
        a->bugs = 0;
        until_running("a");
        probe_finish(a, (enum vital_class)finishes[i].class, (enum vital_reason)finishes[i].reason, "");
        CHECK_INT(a->record.reason, VITAL_R_MODULE_BUG);
        CHECK_INT(a->bugs, 1);
    }
    a->bugs = 0;
    until_running("a");
    probe_number(a, 1, NULL, 1);
    CHECK_INT(a->bugs, 1);
    until_running("a");
    probe_number(a, 0, "label", 1);
    CHECK_INT(a->bugs, 2);
    a->bugs = 0;
    probe_number(a, 0, NULL, 1);
    CHECK_INT(a->bugs, 1);
    until_running("a");
    a->bugs = 0;
    probe_number(a, 2, NULL, 1);
    CHECK_INT(a->bugs, 1);
    core_stats(&s);
    CHECK_INT(s.module_bugs, 8);
    CHECK_INT(probe_state(a), STATE_UNKNOWN);
    kit_close();
}

/* ---- secrets are read again first ---- */

static struct probe *refreshing;
static bool hold(struct probe *p)
{
    refreshing = p;
    return true;
}

TEST(the_module_starts_after_its_secrets_came)
{
    struct kit_world w;
    open_one(&w)->interval_unsettled = 10 * USEC_S;
    begin(&w);
    kit_on_refresh = hold;
    kit_pass_time(USEC_S);
    struct probe *a = kit_find_probe("a");
    CHECK(refreshing == a && probe_in_attempt(a));
    CHECK_INT(kit_fake(&a->handle)->starts, 0);
    probe_begin_module(a);
    CHECK_INT(kit_fake(&a->handle)->starts, 1);
    probe_begin_module(a);
    CHECK_INT(kit_fake(&a->handle)->starts, 1);
    pass_now(&a->handle);
    kit_until(a->plan.due);
    CHECK(probe_in_attempt(a));
    kit_until(a->deadline);
    CHECK_INT(a->record.reason, VITAL_R_HUNG);
    CHECK_INT(a->record.class, VITAL_FAIL);
    CHECK_INT(kit_fake(&a->handle)->cancels, 0);
    probe_begin_module(a);
    CHECK_INT(kit_fake(&a->handle)->starts, 1);
    kit_close();
}

TEST(a_stranger_is_no_probe)
{
    struct probe impostor = { 0 };
    for (unsigned freed = 0; freed < 2; freed++) {
        fflush(NULL);
        pid_t child = fork();
        if (!child) {
            CHECK(freopen("/dev/null", "w", stderr));
            if (freed)
                probe_free(&impostor);
            else
                probe_of(&impostor.handle);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static void warn_now(struct vital_probe *p) { kit_finish(p, VITAL_WARN, VITAL_R_SLOW, ""); }

/* The lines of the log have the levels of syslog: 4 warning, 5 notice, 6 info. */
TEST(coming_up_is_news_only_when_it_was_not_before)
{
    begin_one();
    static const struct { void (*end)(struct vital_probe *); const char *line; unsigned times; } steps[] = {
        { pass_now, "6 probe a: unknown -> up: ok: fine", 1 },
        { fail_now, "4 probe a: up -> down: refused: refused by 127.0.0.1", 3 },
        { pass_now, "5 probe a: down -> up: ok: fine", 2 },
        { warn_now, "4 probe a: up -> degraded: slow", 3 },
    };
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        for (unsigned n = 0; n < steps[i].times; n++) {
            until_running("a");
            *kit_log = 0;
            steps[i].end(kit_handle("a"));
        }
        CHECK_TEXT(kit_log, steps[i].line);
    }
    kit_close();
}

TEST(what_goes_without_a_module_goes_whole)
{
    struct kit_world w;
    struct conf_probe *p = open_one(&w);
    conf_options_release(p->options);
    p->options = kit_options(NULL, "db:1", 0);
    p->missing = "install it";
    begin(&w);
    kit_pass_time(USEC_S);
    kit_close();
    CHECK_INT(kit_releases, 0);
}

/* An eighth of the attempt, and two slots at least. */
TEST(how_late_is_too_late)
{
    static const struct { uint64_t timeout, late; enum vital_reason reason; unsigned serves; } rows[] = {
        { 2 * USEC_S, SLOT, VITAL_R_TIMEOUT, 0 },
        { 2 * USEC_S, SLOT + 1, VITAL_R_TIMEOUT, 1 },
        { 2 * USEC_S, 2 * SLOT + 1, VITAL_R_TIMEOUT, 1 },
        { 2 * USEC_S, 250 * USEC_MS, VITAL_R_TIMEOUT, 1 },
        { 2 * USEC_S, 250 * USEC_MS + 1, VITAL_R_OWN_LAG, 1 },
        { 8 * SLOT, 2 * SLOT, VITAL_R_TIMEOUT, 1 },
        { 8 * SLOT, 2 * SLOT + 1, VITAL_R_OWN_LAG, 1 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kit_world w;
        open_one(&w)->timeout = rows[i].timeout;
        begin(&w);
        kit_serves = 0;
        be_late(rows[i].late);
        CHECK_INT(kit_find_probe("a")->record.reason, rows[i].reason);
        CHECK_INT(kit_serves, rows[i].serves);
        kit_close();
    }
}

TEST(what_lies_with_a_helper_of_ours_is_not_the_targets_silence)
{
    begin_one();
    kit_held_for = 100 * USEC_MS;
    be_late(0);
    CHECK_INT(kit_find_probe("a")->record.reason, VITAL_R_TIMEOUT);
    until_running("a");
    kit_held_for = kit_find_probe("a")->allowed / 2;
    be_late(0);
    CHECK_INT(kit_find_probe("a")->record.reason, VITAL_R_OWN_LAG);
    kit_held_for = 0;
    kit_close();
}

TEST(a_stall_over_the_deadline_is_told_as_long_as_it_was)
{
    begin_one();
    be_late(5 * USEC_S);
    CHECK_TEXT(kit_find_probe("a")->record.text, "vitald came back to it 5s too late");
    kit_close();
}

TEST(a_stall_that_is_over_excuses_nothing)
{
    begin_one();
    until_running("a");
    struct probe *a = kit_find_probe("a");
    uint64_t deadline = a->deadline;
    kit_time += 100 * USEC_MS;
    core_stalled(5 * USEC_S);
    CHECK(a->shifted);
    CHECK_INT(a->deadline, deadline + 5 * USEC_S);
    kit_settle();
    kit_until(a->deadline);
    CHECK_INT(a->record.reason, VITAL_R_TIMEOUT);
    until_running("a"); /* and the next attempt has not been shifted yet */
    deadline = a->deadline;
    core_stalled(3 * USEC_S);
    CHECK_INT(a->deadline, deadline + 3 * USEC_S);
    kit_close();
}

TEST(nobody_waits_for_what_is_quarantined_between_attempts)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "a");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "a", "");
    begin(&w);
    CHECK_INT(kit_level("startup"), LEVEL_FAIL);
    CHECK(!probe_in_attempt(kit_find_probe("a")));
    for (unsigned i = 0; i < PROBE_BUGS_MAX; i++)
        probe_module_bug(kit_find_probe("a"), "broken");
    CHECK_INT(kit_level("startup"), LEVEL_PASS);
    CHECK(!timer_is_set(&kit_find_probe("a")->plan.timer));
    kit_pass_time(10 * USEC_S);
    CHECK_INT(kit_fake(kit_handle("a"))->starts, 0);
    kit_close();
}
