#include "unit.h"

#include <math.h>

#include "base/buf.h"
#include "base/clock.h"
#include "front/roles.h"
#include "view/role.h"

#define NOW UINT64_C(1795198147123000)

static struct picture_number numbers[8];

/* What postgres reports; NaN leaves a number out. */
static struct picture_probe server(enum state state, double standby, double read_only, double receiver, double lag_bytes, double lag_seconds)
{
    static const char *const names[] = { "standby", "read_only", "receiver", "lag_bytes", "lag_seconds" };
    const double values[] = { standby, read_only, receiver, lag_bytes, lag_seconds };
    unsigned n = 0;
    for (unsigned i = 0; i < 5; i++)
        if (!isnan(values[i]))
            numbers[n++] = (struct picture_number){ .name = names[i], .value = values[i] };
    return (struct picture_probe){ .name = "db", .type = "postgres", .state = state, .had_outcome = true, .at = NOW, .numbers = numbers, .number_count = n };
}

static const char *said(const struct picture_probe *p, const struct role_ask *ask)
{
    static struct buf out = { .max = 1024 };
    struct role_seen seen = { .known = false };
    struct role_answer a;
    role_see(&seen, p);
    role_judge(p, &seen, ask, &a);
    buf_reset(&out);
    role_text(&out, &a);
    return out.data;
}

static const char *asked(const struct picture_probe *p, enum role_path path)
{
    return said(p, &(struct role_ask){ .path = path });
}

TEST(every_path_in_every_role)
{
    struct picture_probe p = server(STATE_UP, 0, 0, NAN, NAN, NAN);
    CHECK_TEXT(asked(&p, ROLE_PRIMARY), "pass primary\n");
    CHECK_TEXT(asked(&p, ROLE_READ_WRITE), "pass primary\n");
    CHECK_TEXT(asked(&p, ROLE_REPLICA), "fail primary: a replica is asked for\n");
    CHECK_TEXT(asked(&p, ROLE_READ_ONLY), "pass primary\n");
    p = server(STATE_DEGRADED, 0, 1, NAN, NAN, NAN);
    CHECK_TEXT(asked(&p, ROLE_PRIMARY), "pass primary\n");
    CHECK_TEXT(asked(&p, ROLE_READ_WRITE), "fail primary: it is read-only\n");
    p = server(STATE_UP, 1, 1, 1, 0, 0);
    CHECK_TEXT(asked(&p, ROLE_PRIMARY), "fail replica: a primary is asked for\n");
    CHECK_TEXT(asked(&p, ROLE_READ_WRITE), "fail replica: a primary is asked for\n");
    CHECK_TEXT(asked(&p, ROLE_REPLICA), "pass replica\n");
    CHECK_TEXT(asked(&p, ROLE_READ_ONLY), "pass replica\n");
}

TEST(nothing_passes_on_a_server_that_is_not_up)
{
    for (unsigned path = 0; path < ROLE_PATH_COUNT; path++)
        for (unsigned standby = 0; standby < 2; standby++) {
            struct picture_probe p = server(STATE_DOWN, standby, 0, 1, 0, 0);
            CHECK(strstr(asked(&p, path), ": the server is down\n"));
            p.state = STATE_UNKNOWN;
            CHECK(strstr(asked(&p, path), ": the server is unknown\n"));
            p = server(STATE_UP, NAN, NAN, NAN, NAN, NAN);
            CHECK_TEXT(asked(&p, path), "fail unknown: its role has not been seen yet\n");
            p = server(STATE_UP, standby, 0, 1, 0, 0);
            p.mode = MODE_FORCED;
            p.forced = LEVEL_FAIL;
            CHECK(strstr(asked(&p, path), ": the server is forced down\n"));
        }
}

TEST(a_failed_attempt_keeps_the_role_until_the_state_turns)
{
    struct role_seen seen = { .known = false };
    struct role_answer a;
    const struct role_ask ask = { .path = ROLE_PRIMARY };
    struct picture_probe p = server(STATE_UP, 0, 0, NAN, NAN, NAN);
    role_see(&seen, &p);
    p = server(STATE_UP, NAN, NAN, NAN, NAN, NAN);
    role_see(&seen, &p);
    role_judge(&p, &seen, &ask, &a);
    CHECK(a.yes);
    p.state = STATE_DOWN;
    role_judge(&p, &seen, &ask, &a);
    CHECK(!a.yes);
    CHECK_TEXT(a.role, "primary");
}

