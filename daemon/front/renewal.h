/* Certificates and tokens that change while we run: their files are looked at now and then, in a helper process, for a
 * path may hang; when one has changed, a helper thread reads all of them and builds what they make. What cannot be used
 * changes nothing: the old one goes on, and the log, a metric and the next look say so. */
#ifndef FRONT_RENEWAL_H
#define FRONT_RENEWAL_H

#include <stdbool.h>

struct conf_access;
struct listener;
struct renewal;

struct renewal *renewal_start(struct listener *, const struct conf_access *);     /* NULL: there is no file */
void renewal_stop(struct renewal *);
bool renewal_has_failed(const struct renewal *);              /* the files, as they are, cannot be used */
void renewal_tell(const struct listener *);                   /* to the log: until when its certificate is good */

#endif
