#include "unit.h"

#include "core/group.h"

static enum level vote_of(struct standing s, enum conf_unknown unknown, enum conf_shared shared)
{
    struct vote v;
    standing_vote(&s, &v);
    return v.level[policy_of(unknown, shared)];
}

TEST(the_group_that_is_asked_maps_unknown)
{
    const struct standing never = { 0 };
    CHECK_INT(vote_of(never, UNKNOWN_PASS, SHARED_FAIL), LEVEL_PASS);
    CHECK_INT(vote_of(never, UNKNOWN_WARN, SHARED_FAIL), LEVEL_WARN);
    CHECK_INT(vote_of(never, UNKNOWN_FAIL, SHARED_FAIL), LEVEL_FAIL);
    struct vote v;
    standing_vote(&never, &v);
    CHECK(v.unknown && !v.forced && !vote_is_clean(&v) && !v.left_out);
    const struct standing up = { .known = true };
    standing_vote(&up, &v);
    CHECK(!v.unknown && vote_is_clean(&v));
    CHECK_INT(vote_of(up, UNKNOWN_FAIL, SHARED_FAIL), LEVEL_PASS);
}

TEST(becoming_stale_never_improves)
{
    for (unsigned settled = LEVEL_PASS; settled < LEVEL_COUNT; settled++)
        for (unsigned u = UNKNOWN_PASS; u <= UNKNOWN_FAIL; u++)
            for (unsigned sh = SHARED_FAIL; sh <= SHARED_WARN; sh++)
                for (unsigned shared = 0; shared < 2; shared++) {
                    struct standing s = { .known = true, .shared = shared, .settled = (enum level)settled };
                    enum level fresh = vote_of(s, u, sh);
                    s.stale = true;
                    CHECK(vote_of(s, u, sh) >= fresh);
                }
    CHECK_INT(vote_of((struct standing){ .known = true, .stale = true, .settled = LEVEL_FAIL }, UNKNOWN_PASS, SHARED_FAIL), LEVEL_FAIL);
    CHECK_INT(vote_of((struct standing){ .known = true, .stale = true, .settled = LEVEL_WARN }, UNKNOWN_PASS, SHARED_FAIL), LEVEL_WARN);
    CHECK_INT(vote_of((struct standing){ .known = true, .stale = true }, UNKNOWN_WARN, SHARED_FAIL), LEVEL_WARN);
}

TEST(a_failing_shared_member_weighs_what_the_asked_group_says)
{
    struct standing s = { .known = true, .shared = true, .settled = LEVEL_FAIL };
    CHECK_INT(vote_of(s, UNKNOWN_FAIL, SHARED_WARN), LEVEL_WARN);
    CHECK_INT(vote_of(s, UNKNOWN_FAIL, SHARED_FAIL), LEVEL_FAIL);
    s.settled = LEVEL_WARN;
    CHECK_INT(vote_of(s, UNKNOWN_FAIL, SHARED_WARN), LEVEL_WARN);
    s.settled = LEVEL_PASS;
    CHECK_INT(vote_of(s, UNKNOWN_FAIL, SHARED_WARN), LEVEL_PASS);
    s = (struct standing){ .known = true, .settled = LEVEL_FAIL };
    CHECK_INT(vote_of(s, UNKNOWN_FAIL, SHARED_WARN), LEVEL_FAIL);
}

TEST(modes_come_before_measurements)
{
    struct vote v;
    struct standing s = { .known = true, .shared = true, .settled = LEVEL_PASS, .mode = MODE_FORCED, .forced = LEVEL_FAIL };
    CHECK_INT(vote_of(s, UNKNOWN_PASS, SHARED_WARN), LEVEL_FAIL);
    s = (struct standing){ .mode = MODE_FORCED, .forced = LEVEL_PASS, .pending = true };
    CHECK_INT(vote_of(s, UNKNOWN_FAIL, SHARED_FAIL), LEVEL_PASS);
    standing_vote(&s, &v);
    CHECK(v.forced && !v.unknown && v.left_out == LEFT_IN);
    s.mode = MODE_MAINTENANCE;
    standing_vote(&s, &v);
    CHECK_INT(v.left_out, LEFT_MAINTENANCE);
    s.mode = MODE_PAUSED;
    standing_vote(&s, &v);
    CHECK_INT(v.left_out, LEFT_PENDING);
    s = (struct standing){ .mode = MODE_PAUSED, .known = true, .awaited = true };
    standing_vote(&s, &v);
    CHECK(v.left_out == LEFT_IN && !v.forced && v.awaited);
}

/* ---- tallies against sorting ---- */

enum { MOST = 7 };

