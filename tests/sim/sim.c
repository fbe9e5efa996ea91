/* The simulation: the real core under a virtual clock, against the plain model of plain.h.
 *
 * A run is a list of worlds made from one seed. Each has probes whose targets break and mend, configurations that
 * change, people who give orders, edges, lags and stalls. After every turn the core must agree with the plain model in
 * every probe and every group. `sim --seed N --worlds 1` replays one. */

#include "attempts.h"

/* ---- configurations ---- */

static void random_policy(struct conf_probe *c)
{
    static const uint64_t intervals[] = { 1, 2, 5, 10, 10, 10, 30 };
    c->interval = intervals[below(7)] * USEC_S + below(3) * 77 * USEC_MS;
    c->interval_unsettled = one_in(4) ? c->interval : between(200 * USEC_MS, c->interval < USEC_S ? c->interval : USEC_S);
    c->interval_down = one_in(3) ? 2 * c->interval : c->interval;
    c->timeout = between(200 * USEC_MS, 3 * USEC_S);
    c->jitter = one_in(3) ? 0 : 0.05;
    c->jitter_unsettled = one_in(3) ? 0 : 0.2;
    c->rise = (uint8_t)between(1, 4);
    c->fall = (uint8_t)between(1, 4);
    c->max_age = 3 * c->interval_down + c->timeout + (one_in(5) ? 0 : USEC_S);
    if (one_in(6))
        c->max_age = between(USEC_S, 3 * c->interval); /* often stale */
    c->on_edge = one_in(2) ? EDGE_CONFIRM : EDGE_HASTEN;
    c->shared = one_in(3);
    c->initial = !one_in(8) ? INITIAL_FIRST : one_in(2) ? INITIAL_UP : INITIAL_DOWN;
}

static void random_name(struct name *n)
{
    random_policy(&n->policy);
    n->target = (unsigned)below(TARGETS);
    n->variant = (int64_t)below(8);
    n->manner = one_in(3) ? NOISY : STEADY;
}

static void append(char *list, size_t size, const char *word)
{
    size_t len = strlen(list);
    snprintf(list + len, size - len, "%s ", word);
}

/* Groups hold earlier groups and any probes that are present. */
static void random_members(char *list, size_t size, unsigned most, unsigned groups, const char *const *group_names)
{
    *list = 0;
    for (unsigned i = 0; i < most; i++) {
        const struct name *n = &names[below(name_count)];
        if (groups && one_in(4))
            append(list, size, group_names[below(groups)]);
        else if (n->present)
            append(list, size, n->name);
    }
}

static struct conf *make_conf(uint32_t in_flight_cap, uint32_t address_cap)
{
    static const char *const plan[GROUPS_MOST] = { "ga", "gb", "gc", "gd", "ge", "gf", "gg", "gh", "gi", "gj", "ready", "startup", "live", "health" };
    struct kit_world w = kit_world_of(name_count, GROUPS_MOST);
    w.conf->max_in_flight = in_flight_cap;
    w.conf->max_per_address = address_cap;
    w.conf->startup_timeout = 20 * USEC_S;
    for (unsigned i = 0; i < name_count; i++) {
        struct name *n = &names[i];
        char target[24];
        if (!n->present)
            continue;
        snprintf(target, sizeof target, "t%u:%u", n->target, i);
        struct conf_probe *p = kit_probe_with(&w, n->name, target, n->variant);
        n->policy.name = p->name;
        n->policy.type = p->type;
        n->policy.options = p->options;
        *p = n->policy;
    }
    for (unsigned i = 0; i < GROUPS_MOST; i++) {
        char members[512], advisory[512] = "";
        bool system = i >= 10;
        random_members(members, sizeof members, (unsigned)between(1, name_count > 100 && one_in(3) ? 60 : 6), i, plan);
        if (one_in(2))
            random_members(advisory, sizeof advisory, 3, i, plan);
        enum conf_kind kind = (enum conf_kind)below(3);
        if (system && i == 11 && one_in(2))
            kind = GROUP_HAD_OUTCOME;
        struct conf_group *g = kit_group(&w, plan[i], kind, kind == GROUP_AT_LEAST ? (uint32_t)between(1, 4) : 1, members, advisory);
        g->unknown = (enum conf_unknown)below(3);
        g->on_shared = (enum conf_shared)below(2);
        g->drains = one_in(3);
        g->codes[CODE_DRAINING] = 599;
        g->codes[CODE_WARN] = 299;
        g->configured = !one_in(3);
    }
    return kit_conf(&w);
}

