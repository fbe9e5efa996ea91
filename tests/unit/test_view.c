#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "view/balancer.h"
#include "view/receiver.h"
#include "view/explain.h"
#include "view/healthjson.h"
#include "view/json.h"
#include "view/prometheus.h"
#include "view/text.h"
#include "view/words.h"

/* One picture with everything in it: up, degraded, down with a cause, unknown, stale, forced, hostile texts. */

#define NOW UINT64_C(1795198147123000) /* 2026-11-20T18:09:07.123Z */
#define AGO(s) (NOW - (s) * USEC_S)

static const char *const on_db[] = { "db" };
static const struct picture_number disk_numbers[] = {
    { "free_bytes", "bytes", "Free for everybody", "mount", "/", false, 123456789 },
    { "free_bytes", "bytes", "Free for everybody", "mount", "/a\"\\\n\xff", false, 0.5 },
    { "errors", "", "Errors seen", NULL, NULL, true, 3 },
};
static const struct picture_reason ended[] = { { VITAL_R_OK, 5 }, { VITAL_R_REFUSED, 3 }, { VITAL_R_OWN_LAG, 1 } };
/* As core/history.c packs them, below a millisecond. */
#define MOMENT(class, duration) ((class) << 14 | (duration))
static const struct picture_probe probes[] = {
    { .name = "db", .type = "postgres", .target = "10.0.0.5:5432", .state = STATE_DOWN, .settled = STATE_DOWN, .had_outcome = true,
      .outcome = VITAL_PASS, .reason = VITAL_R_OK, .text = "", .at = AGO(1), .duration = 1234, .last_pass = AGO(1), .since = AGO(41),
      .next_due = NOW + USEC_S, .stale_at = NOW + 30 * USEC_S, .run_towards = STATE_UP, .run_have = 1, .run_need = 2, .shared = true,
      .interval = 10 * USEC_S, .timeout = 2 * USEC_S, .attempts = { 5, 0, 3, 1 }, .cancelled = 2, .transitions = 1,
      .reasons = ended, .reason_count = 3, .history = { .moments = { MOMENT(VITAL_PASS, 1), MOMENT(VITAL_FAIL, 2), MOMENT(VITAL_FAIL, 3),
      MOMENT(VITAL_FAIL, 4), MOMENT(VITAL_INTERNAL, 5), MOMENT(VITAL_PASS, 1000) }, .next = 6, .count = 6 }, .duration_sum = 9000000 },
    { .name = "app", .type = "http", .target = "http://127.0.0.1/\x1b[31m", .state = STATE_DOWN, .settled = STATE_DOWN,
      .had_outcome = true, .outcome = VITAL_FAIL, .reason = VITAL_R_BAD_STATUS,
      .text = "status 500: <script>\"\\\n[+]fake ok\x1b[2J\xc2\x9b\xff\xc3\xa9", .at = AGO(2), .duration = 2500000, .since = AGO(40),
      .next_due = NOW + 2 * USEC_S, .rise = 2, .fall = 3, .caused_by = "db", .depends_on = on_db, .depends_count = 1, .attempts = { 1, 0, 9, 0 } },
    { .name = "root", .type = "disk", .target = "/", .state = STATE_DEGRADED, .settled = STATE_DEGRADED, .had_outcome = true,
      .outcome = VITAL_WARN, .reason = VITAL_R_THRESHOLD, .text = "12% free", .at = AGO(3), .duration = 40, .since = AGO(7200),
      .numbers = disk_numbers, .number_count = 3, .attempts = { 0, 4, 0, 0 } },
    { .name = "cache", .type = "redis", .target = "10.0.0.6:6379", .state = STATE_UNKNOWN, .settled = STATE_UNKNOWN, .pending = true },
    { .name = "queue", .type = "tcp", .target = "q:5672", .state = STATE_UNKNOWN, .settled = STATE_UP, .stale = true, .had_outcome = true,
      .outcome = VITAL_PASS, .reason = VITAL_R_OK, .at = AGO(300), .since = AGO(90000), .attempts = { 7, 0, 0, 0 } },
    { .name = "web", .type = "http", .target = "http://w/", .state = STATE_UP, .settled = STATE_UP, .had_outcome = true,
      .outcome = VITAL_PASS, .reason = VITAL_R_OK, .at = AGO(1), .duration = 900, .since = AGO(90000), .mode = MODE_FORCED,
      .forced = LEVEL_FAIL, .mode_until = NOW + 3600 * USEC_S, .attempts = { 8, 0, 0, 0 } },
    { .name = "queued", .type = "amqp", .target = "q:1", .reason = VITAL_R_NO_MODULE, .text = "install the package vitald-amqp" },
    { .name = "mem", .type = "memory", .target = "host", .state = STATE_UP, .settled = STATE_UP, .had_outcome = true,
      .outcome = VITAL_FAIL, .reason = VITAL_R_THRESHOLD, .text = "4% left", .at = AGO(1), .duration = 90, .since = AGO(90000),
      .run_towards = STATE_DOWN, .run_have = 2, .run_need = 3, .attempts = { 8, 0, 2, 0 }, .next_due = NOW + USEC_S },
};
static const struct picture_member ready_members[] = {
    { "db", false, false, 0, LEVEL_FAIL, false, false },    { "app", false, false, 1, LEVEL_FAIL, false, false },
    { "stores", true, false, 1, LEVEL_FAIL, true, false },  { "root", false, true, 2, LEVEL_WARN, false, false },
    { "mem", false, true, 7, LEVEL_PASS, false, false },    { "web", false, false, 5, LEVEL_FAIL, false, false },
    { "queued", false, false, 6, LEVEL_FAIL, true, false },
};
static const struct picture_member stores_members[] = {
    { "cache", false, false, 3, LEVEL_FAIL, true, true }, { "queue", false, false, 4, LEVEL_FAIL, true, false },
};
static const struct picture_cause ready_causes[] = { { 0, true, false }, { 1, true, true }, { 5, true, false }, { 4, true, false },
                                                   { 6, true, false } };
