/* What an attempt has found: the worst finding gives class and reason and is said first, the others follow. */
#ifndef PROBES_REDIS_FOUND_H
#define PROBES_REDIS_FOUND_H

#include "vital_probe.h"

enum { REDIS_FOUND_TEXT = 320 };

struct redis_found {
    enum vital_class class;
    enum vital_reason reason;
    char worst[REDIS_FOUND_TEXT], others[REDIS_FOUND_TEXT];
};

void redis_found(struct redis_found *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Options in pairs: { warn_above: 80%, fail_above: 95% }. `was` is the hysteresis' memory: [0] warn, [1] fail. */
struct redis_ceiling { struct vital_threshold warn_above, fail_above; };
struct redis_floor { struct vital_threshold warn_below, fail_below; };

enum redis_unit { REDIS_COUNT, REDIS_BYTES, REDIS_TIME, REDIS_DAYS };

/* Compares part, or its share of whole where the threshold is a percentage (whole 0: unknown, all is well). The finding is
 * the text and then the limit: "..., warns above 80%". */
bool redis_above(struct redis_found *, const struct redis_ceiling *, bool was[2], enum redis_unit, double part, double whole,
                 enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 8, 9)));
bool redis_below(struct redis_found *, const struct redis_floor *, bool was[2], enum redis_unit, double part,
                 enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 7, 8)));

enum { REDIS_AMOUNT = 24 };
const char *redis_bytes(double bytes, char room[REDIS_AMOUNT]);        /* "1.5 GiB" */
const char *redis_span(double usec, char room[REDIS_AMOUNT]);          /* "0.4 ms", "12 s", "3 min" */

#endif
