#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "front/notify_note.h"
#include "front/notify_policy.h"
#include "front/notify_queue.h"

/* ---- the policy: a story of moments, and what is told at each ----
 *
 * Subjects by letter: p is the parent of a and b; x stands alone; R is a group, with the causes that are written behind it. */

enum { P, A, B, X, R, SUBJECTS };
static const char letters[] = "pabxR";

static struct world_now {
    struct policy_fact facts[SUBJECTS];
    uint32_t causes[SUBJECTS];
    bool watched[SUBJECTS];
    struct policy policy;
    struct buf told;
    uint64_t next;
} w;

static const struct policy_rule usual = { .least = LEVEL_FAIL, .resolved = true, .group_wait = 3 * USEC_S, .repeat = 4 * 3600 * USEC_S, .flap_changes = 5, .flap_window = 600 * USEC_S };

static void record(void *arg, const struct policy_event *e)
{
    (void)arg;
    buf_printf(&w.told, "%s%s %c", w.told.len ? "; " : "", notice_status_text(e->status), letters[e->subject]);
    for (uint32_t i = 0; i < e->with_count; i++)
        buf_printf(&w.told, "%c%c", i ? ',' : '+', letters[e->with[i]]);
}

static void begin(const struct policy_rule *rule)
{
    memset(&w, 0, sizeof w);
    w.told = BUF(4096);
    for (unsigned i = 0; i < SUBJECTS; i++) {
        w.facts[i] = (struct policy_fact){ .root = i, .is_group = i == R, .recover = 10 * USEC_S, .patience = 20 * USEC_S };
        w.watched[i] = true;
    }
    policy_open(&w.policy, rule, SUBJECTS);
}

/* "p- a- R-pa x~": p and a are down, R fails because of p and a; x is unknown. '+' up, '!' warn, 's' silenced, '?' may be taken
 * along yet. Who is not named stays. A child that is down with its parent has the parent as its root. */
static void set(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == ' ')
            continue;
        struct policy_fact *f = &w.facts[strchr(letters, *c) - letters];
        f->unknown = f->silenced = f->doubtful = false;
        f->cause_count = 0;
        for (c++; *c && *c != ' '; c++) {
            if (strchr("+!-", *c))
                f->level = *c == '+' ? LEVEL_PASS : *c == '!' ? LEVEL_WARN : LEVEL_FAIL;
            f->unknown |= *c == '~';
            f->silenced |= *c == 's';
            f->doubtful |= *c == '?';
            if (strchr(letters, *c))
                w.causes[f->cause_count++] = (uint32_t)(strchr(letters, *c) - letters);
        }
        f->causes = w.causes;
        c--;
    }
    for (unsigned i = A; i <= B; i++)
        w.facts[i].root = w.facts[i].level == LEVEL_FAIL && w.facts[P].level == LEVEL_FAIL ? P : i;
}

static const char *at(double seconds)
{
    buf_reset(&w.told);
    w.next = policy_run(&w.policy, w.facts, w.watched, 1000 * USEC_S + (uint64_t)(seconds * 1e6), record, NULL);
    return w.told.len ? w.told.data : "";
}

struct moment { double at; const char *set, *told; };
static void story(const struct policy_rule *rule, const struct moment *m, const char *file, int line)
{
    begin(rule);
    for (; m->told; m++) {
        set(m->set);
        const char *told = at(m->at);
        if (strcmp(told, m->told) != 0) {
            fprintf(stderr, "%s:%d: at %g, after \"%s\": told \"%s\", not \"%s\"\n", file, line, m->at, m->set, told, m->told);
            unit_failures++;
        }
    }
    policy_close(&w.policy);
    buf_free(&w.told);
}
#define STORY(rule, ...) story(rule, (const struct moment[]){ __VA_ARGS__, { 0, NULL, NULL } }, __FILE__, __LINE__)

TEST(what_lasts_is_told_once_and_its_end_too)
{
    STORY(&usual, { 0, "", "" }, { 1, "x-", "" }, { 3.9, "", "" }, { 4, "", "firing x" }, { 5, "", "" }, { 100, "", "" }, { 101, "x+", "" }, { 104, "", "resolved x" },
          { 105, "", "" });
    STORY(&usual, { 1, "x-", "" }, { 2, "x+", "" }, { 20, "", "" }); /* a dip is nobody's business */
}

