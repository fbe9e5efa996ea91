/* Pictures: flat, self-contained copies of the engine's state at one moment; all that a view may see. Strings live in
 * the picture. Times are wall-clock microseconds (0 = never), so that a rendered body stays true. */
#ifndef CORE_PICTURE_H
#define CORE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/history.h"
#include "core/outcome.h"

struct picture_number {
    const char *name, *unit, *help, *label, *label_value;    /* label NULL = none */
    bool counter;
    double value;
};

struct picture_reason { enum vital_reason reason; uint64_t count; };

struct picture_probe {
    const char *name, *type, *target;
    enum state state;                 /* as it counts now: stale is unknown */
    enum state settled;               /* as last settled */
    bool stale, pending, quarantined, shared, in_flight;
    enum mode mode;
    enum level forced;                /* when mode is forced */
    uint64_t mode_until;              /* 0 = for ever */
    /* last outcome */
    bool had_outcome;
    enum vital_class outcome;
    enum vital_reason reason;
    const char *text;
    uint64_t at, duration;            /* when it ended; how long it took, microseconds */
    uint64_t last_pass;               /* when an outcome was last pass */
    uint64_t since;                   /* of the settled state */
    uint64_t next_due, stale_at;
    /* the run that contradicts the state: "2 of 3 towards down"; need 0 = none */
    enum state run_towards;
    unsigned run_have, run_need;
    unsigned rise, fall;              /* what a run needs, either way */
    const char *caused_by;            /* depends_on parent that is down, or NULL */
    uint64_t interval, timeout;
    uint64_t attempts[VITAL_CLASS_COUNT], cancelled, transitions;
    const struct picture_reason *reasons; unsigned reason_count;     /* how attempts ended so far, ok first, the others in the order first seen */
    struct history history;
    uint64_t duration_sum;                    /* of all attempts: for rates */
    const struct picture_number *numbers; unsigned number_count;
    const char *const *depends_on; unsigned depends_count;
};

struct picture_cause { uint32_t probe; bool required; bool caused_by_other; };     /* index into probes */
struct picture_member { const char *name; bool is_group, advisory; uint32_t index; enum level level; bool unknown, left_out; };

struct picture_group {
    const char *name;
    enum level level;
    enum why why;
    uint16_t code;
    bool draining, unknown, forced, configured;
    const char *rule;                          /* "all", "any", "at least 2 of 3", "every member had an outcome" */
    uint64_t since, oldest;
    const struct picture_member *members; unsigned member_count;
    const struct picture_cause *causes; unsigned cause_count;     /* all failing leaves below failing members; warnings when the level is warn */
    const char *const *dependants; unsigned dependant_count;      /* groups that contain it */
};

struct picture {
    uint64_t wall;                             /* the moment it shows */
    const char *version, *host, *source;       /* source: where the configuration came from */
    uint64_t started, generation, last_reload; bool last_reload_ok;
    uint64_t stalled;                          /* microseconds, 0 = no recent stall */
    bool draining; uint64_t draining_since;
    const struct picture_probe *probes; unsigned probe_count;
    const struct picture_group *groups; unsigned group_count;
    uint64_t journal_last;
};

const struct picture *picture_all(void);
const struct picture *picture_group(uint32_t group);     /* that group and everything below it; groups[0] is it */
const struct picture *picture_probe(uint32_t probe);     /* probes[0] is it */
void picture_free(const struct picture *);

#endif
