/* Verbs that take longer than a call: long answers, and waiting for a verdict, an outcome, a reload, what happens next. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/admin.h"
#include "core/core.h"
#include "core/journal.h"
#include "front/control_client.h"
#include "front/notify.h"
#include "front/self.h"
#include "view/brief.h"
#include "view/event.h"
#include "view/json.h"

enum { RENDERS_MAX = 8, TEXT_MAX = 64 * 1024, RUN_PATIENCE_S = 110, EVENTS_PER_STEP = 256 };

/* ---- an answer of any length: a chunk whenever the one before has left ---- */

struct render {
    const struct picture *picture;
    struct arena *arena;             /* of the facts */
    view_fn *view;
    struct view_input input;
    struct view_progress progress;
    struct buf chunk;
};
static unsigned renders;

/* The chunk as the inside of a JSON string; chunks end between items, so no character is cut. */
static void render_escape(struct control_client *c, const struct buf *chunk)
{
    struct buf quoted = BUF(CLIENT_OUT_MAX);
    struct json j = JSON(&quoted);
    json_text_n(&j, NULL, chunk->data, chunk->len);
    buf_add(&c->out, quoted.data + 1, quoted.len - 2);
    c->out.over |= quoted.over;
    buf_free(&quoted);
}

static bool render_step(struct control_client *c)
{
    struct render *r = c->state;
    if (client_is_full(c))
        return true;
    bool done = r->view(&r->input, &r->progress, &r->chunk);
    if (r->chunk.len)
        render_escape(c, &r->chunk);
    c->out.over |= r->chunk.over;
    buf_reset(&r->chunk);
    if (done)
        buf_text(&c->out, "\"}\n");
    else
        loop_soon();
    return !done;
}

static void render_end(struct control_client *c)
{
    struct render *r = c->state;
    view_end(&r->progress);
    picture_free(r->picture);
    arena_free(r->arena);
    buf_free(&r->chunk);
    renders--;
}

void task_render(struct control_client *c, const struct picture *p, view_fn *view, bool colour)
{
    static const struct control_task task = { .step = render_step, .end = render_end };
    if (renders >= RENDERS_MAX) {
        picture_free(p);
        client_error(c, CTL_BUSY, "too many long answers at once; try again in a moment");
        return;
    }
    struct render *r = mem_alloc(sizeof *r);
    *r = (struct render){ .picture = p, .arena = arena_new(), .view = view, .input = { .picture = p, .colour = colour }, .chunk = BUF(VIEW_ROOM) };
    if (view == json_status)
        r->input.facts = self_facts(r->arena, &r->input.fact_count);
    renders++;
    buf_printf(&c->out, "{\"id\":%" PRId64 ",\"ok\":true,\"text\":\"", c->request);
    client_begin(c, &task, r);
}

/* ---- wait ---- */

struct waiting {
    char group[CTL_NAME_MAX];
    bool until_fail, held;           /* held: it is now what is waited for, since `since` */
    uint64_t hold, deadline, since;
    uint64_t told;                   /* version of the verdict that the client was told of */
    bool told_any;
};

static void wait_tell(struct control_client *c, uint32_t group, bool final)
{
    struct buf text = BUF(TEXT_MAX);
    const struct picture *p = picture_group(group);
    brief_group(&text, p);
    if (final)
        client_error(c, CTL_TIMEOUT, "%s", text.data);
    else
        client_event(c, level_text(p->groups[0].level), text.data);
    picture_free(p);
    buf_free(&text);
}

static bool wait_reached(struct control_client *c, const struct waiting *w, const struct verdict *v, uint64_t now)
{
    char span[CLOCK_TEXT];
    char *text = w->hold ? mem_printf("%s: %s, for %s", w->group, level_text(v->level), clock_span(now - w->since, span))
                         : mem_printf("%s: %s", w->group, level_text(v->level));
    client_ok(c, text);
    mem_free(text);
    return false;
}

