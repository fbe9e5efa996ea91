#include "unit.h"

#include "builtin.h"
#include "fake_host.h"

TEST(the_load_of_this_host)
{
    fake_probe(&load_module, "warn_above", "1000000", NULL);
    fake_start();
    CHECK(fake.finished);
    CHECK_INT(fake.class, VITAL_PASS);
    double cpus = fake_number("cpus");
    CHECK(cpus >= 1);
    CHECK(fabs(fake_number("load1_per_cpu") - fake_number("load1") / cpus) < 1e-9);
    CHECK(fake_number("load5") >= 0 && fake_number("load15") >= 0);
    CHECK(strstr(fake.text, "load ") == fake.text);
    fake_end();
}

TEST(a_threshold_below_zero_is_always_crossed)
{
    fake_probe(&load_module, "warn_above", "-1", "fail_above", "-1", NULL);
    fake_start();
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK_INT(fake.reason, VITAL_R_THRESHOLD);
    CHECK(strstr(fake.text, ", fails above -1") != NULL);
    fake_end();
}

TEST(pressure_is_measured_or_said_to_be_missing)
{
    fake_probe(&load_module, "warn_above", "1000000", "cpu_fail_above", "-1", "io_warn_above", "100%", NULL);
    fake_start();
    if (access("/proc/pressure/cpu", R_OK) == 0) {
        CHECK_INT(fake.class, VITAL_FAIL);
        CHECK(fake_number("cpu_pressure_ratio") >= 0);
        CHECK(strstr(fake.text, "waited for a processor") != NULL);
    } else {
        CHECK_INT(fake.reason, VITAL_R_NOT_AVAILABLE);
    }
    fake_end();
}