static void index_plain(void)
{
    world.conf = core_conf();
    world.probes = by_index;
    for (uint32_t i = 0; i < world.conf->probe_count; i++) {
        struct name *n = named(world.conf->probes[i].name);
        by_index[i] = &n->plain;
        n->handle = probe_handle(kit_find_probe(n->name));
    }
}

static bool is_latched(void)
{
    struct plain_asked asked = { .unknown = world.conf->groups[world.conf->startup].unknown, .shared = world.conf->groups[world.conf->startup].on_shared };
    return plain_group(&world, &world.conf->groups[world.conf->startup], asked) != LEVEL_FAIL;
}

static void start_plain(struct name *n, bool reload)
{
    struct plain *p = &n->plain;
    struct plain old = *p;
    *p = (struct plain){ .exists = true, .has_module = true };
    if (old.exists) {
        p->mode = old.mode;
        p->forced = old.forced;
        p->mode_until = old.mode_until;
    }
    if (n->policy.initial != INITIAL_FIRST) {
        p->known = true;
        p->bad[0] = p->bad[1] = n->policy.initial == INITIAL_DOWN;
        p->fresh_from = kit_time;
    } else if (reload && world.latched) {
        p->pending = true;
        p->pending_until = kit_time + n->policy.timeout + USEC_S;
    }
}

/* What a reload does to each name, in the words of the design. */
enum fate { GONE, MOVES, TAKES_OVER, NEW };
struct was { bool present; unsigned target; int64_t variant; struct vital_probe *handle; bool open; };

static enum fate fate_of(const struct name *n, const struct was *was)
{
    if (!n->present)
        return GONE;
    if (!was->present || was->target != n->target)
        return NEW;
    return was->variant == n->variant ? MOVES : TAKES_OVER;
}

static void settle_fate(struct name *n, const struct was *was, bool reload)
{
    enum fate fate = fate_of(n, was);
    if (fate != MOVES) {
        n->began = n->ended = 0;
        n->confirmable = false;
    }
    n->disturbed = true;
    n->free_from = kit_time;
    if (fate == GONE)
        n->plain.exists = false;
    if (fate == GONE)
        n->handle = NULL;
    if (fate == NEW)
        start_plain(n, reload);
    if (fate == TAKES_OVER) {
        n->plain.bugs = 0;
        n->plain.stall_waits = false;
    }
    if (fate == MOVES || fate == TAKES_OVER)
        plain_new_rule(&n->plain, &n->policy);
}

static void age_all(void)
{
    for (uint32_t i = 0; world.conf && i < world.conf->probe_count; i++)
        plain_age(by_index[i], &world.conf->probes[i], kit_time);
    if (kit_time >= world.startup_end)
        world.startup_over = true;
    bool waits = false;
    for (unsigned i = 0; i < name_count; i++)
        waits |= names[i].plain.exists && names[i].plain.stall_waits;
    if (world.stalled && (!waits || kit_time >= latest.at))
        world.stalled = 0;
}

/* Startup latches when somebody looks: at a turn's end, at a question, at a reload. */
static void look(void)
{
    age_all();
    if (world.conf && !world.latched)
        world.latched = is_latched();
}

static void change_names(void)
{
    for (unsigned i = 0; i < name_count; i++) {
        struct name *n = &names[i];
        if (one_in(12))
            n->present = !n->present;
        if (one_in(10))
            n->variant = (int64_t)below(8);
        if (one_in(25))
            n->target = (unsigned)below(TARGETS);
        if (one_in(6))
            random_policy(&n->policy);
    }
}

static void adopt(uint32_t in_flight_cap, uint32_t address_cap, bool reload)
{
    static struct was was[NAMES];
    doing = reload ? "reload" : "boot";
    look();
    for (unsigned i = 0; i < name_count; i++) {
        struct name *n = &names[i];
        was[i] = (struct was){ n->plain.exists, n->target, n->variant, n->handle, n->open };
    }
    if (reload)
        change_names();
    struct conf *c = make_conf(in_flight_cap, address_cap);
    for (unsigned i = 0; i < name_count; i++) /* the books of attempts that are cancelled are kept under the old target */
        if (was[i].open && fate_of(&names[i], &was[i]) != MOVES && names[i].target != was[i].target) {
            at_target[was[i].target]--;
            at_target[names[i].target]++;
        }
    expect_cancel = true;
    core_adopt(c);
    expect_cancel = false;
    for (unsigned i = 0; i < name_count; i++)
        settle_fate(&names[i], &was[i], reload);
    index_plain();
    for (unsigned i = 0; i < name_count; i++) {
        struct name *n = &names[i];
        enum fate fate = fate_of(n, &was[i]);
        MUST(n, fate != MOVES || (n->handle == was[i].handle && n->open == was[i].open));
        MUST(n, fate != TAKES_OVER || (n->handle != was[i].handle && !n->open));
        MUST(n, fate == MOVES || !n->open);
        plain_age(&n->plain, &n->policy, kit_time);
    }
    look();
    reloads += reload;
}

