/* The example module: what people copy has to be right. That its .so loads is tested with a running daemon. */
#include "unit.h"

#include "fake_host.h"
#include "skeleton.c"

static void greeted(const char *first, const char *second)
{
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    fake_open(io);
    fake_data(io, first);
    if (second)
        fake_data(io, second);
    CHECK(fake.finished);
}

TEST(a_greeting_in_any_portions)
{
    fake_probe(vital_module, "address", "127.0.0.1:25", "greeting", "220 ", NULL);
    greeted("220 hello\r\nmore", NULL);
    CHECK_INT(fake.class, VITAL_PASS);
    CHECK_TEXT(fake.text, "greeted with \"220 hello\"");
    CHECK_TEXT(fake_last(FAKE_STREAM)->dial.port, "25");
    greeted("22", "0 x\n");
    CHECK_INT(fake.class, VITAL_PASS);
    greeted("\r\n", NULL);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    greeted("554 go away\n", NULL);
    CHECK_INT(fake.reason, VITAL_R_MISMATCH);
    CHECK(!isnan(fake_number("greeting_seconds")));
    fake_end();
}

TEST(slow_warns_and_endless_fails)
{
    char endless[1000];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    fake_probe(vital_module, "address", "127.0.0.1:25", "slow", "100ms", NULL);
    fake_start();
    fake.now += 150000;
    fake_data(fake_io(FAKE_STREAM), "late\n");
    CHECK_INT(fake.reason, VITAL_R_SLOW);
    CHECK_TEXT(fake.text, "greeted with \"late\", but only after 150 ms");
    greeted(endless, NULL);
    CHECK_INT(fake.reason, VITAL_R_TOO_LARGE);
    fake_end();
}

TEST(a_stream_that_closes_is_the_engines_to_judge)
{
    fake_probe(vital_module, "address", "127.0.0.1:25", NULL);
    fake_start();
    fake_shut(fake_io(FAKE_STREAM), VITAL_R_REFUSED, "connection refused");
    CHECK_INT(fake.reason, VITAL_R_REFUSED);
    fake_end();
}
