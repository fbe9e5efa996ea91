/* All that speaks to the outside, as one: at boot and at a reload it is prepared, then the core adopts the configuration,
 * then the fronts do. A new front gets its lines here. */
#ifndef FRONTS_H
#define FRONTS_H

#include <stdbool.h>

struct conf;
struct diag;

/* Opens what the configuration adds. False: each problem is an error in diag, and nothing has changed. True: core_adopt()
 * and fronts_adopt() are next, and nothing may fail in between. */
bool fronts_prepare(const struct conf *, struct diag *);
void fronts_adopt(void);
void fronts_publish(void);       /* once a turn */
void fronts_close(void);

#endif
