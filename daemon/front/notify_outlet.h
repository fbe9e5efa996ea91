/* One way to a receiver at run time: its queue, the try that is under way, what became of the others. */
#ifndef FRONT_NOTIFY_OUTLET_H
#define FRONT_NOTIFY_OUTLET_H

#include "base/timer.h"
#include "front/notify.h"
#include "front/notify_queue.h"
#include "front/notify_send.h"

struct outlet_test;
struct outlet {
    struct timer timer;              /* the queue's next moment */
    const struct conf_outlet *conf;
    struct conf_options *options;    /* what conf lives in */
    char *label;
    struct queue queue;
    struct send *send;
    struct list tests;
    uint64_t delivered, retried, refused, last;
    uint64_t failing_since;          /* wall clock; 0 = it works */
    char error[256];
};

void outlet_open(struct outlet *, bool is_set);
/* From now on as configured here. */
void outlet_adopt(struct outlet *, const struct conf_receiver *, uint32_t index);
void outlet_tell(struct outlet *, struct notice *);
void outlet_test(struct outlet *, struct notice *, notify_told_fn *, void *arg);
void outlet_close(struct outlet *);
struct view_receiver outlet_view(const struct outlet *, const char *receiver, struct arena *);

#endif
