/* Words of the model and their texts; the closed table of reasons. */
#ifndef CORE_OUTCOME_H
#define CORE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/enumtext.h"
#include "vital_probe.h"

enum level { LEVEL_PASS, LEVEL_WARN, LEVEL_FAIL, LEVEL_COUNT };                /* pass warn fail */
enum state { STATE_UNKNOWN, STATE_UP, STATE_DEGRADED, STATE_DOWN, STATE_COUNT };   /* unknown up degraded down */
enum mode { MODE_NORMAL, MODE_PAUSED, MODE_MAINTENANCE, MODE_FORCED, MODE_COUNT }; /* normal paused maintenance forced */
ENUM_TEXT_DECLARE(level);
ENUM_TEXT_DECLARE(state);
ENUM_TEXT_DECLARE(mode);
ENUM_TEXT_DECLARE(vital_class);      /* pass warn fail internal */
ENUM_TEXT_DECLARE(reason);           /* the code of a vital_reason: "refused" */
const char *reason_sentence(enum vital_reason);

/* Why a group's verdict is what it is, when it is not its members' doing. */
enum why { WHY_MEMBERS, WHY_STARTING, WHY_DRAINING, WHY_STALLED, WHY_COUNT };       /* members starting draining stalled */
ENUM_TEXT_DECLARE(why);

enum { OUTCOME_TEXT_MAX = 512, OUTCOME_NUMBERS_MAX = 64, OUTCOME_LABEL_MAX = 64 };

#endif
