/* The paths by which load balancers ask for the part a database server plays. They speak of one probe, that of `role_probe`. */
#ifndef FRONT_ROLES_H
#define FRONT_ROLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/http1.h"
#include "front/answer.h"
#include "view/role.h"

struct buf;

struct role_name { const char *path; enum role_path asks; };
extern const struct role_name role_names[];              /* ended by a path of NULL */

/* ?lag=: 10MB, 512kB, 1GB or plain bytes, counted as PostgreSQL counts; 500ms, 5s, 1min. False: none of these. */
bool roles_read_lag(struct span, struct role_ask *);
/* The body; returns the status. oldest: wall time of the outcome, 0 = none yet. */
unsigned roles_answer(uint32_t probe, const struct role_ask *, enum answer_format, struct buf *body, uint64_t *oldest);
void roles_reset(void);                                  /* another configuration */

#endif
