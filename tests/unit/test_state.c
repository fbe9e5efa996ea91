#include "unit.h"

#include "core/engine.h"
#include "core/probe.h"
#include "core/sched.h"
#include "core/state.h"
#include "core/state_bytes.h"
#include "core/world.h"
#include "small_world.h"

static uint64_t now_is = 1000 * USEC_S, wall_is = 5000000 * USEC_S;
static uint64_t fake_now(void) { return now_is; }
static uint64_t fake_wall(void) { return wall_is; }
static void nothing(void) { }

static void pass(uint64_t time)
{
    now_is += time;
    wall_is += time;
}

static void open_world(void)
{
    clock_replace(fake_now, fake_wall);
    small[0].next = VITAL_PASS;
    small[1].next = VITAL_PASS;
    small_open(NULL);
}

static void run(const char *name)
{
    CHECK(!admin_run(name));
    for (unsigned i = 0; i < 4; i++) {
        timer_run(loop_timers(), now_is);
        core_publish(now_is);
    }
}

static struct probe *probe(const char *name)
{
    return engine.world->probes[core_probe_find(name, strlen(name))];
}

/* All of it, sealed, as a helper would write it. */
static char *saved(const char *boot, size_t *len)
{
    struct state_export e = { 0 };
    state_begin(&e, boot);
    CHECK(!state_continue(&e, 1));
    CHECK(state_continue(&e, 1));
    state_seal(&e.bytes);
    CHECK_TEXT(state_check(e.bytes.data, e.bytes.len), NULL);
    *len = e.bytes.len;
    return buf_take(&e.bytes);
}

/* The process ends and another begins. */
static void restart(const char *before, const char *after, uint64_t gap)
{
    size_t len;
    char *bytes = saved(before, &len);
    small_close();
    pass(gap);
    small[0].starts = small[1].starts = 0;
    state_restore(bytes, len, after);
    small_open(NULL);
}

static enum level level_of(const char *group)
{
    struct verdict v;
    core_verdict(core_group_find(group, strlen(group)), &v);
    return v.level;
}

static uint64_t since_of(const char *group)
{
    struct verdict v;
    core_verdict(core_group_find(group, strlen(group)), &v);
    return v.since;
}

TEST(a_restart_is_no_event)
{
    open_world();
    run("db");
    run("web");
    uint64_t since = probe("db")->record.since, due = probe("db")->plan.regular, group_since = since_of("ready");
    CHECK(group_since && group_since <= now_is);
    CHECK_INT(level_of("ready"), LEVEL_PASS);
    pass(60 * USEC_S);
    restart("boot-1", "boot-1", 2 * USEC_S);
    CHECK_INT(level_of("ready"), LEVEL_PASS);
    CHECK_INT(level_of("startup"), LEVEL_PASS);
    const struct probe *p = probe("db");
    CHECK_INT(probe_state(p), STATE_UP);
    CHECK_TEXT(small_took_over, "took over the states of 2 probes, known 2s ago; stale by now: 0");
    CHECK_INT(p->record.since, since);
    CHECK_INT(since_of("ready"), group_since);
    CHECK_INT(p->plan.regular, due);
    CHECK_INT(p->record.history.count, 1);
    CHECK(p->record.had_outcome && p->record.sampled && !p->record.stale && p->record.class == VITAL_PASS);
    CHECK_TEXT(p->record.text, "scripted");
    core_publish(now_is);
    CHECK_INT(small[0].starts, 0);
    small_close();
}

TEST(a_run_goes_on)
{
    open_world();
    run("db");
    probe("db")->record.settle.line[0].run = 1;
    struct settle before = probe("db")->record.settle;
    ((struct conf_probe *)core_conf()->probes)[0].fall = 3;
    restart("b", "b", 0);
    CHECK_INT(before.line[0].run, 1);
    CHECK_INT(probe("db")->record.settle.line[0].run, 0);      /* fall is 1 in the new world: clamped as in a reload */
    small_close();
}

