/* What waits to be delivered by one outlet: pure, bounded, time is an argument.
 *
 * Messages (webhook, exec) go one after the other; a newer one about the same subject takes the place of one that still
 * waits. Alerts (Alertmanager) are a set instead: what fires, sent as a whole again and again, and what has ended, until that
 * was delivered. Failures are followed by pauses that double, with jitter; Retry-After counts, within bounds. */
#ifndef FRONT_NOTIFY_QUEUE_H
#define FRONT_NOTIFY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "view/notice.h"

#define QUEUE_PAUSE_MIN (1 * USEC_S)
#define QUEUE_PAUSE_MAX (300 * USEC_S)
#define QUEUE_RETRY_AFTER_MAX (3600 * USEC_S)

struct queue_item {
    struct list link;
    struct notice *notice;
    uint64_t at;                     /* since when it waits */
    uint64_t ended;                  /* alerts: wall clock; 0 = it fires */
    bool sending, told;              /* told: alerts that were delivered once */
};

struct queue {
    struct list items;               /* oldest first */
    unsigned count, max;
    bool is_set;                     /* alerts */
    uint64_t retry_for, resend;
    uint64_t pause, next_at;         /* next_at: not before; TIME_NEVER: nothing to send */
    uint64_t dropped, merged, expired;
};

void queue_open(struct queue *, unsigned max, bool is_set);
void queue_close(struct queue *);
void queue_limits(struct queue *, unsigned max, uint64_t retry_for, uint64_t resend);
void queue_add(struct queue *, struct notice *, uint64_t now);         /* holds it */
/* What is to be sent now, or NULL: the first message, or any alert (then all of them are). Too old ones are dropped. */
struct queue_item *queue_take(struct queue *, uint64_t now);
/* Something about this subject waits to be delivered for the first time; *over: that it is over. */
bool queue_owes(const struct queue *, bool is_group, const char *name, bool *over);
enum queue_result { QUEUE_DELIVERED, QUEUE_REFUSED, QUEUE_RETRY };
/* retry_after 0: none given. chance: 0..1, for the jitter. */
void queue_done(struct queue *, enum queue_result, uint64_t retry_after, double chance, uint64_t now);
uint64_t queue_next(const struct queue *);                              /* when to take again; TIME_NEVER: nothing waits */

#endif
