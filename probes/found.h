/* What an attempt has found: the worst finding gives class and reason and is said first, the others follow. Limits make
 * findings, with the hysteresis between two attempts. Knows vital_probe.h only: besides the built-in modules, it is compiled into
 * each loaded one that looks at many things in one attempt. */
#ifndef PROBES_FOUND_H
#define PROBES_FOUND_H

#include "vital_probe.h"

enum { FOUND_TEXT = 400, FOUND_AMOUNT = 24 };

struct found {
    enum vital_class class;
    enum vital_reason reason;
    char worst[FOUND_TEXT], others[FOUND_TEXT];     /* worst empty: nothing was found */
};

void found_add(struct found *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Ends the attempt with what was found; false: nothing was, and the attempt goes on. */
bool found_finish(struct vital_probe *, const struct found *);

/* Times are microseconds. */
enum found_unit { FOUND_COUNT, FOUND_BYTES, FOUND_TIME, FOUND_DAYS };

/* Compared is part, or its share of whole where the threshold is a percentage (whole 0: unknown, all is well). */
struct found_measure { enum found_unit unit; double part, whole; enum vital_reason reason; };

struct found_limit {
    const struct vital_threshold *warn, *fail;
    bool *was;                           /* the caller's memory for the hysteresis: [0] warn, [1] fail */
    bool above;                          /* too much is bad; else too little is */
};
/* True when it is: the finding is the text and then the limit, "12% of 40 GiB free on /data, fails below 15%". */
bool found_beyond(struct found *, const struct found_limit *, const struct found_measure *, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* For prepare(): says so when the warning can never come before the failure. */
void found_prepare(const struct found_limit *, struct vital_diag *, const char *warn_option, const char *fail_option);

/* Options in pairs: { warn_above: 80%, fail_above: 95% }, and the same for an option row of any struct that has them. */
struct found_ceiling { struct vital_threshold warn_above, fail_above; };
struct found_floor { struct vital_threshold warn_below, fail_below; };
#define FOUND_CEILING_ROWS(type, extra, what)                                                        \
    VITAL_OPT(type, warn_above, THRESHOLD, .flags = (extra), .help = "warn when " what),               \
    VITAL_OPT(type, fail_above, THRESHOLD, .flags = (extra), .help = "fail when " what)
#define FOUND_FLOOR_ROWS(type, what)                                                                 \
    VITAL_OPT(type, warn_below, THRESHOLD, .help = "warn when " what),                               \
    VITAL_OPT(type, fail_below, THRESHOLD, .help = "fail when " what)
extern const char *const found_severities[];     /* ignore, warn, fail; ended by NULL */
bool found_has_ceiling(const struct found_ceiling *);
bool found_has_floor(const struct found_floor *);
bool found_above(struct found *, const struct found_ceiling *, bool was[2], const struct found_measure *, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
bool found_below(struct found *, const struct found_floor *, bool was[2], const struct found_measure *, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

const char *found_bytes(double bytes, char room[FOUND_AMOUNT]);     /* "1.5 GiB" */
const char *found_span(double usec, char room[FOUND_AMOUNT]);       /* "0.4 ms", "12 s", "3 min" */

#endif