TEST(what_would_be_stale_is_stale)
{
    open_world();
    run("db");
    small[1].next = VITAL_FAIL;
    run("web");
    restart("b", "b", 86401 * USEC_S);
    CHECK_INT(probe_state(probe("db")), STATE_UNKNOWN);
    CHECK_INT(probe_settled(probe("db")), STATE_UP);
    CHECK_INT(probe_settled(probe("web")), STATE_DOWN);
    CHECK_INT(probe("web")->record.reason, VITAL_R_REFUSED);
    CHECK(!probe("db")->record.sampled);      /* startup waits for it again */
    CHECK_TEXT(small_took_over, "took over the states of 2 probes, known 1d ago; stale by now: 2");
    CHECK_INT(level_of("ready"), LEVEL_FAIL);
    small[1].next = VITAL_PASS;
    run("web");
    CHECK_INT(probe_state(probe("web")), STATE_UP);      /* the first outcome settles what was stale */
    small_close();
}

TEST(another_boot_proves_nothing)
{
    open_world();
    run("db");
    run("web");
    pass(3600 * USEC_S);
    size_t len;
    char *bytes = saved("boot-1", &len);
    uint64_t since_wall = clock_wall_of(probe("db")->record.since);
    CHECK(probe("db")->plan.regular >= now_is);
    small_close();
    now_is = 10 * USEC_S;      /* the clock began anew, before all that is in the file */
    wall_is += 5 * USEC_S;
    state_restore(bytes, len, "boot-2");
    small_open(NULL);
    CHECK_INT(probe_state(probe("db")), STATE_UNKNOWN);
    CHECK_INT(level_of("ready"), LEVEL_FAIL);
    CHECK_INT(clock_wall_of(probe("db")->record.since), since_wall);
    CHECK_INT(probe("db")->record.history.count, 1);
    pass(86400 * USEC_S * 3);
    core_publish(now_is);
    CHECK_INT(probe_state(probe("db")), STATE_UNKNOWN);
    small_close();
}

/* Its age is a difference: late in the day as good as early. */
TEST(what_is_not_yet_stale_is_not)
{
    open_world();
    pass(80000 * USEC_S);
    run("db");
    run("web");
    restart("b", "b", 86399 * USEC_S);
    CHECK_INT(probe_state(probe("db")), STATE_UP);
    CHECK(probe("db")->record.sampled);
    restart("b", "b", USEC_S);
    CHECK_INT(probe_state(probe("db")), STATE_UNKNOWN);
    small_close();
}

TEST(what_has_to_be_measured_anew_does_not_wait_for_its_turn)
{
    open_world();
    run("db");
    run("web");
    probe("db")->plan.regular = now_is + 3000 * USEC_S;
    restart("boot-1", "boot-2", USEC_S);
    CHECK(probe("db")->record.stale);
    CHECK(probe("db")->plan.regular <= now_is + FIRST_URGENT);
    small_close();
}

/* Bytes are put into the history of the last probe in the file, and its count says so. */
static char *with_history(const char *bytes, size_t *len, unsigned count)
{
    enum { EACH = 5 };
    const char *text = NULL;
    for (const char *at = bytes; (at = memmem(at, *len - (size_t)(at - bytes), "scripted", 8)); at++)
        text = at;
    size_t before = (size_t)(text - bytes) + 9, more = (count - 1) * EACH;
    struct buf b = BUF(64 * 1024);
    buf_add(&b, bytes, before);
    b.data[before - 1] = (char)count;
    for (size_t i = 0; i < more; i++)
        buf_char(&b, '\0');
    buf_add(&b, bytes + before, *len - before);
    state_seal(&b);
    *len = b.len;
    return buf_take(&b);
}

TEST(a_history_is_as_long_as_it_may_be_and_no_longer)
{
    open_world();
    run("db");
    run("web");
    size_t len, full = 0;
    char *bytes = saved("b", &len);
    full = len;
    char *most = with_history(bytes, &full, HISTORY_MAX);
    CHECK_TEXT(state_check(most, full), NULL);
    full = len;
    char *too_many = with_history(bytes, &full, HISTORY_MAX + 1);
    CHECK(state_check(too_many, full));
    mem_free(bytes);
    mem_free(most);
    mem_free(too_many);
    small_close();
}

TEST(a_clock_that_went_back_proves_nothing)
{
    open_world();
    run("db");
    size_t len;
    char *bytes = saved("b", &len);
    small_close();
    now_is -= 500 * USEC_S;
    state_restore(bytes, len, "b");
    small_open(NULL);
    CHECK_INT(probe_state(probe("db")), STATE_UNKNOWN);
    small_close();
}

