#include "view/receiver.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

void receiver_put(struct json *j, const struct view_receiver *all, unsigned count)
{
    json_open_array(j, "receivers");
    for (unsigned i = 0; i < count; i++) {
        const struct view_receiver *r = &all[i];
        const struct { const char *name; uint64_t value; } counters[] = {
            { "waiting", r->waiting }, { "delivered", r->delivered }, { "retried", r->retried }, { "refused", r->refused },
            { "expired", r->expired }, { "dropped", r->dropped }, { "merged", r->merged },
        };
        json_open_object(j, NULL);
        json_text(j, "receiver", r->receiver);
        json_text(j, "kind", r->kind);
        json_text(j, "to", r->to);
        for (unsigned k = 0; k < sizeof counters / sizeof *counters; k++)
            json_int(j, counters[k].name, (int64_t)counters[k].value);
        json_time(j, "last_delivery", r->last);
        json_time(j, "failing_since", r->failing_since);
        json_text(j, "error", r->failing_since ? r->error : NULL);
        json_close_object(j);
    }
    json_close_array(j);
}

void receiver_text(struct buf *out, const struct view_receiver *all, unsigned count)
{
    char time[CLOCK_TEXT];
    for (unsigned i = 0; i < count; i++) {
        const struct view_receiver *r = &all[i];
        buf_printf(out, "%s%-20s %-12s %s: %" PRIu64 " delivered, %u waiting", i ? "\n" : "", r->label, r->kind, r->to, r->delivered, r->waiting);
        if (r->dropped + r->expired + r->refused)
            buf_printf(out, ", %" PRIu64 " lost", r->dropped + r->expired + r->refused);
        if (r->failing_since)
            buf_printf(out, "; fails since %s: %s", clock_iso(r->failing_since, time), r->error);
    }
}