static enum level nth_best(const struct vote *votes, const bool *advisory, unsigned count, const struct conf_group *g, unsigned policy)
{
    unsigned levels[LEVEL_COUNT] = { 0 }, left = 0, maintenance = 0;
    bool bad_advice = false;
    for (unsigned i = 0; i < count; i++) {
        if (votes[i].left_out) {
            maintenance += !advisory[i] && votes[i].left_out == LEFT_MAINTENANCE;
        } else if (advisory[i]) {
            bad_advice |= votes[i].level[policy_of(UNKNOWN_FAIL, SHARED_FAIL)] != LEVEL_PASS;
        } else {
            levels[votes[i].level[policy]]++;
            left++;
        }
    }
    unsigned n = g->kind == GROUP_ALL || g->need > left ? left : g->need;
    enum level level = LEVEL_PASS;
    for (unsigned best = 0; n && level < LEVEL_COUNT; level++) { /* walks the members from the best on */
        best += levels[level];
        if (best >= n)
            break;
    }
    if (!left && maintenance)
        level = LEVEL_WARN;
    return level == LEVEL_PASS && bad_advice ? LEVEL_WARN : level;
}

static struct vote random_vote(void)
{
    struct vote v;
    struct standing s = {
        .mode = random() % 3 ? MODE_NORMAL : (enum mode)(random() % MODE_COUNT), .forced = (enum level)(random() % 3),
        .pending = random() % 4 == 0, .known = random() % 3, .stale = random() % 4 == 0, .shared = random() % 2,
        .settled = (enum level)(random() % 3),
    };
    if (!s.known)
        s.settled = LEVEL_PASS;
    standing_vote(&s, &v);
    return v;
}

TEST(tallies_equal_sorting_whatever_moves)
{
    srandom(11);
    for (unsigned round = 0; round < 3000; round++) {
        struct conf_group g = { .kind = (enum conf_kind)(random() % 3), .need = 1 + (uint32_t)random() % 4 };
        struct vote votes[MOST];
        bool advisory[MOST];
        struct tally t = { 0 };
        unsigned count = (unsigned)random() % (MOST + 1);
        for (unsigned i = 0; i < count; i++) {
            votes[i] = random_vote();
            advisory[i] = random() % 3 == 0;
            tally_add(&t, &votes[i], advisory[i]);
        }
        for (unsigned move = 0; move < 6; move++) {
            struct vote v;
            bool unknown = false, forced = false;
            tally_vote(&t, &g, 0, &v);
            for (unsigned i = 0; i < count; i++) {
                unknown |= votes[i].unknown && !votes[i].left_out;
                forced |= votes[i].forced && !votes[i].left_out;
            }
            for (unsigned p = 0; p < POLICIES; p++)
                CHECK_INT(v.level[p], nth_best(votes, advisory, count, &g, p));
            CHECK(v.unknown == unknown && v.forced == forced && !v.left_out && !v.awaited);
            if (!count)
                break;
            unsigned i = (unsigned)random() % count;
            tally_remove(&t, &votes[i], advisory[i]);
            votes[i] = random_vote();
            tally_add(&t, &votes[i], advisory[i]);
        }
        for (unsigned i = 0; i < count; i++)
            tally_remove(&t, &votes[i], advisory[i]);
        CHECK(!memcmp(&t, &(struct tally){ 0 }, sizeof t));
    }
}

TEST(nobody_left_passes_but_says_so_after_maintenance)
{
    const struct conf_group all = { .kind = GROUP_ALL, .need = 1 }, any = { .kind = GROUP_ANY, .need = 1 };
    struct tally t = { 0 };
    struct vote v, out = { .left_out = LEFT_PENDING };
    tally_add(&t, &out, false);
    tally_vote(&t, &all, 0, &v);
    CHECK_INT(v.level[0], LEVEL_PASS);
    out.left_out = LEFT_MAINTENANCE;
    tally_add(&t, &out, true);
    tally_vote(&t, &any, 0, &v);
    CHECK_INT(v.level[0], LEVEL_PASS);
    tally_add(&t, &out, false);
    CHECK_INT(t.maintenance, 1);
    tally_vote(&t, &any, 0, &v);
    CHECK_INT(v.level[0], LEVEL_WARN);
}

TEST(tallies_count_upward)
{
    struct tally t = { 0 };
    struct vote v;
    standing_vote(&(struct standing){ .stale = true }, &v);
    tally_add(&t, &v, true);
    tally_add(&t, &v, false);
    standing_vote(&(struct standing){ .mode = MODE_FORCED, .forced = LEVEL_FAIL }, &v);
    tally_add(&t, &v, true);
    CHECK_INT(t.unknown, 2);
    CHECK_INT(t.forced, 1);
    CHECK_INT(t.unclean, 2);
    CHECK_INT(t.left, 1);
    CHECK_INT(t.level[policy_of(UNKNOWN_FAIL, SHARED_FAIL)][LEVEL_FAIL], 1);
    CHECK_INT(t.maintenance, 0);
}

