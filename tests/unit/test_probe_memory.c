#include "unit.h"

#include "builtin.h"
#include "fake_host.h"

/* The numbers of this very host: what matters is that they hang together and that thresholds act on them. */

TEST(the_host_is_measured)
{
    fake_probe(&memory_module, "scope", "host", "warn_below", "0%", "fail_below", "0%", NULL);
    fake_start();
    CHECK(fake.finished);
    CHECK_INT(fake.class, VITAL_PASS);
    double total = fake_number("total_bytes"), available = fake_number("available_bytes");
    CHECK(total > 1e6 && available > 0 && available <= total);
    CHECK(fabs(fake_number("available_ratio") - available / total) < 1e-9);
    CHECK(fabs(fake_number("used_bytes") - (total - available)) < 1);
    CHECK(strstr(fake.text, "of the host") != NULL);
    fake_end();
}

TEST(thresholds_name_what_they_are)
{
    fake_probe(&memory_module, "scope", "host", "warn_below", "100%", "fail_below", "0%", NULL);
    fake_start();
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_INT(fake.reason, VITAL_R_THRESHOLD);
    CHECK(strstr(fake.text, "of the host, warns below 100%") != NULL);
    fake_end();
}

TEST(sizes_are_thresholds_too)
{
    fake_probe(&memory_module, "scope", "host", "fail_below", "900000GiB", NULL);
    fake_start();
    CHECK_INT(fake.class, VITAL_FAIL);
    CHECK(strstr(fake.text, "fails below 879 TiB") != NULL);
    fake_end();
}

TEST(a_cgroup_that_is_not_there_is_no_failure_and_no_pass)
{
    fake_probe(&memory_module, "scope", "/no/such/cgroup.slice", NULL);
    fake_start();
    CHECK_INT(fake.class, VITAL_WARN);
    CHECK_INT(fake.reason, VITAL_R_NOT_AVAILABLE);
    CHECK(strstr(fake.text, "not available: ") == fake.text);
    fake_end();
}

TEST(auto_always_finds_something)
{
    fake_probe(&memory_module, "warn_below", "0%", "fail_below", "0%", NULL);
    fake_start();
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK(fake_number("total_bytes") > 1e6);
    fake_end();
}

TEST(scopes_are_checked)
{
    fake_probe(&memory_module, "scope", "hots", NULL);
    CHECK(!fake_prepare());
    CHECK(strstr(fake.diag, "\"hots\"") != NULL);
    fake_set("scope", "/system.slice");
    CHECK(fake_prepare());
}

TEST(a_warning_that_never_comes_is_told)
{
    fake_probe(&memory_module, "warn_below", "5%", "fail_below", "10%", NULL);
    CHECK(fake_prepare());
    CHECK_INT(fake.warnings, 1);
    CHECK(strstr(fake.diag, "warn_below: never comes into play") == fake.diag);
}
