/* JSON: the terse verdict, a group in detail, one probe, the whole status. vitald.json(5) documents every field; the
 * members are only ever added to. Times are ISO 8601 UTC or null, durations are numbers that carry their unit in the name. */
#ifndef VIEW_JSON_H
#define VIEW_JSON_H

#include "view/view.h"

/* {"status":"fail","why":"members","unknown":false,"forced":false,"oldest_sample":TIME,"time":TIME,"self":"stalled 41s"} */
void json_verdict(struct buf *, const struct view_verdict *);

view_fn json_group;     /* groups[0], with all below it */
view_fn json_probe;     /* probes[0] */
view_fn json_status;    /* everything, the daemon's own numbers too */

/* A weak entity tag over all that json_status shows but its own time: what If-None-Match compares. */
uint64_t json_status_tag(const struct picture *);

/* A probe as the member `key` of what is open: other documents show probes the same way. A group, which may have a
 * hundred thousand members, comes in items 0 .. json_group_items() - 1. */
void json_put_probe(struct json *, const char *key, const struct picture_probe *);
uint32_t json_group_items(const struct picture_group *);
void json_put_group_item(struct json *, const char *key, const struct picture *, const struct picture_group *, uint32_t i);

#endif
