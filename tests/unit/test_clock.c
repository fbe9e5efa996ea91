#include "unit.h"

#include <stdint.h>
#include <time.h>

#include "base/clock.h"

/* ---- the kernel's clocks, which this test turns: a microsecond a reading, and a stop of ours before some of them ---- */

#define SLEPT (5 * USEC_S)       /* by the machine, before all this */
#define STOP (60 * USEC_MS)

static uint64_t awake;           /* how long the machine has been, by its own account */
static unsigned readings;
static uint64_t stops;           /* bit n: before the n-th reading */

int clock_gettime(clockid_t id, struct timespec *t)
{
    awake += 1 + (stops >> readings & 1 ? STOP : 0);
    readings = readings < 63 ? readings + 1 : 63;
    uint64_t now = awake + (id == CLOCK_BOOTTIME ? SLEPT : 0);
    *t = (struct timespec){ .tv_sec = (time_t)(now / USEC_S), .tv_nsec = (long)(now % USEC_S * 1000) };
    return 0;
}

static uint64_t slept_with(uint64_t before)
{
    readings = 0;
    stops = before;
    return clock_slept();
}

TEST(a_stop_of_ours_is_no_sleep_of_the_machine)
{
    for (unsigned n = 0; n < 8; n++) {
        uint64_t slept = slept_with((uint64_t)1 << n);
        CHECK(slept >= SLEPT && slept < SLEPT + USEC_MS);
    }
}

TEST(whoever_is_stopped_at_every_step_gets_an_answer_all_the_same)
{
    uint64_t slept = slept_with(UINT64_MAX);
    CHECK(slept >= SLEPT && slept < SLEPT + 2 * STOP);
    CHECK(readings < 63);
}
