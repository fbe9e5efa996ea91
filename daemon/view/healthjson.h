/* application/health+json after draft-inadarei-api-health-check-06: {"status":"pass|warn|fail", ...}. */
#ifndef VIEW_HEALTHJSON_H
#define VIEW_HEALTHJSON_H

#include "view/view.h"

/* Without names, for public listeners: {"status":"fail","notes":["starting"],"time":TIME}. */
void healthjson_verdict(struct buf *, const struct view_verdict *);
/* groups[0] with `checks`: "db:responseTime", "db:lag_seconds" ... */
view_fn healthjson_group;

#endif