static const struct picture_cause stores_causes[] = { { 4, true, false } };
static const char *const in_ready[] = { "ready" };
static const struct picture_group groups[] = {
    { .name = "ready", .level = LEVEL_FAIL, .code = 503, .forced = true, .unknown = true, .configured = true, .rule = "all",
      .since = AGO(41), .oldest = AGO(300), .members = ready_members, .member_count = 7, .causes = ready_causes, .cause_count = 5 },
    { .name = "stores", .level = LEVEL_FAIL, .why = WHY_MEMBERS, .code = 503, .unknown = true, .rule = "at least 2 of 2",
      .since = AGO(200), .oldest = AGO(300), .members = stores_members, .member_count = 2, .causes = stores_causes, .cause_count = 1,
      .dependants = in_ready, .dependant_count = 1 },
};
static const struct picture whole = {
    .wall = NOW, .version = "0.1.0", .host = "host\n1", .source = "/etc/vitald/vitald.yaml", .started = AGO(90061), .generation = 2,
    .last_reload = AGO(60), .last_reload_ok = false, .stalled = 41 * USEC_S, .probes = probes,
    .probe_count = sizeof probes / sizeof *probes, .groups = groups, .group_count = 2, .journal_last = 17,
};
static const struct view_fact facts[] = {
    { "http_requests", "Requests by class", "class", "verdicts", true, 1000 },
    { "http_requests", "Requests by class", "class", "status", true, 20 },
    { "loop_lag_seconds", "How late the loop's last turn was", NULL, NULL, false, 0.000125 },
};
static const struct view_balancer balancers[] = {
    { .listener = "public", .node = "lb1", .backend = "web", .server = "s1", .state = "UP", .up = true, .checks = 2, .checks_needed = 3,
      .weight = 100, .weight_all = 300, .sessions = 13, .sessions_all = 22, .queued = 1, .heard = AGO(2) },
};
static const struct view_receiver receivers[] = {
    { .receiver = "ops", .kind = "webhook", .to = "https://chat.example", .label = "ops", .waiting = 2, .delivered = 7, .retried = 3, .refused = 1,
      .expired = 4, .dropped = 5, .merged = 6, .last = AGO(60), .failing_since = AGO(30), .error = "HTTP 503: <b>\n" },
};
static const struct view_input everything = { .picture = &whole, .facts = facts, .fact_count = 3, .balancers = balancers, .balancer_count = 1,
                                             .receivers = receivers, .receiver_count = 1 };

