/* One probe at run time: its attempt, its record, its mode. Every attempt ends in one function of probe_attempt.c, which
 * alone counts, times and settles; the schedule decides when one begins, the world carries what changed to the groups. */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/timer.h"
#include "core/core.h"
#include "core/group.h"
#include "core/history.h"
#include "core/picture.h"
#include "core/sched.h"
#include "core/settle.h"

enum { PROBE_MAGIC = 0x42525056, PROBE_BUGS_MAX = 3 };

enum attempt { ATTEMPT_NONE, ATTEMPT_REFRESHING, ATTEMPT_RUNNING };

struct number {
    double value;
    char *label;                     /* NULL: none */
    uint16_t row;
};
struct numbers { struct number *items; uint16_t count, room; };
/* Between attempts: the values, then the rows they belong to, then the labels of those that have one, in one block. */
enum { PACKED_LABEL = 0x8000 };          /* in a row: it has one */
struct packed { double *values; uint16_t count, room; };      /* room in bytes: at most 64 numbers with labels of 64 */
struct reason_count { uint32_t count; uint16_t reason; };

/* All that is known of the target: what a new object for the same target takes over as a whole. */
struct record {
    struct settle settle;
    bool stale;                      /* found so; until the next outcome that counts */
    bool sampled;                    /* has had an outcome that counts */
    bool had_outcome;                /* any, internal ones included */
    uint64_t sample_at;              /* end of that outcome */
    uint64_t fresh_from;             /* what it is stale by is counted from here: the same, or the end of a pause */
    uint64_t lease;                  /* fresh until then although older than max_age: after our own stall, once per outcome */
    uint64_t since;                  /* of the settled state */
    /* the last outcome, internal ones included */
    char *text;
    uint64_t at, duration, last_pass;
    struct packed numbers;           /* of the last outcome that counts */
    uint64_t attempts[VITAL_CLASS_COUNT], cancelled, transitions, duration_sum;
    struct reason_count *reasons;        /* those that occurred, few of the many that there are; not VITAL_R_OK: see probe_reasons_ok() */
    uint16_t reason_count, text_room;
    uint8_t class, reason;           /* enum vital_class, enum vital_reason; with text those of the last outcome */
    struct history history;
};

struct order { enum mode mode; enum level forced; uint64_t until; };     /* until 0: for ever */

struct probe {
    uint32_t magic;
    uint32_t index;                  /* in the world */
    struct vital_probe handle;
    const struct conf_probe *conf;   /* policy; the options may be an older configuration's */
    struct conf_options *options;
    uint16_t number_rows;
    uint8_t attempt;                 /* enum attempt: whether there is one; see below */
    uint8_t bugs;
    bool pending, quarantined;
    bool stall_awaited;              /* no outcome yet since our recent stall */
    bool shifted;                    /* the attempt's deadline was, by a stall */
    void *host_slot;
    struct plan plan;
    struct timer expiry;             /* earliest moment at which time alone may change its vote; may lie too early */
    struct order order;
    struct record record;
    uint64_t pending_until;
    /* the attempt */
    uint64_t started, deadline, allowed;
    struct numbers reported;         /* in a block of its own until the attempt ends */
    struct vote vote;                /* as last cast */
    _Alignas(max_align_t) char priv[];   /* the module's: handle.priv */
};

struct probe *probe_check(struct probe *);               /* itself; aborts when it is none */
struct probe *probe_new(const struct conf_probe *, const struct vital_host *, uint64_t now);

/* Numbers that an attempt reports lie in a block with room for the most; blocks go round, so that attempts allocate
 * nothing and only a probe in flight holds one. The record keeps exactly what there is, packed. */
void numbers_open(struct numbers *);
void numbers_close(struct numbers *);
void packed_keep(struct packed *, const struct numbers *reported);
/* From 0 on; *labels is NULL at first. A picture asks for all there are. */
static inline struct number packed_next(const struct packed *p, unsigned i, const char **labels)
{
    const uint16_t *rows = (const uint16_t *)(p->values + p->count);
    struct number n = { .value = p->values[i], .row = rows[i] & (PACKED_LABEL - 1) };
    if (rows[i] & PACKED_LABEL) {
        n.label = (char *)(uintptr_t)(*labels ? *labels : (const char *)(rows + p->count));
        *labels = n.label + strlen(n.label) + 1;
    }
    return n;
}

void probe_free(struct probe *);                         /* a running attempt ends as cancelled */
void probe_set_policy(struct probe *, const struct conf_probe *, uint64_t now);
void probe_inherit(struct probe *, struct probe *old);   /* record and mode */
void probe_set_pending(struct probe *, uint64_t now);
void probe_set_order(struct probe *, const struct order *, const char *text, uint64_t now);

void probe_tell(const struct probe *, enum state before, const char *reason, const char *text);  /* if it is another one now */

void probe_begin(struct probe *, uint64_t now);
void probe_cancel(struct probe *);                       /* ends the attempt, if one runs: counted, settles nothing */
void probe_stall_over(struct probe *);                   /* for this one */
void probe_due(struct probe *, uint64_t now);            /* the deadline of the running attempt has come */
void probe_expire(struct timer *, uint64_t now);
void probe_arm_expiry(struct probe *);

bool probe_is_active(const struct probe *);              /* attempts are made at all */
bool probe_is_known(const struct probe *);
bool probe_is_unsettled(const struct probe *);
enum state probe_state(const struct probe *);            /* as it counts: stale is unknown */
enum state probe_settled(const struct probe *);
uint64_t probe_reasons_ok(const struct record *);        /* attempts that ended so: all but those that are counted by reason */
uint64_t probe_stale_at(const struct probe *);           /* TIME_NEVER: will not by time */
uint64_t probe_fresh_until(const struct probe *);    /* max_age, or the lease after a stall */
struct settle_rule probe_rule(const struct probe *);
void probe_cast(const struct probe *, struct vote *);

#endif
