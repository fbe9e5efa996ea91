#include "front/notify_send.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

static void bury(struct loop_dead *d)
{
    struct send *s = LIST_OWNER(d, struct send, dead);
    conf_options_release(s->options);
    s->free(s);
}

static void leave(struct send *s)
{
    timer_clear(loop_timers(), &s->timer);
    loop_bury(&s->dead, bury);
}

static void fire(struct timer *t, uint64_t now)
{
    struct send *s = TIMER_OWNER(t, struct send, timer);
    char span[CLOCK_TEXT];
    (void)now;
    if (!s->known) {
        send_end(s, QUEUE_RETRY, "no answer within %s", clock_span(s->to->timeout, span));
        return;
    }
    leave(s);
    s->fn(s->arg, &s->result);
}

void send_open(struct send *s, const struct conf_outlet *to, struct conf_options *o, send_fn *fn, void *arg)
{
    s->to = to;
    s->options = o;
    s->fn = fn;
    s->arg = arg;
    conf_options_hold(o);
    timer_init(&s->timer, fire);
    timer_set(loop_timers(), &s->timer, clock_now() + to->timeout);
}

static void tame(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
}

void send_end(struct send *s, enum queue_result result, const char *fmt, ...)
{
    va_list args;
    if (s->known)
        return;
    s->known = true;
    s->result.result = result;
    va_start(args, fmt);
    vsnprintf(s->result.text, sizeof s->result.text, fmt, args);
    va_end(args);
    for (uint32_t i = 0; i < s->options->secret_count; i++)
        secret_scrub(s->options->secrets[i], s->result.text);
    tame(s->result.text);
    s->stop(s);
    timer_set(loop_timers(), &s->timer, clock_now());
}

struct send *send_start(const struct conf_outlet *to, struct conf_options *o, struct buf *body, const struct notice *n, send_fn *fn, void *arg)
{
    return to->kind == OUTLET_EXEC ? send_exec(to, o, body, n, fn, arg) : send_http(to, o, body, fn, arg);
}

void send_cancel(struct send *s)
{
    if (!s)
        return;
    if (!s->known)
        s->stop(s);
    s->known = true;
    leave(s);
}
