/* Text to value, strictly. Each function returns NULL or what is wrong with the text, as a hint that does not repeat it. */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

const char *scalar_bool(const char *text, bool *);
const char *scalar_int(const char *text, int64_t *);
const char *scalar_number(const char *text, double *);
const char *scalar_duration(const char *text, uint64_t *usec);
const char *scalar_size(const char *text, uint64_t *bytes);
const char *scalar_percent(const char *text, double *percent);      /* "15%" gives 15 */

#endif
