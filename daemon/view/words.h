/* The sentences that several views say, and the only way a stranger's text gets into a line of text. */
#ifndef VIEW_WORDS_H
#define VIEW_WORDS_H

#include "core/picture.h"

struct buf;

/* Printable UTF-8 as it is, everything else as \n, \t or \xNN: no line can be forged, no terminal driven. */
void words_safe(struct buf *, const char *text);
/* "refused: connection refused", "no outcome yet", "stale: last was pass at ..." */
void words_outcome(struct buf *, const struct picture_probe *);
/* "2 of 3 towards down", or nothing. */
bool words_run(struct buf *, const struct picture_probe *);
/* What has to happen to this probe before it stops being a cause. One sentence, without a full stop. */
void words_cure(struct buf *, const struct picture_probe *);
/* "41s", "-" for never. */
void words_age(struct buf *, uint64_t now, uint64_t when);
/* The level a probe counts as; unknown counts as fail here. */
enum level words_level(const struct picture_probe *);
/* "readyz" for ready: how Kubernetes calls the check. */
void words_check_name(struct buf *, const char *group);
void words_time(struct buf *, uint64_t wall);
/* What each probe of the picture is to groups[0]: required, by itself or through a group that is required, or else advisory;
 * and the group, if any, that passes although this one fails. The caller frees the array. */
struct words_role { bool required; const char *absorbed_by; };
struct words_role *words_roles(const struct picture *);

#endif
