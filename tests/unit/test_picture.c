#include "unit.h"


#include "world_kit.h"

static void pass_at_once(struct vital_probe *p) { kit_finish(p, VITAL_PASS, VITAL_R_OK, "fine"); }
static void fail_at_once(struct vital_probe *p) { kit_finish(p, VITAL_FAIL, VITAL_R_REFUSED, "no"); }

static void by_name(struct vital_probe *p)
{
    if (*p->name == 'p')
        pass_at_once(p);
    else if (*p->name == 'f')
        fail_at_once(p);
    else if (*p->name == 'w')
        kit_finish(p, VITAL_WARN, VITAL_R_SLOW, "slow");
}

static void begin(struct kit_world *w)
{
    kit_open();
    kit_on_start = by_name;
    core_adopt(kit_conf(w));
}

static const struct picture_probe *probe_named(const struct picture *o, const char *name)
{
    for (unsigned i = 0; i < o->probe_count; i++)
        if (!strcmp(o->probes[i].name, name))
            return &o->probes[i];
    return NULL;
}

static const struct picture_group *group_named(const struct picture *o, const char *name)
{
    for (unsigned i = 0; i < o->group_count; i++)
        if (!strcmp(o->groups[i].name, name))
            return &o->groups[i];
    return NULL;
}

/* "f1 f2": names of the causes in order; "~" before one that is not required. */
static const char *causes_of(const struct picture *o, const char *group)
{
    static char text[256];
    const struct picture_group *g = group_named(o, group);
    *text = 0;
    for (unsigned i = 0; i < g->cause_count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, g->causes[i].required ? "" : "~");
        strcat(text, o->probes[g->causes[i].probe].name);
    }
    return text;
}

TEST(a_probe_from_its_first_attempt_on)
{
    struct kit_world w = kit_world();
    kit_probe_with(&w, "f1", "db:5432", 0)->shared = true;
    begin(&w);
    kit_on_start = pass_at_once;
    const struct picture *o = picture_probe(0);
    CHECK_INT(o->probe_count, 1);
    CHECK_INT(o->group_count, 0);
    const struct picture_probe *p = &o->probes[0];
    CHECK(p->state == STATE_UNKNOWN && p->settled == STATE_UNKNOWN && !p->had_outcome && p->at == 0 && p->last_pass == 0);
    CHECK_TEXT(p->name, "f1");
    CHECK_TEXT(p->type, "fake");
    CHECK_TEXT(p->target, "db:5432");
    CHECK_TEXT(p->text, "");
    CHECK(p->shared && !p->stale && !p->pending && !p->in_flight && !p->quarantined && p->stale_at == 0);
    CHECK_INT(p->next_due, kit_find_probe("f1")->plan.due + KIT_WALL);
    CHECK_INT(p->since, KIT_BOOT + KIT_WALL);
    picture_free(o);
    kit_on_start = NULL;
    while (!probe_in_attempt(kit_find_probe("f1")))
        kit_pass_time(SLOT);
    uint64_t began = kit_time;
    probe_number(kit_find_probe("f1"), 0, NULL, 2.5);
    probe_number(kit_find_probe("f1"), 1, "disk", 7);
    kit_time += 1500;
    o = picture_probe(0);
    CHECK(o->probes[0].in_flight && o->probes[0].next_due == 0 && o->probes[0].number_count == 0);
    picture_free(o);
    pass_at_once(kit_handle("f1"));
    o = picture_probe(0);
    p = &o->probes[0];
    CHECK(p->state == STATE_UP && p->settled == STATE_UP && p->had_outcome && p->outcome == VITAL_PASS && p->reason == VITAL_R_OK);
    CHECK_TEXT(p->text, "fine");
    CHECK_INT(p->at, began + 1500 + KIT_WALL);
    CHECK_INT(p->last_pass, p->at);
    CHECK_INT(p->since, p->at);
    CHECK_INT(p->duration, 1500);
    CHECK_INT(p->duration_sum, 1500);
    CHECK_INT(p->stale_at, p->at + 33 * USEC_S);
    CHECK_INT(p->attempts[VITAL_PASS], 1);
    CHECK(p->reason_count == 1 && p->reasons[0].reason == VITAL_R_OK && p->reasons[0].count == 1);
    CHECK_INT(p->transitions, 1);
    CHECK_INT(p->interval, 10 * USEC_S);
    CHECK_INT(p->timeout, 2 * USEC_S);
    CHECK(p->rise == 2 && p->fall == 3);
    CHECK_INT(p->run_need, 0);
    CHECK_INT(p->number_count, 2);
    CHECK(p->numbers[0].value == 2.5 && !p->numbers[0].label && !p->numbers[0].label_value);
    CHECK_TEXT(p->numbers[0].name, "plain");
    CHECK_TEXT(p->numbers[0].unit, "seconds");
    CHECK_TEXT(p->numbers[1].label, "thing");
    CHECK_TEXT(p->numbers[1].label_value, "disk");
    CHECK(o->wall == kit_wall() && o->generation == 1 && !o->draining && !o->stalled);
    CHECK_TEXT(o->source, "kit");
    CHECK_TEXT(o->version, VITALD_VERSION);
    CHECK_INT(o->started, KIT_BOOT + KIT_WALL);
    kit_close();
    CHECK_TEXT(p->text, "fine"); /* a picture stands alone */
    picture_free(o);
}