TEST(reminders_come_at_their_pace_and_end)
{
    STORY(&usual, { 0, "x-", "" }, { 3, "", "firing x" }, { 4 * 3600, "", "" }, { 4 * 3600 + 3, "", "reminder x" }, { 4 * 3600 + 9, "", "" },
          { 8 * 3600 + 3, "", "reminder x" }, { 8 * 3600 + 4, "x+", "" }, { 8 * 3600 + 7, "", "resolved x" }, { 13 * 3600, "", "" });
    struct policy_rule never = usual;
    never.repeat = 0;
    STORY(&never, { 0, "x-", "" }, { 3, "", "firing x" }, { 1e6, "", "" });
}

TEST(a_parent_speaks_for_what_it_takes_along)
{
    STORY(&usual, { 0, "p- a- b- R-pab", "" }, { 3, "", "firing p+a,b,R" }, { 60, "p+", "" }, { 61, "a+ b+ R+", "" }, { 63, "", "resolved p+a,b,R" }, { 100, "", "" });
    /* children first: they wait for as long as the parent may be down, too */
    STORY(&usual, { 0, "a-? b-?", "" }, { 4, "", "" }, { 8, "p- a- b-", "" }, { 11, "", "firing p+a,b" });
    STORY(&usual, { 0, "a-?", "" }, { 4, "a-", "firing a" }); /* it is not the parent */
    STORY(&usual, { 0, "a-?", "" }, { 19, "", "" }, { 20, "", "firing a" }); /* and there is an end to waiting */
    /* one more later: it is held back */
    STORY(&usual, { 0, "p- a-", "" }, { 3, "", "firing p+a" }, { 10, "b-", "" }, { 30, "", "" });
}

TEST(what_stays_down_speaks_for_itself_after_its_time)
{
    STORY(&usual, { 0, "p- a- b-", "" }, { 3, "", "firing p+a,b" }, { 60, "p+ b+", "" }, { 63, "", "resolved p+b" }, { 72, "", "" }, { 73, "", "firing a" },
          { 80, "a+", "" }, { 83, "", "resolved a" });
    STORY(&usual, { 0, "p- a-", "" }, { 3, "", "firing p+a" }, { 60, "p+", "" }, { 63, "", "resolved p" }, { 70, "a+", "" }, { 90, "", "" });
}

TEST(a_child_that_was_told_before_ends_by_itself)
{
    STORY(&usual, { 0, "a-", "" }, { 3, "", "firing a" }, { 10, "p- a-", "" }, { 13, "", "firing p" }, { 20, "p+ a+", "" }, { 23, "", "resolved p; resolved a" });
}

TEST(nobody_watches_the_parent)
{
    begin(&usual);
    w.watched[P] = false;
    set("p- a- b-");
    CHECK_TEXT(at(0), "");
    CHECK_TEXT(at(3), "firing p+a,b"); /* one message, not one for each child */
    set("p+ a+ b+");
    at(10);
    CHECK_TEXT(at(13), "resolved p+a,b");
    set("p-");
    at(20);
    CHECK_TEXT(at(40), "");
    policy_close(&w.policy);
    buf_free(&w.told);
}

TEST(groups_ride_on_a_cause_that_is_told_now)
{
    STORY(&usual, { 0, "x- R-x", "" }, { 3, "", "firing x+R" }, { 60, "x+ R+", "" }, { 63, "", "resolved x+R" });
    /* the cause is old news: the verdict is not */
    STORY(&usual, { 0, "x-", "" }, { 3, "", "firing x" }, { 60, "R-x", "" }, { 63, "", "firing R" }, { 70, "R+", "" }, { 73, "", "resolved R" });
    /* the cause waits: so does the group */
    STORY(&usual, { 0, "a-? R-a", "" }, { 3, "", "" }, { 6, "a- R-a", "firing a+R" });
    /* no probe at all */
    STORY(&usual, { 0, "R-", "" }, { 3, "", "firing R" });
}

