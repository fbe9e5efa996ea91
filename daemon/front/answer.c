#include "front/answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/core.h"
#include "io/loop.h"
#include "view/healthjson.h"
#include "view/json.h"
#include "view/text.h"

enum { BLOCK_MAX = 4096, DATE_LEN = 29, ISO_LEN = 24 };

struct block {
    char *bytes;
    uint16_t head, len, date_at, oldest_at, status;
    uint64_t version, oldest, turn, second;
};
typedef struct block group_blocks[ANSWER_FORMATS][ANSWER_ENDS];

static group_blocks *blocks;           /* [group] */
static uint32_t blocks_count;
static struct buf scratch = { .max = 64 * 1024 };

/* ---- head ---- */

static const char *status_text(unsigned status)
{
    static const struct { unsigned status; const char *text; } texts[] = {
        { 200, "OK" }, { 204, "No Content" }, { 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
        { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 411, "Length Required" },
        { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" }, { 501, "Not Implemented" },
        { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
    };
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Status";      /* a code that a group's `codes` chose */
}

/* "Fri, 20 Nov 2026 18:09:07 GMT"; made once a second. */
static const char *date_text(uint64_t wall)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static char text[64];
    static uint64_t made;
    if (made == wall / USEC_S)
        return text;
    made = wall / USEC_S;
    time_t seconds = (time_t)made;
    struct tm t;
    gmtime_r(&seconds, &t);
    snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon,
             t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    return text;
}

const char *answer_media(enum answer_format format)
{
    static const char *const media[ANSWER_FORMATS] = {
        [ANSWER_TEXT] = "text/plain; charset=utf-8", [ANSWER_JSON] = "application/json",
        [ANSWER_HEALTH] = "application/health+json", [ANSWER_NOTHING] = NULL,
    };
    return media[format];
}

bool answer_has_content(unsigned status)
{
    return status != 204 && status != 205 && status != 304;
}

/* Of an answer that never has content, 204 may tell no length and 304 tells that of another; 205 must tell that it is none. */
static void add_length(struct buf *out, unsigned status, long long length)
{
    if (!answer_has_content(status))
        buf_text(out, status == 205 ? "Content-Length: 0\r\n" : "");
    else if (length >= 0)
        buf_printf(out, "Content-Length: %lld\r\n", length);
    else if (length == ANSWER_CHUNKED)
        buf_text(out, "Transfer-Encoding: chunked\r\n");
}

void answer_head(struct buf *out, unsigned status, const char *media, enum answer_end end, const char *extra, uint64_t oldest_wall,
                 long long length)
{
    static const char *const ends[ANSWER_ENDS] = { "", "Connection: keep-alive\r\n", "Connection: close\r\n" };
    char iso[CLOCK_TEXT];
    buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, status_text(status), date_text(clock_wall()));
    if (oldest_wall)
        buf_printf(out, "Vitald-Oldest-Sample: %s\r\n", clock_iso(oldest_wall, iso));
    if (media && answer_has_content(status))
        buf_printf(out, "Content-Type: %s\r\n", media);
    buf_text(out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
    if (!extra || !strstr(extra, "Content-Security-Policy:")) /* the page has one of its own */
        buf_text(out, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
    add_length(out, status, length);
    if (extra)
        buf_text(out, extra);
    buf_text(out, ends[end]);
    buf_text(out, "\r\n");
}

/* ---- verdicts ---- */

static void render_body(const struct verdict *v, enum answer_format format, uint64_t wall, struct buf *out)
{
    static void (*const views[ANSWER_FORMATS])(struct buf *, const struct view_verdict *) = {
        [ANSWER_TEXT] = text_verdict, [ANSWER_JSON] = json_verdict, [ANSWER_HEALTH] = healthjson_verdict,
    };
    const struct view_verdict shown = {
        .level = v->level, .why = v->why, .unknown = v->unknown, .forced = v->forced, .stalled = v->stalled,
        .oldest = clock_wall_of(v->oldest), .time = wall,
    };
    if (views[format])
        views[format](out, &shown);
}

static size_t render(const struct verdict *v, enum answer_format format, enum answer_end end, uint64_t wall, struct buf *out)
{
    struct buf body = BUF(BLOCK_MAX);
    buf_reset(out);
    if (answer_has_content(v->code))
        render_body(v, format, wall, &body);
    answer_head(out, v->code, answer_media(format), end, format == ANSWER_NOTHING ? "Allow: GET, HEAD, OPTIONS\r\n" : NULL,
                clock_wall_of(v->oldest), (long long)body.len);
    size_t head = out->len;
    buf_add(out, body.data ? body.data : "", body.len);
    buf_free(&body);
    return head;
}

static uint16_t offset_after(const char *bytes, const char *field)
{
    const char *at = strstr(bytes, field);
    return (uint16_t)(at ? at + strlen(field) - bytes : 0);
}

static void block_render(struct block *b, const struct verdict *v, enum answer_format format, enum answer_end end, uint64_t wall)
{
    b->head = (uint16_t)render(v, format, end, wall, &scratch);
    b->len = (uint16_t)scratch.len;
    b->status = v->code;
    b->bytes = mem_grow(b->bytes, scratch.len + 1);
    memcpy(b->bytes, scratch.data, scratch.len + 1);
    b->date_at = offset_after(b->bytes, "\r\nDate: ");
    b->oldest_at = offset_after(b->bytes, "\r\nVitald-Oldest-Sample: ");
    b->version = v->version;
    b->oldest = v->oldest;
    b->second = wall / USEC_S;
    b->turn = loop_turns();
}

/* Bodies with times in them are rendered anew; the text body has none, so its block is patched. */
static void block_freshen(struct block *b, const struct verdict *v, enum answer_format format, enum answer_end end, uint64_t wall)
{
    char iso[CLOCK_TEXT];
    if (format == ANSWER_JSON || format == ANSWER_HEALTH || !b->oldest != !v->oldest) {
        block_render(b, v, format, end, wall);
        return;
    }
    memcpy(b->bytes + b->date_at, date_text(wall), DATE_LEN);
    if (v->oldest)
        memcpy(b->bytes + b->oldest_at, clock_iso(clock_wall_of(v->oldest), iso), ISO_LEN);
    b->oldest = v->oldest;
    b->second = wall / USEC_S;
    b->turn = loop_turns();
}

static struct block *block_of(uint32_t group, enum answer_format format, enum answer_end end)
{
    if (group >= blocks_count) {
        uint32_t count = core_conf()->group_count > group ? core_conf()->group_count : group + 1;
        blocks = mem_grow(blocks, count * sizeof *blocks);
        memset(blocks + blocks_count, 0, (count - blocks_count) * sizeof *blocks);
        blocks_count = count;
    }
    return &blocks[group][format][end];
}

void answer_verdict(uint32_t group, enum answer_format format, enum answer_end end, struct answer *a)
{
    struct verdict v;
    core_verdict(group, &v);
    struct block *b = block_of(group, format, end);
    uint64_t wall = clock_wall();
    if (!b->bytes || b->version != v.version)
        block_render(b, &v, format, end, wall);
    else if (b->second != wall / USEC_S || (b->oldest != v.oldest && b->turn != loop_turns()))
        block_freshen(b, &v, format, end, wall);
    *a = (struct answer){ b->bytes, b->head, b->len, b->status };
}

void answer_text(unsigned status, enum answer_end end, const char *extra, const char *body, struct answer *a)
{
    buf_reset(&scratch);
    answer_head(&scratch, status, answer_media(ANSWER_TEXT), end, extra, 0, (long long)strlen(body));
    a->head = scratch.len;
    buf_text(&scratch, body);
    a->bytes = scratch.data;
    a->len = scratch.len;
    a->status = status;
}

void answer_reset(void)
{
    for (uint32_t g = 0; g < blocks_count; g++)
        for (unsigned f = 0; f < ANSWER_FORMATS; f++)
            for (unsigned e = 0; e < ANSWER_ENDS; e++)
                mem_free(blocks[g][f][e].bytes);
    mem_free(blocks);
    buf_free(&scratch);
    blocks = NULL;
    blocks_count = 0;
}
