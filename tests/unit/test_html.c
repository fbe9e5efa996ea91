#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "core/journal.h"
#include "view/html.h"
#include "view/markup.h"
#include "view/page_assets.h"

#define NOW UINT64_C(1795198147123000) /* 2026-11-20T18:09:07.123Z */
#define AGO(s) (NOW - (s) * USEC_S)
#define HOSTILE "</title><script>alert(1)</script>\"' onload=x &lt;\x1b[31m\xff\xe2\x80\xae"

static const char *const on_db[] = { "db" };
static const struct picture_number numbers[] = {
    { "free_bytes", "bytes", "Free for \"everybody\"", "mount", HOSTILE, false, 5.0 * 1024 * 1024 * 1024 },
    { "used_ratio", "ratio", "Used", NULL, NULL, false, 0.1234 },
    { "lag_seconds", "seconds", "Behind", NULL, NULL, false, 0.0123 },
    { "errors", "", "Errors seen", NULL, NULL, true, 3 },
};
/* As core/history.c packs them, below a millisecond. */
#define MOMENT(class, duration) ((class) << 14 | (duration))
static const struct picture_probe probes[] = {
    { .name = "well", .type = "tcp", .target = "10.0.0.7:80", .state = STATE_UP, .settled = STATE_UP, .had_outcome = true, .text = "fine",
      .at = AGO(1), .duration = 900, .since = AGO(9000), .interval = 10 * USEC_S, .timeout = 2 * USEC_S, .rise = 2, .fall = 3,
      .attempts = { 12 }, .history = { .moments = { MOMENT(VITAL_PASS, 100), MOMENT(VITAL_WARN, 200), MOMENT(VITAL_FAIL, 400), MOMENT(VITAL_INTERNAL, 50),
      MOMENT(VITAL_PASS, 900) }, .next = 5, .count = 5 }, .numbers = numbers, .number_count = 4 },
    { .name = "db", .type = "postgres", .target = "10.0.0.5:5432", .state = STATE_DOWN, .settled = STATE_DOWN, .had_outcome = true,
      .outcome = VITAL_FAIL, .reason = VITAL_R_REFUSED, .text = "connect: refused", .at = AGO(2), .since = AGO(41), .shared = true,
      .last_pass = AGO(50), .attempts = { 5, 0, 3, 1 }, .cancelled = 2, .transitions = 1 },
    { .name = "app", .type = "http", .target = HOSTILE, .state = STATE_DOWN, .settled = STATE_DOWN, .had_outcome = true,
      .outcome = VITAL_FAIL, .reason = VITAL_R_BAD_STATUS, .text = HOSTILE, .at = AGO(2), .since = AGO(40), .caused_by = "db",
      .depends_on = on_db, .depends_count = 1 },
    { .name = "root", .type = "disk", .target = "/", .state = STATE_DEGRADED, .settled = STATE_DEGRADED, .had_outcome = true,
      .outcome = VITAL_WARN, .reason = VITAL_R_THRESHOLD, .text = "12% free", .at = AGO(3), .since = AGO(7200), .in_flight = true },
    { .name = "new", .type = "redis", .target = "r:6379", .pending = true },
    { .name = "shaky", .type = "tcp", .state = STATE_UP, .settled = STATE_UP, .had_outcome = true, .outcome = VITAL_FAIL,
      .reason = VITAL_R_TIMEOUT, .at = AGO(1), .since = AGO(99), .run_towards = STATE_DOWN, .run_have = 2, .run_need = 3 },
    { .name = "moved", .type = "tcp", .state = STATE_DOWN, .settled = STATE_DOWN, .had_outcome = true, .outcome = VITAL_FAIL,
      .reason = VITAL_R_TIMEOUT, .mode = MODE_MAINTENANCE, .mode_until = NOW + USEC_S, .at = AGO(1), .since = AGO(99) },
    { .name = "held", .type = "tcp", .state = STATE_UP, .settled = STATE_UP, .had_outcome = true, .mode = MODE_FORCED,
      .forced = LEVEL_FAIL, .at = AGO(1), .since = AGO(99) },
};
static const struct picture_member members[] = {
    { "db", false, false, 1, LEVEL_FAIL, false, false }, { "live", true, false, 1, LEVEL_PASS, false, false },
    { "new", false, true, 4, LEVEL_FAIL, true, true },   { "root", false, true, 3, LEVEL_WARN, false, false },
};
static const struct picture_cause causes[] = { { 1, true, false }, { 2, true, true } };
static const struct picture_group groups[] = {
    { .name = "ready", .level = LEVEL_FAIL, .why = WHY_DRAINING, .code = 503, .forced = true, .unknown = true, .rule = "all",
      .since = AGO(41), .members = members, .member_count = 4, .causes = causes, .cause_count = 2 },
    { .name = "live", .level = LEVEL_PASS, .code = 200, .rule = "all" },
};
static const struct journal_entry entries[] = {
    { .id = 9, .wall = AGO(2), .kind = JOURNAL_PROBE, .name = "app", .from = "up", .to = "down", .reason = "bad_status", .text = HOSTILE },
    { .id = 8, .wall = AGO(3), .kind = JOURNAL_GROUP, .name = "ready", .from = "pass", .to = "fail", .reason = "", .text = "" },
    { .id = 7, .wall = AGO(4), .kind = JOURNAL_SELF, .name = "vitald", .from = "", .to = "reloaded", .reason = "", .text = "2 probes" },
};
static const struct picture whole = {
    .wall = NOW, .version = "0.1.0", .host = HOSTILE, .source = HOSTILE, .started = AGO(90061), .generation = 2, .last_reload = AGO(60),
    .stalled = 41 * USEC_S, .draining = true, .draining_since = AGO(30), .probes = probes, .probe_count = sizeof probes / sizeof *probes,
    .groups = groups, .group_count = 2, .journal_last = 9,
};
static const struct view_input everything = { .picture = &whole, .journal = entries, .journal_count = 3 };

