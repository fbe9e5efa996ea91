#include "core/outcome.h"

ENUM_TEXT(level, LEVEL_COUNT, "pass", "warn", "fail")
ENUM_TEXT(state, STATE_COUNT, "unknown", "up", "degraded", "down")
ENUM_TEXT(mode, MODE_COUNT, "normal", "paused", "maintenance", "forced")
ENUM_TEXT(vital_class, VITAL_CLASS_COUNT, "pass", "warn", "fail", "internal")
ENUM_TEXT(why, WHY_COUNT, "members", "starting", "draining", "stalled")

#define CODE(name, code, text) code,
ENUM_TEXT(reason, VITAL_REASON_COUNT, VITAL_REASONS(CODE))
#undef CODE

const char *reason_sentence(enum vital_reason reason)
{
    static const char *const sentences[] = {
#define SENTENCE(name, code, text) text,
        VITAL_REASONS(SENTENCE)
#undef SENTENCE
    };
    return (unsigned)reason < VITAL_REASON_COUNT ? sentences[reason] : "?";
}
