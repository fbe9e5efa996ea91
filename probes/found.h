/* What an attempt has found: the worst finding gives class and reason and is said first, the others follow. Limits make
 * findings, with the hysteresis between two attempts. Knows vital_probe.h only: it is compiled into each module that looks at
 * many things in one attempt. */
#ifndef PROBES_FOUND_H
#define PROBES_FOUND_H

#include "vital_probe.h"

enum { FOUND_TEXT = 480, FOUND_AMOUNT = 24 };

struct found {
    enum vital_class class;
    enum vital_reason reason;
    char worst[FOUND_TEXT], others[FOUND_TEXT];     /* worst empty: nothing was found */
};

void found_add(struct found *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Ends the attempt with what was found; false: nothing was, and the attempt goes on. */
bool found_finish(struct vital_probe *, const struct found *);

/* Options in pairs: { warn_above: 80%, fail_above: 95% }. */
struct found_ceiling { struct vital_threshold warn_above, fail_above; };
struct found_floor { struct vital_threshold warn_below, fail_below; };
bool found_has_ceiling(const struct found_ceiling *);
bool found_has_floor(const struct found_floor *);

/* Times are microseconds. */
enum found_unit { FOUND_COUNT, FOUND_BYTES, FOUND_TIME, FOUND_DAYS };

/* Compared is part, or its share of whole where the threshold is a percentage (whole 0: unknown, all is well). */
struct found_measure { enum found_unit unit; double part, whole; enum vital_reason reason; };

/* The finding is the text and then the limit: "..., warns above 80%". `was` is the hysteresis' memory: [0] warn, [1] fail. */
bool found_above(struct found *, const struct found_ceiling *, bool was[2], const struct found_measure *, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
bool found_below(struct found *, const struct found_floor *, bool was[2], const struct found_measure *, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

const char *found_bytes(double bytes, char room[FOUND_AMOUNT]);     /* "1.5 GiB" */
const char *found_span(double usec, char room[FOUND_AMOUNT]);       /* "0.4 ms", "12 s", "3 min" */

#endif
