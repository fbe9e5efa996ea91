#include "front/notify.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "config/conf_notify.h"
#include "core/core.h"
#include "core/journal.h"
#include "core/picture.h"
#include "core/state.h"
#include "front/notify_facts.h"
#include "front/notify_note.h"
#include "front/notify_outlet.h"
#include "front/notify_policy.h"
#include "io/loop.h"

#define PACE (100 * USEC_MS)           /* between two looks, at least ... */
#define SHARE 100                      /* ... and so many times what the last one took, for there may be many probes */

enum { MOST_AT_ONCE = 10 };

struct receiver {
    struct list link;
    char *name;
    struct policy policy;
    bool *watched;
    struct outlet **outlets;           /* NULL: moved elsewhere */
    uint32_t outlet_count;
    uint64_t next;                     /* when its policy wants to look again */
};

static struct {
    struct list receivers;
    struct timer wake;
    bool begun;
    uint64_t journal, last_look, pace;
    struct arena *names;               /* of the subjects, as of the configuration in force */
    const char **name_of;
    uint32_t probe_count, subject_count;
} all = { .receivers = { &all.receivers, &all.receivers } };

static struct receiver *receiver_of(struct list *at)
{
    return LIST_OWNER(at, struct receiver, link);
}

/* ---- looking ---- */

/* What a policy's events are told of. */
struct look {
    struct receiver *receiver;
    const struct picture *picture;
};

static struct notice *notice_of(const struct picture *pic, const struct policy_event *e)
{
    bool group = e->subject >= all.probe_count;
    struct notice *n = group ? notice_of_group(pic, e->subject - all.probe_count, e->status, e->level) : notice_of_probe(pic, e->subject, e->status, e->level);
    n->changes = e->changes;
    n->together = e->together;
    n->since = clock_wall_of(e->since);
    for (uint32_t i = 0; i < e->with_count; i++)
        notice_add(n, e->with[i] >= all.probe_count ? &n->groups : &n->affected, all.name_of[e->with[i]]);
    notice_seal(n);
    return n;
}

static void tell_all(struct receiver *r, struct notice *n)
{
    for (uint32_t i = 0; i < r->outlet_count; i++)
        outlet_tell(r->outlets[i], n);
    notice_release(n);
}

static void on_event(void *arg, const struct policy_event *e)
{
    const struct look *l = arg;
    tell_all(l->receiver, notice_of(l->picture, e));
}

static void look(uint64_t now)
{
    const struct picture *pic = picture_all();
    struct arena *arena = arena_new();
    const struct policy_fact *facts = facts_take(core_conf(), pic, arena);
    all.last_look = now;
    all.journal = journal_last();
    LIST_EACH(at, &all.receivers) {
        struct receiver *r = receiver_of(at);
        struct look l = { r, pic };
        r->next = policy_run(&r->policy, facts, r->watched, now, on_event, &l);
    }
    arena_free(arena);
    picture_free(pic);
    uint64_t took = clock_now() - now;
    all.pace = took * SHARE > PACE ? took * SHARE : PACE;
}

static uint64_t next_look(void)
{
    uint64_t next = all.journal != journal_last() ? all.last_look + all.pace : TIME_NEVER;
    LIST_EACH(at, &all.receivers)
        next = receiver_of(at)->next < next ? receiver_of(at)->next : next;
    return next < all.last_look + all.pace ? all.last_look + all.pace : next;
}

static void nothing(struct timer *t, uint64_t now)
{
    (void)t, (void)now;                /* the turn that it begins is all that is wanted */
}

void notify_publish(void)
{
    uint64_t now = clock_now();
    if (list_empty(&all.receivers))
        return;
    if (now >= next_look())
        look(now);
    uint64_t next = next_look();
    if (next == TIME_NEVER)
        timer_clear(loop_timers(), &all.wake);
    else if (!timer_is_set(&all.wake) || all.wake.at != next)
        timer_set(loop_timers(), &all.wake, next);
}

/* ---- another configuration ---- */

