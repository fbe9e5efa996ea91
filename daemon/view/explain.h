/* Why a group is what it is: causes, since when, what would turn it green, what depends on it. groups[0] of the picture. */
#ifndef VIEW_EXPLAIN_H
#define VIEW_EXPLAIN_H

#include "view/view.h"

view_fn explain_text;
view_fn explain_json;

#endif