TEST(modes_and_their_end_are_kept)
{
    open_world();
    run("db");
    run("web");
    CHECK(!admin_mode("db", MODE_MAINTENANCE, LEVEL_PASS, 100 * USEC_S));
    CHECK(!admin_mode("web", MODE_FORCED, LEVEL_WARN, 0));
    restart("b", "b", 10 * USEC_S);
    CHECK_INT(probe("db")->order.mode, MODE_MAINTENANCE);
    CHECK_INT(probe("db")->order.until, now_is + 90 * USEC_S);
    CHECK_INT(probe("web")->order.mode, MODE_FORCED);
    CHECK_INT(probe("web")->order.forced, LEVEL_WARN);
    CHECK_INT(probe("web")->order.until, 0);
    CHECK(!admin_mode("web", MODE_FORCED, LEVEL_WARN, TIME_NEVER - 1));
    CHECK_INT(probe("web")->order.until, TIME_NEVER);
    restart("b", "b", 0);
    CHECK_INT(probe("web")->order.mode, MODE_FORCED);
    pass(91 * USEC_S);
    core_publish(now_is);
    CHECK_INT(probe("db")->order.mode, MODE_NORMAL);
    small_close();
}

TEST(a_mode_that_ended_meanwhile_is_over)
{
    open_world();
    run("db");
    CHECK(!admin_mode("db", MODE_PAUSED, LEVEL_PASS, 100 * USEC_S));
    CHECK(!admin_mode("web", MODE_PAUSED, LEVEL_PASS, TIME_NEVER - 1));
    size_t len;
    char *bytes = saved("b", &len);
    small_close();
    now_is = 10 * USEC_S;      /* after another boot: it ended before this clock began */
    wall_is += 200 * USEC_S;
    state_restore(bytes, len, "other");
    small_open(NULL);
    CHECK_INT(probe("db")->order.mode, MODE_NORMAL);
    CHECK(probe("web")->order.mode == MODE_PAUSED && probe("web")->order.until == TIME_NEVER);
    CHECK(timer_is_set(&probe("db")->plan.timer));
    small_close();
}

static void put_note(struct buf *b) { buf_text(b, "remember"); }

TEST(a_note_outlives_the_process_and_is_handed_out_once)
{
    open_world();
    restart("b", "b", 0);
    CHECK(!state_take_note());
    state_on_note(put_note);
    restart("b", "b", 0);
    restart("b", "b", 0); /* nobody asked for the first */
    char *note = state_take_note();
    CHECK_TEXT(note, "remember");
    CHECK(!state_take_note());
    mem_free(note);
    small_close();
}

TEST(what_was_not_known_is_not)
{
    open_world();
    run("db");
    restart("b", "b", USEC_S);
    CHECK_INT(probe_settled(probe("db")), STATE_UP);
    CHECK_INT(probe_settled(probe("web")), STATE_UNKNOWN);
    CHECK(!probe("web")->record.settle.known);
    CHECK_INT(level_of("startup"), LEVEL_FAIL);
    small_close();
}

TEST(a_mode_ends_at_its_end)
{
    open_world();
    run("db");
    CHECK(!admin_mode("db", MODE_PAUSED, LEVEL_PASS, 100 * USEC_S));
    CHECK(!admin_mode("web", MODE_PAUSED, LEVEL_PASS, 100 * USEC_S + 1));
    restart("b", "b", 100 * USEC_S);
    CHECK_INT(probe("db")->order.mode, MODE_NORMAL);
    CHECK_INT(probe("web")->order.mode, MODE_PAUSED);
    small_close();
}

TEST(a_pause_that_ended_meanwhile_keeps_nothing_fresh)
{
    open_world();
    run("db");
    CHECK(!admin_mode("db", MODE_PAUSED, LEVEL_PASS, 100 * USEC_S));
    restart("b", "b", 86401 * USEC_S);
    CHECK_INT(probe("db")->order.mode, MODE_NORMAL);
    CHECK(probe("db")->record.stale);
    small_close();
}