static void close_outlets(struct receiver *r)
{
    for (uint32_t i = 0; i < r->outlet_count; i++)
        if (r->outlets[i]) {
            outlet_close(r->outlets[i]);
            mem_free(r->outlets[i]);
        }
    mem_free(r->outlets);
}

static void close_receivers(void)
{
    LIST_EACH_SAFE(at, after, &all.receivers) {
        struct receiver *r = receiver_of(at);
        list_remove(at);
        close_outlets(r);
        policy_close(&r->policy);
        mem_free(r->watched);
        mem_free(r->name);
        mem_free(r);
    }
}

/* Where each subject of the configuration before is in this one. */
static uint32_t *make_map(const struct conf *c, struct arena *arena)
{
    uint32_t *map = arena_alloc(arena, (all.subject_count + 1) * sizeof *map);
    for (uint32_t i = 0; i < all.subject_count; i++) {
        const char *name = all.name_of[i];
        uint32_t probe = core_probe_find(name, strlen(name)), group = core_group_find(name, strlen(name));
        map[i] = i < all.probe_count ? probe : group == UINT32_MAX ? group : c->probe_count + group;
    }
    return map;
}

static void keep_names(const struct conf *c)
{
    if (all.names)
        arena_free(all.names);
    all.names = arena_new();
    all.probe_count = c->probe_count;
    all.subject_count = c->probe_count + c->group_count;
    all.name_of = arena_alloc(all.names, (all.subject_count + 1) * sizeof *all.name_of);
    for (uint32_t i = 0; i < all.subject_count; i++)
        all.name_of[i] = arena_copy(all.names, i < c->probe_count ? c->probes[i].name : c->groups[i - c->probe_count].name);
}

/* Alertmanager groups by itself. */
static uint32_t most_of(const struct conf_receiver *c)
{
    for (uint32_t i = 0; i < c->outlet_count; i++)
        if (c->outlets[i].kind == OUTLET_ALERTMANAGER)
            return 0;
    return MOST_AT_ONCE;
}

static struct policy_rule rule_of(const struct conf_receiver *c)
{
    return (struct policy_rule){
        .least = c->least == TELL_WARN ? LEVEL_WARN : LEVEL_FAIL, .resolved = c->resolved, .group_wait = c->group_wait, .repeat = c->repeat,
        .flap_changes = c->flap_changes, .flap_window = c->flap_window, .most = most_of(c),
    };
}

static void watch(struct receiver *r, const struct conf *c, const struct conf_receiver *conf)
{
    mem_free(r->watched);
    r->watched = mem_alloc(c->probe_count + c->group_count + 1);
    for (uint32_t i = 0; i < c->probe_count; i++)
        r->watched[i] = conf->every_probe && c->probes[i].notify;
    for (uint32_t i = 0; i < conf->probe_count; i++)
        r->watched[conf->probes[i]] = c->probes[conf->probes[i]].notify;
    for (uint32_t i = 0; i < conf->group_count; i++)
        r->watched[c->probe_count + conf->groups[i]] = true;
}

static bool alike(const struct outlet *o, const struct conf_outlet *c)
{
    return o && o->conf->kind == c->kind;
}

/* An outlet goes on with its queue as the next one of its kind. */
static void adopt_outlets(struct receiver *r, const struct conf_receiver *conf)
{
    struct outlet **new = mem_alloc((conf->outlet_count + 1) * sizeof(struct outlet *));
    for (uint32_t i = 0; i < conf->outlet_count; i++) {
        for (uint32_t k = 0; k < r->outlet_count && !new[i]; k++)
            if (alike(r->outlets[k], &conf->outlets[i])) {
                new[i] = r->outlets[k];
                r->outlets[k] = NULL;
            }
        if (!new[i]) {
            new[i] = mem_alloc(sizeof *new[i]);
            outlet_open(new[i], conf->outlets[i].kind == OUTLET_ALERTMANAGER);
        }
    }
    close_outlets(r);
    for (uint32_t i = 0; i < conf->outlet_count; i++)
        outlet_adopt(new[i], conf, i);
    r->outlets = new;
    r->outlet_count = conf->outlet_count;
}