static struct buf render(const struct view_input *in)
{
    struct buf out = BUF(64 << 20);
    view_whole(html_page, in, &out);
    CHECK(!out.over);
    return out;
}

/* Without style and script: the golden file is about the markup. */
static void cut_assets(struct buf *page)
{
    static const char *const assets[] = { page_css, page_js };
    for (unsigned i = 0; i < 2; i++) {
        char *at = strstr(page->data, assets[i]);
        CHECK(at != NULL);
        if (!at)
            return;
        size_t len = strlen(assets[i]);
        memmove(at, at + len, page->len - (size_t)(at - page->data) - len + 1);
        page->len -= len;
    }
}

/* UPDATE_GOLDEN=1 writes the file anew; a person reads the difference. */
TEST(golden_page)
{
    static char want[1 << 20];
    const char *path = "tests/golden/view/page.html";
    struct buf page = render(&everything);
    cut_assets(&page);
    FILE *f = fopen(path, getenv("UPDATE_GOLDEN") ? "w" : "r");
    CHECK(f != NULL);
    if (f && getenv("UPDATE_GOLDEN")) {
        CHECK(fwrite(page.data, 1, page.len, f) == page.len);
    } else if (f) {
        size_t len = fread(want, 1, sizeof want, f), at = 0;
        while (at < len && at < page.len && want[at] == page.data[at])
            at++;
        if (len != page.len || at < len)
            fprintf(stderr, "%s differs at byte %zu: ...%.60s\n", path, at, page.data + (at < page.len ? at : page.len));
        CHECK(len == page.len && at == len);
    }
    if (f)
        fclose(f);
    buf_free(&page);
}

static unsigned count(const char *in, const char *text)
{
    unsigned n = 0;
    for (; (in = strstr(in, text)); in++)
        n++;
    return n;
}