TEST(a_pause_is_kept_and_does_not_attempt)
{
    open_world();
    run("db");
    CHECK(!admin_mode("db", MODE_PAUSED, LEVEL_PASS, 0));
    restart("b", "b", 100000 * USEC_S);
    CHECK_INT(probe("db")->order.mode, MODE_PAUSED);
    CHECK_INT(probe_state(probe("db")), STATE_UP);      /* never stale */
    CHECK(!timer_is_set(&probe("db")->plan.timer));
    small_close();
}

TEST(only_an_ordered_drain_is_kept)
{
    open_world();
    admin_drain(false);
    restart("b", "b", 0);
    CHECK(!admin_is_draining());
    admin_drain(true);
    uint64_t since = admin_draining_since();
    restart("b", "b", 5 * USEC_S);
    CHECK(admin_is_draining() && admin_drain_is_ordered());
    CHECK_INT(admin_draining_since(), since);
    CHECK_INT(level_of("ready"), LEVEL_FAIL);
    small_close();
}

static void rename_target(char *bytes, size_t len)
{
    char *at = memmem(bytes, len, "nowhere", 7);
    CHECK(at);
    memcpy(at, "anywher", 7);
    struct buf b = { .data = bytes, .len = len };
    state_seal(&b);
}

TEST(another_target_takes_over_the_mode_only)
{
    open_world();
    run("db");
    CHECK(!admin_mode("db", MODE_MAINTENANCE, LEVEL_PASS, 0));
    size_t len;
    char *bytes = saved("b", &len);
    rename_target(bytes, len);
    small_close();
    state_restore(bytes, len, "b");
    small_open(NULL);
    CHECK_INT(probe_settled(probe("db")), STATE_UNKNOWN);
    CHECK_INT(probe("db")->order.mode, MODE_MAINTENANCE);
    small_close();
}

TEST(what_is_due_meanwhile_is_no_burst_and_no_wait)
{
    open_world();
    run("db");
    probe("db")->plan.regular = now_is + 4 * USEC_S;
    probe("web")->plan.regular = now_is + 4 * USEC_S;
    run("web");
    uint64_t due = probe("web")->plan.regular;
    restart("b", "b", 5 * USEC_S);
    CHECK(probe("db")->plan.regular >= now_is && probe("db")->plan.regular <= now_is + FIRST_URGENT);
    CHECK_INT(probe("web")->plan.regular, due);
    small_close();
}

TEST(damage_is_refused)
{
    open_world();
    run("db");
    size_t len;
    char *bytes = saved("b", &len);
    for (size_t cut = 0; cut < len; cut++)
        CHECK(state_check(bytes, cut));
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x10;

        CHECK(state_check(bytes, len));
        bytes[i] ^= 0x10;
    }
    CHECK_TEXT(state_check(bytes, len), NULL);
    mem_free(bytes);
    small_close();
}

TEST(another_version_is_refused_by_name)
{
    open_world();
    size_t len;
    char *bytes = saved("b", &len);
    struct state_head h;
    memcpy(&h, bytes, sizeof h);
    h.version++;
    memcpy(bytes, &h, sizeof h);
    CHECK_TEXT(state_check(bytes, len), "it is of another version of vitald");
    CHECK_TEXT(state_check("<html>", 6), "it is no state file of vitald's, or only its beginning");
    mem_free(bytes);
    small_close();
}

TEST(an_export_begins_anew_after_a_reload)
{
    open_world();
    run("db");
    struct state_export e = { 0 };
    state_begin(&e, "b");
    CHECK(!state_continue(&e, 1));
    core_adopt(small_conf(NULL));
    CHECK(!state_continue(&e, 1));
    CHECK(state_continue(&e, 1));
    state_seal(&e.bytes);
    CHECK_TEXT(state_check(e.bytes.data, e.bytes.len), NULL);
    struct state_head h;
    memcpy(&h, e.bytes.data, sizeof h);
    CHECK_TEXT(h.boot, "b");
    buf_free(&e.bytes);
    small_turn(nothing);
    small_close();
}

/* The room that a text is given is what it has: the sanitizer sees who writes beyond. */
TEST(a_longer_text_follows_one_that_was_kept)
{
    open_world();
    run("db");
    restart("b", "b", USEC_S);
    small[0].hold = true;
    run("db");
    CHECK(small[0].held);
    probe_finish(probe("db"), VITAL_PASS, VITAL_R_OK, "scripted!");
    CHECK_TEXT(probe("db")->record.text, "scripted!");
    small_close();
}

