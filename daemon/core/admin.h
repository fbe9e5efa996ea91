/* What people order: drain, and the modes of single probes. Separate from what is measured; each mode expires. */
#ifndef CORE_ADMIN_H
#define CORE_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/outcome.h"

enum { ADMIN_DEFAULT_FOR = 3600 };       /* seconds: what `--for` is when it is not given; 0 = never expires */

void admin_drain(bool by_order);         /* by_order: over the control socket; only that survives a restart */
void admin_undrain(void);
bool admin_is_draining(void);
bool admin_drain_is_ordered(void);
uint64_t admin_draining_since(void);     /* 0 = not */

uint64_t admin_orders(void);             /* how many there were: who keeps them sees that there is a new one */

/* NULL, or why not (heap text for people: "no probe is called ..., did you mean ...?"). `period` in microseconds, 0 = for ever. */
char *admin_mode(const char *probe, enum mode, enum level forced, uint64_t period);
char *admin_resume(const char *probe);   /* back to normal */
char *admin_run(const char *probe);      /* one attempt now */

#endif
