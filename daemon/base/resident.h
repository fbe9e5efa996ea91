/* How much memory this process has now, as the kernel counts it. */
#ifndef BASE_RESIDENT_H
#define BASE_RESIDENT_H

#include <stdint.h>

uint64_t resident_bytes(void);         /* 0: /proc does not tell */

#endif