TEST(runs_history_and_staleness_are_seen)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_on_start = fail_at_once;
    struct probe *p1 = kit_find_probe("p1");
    while (p1->record.settle.line[1].run < 2)
        kit_pass_time(SLOT);
    const struct picture *o = picture_all();
    const struct picture_probe *p = &o->probes[0];
    CHECK(p->run_towards == STATE_DOWN && p->run_have == 2 && p->run_need == 3);
    CHECK_INT(p->history.count, 3);
    CHECK(history_class(&p->history, 0) == VITAL_PASS && history_class(&p->history, 1) == VITAL_FAIL && history_class(&p->history, 2) == VITAL_FAIL);
    picture_free(o);
    uint64_t took[70];
    for (unsigned i = 0; i < 70; i++) {
        while (!probe_in_attempt(p1)) {
            kit_on_start = NULL;
            kit_pass_time(SLOT);
        }
        kit_time += i;
        took[i] = kit_time - p1->started;
        kit_finish(&p1->handle, i == 69 ? VITAL_WARN : VITAL_FAIL, VITAL_R_OK, "");
    }
    o = picture_all();
    p = &o->probes[0];
    CHECK_INT(p->history.count, HISTORY_MAX);
    CHECK_INT(history_class(&p->history, HISTORY_MAX - 1), VITAL_WARN);
    CHECK_INT(history_class(&p->history, HISTORY_MAX - 2), VITAL_FAIL);
    for (unsigned i = 0; i < HISTORY_MAX; i++)
        CHECK(history_duration(&p->history, i) * 1000 / took[70 - HISTORY_MAX + i] - 999 <= 2);
    picture_free(o);
    mem_free(admin_mode("p1", MODE_FORCED, LEVEL_WARN, 9000 * USEC_S));
    p1->record.fresh_from -= 1000 * USEC_S;
    uint64_t stale_at = p1->record.fresh_from + p1->conf->max_age;
    probe_arm_expiry(p1);
    o = picture_all();
    p = &o->probes[0];
    CHECK(p->stale && p->state == STATE_UNKNOWN && p->settled == STATE_DOWN);
    CHECK_INT(p->stale_at, stale_at + KIT_WALL);
    CHECK(p->mode == MODE_FORCED && p->forced == LEVEL_WARN);
    CHECK_INT(p->mode_until, kit_time + 9000 * USEC_S + KIT_WALL);
    picture_free(o);
    kit_close();
}

TEST(a_missing_module_says_what_to_install)
{
    struct kit_world w = kit_world();
    struct conf_probe *gone = kit_probe(&w, "gone");
    conf_options_release(gone->options);
    gone->options = kit_options(NULL, "db:1", 0);
    gone->missing = "install vitald-postgres";
    begin(&w);
    kit_pass_time(100 * USEC_S);
    const struct picture *o = picture_all();
    CHECK_INT(o->probes[0].reason, VITAL_R_NO_MODULE);
    CHECK_TEXT(o->probes[0].text, "install vitald-postgres");
    CHECK(!o->probes[0].had_outcome && o->probes[0].state == STATE_UNKNOWN && o->probes[0].next_due == 0);
    picture_free(o);
    char *error = admin_run("gone");
    CHECK(error && strstr(error, "install vitald-postgres"));
    mem_free(error);
    CHECK(strstr(core_beat("gone", "", 0), "type"));
    kit_close();
}

