#include "front/notify_policy.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { RING = 16 };
#define NOBODY UINT32_MAX
#define POLL (250 * USEC_MS)          /* while a parent is in doubt: its attempts are no transitions */

struct policy_track {
    enum level seen, told;
    uint64_t seen_at;                 /* when it became what is seen */
    uint64_t hold_until;
    uint64_t opened, told_at;         /* since when it fails, as told; when it was told last */
    uint32_t cover;                   /* under whose name it is told; itself, or NOBODY */
    uint32_t last_root;               /* what took it along last */
    bool flapping, flap_told;
    bool pending;                     /* of this run: to be told now */
    bool leads;                       /* of many that fail for reasons of their own */
    uint64_t changes[RING];
    unsigned change_count;
};

/* One run. */
struct run {
    struct policy *p;
    const struct policy_fact *facts;
    const bool *watched;
    uint64_t now, next;
    policy_tell_fn *tell;
    void *arg;
};

void policy_open(struct policy *p, const struct policy_rule *rule, uint32_t count)
{
    *p = (struct policy){ .rule = *rule, .count = count };
    p->tracks = mem_alloc((count + 1) * sizeof(struct policy_track *));
    p->first = mem_alloc((count + 1) * sizeof *p->first);
    p->next = mem_alloc((count + 1) * sizeof *p->next);
    p->with = mem_alloc((count + 1) * sizeof *p->with);
}

void policy_close(struct policy *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        mem_free(p->tracks[i]);
    mem_free(p->tracks);
    mem_free(p->first);
    mem_free(p->next);
    mem_free(p->with);
}

static struct policy_track *track_of(struct policy *p, uint32_t i, uint64_t now)
{
    if (!p->tracks[i]) {
        p->tracks[i] = mem_alloc(sizeof *p->tracks[i]);
        p->tracks[i]->cover = p->tracks[i]->last_root = NOBODY;
        p->tracks[i]->seen_at = now;
    }
    return p->tracks[i];
}

static void look_again(struct run *r, uint64_t at)
{
    r->next = at < r->next ? at : r->next;
}

static enum level level_of(const struct policy *p, const struct policy_fact *f)
{
    return f->silenced || f->level < p->rule.least ? LEVEL_PASS : f->level;
}

static bool is_open(const struct policy *p, uint32_t i)
{
    return p->tracks[i] && p->tracks[i]->told > LEVEL_PASS && p->tracks[i]->cover == i;
}

/* ---- seeing ---- */

static unsigned recent_changes(const struct policy *p, const struct policy_track *t, uint64_t now)
{
    unsigned count = 0, kept = t->change_count < RING ? t->change_count : RING;
    for (unsigned i = 0; i < kept; i++)
        count += now - t->changes[i] < p->rule.flap_window;
    return count;
}

static void see(struct run *r, uint32_t i)
{
    const struct policy_fact *f = &r->facts[i];
    enum level level = level_of(r->p, f);
    if (f->unknown && !f->silenced)
        return;
    if (!r->p->tracks[i] && level == LEVEL_PASS)
        return;
    struct policy_track *t = track_of(r->p, i, r->now);
    if (f->silenced) {
        t->change_count = 0;
        t->flapping = false;
    }
    if (level > LEVEL_PASS && f->root != i)
        t->last_root = f->root;
    if (level == t->seen)
        return;
    t->seen = level;
    t->seen_at = r->now;
    if (!f->silenced)
        t->changes[t->change_count++ % RING] = r->now;
}

/* ---- flapping ---- */

static bool rides_on_flapping(const struct run *r, uint32_t i, uint32_t *on)
{
    const struct policy_fact *f = &r->facts[i];
    const struct policy_track *t = r->p->tracks[i];
    *on = t->last_root;
    if (*on != NOBODY && *on != i && r->p->tracks[*on] && r->p->tracks[*on]->flapping)
        return true;
    for (uint32_t c = 0; c < f->cause_count; c++) {
        *on = r->facts[f->causes[c]].root;
        if (r->p->tracks[*on] && r->p->tracks[*on]->flapping)
            return true;
    }
    return false;
}

