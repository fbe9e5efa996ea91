/* The agent's line, and what is read from X-Haproxy-Server-State. Ports and connections: tests/func/test_haproxy.py. */
#include "unit.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "front/balancer.h"
#include "view/agent.h"

/* ---- the line ---- */

static struct picture_probe probes[12];
static struct picture_member members[12], inner[1] = { { .name = "p0" } };
static struct picture_cause causes[12];
static struct picture_group groups[2];
static const struct picture pic = { .probes = probes, .probe_count = 12, .groups = groups, .group_count = 2 };

/* All of `failing` probes are causes; the group requires `count`. */
static void set_group(unsigned count, unsigned failing)
{
    static char names[12][72];
    for (unsigned i = 0; i < 12; i++) {
        snprintf(names[i], sizeof names[i], "p%u", i);
        probes[i] = (struct picture_probe){ .name = names[i], .state = STATE_DOWN, .reason = VITAL_R_REFUSED };
        members[i] = (struct picture_member){ .name = names[i], .index = i };
        causes[i] = (struct picture_cause){ .probe = i, .required = true };
    }
    groups[0] = (struct picture_group){ .name = "ready", .members = members, .member_count = count, .causes = causes, .cause_count = failing };
    groups[1] = (struct picture_group){ .name = "inner", .members = inner, .member_count = 1 };
}

static const char *line(struct view_agent a)
{
    static struct buf out = { .max = AGENT_LINE_MAX };
    buf_reset(&out);
    a.picture = &pic;
    agent_line(&a, &out);
    CHECK(!out.over && out.len <= AGENT_LINE_MAX && out.data[out.len - 1] == '\n');
    CHECK(strcspn(out.data, "\n") == out.len - 1);
    return out.data;
}

TEST(plain_words_leave_the_administrative_state_alone)
{
    set_group(1, 1);
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_PASS, .weight = 100 }), "up 100%\n");
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_WARN, .weight = 50 }), "up 50% #p0: refused\n");
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL, .weight = 50 }), "down #p0: refused\n");
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL, .why = WHY_STARTING }), "down #starting\n");
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL, .draining = true, .weight = 70 }), "up 0% #draining\n");
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL, .draining = true, .leaving = true }), "up 0% #leaving\n");
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL, .why = WHY_STARTING, .undecided = true }), "#starting\n");
    probes[0].mode = MODE_MAINTENANCE;
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_PASS, .weight = 100 }), "up 100%\n");
}

TEST(admin_words_take_it_over)
{
    set_group(2, 2);
    CHECK_TEXT(line((struct view_agent){ .admin_words = true, .level = LEVEL_PASS, .weight = 100 }), "ready up 100%\n");
    CHECK_TEXT(line((struct view_agent){ .admin_words = true, .level = LEVEL_FAIL }), "ready down #p0: refused, p1: refused\n");
    CHECK_TEXT(line((struct view_agent){ .admin_words = true, .level = LEVEL_FAIL, .draining = true }), "drain #draining\n");
    CHECK_TEXT(line((struct view_agent){ .admin_words = true, .level = LEVEL_FAIL, .draining = true, .leaving = true }), "stopped #leaving\n");
    CHECK_TEXT(line((struct view_agent){ .admin_words = true, .undecided = true }), "#starting\n");
}

TEST(maintenance_is_that_of_everything_required)
{
    set_group(2, 0);
    struct view_agent a = { .admin_words = true, .level = LEVEL_PASS, .weight = 100 };
    probes[0].mode = MODE_MAINTENANCE;
    CHECK_TEXT(line(a), "ready up 100%\n");
    members[1].advisory = true;
    CHECK_TEXT(line(a), "maint #maintenance\n");
    members[1] = (struct picture_member){ .name = "inner", .is_group = true, .index = 1 };
    CHECK_TEXT(line(a), "maint #maintenance\n");
    probes[0].mode = MODE_NORMAL;
    CHECK_TEXT(line(a), "ready up 100%\n");
    groups[0].member_count = 0;      /* nothing is required: nothing is in maintenance */
    CHECK_TEXT(line(a), "ready up 100%\n");
}

TEST(reasons_are_bounded_and_printable)
{
    char longest[300];
    set_group(12, 12);
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL }),
               "down #p0: refused, p1: refused, p2: refused, p3: refused, p4: refused, p5: refused, p6: refused, 5 more\n");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    probes[0].name = longest;
    const char *got = line((struct view_agent){ .admin_words = true, .level = LEVEL_FAIL });
    CHECK(strlen(got) <= AGENT_LINE_MAX && strstr(got, "11 more\n"));
    set_group(1, 1);
    probes[0].name = "a\r\nready up\x1b\xc3\xa4#b";
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL }), "down #a??ready up????b: refused\n");
    probes[0].name = "db";
    probes[0].state = STATE_UNKNOWN;
    probes[0].text = "password is hunter2";
    CHECK_TEXT(line((struct view_agent){ .level = LEVEL_FAIL }), "down #db: unknown\n");
}

/* ---- X-Haproxy-Server-State ---- */

static bool parse(const char *text, struct view_balancer *b)
{
    return balancer_parse((struct span){ text, strlen(text) }, b);
}

