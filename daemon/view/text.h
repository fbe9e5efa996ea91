/* Text for people and for tools that read lines: the terse verdict, the apiserver's `?verbose`, single probes, the
 * status table. */
#ifndef VIEW_TEXT_H
#define VIEW_TEXT_H

#include "view/view.h"

/* "pass\n", "fail starting\n", and a second line "self: stalled 41s" when our own loop stood still. */
void text_verdict(struct buf *, const struct view_verdict *);

/* groups[0] as the Kubernetes apiserver lists its checks:
 *   [+]db ok
 *   [-]cache failed: refused: connection refused (down since 2026-11-20T18:09:07.123Z)
 *   readyz check failed */
view_fn text_verbose;

/* probes[0], all that is known, a line each. */
view_fn text_probe;

/* The table of `vitalctl status` over the whole picture, probes worst first. Ages are told against picture.wall. */
view_fn text_table;
void text_status(const struct picture *, bool colour, struct buf *out);

/* One line: what groups[0] covers: "all of db, app; advisory: mem, root". */
void text_coverage(const struct picture *, struct buf *out);

#endif
