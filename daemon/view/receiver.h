/* Who is told of what happens, and how that goes: in /status, and for `vitalctl notify`. */
#ifndef VIEW_RECEIVER_H
#define VIEW_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct json;

/* One way to one receiver. */
struct view_receiver {
    const char *receiver, *kind, *to;    /* to: scheme and host, or a program's path */
    const char *label;                   /* the receiver's name; with a number where it has several ways */
    unsigned waiting;                    /* messages, or alerts */
    uint64_t delivered, retried, refused, expired, dropped, merged;
    uint64_t last;                       /* wall clock of the last delivery; 0 = none */
    uint64_t failing_since;              /* wall clock; 0 = it works, as far as is known */
    const char *error;                   /* of the last try that failed, while it fails */
};
void receiver_put(struct json *, const struct view_receiver *, unsigned count);      /* "receivers": [...] */
void receiver_text(struct buf *, const struct view_receiver *, unsigned count);      /* a line each */

#endif
