/* The environment of a program that is started: PATH, LANG and what was configured, nothing of our own. The values may be
 * secrets: the list is wiped when it is freed. */
#ifndef BASE_ENVLIST_H
#define BASE_ENVLIST_H

#include <stddef.h>

struct envlist { char **items; size_t count, room; };      /* items: ended by NULL, as execve() wants it */

void envlist_add(struct envlist *, const char *key, const char *value, size_t len);
void envlist_basics(struct envlist *);                     /* last: the basics that nobody has given */
void envlist_free(struct envlist *);

#endif
