#include "unit.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "builtin.h"
#include "fake_host.h"

static struct vital_file of(uint64_t kind, uint64_t size, uint64_t age)
{
    return (struct vital_file){ .kind = kind, .size = size, .mtime_us = clock_wall() - age };
}

static void looked(uint64_t kind, uint64_t size, uint64_t age)
{
    struct vital_file f = of(kind, size, age);
    fake_start();
    CHECK_INT(fake_io(FAKE_FILE)->op, VITAL_STAT);
    fake_file_done(fake_io(FAKE_FILE), &f);
}

TEST(it_exists)
{
    fake_probe(&file_module, "path", "/x", NULL);
    looked(S_IFREG, 2048, 90 * USEC_S);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "/x: 2 KiB, changed 1m30s ago");
    CHECK_INT(fake_number("size_bytes"), 2048);
    CHECK(fake_number("age_seconds") >= 90);
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = ENOENT });
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = ETIMEDOUT, .hung = true });
    CHECK_INT(fake.reason, VITAL_R_HUNG);
    fake_end();
}

TEST(it_must_not_exist)
{
    fake_probe(&file_module, "path", "/x", "exists", "false", NULL);
    looked(S_IFREG, 0, 0);
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_TEXT(fake.text, "/x exists, and must not");
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = ENOENT });
    CHECK_INT(fake.class, VITAL_PASS);
    fake_start();                       /* cannot be seen is not absent */
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = EACCES });
    CHECK_INT(fake.reason, VITAL_R_PERMISSION);
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = ENOENT, .hung = true });
    CHECK_INT(fake.reason, VITAL_R_HUNG);
    fake_end();
}

TEST(ages_and_sizes)
{
    fake_probe(&file_module, "path", "/x", "min_age", "10s", "max_age", "1h", "min_size", "10", "max_size", "1KiB", NULL);
    looked(S_IFREG, 100, 60 * USEC_S);
    CHECK_INT(fake.class, VITAL_PASS);
    looked(S_IFREG, 100, 2 * USEC_S);
    CHECK_INT(fake.reason, VITAL_R_AGE);
    looked(S_IFREG, 100, 7200 * USEC_S);
    CHECK_INT(fake.reason, VITAL_R_AGE);
    CHECK(strstr(fake.text, "/x changed 2h") == fake.text);
    CHECK(strstr(fake.text, "expected at most 1h") != NULL);
    looked(S_IFREG, 9, 60 * USEC_S);
    CHECK_INT(fake.reason, VITAL_R_THRESHOLD);
    CHECK_TEXT(fake.text, "/x has 9 B, expected at least 10 B");
    looked(S_IFREG, 1025, 60 * USEC_S);
    CHECK_INT(fake.reason, VITAL_R_THRESHOLD);
    fake_end();
}

TEST(a_time_in_the_future_is_age_zero)
{
    fake_probe(&file_module, "path", "/x", "max_age", "1h", NULL);
    struct vital_file f = { .kind = S_IFREG, .mtime_us = clock_wall() + 3600 * USEC_S };
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &f);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_INT(fake_number("age_seconds"), 0);
    fake_end();
}

TEST(types)
{
    fake_probe(&file_module, "path", "/x", "type", "socket", NULL);
    looked(S_IFSOCK, 0, 0);
    CHECK_INT(fake.class, VITAL_PASS);
    looked(S_IFREG, 0, 0);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK_TEXT(fake.text, "/x is a file, expected a socket");
    fake_end();
}

TEST(content)
{
    fake_probe(&file_module, "path", "/x", "contains", "ready", "matches", "^state: \\w+$", "matches_not", "panic", NULL);
    static const struct { const char *content; enum vital_class class; } cases[] = {
        { "state: ready", VITAL_PASS }, { "state: gone", VITAL_FAIL }, { "ready", VITAL_FAIL }, { "", VITAL_FAIL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        looked(S_IFREG, 5, 0);
        CHECK(!fake.finished);
        CHECK_INT(fake_io(FAKE_FILE)->op, VITAL_READFILE);
        fake_file_text(fake_io(FAKE_FILE), cases[i].content);
        CHECK_INT(fake.class, cases[i].class);
        CHECK_INT(fake.reason, cases[i].class == VITAL_PASS ? VITAL_R_OK : VITAL_R_MISMATCH);
    }
    looked(S_IFIFO, 0, 0);              /* reading it could wait for ever */
    CHECK(fake.finished);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    looked(S_IFREG, 5, 0);
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = EACCES });
    CHECK_INT(fake.reason, VITAL_R_PERMISSION);
    fake_end();
}

TEST(contradictions_are_refused)
{
    static const char *const cases[][4] = {
        { "min_age", "2h", "max_age", "1h" }, { "min_size", "2KiB", "max_size", "1KiB" },
        { "exists", "false", "contains", "x" }, { "type", "directory", "contains", "x" },
    };
    fake_probe(&file_module, "path", "/x", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(fake.conf, 0, file_module.conf_size);
        fake_defaults(fake.conf, file_module.opts);
        fake_set(cases[i][0], cases[i][1]);
        fake_set(cases[i][2], cases[i][3]);
        CHECK(!fake_prepare());
    }
}
