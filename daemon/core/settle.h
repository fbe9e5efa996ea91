/* Settling: how a row of outcomes becomes a state. Pure arithmetic: no clock, no probe, no log.
 *
 * Two independent lines: "at least warn?" and "fail?". Each turns bad after `fall` consecutive outcomes beyond it and
 * good after `rise` consecutive ones within it; both bad is down, only the first is degraded, none is up. */
#ifndef CORE_SETTLE_H
#define CORE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/outcome.h"

struct settle_rule { uint8_t rise, fall; };
struct settle_line { bool bad; uint8_t run; };      /* run: consecutive outcomes that contradict `bad` */
struct settle { bool known; struct settle_line line[2]; };

enum level settle_step(struct settle *, const struct settle_rule *, enum level seen);
void settle_set(struct settle *, enum level);       /* as if it had settled there: `initial:` */
enum level settle_level(const struct settle *);
bool settle_is_contradicted(const struct settle *);
/* After the rule changed: the next contradicting outcome settles at the latest. */
void settle_clamp(struct settle *, const struct settle_rule *);

/* What the next settling would be: "have of need towards level". */
struct settle_run { enum level towards; unsigned have, need; };
bool settle_run(const struct settle *, const struct settle_rule *, struct settle_run *);     /* false: nothing contradicts */

#endif
