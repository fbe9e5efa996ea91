#include "front/notify_outlet.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "core/journal.h"

enum { ALERTS_MAX = 100, ALERTS_FULL = NOTICE_JSON_MAX - 64 * 1024 };

struct outlet_test {
    struct list link;
    struct outlet *outlet;
    struct send *send;
    struct notice *notice;
    uint64_t begun;
    notify_told_fn *told;
    void *arg;
};

static void pump(struct outlet *);

static void wake(struct timer *t, uint64_t now)
{
    (void)now;
    pump(TIMER_OWNER(t, struct outlet, timer));
}

void outlet_open(struct outlet *o, bool is_set)
{
    *o = (struct outlet){ 0 };
    queue_open(&o->queue, 1, is_set);
    timer_init(&o->timer, wake);
    list_init(&o->tests);
}

void outlet_adopt(struct outlet *o, const struct conf_receiver *r, uint32_t index)
{
    struct conf_options *old = o->options;
    o->conf = &r->outlets[index];
    o->options = r->options;
    conf_options_hold(o->options);
    if (old)
        conf_options_release(old);
    mem_free(o->label);
    o->label = r->outlet_count > 1 ? mem_printf("%s %u", r->name, index + 1) : mem_copy(r->name);
    queue_limits(&o->queue, o->queue.is_set ? ALERTS_MAX : r->queue, r->retry_for, o->conf->resend);
}

/* ---- what is sent ---- */

static const struct notice_label *labels_of(const struct conf_outlet *c, struct arena *arena)
{
    const struct vital_pair *pairs = c->labels.items;
    struct notice_label *all = arena_alloc(arena, (c->labels.count + 1) * sizeof *all);
    for (uint32_t i = 0; i < c->labels.count; i++)
        all[i] = (struct notice_label){ pairs[i].key, pairs[i].value->value };
    return all;
}

/* What still fires ends by itself, unless it is sent again in time. */
static uint64_t alert_end(const struct outlet *o, uint64_t ended)
{
    return ended ? ended : clock_wall() + 4 * o->conf->resend;
}

static void put_alerts(const struct outlet *o, struct buf *out)
{
    struct arena *arena = arena_new();
    const struct notice_label *labels = labels_of(o->conf, arena);
    struct json j = JSON(out);
    json_open_array(&j, NULL);
    LIST_EACH(at, &o->queue.items) {
        struct queue_item *i = LIST_OWNER(at, struct queue_item, link);
        i->sending &= out->len < ALERTS_FULL;        /* what finds no room waits for the others' end */
        if (i->sending)
            notice_alert(&j, i->notice, labels, o->conf->labels.count, alert_end(o, i->ended));
    }
    json_close_array(&j);
    arena_free(arena);
}

static void put_message(const struct outlet *o, const struct notice *n, struct buf *out)
{
    if (o->conf->body)
        template_render(o->conf->body, notice_value, n, out);
    else
        notice_json(n, out);
}

/* ---- how it went ---- */

static double chance(void)
{
    uint16_t n = 0;
    return getrandom(&n, sizeof n, GRND_NONBLOCK) == sizeof n ? n / 65535.0 : 0.5;
}

static void works_again(struct outlet *o)
{
    if (!o->failing_since)
        return;
    o->failing_since = 0;
    log_about(LOG_NOTICE, "receiver", o->label, "%s takes messages again", o->conf->text);
    char *text = mem_printf("receiver %s takes messages again", o->label);
    journal_add(JOURNAL_SELF, "vitald", "receiver failing", "receiver works", "", text);
    mem_free(text);
}

static void fails(struct outlet *o, const struct send_result *r)
{
    snprintf(o->error, sizeof o->error, "%s", r->text);
    if (o->failing_since)
        return;
    o->failing_since = clock_wall();
    log_about(LOG_WARNING, "receiver", o->label, "%s cannot be told: %s; %s", o->conf->text, r->text,
              r->result == QUEUE_RETRY || o->queue.is_set ? "tried again, less and less often" : "this message is lost; `vitalctl notify` shows it, `vitalctl notify test` tries it");
    char *text = mem_printf("receiver %s cannot be told: %s", o->label, r->text);
    journal_add(JOURNAL_SELF, "vitald", "", "receiver failing", "", text);
    mem_free(text);
}