TEST(hostile_texts_stay_texts)
{
    struct buf page = render(&everything);
    cut_assets(&page);
    CHECK_INT(count(page.data, "<script"), 1);
    CHECK_INT(count(page.data, "</title>"), 1);
    CHECK(!strstr(page.data, "alert(1)<"));
    CHECK(strstr(page.data, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload=x &amp;lt;\\x1b[31m\\xff"));
    for (const char *at = page.data; *at; at++)
        CHECK((unsigned char)*at >= 0x20 || *at == '\n');
    CHECK(!strstr(page.data, " style="));       /* its policy forbids them */
    CHECK(!strstr(page.data, " on") || !strstr(page.data, " onload=\""));
    buf_free(&page);
}

static const char *place(const struct buf *page, const char *id)
{
    char text[64];
    snprintf(text, sizeof text, "id=\"%s\"", id);
    const char *at = strstr(page->data, text);
    if (!at)
        fprintf(stderr, "there is no %s\n", text);
    CHECK(at != NULL);
    return at ? at : page->data;
}

TEST(the_worst_comes_first)
{
    static const char *const wrong[] = { "wrong-db", "wrong-held", "wrong-app", "wrong-new", "wrong-root", "wrong-shaky" };
    static const char *const rows[] = { "probe-db", "probe-held", "probe-app", "probe-new", "probe-root", "probe-shaky", "probe-well", "probe-moved" };
    struct buf page = render(&everything);
    for (unsigned i = 1; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(place(&page, wrong[i - 1]) < place(&page, wrong[i]));
    for (unsigned i = 1; i < sizeof rows / sizeof *rows; i++)
        CHECK(place(&page, rows[i - 1]) < place(&page, rows[i]));
    CHECK(!strstr(page.data, "id=\"wrong-well\"") && !strstr(page.data, "id=\"wrong-moved\""));
    CHECK(place(&page, "event-9") < place(&page, "event-7"));
    buf_free(&page);
}

TEST(when_all_is_well_it_says_so)
{
    const struct picture good = { .wall = NOW, .version = "1", .host = "h", .source = "s", .started = NOW, .generation = 1, .last_reload_ok = true,
                                  .probes = probes, .probe_count = 1, .groups = groups + 1, .group_count = 1 };
    const struct view_input in = { .picture = &good };
    struct buf page = render(&in);
    CHECK(strstr(page.data, "<title>The only probe is up · h · vitald</title>"));
    CHECK(strstr(page.data, "<li id=\"wrong-nothing\" class=\"nothing\">Nothing.</li>"));
    CHECK(!strstr(page.data, "class=\"notice"));
    buf_free(&page);
    const struct picture none = { .wall = NOW, .version = "1", .host = "h", .source = "s", .started = NOW };
    const struct view_input empty = { .picture = &none };
    page = render(&empty);
    CHECK(strstr(page.data, "No probes are configured"));
    buf_free(&page);
}

/* What makes a screen reader's and a keyboard's page: names, roles, no drawing without a label. */
TEST(every_drawing_is_labelled_or_hidden)
{
    struct buf page = render(&everything);
    cut_assets(&page);
    CHECK_INT(count(page.data, "<svg class="), count(page.data, "aria-hidden=\"true\"") + count(page.data, "role=\"img\" aria-label=\""));
    CHECK(strstr(page.data, "aria-label=\"last 5 outcomes: 2 pass, 1 warn, 1 fail, 1 internal\""));
    CHECK(strstr(page.data, "aria-label=\"latency, longest 0.90 ms\""));
    CHECK(strstr(page.data, "<html lang=\"en\">"));
    buf_free(&page);
}

/* Each chunk is bounded, their sum is what one call renders, and what is kept between them is freed with the view. */
TEST(ten_thousand_probes_come_in_chunks)
{
    enum { N = 10000 };
    static struct picture_probe many[N];
    static struct picture_member in_ready[N];
    static struct picture_cause all[N];
    static char names[N][8];
    for (unsigned i = 0; i < N; i++) {
        many[i] = probes[i % 8];
        snprintf(names[i], sizeof names[i], "p%u", i);
        many[i].name = names[i];
        in_ready[i] = (struct picture_member){ .name = names[i], .index = i };
        all[i] = (struct picture_cause){ .probe = i };
    }
    struct picture_group g = groups[0];
    g.members = in_ready;
    g.member_count = N;
    g.causes = all;
    g.cause_count = N;
    struct picture big = whole;
    big.probes = many;
    big.probe_count = N;
    big.groups = &g;
    big.group_count = 1;
    const struct view_input in = { .picture = &big, .journal = entries, .journal_count = 3 };
    struct buf one = render(&in), sum = BUF(64 << 20), chunk = BUF(VIEW_ROOM);
    struct view_progress p = { 0 };
    bool done;
    do {
        buf_reset(&chunk);
        done = html_page(&in, &p, &chunk);
        CHECK(!chunk.over && chunk.len < VIEW_CHUNK + 64 * 1024);
        buf_add(&sum, chunk.data, chunk.len);
    } while (!done);
    view_end(&p);
    CHECK(sum.len == one.len && !memcmp(sum.data, one.data, one.len));
    CHECK(strstr(one.data, "and 7450 more: they stand first in"));
    buf_free(&one);
    buf_free(&sum);
    buf_free(&chunk);
}

TEST(the_policy_names_style_and_script)
{
    const char *h = html_headers();
    CHECK(strstr(h, "Content-Security-Policy: default-src 'none'; style-src 'sha256-"));
    CHECK(strstr(h, page_css_hash) && strstr(h, page_js_hash));
    CHECK_INT(strlen(page_css_hash), 7 + 44);
    CHECK(!strstr(h, "unsafe"));
    CHECK(!strstr(page_js, "</script") && !strstr(page_css, "</style"));
}
