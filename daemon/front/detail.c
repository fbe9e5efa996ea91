#include "front/detail.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/timer.h"
#include "core/journal.h"
#include "front/balancer.h"
#include "front/notify.h"
#include "front/self.h"
#include "front/stats.h"
#include "io/loop.h"

#define SHOT_AGE (250 * USEC_MS)
enum { SHOTS = 32, BODIES = 4, TRANSITIONS = 50 };

struct shot {
    struct list link;                /* in `fresh`; alone when it is not handed out any more */
    unsigned refs;
    enum detail_scope scope;
    uint32_t index;
    uint64_t until;
    const struct picture *picture;
    struct arena *arena;             /* the facts */
    const struct view_balancer *balancers;
    unsigned balancer_count;
    const struct view_receiver *receivers;
    unsigned receiver_count;
    const struct view_fact *facts;
    unsigned fact_count;
    const struct journal_entry *journal;
    unsigned journal_count;
    struct { view_fn *view; struct buf text; } bodies[BODIES];
};

struct detail {
    struct shot *shot;
    view_fn *view;
    struct view_input input;
    struct view_progress progress;
};

static struct list fresh = { &fresh, &fresh };
static unsigned fresh_count, streams;
static struct timer sweep_timer;

static void forget(struct shot *s)
{
    list_remove(&s->link);
    fresh_count--;
    detail_release(s);
}

/* A picture of ten thousand probes is megabytes: it goes as soon as nobody may get it any more. */
static void sweep(struct timer *t, uint64_t now)
{
    LIST_EACH_SAFE(at, after, &fresh) {
        struct shot *s = LIST_OWNER(at, struct shot, link);
        if (s->until <= now)
            forget(s);
    }
    if (!list_empty(&fresh))
        timer_set(loop_timers(), t, LIST_OWNER(fresh.next, struct shot, link)->until);
}

/* Copies: the ring goes on while a body of many chunks is rendered. */
static void take_journal(struct shot *s)
{
    struct journal_entry *copy = arena_alloc(s->arena, TRANSITIONS * sizeof *copy);
    const struct journal_entry *e;
    while (s->journal_count < TRANSITIONS && (e = journal_get(journal_last() - s->journal_count))) {
        copy[s->journal_count] = *e;
        copy[s->journal_count].name = arena_copy(s->arena, e->name);
        copy[s->journal_count++].text = arena_copy(s->arena, e->text);
    }
    s->journal = copy;
}

static struct shot *take(enum detail_scope scope, uint32_t index, uint64_t now)
{
    struct shot *s = mem_alloc(sizeof *s);
    s->refs = 1;
    s->scope = scope;
    s->index = index;
    s->until = now + SHOT_AGE;
    s->picture = scope == DETAIL_ALL ? picture_all() : scope == DETAIL_GROUP ? picture_group(index) : picture_probe(index);
    s->arena = arena_new();
    if (scope == DETAIL_ALL) {
        s->facts = self_facts(s->arena, &s->fact_count);
        s->balancers = balancer_list(s->arena, &s->balancer_count);
        s->receivers = notify_list(s->arena, &s->receiver_count);
        take_journal(s);
    }
    if (fresh_count == SHOTS)
        forget(LIST_OWNER(fresh.next, struct shot, link));
    list_append(&fresh, &s->link);
    fresh_count++;
    if (!sweep_timer.fire)
        timer_init(&sweep_timer, sweep);
    if (!timer_is_set(&sweep_timer))
        timer_set(loop_timers(), &sweep_timer, s->until);
    return s;
}

struct shot *detail_shot(enum detail_scope scope, uint32_t index)
{
    uint64_t now = clock_now();
    struct shot *found = NULL;
    LIST_EACH(at, &fresh) {
        struct shot *s = LIST_OWNER(at, struct shot, link);
        if (s->scope == scope && s->index == index && s->until > now)
            found = s;
    }
    if (!found)
        found = take(scope, index, now);
    found->refs++;
    return found;
}

const struct picture *detail_picture(const struct shot *s)
{
    return s->picture;
}

void detail_release(struct shot *s)
{
    if (--s->refs > 0)
        return;
    for (unsigned i = 0; i < BODIES; i++)
        buf_free(&s->bodies[i].text);
    picture_free(s->picture);
    arena_free(s->arena);
    mem_free(s);
}

static bool from_cache(const struct shot *s, view_fn *view, struct buf *out)
{
    for (unsigned i = 0; i < BODIES; i++)
        if (s->bodies[i].view == view) {
            buf_add(out, s->bodies[i].text.data, s->bodies[i].text.len);
            return true;
        }
    return false;
}

static void into_cache(struct shot *s, view_fn *view, const char *bytes, size_t len)
{
    for (unsigned i = 0; i < BODIES; i++)
        if (!s->bodies[i].view) {
            s->bodies[i].view = view;
            s->bodies[i].text = BUF(VIEW_ROOM);
            buf_add(&s->bodies[i].text, bytes, len);
            return;
        }
}

/* The excluded names belong to the request; a body that goes on after it needs copies. */
static const char *const *copy_names(struct arena *a, const char *const *names, unsigned count)
{
    const char **copy = arena_alloc(a, (count + 1) * sizeof *copy);
    for (unsigned i = 0; i < count; i++)
        copy[i] = arena_copy(a, names[i]);
    return copy;
}

static struct detail *detail_keep(struct shot *s, view_fn *view, const struct view_input *in, const struct view_progress *p)
{
    struct detail *d = mem_alloc(sizeof *d);
    *d = (struct detail){ .shot = s, .view = view, .input = *in, .progress = *p };
    d->input.excluded = copy_names(s->arena, in->excluded, in->excluded_count);
    d->input.strangers = copy_names(s->arena, in->strangers, in->stranger_count);
    s->refs++;
    streams++;
    return d;
}

bool detail_start(struct shot *shot, view_fn *view, const struct view_input *extra, struct buf *out, struct detail **rest)
{
    struct view_input in = extra ? *extra : (struct view_input){ 0 };
    struct view_progress p = { 0 };
    size_t start = out->len;
    *rest = NULL;
    if (!extra && from_cache(shot, view, out))
        return true;
    in.picture = shot->picture;
    in.facts = shot->facts;
    in.fact_count = shot->fact_count;
    in.balancers = shot->balancers;
    in.balancer_count = shot->balancer_count;
    in.receivers = shot->receivers;
    in.receiver_count = shot->receiver_count;
    in.journal = shot->journal;
    in.journal_count = shot->journal_count;
    bool whole = view(&in, &p, out);
    if (whole && !extra)
        into_cache(shot, view, out->data + start, out->len - start);
    if (!whole && streams >= DETAIL_STREAMS) {
        front_stats.streams_refused++;
        view_end(&p);
        return false;
    }
    if (!whole)
        *rest = detail_keep(shot, view, &in, &p);
    else
        view_end(&p);
    return true;
}

bool detail_next(struct detail *d, struct buf *out)
{
    return d->view(&d->input, &d->progress, out);
}

void detail_end(struct detail *d)
{
    view_end(&d->progress);
    detail_release(d->shot);
    mem_free(d);
    streams--;
}

void detail_reset(void)
{
    while (!list_empty(&fresh))
        forget(LIST_OWNER(fresh.next, struct shot, link));
    timer_clear(loop_timers(), &sweep_timer);
}