TEST(first_outcomes_are_awaited)
{
    const struct conf_group g = { .kind = GROUP_HAD_OUTCOME };
    struct tally t = { 0 };
    struct vote v, bad = { .level = { 2, 2, 2, 2, 2, 2 } };
    tally_add(&t, &bad, false);
    for (unsigned p = 0; p < POLICIES; p++) {
        tally_vote(&t, &g, 1, &v);
        CHECK_INT(v.level[p], LEVEL_FAIL);
        tally_vote(&t, &g, 0, &v);
        CHECK_INT(v.level[p], LEVEL_PASS);
    }
}

TEST(votes_differ_by_any_of_their_parts)
{
    const struct vote a = { 0 };
    struct vote b = a;
    CHECK(vote_equal(&a, &b));
    for (unsigned p = 0; p < POLICIES; p++) {
        b = a;
        b.level[p] = 1;
        CHECK(!vote_equal(&a, &b));
    }
    b = (struct vote){ .left_out = 1 };
    CHECK(!vote_equal(&a, &b));
    b = (struct vote){ .unknown = true };
    CHECK(!vote_equal(&a, &b));
    b = (struct vote){ .forced = true };
    CHECK(!vote_equal(&a, &b));
    b = (struct vote){ .awaited = true };
    CHECK(!vote_equal(&a, &b));
}

/* ---- gates ---- */

static struct vote flat(enum level level)
{
    struct vote v = { 0 };
    memset(v.level, (int)level, sizeof v.level);
    return v;
}

static void expect(struct gate g, const struct vote *v, enum level level, enum why why, unsigned code)
{
    struct answer a = gate_apply(&g, v, policy_of(UNKNOWN_FAIL, SHARED_FAIL));
    CHECK_INT(a.level, level);
    CHECK_INT(a.why, why);
    CHECK_INT(a.code, code);
}

TEST(gates_in_their_order)
{
    struct vote pass = flat(LEVEL_PASS), warn = flat(LEVEL_WARN), fail = flat(LEVEL_FAIL);
    expect((struct gate){ 0 }, &pass, LEVEL_PASS, WHY_MEMBERS, CODE_PASS);
    expect((struct gate){ 0 }, &warn, LEVEL_WARN, WHY_MEMBERS, CODE_WARN);
    expect((struct gate){ 0 }, &fail, LEVEL_FAIL, WHY_MEMBERS, CODE_FAIL);
    expect((struct gate){ .passes_starting = true }, &fail, LEVEL_PASS, WHY_STARTING, CODE_PASS);
    expect((struct gate){ .fails_starting = true }, &pass, LEVEL_FAIL, WHY_STARTING, CODE_FAIL);
    expect((struct gate){ .latched = true }, &fail, LEVEL_PASS, WHY_MEMBERS, CODE_PASS);
    expect((struct gate){ .draining = true, .passes_starting = true }, &pass, LEVEL_FAIL, WHY_DRAINING, CODE_DRAINING);
    struct vote forced = pass;
    forced.forced = true;
    expect((struct gate){ 0 }, &forced, LEVEL_WARN, WHY_MEMBERS, CODE_WARN);
    expect((struct gate){ .draining = true }, &forced, LEVEL_FAIL, WHY_DRAINING, CODE_DRAINING);
    expect((struct gate){ .latched = true }, &forced, LEVEL_WARN, WHY_MEMBERS, CODE_WARN);
    forced = fail;
    forced.forced = true;
    expect((struct gate){ 0 }, &forced, LEVEL_FAIL, WHY_MEMBERS, CODE_FAIL);
}

TEST(our_stall_is_the_reason_only_where_it_decides)
{
    struct vote unknown, fail = flat(LEVEL_FAIL);
    standing_vote(&(struct standing){ .known = true, .stale = true }, &unknown);
    expect((struct gate){ .stalled = true }, &unknown, LEVEL_FAIL, WHY_STALLED, CODE_FAIL);
    expect((struct gate){ 0 }, &unknown, LEVEL_FAIL, WHY_MEMBERS, CODE_FAIL);
    expect((struct gate){ .stalled = true }, &fail, LEVEL_FAIL, WHY_MEMBERS, CODE_FAIL);
    /* a failing shared member is only a warning here: unknown is what fails it */
    struct vote shared;
    standing_vote(&(struct standing){ .known = true, .stale = true, .shared = true, .settled = LEVEL_FAIL }, &shared);
    struct answer a = gate_apply(&(struct gate){ .stalled = true }, &shared, policy_of(UNKNOWN_FAIL, SHARED_WARN));
    CHECK_INT(a.why, WHY_MEMBERS);
    standing_vote(&(struct standing){ .known = true, .stale = true, .shared = true }, &shared);
    a = gate_apply(&(struct gate){ .stalled = true }, &shared, policy_of(UNKNOWN_FAIL, SHARED_WARN));
    CHECK_INT(a.why, WHY_STALLED);
}