static void move_tracks(struct receiver *r, const struct conf *c, const struct conf_receiver *conf, const uint32_t *map, const char *host)
{
    struct policy old = r->policy;
    const struct policy_rule rule = rule_of(conf);
    policy_open(&r->policy, &rule, c->probe_count + c->group_count);
    for (uint32_t i = policy_open_from(&old, 0); i != UINT32_MAX; i = policy_open_from(&old, i + 1)) {
        uint64_t since;
        uint32_t cover;
        if (map[i] != UINT32_MAX)
            continue;
        struct notice *n = notice_plain(NOTICE_RESOLVED, host, all.name_of[i], i >= all.probe_count, "it is configured no more");
        policy_told(&old, i, &since, &cover);
        n->since = clock_wall_of(since);
        notice_seal(n);
        tell_all(r, n);
    }
    for (uint32_t i = 0; i < old.count; i++)
        if (map[i] != UINT32_MAX)
            policy_move(&old, i, &r->policy, map[i], map);
    policy_close(&old);
}

static struct receiver *find(const char *name)
{
    LIST_EACH(at, &all.receivers)
        if (!strcmp(receiver_of(at)->name, name))
            return receiver_of(at);
    return NULL;
}

static struct receiver *receiver_new(const char *name)
{
    struct receiver *r = mem_alloc(sizeof *r);
    r->name = mem_copy(name);
    list_init(&r->link);
    return r;
}

static void adopt_one(struct list *into, const struct conf *c, const struct conf_receiver *conf, const uint32_t *map, const char *host)
{
    struct receiver *r = find(conf->name);
    if (!r)
        r = receiver_new(conf->name);
    list_remove(&r->link);
    list_append(into, &r->link);
    adopt_outlets(r, conf);
    move_tracks(r, c, conf, map, host);
    watch(r, c, conf);
    r->next = 0;
}

/* ---- what outlives the process ---- */

static uint32_t find_subject(bool is_group, const char *name)
{
    uint32_t at = is_group ? core_group_find(name, strlen(name)) : core_probe_find(name, strlen(name));
    return at == UINT32_MAX ? at : is_group ? all.probe_count + at : at;
}

static void note_one(struct buf *out, const struct receiver *r, uint32_t subject, uint32_t cover, enum level level, uint64_t since)
{
    struct note_line l = { .is_group = subject >= all.probe_count, .cover_is_group = cover >= all.probe_count, .level = level, .since = clock_wall_of(since) };
    snprintf(l.receiver, sizeof l.receiver, "%s", r->name);
    snprintf(l.name, sizeof l.name, "%s", all.name_of[subject]);
    snprintf(l.cover, sizeof l.cover, "%s", all.name_of[cover]);
    note_put(out, &l);
}

/* What was told but not delivered is not noted; what is over but was not told so still is. */
static void note_subject(struct buf *out, const struct receiver *r, uint32_t subject)
{
    uint64_t since;
    uint32_t cover;
    enum level told = policy_told(&r->policy, subject, &since, &cover);
    uint32_t by = cover == UINT32_MAX ? subject : cover;
    bool owes = false, owes_end = false, over;
    for (uint32_t i = 0; i < r->outlet_count; i++) {
        owes |= queue_owes(&r->outlets[i]->queue, by >= all.probe_count, all.name_of[by], &over);
        owes_end |= over;
    }
    if (told > LEVEL_PASS ? !owes && cover != UINT32_MAX : owes_end)
        note_one(out, r, subject, by, told > LEVEL_PASS ? told : LEVEL_FAIL, since);
}

static void put_notes(struct buf *out)
{
    LIST_EACH(at, &all.receivers)
        for (uint32_t i = policy_next(&receiver_of(at)->policy, 0); i != UINT32_MAX; i = policy_next(&receiver_of(at)->policy, i + 1))
            note_subject(out, receiver_of(at), i);
}

