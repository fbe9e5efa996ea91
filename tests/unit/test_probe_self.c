#include "unit.h"

#include "base/clock.h"
#include "builtin.h"
#include "fake_host.h"

TEST(a_loop_that_advances_passes)
{
    fake_probe(&self_module, NULL);
    fake.self = (struct vital_self){ .loop_lag = 500, .loop_lag_max = 1500000, .scheduler_age = 12, .resident_bytes = 4 << 20, .fds = 20,
                                     .fds_limit = 1024, .threads = 3, .helpers = 4, .helpers_stuck = 4, .children = 1 };
    fake_start();
    CHECK_INT(fake.class, VITAL_PASS);                      /* stuck helpers or not */
    CHECK_TEXT(fake.text, "loop 1.5s late at most, 4 MiB of memory, 20 file descriptors");
    CHECK_INT(fake_number("helpers_stuck"), 4);
    CHECK(fabs(fake_number("loop_lag_max_seconds") - 1.5) < 1e-9);
    CHECK_INT(fake_number("threads"), 3);
    CHECK_INT(fake_number("children"), 1);
    fake_end();
}

TEST(a_loop_that_stood_still_fails)
{
    fake_probe(&self_module, NULL);
    fake.self = (struct vital_self){ .scheduler_age = 31 * USEC_S, .fds_limit = 1024 };
    fake_start();
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_OWN_LAG);
    fake.self = (struct vital_self){ .loop_lag = 31 * USEC_S, .fds_limit = 1024 };
    fake_start();
    CHECK_INT(fake.class, VITAL_FAIL);
    fake_end();
}

TEST(descriptors_run_out_with_a_warning)
{
    fake_probe(&self_module, "resident_warn_above", "1GiB", NULL);
    fake.self = (struct vital_self){ .fds = 900, .fds_limit = 1000, .resident_bytes = 2u << 30 };
    fake_start();
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_TEXT(fake.text, "vitald uses 900 of 1000 file descriptors, warns above 80%; vitald uses 2 GiB of memory, warns above 1 GiB");
    fake_end();
}

TEST(lost_helpers_are_told)
{
    fake_probe(&self_module, NULL);
    fake.self = (struct vital_self){ .fds_limit = 1024, .helpers_lost = true };
    fake_start();
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_INT(fake.reason, VITAL_R_NO_HELPER);
    fake_end();
}
