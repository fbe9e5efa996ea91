/* Time, in microseconds, from a source that tests replace.
 *
 * One clock rules the engine: CLOCK_BOOTTIME. It never jumps, and it goes on while the machine sleeps, so a
 * result that is old after a suspend looks old. Wall time is for people only and is never compared. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define USEC_MS UINT64_C(1000)
#define USEC_S UINT64_C(1000000)
#define TIME_NEVER UINT64_MAX

uint64_t clock_now(void);                      /* CLOCK_BOOTTIME */
uint64_t clock_wall(void);                     /* since 1970, UTC */
uint64_t clock_slept(void);                    /* how much of clock_now() the machine was suspended for */
/* What to add to clock_now() for wall time; it wraps, where 1970 is nearer than the boot. The two are read one after the
 * other, so that each reading gives another difference: it stays the same until the wall clock really was set, else one
 * moment would have a new time at every look, and who counts changes of our start would count restarts. */
uint64_t clock_to_wall(void);
uint64_t clock_wall_of(uint64_t when);         /* wall time of a moment of clock_now(); 0 and TIME_NEVER stay as they are */

/* The simulation's clock: both functions or NULL for the real ones. */
void clock_replace(uint64_t (*now)(void), uint64_t (*wall)(void));

enum { CLOCK_TEXT = 32 };
const char *clock_iso(uint64_t wall, char out[CLOCK_TEXT]);          /* 2026-11-20T18:09:07.123Z */
const char *clock_span(uint64_t usec, char out[CLOCK_TEXT]);         /* 41s, 1.5s, 3m20s, 2d4h */

#endif
