#include "unit.h"

#include <errno.h>

#include "judge.h"
#include "fake_host.h"

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
    struct found j = { .class = VITAL_PASS };
    CHECK(judge_file(&j, &(struct vital_file){ .error = 0 }, "/x"));
    CHECK(!judge_file(&j, &(struct vital_file){ .hung = true, .error = ETIMEDOUT }, "/x"));
    CHECK_INT(j.reason, VITAL_R_HUNG);
    CHECK_INT(judge_errno(ENOSPC), VITAL_R_FULL);
    CHECK_INT(judge_errno(ENOTCONN), VITAL_R_IO_ERROR);
    j = (struct found){ .class = VITAL_PASS };
    CHECK(!judge_file(&j, &(struct vital_file){ .error = EMFILE }, "/x"));
    CHECK_INT(j.class, VITAL_INTERNAL);
}
