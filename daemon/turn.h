/* One turn of the loop: five visible lines, the same for the daemon and for --once. */
#ifndef TURN_H
#define TURN_H

struct conf;

void turn_wire_conf(void);         /* what reading a configuration needs, also when nothing will run: TLS contexts */
void turn_open(void);              /* loop, hooks, core: everything but the outside */
void turn(void (*publish)(void));  /* I/O, timers, publish, logs, the dead */

#endif