static bool wait_step(struct control_client *c)
{
    struct waiting *w = c->state;
    struct verdict v;
    uint64_t now = clock_now();
    uint32_t group = core_group_find(w->group, strlen(w->group));
    if (group == UINT32_MAX) {
        client_error(c, CTL_NOT_FOUND, "the group `%s` is gone: a reload removed it", w->group);
        return false;
    }
    core_verdict(group, &v);
    bool good = (v.level == LEVEL_FAIL) == w->until_fail;
    if (good && !w->held)
        w->since = w->told_any || !v.since ? now : v.since;      /* at first, what held before we came counts */
    w->held = good;
    if (good && now - w->since >= w->hold)
        return wait_reached(c, w, &v, now);
    if (now >= w->deadline) {
        wait_tell(c, group, true);
        return false;
    }
    if ((!w->told_any || w->told != v.version) && !client_is_full(c)) {
        wait_tell(c, group, false);
        w->told_any = true;
        w->told = v.version;
    }
    client_wake_at(c, good && w->since + w->hold < w->deadline ? w->since + w->hold : w->deadline);
    return true;
}

void task_wait(struct control_client *c, const char *group, bool until_fail, uint64_t hold, uint64_t timeout)
{
    static const struct control_task task = { .step = wait_step, .endless = true };
    struct waiting *w = mem_alloc(sizeof *w);
    *w = (struct waiting){ .until_fail = until_fail, .hold = hold, .deadline = timeout ? clock_now() + timeout : TIME_NEVER };
    snprintf(w->group, sizeof w->group, "%s", group);
    client_begin(c, &task, w);
}

/* ---- run ---- */

struct running {
    char probe[CTL_NAME_MAX];
    uint64_t cancelled, ended;       /* the probe's counts that are waited beyond */
    bool behind;                     /* behind an attempt that began before the order, and says nothing about now */
    uint64_t seen, deadline;         /* all attempts when we looked last: looking costs a picture */
};

static uint64_t attempts_ended(void)
{
    struct core_stats s;
    uint64_t sum = 0;
    core_stats(&s);
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        sum += s.attempts[i];
    return sum + s.cancelled;
}

static uint64_t outcomes_of(const struct picture_probe *p)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        sum += p->attempts[i];
    return sum;
}

/* The order itself: waits behind a running attempt, else one is begun. False: told why not. */
static bool run_begin(struct control_client *c, struct running *r, const struct picture_probe *p)
{
    r->cancelled = p->cancelled;
    r->ended = outcomes_of(p);
    r->behind = p->in_flight;
    char *why = r->behind ? NULL : admin_run(r->probe);
    bool good = !why;
    if (why)
        client_error(c, CTL_FAILED, "%s", why);
    mem_free(why);
    loop_soon();
    return good;
}

static void run_tell(struct control_client *c, const struct picture *pic)
{
    const struct picture_probe *p = &pic->probes[0];
    struct buf text = BUF(TEXT_MAX);
    brief_outcome(&text, pic);
    if (p->outcome == VITAL_PASS || p->outcome == VITAL_WARN)
        client_ok(c, text.data);
    else
        client_error(c, CTL_FAILED, "%s", text.data);
    buf_free(&text);
}

/* False: told how it ended. */
static bool run_look(struct control_client *c, struct running *r, const struct picture *pic)
{
    const struct picture_probe *p = &pic->probes[0];
    bool ended = outcomes_of(p) > r->ended, cancelled = p->cancelled > r->cancelled;
    if (!ended && !cancelled)
        return true;
    if (r->behind && !p->in_flight)
        return run_begin(c, r, p);
    if (ended)
        run_tell(c, pic);
    else
        client_error(c, CTL_FAILED, "%s: the attempt was cancelled, by a reload or by an order", r->probe);
    return false;
}

static bool run_step(struct control_client *c)
{
    struct running *r = c->state;
    uint64_t ended = attempts_ended(), now = clock_now();
    uint32_t probe = core_probe_find(r->probe, strlen(r->probe));
    bool on = true;
    if (probe == UINT32_MAX) {
        client_error(c, CTL_NOT_FOUND, "the probe `%s` is gone: a reload removed it", r->probe);
        return false;
    }
    if (ended != r->seen) {
        const struct picture *p = picture_probe(probe);
        r->seen = ended;
        on = run_look(c, r, p);
        picture_free(p);
    }
    if (on && now >= r->deadline) {
        client_error(c, CTL_TIMEOUT, "%s: no outcome yet; the attempt waits for others or runs: see `vitalctl status %s`", r->probe, r->probe);
        on = false;
    }
    client_wake_at(c, r->deadline);
    return on;
}

void task_run(struct control_client *c, const char *name)
{
    static const struct control_task task = { .step = run_step };
    const struct picture *p = picture_probe(core_probe_find(name, strlen(name)));
    struct running *r = mem_alloc(sizeof *r);
    *r = (struct running){ .seen = UINT64_MAX, .deadline = clock_now() + RUN_PATIENCE_S * USEC_S };
    snprintf(r->probe, sizeof r->probe, "%s", name);
    if (run_begin(c, r, &p->probes[0]))
        client_begin(c, &task, r);
    else
        mem_free(r);
    picture_free(p);
}

