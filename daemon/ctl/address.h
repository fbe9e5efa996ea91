/* From a URL to a connected socket. Numeric addresses and localhost need no resolver, so the static vitalctl, which has
 * none, does the same as the other one wherever a health check usually points. */
#ifndef CTL_ADDRESS_H
#define CTL_ADDRESS_H

#include <stdint.h>

struct url;

/* A connected non-blocking descriptor, or -1 with *error (heap). */
int address_connect(const struct url *, uint64_t deadline, char **error);

#endif
