/* The registry of probe modules: built-in ones, and .so files that are loaded when a configuration names their type. */
#ifndef CONFIG_MODULES_H
#define CONFIG_MODULES_H

#include <stddef.h>

#include "vital_probe.h"

/* The explicit list: probes/builtin.c. */
extern const struct vital_module *const builtin_modules[];      /* NULL-ended */

void modules_set_dir(const char *dir);                 /* where *.so are; default: beside the binary, then places_modules */
/* NULL and *error (heap): no such type, not installed (names the package), wrong ABI (both versions). Loads once; never
 * unloads. Any thread. */
const struct vital_module *modules_find(const char *type, char **error);
/* The same with what kind of no it is. */
enum modules_result { MODULES_FOUND, MODULES_UNKNOWN, MODULES_NOT_INSTALLED, MODULES_UNUSABLE };
enum modules_result modules_lookup(const char *type, const struct vital_module **, char **error);
size_t modules_names(const char **out, size_t room);   /* types that can be named, without loading anything */
/* A type that this program knows of although its .so is not installed: then a probe is made that stays unknown. */
const char *modules_package(const char *type);         /* "vitald-postgres", or NULL for an unknown type */
/* Everything there is, built-in first, then what lies in the module directory; for documentation. */
size_t modules_all(const struct vital_module **out, size_t room);
/* NULL, or why this struct cannot be used: wrong magic, ABI, size, a row without help ... */
const char *modules_check(const struct vital_module *, char *room, size_t size);

#endif
