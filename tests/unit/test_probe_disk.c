#include "unit.h"

#include <errno.h>
#include <fcntl.h>

#include "builtin.h"
#include "fake_host.h"

/* 1000 blocks of 4 KiB: `available` of them for us, 50 more for root. */
static struct vital_file space(uint64_t available, uint64_t inodes_free)
{
    return (struct vital_file){ .block_size = 4096, .blocks = 1000, .blocks_free = available + 50, .blocks_available = available,
                                .inodes = 100, .inodes_free = inodes_free };
}

static void measured(uint64_t available, uint64_t inodes_free)
{
    struct vital_file f = space(available, inodes_free);
    fake_start();
    CHECK_INT(fake_io(FAKE_FILE)->op, VITAL_STATFS);
    fake_file_done(fake_io(FAKE_FILE), &f);
}

TEST(space_is_counted_as_df_does)
{
    fake_probe(&disk_module, "path", "/", "watch", "false", NULL);
    measured(475, 100);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_INT(fake_number("size_bytes"), 950 * 4096);
    CHECK_INT(fake_number("available_bytes"), 475 * 4096);
    CHECK(fabs(fake_number("available_ratio") - 0.5) < 1e-9);
    CHECK_INT(fake_number("inodes_free"), 100);
    CHECK(strstr(fake.text, "50% of 3.7 MiB free on / (") == fake.text);
    measured(50, 100);
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_TEXT(fake.text, "5% of 3.7 MiB free on /, warns below 10%");
    measured(10, 100);
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_THRESHOLD);
    CHECK_TEXT(fake.text, "1% of 3.7 MiB free on /, fails below 5%");
    fake_end();
}

TEST(inodes_run_out_too)
{
    fake_probe(&disk_module, "path", "/", "watch", "false", NULL);
    measured(900, 3);
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_TEXT(fake.text, "3% of 100 inodes free on /, fails below 5%");
    struct vital_file btrfs = space(900, 0);
    btrfs.inodes = 0;
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &btrfs);
    CHECK_INT(fake.class, VITAL_PASS);
    fake_end();
}

TEST(what_can_be_wrong_with_a_path)
{
    static const struct { int error; bool hung; enum vital_reason reason; } cases[] = {
        { ENOENT, false, VITAL_R_NOT_FOUND }, { EACCES, false, VITAL_R_PERMISSION }, { EIO, false, VITAL_R_IO_ERROR },
        { ENOTCONN, false, VITAL_R_IO_ERROR }, { ETIMEDOUT, true, VITAL_R_HUNG },
    };
    fake_probe(&disk_module, "path", "/nowhere", "watch", "false", "write_test", "/nowhere", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vital_file f = { .error = cases[i].error, .hung = cases[i].hung };
        fake_start();
        fake_file_done(fake_io(FAKE_FILE), &f);
        CHECK(fake.finished);
        CHECK_INT(fake.class, VITAL_FAIL);
        CHECK_INT(fake.reason, cases[i].reason);
        CHECK(strstr(fake.text, "/nowhere") != NULL);
    }
    fake_end();
}

TEST(write_tests)
{
    fake_probe(&disk_module, "path", "/", "watch", "false", "write_test", "/var/tmp", NULL);
    measured(900, 90);
    CHECK(!fake.finished);
    CHECK_INT(fake_io(FAKE_FILE)->op, VITAL_WRITETEST);
    CHECK_TEXT(fake_io(FAKE_FILE)->text, "/var/tmp");
    fake.now += 250000;
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = 0 });
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK(fabs(fake_number("write_seconds") - 0.25) < 1e-9);
    static const struct { int error; enum vital_reason reason; } cases[] = { { EROFS, VITAL_R_READ_ONLY }, { ENOSPC, VITAL_R_FULL }, { EDQUOT, VITAL_R_FULL } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        measured(900, 90);
        fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .error = cases[i].error });
        CHECK_INT(fake.class, VITAL_FAIL);
        CHECK_INT(fake.reason, cases[i].reason);
        CHECK(strstr(fake.text, "write test in /var/tmp: ") == fake.text);
    }
    fake_end();
}

TEST(a_path_that_should_be_a_mount_point)
{
    fake_probe(&disk_module, "path", "/proc/self/", "mounted", "true", "watch", "false", NULL);
    measured(900, 90);
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_NOT_FOUND);
    CHECK_TEXT(fake.text, "nothing is mounted on /proc/self/");
    fake_set("path", "/proc/");
    measured(900, 90);
    CHECK_INT(fake.class, VITAL_PASS);
    fake_end();
}

TEST(a_file_system_without_a_size)
{
    fake_probe(&disk_module, "path", "/proc", "watch", "false", NULL);
    fake_start();
    fake_file_done(fake_io(FAKE_FILE), &(struct vital_file){ .block_size = 4096 });
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "/proc is on proc, which has no size");
    fake_end();
}

TEST(the_mount_table_is_watched_and_only_real_changes_count)
{
    fake_probe(&disk_module, "path", "/", NULL);
    measured(900, 90);
    struct vital_io *watch = fake_io(FAKE_WATCH);
    CHECK(watch->kept);
    CHECK_INT(watch->what, VITAL_PRIORITY);
    int fd = watch->fd;
    fake_ready(watch, VITAL_PRIORITY);
    CHECK_INT(fake.nudges, 0);          /* somebody else's mount */
    CHECK(fake_io(FAKE_WATCH) != watch);
    CHECK_INT(fake_io(FAKE_WATCH)->fd, fd);
    measured(900, 90);
    CHECK_INT(fake_open_count(), 1);    /* one watch, however many attempts */
    fake_end();
    CHECK_INT(fake_open_count(), 0);
    CHECK(fcntl(fd, F_GETFD) < 0);
}
