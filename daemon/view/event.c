#include "view/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

enum { RETRY_MS = 2000 };

void event_json(struct buf *out, const struct journal_entry *e)
{
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_int(&j, "id", (int64_t)e->id);
    json_time(&j, "time", e->wall);
    json_text(&j, "kind", journal_kind_text(e->kind));
    json_text(&j, "name", e->name);
    json_text(&j, "from", e->from);
    json_text(&j, "to", e->to);
    json_text(&j, "reason", e->reason);
    json_text(&j, "text", e->text);
    json_close_object(&j);
}

const char *event_id(uint64_t process, uint64_t entry, char out[EVENT_ID_MAX])
{
    snprintf(out, EVENT_ID_MAX, "%" PRIx64 "-%" PRIu64, process, entry);
    return out;
}

bool event_id_read(const char *text, size_t len, uint64_t process, uint64_t *entry)
{
    char prefix[EVENT_ID_MAX];
    int own = snprintf(prefix, sizeof prefix, "%" PRIx64 "-", process);
    if (len <= (size_t)own || len > (size_t)own + 19 || memcmp(text, prefix, (size_t)own) != 0)
        return false;
    *entry = 0;
    for (size_t i = (size_t)own; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *entry = *entry * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

/* JSON has no line ends of its own, so a stranger's text cannot end the line. */
static void begin(struct buf *out, const char *type, uint64_t process, uint64_t id)
{
    char text[EVENT_ID_MAX];
    buf_printf(out, "event: %s\nid: %s\ndata: ", type, event_id(process, id, text));
}

void event_stream(struct buf *out, uint64_t process, const struct journal_entry *e)
{
    begin(out, journal_kind_text(e->kind), process, e->id);
    event_json(out, e);
    buf_text(out, "\n\n");
}

void event_stream_hello(struct buf *out, uint64_t process, uint64_t at, bool resumed)
{
    buf_printf(out, "retry: %d\n", RETRY_MS);
    begin(out, "hello", process, at);
    buf_printf(out, "{\"last\":%" PRIu64 ",\"resumed\":%s}\n\n", at, resumed ? "true" : "false");
}

void event_stream_skipped(struct buf *out, uint64_t process, uint64_t at, uint64_t count)
{
    begin(out, "skipped", process, at);
    buf_printf(out, "{\"skipped\":%" PRIu64 "}\n\n", count);
}
