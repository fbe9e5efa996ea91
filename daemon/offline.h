/* What vitald does without running: checking and printing configurations, options and modules. */
#ifndef OFFLINE_H
#define OFFLINE_H

#include "args.h"

int offline_run(const struct args *);      /* the exit code */

#endif