TEST(too_many_at_once_are_one_message)
{
    struct policy_rule few = usual;
    few.most = 2;
    STORY(&few, { 0, "a- b- x- R-x", "" }, { 3, "", "firing a+b,x,R" }, { 10, "a+ x+ R+", "" }, { 13, "", "resolved a+x,R" }, { 22, "", "" }, { 23, "", "firing b" });
    /* what rides on one of them rides with it; what is told already stays as it is */
    STORY(&few, { 0, "x-", "" }, { 3, "", "firing x" }, { 10, "p- a- R-p", "" }, { 13, "", "firing p+a,R" }, { 20, "x+", "" }, { 23, "", "resolved x" });
    STORY(&few, { 0, "p- a- x- R-", "" }, { 3, "", "firing p+a,x,R" }, { 10, "p+", "" }, { 13, "", "resolved p" }, { 16, "", "" }, { 23, "", "firing a+x,R" });
}

TEST(flapping_is_told_once)
{
    STORY(&usual, { 0, "x-", "" }, { 1, "x+", "" }, { 2, "x-", "" }, { 3, "x+", "" }, { 4, "x-", "flapping x" }, { 5, "x+", "" }, { 50, "x-", "" }, { 60, "x+", "" },
          { 200, "", "" }, { 360, "", "resolved x" }, { 400, "x-", "" }, { 403, "", "firing x" });
    STORY(&usual, { 0, "x-", "" }, { 3, "", "firing x" }, { 10, "x+", "" }, { 13, "", "resolved x" }, { 20, "x-", "" }, { 23, "", "firing x" }, { 30, "x+", "" },
          { 33, "", "resolved x" }, { 40, "x-", "flapping x" }, { 339, "", "" }, { 340, "", "firing x" });
    /* what flaps with its parent is not told besides */
    STORY(&usual, { 0, "p- a- R-p", "" }, { 1, "p+ a+ R+", "" }, { 2, "p- a- R-p", "" }, { 3, "p+ a+ R+", "" }, { 4, "p- a- R-p", "flapping p" }, { 5, "p+ a+ R+", "" });
}

TEST(what_people_ordered_is_no_alarm)
{
    STORY(&usual, { 0, "x-s", "" }, { 30, "", "" }, { 31, "x-", "" }, { 34, "", "firing x" }, { 40, "x-s", "resolved x" }, { 60, "x+s", "" }, { 61, "x+", "" }, { 90, "", "" });
    /* children of a parent in maintenance */
    STORY(&usual, { 0, "p-s a-", "" }, { 30, "", "" }, { 40, "p- a-", "" }, { 43, "", "firing p+a" });
}

TEST(unknown_is_neither_alarm_nor_relief)
{
    STORY(&usual, { 0, "x~", "" }, { 10, "x-~", "" }, { 20, "", "" }, { 21, "x-", "" }, { 24, "", "firing x" }, { 30, "x+~", "" }, { 60, "", "" }, { 61, "x+", "" }, { 64, "", "resolved x" });
}

TEST(warnings_are_told_to_who_wants_them)
{
    struct policy_rule all = usual;
    all.least = LEVEL_WARN;
    STORY(&usual, { 0, "x!", "" }, { 30, "", "" });
    STORY(&all, { 0, "x!", "" }, { 3, "", "firing x" }, { 10, "x-", "" }, { 13, "", "firing x" }, { 20, "x+", "" }, { 23, "", "resolved x" });
    all.resolved = false;
    STORY(&all, { 0, "x-", "" }, { 3, "", "firing x" }, { 10, "x+", "" }, { 20, "", "" });
}

TEST(it_says_when_to_look_again)
{
    begin(&usual);
    set("x-");
    at(0);
    CHECK_INT(w.next, 1003 * USEC_S);
    at(3);
    CHECK_INT(w.next, 1003 * USEC_S + usual.repeat);
    set("x+");
    at(10);
    CHECK_INT(w.next, 1013 * USEC_S);
    at(13);
    CHECK(w.next == TIME_NEVER);
    policy_close(&w.policy);
    buf_free(&w.told);
}

