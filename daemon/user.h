/* As whom the daemon runs once what only root may open is open. Started as root and by nobody who manages services, it becomes
 * the user that the configuration names, else `vitald` where there is such an account, else `nobody`. */
#ifndef USER_H
#define USER_H

#include "args.h"

/* Before the first turn and the first attempt. Ends the process when a user that was asked for cannot be had. */
void user_become(const struct conf *, const struct args *);
void user_compare(const struct conf *old, const struct conf *new, struct diag *);      /* what a reload cannot change */

#endif
