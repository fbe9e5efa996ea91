/* Judging numbers: thresholds, and the one sentence for people that comes out of several of them.
 *
 * A module collects what it finds in a struct judge; the worst finding gives class and reason and goes first in the text,
 * the others follow. judge_finish() ends the attempt with it. */
#ifndef PROBES_JUDGE_H
#define PROBES_JUDGE_H

#include "vital_probe.h"

enum { JUDGE_TEXT = 400, JUDGE_AMOUNT = 24 };

struct judge {
    enum vital_class class;
    enum vital_reason reason;
    char worst[JUDGE_TEXT], others[JUDGE_TEXT];
};

void judge_add(struct judge *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* How a limit reads: "2 GiB", "0.8", "90s", "12". */
enum judge_unit { JUDGE_BYTES, JUDGE_RATIO, JUDGE_SECONDS, JUDGE_COUNT };

struct judge_limit {
    const struct vital_threshold *warn, *fail;
    bool *was;                                   /* the caller's memory for the hysteresis: [0] warn, [1] fail */
    bool above;                                  /* too much is bad; else too little is */
    enum judge_unit unit;
};
/* Compares `part`, or its share of `whole` where the threshold is a percentage. Beyond a limit the finding is the text
 * followed by the limit: "12% of 40 GiB free on /data, fails below 15%". True when all is well. */
bool judge_number(struct judge *, const struct judge_limit *, double part, double whole, enum vital_reason, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* A file call that failed: hung, missing, not permitted, broken. True when it did not fail. `path` is what was asked. */
bool judge_file(struct judge *, const struct vital_file *, const char *path);
enum vital_reason judge_errno(int error);

/* Ends the attempt; fmt: what to say when nothing was found. */
void judge_finish(struct vital_probe *, const struct judge *, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* For prepare(): says so when the warning can never come before the failure. */
void judge_prepare(const struct judge_limit *, struct vital_diag *, const char *warn_option, const char *fail_option);

/* "512 B", "1.5 GiB" */
const char *judge_bytes(double bytes, char room[JUDGE_AMOUNT]);
/* The first line of a stranger's text, fit for ours: control characters and broken UTF-8 replaced, cut at a character. */
void judge_line(char *room, size_t size, const char *text, size_t len);

#endif