TEST(an_earlier_process_has_told_it)
{
    begin(&usual);
    set("p- a- x- R-x");
    policy_restore(&w.policy, P, LEVEL_FAIL, P, 900 * USEC_S, 1000 * USEC_S);
    policy_restore(&w.policy, A, LEVEL_FAIL, P, 900 * USEC_S, 1000 * USEC_S);
    policy_restore(&w.policy, X, LEVEL_FAIL, X, 900 * USEC_S, 1000 * USEC_S);
    policy_restore(&w.policy, R, LEVEL_FAIL, X, 900 * USEC_S, 1000 * USEC_S);
    buf_reset(&w.told);
    policy_retell(&w.policy, P, record, NULL);
    CHECK_TEXT(w.told.data, "firing p+a");
    CHECK_TEXT(at(10), "");
    set("x+ R+");
    at(20);
    CHECK_TEXT(at(23), "resolved x+R");
    set("p+ a+");
    at(30);
    CHECK_TEXT(at(33), "resolved p+a");
    policy_close(&w.policy);
    buf_free(&w.told);
}

TEST(tracks_follow_their_names)
{
    static const uint32_t map[SUBJECTS] = { [P] = A, [A] = P, [B] = UINT32_MAX, [X] = X, [R] = R };
    struct policy old;
    begin(&usual);
    set("p- a- x-");
    at(0);
    CHECK_TEXT(at(3), "firing p+a; firing x");
    old = w.policy;
    policy_open(&w.policy, &usual, SUBJECTS);
    for (uint32_t i = 0; i < SUBJECTS; i++)
        if (map[i] != UINT32_MAX)
            policy_move(&old, i, &w.policy, map[i], map);
    policy_close(&old);
    w.facts[P].root = A; /* they have changed places */
    w.facts[A].root = A;
    CHECK_TEXT(at(10), "");
    CHECK_INT(policy_open_from(&w.policy, 0), A);
    policy_close(&w.policy);
    buf_free(&w.told);
}

/* ---- the queue ---- */

static void add(struct queue *q, enum notice_status status, const char *name, uint64_t now)
{
    struct notice *n = notice_plain(status, "h", name, false, "");
    notice_seal(n);
    queue_add(q, n, now);
    notice_release(n);
}

static const char *first(struct queue *q, uint64_t now)
{
    const struct queue_item *i = queue_take(q, now);
    return i ? i->notice->name : "-";
}

TEST(messages_go_in_order_and_a_newer_one_replaces_what_waits)
{
    struct queue q;
    queue_open(&q, 10, false);
    queue_limits(&q, 10, 3600 * USEC_S, 0);
    CHECK(queue_next(&q) == TIME_NEVER);
    add(&q, NOTICE_FIRING, "a", 1);
    add(&q, NOTICE_FIRING, "b", 2);
    CHECK_TEXT(first(&q, 2), "a");
    add(&q, NOTICE_RESOLVED, "a", 3);        /* the first is on its way: the second waits */
    add(&q, NOTICE_RESOLVED, "b", 3);
    CHECK_INT(q.count, 3);
    CHECK_INT(q.merged, 1);
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 4);
    CHECK_TEXT(first(&q, 4), "a");
    queue_done(&q, QUEUE_REFUSED, 0, 0.5, 4);
    CHECK_TEXT(first(&q, 4), "b");
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 4);
    CHECK_TEXT(first(&q, 4), "-");
    queue_close(&q);
}

TEST(pauses_double_up_to_a_bound_and_end_with_success)
{
    struct queue q;
    uint64_t now = USEC_S, expected = USEC_S;
    queue_open(&q, 10, false);
    queue_limits(&q, 10, 86400 * USEC_S, 0);
    add(&q, NOTICE_FIRING, "a", now);
    for (unsigned i = 0; i < 12; i++) {
        CHECK_TEXT(first(&q, now), "a");
        queue_done(&q, QUEUE_RETRY, 0, 0.5, now);
        CHECK_INT(queue_next(&q) - now, expected);
        CHECK_TEXT(first(&q, queue_next(&q) - 1), "-");
        now = queue_next(&q);
        expected = expected * 2 > QUEUE_PAUSE_MAX ? QUEUE_PAUSE_MAX : expected * 2;
    }
    queue_done(&q, QUEUE_RETRY, 600 * USEC_S, 0.5, now);        /* Retry-After is longer */
    CHECK_INT(queue_next(&q) - now, 600 * USEC_S);
    queue_done(&q, QUEUE_RETRY, UINT64_C(86400) * USEC_S, 0.5, now);
    CHECK_INT(queue_next(&q) - now, QUEUE_RETRY_AFTER_MAX);
    now = queue_next(&q);
    CHECK_TEXT(first(&q, now), "a");
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, now);
    add(&q, NOTICE_FIRING, "b", now);
    CHECK_INT(queue_next(&q), now);
    queue_close(&q);
}