/* UPDATE_GOLDEN=1 writes the files anew; a person reads the difference. */
static void check_golden(const char *name, const struct buf *got)
{
    char path[256];
    snprintf(path, sizeof path, "tests/golden/view/%s", name);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "w");
        CHECK(f && fwrite(got->data, 1, got->len, f) == got->len);
        if (f)
            fclose(f);
        return;
    }
    FILE *f = fopen(path, "r");
    static char want[1 << 20];
    size_t len = f ? fread(want, 1, sizeof want, f) : 0;
    if (f)
        fclose(f);
    if (len != got->len || memcmp(want, got->data, len) != 0) {
        size_t at = 0;
        while (at < len && at < got->len && want[at] == got->data[at])
            at++;
        fprintf(stderr, "%s differs at byte %zu: ...%.60s\n", path, at, got->data + (at < got->len ? at : got->len));
        unit_failures++;
    }
}

static void check_view(const char *name, view_fn *view, const struct view_input *in)
{
    struct buf out = BUF(1 << 20);
    view_whole(view, in, &out);
    CHECK(!out.over);
    check_golden(name, &out);
    buf_free(&out);
}

static void check_json(view_fn *view, const struct view_input *in)
{
    struct buf out = BUF(1 << 20);
    size_t at = 0;
    struct json_value root;
    view_whole(view, in, &out);
    CHECK_TEXT(json_check(out.data, out.len, &at, &root), NULL);
    CHECK(root.kind == JSON_OBJECT);
    buf_free(&out);
}

/* top passes while store (any of a, b) holds b; a is required and counts for nothing, c is only below inner, which fails and is
 * itself absorbed; d fails and counts elsewhere. */
TEST(what_a_group_absorbs_is_said)
{
    static const struct picture_probe leaves[] = {
        { .name = "a", .state = STATE_DOWN }, { .name = "b", .state = STATE_UP }, { .name = "c", .state = STATE_DOWN }, { .name = "d", .state = STATE_DOWN },
    };
    static const struct picture_member store[] = { { .name = "a", .level = LEVEL_FAIL }, { .name = "b", .index = 1 },
                                                   { .name = "inner", .is_group = true, .index = 2, .level = LEVEL_FAIL } };
    static const struct picture_member inner[] = { { .name = "c", .index = 2, .level = LEVEL_FAIL }, { .name = "d", .index = 3, .level = LEVEL_FAIL } };
    static const struct picture_member top[] = { { .name = "store", .is_group = true, .index = 1 }, { .name = "d", .index = 3, .level = LEVEL_FAIL } };
    struct picture_group trees[] = {
        { .name = "top", .level = LEVEL_FAIL, .rule = "all", .members = top, .member_count = 2 },
        { .name = "store", .rule = "any", .members = store, .member_count = 3 },
        { .name = "inner", .level = LEVEL_FAIL, .rule = "all", .members = inner, .member_count = 2 },
    };
    struct picture pic = { .probes = leaves, .probe_count = 4, .groups = trees, .group_count = 3 };
    struct words_role *roles = words_roles(&pic);
    CHECK_TEXT(roles[0].absorbed_by, "store");
    CHECK_TEXT(roles[1].absorbed_by, NULL);
    CHECK_TEXT(roles[2].absorbed_by, "store");
    CHECK_TEXT(roles[3].absorbed_by, NULL);
    free(roles);
    trees[0].level = LEVEL_PASS; /* top is at_least 1 now */
    struct buf out = BUF(4096);
    view_whole(text_verbose, &(struct view_input){ .picture = &pic }, &out);
    CHECK(strstr(out.data, "[-]a failed (absorbed: store passes without it): "));
    CHECK(strstr(out.data, "[-]d failed (absorbed: "));
    buf_free(&out);
    trees[0].why = WHY_STARTING;
    trees[0].level = LEVEL_FAIL;
    roles = words_roles(&pic);
    CHECK_TEXT(roles[3].absorbed_by, NULL);
    free(roles);
}

