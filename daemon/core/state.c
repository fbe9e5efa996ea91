#include "core/state.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/admin.h"
#include "core/engine.h"
#include "core/probe.h"
#include "core/state_bytes.h"
#include "core/world.h"

enum { KNOWN = 1, BAD_0 = 2, BAD_1 = 4, STALE = 8, SAMPLED = 16, HAD_OUTCOME = 32 };
enum { DRAIN_ORDERED = 1, LATCHED = 2 };

/* ---- out ---- */

static void put_group(struct buf *b, const struct group *g)
{
    put_text(b, g->conf->name);
    put_8(b, (uint8_t)g->shown.level);
    put_64(b, g->shown.since);
}

void state_begin(struct state_export *e, const char *boot)
{
    const struct conf *c = core_conf();
    struct state_head head = { .magic = STATE_MAGIC, .version = STATE_VERSION, .wall = clock_wall(), .now = clock_now() };
    snprintf(head.boot, sizeof head.boot, "%s", boot);
    if (boot != e->boot)
        snprintf(e->boot, sizeof e->boot, "%s", boot);
    buf_free(&e->bytes);
    e->bytes = BUF(STATE_SIZE_MAX);
    e->generation = core_generation();
    e->next = 0;
    e->noted = false;
    buf_add(&e->bytes, &head, sizeof head);
    put_8(&e->bytes, (uint8_t)((engine.drain_ordered ? DRAIN_ORDERED : 0) | (engine.startup_latched ? LATCHED : 0)));
    put_64(&e->bytes, engine.draining_since);
    put_32(&e->bytes, c->group_count);
    for (uint32_t i = 0; i < c->group_count; i++)
        put_group(&e->bytes, &engine.world->groups[i]);
    put_32(&e->bytes, c->probe_count);
}

static void put_settle(struct buf *b, const struct record *r)
{
    const struct settle *s = &r->settle;
    put_8(b, (uint8_t)((s->known ? KNOWN : 0) | (s->line[0].bad ? BAD_0 : 0) | (s->line[1].bad ? BAD_1 : 0) |
                       (r->stale ? STALE : 0) | (r->sampled ? SAMPLED : 0) | (r->had_outcome ? HAD_OUTCOME : 0)));
    put_8(b, s->line[0].run);
    put_8(b, s->line[1].run);
}

static void put_history(struct buf *b, const struct record *r)
{
    const struct history *h = &r->history;
    put_8(b, h->count);
    for (unsigned i = 0; i < h->count; i++) {
        put_8(b, (uint8_t)history_class(h, i));
        put_32(b, (uint32_t)history_duration(h, i));
    }
}

static void put_probe(struct buf *b, const struct probe *p)
{
    const struct record *r = &p->record;
    put_text(b, p->conf->name);
    put_text(b, p->conf->type);
    put_text(b, p->options->target);
    put_8(b, (uint8_t)p->order.mode);
    put_8(b, (uint8_t)p->order.forced);
    put_64(b, p->order.until);
    put_settle(b, r);
    const uint64_t times[] = { r->sample_at, r->fresh_from, r->lease, r->since, r->at, r->last_pass, p->plan.regular };
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
        put_64(b, times[i]);
    put_64(b, r->duration);
    put_64(b, r->transitions);
    put_8(b, (uint8_t)r->class);
    put_text(b, reason_text(r->reason));
    put_text(b, r->text);
    put_history(b, r);
}

static void (*put_note)(struct buf *);

void state_on_note(void (*put)(struct buf *))
{
    put_note = put;
}

static void add_note(struct buf *b)
{
    size_t at = b->len;
    put_32(b, 0);
    if (put_note)
        put_note(b);
    uint32_t len = (uint32_t)(b->len - at - sizeof len);
    if (!b->over)
        memcpy(b->data + at, &len, sizeof len);
}

bool state_continue(struct state_export *e, uint32_t probes)
{
    if (e->generation != core_generation())
        state_begin(e, e->boot);
    const struct world *w = engine.world;
    for (; probes-- && e->next < w->conf->probe_count; e->next++)
        put_probe(&e->bytes, w->probes[e->next]);
    if (e->next < w->conf->probe_count)
        return false;
    if (!e->noted)
        add_note(&e->bytes);
    return e->noted = true;
}

/* ---- in ---- */

static struct {
    char *bytes;
    size_t len;
    char boot[STATE_BOOT];
    char *note;
} kept;

