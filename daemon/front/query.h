/* What a request asks for beside its path: ?format=, ?verbose, ?exclude=, and Accept. Unknown keys are ignored. */
#ifndef FRONT_QUERY_H
#define FRONT_QUERY_H

#include <stdbool.h>

#include "base/http1.h"
#include "front/answer.h"

enum { QUERY_EXCLUDES = 16, QUERY_NAME_MAX = 128 };

struct query {
    bool verbose;
    bool has_format;              /* said so, by the query or by Accept */
    enum answer_format format;
    bool bad;                     /* unknown format, or more excludes than that */
    bool openmetrics;             /* of /metrics: wanted more than the other text format */
    struct span after;            /* ?after=: the last event seen; at NULL when absent */
    struct span lag;              /* ?lag= of the paths for roles; at NULL when absent */
    unsigned exclude_count;
    char excludes[QUERY_EXCLUDES][QUERY_NAME_MAX];
};
void query_parse(const struct http1_request *, struct query *);

#endif
