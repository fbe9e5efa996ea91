#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

enum { SLEPT_TRIES = 8 };
#define SLEPT_SURE (10 * USEC_MS)

static uint64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t real_now(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

static uint64_t real_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

static uint64_t (*now_source)(void) = real_now;
static uint64_t (*wall_source)(void) = real_wall;
static uint64_t between;                 /* clock_to_wall(); 0 = not known yet */

void clock_replace(uint64_t (*now)(void), uint64_t (*wall)(void))
{
    between = 0;
    now_source = now ? now : real_now;
    wall_source = wall ? wall : real_wall;
}

uint64_t clock_now(void)
{
    return now_source();
}

uint64_t clock_wall(void)
{
    return wall_source();
}

/* Two clocks, read one after the other: if we were stopped in between, that would pass for sleep. */
uint64_t clock_slept(void)
{
    uint64_t slept = 0;
    for (unsigned tries = 0; now_source == real_now && tries < SLEPT_TRIES; tries++) {
        uint64_t before = read_clock(CLOCK_MONOTONIC);
        slept = real_now() - before;
        if (read_clock(CLOCK_MONOTONIC) - before < SLEPT_SURE)
            break;
    }
    return slept;
}

uint64_t clock_to_wall(void)
{
    uint64_t before = now_source(), wall = wall_source(), spent = now_source() - before;
    uint64_t found = wall - before, apart = found > between ? found - between : between - found;
    if (!between || apart > spent + USEC_MS)
        between = found;
    return between;
}

uint64_t clock_wall_of(uint64_t when)
{
    return when == 0 || when == TIME_NEVER ? when : when + clock_to_wall();
}

const char *clock_iso(uint64_t wall, char out[CLOCK_TEXT])
{
    time_t seconds = (time_t)(wall / USEC_S);
    struct tm t;
    gmtime_r(&seconds, &t);
    size_t n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out + n, CLOCK_TEXT - n, ".%03uZ", (unsigned)(wall / USEC_MS % 1000));
    return out;
}

const char *clock_span(uint64_t usec, char out[CLOCK_TEXT])
{
    uint64_t s = usec / USEC_S;
    if (usec < USEC_MS)
        snprintf(out, CLOCK_TEXT, "%uus", (unsigned)usec);
    else if (usec < USEC_S)
        snprintf(out, CLOCK_TEXT, "%ums", (unsigned)(usec / USEC_MS));
    else if (s < 10 && usec % USEC_S >= 100 * USEC_MS)
        snprintf(out, CLOCK_TEXT, "%u.%us", (unsigned)s, (unsigned)(usec % USEC_S / (100 * USEC_MS)));
    else if (s < 60)
        snprintf(out, CLOCK_TEXT, "%us", (unsigned)s);
    else if (s < 3600)
        snprintf(out, CLOCK_TEXT, s % 60 ? "%um%us" : "%um", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(out, CLOCK_TEXT, s / 60 % 60 ? "%uh%um" : "%uh", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    else
        snprintf(out, CLOCK_TEXT, s / 3600 % 24 ? "%ud%uh" : "%ud", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
    return out;
}
