#include "unit.h"

#include "base/clock.h"
#include "builtin.h"
#include "fake_host.h"

static void beat(const char *text) { heartbeat_module.receive(&fake.probe, text, strlen(text)); }

static void attempt(enum vital_class class, enum vital_reason reason)
{
    fake_start();
    CHECK(fake.finished);
    CHECK_INT(fake.class, class);
    CHECK_INT(fake.reason, reason);
}

TEST(silence_fails)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    beat("");
    CHECK_INT(fake.nudges, 1);
    attempt(VITAL_PASS, VITAL_R_OK);
    fake.now += 30 * USEC_S;
    attempt(VITAL_PASS, VITAL_R_OK);
    fake.now += 1;
    attempt(VITAL_FAIL, VITAL_R_SILENT);
    CHECK_TEXT(fake.text, "last beat 30s ago, expected every 30s");
    CHECK(fake_number("silence_seconds") > 30);
    beat("back");
    CHECK_INT(fake.nudges, 2);
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "back; last beat 0us ago");
    CHECK_INT(fake_number("beats_total"), 2);
    fake_end();
}

TEST(the_moment_of_silence_is_an_edge)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    beat("");
    attempt(VITAL_PASS, VITAL_R_OK);
    fake_pass_time(20 * USEC_S);
    beat("");                                   /* as usual: no nudge */
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK_INT(fake_open_count(), 1);            /* the alarm is moved, not doubled */
    CHECK_INT(fake.nudges, 1);
    fake_pass_time(30 * USEC_S);
    CHECK_INT(fake.nudges, 1);
    fake_pass_time(2 * USEC_MS);
    CHECK_INT(fake.nudges, 2);
    attempt(VITAL_FAIL, VITAL_R_SILENT);
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

static void stand_still(uint64_t period)
{
    fake.now += period;
    fake.stood += period;
    fake.stood_until = fake.now;
}

TEST(our_own_standstill_is_nobody_elses_silence)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    stand_still(500 * USEC_S);                  /* before it all */
    beat("");
    attempt(VITAL_PASS, VITAL_R_OK);
    fake.now += 20 * USEC_S;
    stand_still(54 * USEC_S);
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "last beat 1m14s ago, and vitald itself stood still for 54s of it");
    CHECK_INT(fake_number("silence_seconds"), 74);
    fake.now += 30 * USEC_S;                    /* whoever waited for us has all of its time again */
    attempt(VITAL_PASS, VITAL_R_OK);
    fake.now += 1;
    attempt(VITAL_FAIL, VITAL_R_SILENT);
    CHECK_TEXT(fake.text, "last beat 1m44s ago, expected every 30s, and vitald itself stood still for 54s of it");
    beat("");
    CHECK_INT(fake.nudges, 2);
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "last beat 0us ago");
    fake_end();
}

TEST(a_standstill_that_is_noticed_only_now_is_excused_too)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    beat("");
    attempt(VITAL_PASS, VITAL_R_OK);
    fake.stands = 54 * USEC_S;
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "last beat 54s ago, and vitald itself stood still for 54s of it");
    fake.stands = 54 * USEC_S;
    beat("");
    CHECK_INT(fake.nudges, 1);
    fake_end();
}

TEST(a_dead_sender_shows_though_we_stand_still_again_and_again)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    beat("");
    stand_still(2 * USEC_S);
    attempt(VITAL_PASS, VITAL_R_OK);
    for (int i = 0; i < 3; i++) {
        fake.now += 10 * USEC_S;
        stand_still(2 * USEC_S);
        attempt(VITAL_PASS, VITAL_R_OK);
    }
    fake.now += 1;
    attempt(VITAL_FAIL, VITAL_R_SILENT);
    fake_end();
}

TEST(a_beat_that_waited_for_us_is_as_usual)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    beat("");
    attempt(VITAL_PASS, VITAL_R_OK);
    stand_still(54 * USEC_S);
    beat("");
    CHECK_INT(fake.nudges, 1);
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK_TEXT(fake.text, "last beat 0us ago");
    fake_end();
}

TEST(the_first_beat_is_waited_for_by_our_own_time_too)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", "grace", "1m", NULL);
    attempt(VITAL_WARN, VITAL_R_STARTING);
    fake.now += 59 * USEC_S;
    stand_still(40 * USEC_S);
    attempt(VITAL_WARN, VITAL_R_STARTING);
    fake.now += 61 * USEC_S;
    attempt(VITAL_FAIL, VITAL_R_SILENT);
    fake_end();
}

TEST(the_first_beat_is_waited_for)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", "grace", "1m", NULL);
    attempt(VITAL_WARN, VITAL_R_STARTING);
    CHECK_TEXT(fake.text, "waiting up to 1m for the first beat");
    fake.now += 59 * USEC_S;
    attempt(VITAL_WARN, VITAL_R_STARTING);
    fake.now += 2 * USEC_S;
    attempt(VITAL_FAIL, VITAL_R_SILENT);
    beat("");
    attempt(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(what_counts_while_waiting_can_be_chosen)
{
    fake_probe(&heartbeat_module, "max_silence", "30s", "at_start", "fail", NULL);
    attempt(VITAL_FAIL, VITAL_R_STARTING);
    fake_set("at_start", "pass");
    attempt(VITAL_PASS, VITAL_R_OK);
    fake_end();
}

TEST(beats_may_carry_a_status)
{
    static const struct { const char *beat; enum vital_class class; const char *text; } cases[] = {
        { "ok 17 jobs done", VITAL_PASS, "17 jobs done; last beat 0us ago" },
        { "WARN: queue is long", VITAL_WARN, "queue is long; last beat 0us ago" },
        { "fail", VITAL_FAIL, "last beat 0us ago" },
        { "failover done", VITAL_PASS, "failover done; last beat 0us ago" },
        { "  critical: no\x1b[31m", VITAL_FAIL, "no?[31m; last beat 0us ago" },
        { "okay", VITAL_PASS, "okay; last beat 0us ago" },
        { "fa", VITAL_PASS, "fa; last beat 0us ago" },
    };
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        beat(cases[i].beat);
        fake_start();
        CHECK_INT(fake.class, cases[i].class);
        CHECK_TEXT(fake.text, cases[i].text);
    }
    fake_end();
}

TEST(a_flood_of_beats_is_no_flood_of_attempts)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    fake_probe(&heartbeat_module, "max_silence", "30s", NULL);
    for (int i = 0; i < 10000; i++)
        heartbeat_module.receive(&fake.probe, text, sizeof text);
    CHECK_INT(fake.nudges, 1);
    attempt(VITAL_PASS, VITAL_R_OK);
    CHECK(strlen(fake.text) < 256);
    fake_end();
}
