#include "unit.h"

#include "core/settle.h"

static const char letters[] = "PWF";

static void run(unsigned rise, unsigned fall, const char *outcomes, const char *states)
{
    struct settle s = { 0 };
    const struct settle_rule rule = { .rise = (uint8_t)rise, .fall = (uint8_t)fall };
    char got[32] = "";
    for (unsigned i = 0; outcomes[i]; i++) {
        enum level seen = (enum level)(strchr(letters, outcomes[i]) - letters);
        got[i] = letters[settle_step(&s, &rule, seen)];
    }
    CHECK_TEXT(got, states);
}

TEST(the_sequences_of_the_design)
{
    run(2, 3, "PWFFPP", "PPPWWP");
    run(2, 3, "PFFFWWFFF", "PPPFFWWWF");
    run(2, 3, "PFFWWFFF", "PPPWWWWF");
    run(2, 3, "PFPFPF", "PPPPPP");
    run(1, 1, "FWPF", "FWPF");
}

/* The same rule told another way: keeps the whole history, and looks back from its end. */
enum { LONGEST = 9 };

static bool line_of(const unsigned *seen, unsigned count, unsigned line, unsigned rise, unsigned fall)
{
    bool bad = seen[0] > line;
    unsigned since = 0; /* outcomes before this one are used up: the line turned there, or was confirmed */
    for (unsigned i = 1; i < count; i++) {
        if ((seen[i] > line) == bad) {
            since = i;
            continue;
        }
        unsigned straight = i - since;
        if (straight >= (bad ? rise : fall)) {
            bad = !bad;
            since = i;
        }
    }
    return bad;
}

static unsigned model(const unsigned *seen, unsigned count, unsigned rise, unsigned fall)
{
    return (unsigned)line_of(seen, count, 0, rise, fall) + (unsigned)line_of(seen, count, 1, rise, fall);
}

static unsigned settled(const unsigned *seen, unsigned count, const struct settle_rule *rule)
{
    struct settle s = { 0 };
    enum level level = LEVEL_PASS;
    for (unsigned i = 0; i < count; i++)
        level = settle_step(&s, rule, (enum level)seen[i]);
    return level;
}

static void check_one(const unsigned *seen, unsigned count, const struct settle_rule *rule)
{
    unsigned got = settled(seen, count, rule);
    if (got != model(seen, count, rule->rise, rule->fall))
        CHECK(!"equals the plain model");
    if (count < LONGEST)
        return;
    for (unsigned i = 0; i < count; i++) { /* monotone: one outcome worse never makes the state better */
        unsigned worse[LONGEST];
        memcpy(worse, seen, sizeof worse);
        if (++worse[i] < LEVEL_COUNT && settled(worse, count, rule) < got)
            CHECK(!"monotone");
    }
    unsigned straight = 0;
    while (straight < count && seen[count - 1 - straight] == LEVEL_FAIL)
        straight++;
    if (straight >= rule->fall && got != LEVEL_FAIL)
        CHECK(!"`fall` straight fails settle");
}

TEST(every_sequence_to_length_nine)
{
    for (unsigned rise = 1; rise <= 4; rise++)
        for (unsigned fall = 1; fall <= 4; fall++)
            for (unsigned count = 1; count <= LONGEST; count++) {
                const struct settle_rule rule = { .rise = (uint8_t)rise, .fall = (uint8_t)fall };
                unsigned seen[LONGEST] = { 0 }, at = 0;
                while (at < count) { /* counts in base three */
                    check_one(seen, count, &rule);
                    for (at = 0; at < count && ++seen[at] == LEVEL_COUNT; at++)
                        seen[at] = 0;
                }
            }
}

static struct settle after(const struct settle_rule *rule, const char *outcomes)
{
    struct settle s = { 0 };
    for (; *outcomes; outcomes++)
        settle_step(&s, rule, (enum level)(strchr(letters, *outcomes) - letters));
    return s;
}

TEST(the_run_tells_what_comes_next)
{
    const struct settle_rule rule = { .rise = 2, .fall = 3 };
    struct settle_run r;
    struct settle s = after(&rule, "P");
    CHECK(!settle_run(&s, &rule, &r) && !settle_is_contradicted(&s));
    s = after(&rule, "PFF");
    CHECK(settle_run(&s, &rule, &r) && settle_is_contradicted(&s));
    CHECK_INT(r.towards, LEVEL_FAIL);
    CHECK_INT(r.have, 2);
    CHECK_INT(r.need, 3);
    s = after(&rule, "PWF");
    CHECK(settle_run(&s, &rule, &r));
    CHECK_INT(r.towards, LEVEL_WARN);
    CHECK_INT(r.have, 2);
    s = after(&rule, "FP");
    CHECK(settle_run(&s, &rule, &r));
    CHECK_INT(r.towards, LEVEL_PASS);
    CHECK_INT(r.have, 1);
    CHECK_INT(r.need, 2);
    s = after(&rule, "FW");
    CHECK(settle_run(&s, &rule, &r));
    CHECK_INT(r.towards, LEVEL_WARN);
    s = after(&rule, "WP");
    CHECK(settle_run(&s, &rule, &r));
    CHECK_INT(r.towards, LEVEL_PASS);
    const struct settle_rule slow = { .rise = 3, .fall = 3 };
    s = after(&slow, "FWP");
    CHECK(settle_run(&s, &slow, &r));
    CHECK_INT(r.towards, LEVEL_WARN);
    CHECK_INT(r.have, 2);
    s = after(&rule, "WF");
    CHECK(settle_run(&s, &rule, &r));
    CHECK_INT(r.towards, LEVEL_FAIL);
    CHECK_INT(r.need, 3);
}

TEST(settled_by_decree)
{
    const struct settle_rule rule = { .rise = 2, .fall = 3 };
    for (unsigned level = LEVEL_PASS; level < LEVEL_COUNT; level++) {
        struct settle s = { 0 };
        settle_set(&s, (enum level)level);
        CHECK(s.known);
        CHECK_INT(settle_level(&s), level);
    }
    struct settle s = { 0 };
    settle_set(&s, LEVEL_PASS);
    CHECK_INT(settle_step(&s, &rule, LEVEL_FAIL), LEVEL_PASS);
    CHECK_INT(settle_step(&s, &rule, LEVEL_FAIL), LEVEL_PASS);
    CHECK_INT(settle_step(&s, &rule, LEVEL_FAIL), LEVEL_FAIL);
}

TEST(a_stricter_rule_needs_one_more_outcome)
{
    const struct settle_rule loose = { .rise = 5, .fall = 5 }, strict = { .rise = 2, .fall = 2 };
    struct settle s = after(&loose, "PFFFF");
    settle_clamp(&s, &strict);
    CHECK_INT(settle_level(&s), LEVEL_PASS);
    CHECK_INT(s.line[1].run, 1);
    CHECK_INT(settle_step(&s, &strict, LEVEL_FAIL), LEVEL_FAIL);
    s = after(&loose, "FPPPP");
    settle_clamp(&s, &strict);
    CHECK_INT(s.line[0].run, 1);
    CHECK_INT(settle_step(&s, &strict, LEVEL_PASS), LEVEL_PASS);
    const struct settle_rule reached = { .rise = 5, .fall = 4 };
    s = after(&loose, "PFFFF");
    settle_clamp(&s, &reached);
    CHECK_INT(s.line[0].run, 3);
    s = after(&loose, "PF");
    settle_clamp(&s, &strict);
    CHECK_INT(s.line[0].run, 1);
}
