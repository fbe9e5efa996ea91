/* The last outcomes of a probe, two bytes each: the class, and how long the attempt took to a tenth of a percent (to the
 * microsecond below 512). There is one per probe, and a picture carries them all: that is why they are packed. */
#ifndef CORE_HISTORY_H
#define CORE_HISTORY_H

#include <stdint.h>

#include "vital_probe.h"

enum { HISTORY_MAX = 64 };

struct history {
    uint16_t moments[HISTORY_MAX];      /* ring */
    uint8_t next, count;
};

void history_add(struct history *, enum vital_class, uint64_t duration);      /* microseconds; capped near an hour */
enum vital_class history_class(const struct history *, unsigned i);           /* 0 is the oldest, count - 1 the newest */
uint64_t history_duration(const struct history *, unsigned i);

#endif
