#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/timer.h"

static unsigned fired;
static uint64_t last_at;

static void note(struct timer *t, uint64_t now)
{
    CHECK(t->at <= now);
    CHECK(t->at >= last_at);
    CHECK(!timer_is_set(t));
    last_at = t->at;
    fired++;
}

static uint64_t jittery_now, jittery_wall;

static uint64_t now_and_on(void)
{
    return jittery_now += 3;
}

static uint64_t wall_and_on(void)
{
    return jittery_wall += 7;
}

TEST(a_moment_keeps_its_wall_time_until_the_clock_is_set)
{
    jittery_now = 1000;
    jittery_wall = 1795214405 * USEC_S;
    clock_replace(now_and_on, wall_and_on);
    uint64_t start = clock_wall_of(500);
    for (unsigned i = 0; i < 100; i++)
        CHECK(clock_wall_of(500) == start);
    jittery_wall += 2 * USEC_MS;
    CHECK(clock_wall_of(500) > start + USEC_MS);
    jittery_wall -= 3600 * USEC_S;
    CHECK(clock_wall_of(500) < start - 3599 * USEC_S);
    CHECK(clock_wall_of(0) == 0 && clock_wall_of(TIME_NEVER) == TIME_NEVER);
    clock_replace(NULL, NULL);
}

TEST(fires_in_order_whatever_the_moves)
{
    enum { N = 2000 };
    static struct timer timers[N];
    struct timer_heap heap = { 0 };
    unsigned left = N;
    srandom(7);
    for (unsigned i = 0; i < N; i++) {
        timer_init(&timers[i], note);
        timer_set(&heap, &timers[i], (uint64_t)random() % 100000);
    }
    for (unsigned i = 0; i < 20000; i++) {
        struct timer *t = &timers[random() % N];
        if (i % 5)
            timer_set(&heap, t, (uint64_t)random() % 100000);
        else
            timer_clear(&heap, t);
    }
    for (unsigned i = 0; i < N; i++)
        left -= !timer_is_set(&timers[i]);
    CHECK_INT(heap.count, left);
    for (uint64_t now = 0; now <= 100000; now += 100)
        timer_run(&heap, now);
    CHECK_INT(fired, left);
    CHECK_INT(timer_next(&heap), TIME_NEVER);
    timer_heap_free(&heap);
}

static struct timer_heap loop_heap;

static void again(struct timer *t, uint64_t now)
{
    fired++;
    timer_set(&loop_heap, t, now);
}

TEST(one_that_rearms_for_now_does_not_hold_the_run)
{
    struct timer t;
    timer_init(&t, again);
    timer_set(&loop_heap, &t, 5);
    timer_run(&loop_heap, 10);
    CHECK_INT(fired, 1);
    timer_run(&loop_heap, 10);
    CHECK_INT(fired, 2);
    timer_clear(&loop_heap, &t);
    timer_heap_free(&loop_heap);
}

TEST(spans_read_well)
{
    char text[CLOCK_TEXT];
    CHECK_TEXT(clock_span(41 * USEC_S, text), "41s");
    CHECK_TEXT(clock_span(1500 * USEC_MS, text), "1.5s");
    CHECK_TEXT(clock_span(200 * USEC_S, text), "3m20s");
    CHECK_TEXT(clock_span(52 * 3600 * USEC_S, text), "2d4h");
    CHECK_TEXT(clock_iso(UINT64_C(1795198147123000), text), "2026-11-20T18:09:07.123Z");
}
