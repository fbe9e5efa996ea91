#include "unit.h"

#include "base/buf.h"
#include "ctl/fetch.h"
#include "ctl/health.c"

static const char *said(void (*how)(struct buf *, const struct fetch *), const char *document)
{
    static struct buf out = { .max = 16 * 1024 };
    struct fetch f = { .body = BUF(64 * 1024) };
    buf_text(&f.body, document);
    buf_reset(&out);
    how(&out, &f);
    buf_free(&f.body);
    return out.len ? out.data : "";
}

#define CHECKS(text) "{\"status\":\"fail\",\"checks\":{" text "}}"
#define ENTRY(name, measure, value, unit, status, output) \
    "\"" name ":" measure "\":[{\"componentId\":\"" name "\",\"observedValue\":" value ",\"observedUnit\":\"" unit "\",\"status\":\"" status "\",\"output\":\"" output "\"}]"

TEST(summary_names_what_is_wrong_once_and_first)
{
    CHECK_TEXT(said(health_summary, "{\"status\":\"fail\",\"notes\":[\"draining\",\"forced\"]}"), "draining, forced");
    CHECK_TEXT(said(health_summary, CHECKS(ENTRY("db", "responseTime", "1", "ms", "fail", "refused: no") "," ENTRY("db", "lag", "1", "", "fail", "refused: no") ","
                                           ENTRY("web", "responseTime", "1", "ms", "pass", "") "," ENTRY("c", "responseTime", "1", "ms", "warn", "slow"))),
               "db: refused: no; c: slow");
    CHECK_TEXT(said(health_summary, CHECKS(ENTRY("a", "r", "1", "", "fail", "1") "," ENTRY("b", "r", "1", "", "fail", "2") "," ENTRY("c", "r", "1", "", "fail", "3") ","
                                           ENTRY("d", "r", "1", "", "fail", "4") "," ENTRY("e", "r", "1", "", "fail", "5"))), "a: 1; b: 2; c: 3 (and 2 more)");
    CHECK_TEXT(said(health_lines, CHECKS(ENTRY("db", "responseTime", "1", "ms", "fail", "refused") "," ENTRY("web", "responseTime", "1", "ms", "warn", "slow"))),
               "  [fail] db: refused\n  [warn] web: slow\n");
}

TEST(numbers_carry_units_and_cannot_break_the_line)
{
    CHECK_TEXT(said(health_numbers, CHECKS(ENTRY("db", "responseTime", "1.25", "ms", "pass", "") "," ENTRY("r", "available_ratio", "0.5", "ratio", "pass", "") ","
                                           ENTRY("r", "free_bytes", "1024", "bytes", "pass", "") "," ENTRY("q", "age_seconds", "3", "seconds", "pass", "") ","
                                           ENTRY("x", "perf/a'b=c|d\\n", "7", "", "pass", ""))),
               " 'db responseTime'=1.25ms 'r available_ratio'=50% 'r free_bytes'=1024B 'q age_seconds'=3s 'x perf/a_b_c_d_'=7");
}

TEST(strangers_documents_say_nothing_and_do_no_harm)
{
    static const char *const odd[] = { "", "[]", "1", "{", "{\"checks\":[]}", "{\"checks\":{\"a\":1}}", "{\"checks\":{\"a\":[]}}", "{\"checks\":{\"a\":[{}]}}",
                                       "{\"notes\":{\"a\":1}}", "{\"notes\":[1,null]}" };
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++)
        CHECK_TEXT(said(health_numbers, odd[i]), "");
    CHECK_TEXT(said(health_summary, odd[9]), "");
    struct buf many = BUF(256 * 1024);
    buf_text(&many, "{\"checks\":{");
    for (unsigned i = 0; i < 1000; i++)
        buf_printf(&many, "%s\"p%u:x\":[{\"componentId\":\"p%u\",\"observedValue\":1,\"status\":\"fail\"}]", i ? "," : "", i, i);
    buf_text(&many, "}}");
    struct fetch f = { .body = many };
    struct buf out = BUF(16 * 1024);
    health_numbers(&out, &f);
    CHECK(!out.over && strstr(out.data, "'p63 x'=1") && !strstr(out.data, "'p64 x'"));
    buf_free(&out);
    buf_free(&many);
}
