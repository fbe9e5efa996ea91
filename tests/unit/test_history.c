#include "unit.h"

#include "core/history.h"

TEST(the_oldest_gives_way)
{
    struct history h = { 0 };
    CHECK_INT(h.count, 0);
    for (unsigned i = 0; i < HISTORY_MAX + 6; i++)
        history_add(&h, i % 4, i);
    CHECK_INT(h.count, HISTORY_MAX);
    for (unsigned i = 0; i < HISTORY_MAX; i++) {
        CHECK_INT(history_duration(&h, i), i + 6);
        CHECK_INT(history_class(&h, i), (i + 6) % 4);
    }
}

static uint64_t kept(uint64_t duration)
{
    struct history h = { 0 };
    history_add(&h, VITAL_INTERNAL, duration);
    CHECK_INT(history_class(&h, 0), VITAL_INTERNAL);
    return history_duration(&h, 0);
}

TEST(durations_are_kept_to_a_tenth_of_a_percent)
{
    for (uint64_t d = 0; d < 1024; d++)
        CHECK_INT(kept(d), d);
    for (uint64_t d = 1024; d < UINT32_MAX; d += 1 + d / 700) {
        uint64_t off = kept(d) > d ? kept(d) - d : d - kept(d);
        CHECK(off * 1000 <= d);
    }
    for (unsigned bit = 11; bit < 32; bit++) {
        CHECK_INT(kept(UINT64_C(1) << bit), UINT64_C(1) << bit);
        CHECK_INT(kept((UINT64_C(1) << bit) - 1), UINT64_C(1) << bit);   /* rounds into the next exponent */
    }
}

TEST(what_is_longer_than_an_hour_is_the_longest)
{
    CHECK_INT(kept(UINT64_MAX), kept(UINT32_MAX));
    CHECK(kept(UINT32_MAX) > UINT64_C(4290000000));
}