/* ---- events ---- */

struct following {
    uint64_t cursor;
    bool follow, json;
};

static void event_text(struct buf *out, const struct journal_entry *e)
{
    char time[CLOCK_TEXT];
    buf_printf(out, "%s #%" PRIu64 " %s %s: %s -> %s", clock_iso(e->wall, time), e->id, journal_kind_text(e->kind), e->name, e->from, e->to);
    if (*e->reason)
        buf_printf(out, " (%s)", e->reason);
    if (*e->text)
        buf_printf(out, ": %s", e->text);
}

static void events_skipped(struct control_client *c, uint64_t skipped, bool json)
{
    char text[128];
    snprintf(text, sizeof text, json ? "{\"skipped\":%" PRIu64 "}" : "... %" PRIu64 " older events are lost ...", skipped);
    control_counts.events_skipped += skipped;
    client_event(c, "skipped", text);
}

static bool events_step(struct control_client *c)
{
    struct following *f = c->state;
    const struct journal_entry *e;
    uint64_t skipped = 0;
    for (unsigned i = 0; i < EVENTS_PER_STEP && !client_is_full(c); i++) {
        if (!(e = journal_after(f->cursor, &skipped))) {
            if (!f->follow)
                client_ok(c, "");
            return f->follow;
        }
        if (skipped && f->cursor)
            events_skipped(c, skipped, f->json);
        struct buf text = BUF(TEXT_MAX);
        (f->json ? event_json : event_text)(&text, e);
        client_event(c, "event", text.data);
        buf_free(&text);
        f->cursor = e->id;
    }
    if (!client_is_full(c))
        loop_soon();
    return true;
}

void task_events(struct control_client *c, uint64_t cursor, bool follow, bool json)
{
    static const struct control_task once = { .step = events_step }, endless = { .step = events_step, .endless = true };
    struct following *f = mem_alloc(sizeof *f);
    *f = (struct following){ .cursor = cursor, .follow = follow, .json = json };
    client_begin(c, follow ? &endless : &once, f);
}

/* ---- a test message ---- */

struct testing { unsigned left; bool failed; };

static bool notify_step(struct control_client *c)
{
    struct testing *t = c->state;
    if (t->left)
        return true;
    if (t->failed)
        client_error(c, CTL_FAILED, "not everything was delivered");
    else
        client_ok(c, "delivered");
    return false;
}

static const struct control_task notify_task = { .step = notify_step };

/* The client may be gone by now, as with reload_done(). */
static void notify_told(void *serial, bool ok, const char *text)
{
    struct control_client *c = client_find((uintptr_t)serial);
    if (!c || c->task != &notify_task)
        return;
    struct testing *t = c->state;
    t->left--;
    t->failed |= !ok;
    client_event(c, ok ? "delivered" : "failed", text);
    loop_soon();
}

void task_notify(struct control_client *c, const char *receiver)
{
    struct testing *t = mem_alloc(sizeof *t);
    t->left = notify_test(receiver, notify_told, (void *)(uintptr_t)c->serial);
    client_begin(c, &notify_task, t);
}

/* ---- reload ---- */

struct reloading { bool done, ok; char *text; };

static bool reload_step(struct control_client *c)
{
    struct reloading *r = c->state;
    if (!r->done)
        return true;
    if (r->ok)
        client_ok(c, r->text);
    else
        client_error(c, CTL_FAILED, "%s", r->text);
    return false;
}

static void reload_end(struct control_client *c)
{
    struct reloading *r = c->state;
    mem_free(r->text);
}

static const struct control_task reload_task = { .step = reload_step, .end = reload_end };

/* The client may be gone by now; its serial number is not used again. */
static void reload_done(void *serial, bool ok, const char *text)
{
    struct control_client *c = client_find((uintptr_t)serial);
    if (!c)
        return;
    struct reloading *r = c->state;
    r->done = true;
    r->ok = ok;
    r->text = mem_copy(text);
    loop_soon();
}

void task_reload(struct control_client *c)
{
    client_begin(c, &reload_task, mem_alloc(sizeof(struct reloading)));
    control_calls->reload(reload_done, (void *)(uintptr_t)c->serial);
}
