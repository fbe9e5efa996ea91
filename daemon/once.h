/* vitald --once: attempt everything, or run until a group passes, tell, leave. No listeners, no control socket. */
#ifndef ONCE_H
#define ONCE_H

#include "args.h"

/* Exit codes: 0 pass, 1 warn, 2 fail, 3 unknown, by the worst probe; with --until 0 = passed, 1 = gave up. */
int once_run(const struct args *, struct conf *);

#endif