static void begin_flapping(struct run *r, uint32_t i, unsigned changes)
{
    struct policy_track *t = r->p->tracks[i];
    uint32_t on = NOBODY;
    bool rides = rides_on_flapping(r, i, &on);
    t->flapping = t->flap_told = true;
    if (t->told == LEVEL_PASS)
        t->opened = t->seen_at;
    t->told = LEVEL_FAIL;
    t->cover = rides ? on : i;
    t->told_at = r->now;
    if (!rides)
        r->tell(r->arg, &(struct policy_event){ .status = NOTICE_FLAPPING, .subject = i, .level = LEVEL_FAIL, .since = t->opened, .changes = changes });
}

static void judge_flapping(struct run *r, uint32_t i)
{
    struct policy_track *t = r->p->tracks[i];
    uint64_t quiet = r->p->rule.flap_window / 2;
    if (!t || !r->watched[i])
        return;
    unsigned changes = recent_changes(r->p, t, r->now);
    if (!t->flapping && changes >= r->p->rule.flap_changes && t->seen_at == r->now)
        begin_flapping(r, i, changes);
    if (!t->flapping)
        return;
    if (r->now - t->seen_at >= quiet)
        t->flapping = false, t->change_count = 0;
    else
        look_again(r, t->seen_at + quiet);
}

/* ---- what is due ---- */

static bool is_news(const struct policy_track *t)
{
    return !t->flapping && (t->seen != t->told || t->flap_told);
}

static void judge_due(struct run *r, uint32_t i)
{
    struct policy_track *t = r->p->tracks[i];
    const struct policy_fact *f = &r->facts[i];
    if (!t)
        return;
    t->pending = false;
    if (!is_news(t) || (!r->watched[i] && t->told == LEVEL_PASS))
        return;
    uint64_t due = t->seen_at + (f->silenced ? 0 : r->p->rule.group_wait);
    due = due > t->hold_until ? due : t->hold_until;
    if (r->now < due) {
        look_again(r, due);
    } else if (t->seen > LEVEL_PASS && f->doubtful && f->root == i && r->now < t->seen_at + f->patience) {
        look_again(r, r->now + POLL);
    } else {
        t->pending = true;
    }
}

/* Something that fails because of another one is told with it: it waits for that one, or drafts it where nobody watches it. */
static void draft(struct run *r, uint32_t i)
{
    const struct policy_track *t = r->p->tracks[i];
    uint32_t root = r->facts[i].root;
    if (!t || !t->pending || t->seen == LEVEL_PASS || root == i)
        return;
    if (r->facts[root].silenced) {
        r->p->tracks[i]->pending = false;
        return;
    }
    struct policy_track *top = track_of(r->p, root, r->now);
    if (r->watched[root] && !top->pending && top->seen > LEVEL_PASS && is_news(top)) {
        r->p->tracks[i]->pending = false;
        return;
    }
    if (top->told > LEVEL_PASS || top->flapping)
        return;
    if (top->seen == LEVEL_PASS) {
        top->seen = LEVEL_FAIL;
        top->seen_at = r->now;
    }
    top->pending = true;
}

/* ---- under whose name ---- */

static bool is_told_now(const struct run *r, uint32_t i)
{
    const struct policy_track *t = r->p->tracks[i];
    return t && t->pending && t->seen > LEVEL_PASS && r->facts[i].root == i;
}

/* A cause that waits still: the group waits with it. */
static bool is_waiting(const struct run *r, uint32_t i)
{
    const struct policy_track *t = r->p->tracks[i];
    return t && !t->pending && is_news(t) && t->seen > LEVEL_PASS && r->watched[i];
}

static uint32_t cover_of_group(const struct run *r, uint32_t i, bool *hold)
{
    const struct policy_fact *f = &r->facts[i];
    *hold = false;
    for (uint32_t c = 0; c < f->cause_count; c++)
        if (is_told_now(r, r->facts[f->causes[c]].root))
            return r->facts[f->causes[c]].root;
    for (uint32_t c = 0; c < f->cause_count; c++)
        *hold |= is_waiting(r, r->facts[f->causes[c]].root);
    return i;
}

