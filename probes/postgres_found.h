/* What an attempt has found: the worst finding gives class and reason and is said first, the others follow. */
#ifndef PROBES_POSTGRES_FOUND_H
#define PROBES_POSTGRES_FOUND_H

#include "vital_probe.h"

enum { PG_FOUND_TEXT = 320, PG_AMOUNT = 24 };

struct pg_found {
    enum vital_class class;
    enum vital_reason reason;
    char worst[PG_FOUND_TEXT], others[PG_FOUND_TEXT];
};

void pg_found(struct pg_found *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Options in pairs: { warn_above: 80%, fail_above: 95% }. `was` is the hysteresis' memory: [0] warn, [1] fail. */
struct pg_ceiling { struct vital_threshold warn_above, fail_above; };
struct pg_floor { struct vital_threshold warn_below, fail_below; };
bool pg_is_set(const struct pg_ceiling *);
bool pg_is_set_floor(const struct pg_floor *);

enum pg_unit { PG_COUNT, PG_BYTES, PG_TIME, PG_DAYS };

/* Compares part, or its share of whole where the threshold is a percentage (whole 0: unknown, all is well). The finding is
 * the text and then the limit: "..., warns above 80%". */
struct pg_measure { enum pg_unit unit; double part, whole; enum vital_reason reason; };
bool pg_above(struct pg_found *, const struct pg_ceiling *, bool was[2], const struct pg_measure *, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
bool pg_below(struct pg_found *, const struct pg_floor *, bool was[2], const struct pg_measure *, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

const char *pg_bytes(double bytes, char room[PG_AMOUNT]);       /* "1.5 GiB" */
const char *pg_span(double usec, char room[PG_AMOUNT]);         /* "0.4 ms", "12 s", "3 min" */

#endif
