#include "unit.h"

#include "found.h"

static const struct vital_threshold none;
static struct vital_threshold percent(double enter, double leave) { return (struct vital_threshold){ enter, leave, true, true }; }

TEST(the_worst_finding_goes_first)
{
    struct found f = { .class = VITAL_PASS };
    found_add(&f, VITAL_WARN, VITAL_R_AGE, "one");
    found_add(&f, VITAL_FAIL, VITAL_R_FULL, "two");
    found_add(&f, VITAL_WARN, VITAL_R_COUNT, "three");
    found_add(&f, VITAL_FAIL, VITAL_R_IO_ERROR, "four");
    CHECK_INT(f.class, VITAL_FAIL);
    CHECK_INT(f.reason, VITAL_R_FULL);
    CHECK_TEXT(f.worst, "two");
    CHECK_TEXT(f.others, "one; three; four");
}

TEST(limits_are_named_and_held)
{
    bool was[2] = { false };
    struct vital_threshold warn = percent(20, 20), fail = percent(5, 7);
    struct found_limit l = { &warn, &fail, was, false };
    static const struct { double part; enum vital_class class; const char *text; } steps[] = {
        { 50, VITAL_PASS, "" },
        { 12, VITAL_WARN, "left, warns below 20%" },
        { 4, VITAL_FAIL, "left, fails below 5%" },
        { 6, VITAL_FAIL, "left, fails until 7%" },
        { 8, VITAL_WARN, "left, warns below 20%" },
        { 6, VITAL_WARN, "left, warns below 20%" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct found f = { .class = VITAL_PASS };
        CHECK(found_beyond(&f, &l, &(struct found_measure){ FOUND_BYTES, steps[i].part, 100, VITAL_R_THRESHOLD }, "left") != (steps[i].class == VITAL_PASS));
        CHECK_INT(f.class, steps[i].class);
        CHECK_TEXT(f.worst, steps[i].text);
    }
}

TEST(absolute_limits_and_nothing_to_share)
{
    bool was[2] = { false };
    struct vital_threshold size = { 2147483648.0, 2147483648.0, true, false }, share = percent(5, 5);
    struct found_limit absolute = { &size, &none, was, false }, relative = { &share, &none, was, false };
    struct found f = { .class = VITAL_PASS };
    CHECK(found_beyond(&f, &absolute, &(struct found_measure){ FOUND_BYTES, 1e9, 1e12, VITAL_R_THRESHOLD }, "left"));
    CHECK_TEXT(f.worst, "left, warns below 2 GiB");
    CHECK(!found_beyond(&f, &relative, &(struct found_measure){ FOUND_BYTES, 0, 0, VITAL_R_THRESHOLD }, "a share of nothing"));
}

TEST(too_much)
{
    bool was[2] = { false };
    struct vital_threshold fail = { 2, 1.5, true, false };
    struct found_limit l = { &none, &fail, was, true };
    struct found f = { .class = VITAL_PASS };
    CHECK(!found_beyond(&f, &l, &(struct found_measure){ FOUND_COUNT, 2, 0, VITAL_R_THRESHOLD }, "load"));
    CHECK(found_beyond(&f, &l, &(struct found_measure){ FOUND_COUNT, 2.1, 0, VITAL_R_THRESHOLD }, "load"));
    CHECK_TEXT(f.worst, "load, fails above 2");
    f = (struct found){ .class = VITAL_PASS };
    CHECK(found_beyond(&f, &l, &(struct found_measure){ FOUND_COUNT, 1.6, 0, VITAL_R_THRESHOLD }, "load"));
    CHECK_TEXT(f.worst, "load, fails until 1.5");
}

TEST(sizes_as_people_read_them)
{
    static const struct { double bytes; const char *text; } cases[] = {
        { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1 KiB" }, { 1536, "1.5 KiB" }, { 42949672960.0, "40 GiB" },
        { 1048575, "1 MiB" }, { 123456789, "118 MiB" }, { 1.8e19, "15.6 EiB" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char room[FOUND_AMOUNT];
        CHECK_TEXT(found_bytes(cases[i].bytes, room), cases[i].text);
    }
}

TEST(long_findings_are_cut_not_overrun)
{
    struct found f = { .class = VITAL_PASS };
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    for (int i = 0; i < 5; i++)
        found_add(&f, i & 1 ? VITAL_FAIL : VITAL_WARN, VITAL_R_AGE, "%s", long_text);
    CHECK_INT(strlen(f.worst), FOUND_TEXT - 1);
    CHECK_INT(strlen(f.others), FOUND_TEXT - 1);
}