void state_restore(char *bytes, size_t len, const char *boot)
{
    mem_free(kept.bytes);
    kept.bytes = bytes;
    kept.len = len;
    snprintf(kept.boot, sizeof kept.boot, "%s", boot);
}

char *state_take_note(void)
{
    char *note = kept.note;
    kept.note = NULL;
    return note;
}

static void take_note(struct state_reader *in)
{
    uint32_t len = get_32(in);
    mem_free(kept.note);
    kept.note = len && len <= in->left ? mem_copy_n(in->at, len) : NULL;
}

/* How the times in the bytes become times of this boot's clock. */
struct passage {
    bool same_boot;
    uint64_t now, shift;                /* shift wraps: earlier moments may lie before this clock began */
    unsigned taken, stale;
};

static uint64_t moment(const struct passage *at, uint64_t then)
{
    return then && then != TIME_NEVER ? then + at->shift : then;
}

static struct passage passage_of(const struct state_head *h, uint64_t now)
{
    uint64_t wall = clock_wall();
    struct passage at = { .now = now, .same_boot = *h->boot && !strcmp(h->boot, kept.boot) && h->now <= now };
    if (!at.same_boot)
        at.shift = now - h->now - (wall > h->wall ? wall - h->wall : 0);
    return at;
}

struct saved {
    char name[STATE_TEXT], type[STATE_TEXT], target[STATE_TEXT];
    struct order order;
    struct record record;
    uint64_t due;
    char text[OUTCOME_TEXT_MAX];
};

static void get_settle(struct state_reader *in, struct record *r)
{
    uint8_t flags = get_8(in);
    r->settle = (struct settle){ .known = flags & KNOWN, .line = { { .bad = flags & BAD_0 }, { .bad = flags & BAD_1 } } };
    r->settle.line[0].run = get_8(in);
    r->settle.line[1].run = get_8(in);
    r->stale = flags & STALE;
    r->sampled = flags & SAMPLED;
    r->had_outcome = flags & HAD_OUTCOME;
    if (r->settle.line[1].bad && !r->settle.line[0].bad)
        in->broken = true;
}

static void get_history(struct state_reader *in, struct record *r)
{
    unsigned count = get_below(in, HISTORY_MAX + 1);
    while (count--) {
        enum vital_class class = get_below(in, VITAL_CLASS_COUNT);
        history_add(&r->history, class, get_32(in));
    }
}

static void get_probe(struct state_reader *in, const struct passage *at, struct saved *s)
{
    struct record *r = &s->record;
    char reason[STATE_TEXT];
    *s = (struct saved){ 0 };
    get_text(in, s->name, sizeof s->name);
    get_text(in, s->type, sizeof s->type);
    get_text(in, s->target, sizeof s->target);
    s->order.mode = get_below(in, MODE_COUNT);
    s->order.forced = get_below(in, LEVEL_COUNT);
    s->order.until = moment(at, get_64(in));
    get_settle(in, r);
    uint64_t *const times[] = { &r->sample_at, &r->fresh_from, &r->lease, &r->since, &r->at, &r->last_pass, &s->due };
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
        *times[i] = moment(at, get_64(in));
    r->duration = get_64(in);
    r->transitions = get_64(in);
    r->class = (uint8_t)get_below(in, VITAL_CLASS_COUNT);
    get_text(in, reason, sizeof reason);
    get_text(in, s->text, sizeof s->text);
    get_history(in, r);
    int known = reason_from(reason);     /* its name, for numbers may move from version to version */
    r->reason = known < 0 ? VITAL_R_OK : (uint8_t)known;
}

/* What would have grown stale meanwhile has; and what was measured before another boot, or in the future, proves nothing. */
static bool is_stale_now(const struct saved *s, const struct conf_probe *conf, const struct passage *at)
{
    const struct record *r = &s->record;
    if (r->stale || s->order.mode == MODE_PAUSED)
        return r->stale;
    if (!at->same_boot || r->fresh_from > at->now)
        return true;
    return at->now - r->fresh_from >= conf->max_age && r->lease <= at->now;
}

static void take_record(struct probe *p, struct saved *s, struct passage *at)
{
    const struct settle_rule rule = probe_rule(p);
    struct record *r = &s->record;
    if (r->settle.known)
        r->stale = is_stale_now(s, p->conf, at);
    r->sampled &= !r->stale;
    settle_clamp(&r->settle, &rule);
    if (*s->text)
        r->text = mem_copy(s->text); /* its room stays 0: the next outcome finds its own */
    p->record = *r; /* it was new: there is nothing to free */
    at->taken++;
    at->stale += r->stale;
}

