/* One try to deliver one message: over HTTP, or by starting a program. It ends exactly once, inside its timeout. */
#ifndef FRONT_NOTIFY_SEND_H
#define FRONT_NOTIFY_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/conf_notify.h"
#include "front/notify_queue.h"

struct send_result {
    enum queue_result result;
    uint64_t retry_after;            /* 0: none given */
    char text[256];                  /* "HTTP 200", "connection refused"; without secrets */
};
typedef void send_fn(void *arg, const struct send_result *);

struct send;
/* Holds the options until it is over. body: what is posted, or the program's standard input; taken over. notice: for the
 * program's environment. fn is never called inside. */
struct send *send_start(const struct conf_outlet *, struct conf_options *, struct buf *body, const struct notice *, send_fn *, void *arg);
void send_cancel(struct send *);     /* fn is not called */

/* The two ways; notify_http.c and notify_exec.c. */
struct send *send_http(const struct conf_outlet *, struct conf_options *, struct buf *body, send_fn *, void *arg);
/* What Retry-After says, in seconds or as a date: microseconds from now, 0 when it says nothing. */
struct http1_reply;
uint64_t send_retry_after(const struct http1_reply *, uint64_t wall);
struct send *send_exec(const struct conf_outlet *, struct conf_options *, struct buf *body, const struct notice *, send_fn *, void *arg);

/* What every way begins with and ends in. */
#include "base/timer.h"
#include "io/loop.h"
struct send {
    struct loop_dead dead;
    struct timer timer;              /* the deadline; once the result is known, its moment to be told */
    struct conf_options *options;
    const struct conf_outlet *to;
    send_fn *fn;
    void *arg;
    void (*stop)(struct send *);     /* closes what it has open */
    void (*free)(struct send *);
    struct send_result result;
    bool known;
};
void send_open(struct send *, const struct conf_outlet *, struct conf_options *, send_fn *, void *arg);
/* The result, told from the next run of timers; what is open is closed. Later ones count no more. */
void send_end(struct send *, enum queue_result, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