TEST(jitter_is_a_quarter_either_way)
{
    for (int i = 0; i < 2; i++) {
        struct queue q;
        queue_open(&q, 10, false);
        queue_limits(&q, 10, 86400 * USEC_S, 0);
        add(&q, NOTICE_FIRING, "a", 1);
        first(&q, 1);
        queue_done(&q, QUEUE_RETRY, 0, i, 1);
        CHECK_INT(queue_next(&q) - 1, i ? 1250000 : 750000);
        queue_close(&q);
    }
}

TEST(a_full_queue_drops_reminders_first)
{
    struct queue q;
    queue_open(&q, 3, false);
    queue_limits(&q, 3, 3600 * USEC_S, 0);
    add(&q, NOTICE_FIRING, "a", 1);
    add(&q, NOTICE_REMINDER, "b", 1);
    add(&q, NOTICE_FIRING, "c", 1);
    add(&q, NOTICE_FIRING, "d", 1);
    CHECK_INT(q.dropped, 1);
    CHECK_TEXT(first(&q, 1), "a");
    add(&q, NOTICE_FIRING, "e", 1);          /* not what is being sent */
    CHECK_INT(q.dropped, 2);
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 1);
    CHECK_TEXT(first(&q, 1), "d");
    queue_close(&q);
}

TEST(too_old_is_dropped_and_counted)
{
    struct queue q;
    queue_open(&q, 3, false);
    queue_limits(&q, 3, 60 * USEC_S, 0);
    add(&q, NOTICE_FIRING, "a", 1);
    add(&q, NOTICE_FIRING, "b", 30 * USEC_S);
    CHECK_TEXT(first(&q, 70 * USEC_S), "b");
    CHECK_INT(q.expired, 1);
    queue_close(&q);
}

TEST(alerts_are_a_set_that_is_sent_again)
{
    struct queue q;
    queue_open(&q, 10, true);
    queue_limits(&q, 10, 3600 * USEC_S, 60 * USEC_S);
    add(&q, NOTICE_FIRING, "a", 1);
    add(&q, NOTICE_FIRING, "a", 2);          /* a reminder is the same alert */
    add(&q, NOTICE_FIRING, "b", 2);
    CHECK_INT(q.count, 2);
    CHECK_TEXT(first(&q, 2), "a");
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 3);
    CHECK_INT(q.count, 2);
    CHECK_INT(queue_next(&q), 3 + 60 * USEC_S);
    add(&q, NOTICE_RESOLVED, "a", 10);
    CHECK_INT(queue_next(&q), 10);           /* at once */
    first(&q, 10);
    queue_done(&q, QUEUE_RETRY, 0, 0.5, 11);
    CHECK_INT(q.count, 2);                   /* its end was not delivered */
    first(&q, queue_next(&q));
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 5 * USEC_S);
    CHECK_INT(q.count, 1);
    CHECK_TEXT(first(&q, queue_next(&q)), "b");
    add(&q, NOTICE_RESOLVED, "b", 6 * USEC_S);      /* it ended while it was sent: this try did not tell so */
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 7 * USEC_S);
    CHECK_INT(q.count, 1);
    first(&q, queue_next(&q));
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 8 * USEC_S);
    CHECK_INT(q.count, 0);
    queue_close(&q);
}

/* ---- what people read ---- */

TEST(texts_are_tame_and_facts_are_true)
{
    struct notice *n = notice_plain(NOTICE_FIRING, "h<1>", "db", false, "@everyone <!channel>\n[+]fake\x1b[31m \xff");
    struct buf out = BUF(NOTICE_JSON_MAX);
    struct json_value root, v;
    size_t at;
    notice_add(n, &n->affected, "a");
    notice_add(n, &n->groups, "ready");
    notice_seal(n);
    CHECK_TEXT(n->title, "db is down on h\xe2\x80\xb9" "1\xe2\x80\xba");
    CHECK(!strstr(n->text, "@everyone") && !strstr(n->text, "<!channel>") && !strchr(n->text, '\x1b'));
    CHECK_TEXT(strchr(n->text, '\n') + 1, "@\xe2\x80\x8b" "everyone \xe2\x80\xb9!channel\xe2\x80\xba [+]fake [31m \xff\ntakes along: a\ngroups that fail with it: ready");
    notice_json(n, &out);
    CHECK_TEXT(json_check(out.data, out.len, &at, &root), NULL);
    v = json_member(&root, "affected");
    CHECK(json_element(&v, 0).kind == JSON_STRING && json_element(&v, 1).kind == JSON_NONE);
    buf_free(&out);
    notice_release(n);
}