TEST(causes_are_failing_leaves_below_failing_members)
{
    struct kit_world w = kit_world();
    static const char *const names[] = { "p1", "f1", "f2", "f3", "w1", "h1", "f4" };
    for (unsigned i = 0; i < 7; i++)
        kit_probe(&w, names[i]);
    kit_group(&w, "ok", GROUP_ANY, 1, "p1 f1", "");
    kit_group(&w, "bad", GROUP_AT_LEAST, 2, "p1 f2 f3", "f4");
    kit_group(&w, "top", GROUP_ALL, 1, "bad ok f2 w1", "f4");
    kit_group(&w, "warned", GROUP_ALL, 1, "p1 w1", "f4 bad h1");
    kit_group(&w, "fine", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "waits", GROUP_ALL, 1, "h1", "");
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "waits p1", "f4");
    w.probes[5].timeout = 1000 * USEC_S;
    begin(&w);
    kit_pass_time(9 * USEC_S);
    const struct picture *o = picture_all();
    CHECK_TEXT(causes_of(o, "top"), "f2 f3");
    CHECK_TEXT(causes_of(o, "bad"), "f2 f3");
    CHECK_TEXT(causes_of(o, "ok"), "");
    CHECK_TEXT(causes_of(o, "fine"), "");
    CHECK_TEXT(causes_of(o, "warned"), "w1 ~f4 ~h1 ~f2 ~f3");
    CHECK_TEXT(causes_of(o, "waits"), "h1");
    CHECK_TEXT(causes_of(o, "startup"), "h1");
    CHECK_INT(group_named(o, "warned")->level, LEVEL_WARN);
    picture_free(o);
    mem_free(admin_mode("p1", MODE_FORCED, LEVEL_PASS, 0));
    mem_free(admin_mode("f1", MODE_MAINTENANCE, LEVEL_PASS, 0));
    o = picture_all();
    CHECK_TEXT(causes_of(o, "fine"), "p1");
    CHECK(group_named(o, "fine")->forced);
    picture_free(o);
    kit_close();
}

/* Reached by two ways, what is required is a required cause. */
TEST(a_cause_is_required_when_any_way_to_it_is)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "a");
    kit_group(&w, "inner", GROUP_ALL, 1, "a", "");
    kit_group(&w, "outer", GROUP_ALL, 1, "inner", "inner");
    kit_open();
    core_adopt(kit_conf(&w));
    kit_settle();
    mem_free(admin_mode("a", MODE_FORCED, LEVEL_WARN, 0));
    const struct picture *o = picture_group(core_group_find("outer", 5));
    CHECK_INT(o->groups[0].cause_count, 1);
    CHECK(o->groups[0].causes[0].required);
    picture_free(o);
    kit_close();
}

TEST(a_cancelled_attempt_is_counted)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "a");
    kit_open();
    core_adopt(kit_conf(&w));
    while (!probe_in_attempt(kit_find_probe("a")))
        kit_pass_time(SLOT);
    CHECK(probe_left(kit_find_probe("a")) > 0);
    mem_free(admin_mode("a", MODE_PAUSED, LEVEL_PASS, 0));
    CHECK_INT(probe_left(kit_find_probe("a")), 0);
    const struct picture *o = picture_probe(0);
    CHECK_INT(o->probes[0].cancelled, 1);
    picture_free(o);
    kit_close();
}

TEST(a_group_is_shown_with_those_that_advise_it)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "a");
    kit_probe(&w, "b");
    kit_probe(&w, "elsewhere");
    kit_probe(&w, "c");
    kit_probe(&w, "d");
    kit_group(&w, "inner", GROUP_ALL, 0, "", "b c");
    kit_group(&w, "outer", GROUP_ALL, 1, "a d", "inner");
    kit_open();
    core_adopt(kit_conf(&w));
    const struct picture *o = picture_group(core_group_find("outer", 5));
    CHECK_INT(o->probe_count, 4);
    CHECK(probe_named(o, "c") && probe_named(o, "d"));
    CHECK_INT(o->group_count, 2);
    picture_free(o);
    kit_close();
}

