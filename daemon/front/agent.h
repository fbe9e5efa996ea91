/* The agent ports: HAProxy's agent-check connects, one line goes out at once, the connection ends. An agent belongs to
 * one group. Silence changes nothing in HAProxy, so leaving just closes the ports: no last `down` is sent. */
#ifndef FRONT_AGENT_H
#define FRONT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

struct conf;
struct diag;

enum { AGENT_PEERS = 64, AGENT_READ_MAX = 1024 };     /* connections that are still ending; bytes of agent-send that are read away */

/* As listen_prepare(): all or nothing. agent_adopt() follows core_adopt(). */
bool agent_prepare(const struct conf *, struct diag *);
void agent_abandon(void);
void agent_adopt(void);
void agent_close(void);

struct agent_stats { uint64_t lines, evicted, late; unsigned peers; };
const struct agent_stats *agent_stats(void);

#endif