static const char *over(bool is_group, const char *state, enum level now, const char *mode)
{
    static char title[256];
    struct notice *n = notice_plain(NOTICE_RESOLVED, "h", "db", is_group, "");
    n->level = LEVEL_FAIL;
    n->state = state;
    n->now = now;
    n->mode = mode;
    n->since = USEC_S;
    n->time = 6 * USEC_S;
    notice_add(n, &n->groups, "ready");
    notice_seal(n);
    snprintf(title, sizeof title, "%s%s", n->title, strstr(n->text, "groups that pass") ? " +" : "");
    notice_release(n);
    return title;
}

TEST(the_end_of_an_alarm_says_how_it_stands)
{
    CHECK_TEXT(over(false, "up", LEVEL_PASS, ""), "db is up on h again after 5s +");
    CHECK_TEXT(over(false, "degraded", LEVEL_WARN, ""), "db is degraded on h, no longer down, after 5s +");
    CHECK_TEXT(over(false, "down", LEVEL_FAIL, "forced"), "db is down on h (forced): its alarm ends, for what was ordered alarms nobody");
    CHECK_TEXT(over(false, "up", LEVEL_PASS, "maintenance"), "db is up on h (maintenance): its alarm ends, for what was ordered alarms nobody");
    CHECK_TEXT(over(true, "pass", LEVEL_PASS, ""), "group db passes on h again after 5s +");
    CHECK_TEXT(over(true, "warn", LEVEL_WARN, ""), "group db warns on h, no longer failing, after 5s +");
    CHECK_TEXT(over(true, "fail", LEVEL_FAIL, ""), "group db fails on h: its alarm ends, for what was ordered alarms nobody");
    CHECK_TEXT(over(true, "fail", LEVEL_FAIL, "draining"), "group db fails on h (draining): its alarm ends, for what was ordered alarms nobody");
    CHECK_TEXT(over(false, "", LEVEL_PASS, ""), "db on h: its alarm ends");
}

/* ---- what outlives the process ---- */

TEST(notes_are_read_as_they_were_written_and_nothing_else_is)
{
    const struct note_line written = { .receiver = "chat", .name = "ready", .is_group = true, .cover = "db", .level = LEVEL_FAIL, .since = 1234567890123456 };
    struct note_line l;
    struct buf out = BUF(1024);
    note_put(&out, &written);
    CHECK_TEXT(out.data, "chat gready 2 1234567890123456 pdb\n");
    buf_text(&out, "chat gready 0 1 pdb\nchat\n\n chat pdb 9 1 pdb\nchat pdb 2 x pdb\nchat pa 1 5 pa");
    const char *at = out.data;
    CHECK(note_next(&at, &l) && !memcmp(&l, &written, sizeof l));
    CHECK(note_next(&at, &l));
    CHECK_TEXT(l.name, "a");
    CHECK_INT(l.level, LEVEL_WARN);
    CHECK(!note_next(&at, &l));
    buf_free(&out);
}

TEST(what_is_owed_is_known)
{
    struct queue q;
    bool over;
    queue_open(&q, 10, true);
    queue_limits(&q, 10, 3600 * USEC_S, 60 * USEC_S);
    CHECK(!queue_owes(&q, false, "a", &over) && !over);
    add(&q, NOTICE_FIRING, "a", 1);
    CHECK(queue_owes(&q, false, "a", &over) && !over && !queue_owes(&q, true, "a", &over));
    first(&q, 1);
    queue_done(&q, QUEUE_DELIVERED, 0, 0.5, 2);
    CHECK(!queue_owes(&q, false, "a", &over) && !over);
    add(&q, NOTICE_RESOLVED, "a", 3);
    CHECK(!queue_owes(&q, false, "a", &over) && over);
    queue_close(&q);
}
