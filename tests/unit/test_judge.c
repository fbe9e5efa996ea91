#include "unit.h"

#include <errno.h>

#include "judge.h"
#include "fake_host.h"

static const struct vital_threshold none;
static struct vital_threshold percent(double enter, double leave) { return (struct vital_threshold){ enter, leave, true, true }; }

TEST(the_worst_finding_goes_first)
{
    struct judge j = { .class = VITAL_PASS };
    judge_add(&j, VITAL_WARN, VITAL_R_AGE, "one");
    judge_add(&j, VITAL_FAIL, VITAL_R_FULL, "two");
    judge_add(&j, VITAL_WARN, VITAL_R_COUNT, "three");
    judge_add(&j, VITAL_FAIL, VITAL_R_IO_ERROR, "four");
    CHECK_INT(j.class, VITAL_FAIL);
    CHECK_INT(j.reason, VITAL_R_FULL);
    CHECK_TEXT(j.worst, "two");
    CHECK_TEXT(j.others, "one; three; four");
}

TEST(limits_are_named_and_held)
{
    bool was[2] = { false };
    struct vital_threshold warn = percent(20, 20), fail = percent(5, 7);
    struct judge_limit l = { &warn, &fail, was, false, JUDGE_BYTES };
    static const struct { double part; enum vital_class class; const char *text; } steps[] = {
        { 50, VITAL_PASS, "" },
        { 12, VITAL_WARN, "left, warns below 20%" },
        { 4, VITAL_FAIL, "left, fails below 5%" },
        { 6, VITAL_FAIL, "left, fails until 7%" },
        { 8, VITAL_WARN, "left, warns below 20%" },
        { 6, VITAL_WARN, "left, warns below 20%" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct judge j = { .class = VITAL_PASS };
        CHECK(judge_number(&j, &l, steps[i].part, 100, VITAL_R_THRESHOLD, "left") == (steps[i].class == VITAL_PASS));
        CHECK_INT(j.class, steps[i].class);
        CHECK_TEXT(j.worst, steps[i].text);
    }
}

TEST(absolute_limits_and_nothing_to_share)
{
    bool was[2] = { false };
    struct vital_threshold size = { 2147483648.0, 2147483648.0, true, false }, share = percent(5, 5);
    struct judge_limit absolute = { &size, &none, was, false, JUDGE_BYTES }, relative = { &share, &none, was, false, JUDGE_BYTES };
    struct judge j = { .class = VITAL_PASS };
    CHECK(!judge_number(&j, &absolute, 1e9, 1e12, VITAL_R_THRESHOLD, "left"));
    CHECK_TEXT(j.worst, "left, warns below 2 GiB");
    CHECK(judge_number(&j, &relative, 0, 0, VITAL_R_THRESHOLD, "a share of nothing"));
}

TEST(too_much)
{
    bool was[2] = { false };
    struct vital_threshold fail = { 2, 1.5, true, false };
    struct judge_limit l = { &none, &fail, was, true, JUDGE_COUNT };
    struct judge j = { .class = VITAL_PASS };
    CHECK(judge_number(&j, &l, 2, 0, VITAL_R_THRESHOLD, "load"));
    CHECK(!judge_number(&j, &l, 2.1, 0, VITAL_R_THRESHOLD, "load"));
    CHECK_TEXT(j.worst, "load, fails above 2");
    j = (struct judge){ .class = VITAL_PASS };
    CHECK(!judge_number(&j, &l, 1.6, 0, VITAL_R_THRESHOLD, "load"));
    CHECK_TEXT(j.worst, "load, fails until 1.5");
}

TEST(sizes_as_people_read_them)
{
    static const struct { double bytes; const char *text; } cases[] = {
        { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1 KiB" }, { 1536, "1.5 KiB" }, { 42949672960.0, "40 GiB" },
        { 1048575, "1 MiB" }, { 123456789, "118 MiB" }, { 1.8e19, "15.6 EiB" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char room[JUDGE_AMOUNT];
        CHECK_TEXT(judge_bytes(cases[i].bytes, room), cases[i].text);
    }
}

TEST(long_findings_are_cut_not_overrun)
{
    struct judge j = { .class = VITAL_PASS };
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    for (int i = 0; i < 5; i++)
        judge_add(&j, i & 1 ? VITAL_FAIL : VITAL_WARN, VITAL_R_AGE, "%s", long_text);
    CHECK_INT(strlen(j.worst), JUDGE_TEXT - 1);
    CHECK_INT(strlen(j.others), JUDGE_TEXT - 1);
}

TEST(foreign_lines_are_cleaned)
{
    char room[8];
    static const struct { const char *in; size_t len; const char *out; } cases[] = {
        { "OK\nmore", 7, "OK" }, { "a\tb\r\n", 5, "a b" }, { "\x1b[31m", 5, "?[31m" }, { "\xff\xfe", 2, "??" },
        { "caf\xc3\xa9", 5, "caf\xc3\xa9" }, { "123456\xc3\xa9", 8, "123456" }, { "a\0b", 3, "a?b" }, { "", 0, "" }, { "\xc3", 1, "?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *exact = memcpy(mem_alloc(cases[i].len + 1), cases[i].in, cases[i].len);
        judge_line(room, sizeof room, exact, cases[i].len);
        CHECK_TEXT(room, cases[i].out);
        mem_free(exact);
    }
}

TEST(errors_of_files)
{
    struct judge j = { .class = VITAL_PASS };
    CHECK(judge_file(&j, &(struct vital_file){ .error = 0 }, "/x"));
    CHECK(!judge_file(&j, &(struct vital_file){ .hung = true, .error = ETIMEDOUT }, "/x"));
    CHECK_INT(j.reason, VITAL_R_HUNG);
    CHECK_INT(judge_errno(ENOSPC), VITAL_R_FULL);
    CHECK_INT(judge_errno(ENOTCONN), VITAL_R_IO_ERROR);
    j = (struct judge){ .class = VITAL_PASS };
    CHECK(!judge_file(&j, &(struct vital_file){ .error = EMFILE }, "/x"));
    CHECK_INT(j.class, VITAL_INTERNAL);
}
