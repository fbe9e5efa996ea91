/* The rules told once more, as plainly as possible: what the simulation holds the core against. Slow on purpose: no
 * counters, no caches, everything is derived from what was seen, each time it is asked.
 *
 * Nothing in here looks into the core; it shares only the words of outcome.h and the configuration. */
#ifndef PLAIN_H
#define PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/conf.h"
#include "core/outcome.h"

/* What is known of the probe of one name. */
struct plain {
    bool exists, has_module;
    /* settling: two lines, each with a straight run of contradictions */
    bool known;
    bool bad[2];
    unsigned run[2];
    bool stale, sampled;
    uint64_t sample_at, fresh_from, lease;
    bool pending;
    uint64_t pending_until;
    enum mode mode;
    enum level forced;
    uint64_t mode_until;
    bool stall_waits;              /* had no outcome that counts since the last stall */
    unsigned bugs;
    uint64_t count[VITAL_CLASS_COUNT], cancelled;
};

struct plain_world {
    const struct conf *conf;
    struct plain **probes;         /* by index in conf */
    bool latched, startup_over, draining;
    uint64_t startup_end, stalled;
    const bool *without;           /* by index, for `?exclude=`; NULL = none */
};

static bool plain_is_active(const struct plain *p)
{
    return p->has_module && p->mode != MODE_PAUSED && p->bugs < 3;
}

static enum level plain_level(const struct plain *p)
{
    return (enum level)(p->bad[0] + p->bad[1]);
}

static uint64_t plain_stale_at(const struct plain *p, const struct conf_probe *c)
{
    return p->known && !p->stale && p->mode != MODE_PAUSED ? (p->fresh_from + c->max_age > p->lease ? p->fresh_from + c->max_age : p->lease) : TIME_NEVER;
}

/* All that time alone does. */
static void plain_age(struct plain *p, const struct conf_probe *c, uint64_t now)
{
    if (p->pending && now >= p->pending_until)
        p->pending = false;
    if (now >= plain_stale_at(p, c))
        p->stale = true;
    if (p->mode_until && now >= p->mode_until) {
        p->mode = MODE_NORMAL;
        p->mode_until = 0;
    }
}

static void plain_outcome(struct plain *p, const struct conf_probe *c, enum vital_class class, uint64_t now)
{
    plain_age(p, c, now);
    p->count[class]++;
    if (class == VITAL_INTERNAL)
        return;
    for (unsigned line = 0; line < 2; line++) {
        bool bad = class == VITAL_FAIL || (class == VITAL_WARN && line == 0);
        if (!p->known || p->stale) {
            p->bad[line] = bad;
            p->run[line] = 0;
        } else if (bad == p->bad[line]) {
            p->run[line] = 0;
        } else if (++p->run[line] == (bad ? c->fall : c->rise)) {
            p->bad[line] = bad;
            p->run[line] = 0;
        }
    }
    p->known = p->sampled = true;
    p->stale = p->pending = p->stall_waits = false;
    p->sample_at = p->fresh_from = now;
    p->lease = 0;
}

static void plain_stall(struct plain *p, const struct conf_probe *c, uint64_t gap, uint64_t now)
{
    uint64_t again = c->timeout + USEC_S, until = now + (again < c->max_age ? again : c->max_age);
    uint64_t stale_at = p->fresh_from + c->max_age;
    if (!p->lease && p->known && !p->stale && p->mode != MODE_PAUSED && stale_at < until)
        p->lease = gap < until - stale_at ? stale_at + gap : until;
}

static void plain_new_rule(struct plain *p, const struct conf_probe *c)
{
    for (unsigned line = 0; line < 2; line++) {
        unsigned need = p->bad[line] ? c->rise : c->fall;
        if (p->run[line] >= need)
            p->run[line] = need - 1;
    }
}

static bool plain_is_unsettled(const struct plain *p)
{
    return !p->known || p->stale || p->run[0] || p->run[1];
}

/* ---- groups ---- */

enum plain_out { PLAIN_IN, PLAIN_ABSENT, PLAIN_MAINTAINED };

static enum plain_out plain_left_out(const struct plain_world *w, uint32_t probe)
{
    const struct plain *p = w->probes[probe];
    if (w->without && w->without[probe])
        return PLAIN_ABSENT;
    if (p->mode == MODE_MAINTENANCE)
        return PLAIN_MAINTAINED;
    return p->pending && p->mode != MODE_FORCED ? PLAIN_ABSENT : PLAIN_IN;
}

static enum level plain_leaf(const struct plain_world *w, uint32_t probe, enum conf_unknown unknown, enum conf_shared on_shared, bool ignore_stale)
{
    const struct plain *p = w->probes[probe];
    if (p->mode == MODE_FORCED)
        return p->forced;
    enum level level = plain_level(p);
    if (!p->known || (p->stale && !ignore_stale)) {
        enum level mapped = unknown == UNKNOWN_FAIL ? LEVEL_FAIL : unknown == UNKNOWN_WARN ? LEVEL_WARN : LEVEL_PASS;
        level = mapped > level ? mapped : level;
    }
    return level == LEVEL_FAIL && on_shared == SHARED_WARN && w->conf->probes[probe].shared ? LEVEL_WARN : level;
}

static bool plain_is_awaited(const struct plain_world *w, uint32_t probe)
{
    const struct plain *p = w->probes[probe];
    return !p->sampled && plain_is_active(p) && p->mode == MODE_NORMAL && !p->pending && !(w->without && w->without[probe]);
}

