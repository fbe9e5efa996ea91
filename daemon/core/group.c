#include "core/group.h"

#include <string.h>

#include "core/assert.h"

bool vote_equal(const struct vote *a, const struct vote *b)
{
    return !memcmp(a->level, b->level, sizeof a->level) && a->left_out == b->left_out && a->unknown == b->unknown &&
           a->forced == b->forced && a->awaited == b->awaited;
}

bool vote_is_clean(const struct vote *v)
{
    return v->level[policy_of(UNKNOWN_FAIL, SHARED_FAIL)] == LEVEL_PASS;
}

static enum level worse(enum level a, enum level b)
{
    return a > b ? a : b;
}

/* UNKNOWN_PASS, _WARN, _FAIL have the values of the levels they map to. */
static enum level standing_level(const struct standing *s, enum conf_unknown unknown, enum conf_shared shared)
{
    if (s->mode == MODE_FORCED)
        return s->forced;
    enum level level = s->known && !s->stale ? s->settled : worse((enum level)unknown, s->settled);
    return level == LEVEL_FAIL && s->shared && shared == SHARED_WARN ? LEVEL_WARN : level;
}

void standing_vote(const struct standing *s, struct vote *v)
{
    *v = (struct vote){ 0 };
    for (unsigned unknown = UNKNOWN_PASS; unknown <= UNKNOWN_FAIL; unknown++)
        for (unsigned shared = SHARED_FAIL; shared <= SHARED_WARN; shared++)
            v->level[policy_of(unknown, shared)] = (uint8_t)standing_level(s, unknown, shared);
    v->forced = s->mode == MODE_FORCED;
    v->unknown = !v->forced && (!s->known || s->stale);
    v->awaited = s->awaited;
    if (s->mode == MODE_MAINTENANCE)
        v->left_out = LEFT_MAINTENANCE;
    else if (s->pending && s->mode != MODE_FORCED)
        v->left_out = LEFT_PENDING;
}

/* by: 1 or -1; unsigned wrap-around makes both one addition. */
static void tally_count(struct tally *t, const struct vote *v, bool advisory, uint32_t by)
{
    if (v->left_out) {
        t->maintenance += !advisory && v->left_out == LEFT_MAINTENANCE ? by : 0;
        return;
    }
    t->unknown += v->unknown ? by : 0;
    t->forced += v->forced ? by : 0;
    if (advisory) {
        t->unclean += vote_is_clean(v) ? 0 : by;
        return;
    }
    t->left += by;
    for (unsigned p = 0; p < POLICIES; p++)
        t->level[p][v->level[p]] += by;
}

void tally_add(struct tally *t, const struct vote *v, bool advisory)
{
    tally_count(t, v, advisory, 1);
}

void tally_remove(struct tally *t, const struct vote *v, bool advisory)
{
    CORE_ASSERT(v->left_out || advisory || t->left > 0);
    tally_count(t, v, advisory, UINT32_MAX);
}

/* The N-th best required member, N being at most those that are left. */
static enum level tally_level(const struct tally *t, const struct conf_group *conf, unsigned policy)
{
    if (!t->left)
        return t->maintenance || t->unclean ? LEVEL_WARN : LEVEL_PASS;
    uint32_t need = conf->kind == GROUP_ALL || conf->need > t->left ? t->left : conf->need;
    uint32_t pass = t->level[policy][LEVEL_PASS], warn = t->level[policy][LEVEL_WARN];
    if (pass + warn < need)
        return LEVEL_FAIL;
    return pass < need || t->unclean ? LEVEL_WARN : LEVEL_PASS;
}

void tally_vote(const struct tally *t, const struct conf_group *conf, uint32_t awaited, struct vote *v)
{
    *v = (struct vote){ .unknown = t->unknown > 0, .forced = t->forced > 0 };
    for (unsigned p = 0; p < POLICIES; p++) {
        if (conf->kind == GROUP_HAD_OUTCOME)
            v->level[p] = awaited ? LEVEL_FAIL : LEVEL_PASS;
        else
            v->level[p] = (uint8_t)tally_level(t, conf, p);
    }
}

/* Nothing but unknown members, read the strict way, keeps it from passing. */
static bool unknown_decides(const struct vote *v, unsigned policy)
{
    return v->level[policy] > v->level[policy_of(UNKNOWN_PASS, (enum conf_shared)(policy % 2))];
}

struct answer gate_apply(const struct gate *g, const struct vote *v, unsigned policy)
{
    static const uint8_t codes[] = { [LEVEL_PASS] = CODE_PASS, [LEVEL_WARN] = CODE_WARN, [LEVEL_FAIL] = CODE_FAIL };
    struct answer a = { .level = v->level[policy], .why = WHY_MEMBERS };
    if (g->stalled && unknown_decides(v, policy))
        a.why = WHY_STALLED;
    if (g->latched)
        a = (struct answer){ .level = LEVEL_PASS, .why = WHY_MEMBERS };
    if (g->passes_starting)
        a = (struct answer){ .level = LEVEL_PASS, .why = WHY_STARTING };
    if (g->fails_starting)
        a = (struct answer){ .level = LEVEL_FAIL, .why = WHY_STARTING };
    if (v->forced)
        a.level = worse(a.level, LEVEL_WARN);
    if (g->draining)
        a = (struct answer){ .level = LEVEL_FAIL, .why = WHY_DRAINING };
    a.code = g->draining ? (uint8_t)CODE_DRAINING : codes[a.level];
    return a;
}