TEST(a_note_is_as_long_as_it_says)
{
    open_world();
    size_t len;
    char *bytes = saved("b", &len);
    struct buf b = BUF(64 * 1024);
    buf_add(&b, bytes, len);
    buf_char(&b, 'x');
    state_seal(&b);
    CHECK_TEXT(state_check(b.data, b.len), "it is damaged: its parts do not fit together");
    buf_free(&b);
    mem_free(bytes);
    small_close();
}

/* Failing without warning is no state that settling can reach. */
TEST(a_state_that_cannot_be_is_refused)
{
    open_world();
    run("db");
    probe("db")->record.settle.line[1].bad = true;
    struct state_export e = { 0 };
    state_begin(&e, "b");
    CHECK(state_continue(&e, 1000));
    state_seal(&e.bytes);
    CHECK_TEXT(state_check(e.bytes.data, e.bytes.len), "it is damaged: its parts do not fit together");
    buf_free(&e.bytes);
    small_close();
}

TEST(a_plan_from_before_is_no_further_away_than_one_interval)
{
    open_world();
    run("db");
    run("web");
    probe("web")->plan.regular = now_is + 99999 * USEC_S;
    restart("b", "b", 0);
    CHECK_INT(probe("web")->plan.regular, now_is + 3600 * USEC_S);
    small_close();
}

TEST(the_same_moment_is_not_another_boot)
{
    open_world();
    run("db");
    restart("b", "b", 0);
    CHECK_INT(probe_state(probe("db")), STATE_UP);
    restart("", "", 0); /* who does not know its boot knows nothing */
    CHECK_INT(probe_state(probe("db")), STATE_UNKNOWN);
    small_close();
}

TEST(a_lease_is_kept_to_its_end)
{
    open_world();
    run("db");
    run("web");
    probe("db")->record.lease = now_is + 90001 * USEC_S;
    probe("web")->record.lease = now_is + 90000 * USEC_S;
    restart("b", "b", 90000 * USEC_S);
    CHECK_INT(probe_state(probe("db")), STATE_UP);
    CHECK_INT(probe_state(probe("web")), STATE_UNKNOWN);
    small_close();
}

TEST(what_was_decreed_is_measured_soon)
{
    open_world();
    run("db");
    probe("db")->record.sampled = false;
    probe("db")->plan.regular = now_is + 3000 * USEC_S;
    restart("b", "b", 0);
    CHECK(probe("db")->plan.regular <= now_is + FIRST_URGENT);
    small_close();
}

static void replace(char *bytes, size_t len, const char *was, const char *new)
{
    char *at = memmem(bytes, len, was, strlen(was));
    CHECK(at);
    memcpy(at, new, strlen(was));
}

TEST(what_has_gone_or_is_of_another_type_is_passed_over)
{
    open_world();
    run("db");
    run("web");
    size_t len;
    char *bytes = saved("b", &len);
    small_close();
    replace(bytes, len, "live", "gone");
    replace(bytes, len, "web", "xyz");
    replace(bytes, len, "scripted", "anything");
    struct buf b = { .data = bytes, .len = len };
    state_seal(&b);
    state_restore(bytes, len, "b");
    small_open(NULL);
    CHECK_INT(probe_settled(probe("db")), STATE_UNKNOWN);
    CHECK_INT(probe_settled(probe("web")), STATE_UNKNOWN);
    CHECK_TEXT(small_took_over, "took over the states of 0 probes, known 0us ago; stale by now: 0");
    small_close();
}

TEST(the_name_of_a_boot_ends_where_its_room_does)
{
    open_world();
    run("db");
    char boot[STATE_BOOT];
    memset(boot, 'x', sizeof boot - 1);
    boot[sizeof boot - 1] = '\0';
    size_t len;
    char *bytes = saved(boot, &len);
    small_close();
    bytes[offsetof(struct state_head, boot) + sizeof boot - 1] = 'x';
    struct buf b = { .data = bytes, .len = len };
    state_seal(&b);
    state_restore(bytes, len, boot);
    small_open(NULL);
    CHECK_INT(probe_state(probe("db")), STATE_UP);
    small_close();
}
