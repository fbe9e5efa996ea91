/* Shared by the three kinds of documentation. */
#ifndef CONFIG_OPTDOC_FORM_H
#define CONFIG_OPTDOC_FORM_H

#include <stddef.h>

#include "vital_probe.h"

struct buf;

enum { DOC_MODULES_MAX = 128 };

/* "duration from 10ms to 7d, default 10s": all that the row says besides its help. */
void optdoc_form(const struct vital_opt *, struct buf *);
/* Every module, by name. */
size_t optdoc_modules(const struct vital_module **out);

#endif
