/* The host table: what modules call, assembled from io/ and core/. */
#ifndef HOST_H
#define HOST_H

#include "core/core.h"

void host_open(void);                         /* once the loop is open */
extern const struct vital_host host_table;

/* Hooks for core_open(). */
void host_close_all(struct probe *, bool kept_too);
bool host_refresh(struct probe *);
uint64_t host_held(struct probe *);

#endif
