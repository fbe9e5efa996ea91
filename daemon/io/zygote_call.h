/* Between zygote.c (who has helpers), zygote_file.c and zygote_child.c (what they are asked). Nobody else includes it. */
#ifndef IO_ZYGOTE_CALL_H
#define IO_ZYGOTE_CALL_H

#include <stddef.h>

#include "base/list.h"
#include "io/helper.h"
#include "io/zygote.h"

struct helper;

struct call_kind {
    /* The helper is free again already; `bytes` last until the return. */
    void (*reply)(struct zygote_call *, const struct helper_reply *, const char *bytes, size_t len);
    void (*lost)(struct zygote_call *, int error);     /* the helper is gone; no reply comes */
};

struct zygote_call {
    const struct call_kind *kind;
    struct helper *helper;             /* whom it occupies */
    struct list link;                  /* a queue, or those who get their answer later */
    void (*later)(struct zygote_call *);
    void *arg;
    uint64_t since;                    /* of the request */
};

/* Sends the request to a helper, an idle or a new one; then the call has it until the reply. 0 or an errno: EMFILE and
 * ENFILE for want of descriptors, EAGAIN when there are enough helpers already, ENXIO without a zygote. */
int call_send(struct zygote_call *, const struct helper_request *, const void *bytes, size_t len, const int *fds, unsigned fd_count, unsigned helpers_max);
void call_order(struct zygote_call *, const struct helper_request *);    /* while it runs; a helper that takes none is left */
void call_later(struct zygote_call *, void (*fn)(struct zygote_call *)); /* soon, but never inside the caller */
void call_free(struct zygote_call *);
enum vital_reason call_reason(int error);              /* of call_send() */

/* What zygote_stats() collects. */
extern struct zygote_stats zygote_counts;

/* zygote_file.c */
bool zygote_is_hung(const char *path);                 /* its mount is known to hang */

#endif
