#include "front/notify_queue.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void queue_open(struct queue *q, unsigned max, bool is_set)
{
    *q = (struct queue){ .max = max, .is_set = is_set, .next_at = TIME_NEVER };
    list_init(&q->items);
}

static struct queue_item *item_of(const struct list *at)
{
    return LIST_OWNER((uintptr_t)at, struct queue_item, link);
}

static void drop(struct queue *q, struct queue_item *i)
{
    list_remove(&i->link);
    notice_release(i->notice);
    mem_free(i);
    q->count--;
}

void queue_close(struct queue *q)
{
    LIST_EACH_SAFE(at, after, &q->items)
        drop(q, item_of(at));
}

void queue_limits(struct queue *q, unsigned max, uint64_t retry_for, uint64_t resend)
{
    q->max = max;
    q->retry_for = retry_for;
    q->resend = resend;
}

static bool same_subject(const struct notice *a, const struct notice *b)
{
    return a->is_group == b->is_group && !strcmp(a->name, b->name);
}

static bool is_of_value(const struct queue *q, const struct queue_item *i)
{
    return q->is_set ? !i->ended : i->notice->status != NOTICE_REMINDER;
}

/* The oldest reminder, or end of an alert; else the oldest of all. Never what is being sent. */
static void make_room(struct queue *q)
{
    for (unsigned pass = 0; pass < 2 && q->count >= q->max; pass++)
        LIST_EACH_SAFE(at, after, &q->items) {
            struct queue_item *i = item_of(at);
            if (q->count < q->max || i->sending || (!pass && is_of_value(q, i)))
                continue;
            q->dropped++;
            drop(q, i);
        }
}

static void append(struct queue *q, struct notice *n, uint64_t ended, uint64_t now)
{
    make_room(q);
    struct queue_item *i = mem_alloc(sizeof *i);
    *i = (struct queue_item){ .notice = notice_hold(n), .at = now, .ended = ended };
    list_init(&i->link);
    list_append(&q->items, &i->link);
    q->count++;
}

bool queue_owes(const struct queue *q, bool is_group, const char *name, bool *over)
{
    *over = false;
    bool owes = false;
    LIST_EACH(at, &q->items) {
        const struct queue_item *i = item_of(at);
        bool end = i->ended || i->notice->status == NOTICE_RESOLVED;
        if (i->notice->is_group != is_group || strcmp(i->notice->name, name) != 0 || i->notice->status == NOTICE_REMINDER)
            continue;
        *over |= end;
        owes |= !end && !i->told;
    }
    return owes;
}

static void replace(struct queue_item *i, struct notice *n)
{
    struct notice *old = i->notice;
    i->notice = notice_hold(n);
    notice_release(old);
}

static void add_alert(struct queue *q, struct notice *n, uint64_t now)
{
    bool over = n->status == NOTICE_RESOLVED;
    LIST_EACH(at, &q->items) {
        struct queue_item *i = item_of(at);
        if (i->ended || !same_subject(i->notice, n))
            continue;
        if (!over && notice_same_alert(i->notice, n)) {
            replace(i, n);
            return;
        }
        i->ended = n->time;          /* it is over, or goes on as another alert */
        i->sending = false;          /* what is on its way does not say so yet */
    }
    if (!over)
        append(q, n, n->status == NOTICE_TEST ? n->time + 60 * USEC_S : 0, now);
}

static void add_message(struct queue *q, struct notice *n, uint64_t now)
{
    LIST_EACH_SAFE(at, after, &q->items) {
        struct queue_item *i = item_of(at);
        if (i->sending || !same_subject(i->notice, n))
            continue;
        q->merged++;
        drop(q, i);
    }
    append(q, n, 0, now);
}

void queue_add(struct queue *q, struct notice *n, uint64_t now)
{
    (q->is_set ? add_alert : add_message)(q, n, now);
    if (q->count && !q->pause)
        q->next_at = now;
}

static void expire(struct queue *q, uint64_t now)
{
    LIST_EACH_SAFE(at, after, &q->items) {
        struct queue_item *i = item_of(at);
        bool waits = !q->is_set || i->ended;
        if (!waits || now - i->at < q->retry_for || (q->is_set && now - i->at < 2 * q->resend))
            continue;
        if (q->is_set && !q->pause)
            continue;                /* its end is about to be sent */
        q->expired++;
        drop(q, i);
    }
}

struct queue_item *queue_take(struct queue *q, uint64_t now)
{
    if (now < q->next_at)
        return NULL;
    expire(q, now);
    struct list *first = list_first(&q->items);
    if (!first) {
        q->next_at = TIME_NEVER;
        return NULL;
    }
    LIST_EACH(at, &q->items)
        item_of(at)->sending = q->is_set || at == first;
    return item_of(first);
}

static void settle(struct queue *q, bool gone)
{
    LIST_EACH_SAFE(at, after, &q->items) {
        struct queue_item *i = item_of(at);
        if (i->sending && gone && (!q->is_set || i->ended))
            drop(q, i);
        else
            i->told |= i->sending && gone, i->sending = false;
    }
}

static uint64_t pause_after(struct queue *q, uint64_t retry_after, double chance)
{
    q->pause = !q->pause ? QUEUE_PAUSE_MIN : q->pause * 2 > QUEUE_PAUSE_MAX ? QUEUE_PAUSE_MAX : q->pause * 2;
    uint64_t pause = (uint64_t)((double)q->pause * (0.75 + chance / 2));
    retry_after = retry_after < QUEUE_RETRY_AFTER_MAX ? retry_after : QUEUE_RETRY_AFTER_MAX;
    return retry_after > pause ? retry_after : pause;
}

void queue_done(struct queue *q, enum queue_result result, uint64_t retry_after, double chance, uint64_t now)
{
    bool again = result == QUEUE_RETRY || (q->is_set && result == QUEUE_REFUSED);
    settle(q, !again);
    if (again)
        q->next_at = now + pause_after(q, retry_after, chance);
    else
        q->pause = 0, q->next_at = !q->count ? TIME_NEVER : q->is_set ? now + q->resend : now;
}

uint64_t queue_next(const struct queue *q)
{
    return q->count ? q->next_at : TIME_NEVER;
}
