/* What the built-in modules find besides limits: troubles of files, and what strangers write. */
#ifndef PROBES_JUDGE_H
#define PROBES_JUDGE_H

#include "found.h"

/* A file call that failed: hung, missing, not permitted, broken. True when it did not fail. `path` is what was asked. */
bool judge_file(struct found *, const struct vital_file *, const char *path);
enum vital_reason judge_errno(int error);

/* Ends the attempt; fmt: what to say when nothing was found. */
void judge_finish(struct vital_probe *, const struct found *, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The first line of a stranger's text, fit for ours: control characters and broken UTF-8 replaced, cut at a character. */
void judge_line(char *room, size_t size, const char *text, size_t len);

#endif
