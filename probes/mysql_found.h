/* What a mysql attempt has found: the worst finding gives class and reason and is said first, the others follow. */
#ifndef PROBES_MYSQL_FOUND_H
#define PROBES_MYSQL_FOUND_H

#include "vital_probe.h"

enum { MYSQL_FOUND_TEXT = 480, MYSQL_AMOUNT = 24 };

struct mysql_found {
    enum vital_class class;
    enum vital_reason reason;
    char text[MYSQL_FOUND_TEXT];        /* empty: nothing was found */
};

void mysql_found(struct mysql_found *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

enum mysql_unit { MYSQL_AS_COUNT, MYSQL_AS_TIME };

/* A pair of limits in one direction. `was` is the hysteresis' memory: [0] warn, [1] fail. */
struct mysql_limit {
    const struct vital_threshold *warn, *fail;
    bool *was;
    bool above;
    enum mysql_unit unit;
};
/* Compares part, or its share of whole where the threshold is a percentage. The finding is the text and then the limit:
 * "..., warns above 80%". */
bool mysql_limit(struct mysql_found *, const struct mysql_limit *, double part, double whole, enum vital_reason, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

const char *mysql_span(double usec, char room[MYSQL_AMOUNT]);      /* "0.4 ms", "12 s", "3 min" */
/* A server's text, cut, and in one line. */
const char *mysql_shown(const char *text, char *room, size_t size);

#endif