TEST(golden_text)
{
    static const char *const excluded[] = { "db" }, *const strangers[] = { "nobody", "\x1b[31m\"" };
    struct view_input in = everything;
    check_view("verbose.txt", text_verbose, &in);
    check_view("probe.txt", text_probe, &in);
    check_view("status.txt", text_table, &in);
    check_view("explain.txt", explain_text, &in);
    in.colour = true;
    check_view("status-colour.txt", text_table, &in);
    in = (struct view_input){ .picture = &whole, .excluded = excluded, .excluded_count = 1, .strangers = strangers,
                              .stranger_count = 2, .has_level = true, .level = LEVEL_WARN };
    check_view("verbose-excluded.txt", text_verbose, &in);
}

TEST(golden_json)
{
    check_view("status.json", json_status, &everything);
    check_view("group.json", json_group, &everything);
    check_view("probe.json", json_probe, &everything);
    check_view("explain.json", explain_json, &everything);
    check_view("health.json", healthjson_group, &everything);
    check_json(json_status, &everything);
    check_json(json_group, &everything);
    check_json(json_probe, &everything);
    check_json(explain_json, &everything);
    check_json(healthjson_group, &everything);
}

TEST(golden_metrics)
{
    check_view("metrics.txt", prometheus_metrics, &everything);
    check_view("openmetrics.txt", prometheus_openmetrics, &everything);
}

TEST(terse_bodies_say_the_level_and_no_names)
{
    struct buf out = BUF(4096);
    struct view_verdict v = { .level = LEVEL_PASS, .oldest = AGO(3), .time = NOW };
    text_verdict(&out, &v);
    CHECK_TEXT(out.data, "pass\n");
    buf_reset(&out);
    v = (struct view_verdict){ .level = LEVEL_FAIL, .why = WHY_DRAINING, .stalled = 41 * USEC_S, .time = NOW, .forced = true };
    text_verdict(&out, &v);
    CHECK_TEXT(out.data, "fail draining\nself: stalled 41s\n");
    buf_reset(&out);
    json_verdict(&out, &v);
    CHECK_TEXT(out.data, "{\"status\":\"fail\",\"why\":\"draining\",\"unknown\":false,\"forced\":true,\"oldest_sample\":null,"
                         "\"time\":\"2026-11-20T18:09:07.123Z\",\"self\":\"stalled 41s\"}\n");
    buf_reset(&out);
    healthjson_verdict(&out, &v);
    CHECK_TEXT(out.data, "{\"status\":\"fail\",\"notes\":[\"draining\",\"forced\",\"self: stalled 41s\"],\"oldestSample\":null,"
                         "\"time\":\"2026-11-20T18:09:07.123Z\"}\n");
    buf_free(&out);
}

TEST(hostile_texts_forge_no_line)
{
    struct buf out = BUF(4096);
    words_safe(&out, "a\n[+]b\r\t\x7f\x1b\xc2\x9b\xff\xc3\xa9");
    CHECK_TEXT(out.data, "a\\n[+]b\\x0d\\t\\x7f\\x1b\\xc2\\x9b\\xff\xc3\xa9");
    buf_free(&out);
}