TEST(groups_show_their_members_and_rule)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "f1");
    kit_probe(&w, "h1");
    kit_probe(&w, "else");
    kit_group(&w, "inner", GROUP_AT_LEAST, 2, "p1 f1", "");
    struct conf_group *g = kit_group(&w, "outer", GROUP_ALL, 2, "inner h1", "p1");
    g->unknown = UNKNOWN_WARN;
    kit_group(&w, "startup", GROUP_HAD_OUTCOME, 0, "p1", "")->configured = false;
    kit_group(&w, "any", GROUP_ANY, 1, "p1", "");
    w.probes[2].timeout = 1000 * USEC_S;
    begin(&w);
    kit_pass_time(9 * USEC_S);
    mem_free(admin_mode("p1", MODE_MAINTENANCE, LEVEL_PASS, 0));
    const struct picture *all = picture_all();
    CHECK_TEXT(group_named(all, "inner")->rule, "at least 2 of 2");
    CHECK_TEXT(group_named(all, "outer")->rule, "all");
    CHECK_TEXT(group_named(all, "any")->rule, "any");
    CHECK_TEXT(group_named(all, "startup")->rule, "every member had an outcome");
    CHECK(!group_named(all, "startup")->configured && group_named(all, "any")->configured);
    CHECK_INT(all->probe_count, 4);
    CHECK_INT(all->group_count, 7);
    picture_free(all);
    const struct picture *o = picture_group(core_group_find("outer", 5));
    CHECK_INT(o->group_count, 2);
    CHECK_INT(o->probe_count, 3);
    CHECK(!probe_named(o, "else"));
    CHECK_TEXT(o->groups[0].name, "outer");
    const struct picture_group *p = &o->groups[0];
    CHECK_INT(p->member_count, 3);
    CHECK(p->members[0].is_group && !p->members[0].advisory && p->members[0].level == LEVEL_FAIL);
    CHECK_TEXT(p->members[0].name, "inner");
    CHECK_INT(p->members[0].index, 1);
    CHECK(p->members[1].unknown && p->members[1].level == LEVEL_WARN && !p->members[1].is_group);
    CHECK_TEXT(o->probes[p->members[1].index].name, "h1");
    CHECK(p->members[2].advisory && p->members[2].left_out);
    CHECK(!p->members[1].left_out);
    CHECK_INT(p->code, 503);
    CHECK(p->unknown && !p->forced && !p->draining);
    CHECK_INT(p->why, WHY_MEMBERS);
    CHECK_INT(p->level, LEVEL_FAIL);
    CHECK_INT(p->oldest, kit_find_probe("f1")->record.at + KIT_WALL);
    CHECK_INT(p->dependant_count, 0);
    CHECK_INT(o->groups[1].dependant_count, 1);
    CHECK_TEXT(o->groups[1].dependants[0], "outer");
    CHECK_TEXT(causes_of(o, "outer"), "f1");
    picture_free(o);
    kit_close();
}

TEST(what_is_down_because_of_another_says_so)
{
    static const uint32_t parents[] = { 0, 1, 2 };
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "f1");
    kit_probe(&w, "f2");
    struct conf_probe *child = kit_probe(&w, "f3");
    child->depends_on = parents;
    child->depends_count = 3;
    kit_group(&w, "g", GROUP_ALL, 1, "f3", "");
    begin(&w);
    kit_pass_time(9 * USEC_S);
    const struct picture *o = picture_group(core_group_find("g", 1));
    const struct picture_probe *p = probe_named(o, "f3");
    CHECK_TEXT(p->caused_by, "f1");
    CHECK_INT(p->depends_count, 3);
    CHECK_TEXT(p->depends_on[2], "f2");
    CHECK(o->groups[0].causes[0].caused_by_other);
    picture_free(o);
    o = picture_probe(1);
    CHECK_TEXT(o->probes[0].caused_by, NULL);
    picture_free(o);
    kit_close();
}

TEST(what_is_up_is_caused_by_nothing)
{
    static const uint32_t parents[] = { 0 };
    struct kit_world w = kit_world();
    kit_probe(&w, "f1");
    struct conf_probe *child = kit_probe(&w, "p1");
    child->depends_on = parents;
    child->depends_count = 1;
    begin(&w);
    kit_pass_time(9 * USEC_S);
    const struct picture *o = picture_probe(1);
    CHECK_INT(o->probes[0].state, STATE_UP);
    CHECK_TEXT(o->probes[0].caused_by, NULL);
    CHECK_TEXT(o->probes[0].depends_on[0], "f1");
    picture_free(o);
    kit_close();
}

