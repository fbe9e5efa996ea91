#include "unit.h"

#include "base/clock.h"
#include "core/journal.h"
#include "core/outcome.h"
#include "core/text.h"

static uint64_t fixed(void) { return 42; }

static void add(unsigned count)
{
    char text[300];
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "entry %u", i);
        journal_add(JOURNAL_PROBE, "db", "up", "down", "refused", text);
    }
}

TEST(an_empty_journal)
{
    uint64_t skipped = 9;
    CHECK_INT(journal_first(), 0);
    CHECK_INT(journal_last(), 0);
    CHECK(!journal_get(0) && !journal_get(1));
    CHECK(!journal_after(0, &skipped) && skipped == 0);
}

TEST(entries_are_kept_as_they_were)
{
    clock_replace(fixed, fixed);
    journal_add(JOURNAL_MODE, "db", "normal", "paused", "", NULL);
    CHECK_INT(journal_first(), 1);
    add(1);
    const struct journal_entry *e = journal_get(1);
    CHECK(e != NULL);
    CHECK_INT(e->id, 1);
    CHECK_INT(e->kind, JOURNAL_MODE);
    CHECK_INT(e->wall, 42);
    CHECK_TEXT(e->name, "db");
    CHECK_TEXT(e->from, "normal");
    CHECK_TEXT(e->to, "paused");
    CHECK_TEXT(e->text, "");
    e = journal_get(2);
    CHECK_TEXT(e->reason, "refused");
    CHECK_TEXT(e->text, "entry 0");
    CHECK(!journal_get(3));
}

TEST(a_slow_reader_skips_to_the_oldest)
{
    uint64_t skipped;
    add(JOURNAL_SIZE);
    CHECK_INT(journal_first(), 1);
    CHECK_INT(journal_after(0, &skipped)->id, 1);
    CHECK_INT(skipped, 0);
    add(3);
    CHECK_INT(journal_first(), 4);
    CHECK_INT(journal_last(), JOURNAL_SIZE + 3);
    CHECK(!journal_get(3) && journal_get(4));
    const struct journal_entry *e = journal_after(1, &skipped);
    CHECK_INT(e->id, 4);
    CHECK_INT(skipped, 2);
    e = journal_after(3, &skipped);
    CHECK_INT(e->id, 4);
    CHECK_INT(skipped, 0);
    CHECK(!journal_after(JOURNAL_SIZE + 3, &skipped));
    CHECK(!journal_after(JOURNAL_SIZE + 30, &skipped));
    CHECK(!journal_after(UINT64_MAX, &skipped));
    CHECK_INT(journal_after(JOURNAL_SIZE + 2, &skipped)->id, JOURNAL_SIZE + 3);
}

TEST(texts_are_cut_between_characters)
{
    char room[6];
    CHECK_INT(text_cut(room, sizeof room, "abc"), 3);
    CHECK_TEXT(room, "abc");
    CHECK_INT(text_cut(room, sizeof room, "abcdefgh"), 5);
    CHECK_TEXT(room, "abcde");
    CHECK_INT(text_cut(room, sizeof room, "abcd\xc3\xa4"), 4);
    CHECK_TEXT(room, "abcd");
    CHECK_INT(text_cut(room, sizeof room, "a\xf0\x9f\x98\x80"), 5);
    CHECK_INT(text_cut(room, sizeof room, "ab\xf0\x9f\x98\x80"), 2);
    CHECK_INT(text_cut(room, sizeof room, "\x80\x80\x80\x80\x80\x80\x80"), 2);
    CHECK_INT(text_cut(room, sizeof room, NULL), 0);
    CHECK_TEXT(room, "");
    CHECK_INT(text_cut_at("abcdef", 3), 3);
    CHECK_INT(text_cut_at("abc", 3), 3);
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    journal_add(JOURNAL_SELF, name, "", "", "", name);
    CHECK_INT(strlen(journal_get(journal_last())->name), JOURNAL_NAME_MAX - 1);
    CHECK_INT(strlen(journal_get(journal_last())->text), JOURNAL_TEXT_MAX - 1);
}

TEST(words_and_values_match)
{
    CHECK_TEXT(level_text(LEVEL_WARN), "warn");
    CHECK_TEXT(state_text(STATE_DEGRADED), "degraded");
    CHECK_TEXT(mode_text(MODE_MAINTENANCE), "maintenance");
    CHECK_TEXT(why_text(WHY_STALLED), "stalled");
    CHECK_TEXT(vital_class_text(VITAL_INTERNAL), "internal");
    CHECK_TEXT(reason_text(VITAL_R_MODULE_BUG), "module_bug");
    CHECK_TEXT(reason_text(VITAL_R_OK), "ok");
    CHECK_TEXT(journal_kind_text(JOURNAL_SELF), "self");
    CHECK_INT(reason_from("own_lag"), VITAL_R_OWN_LAG);
    CHECK_INT(mode_from("no such"), -1);
    CHECK_TEXT(reason_sentence(VITAL_R_REFUSED), "connection refused");
    CHECK_TEXT(reason_sentence(VITAL_R_MODULE_BUG), "the module broke its contract");
    CHECK_TEXT(reason_sentence(VITAL_REASON_COUNT), "?");
}
