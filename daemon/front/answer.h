/* Answers as bytes. Verdicts come from a cache: one block of head and body for each group, format and end of the head,
 * rendered when the verdict has changed and somebody asks; only its Date and the time of the oldest sample are patched. */
#ifndef FRONT_ANSWER_H
#define FRONT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct verdict;

enum answer_format { ANSWER_TEXT, ANSWER_JSON, ANSWER_HEALTH, ANSWER_NOTHING /* OPTIONS: the code, no body */, ANSWER_FORMATS };
/* What becomes of the connection; old: HTTP/1.0 wants to hear that it stays open. */
enum answer_end { END_KEEP, END_KEEP_OLD, END_CLOSE, ANSWER_ENDS };

/* Valid until the next call of anything here. Without the body: the first `head` bytes. */
struct answer { const char *bytes; size_t head, len; unsigned status; };

void answer_verdict(uint32_t group, enum answer_format, enum answer_end, struct answer *);
/* extra: further header lines, each with its end; may be NULL. */
void answer_text(unsigned status, enum answer_end, const char *extra, const char *body, struct answer *);

/* A head for bodies that are rendered elsewhere. oldest: clock_now() time, 0 = leave that field out. */
enum { ANSWER_CHUNKED = -1, ANSWER_UNTIL_CLOSE = -2 };
void answer_head(struct buf *, unsigned status, const char *media, enum answer_end, const char *extra, uint64_t oldest_wall,
                 long long length);
bool answer_has_content(unsigned status);     /* no body may follow 204, 205 and 304, which a group's `codes` may name */
const char *answer_media(enum answer_format);

void answer_reset(void);     /* another configuration: other groups, other codes */

#endif