TEST(what_haproxy_writes_is_read)
{
    struct view_balancer b;
    CHECK(parse("UP 2/3; address=127.0.0.1; port=24421; name=bck/srv2; node=lb-1; weight=1/20; scur=13/22; qcur=4", &b));
    CHECK_TEXT(b.state, "UP");
    CHECK_TEXT(b.backend, "bck");
    CHECK_TEXT(b.server, "srv2");
    CHECK_TEXT(b.node, "lb-1");
    CHECK(b.up && b.checks == 2 && b.checks_needed == 3 && b.weight == 1 && b.weight_all == 20);
    CHECK(b.sessions == 13 && b.sessions_all == 22 && b.queued == 4);
    CHECK(parse("UP; name=b/s; node=n; throttle=35%", &b) && b.up && b.checks_needed == 0);
    CHECK(parse("DOWN 1/2; node=n; name=b/s", &b) && !b.up && b.checks == 1);
    CHECK(parse("NOLB; name=b/s; node=n", &b) && !b.up);
    CHECK(parse("no check; name=b/s;node=n", &b));
    CHECK_TEXT(b.state, "no check");
    CHECK(parse("UP; address=unix; port=unix; name=app.v2:x/s_1; node=lb", &b));
}

TEST(what_it_does_not_write_is_refused)
{
    static const char *const bad[] = {
        "", "UP", "up; name=b/s; node=n", "UPX; name=b/s; node=n", "UP 2; name=b/s; node=n", "UP 2/3/4; name=b/s; node=n", "UP /3; name=b/s; node=n",
        "UP ; name=b/s; node=n", "UP; name=bs; node=n", "UP; name=/s; node=n", "UP; name=b/; node=n", "UP; name=b/s", "UP; node=n", "UP; name=b/s/t; node=n",
        "UP; name=b/s; node=n; weight=1", "UP; name=b/s; node=n; weight=-1/2", "UP; name=b/s; node=n; weight=1/2 ", "UP; name=b/s; node=n; qcur=",
        "UP; name=b/s; node=n; qcur=4x", "UP; name=b/s; node=n; weight=1234567890/1", "UP; name=b/s; node=n; nothing", "UP; name=b/s; node=\x1b[31m",
        "UP; name=b/s; node=a b", "UP; name=b/s; node=\"n\"", "UP;; name=b/s; node=n", "name=b/s; node=n", "WHAT 1/2; name=b/s; node=n",
    };
    struct view_balancer b;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse(bad[i], &b)) {
            fprintf(stderr, "accepted: %s\n", bad[i]);
            CHECK(false);
        }
    char name[200], text[1200];
    memset(name, 'n', sizeof name);
    name[63] = '\0';
    snprintf(text, sizeof text, "UP; name=b/s; node=%s", name);
    CHECK(parse(text, &b));
    name[63] = 'n';
    name[64] = '\0';
    snprintf(text, sizeof text, "UP; name=b/s; node=%s", name);
    CHECK(!parse(text, &b));
    snprintf(text, sizeof text, "UP; name=b/s; node=n; x=%-600s", "");
    CHECK(!parse(text, &b));
}

static uint64_t now = 1000 * USEC_S;
static uint64_t fake_now(void) { return now; }

static void hear(const char *listener, const char *text)
{
    static struct http1_request r;
    char head[1024];
    snprintf(head, sizeof head, "OPTIONS / HTTP/1.0\r\nX-Haproxy-Server-State: %s\r\n\r\n", text);
    CHECK(http1_request(head, strlen(head), &r) > 0);
    balancer_hear(&r, listener);
}

static unsigned heard(struct arena *arena, const char *server, const char *state)
{
    unsigned count, found = 0;
    const struct view_balancer *all = balancer_list(arena, &count);
    for (unsigned i = 0; i < count; i++)
        found += !server || (!strcmp(all[i].server, server) && (!state || !strcmp(all[i].state, state)));
    return found;
}

TEST(the_table_is_bounded_and_forgets)
{
    struct arena *arena = arena_new();
    char text[200];
    clock_replace(fake_now, fake_now);
    hear("public", "UP; name=b/real; node=lb1");
    hear("public", "DOWN; name=b/real; node=lb1");
    hear("other", "UP; name=b/real; node=lb1");
    hear("public", "UP; name=b/real; node=lb2");
    CHECK_INT(heard(arena, NULL, NULL), 3);
    CHECK_INT(heard(arena, "real", "DOWN"), 1);
    for (unsigned i = 0; i < 1000; i++) {      /* invented names fill what is free, and drive out nobody */
        now += USEC_MS;
        snprintf(text, sizeof text, "UP; name=b/s%u; node=lb1", i);
        hear("public", text);
    }
    CHECK_INT(heard(arena, NULL, NULL), BALANCERS);
    CHECK_INT(heard(arena, "real", NULL), 3);
    CHECK_INT(balancer_stats()->dropped, 1000 - (BALANCERS - 3));
    now += 100 * USEC_S;                       /* those who fell silent make room */
    hear("public", "UP; name=b/real; node=lb1");
    hear("public", "UP; name=b/new; node=lb1");
    CHECK_INT(heard(arena, "new", NULL), 1);
    CHECK_INT(heard(arena, "real", "UP"), 2);  /* of the three the one that was silent longest went */
    now += 550 * USEC_S;
    CHECK_INT(heard(arena, NULL, NULL), 2);
    now += 100 * USEC_S;
    CHECK_INT(heard(arena, NULL, NULL), 0);
    hear("public", "garbage");
    CHECK_INT(balancer_stats()->malformed, 1);
    arena_free(arena);
}