static void choose_cover(struct run *r, uint32_t i)
{
    struct policy_track *t = r->p->tracks[i];
    bool hold = false;
    if (!t || !t->pending || t->seen == LEVEL_PASS || is_open(r->p, i))
        return;
    uint32_t cover = r->facts[i].is_group ? cover_of_group(r, i, &hold) : r->facts[i].root;
    if (hold) {
        t->pending = false;
        look_again(r, r->now + POLL);
    } else {
        t->cover = cover;
    }
}

/* Too many for a message each: the first speaks for all, and for what those take along. */
static void lead(struct run *r, uint32_t leader)
{
    struct policy *p = r->p;
    for (uint32_t i = 0; i < p->count; i++) {
        struct policy_track *t = p->tracks[i];
        if (t && t->pending && t->seen > LEVEL_PASS && !is_open(p, i))
            t->cover = leader;
    }
    p->tracks[leader]->leads = true;
}

static void limit(struct run *r)
{
    uint32_t count = 0, first = NOBODY;
    for (uint32_t i = 0; i < r->p->count; i++) {
        const struct policy_track *t = r->p->tracks[i];
        if (!t || !t->pending || t->seen == LEVEL_PASS || t->cover != i || t->told > LEVEL_PASS)
            continue;
        first = first == NOBODY ? i : first;
        count++;
    }
    if (r->p->rule.most && count > r->p->rule.most)
        lead(r, first);
}

/* ---- telling ---- */

static void gather(struct run *r)
{
    struct policy *p = r->p;
    for (uint32_t i = 0; i < p->count; i++)
        p->first[i] = NOBODY;
    for (uint32_t i = p->count; i-- > 0;) {
        const struct policy_track *t = p->tracks[i];
        uint32_t on = !t ? NOBODY : t->pending || t->told > LEVEL_PASS ? t->cover : t->seen > LEVEL_PASS ? r->facts[i].root : NOBODY;
        if (on == NOBODY || on == i)
            continue;
        p->next[i] = p->first[on];
        p->first[on] = i;
    }
}

static void tell(struct run *r, uint32_t i, enum notice_status status, enum level level, bool over)
{
    struct policy *p = r->p;
    uint32_t count = 0;
    for (uint32_t w = p->first[i]; w != NOBODY; w = p->next[w])
        if ((p->tracks[w]->seen == LEVEL_PASS) == over)
            p->with[count++] = w;
    r->tell(r->arg, &(struct policy_event){ .status = status, .subject = i, .level = level, .since = p->tracks[i]->opened, .together = p->tracks[i]->leads, .with = p->with, .with_count = count });
}

static void fire(struct run *r, uint32_t i)
{
    struct policy_track *t = r->p->tracks[i];
    if (t->told == LEVEL_PASS)
        t->opened = t->seen_at;
    t->told = t->seen;
    t->flap_told = t->pending = false;
    t->told_at = r->now;
    if (t->cover == i)
        tell(r, i, NOTICE_FIRING, t->told, false);
}

/* What rode on it and fails still gets the time it needs, then speaks for itself. */
static void release_riders(struct run *r, uint32_t i)
{
    for (uint32_t w = r->p->first[i]; w != NOBODY; w = r->p->next[w]) {
        struct policy_track *t = r->p->tracks[w];
        if (t->cover != i || t->seen == LEVEL_PASS || t->told == LEVEL_PASS)
            continue;
        uint64_t wait = r->facts[w].recover > r->p->rule.group_wait ? r->facts[w].recover : r->p->rule.group_wait;
        t->told = LEVEL_PASS;
        t->cover = NOBODY;
        t->hold_until = r->now + wait;
        look_again(r, t->hold_until);
    }
}

static void resolve(struct run *r, uint32_t i)
{
    struct policy_track *t = r->p->tracks[i];
    enum level was = t->told;
    bool own = t->cover == i;
    t->told = LEVEL_PASS;
    t->flap_told = t->pending = false;
    t->cover = NOBODY;
    if (own && r->p->rule.resolved)
        tell(r, i, NOTICE_RESOLVED, was, true);
    t->leads = false;
    if (own)
        release_riders(r, i);
}