/* ---- does the core agree? ---- */

static void check_probe(uint32_t index)
{
    const struct probe *p = engine.world->probes[index];
    struct name *n = named(p->conf->name);
    const struct plain *q = &n->plain;
    enum state state = !q->known || q->stale ? STATE_UNKNOWN : (enum state)(STATE_UP + (int)plain_level(q));
    MUST(n, probe_state(p) == state);
    MUST(n, p->record.stale == q->stale && p->pending == q->pending && p->record.sampled == q->sampled);
    MUST(n, p->order.mode == q->mode && p->order.until == q->mode_until);
    MUST(n, p->quarantined == (q->bugs >= 3));
    MUST(n, probe_in_attempt(p) == n->open);
    for (unsigned c = 0; c < VITAL_CLASS_COUNT; c++)
        MUST(n, p->record.attempts[c] == q->count[c]);
    MUST(n, p->record.cancelled == q->cancelled);
    /* nothing is green that is older than max_age, but just after a stall */
    if (state != STATE_UNKNOWN && q->mode != MODE_PAUSED && q->sampled)
        MUST(n, kit_time < q->fresh_from + p->conf->max_age || kit_time < q->lease);
    MUST(n, !q->lease || world.stalled || stalls_seen);
    /* somebody will look again: a start is planned, or an attempt runs, or nobody should */
    if (plain_is_active(q) && !n->open)
        MUST(n, timer_is_set(&p->plan.timer) || p->plan.queue != QUEUE_NONE);
    if (!plain_is_active(q))
        MUST(n, !timer_is_set(&p->plan.timer) && p->plan.queue == QUEUE_NONE);
}

static void check_group(uint32_t group)
{
    struct verdict v;
    core_verdict(group, &v);
    const struct conf_group *g = &world.conf->groups[group];
    const struct plain_verdict want = plain_verdict(&world, group);
    if (v.level != want.level || v.why != want.why || v.unknown != want.unknown || v.forced != want.forced || v.draining != want.draining)
        broken(NULL, "group %s: %s/%s unknown %d forced %d draining %d, not %s/%s %d %d %d", g->name, level_text(v.level), why_text(v.why), v.unknown,
               v.forced, v.draining, level_text(want.level), why_text(want.why), want.unknown, want.forced, want.draining);
    uint64_t oldest = plain_oldest(&world, g);
    MUST(NULL, v.oldest == (oldest == TIME_NEVER ? 0 : oldest));
    MUST(NULL, v.code == g->codes[v.draining ? CODE_DRAINING : v.level == LEVEL_PASS ? CODE_PASS : v.level == LEVEL_WARN ? CODE_WARN : CODE_FAIL]);
    MUST(NULL, v.stalled == world.stalled);
    const struct plain_asked asked = { .unknown = g->unknown, .shared = g->on_shared };
    const struct plain_asked forgiving = { .unknown = g->unknown, .shared = g->on_shared, .ignore_stale = true };
    MUST(NULL, plain_group(&world, g, asked) >= plain_group(&world, g, forgiving)); /* stale never improves */
}

static void check_without(void)
{
    static bool without[NAMES];
    uint32_t out[4], count = 0, group = (uint32_t)below(world.conf->group_count);
    struct verdict v;
    for (unsigned i = 0; i < 4 && world.conf->probe_count; i++) {
        uint32_t probe = (uint32_t)below(world.conf->probe_count);
        if (!without[probe])
            out[count++] = probe;
        without[probe] = true;
    }
    world.without = without;
    const struct plain_verdict want = plain_verdict(&world, group);
    world.without = NULL;
    core_verdict_without(group, out, count, &v);
    MUST(NULL, v.level == want.level && v.why == want.why && v.unknown == want.unknown && v.forced == want.forced);
    for (uint32_t i = 0; i < count; i++)
        without[out[i]] = false;
}

