/* Enum to text and back, from one array whose length the compiler checks. */
#ifndef BASE_ENUMTEXT_H
#define BASE_ENUMTEXT_H

#include <string.h>

/* ENUM_TEXT(state, STATE_COUNT, "unknown", "up", ...) defines state_text(value) and state_from(text), -1 = no such. */
#define ENUM_TEXT(prefix, count, ...)                                                                   \
    static const char *const prefix##_texts[] = { __VA_ARGS__ };                                        \
    _Static_assert(sizeof prefix##_texts / sizeof *prefix##_texts == (count), #prefix " texts");        \
    const char *prefix##_text(unsigned value)                                                           \
    {                                                                                                   \
        return value < (count) ? prefix##_texts[value] : "?";                                           \
    }                                                                                                   \
    int prefix##_from(const char *text)                                                                 \
    {                                                                                                   \
        for (unsigned i = 0; i < (count); i++)                                                          \
            if (!strcmp(prefix##_texts[i], text))                                                       \
                return (int)i;                                                                          \
        return -1;                                                                                      \
    }

#define ENUM_TEXT_DECLARE(prefix)             \
    const char *prefix##_text(unsigned value); \
    int prefix##_from(const char *text)

#endif
