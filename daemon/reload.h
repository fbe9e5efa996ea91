/* Reload: text, secrets, modules and TLS contexts are made in a helper thread and come home as one immutable conf; then
 * listeners are opened, and only when all of it worked does the new world replace the old one. */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>

#include "args.h"

typedef void reload_done_fn(void *arg, bool ok, const char *findings);

void reload_open(const struct args *);                     /* where to read again */
void reload_start(reload_done_fn *done, void *arg);        /* done may be NULL; findings are for people, lines of text */
void reload_log_findings(const struct diag *);             /* also at boot */

#endif
