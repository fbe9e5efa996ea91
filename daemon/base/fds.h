/* File descriptors at the start of a program: the three that everybody believes to be open are, and there are enough. */
#ifndef BASE_FDS_H
#define BASE_FDS_H

#include <stdbool.h>

/* Whoever closed 0, 1 or 2 gets /dev/null there: the next socket would have that number, and a message would go into it. */
void fds_hold_standard(void);
bool fds_allowed(unsigned count);      /* the hard limit lets a process have so many */

#endif