static void check_all(void)
{
    look();
    core_verdict(0, &(struct verdict){ 0 }); /* brings what time brings */
    MUST(NULL, engine.startup_latched == world.latched);
    for (uint32_t i = 0; i < world.conf->probe_count; i++)
        check_probe(i);
    for (uint32_t g = 0; g < world.conf->group_count; g++)
        check_group(g);
    struct core_stats s;
    core_stats(&s);
    MUST(NULL, s.in_flight == in_flight);
    MUST(NULL, s.probes == world.conf->probe_count);
}

/* ---- people ---- */

static struct name *present_name(void)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        struct name *n = &names[below(name_count)];
        if (n->present)
            return n;
    }
    return NULL;
}

static void give_order(struct name *n)
{
    enum mode mode = (enum mode)below(MODE_COUNT);
    enum level forced = mode == MODE_FORCED ? (enum level)below(LEVEL_COUNT) : LEVEL_PASS;
    uint64_t period = one_in(3) ? 0 : between(1, 100 * USEC_S);
    struct plain *q = &n->plain;
    doing = mode_text(mode);
    disturb(n);
    if (q->mode == MODE_PAUSED && mode != MODE_PAUSED && q->known && !q->stale) {
        q->fresh_from = kit_time;
        q->lease = 0;
    }
    q->mode = mode;
    q->forced = forced;
    q->mode_until = mode != MODE_NORMAL && period ? kit_time + period : 0;
    expect_cancel = mode == MODE_PAUSED;
    char *error = admin_mode(n->name, mode, forced, period);
    expect_cancel = false;
    MUST(n, !error);
}

static void on_expiring_pause(void)
{
    for (unsigned i = 0; i < name_count; i++) {
        struct plain *q = &names[i].plain;
        if (!q->exists || q->mode != MODE_PAUSED || !q->mode_until || kit_time < q->mode_until)
            continue;
        disturb(&names[i]);
        if (q->known && !q->stale) {
            q->fresh_from = kit_time;
            q->lease = 0;
        }
    }
}

static void act(void)
{
    struct name *n = present_name();
    if (!n)
        return;
    switch (below(7)) {
    case 0:
    case 1:
        give_order(n);
        break;
    case 2:
        doing = "run";
        disturb(n);
        mem_free(admin_run(n->name));
        break;
    case 3:
        doing = "edge";
        if (plain_is_active(&n->plain)) {
            n->nudged_at = kit_time;
            n->confirmable |= n->policy.on_edge == EDGE_CONFIRM;
        }
        probe_nudge(probe_of(n->handle));
        break;
    case 4:
        doing = "drain";
        world.draining = !world.draining;
        if (world.draining)
            admin_drain(one_in(2));
        else
            admin_undrain();
        break;
    default:
        adopt(world.conf->max_in_flight, world.conf->max_per_address, true);
    }
}

static void on_action(struct timer *t, uint64_t now)
{
    timer_set(&events, t, now + between(USEC_MS, 20 * USEC_S));
    act();
}

/* ---- time ---- */

static uint64_t next_moment(void)
{
    uint64_t next = timer_next(&kit_heap);
    next = timer_next(&replies) < next ? timer_next(&replies) : next;
    return timer_next(&events) < next ? timer_next(&events) : next;
}

/* The core expects to be woken by its own next timer at the latest. */
static void notice_stall(void)
{
    if (kit_time <= expected || kit_time - expected <= USEC_S)
        return;
    uint64_t gap = kit_time - expected;
    stalls_seen++;
    world.stalled = gap;
    latest.at = kit_time + 60 * USEC_S;
    for (uint32_t i = 0; i < world.conf->probe_count; i++) {
        plain_stall(by_index[i], &world.conf->probes[i], gap, kit_time);
        by_index[i]->stall_waits = plain_is_active(by_index[i]);
    }
}

static void serve_replies(void)
{
    while (timer_next(&replies) <= kit_time)
        timer_run(&replies, kit_time);
}

static void turn(void)
{
    timer_run(&replies, kit_time);
    kit_turn();
    look();
    expected = core_busy() ? kit_time : timer_next(&kit_heap);
    expected = expected < kit_time ? kit_time : expected;
}

static void step(bool check)
{
    uint64_t next = next_moment();
    kit_time = next > kit_time ? next : kit_time;
    if (!strict && one_in(400)) {
        kit_time += one_in(4) ? between(USEC_S, 120 * USEC_S) : below(1500 * USEC_MS);
        for (unsigned i = 0; i < name_count; i++)
            disturb(&names[i]);
    }
    notice_stall();
    on_expiring_pause();
    age_all();
    doing = "time";
    if (check && one_in(4))
        check_all(); /* before the turn: the question alone must bring what time brings */
    do
        turn();
    while (core_busy() || timer_next(&kit_heap) <= kit_time || timer_next(&replies) <= kit_time);
    timer_run(&events, kit_time);
    turn();
    if (check) {
        check_all();
        check_without();
    }
    steps++;
}

