#include "unit.h"

#include <errno.h>
#include <signal.h>

#include "builtin.h"
#include "fake_host.h"

static void ends(int status, const char *out)
{
    struct vital_exit e = { .status = status, .out = out, .len = strlen(out) };
    fake_start();
    fake_exit(fake_io(FAKE_CHILD), &e);
    CHECK(fake.finished);
}

static int code(int n) { return n << 8; }

TEST(nagios_codes)
{
    static const struct { int code; enum vital_class class; const char *out, *text; } cases[] = {
        { 0, VITAL_PASS, "OK - fine\nmore\n", "OK - fine" },
        { 1, VITAL_WARN, "WARNING - hm", "WARNING - hm" },
        { 2, VITAL_FAIL, "CRITICAL - no", "CRITICAL - no" },
        { 3, VITAL_FAIL, "UNKNOWN - what", "exit code 3: UNKNOWN - what" },
        { 127, VITAL_FAIL, "sh: x: not found", "exit code 127: sh: x: not found" },
        { 2, VITAL_FAIL, "", "exit code 2, no output" },
        { 0, VITAL_PASS, "\n", "exit code 0, no output" },
    };
    fake_probe(&exec_module, "command", "/bin/check", "command", "-x", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ends(code(cases[i].code), cases[i].out);
        CHECK_INT(fake.class, cases[i].class);
        CHECK_INT(fake.reason, cases[i].class == VITAL_PASS ? VITAL_R_OK : VITAL_R_EXIT);
        CHECK_TEXT(fake.text, cases[i].text);
        CHECK_INT(fake_number("exit_code"), cases[i].code);
    }
    CHECK_TEXT(fake.argv[0], "/bin/check");
    CHECK_TEXT(fake.argv[1], "-x");
    CHECK(!fake.argv[2]);
    fake_end();
}

TEST(other_codes_by_configuration)
{
    fake_probe(&exec_module, "command", "/bin/check", "codes.pass", "0", "codes.pass", "10-12", "codes.warn", "2", NULL);
    ends(code(11), "fine");
    CHECK_INT(fake.class, VITAL_PASS);
    ends(code(2), "so so");
    CHECK_INT(fake.class, VITAL_WARN);
    ends(code(1), "bad");
    CHECK_INT(fake.class, VITAL_FAIL);
    fake_end();
}

TEST(signals_and_starts_that_fail)
{
    fake_probe(&exec_module, "command", "/bin/check", NULL);
    ends(SIGSEGV, "going down");
    CHECK_INT(fake.reason, VITAL_R_SIGNAL);
    CHECK_TEXT(fake.text, "ended by signal 11 (SIGSEGV): going down");
    static const struct { int error; enum vital_class class; enum vital_reason reason; } cases[] = {
        { ENOENT, VITAL_FAIL, VITAL_R_NOT_FOUND }, { EACCES, VITAL_FAIL, VITAL_R_PERMISSION }, { EAGAIN, VITAL_INTERNAL, VITAL_R_NO_SPAWN },
        { ENOMEM, VITAL_INTERNAL, VITAL_R_NO_SPAWN }, { ENOEXEC, VITAL_FAIL, VITAL_R_IO_ERROR },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vital_exit e = { .error = cases[i].error, .out = "" };
        fake_start();
        fake_exit(fake_io(FAKE_CHILD), &e);
        CHECK_INT(fake.class, cases[i].class);
        CHECK_INT(fake.reason, cases[i].reason);
        CHECK(strstr(fake.text, "cannot start /bin/check") != NULL);
    }
    fake_end();
}

TEST(perfdata_becomes_numbers)
{
    fake_probe(&exec_module, "command", "/bin/check", NULL);
    ends(code(0), "fine|time=12ms size=3KB load=0.5 used=40% n=7c bad=x");
    CHECK_TEXT(fake.text, "fine");
    CHECK(fabs(fake_number_of("perf_seconds", "time") - 0.012) < 1e-9);
    CHECK_INT(fake_number_of("perf_bytes", "size"), 3000);
    CHECK(fabs(fake_number_of("perf", "load") - 0.5) < 1e-9);
    CHECK(fabs(fake_number_of("perf_ratio", "used") - 0.4) < 1e-9);
    CHECK_INT(fake_number_of("perf_events_total", "n"), 7);
    CHECK_INT(fake_number("perf_dropped"), 1);
    fake_end();
}

TEST(without_perfdata_a_bar_is_a_bar)
{
    fake_probe(&exec_module, "command", "/bin/check", "perfdata", "false", NULL);
    ends(code(0), "a|b=1");
    CHECK_TEXT(fake.text, "a|b=1");
    CHECK(isnan(fake_number("perf")));
    fake_end();
}

static char environment[512];

static struct vital_io *note_child(struct vital_probe *p, const struct vital_child *c, vital_exit_fn *fn, void *arg)
{
    environment[0] = 0;
    for (const char *const *e = c->env; *e; e++)
        snprintf(environment + strlen(environment), sizeof environment - strlen(environment), "%s|", *e);
    CHECK_TEXT(c->input, "feed");
    CHECK_INT(c->input_len, 4);
    CHECK_INT(c->cap, 4096);
    CHECK_TEXT(c->dir, "/tmp");
    return fake_spawn(p, c, fn, arg);
}

TEST(a_clean_environment)
{
    fake_probe(&exec_module, "command", "/bin/check", "env", "TOKEN=s3cret", "env", "LANG=de", "input", "feed", "dir", "/tmp", "output_cap", "4KiB", NULL);
    fake.host.spawn = note_child;
    fake_start();
    CHECK_TEXT(environment, "TOKEN=s3cret|LANG=de|PATH=/usr/bin:/bin|");
    fake_end();
}

TEST(a_spawn_that_is_refused_has_ended_the_attempt)
{
    fake_probe(&exec_module, "command", "/bin/check", NULL);
    fake_start();
    fake_finish(&fake.probe, VITAL_INTERNAL, VITAL_R_NO_HELPER, "busy");
    CHECK_INT(fake_open_count(), 0);
    fake_end();
}

TEST(configurations_that_cannot_work)
{
    fake_probe(&exec_module, "command", "check_disk", NULL);
    CHECK(!fake_prepare());
    CHECK(strstr(fake.diag, "command: ") == fake.diag);
    CHECK(strstr(fake.diag, "/usr/bin/check_disk") != NULL);
}

TEST(names_of_variables_are_checked)
{
    fake_probe(&exec_module, "command", "/bin/check", "env", "=x", NULL);
    CHECK(!fake_prepare());
}

TEST(arguments_are_not_shown_as_target)
{
    char room[64];
    fake_probe(&exec_module, "command", "/bin/check", "command", "--password=x", NULL);
    CHECK_TEXT(exec_module.target(fake.conf, room, sizeof room), "/bin/check");
}
