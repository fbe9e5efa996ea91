/* Detailed bodies: rendered on request from a picture that is at most 250 ms old and shared by all who ask in that time.
 * What fits one chunk is kept with its picture; what does not is rendered as the socket drains. */
#ifndef FRONT_DETAIL_H
#define FRONT_DETAIL_H

#include "view/view.h"

enum { DETAIL_STREAMS = 16 };        /* bodies of more than a chunk that may be under way at once */

enum detail_scope { DETAIL_ALL, DETAIL_GROUP, DETAIL_PROBE };

struct shot;                         /* a picture and what was rendered from it; counted */
struct shot *detail_shot(enum detail_scope, uint32_t index);
const struct picture *detail_picture(const struct shot *);
void detail_release(struct shot *);

struct detail;                       /* the rest of a body */
/* Appends the first chunk. *rest NULL: it was all. False: too many are under way, try again later. Excluded names are copied. */
bool detail_start(struct shot *shot, view_fn *view, const struct view_input *extra, struct buf *out, struct detail **rest);
/* Appends the next chunk; true when that was all. */
bool detail_next(struct detail *, struct buf *out);
void detail_end(struct detail *);

void detail_reset(void);             /* another configuration: pictures of the old one are not handed out any more */

#endif