TEST(coverage_is_one_line)
{
    struct buf out = BUF(4096);
    text_coverage(&whole, &out);
    CHECK_TEXT(out.data, "all: db, app, stores, web, queued; advisory: root, mem");
    buf_free(&out);
}

/* Ten thousand probes: every chunk is bounded, and their sum is what one call renders. */
static void check_chunks(view_fn *view, const struct view_input *in)
{
    struct buf one = BUF(64 << 20), sum = BUF(64 << 20), chunk = BUF(VIEW_ROOM);
    struct view_progress p = { 0 };
    unsigned chunks = 0;
    bool done;
    view_whole(view, in, &one);
    do {
        buf_reset(&chunk);
        done = view(in, &p, &chunk);
        CHECK(!chunk.over);
        CHECK(chunk.len < VIEW_CHUNK + 16 * 1024);
        buf_add(&sum, chunk.data ? chunk.data : "", chunk.len);
        chunks++;
    } while (!done);
    view_end(&p);
    CHECK(chunks > 1);
    CHECK_INT(sum.len, one.len);
    CHECK(sum.len == one.len && !memcmp(sum.data, one.data, one.len));
    buf_free(&one);
    buf_free(&sum);
    buf_free(&chunk);
}

TEST(large_pictures_come_in_chunks)
{
    enum { N = 10000 };
    static struct picture_probe many[N];
    static struct picture_member members[N];
    static char names[N][8];
    for (unsigned i = 0; i < N; i++) {
        many[i] = probes[i % 8];
        snprintf(names[i], sizeof names[i], "p%u", i);
        many[i].name = names[i];
        members[i] = (struct picture_member){ .name = names[i], .index = i };
    }
    struct picture_group g = groups[0];
    g.members = members;
    g.member_count = N;
    struct picture big = whole;
    big.probes = many;
    big.probe_count = N;
    big.groups = &g;
    big.group_count = 1;
    const struct view_input in = { .picture = &big, .facts = facts, .fact_count = 3 };
    check_chunks(json_status, &in);
    check_chunks(prometheus_metrics, &in);
    check_chunks(text_verbose, &in);
    check_chunks(text_table, &in);
    check_chunks(healthjson_group, &in);
    check_chunks(explain_text, &in);
    check_chunks(json_group, &in);
}

TEST(empty_pictures_render)
{
    static const struct picture_group lonely = { .name = "live", .rule = "self", .code = 200 };
    const struct picture empty = { .wall = NOW, .version = "0.1.0", .host = "h", .source = "s", .groups = &lonely, .group_count = 1 };
    const struct view_input in = { .picture = &empty };
    struct buf out = BUF(1 << 20);
    check_json(json_status, &in);
    check_json(json_group, &in);
    check_json(healthjson_group, &in);
    check_json(explain_json, &in);
    view_whole(text_verbose, &in, &out);
    CHECK_TEXT(out.data, "livez check passed\n");
    buf_free(&out);
    view_whole(prometheus_metrics, &in, &out);
    CHECK(strstr(out.data, "vitald_group_up{group=\"live\"} 1\n") != NULL);
    buf_free(&out);
}

TEST(the_tag_changes_with_what_is_shown_only)
{
    struct picture a = whole;
    uint64_t tag = json_status_tag(&a);
    a.wall += USEC_S;
    CHECK(json_status_tag(&a) == tag);
    a.journal_last++;
    CHECK(json_status_tag(&a) != tag);
    struct picture_probe other[sizeof probes / sizeof *probes];
    memcpy(other, probes, sizeof probes);
    a = whole;
    a.probes = other;
    CHECK(json_status_tag(&a) == tag);
    other[3].at = NOW;
    CHECK(json_status_tag(&a) != tag);
}