/* ---- a world ---- */

static void begin(unsigned probes, uint32_t in_flight_cap, uint32_t address_cap)
{
    memset(names, 0, sizeof names);
    name_count = probes;
    in_flight = most_in_flight = 0;
    memset(at_target, 0, sizeof at_target);
    world = (struct plain_world){ .probes = by_index };
    stalls_seen = 0;
    latest.at = 0;
    kit_time = KIT_BOOT + below(USEC_S);
    expected = TIME_NEVER;
    kit_on_start = on_start;
    kit_on_cancel = on_cancel;
    kit_on_close = on_close;
    kit_on_serve = serve_replies;
    kit_open();
    world.startup_end = kit_time + 20 * USEC_S;
    for (unsigned i = 0; i < probes; i++) {
        struct name *n = &names[i];
        snprintf(n->name, sizeof n->name, "p%u", i);
        random_name(n);
        n->present = !one_in(6);
        timer_init(&n->flip, on_flip);
        timer_init(&n->detect, on_detect);
        timer_set(&events, &n->flip, kit_time + between(USEC_S, 300 * USEC_S));
    }
    adopt(in_flight_cap, address_cap, false);
    timer_init(&action, on_action);
    timer_set(&events, &action, kit_time + between(USEC_MS, 30 * USEC_S));
}

static void end(void)
{
    expect_cancel = true;
    kit_close();
    expect_cancel = false;
    MUST(NULL, in_flight == 0);
    timer_clear(&events, &action);
    for (unsigned i = 0; i < name_count; i++) {
        MUST(&names[i], !names[i].open);
        timer_clear(&events, &names[i].flip);
        timer_clear(&events, &names[i].detect);
    }
    MUST(NULL, !events.count && !replies.count);
}

static void run_world(unsigned probes, uint64_t period, unsigned check_every)
{
    strict = one_in(2);
    uint32_t caps = strict ? 100000 : (uint32_t)between(1, 40), address = strict ? 100000 : (uint32_t)between(1, 8);
    begin(probes, caps, address);
    uint64_t until = kit_time + period, from = steps;
    while (kit_time < until)
        step((steps - from) % check_every == 0);
    MUST(NULL, most_in_flight <= caps);
    end();
}

static uint64_t number_after(int argc, char **argv, const char *option, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], option))
            return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

static bool has_option(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], option))
            return true;
    return false;
}

static void make_world(unsigned probes, uint64_t minutes)
{
    chance_state = seed * UINT64_C(0x2545f4914f6cdd1d);
    unsigned count = probes ? probes : seed % 8 == 7 ? 1500 : (unsigned)between(1, 12);
    bool big = count > 100;
    run_world(count, (big ? minutes / 10 + 1 : minutes) * 60 * USEC_S, big ? 500 : 1);
    timer_heap_free(&replies);
    timer_heap_free(&events);
    printf("seed %llu: %u names, %llu steps, %llu checks, %llu reloads, %llu faults detected in time\n", (unsigned long long)seed, count,
           (unsigned long long)steps, (unsigned long long)checks, (unsigned long long)reloads, (unsigned long long)detections);
}

/* sim [--short] [--seed N] [--worlds N] [--probes N] [--minutes N]: each world in a process of its own, each a test. */
int main(int argc, char **argv)
{
    bool brief = has_option(argc, argv, "--short");
    uint64_t first = number_after(argc, argv, "--seed", brief ? 1 : (uint64_t)time(NULL));
    uint64_t worlds = number_after(argc, argv, "--worlds", brief ? 16 : 64);
    uint64_t minutes = number_after(argc, argv, "--minutes", brief ? 20 : 120);
    unsigned probes = (unsigned)number_after(argc, argv, "--probes", 0), failed = 0;
    for (seed = first; seed < first + worlds; seed++) {
        fflush(NULL);
        pid_t child = fork();
        if (!child) {
            make_world(probes, minutes);
            fflush(NULL);
            exit(0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        if (status)
            printf("FAIL seed %llu: sim --seed %llu --worlds 1 --minutes %llu --probes %u shows it\n", (unsigned long long)seed,
                   (unsigned long long)seed, (unsigned long long)minutes, probes);
        failed += status != 0;
    }
    printf("%llu passed, %u failed\n", (unsigned long long)(worlds - failed), failed);
    return failed != 0;
}
