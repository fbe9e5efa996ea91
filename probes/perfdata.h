/* What a Nagios plugin prints, taken apart: the first line for people, and after a `|` numbers (perfdata), on the first
 * line and after the `|` of a later one. Pure, bounded, and suspicious of all of it. */
#ifndef PROBES_PERFDATA_H
#define PROBES_PERFDATA_H

#include <stddef.h>

enum { PERFDATA_MAX = 48, PERFDATA_LABEL = 64, PERFDATA_LINE = 256 };

/* Plugins write s, ms, us, %, B, KB ..., c or nothing; we keep base units only. */
enum perfdata_unit { PERFDATA_PLAIN, PERFDATA_SECONDS, PERFDATA_RATIO, PERFDATA_BYTES, PERFDATA_COUNTER, PERFDATA_UNIT_COUNT };

struct perfdata_value {
    char label[PERFDATA_LABEL];
    enum perfdata_unit unit;
    double value;
};

struct perfdata {
    char line[PERFDATA_LINE];
    struct perfdata_value values[PERFDATA_MAX];
    unsigned count;
    unsigned dropped;      /* malformed, the same label again, or beyond PERFDATA_MAX */
};

void perfdata_parse(const char *out, size_t len, struct perfdata *);

#endif
