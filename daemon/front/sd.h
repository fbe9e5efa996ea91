/* The service manager (systemd, or whoever else sets NOTIFY_SOCKET): told when we are ready, reloading and leaving, what
 * the verdict is, and that we are alive.
 *
 * It never waits for its reader. What the socket does not take now is tried again later, and only the newest of each kind:
 * a service manager that hangs costs us nothing. Without NOTIFY_SOCKET all of this does nothing. */
#ifndef FRONT_SD_H
#define FRONT_SD_H

#include <stdbool.h>
#include <stdint.h>

void sd_open(void);                    /* first of all: takes its variables out of the environment, so that no child has them */
bool sd_is_there(void);               /* somebody manages us */
void sd_ready(void);                   /* listeners are open and the configuration is in force; also the end of a reload */
void sd_reloading(void);
void sd_stopping(uint64_t takes);      /* we are leaving, and that takes so long */
void sd_publish(void);                 /* once a turn */

#endif