static void take_notes(void)
{
    char *text = state_take_note();
    const char *at = text ? text : "";
    uint64_t now = clock_now(), wall = clock_wall();
    struct note_line l;
    while (note_next(&at, &l)) {
        struct receiver *r = find(l.receiver);
        uint32_t subject = find_subject(l.is_group, l.name), cover = find_subject(l.cover_is_group, l.cover);
        uint64_t age = l.since < wall ? wall - l.since : 0;
        if (r && subject != UINT32_MAX && cover != UINT32_MAX)
            policy_restore(&r->policy, subject, l.level, cover, now > age ? now - age : 1, now);
    }
    mem_free(text);
}

/* Alertmanager forgets what is not sent again, so a new process, or a new outlet, begins with all that is open. */
static void on_open(void *arg, const struct policy_event *e)
{
    const struct look *l = arg;
    struct notice *n = notice_of(l->picture, e);
    for (uint32_t i = 0; i < l->receiver->outlet_count; i++)
        if (l->receiver->outlets[i]->queue.is_set)
            outlet_tell(l->receiver->outlets[i], n);
    notice_release(n);
}

static void fill_sets(const struct picture *pic)
{
    LIST_EACH(at, &all.receivers) {
        struct receiver *r = receiver_of(at);
        struct look l = { r, pic };
        for (uint32_t i = policy_open_from(&r->policy, 0); i != UINT32_MAX; i = policy_open_from(&r->policy, i + 1))
            policy_retell(&r->policy, i, on_open, &l);
    }
}

void notify_adopt(void)
{
    const struct conf *c = core_conf();
    struct list new = { &new, &new };
    if (!c->receiver_count && list_empty(&all.receivers)) {
        if (!all.begun)
            mem_free(state_take_note());
        all.begun = true;
        return;
    }
    if (!all.wake.fire)
        timer_init(&all.wake, nothing);
    const struct picture *pic = picture_all();
    struct arena *arena = arena_new();
    const uint32_t *map = make_map(c, arena);
    for (uint32_t i = 0; i < c->receiver_count; i++)
        adopt_one(&new, c, &c->receivers[i], map, pic->host);
    close_receivers();
    LIST_EACH_SAFE(at, after, &new) {
        list_remove(at);
        list_append(&all.receivers, at);
    }
    keep_names(c);
    if (!all.begun)
        take_notes();
    fill_sets(pic);
    all.begun = true;
    state_on_note(put_notes);
    arena_free(arena);
    picture_free(pic);
}

void notify_close(void)
{
    close_receivers();
    if (all.wake.fire)
        timer_clear(loop_timers(), &all.wake);
    if (all.names)
        arena_free(all.names);
    all.names = NULL;
}

/* ---- for people ---- */

const struct view_receiver *notify_list(struct arena *arena, unsigned *count)
{
    unsigned room = 0;
    LIST_EACH(at, &all.receivers)
        room += receiver_of(at)->outlet_count;
    struct view_receiver *out = arena_alloc(arena, (room + 1) * sizeof *out);
    *count = 0;
    LIST_EACH(at, &all.receivers)
        for (uint32_t i = 0; i < receiver_of(at)->outlet_count; i++)
            out[(*count)++] = outlet_view(receiver_of(at)->outlets[i], receiver_of(at)->name, arena);
    return out;
}

const char *notify_name(unsigned i)
{
    LIST_EACH(at, &all.receivers)
        if (i-- == 0)
            return receiver_of(at)->name;
    return NULL;
}

unsigned notify_test(const char *receiver, notify_told_fn *told, void *arg)
{
    struct receiver *r = find(receiver);
    if (!r)
        return 0;
    const struct picture *pic = picture_all();
    struct notice *n = notice_plain(NOTICE_TEST, pic->host, receiver, false, "Sent by `vitalctl notify test`: nothing is wrong.");
    notice_seal(n);
    for (uint32_t i = 0; i < r->outlet_count; i++)
        outlet_test(r->outlets[i], n, told, arg);
    notice_release(n);
    picture_free(pic);
    return r->outlet_count;
}
