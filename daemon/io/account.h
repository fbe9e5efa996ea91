/* Names of users and groups, looked up by a process of its own: what the name service loads for that is other people's code and
 * megabytes, and would stay mapped here for ever. For the start alone, while there is one thread. */
#ifndef IO_ACCOUNT_H
#define IO_ACCOUNT_H

#include <stddef.h>

/* 0, or an errno. */
typedef int account_fn(const char *name, void *out);

/* What look(name, out) returns and writes to the `size` bytes of out; it waits as long as that takes. EAGAIN: that process died
 * (for want of memory, or of somebody's code). */
int account_apart(account_fn *look, const char *name, void *out, size_t size);

#endif