/* Signed, for its end may lie before this boot. */
static bool is_over(const struct order *o, uint64_t now)
{
    return o->until && o->until != TIME_NEVER && (int64_t)(o->until - now) <= 0;
}

static void take_order(struct probe *p, const struct order *order)
{
    p->order = *order;
    if (order->mode == MODE_PAUSED)
        sched_stop(p);
}

static bool is_same_probe(const struct probe *p, const struct saved *s)
{
    const char *target = p->options->target ? p->options->target : "";
    char cut[STATE_TEXT];
    snprintf(cut, sizeof cut, "%s", target);
    return !strcmp(p->conf->type, s->type) && !strcmp(cut, s->target) && p->options->module;
}

static void take_probe(struct world *w, struct saved *s, struct passage *at)
{
    uint32_t index = index_find(&w->probe_names, s->name, strlen(s->name));
    if (index == UINT32_MAX)
        return;
    struct probe *p = w->probes[index];
    if (is_over(&s->order, at->now))
        s->order = (struct order){ .mode = MODE_NORMAL }; /* before freshness is judged: a pause keeps things fresh */
    if (is_same_probe(p, s))
        take_record(p, s, at);
    take_order(p, &s->order); /* a mode is the name's, as in a reload */
    if (probe_is_known(p) && p->record.sampled)
        sched_resume(p, s->due, at->now);
    probe_arm_expiry(p);
}

static void take_group(struct world *w, struct state_reader *in, const struct passage *at)
{
    char name[STATE_TEXT];
    get_text(in, name, sizeof name);
    uint8_t level = get_below(in, LEVEL_COUNT);
    uint64_t since = moment(at, get_64(in));
    uint32_t index = index_find(&w->group_names, name, strlen(name));
    if (index == UINT32_MAX || in->broken)
        return;
    struct group *g = &w->groups[index];
    g->shown.level = level;
    g->shown.since = since;
    g->is_shown = true;
}

static void take_flags(struct state_reader *in, const struct passage *at)
{
    uint8_t flags = get_8(in);
    uint64_t since = moment(at, get_64(in));
    if (flags & DRAIN_ORDERED) {
        engine.draining = engine.drain_ordered = true;
        engine.draining_since = since;
        engine_log(LOG_NOTICE, "self", NULL, "still draining: ordered before the restart");
    }
    engine.startup_latched = (flags & LATCHED) && at->same_boot;
}

static void tell(const struct passage *at, const struct state_head *h)
{
    char text[160], span[CLOCK_TEXT];
    uint64_t wall = clock_wall();
    snprintf(text, sizeof text, "took over the states of %u probes, known %s ago%s; stale by now: %u", at->taken,
             clock_span(wall > h->wall ? wall - h->wall : 0, span), at->same_boot ? "" : ", before another boot", at->stale);
    engine_log(LOG_NOTICE, "self", NULL, text);
}

void state_apply(struct world *w, uint64_t now)
{
    if (!kept.bytes)
        return;
    struct state_head head;
    struct state_reader in = { .at = kept.bytes, .left = kept.len };
    get_bytes(&in, &head, sizeof head);
    head.boot[sizeof head.boot - 1] = '\0';
    struct passage at = passage_of(&head, now);
    take_flags(&in, &at);
    for (uint32_t n = get_32(&in); n && !in.broken; n--)
        take_group(w, &in, &at);
    for (uint32_t n = get_32(&in); n && !in.broken; n--) {
        struct saved s;
        get_probe(&in, &at, &s);
        if (!in.broken)
            take_probe(w, &s, &at);
    }
    take_note(&in);
    tell(&at, &head);
    mem_free(kept.bytes);
    kept.bytes = NULL;
}

/* ---- whole or not ---- */

const char *state_check(const char *bytes, size_t len)
{
    struct state_head head;
    const char *problem = state_check_head(bytes, len, &head);
    if (problem)
        return problem;
    struct state_reader in = { .at = bytes + sizeof head, .left = len - sizeof head };
    const struct passage at = { 0 };
    static _Thread_local struct saved s;
    get_8(&in);
    get_64(&in);
    for (uint32_t n = get_32(&in); n && !in.broken; n--) {
        get_text(&in, s.name, sizeof s.name);
        get_below(&in, LEVEL_COUNT);
        get_64(&in);
    }
    for (uint32_t n = get_32(&in); n && !in.broken; n--)
        get_probe(&in, &at, &s);
    return in.broken || get_32(&in) != in.left || in.broken ? "it is damaged: its parts do not fit together" : NULL;
}
