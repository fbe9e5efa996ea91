/* Accepts connections, within bounds: so many a turn, a listener, a source and a process, and never so many that probes
 * find no descriptor. Beyond a bound the connection that waits longest makes room, so that a flood of idle ones costs the
 * next good client nothing. */
#ifndef FRONT_SERVER_H
#define FRONT_SERVER_H

#include <stdbool.h>

/* After listen_commit() and core_adopt(): accepts on what is new, and forgets answers of the configuration before. */
void server_adopt(void);
/* At exit: accepts nothing more, lets go of who only keeps a connection open, and answers what has been asked. */
void server_leave(void);
bool server_is_answering(void);
unsigned server_connections(void);
unsigned server_connections_max(void);

#endif