TEST(the_whole_daemon)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "ready", GROUP_ALL, 1, "p1", "")->drains = true;
    begin(&w);
    kit_pass_time(USEC_S);
    admin_drain(true);
    core_stalled(5 * USEC_S);
    const struct picture *o = picture_all();
    CHECK(o->draining && o->draining_since == kit_time + KIT_WALL);
    CHECK_INT(o->stalled, 5 * USEC_S);
    CHECK(o->last_reload_ok && o->last_reload == KIT_BOOT + KIT_WALL);
    CHECK_INT(o->journal_last, journal_last());
    CHECK(o->host && *o->host);
    CHECK(group_named(o, "ready")->draining && group_named(o, "ready")->why == WHY_DRAINING);
    CHECK_INT(group_named(o, "ready")->since, kit_time + KIT_WALL);
    picture_free(o);
    picture_free(NULL);
    kit_close();
}

TEST(a_new_member_is_pending_until_its_first_outcome)
{
    struct kit_world w = kit_world(), again = kit_world();
    kit_probe(&w, "p1");
    begin(&w);
    kit_pass_time(5 * USEC_S);
    kit_probe(&again, "p1");
    kit_probe(&again, "h1");
    core_adopt(kit_conf(&again));
    const struct picture *o = picture_all();
    CHECK(!probe_named(o, "p1")->pending && probe_named(o, "h1")->pending);
    CHECK_INT(o->generation, 2);
    picture_free(o);
    kit_close();
}

TEST(a_module_that_broke_its_contract_is_seen)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    begin(&w);
    kit_pass_time(5 * USEC_S);
    for (unsigned i = 0; i < PROBE_BUGS_MAX; i++)
        probe_module_bug(kit_find_probe("p1"), "broken");
    const struct picture *o = picture_probe(0);
    CHECK(o->probes[0].quarantined && o->probes[0].next_due == 0);
    picture_free(o);
    core_reload_failed();
    o = picture_all();
    CHECK(!o->last_reload_ok && o->last_reload == kit_time + KIT_WALL);
    picture_free(o);
    kit_close();
}

TEST(a_picture_shows_what_time_alone_brought_to_groups)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "g", GROUP_ALL, 1, "p1", "");
    begin(&w);
    kit_pass_time(5 * USEC_S);
    mem_free(admin_mode("p1", MODE_FORCED, LEVEL_FAIL, USEC_S));
    kit_turn();
    CHECK_INT(kit_level("g"), LEVEL_FAIL);
    kit_time += USEC_S; /* no turn, and nobody asks */
    const struct picture *o = picture_all();
    CHECK_INT(group_named(o, "g")->level, LEVEL_PASS);
    CHECK_INT(group_named(o, "g")->since, kit_time + KIT_WALL);
    picture_free(o);
    kit_close();
}

TEST(many_causes_have_room)
{
    struct kit_world w = kit_world();
    char members[512] = "";
    for (unsigned i = 0; i < 50; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%u ", i);
        strcat(members, name);
        name[strlen(name) - 1] = 0;
        kit_probe(&w, name);
    }
    kit_group(&w, "g", GROUP_ALL, 1, members, "");
    begin(&w);
    kit_pass_time(9 * USEC_S);
    const struct picture *o = picture_all();
    CHECK_INT(group_named(o, "g")->cause_count, 50);
    for (unsigned i = 0; i < 50; i++)
        CHECK_INT(group_named(o, "g")->causes[i].probe, i);
    picture_free(o);
    kit_close();
}

TEST(what_is_forced_is_a_cause_of_warnings_only)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_probe(&w, "p2");
    kit_probe(&w, "f1");
    kit_group(&w, "bad", GROUP_ALL, 1, "p1 f1", "");
    kit_group(&w, "advised", GROUP_ALL, 1, "p2", "p1");
    begin(&w);
    kit_pass_time(9 * USEC_S);
    mem_free(admin_mode("p1", MODE_FORCED, LEVEL_PASS, 0));
    const struct picture *o = picture_all();
    CHECK_TEXT(causes_of(o, "bad"), "f1");
    CHECK_TEXT(causes_of(o, "advised"), "~p1");
    picture_free(o);
    kit_close();
}

TEST(all_groups_that_depend_on_one_are_named)
{
    struct kit_world w = kit_world();
    kit_probe(&w, "p1");
    kit_group(&w, "inner", GROUP_ALL, 1, "p1", "");
    kit_group(&w, "one", GROUP_ALL, 1, "inner", "");
    kit_group(&w, "two", GROUP_ALL, 1, "p1", "inner");
    begin(&w);
    const struct picture *o = picture_all();
    const struct picture_group *g = group_named(o, "inner");
    CHECK_INT(g->dependant_count, 2);
    CHECK_TEXT(g->dependants[0], "one");
    CHECK_TEXT(g->dependants[1], "two");
    picture_free(o);
    kit_close();
}