static void remind(struct run *r, uint32_t i)
{
    struct policy_track *t = r->p->tracks[i];
    if (!r->p->rule.repeat || !is_open(r->p, i) || r->facts[i].silenced)
        return;
    if (r->now - t->told_at >= r->p->rule.repeat) {
        t->told_at = r->now;
        tell(r, i, NOTICE_REMINDER, t->told, false);
    }
    look_again(r, t->told_at + r->p->rule.repeat);
}

static void each(struct run *r, void (*step)(struct run *, uint32_t))
{
    for (uint32_t i = 0; i < r->p->count; i++)
        step(r, i);
}

static void tell_pending(struct run *r, bool over)
{
    for (uint32_t i = 0; i < r->p->count; i++) {
        const struct policy_track *t = r->p->tracks[i];
        if (t && t->pending && (t->seen == LEVEL_PASS) == over)
            (over ? resolve : fire)(r, i);
    }
}

uint64_t policy_run(struct policy *p, const struct policy_fact *facts, const bool *watched, uint64_t now, policy_tell_fn *tell_fn, void *arg)
{
    struct run r = { .p = p, .facts = facts, .watched = watched, .now = now, .next = TIME_NEVER, .tell = tell_fn, .arg = arg };
    for (uint32_t i = 0; i < p->count; i++)
        if (watched[i] || p->tracks[i])
            see(&r, i);
    each(&r, judge_flapping);
    each(&r, judge_due);
    each(&r, draft);
    each(&r, choose_cover);
    limit(&r);
    gather(&r);
    tell_pending(&r, false);
    tell_pending(&r, true);
    for (uint32_t i = 0; i < p->count; i++)
        if (p->tracks[i])
            remind(&r, i);
    return r.next;
}

/* ---- between processes and configurations ---- */

void policy_restore(struct policy *p, uint32_t subject, enum level told, uint32_t cover, uint64_t since, uint64_t now)
{
    struct policy_track *t = track_of(p, subject, now);
    t->seen = t->told = told;
    t->cover = cover;
    t->opened = since;
    t->told_at = now;
}

void policy_retell(struct policy *p, uint32_t subject, policy_tell_fn *tell_fn, void *arg)
{
    const struct policy_track *t = p->tracks[subject];
    struct policy_event e = { .status = t->flap_told ? NOTICE_FLAPPING : NOTICE_FIRING, .subject = subject, .level = t->told, .since = t->opened,
                              .changes = t->flap_told ? t->change_count : 0, .with = p->with };
    for (uint32_t i = 0; i < p->count; i++)
        if (i != subject && p->tracks[i] && p->tracks[i]->told > LEVEL_PASS && p->tracks[i]->cover == subject)
            p->with[e.with_count++] = i;
    tell_fn(arg, &e);
}

static uint32_t moved(const uint32_t *map, uint32_t subject)
{
    return subject == NOBODY ? NOBODY : map[subject];
}

void policy_move(struct policy *from, uint32_t subject, struct policy *to, uint32_t at, const uint32_t *map)
{
    struct policy_track *t = from->tracks[subject];
    if (!t)
        return;
    from->tracks[subject] = NULL;
    to->tracks[at] = t;
    t->cover = moved(map, t->cover);
    t->last_root = moved(map, t->last_root);
    if (t->told > LEVEL_PASS && t->cover == NOBODY)
        t->told = LEVEL_PASS;         /* what it rode on is gone: it speaks for itself */
}

uint32_t policy_next(const struct policy *p, uint32_t at)
{
    while (at < p->count && !p->tracks[at])
        at++;
    return at < p->count ? at : NOBODY;
}

uint32_t policy_open_from(const struct policy *p, uint32_t at)
{
    while (at < p->count && !is_open(p, at))
        at++;
    return at < p->count ? at : NOBODY;
}

enum level policy_told(const struct policy *p, uint32_t subject, uint64_t *since, uint32_t *cover)
{
    const struct policy_track *t = p->tracks[subject];
    *since = t ? t->opened : 0;
    *cover = t ? t->cover : NOBODY;
    return t ? t->told : LEVEL_PASS;
}
