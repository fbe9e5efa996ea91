#include "unit.h"

#include "perfdata.h"

static struct perfdata parsed(const char *out)
{
    static struct perfdata d;
    char *exact = malloc(strlen(out) + 1);     /* no terminator to lean on */
    memcpy(exact, out, strlen(out));
    perfdata_parse(exact, strlen(out), &d);
    free(exact);
    return d;
}

static void check_value(const struct perfdata *d, unsigned i, const char *label, enum perfdata_unit unit, double value)
{
    CHECK(i < d->count);
    CHECK_TEXT(d->values[i].label, label);
    CHECK_INT(d->values[i].unit, unit);
    CHECK(fabs(d->values[i].value - value) <= 1e-9 * fabs(value));
}

TEST(what_real_plugins_print)
{
    struct perfdata d = parsed("DISK OK - free space: / 3326 MB (56%);|/=2643MB;5948;5958;0;5968\n"
                               "/boot 68 MB (69%);\n| /boot=68MB;88;93;0;98\n'/home/a b'=69357KB;253404;253409;0;253414\n");
    CHECK_TEXT(d.line, "DISK OK - free space: / 3326 MB (56%);");
    CHECK_INT(d.count, 3);
    check_value(&d, 0, "/", PERFDATA_BYTES, 2643e6);
    check_value(&d, 1, "/boot", PERFDATA_BYTES, 68e6);
    check_value(&d, 2, "/home/a b", PERFDATA_BYTES, 69357e3);
    d = parsed("PING OK - Packet loss = 0%, RTA = 0.80 ms|rta=0.80ms;100;500;0 pl=0%;20;60;0;100\n");
    check_value(&d, 0, "rta", PERFDATA_SECONDS, 0.0008);
    check_value(&d, 1, "pl", PERFDATA_RATIO, 0);
    d = parsed("OK|requests=12345c load1=0.150;5;10;0; time=2us temp=-3.5 big=1e6B half=50%");
    CHECK_INT(d.count, 6);
    check_value(&d, 0, "requests", PERFDATA_COUNTER, 12345);
    check_value(&d, 2, "time", PERFDATA_SECONDS, 2e-6);
    check_value(&d, 3, "temp", PERFDATA_PLAIN, -3.5);
    check_value(&d, 4, "big", PERFDATA_BYTES, 1e6);
    check_value(&d, 5, "half", PERFDATA_RATIO, 0.5);
    CHECK_INT(d.dropped, 0);
}

TEST(quotes_and_unknowns)
{
    struct perfdata d = parsed("x|'it''s'=1 unknown=U;1;2 'open=3");
    CHECK_INT(d.count, 1);
    check_value(&d, 0, "it's", PERFDATA_PLAIN, 1);
    CHECK_INT(d.dropped, 1);
}

TEST(malformed_values_are_dropped_and_counted)
{
    static const char *const bad[] = { "=1", "a", "a=", "a=x", "a=1,5", "a=0x10", "a=nan", "a=inf", "a=1e999", "a=1e308KB", "a=1.2.3", "a=--1", "a=1parsec",
                                       "a=1verylongunit", "a=.", "a=1e", "a=99999999999999999999999999999999999999999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[128];
        snprintf(line, sizeof line, "x|%s good=7", bad[i]);
        struct perfdata d = parsed(line);
        CHECK_INT(d.count, 1);
        CHECK_INT(d.dropped, 1);
        check_value(&d, 0, "good", PERFDATA_PLAIN, 7);
        if (d.count != 1)
            fprintf(stderr, "  with %s\n", bad[i]);
    }
}

TEST(bounds)
{
    static char out[40000];
    size_t n = (size_t)snprintf(out, sizeof out, "OK|a=1 a=2");
    for (unsigned i = 0; i < 1000; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, " label%u=%u", i, i);
    struct perfdata d = parsed(out);
    CHECK_INT(d.count, PERFDATA_MAX);
    CHECK_INT(d.dropped, 1002 - PERFDATA_MAX);
    check_value(&d, 0, "a", PERFDATA_PLAIN, 1);
    memset(out, 'x', 1000);
    snprintf(out + 1000, 100, "|%.*s=1", 90, out);
    d = parsed(out);
    CHECK_INT(strlen(d.line), PERFDATA_LINE - 1);
    CHECK_INT(strlen(d.values[0].label), PERFDATA_LABEL - 1);
    d = parsed("");
    CHECK_TEXT(d.line, "");
    d = parsed("|\n|");
    CHECK_INT(d.count, 0);
}

TEST(odd_forms)
{
    struct perfdata d = parsed("x|a=+1 b=1E3 c=1e+2 d=1e-2 e=.5");
    CHECK_INT(d.count, 5);
    check_value(&d, 0, "a", PERFDATA_PLAIN, 1);
    check_value(&d, 1, "b", PERFDATA_PLAIN, 1000);
    check_value(&d, 2, "c", PERFDATA_PLAIN, 100);
    check_value(&d, 3, "d", PERFDATA_PLAIN, 0.01);
    check_value(&d, 4, "e", PERFDATA_PLAIN, 0.5);
    d = parsed("x|a=1\tb=2\r\nOK\n|c=3;\t'd'");
    CHECK_INT(d.count, 3);
    CHECK_INT(d.dropped, 1);
    static const char *const bad[] = { "a=e5", "a=1+1", "a=1-", "a=E", "a=", "'a'", "'a", "a=1e5e5", "''=1", "a=1E+-2", "a=1/s", "a=1:" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64];
        snprintf(line, sizeof line, "x|%s", bad[i]);
        d = parsed(line);
        CHECK_INT(d.count, 0);
        CHECK_INT(d.dropped, 1);
    }
    d = parsed("x|a=1e");
    CHECK_INT(d.count + d.dropped, 1);
    d = parsed("x|a=");
    CHECK_INT(d.dropped, 1);
    d = parsed("x|a=U");
    CHECK_INT(d.count + d.dropped, 0);
    char nul[] = "x|a=1\0b=2 c=1e\0";
    perfdata_parse(nul, sizeof nul - 1, &d);
    CHECK_INT(d.count, 2);
    static char wide[1000];
    memset(wide, 'x', sizeof wide);
    memcpy(wide, "x|", 2);
    memcpy(wide + 990, "=7", 3);
    d = parsed(wide);
    CHECK_INT(d.count, 1);
    CHECK_INT(strlen(d.values[0].label), PERFDATA_LABEL - 1);
}
