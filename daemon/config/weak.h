/* Passwords that protect nothing: placeholders, defaults, names, too short ones. Pure, and no text here ever holds a value. */
#ifndef CONFIG_WEAK_H
#define CONFIG_WEAK_H

#include <stddef.h>

#include "base/diag.h"

struct conf_probe;

/* What is wrong with it, to be read after "the password"; NULL: nothing that can be seen. user: NULL = unknown. */
const char *weak_password(const char *password, size_t len, const char *user, size_t user_len);
/* The password in a variable: its value when the name says so, or the part of a URL. Returns its length; *password NULL: there is none. */
size_t weak_find_password(const char *name, const char *value, const char **password, const char **user, size_t *user_len);
/* Warns about those that a probe logs in with, wherever they came from. */
void weak_check_probe(const struct conf_probe *, struct diag *);

#endif