static bool plain_awaits(const struct plain_world *w, const struct conf_group *g)
{
    for (uint32_t i = 0; i < g->member_count; i++) {
        const struct conf_member *m = &g->members[i];
        if (m->is_group ? plain_awaits(w, &w->conf->groups[m->index]) : plain_is_awaited(w, m->index))
            return true;
    }
    return false;
}

static int plain_by_level(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

enum { PLAIN_MEMBERS = 512 };

struct plain_asked { enum conf_unknown unknown; enum conf_shared shared; bool ignore_stale; };

static enum level plain_group(const struct plain_world *w, const struct conf_group *g, struct plain_asked asked)
{
    int levels[PLAIN_MEMBERS];
    uint32_t left = 0, maintained = 0;
    if (g->kind == GROUP_HAD_OUTCOME)
        return plain_awaits(w, &w->conf->groups[w->conf->startup]) ? LEVEL_FAIL : LEVEL_PASS;
    for (uint32_t i = 0; i < g->member_count; i++) {
        const struct conf_member *m = &g->members[i];
        enum plain_out out = m->is_group ? PLAIN_IN : plain_left_out(w, m->index);
        maintained += out == PLAIN_MAINTAINED;
        if (out == PLAIN_IN)
            levels[left++] = m->is_group ? (int)plain_group(w, &w->conf->groups[m->index], asked)
                                         : (int)plain_leaf(w, m->index, asked.unknown, asked.shared, asked.ignore_stale);
    }
    qsort(levels, left, sizeof *levels, plain_by_level);
    uint32_t n = g->kind == GROUP_ALL ? left : g->kind == GROUP_ANY ? 1 : g->need;
    n = n > left ? left : n;
    enum level level = n ? (enum level)levels[n - 1] : maintained ? LEVEL_WARN : LEVEL_PASS;
    const struct plain_asked strict = { .unknown = UNKNOWN_FAIL, .shared = asked.shared, .ignore_stale = asked.ignore_stale };
    for (uint32_t i = 0; i < g->advisory_count && level == LEVEL_PASS; i++) {
        const struct conf_member *m = &g->advisory[i];
        if (m->is_group)
            level = plain_group(w, &w->conf->groups[m->index], strict) == LEVEL_PASS ? level : LEVEL_WARN;
        else if (plain_left_out(w, m->index) == PLAIN_IN)
            level = plain_leaf(w, m->index, UNKNOWN_FAIL, asked.shared, asked.ignore_stale) == LEVEL_PASS ? level : LEVEL_WARN;
    }
    return level;
}

/* Something below, advisory or not, of which `is` holds and that is not left out. */
static bool plain_any_below(const struct plain_world *w, const struct conf_group *g, bool (*is)(const struct plain_world *, uint32_t probe))
{
    for (uint32_t i = 0; i < g->member_count + g->advisory_count; i++) {
        const struct conf_member *m = i < g->member_count ? &g->members[i] : &g->advisory[i - g->member_count];
        if (m->is_group ? plain_any_below(w, &w->conf->groups[m->index], is)
                        : plain_left_out(w, m->index) == PLAIN_IN && is(w, m->index))
            return true;
    }
    return false;
}

static bool plain_is_forced(const struct plain_world *w, uint32_t probe)
{
    return w->probes[probe]->mode == MODE_FORCED;
}

static bool plain_is_unknown(const struct plain_world *w, uint32_t probe)
{
    const struct plain *p = w->probes[probe];
    return p->mode != MODE_FORCED && (!p->known || p->stale);
}

static uint64_t plain_oldest(const struct plain_world *w, const struct conf_group *g)
{
    uint64_t oldest = TIME_NEVER;
    for (uint32_t i = 0; i < g->member_count + g->advisory_count; i++) {
        const struct conf_member *m = i < g->member_count ? &g->members[i] : &g->advisory[i - g->member_count];
        uint64_t at = TIME_NEVER;
        if (m->is_group)
            at = plain_oldest(w, &w->conf->groups[m->index]);
        else if (w->probes[m->index]->sampled && plain_left_out(w, m->index) == PLAIN_IN)
            at = w->probes[m->index]->sample_at;
        oldest = at < oldest ? at : oldest;
    }
    return oldest;
}

struct plain_verdict { enum level level; enum why why; bool unknown, forced, draining; };

static struct plain_verdict plain_verdict(const struct plain_world *w, uint32_t group)
{
    const struct conf *c = w->conf;
    const struct conf_group *g = &c->groups[group];
    const struct plain_asked asked = { .unknown = g->unknown, .shared = g->on_shared };
    const struct plain_asked mild = { .unknown = UNKNOWN_PASS, .shared = g->on_shared };
    bool starting = !w->latched && !w->startup_over;
    struct plain_verdict v = { .level = plain_group(w, g, asked), .why = WHY_MEMBERS };
    v.unknown = plain_any_below(w, g, plain_is_unknown);
    v.forced = plain_any_below(w, g, plain_is_forced);
    if (w->stalled && plain_group(w, g, mild) < v.level)
        v.why = WHY_STALLED;
    if ((group == c->live || (group == c->health && !g->configured)) && c->groups[c->live].configured && starting) {
        v.level = LEVEL_PASS;
        v.why = WHY_STARTING;
    }
    if (group == c->ready && !w->latched) {
        v.level = LEVEL_FAIL;
        v.why = WHY_STARTING;
    }
    if (group == c->startup && w->latched) {
        v.level = LEVEL_PASS;
        v.why = WHY_MEMBERS;
    }
    if (v.forced && v.level == LEVEL_PASS)
        v.level = LEVEL_WARN;
    if (g->drains && w->draining) {
        v.level = LEVEL_FAIL;
        v.why = WHY_DRAINING;
        v.draining = true;
    }
    return v;
}

#endif
