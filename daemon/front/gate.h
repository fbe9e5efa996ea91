/* The gates: TCP ports that take connections only while their group passes or warns, for balancers that do no more than
 * try to connect. A connection is taken and ended; nothing is said on it. */
#ifndef FRONT_GATE_H
#define FRONT_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct conf;
struct diag;

/* As listen_prepare(): all or nothing. gate_adopt() follows core_adopt(). */
bool gate_prepare(const struct conf *, struct diag *);
void gate_abandon(void);
void gate_adopt(void);
void gate_publish(void);       /* once a turn */
void gate_close(void);

struct gate_stats { uint64_t accepted, failed; unsigned open, all; };
const struct gate_stats *gate_stats(void);

#endif
