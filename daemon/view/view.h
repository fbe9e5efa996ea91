/* What all renderers share: their input, and how they stop and go on.
 *
 * A view is pure: a picture in, bytes out. Ten thousand probes make megabytes, so a view is a table of steps, each with a
 * number of items; it renders items until a chunk is full and continues there when the socket has drained. */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "core/picture.h"

struct buf;
struct journal_entry;
struct view_balancer;
struct view_receiver;

enum {
    VIEW_CHUNK = 64 * 1024,      /* a call stops after the item that reaches this */
    VIEW_ROOM = 1024 * 1024,     /* what the buffer must be able to take: a chunk and the largest single item */
};

/* One number that the daemon knows about itself. Facts of one name stand together. */
struct view_fact {
    const char *name;            /* "http_requests"; counters get their _total from the view that wants it */
    const char *help;
    const char *label, *label_value;     /* NULL = none */
    bool counter;
    double value;
};

struct view_input {
    const struct picture *picture;
    const struct view_fact *facts; unsigned fact_count;
    const struct view_balancer *balancers; unsigned balancer_count;      /* what HAProxy believes about us */
    const struct view_receiver *receivers; unsigned receiver_count;      /* who is told of changes */
    const char *const *excluded; unsigned excluded_count;    /* probes of the picture that `?exclude=` took out */
    const char *const *strangers; unsigned stranger_count;   /* names given there that are no probes of this group */
    bool has_level; enum level level;                        /* the verdict without the excluded; else the picture's own */
    bool colour;                                             /* a terminal reads it */
    const struct journal_entry *journal; unsigned journal_count;    /* the last transitions, newest first */
};

struct view_progress {
    unsigned step;
    uint32_t item;
    uint32_t group, part;        /* groups whose parts are items: which, and its next part */
    struct json json;
    bool openmetrics;            /* metrics: which of the two text formats */
    void *own;                   /* what a view keeps between chunks: heap, view_end() frees it */
};

/* True when everything is rendered. */
typedef bool view_fn(const struct view_input *, struct view_progress *, struct buf *out);
void view_end(struct view_progress *);
/* All chunks at once: for consumers that are not sockets. */
void view_whole(view_fn *view, const struct view_input *in, struct buf *out);

struct view_step {
    uint32_t (*count)(const struct view_input *, struct view_progress *);
    void (*item)(const struct view_input *, struct view_progress *, uint32_t i, struct buf *out);
};
bool view_steps(const struct view_step *, unsigned count, const struct view_input *, struct view_progress *, struct buf *out);
uint32_t view_once(const struct view_input *, struct view_progress *);          /* counts for steps: 1 */
uint32_t view_probes(const struct view_input *, struct view_progress *);
uint32_t view_groups(const struct view_input *, struct view_progress *);

/* A verdict as the terse bodies of public listeners show it: no names. Times are wall clock. */
struct view_verdict {
    enum level level;
    enum why why;
    bool unknown, forced;
    uint64_t stalled;            /* microseconds; 0 = no */
    uint64_t oldest, time;
};

#endif