static void sent(void *arg, const struct send_result *r)
{
    struct outlet *o = arg;
    o->send = NULL;
    o->delivered += r->result == QUEUE_DELIVERED;
    o->refused += r->result == QUEUE_REFUSED;
    o->retried += r->result == QUEUE_RETRY;
    if (r->result == QUEUE_DELIVERED) {
        o->last = clock_wall();
        works_again(o);
    } else {
        fails(o, r);
    }
    queue_done(&o->queue, r->result, r->retry_after, chance(), clock_now());
    pump(o);
}

static void pump(struct outlet *o)
{
    uint64_t now = clock_now();
    struct queue_item *i = o->send ? NULL : queue_take(&o->queue, now);
    if (i) {
        struct buf body = BUF(NOTICE_JSON_MAX);
        if (o->queue.is_set)
            put_alerts(o, &body);
        else
            put_message(o, i->notice, &body);
        o->send = send_start(o->conf, o->options, &body, i->notice, sent, o);
    }
    uint64_t next = queue_next(&o->queue);
    if (o->send || next == TIME_NEVER)
        timer_clear(loop_timers(), &o->timer);
    else
        timer_set(loop_timers(), &o->timer, next);
}

void outlet_tell(struct outlet *o, struct notice *n)
{
    queue_add(&o->queue, n, clock_now());
    pump(o);
}

/* ---- tests ---- */

static void test_end(struct outlet_test *t, bool ok, const char *text)
{
    char span[CLOCK_TEXT];
    char *line = mem_printf("%s: %s %s: %s, after %s", t->outlet->label, outlet_kind_text(t->outlet->conf->kind), t->outlet->conf->text, text,
                            clock_span(clock_now() - t->begun, span));
    list_remove(&t->link);
    t->told(t->arg, ok, line);
    notice_release(t->notice);
    mem_free(line);
    mem_free(t);
}

static void tested(void *arg, const struct send_result *r)
{
    struct outlet_test *t = arg;
    t->send = NULL;
    test_end(t, r->result == QUEUE_DELIVERED, r->text);
}

void outlet_test(struct outlet *o, struct notice *n, notify_told_fn *told, void *arg)
{
    struct outlet_test *t = mem_alloc(sizeof *t);
    struct buf body = BUF(NOTICE_JSON_MAX);
    *t = (struct outlet_test){ .outlet = o, .notice = notice_hold(n), .begun = clock_now(), .told = told, .arg = arg };
    list_init(&t->link);
    list_append(&o->tests, &t->link);
    if (o->queue.is_set) {
        struct arena *arena = arena_new();
        struct json j = JSON(&body);
        json_open_array(&j, NULL);
        notice_alert(&j, n, labels_of(o->conf, arena), o->conf->labels.count, clock_wall() + 60 * USEC_S);
        json_close_array(&j);
        arena_free(arena);
    } else {
        put_message(o, n, &body);
    }
    t->send = send_start(o->conf, o->options, &body, n, tested, t);
}

void outlet_close(struct outlet *o)
{
    LIST_EACH_SAFE(at, after, &o->tests) {
        struct outlet_test *t = LIST_OWNER(at, struct outlet_test, link);
        send_cancel(t->send);
        test_end(t, false, "it left the configuration meanwhile");
    }
    send_cancel(o->send);
    timer_clear(loop_timers(), &o->timer);
    queue_close(&o->queue);
    conf_options_release(o->options);
    mem_free(o->label);
}

struct view_receiver outlet_view(const struct outlet *o, const char *receiver, struct arena *arena)
{
    return (struct view_receiver){
        .receiver = arena_copy(arena, receiver), .kind = outlet_kind_text(o->conf->kind), .to = arena_copy(arena, o->conf->text),
        .label = arena_copy(arena, o->label), .waiting = o->queue.count, .delivered = o->delivered, .retried = o->retried,
        .refused = o->refused, .expired = o->queue.expired, .dropped = o->queue.dropped, .merged = o->queue.merged,
        .last = o->last, .failing_since = o->failing_since, .error = arena_copy(arena, o->error),
    };
}