TEST(lag_is_held_against_replicas_only)
{
    const struct role_ask bytes = { ROLE_REPLICA, ROLE_LAG_BYTES, 1000 }, time = { ROLE_REPLICA, ROLE_LAG_TIME, 5 };
    const struct role_ask reads = { ROLE_READ_ONLY, ROLE_LAG_BYTES, 1000 };
    struct picture_probe p = server(STATE_UP, 1, 1, 1, 1000, 5);
    CHECK_TEXT(said(&p, &bytes), "pass replica\n");
    CHECK_TEXT(said(&p, &time), "pass replica\n");
    p = server(STATE_UP, 1, 1, 1, 1001, 5.5);
    CHECK_TEXT(said(&p, &bytes), "fail replica: 1001 bytes behind, 1000 at most are asked for\n");
    CHECK_TEXT(said(&p, &time), "fail replica: 5.5 s behind, 5 at most are asked for\n");
    CHECK_TEXT(said(&p, &reads), "fail replica: 1001 bytes behind, 1000 at most are asked for\n");
    p = server(STATE_UP, 1, 1, 0, 0, NAN);
    CHECK_TEXT(said(&p, &bytes), "fail replica: how far it is behind is not known: it receives nothing from its primary\n");
    CHECK_TEXT(said(&p, &time), "fail replica: how far it is behind is not known\n");
    p = server(STATE_UP, 0, 0, NAN, NAN, NAN);
    CHECK_TEXT(said(&p, &reads), "pass primary\n");
}

TEST(lag_as_patroni_writes_it)
{
    static const struct { const char *text; enum role_lag kind; double most; } cases[] = {
        { "0", ROLE_LAG_BYTES, 0 },          { "1048576", ROLE_LAG_BYTES, 1048576 }, { "10MB", ROLE_LAG_BYTES, 10485760 },
        { "512kB", ROLE_LAG_BYTES, 524288 }, { "1.5GB", ROLE_LAG_BYTES, 1610612736 }, { "1TB", ROLE_LAG_BYTES, 1099511627776 },
        { "5s", ROLE_LAG_TIME, 5 },          { "250ms", ROLE_LAG_TIME, 0.25 },        { "2min", ROLE_LAG_TIME, 120 },
    };
    static const char *const bad[] = { "", "x", "-1", "10mb", "10 MB", "0x10", "1e", "nan", "inf", "10MBx", "99999999999999999999999999999999999" };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct role_ask ask = { .path = ROLE_REPLICA };
        CHECK(roles_read_lag((struct span){ cases[i].text, strlen(cases[i].text) }, &ask));
        CHECK(ask.lag == cases[i].kind && fabs(ask.most - cases[i].most) < 1e-9);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct role_ask ask = { .path = ROLE_REPLICA };
        CHECK(!roles_read_lag((struct span){ bad[i], strlen(bad[i]) }, &ask));
    }
}

TEST(golden_json)
{
    struct buf out = BUF(1024);
    struct role_seen seen = { .known = false };
    struct role_answer a;
    struct picture_probe p = server(STATE_UP, 1, 1, 1, 2048, 0.25);
    role_see(&seen, &p);
    role_judge(&p, &seen, &(struct role_ask){ ROLE_REPLICA, ROLE_LAG_BYTES, 1024 }, &a);
    role_json(&out, &a, &p, NOW);
    CHECK_TEXT(out.data, "{\"status\":\"fail\",\"role\":\"replica\",\"why\":\"2048 bytes behind, 1024 at most are asked for\",\"lag_bytes\":2048,"
                         "\"lag_seconds\":0.25,\"oldest_sample\":\"2026-11-20T18:09:07.123Z\",\"time\":\"2026-11-20T18:09:07.123Z\"}\n");
    buf_reset(&out);
    p = server(STATE_UP, 0, 0, NAN, NAN, NAN);
    seen.known = false;
    role_see(&seen, &p);
    role_judge(&p, &seen, &(struct role_ask){ .path = ROLE_PRIMARY }, &a);
    role_json(&out, &a, &p, NOW);
    CHECK_TEXT(out.data, "{\"status\":\"pass\",\"role\":\"primary\",\"why\":null,\"lag_bytes\":null,\"lag_seconds\":null,"
                         "\"oldest_sample\":\"2026-11-20T18:09:07.123Z\",\"time\":\"2026-11-20T18:09:07.123Z\"}\n");
    buf_free(&out);
}
