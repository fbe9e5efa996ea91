/* Text to number, hashed: for the names of a configuration that may hold 100,000 of them. Lives in an arena; keys are not copied. */
#ifndef CONFIG_NAMES_H
#define CONFIG_NAMES_H

#include <stdint.h>

struct arena;

#define NAMES_NONE UINT32_MAX

struct names {
    struct name_slot { const char *text; uint32_t value; } *slots;
    uint32_t room, count;
};

void names_put(struct names *, struct arena *, const char *text, uint32_t value);   /* replaces the value of a known name */
uint32_t names_get(const struct names *, const char *text);                         /* NAMES_NONE when absent */

#endif
