/* The engine as the rest of the daemon sees it. One per process, on the loop thread.
 *
 * core/ knows no sockets and no libevent: time comes from base/clock, waiting from the timer heap it is given, and all
 * that it needs from above are the hooks. The simulation drives exactly this. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/conf.h"
#include "core/outcome.h"

struct timer_heap;
struct probe;

struct core_hooks {
    const struct vital_host *host;                       /* what modules are given */
    void (*close_all)(struct probe *, bool kept_too);    /* closes what the probe has open through the host */
    void (*serve_ready)(void);                           /* ready descriptors are served once, without waiting */
    void (*log)(int level, const char *kind, const char *name, const char *text);   /* transitions, quarantine ... */
    /* Re-reads a probe's file secrets in a helper, then calls probe_begin_module(); false = nothing to re-read. NULL = none. */
    bool (*refresh)(struct probe *);
    uint64_t (*held)(struct probe *);                    /* how long what the probe waits for has been with a helper of ours. NULL = never */
};

void core_open(struct timer_heap *, const struct core_hooks *);
void core_close(void);                                   /* ends attempts, releases modules, frees the world */

/* The first configuration, or a reload: builds the new world, moves equal probes, swaps. Takes the conf over. Cannot
 * fail: all that can was done by conf_load(). */
void core_adopt(struct conf *);
const struct conf *core_conf(void);
uint64_t core_generation(void);                          /* grows with every adopt */

/* Once a turn, after the timers: starts due attempts within budgets, moves group counters, writes the journal. */
void core_publish(uint64_t now);
bool core_busy(void);                                    /* starts are waiting for the next turn's budget */
void core_stalled(uint64_t gap);                         /* our own loop stood still that long (above 1 s) */
uint64_t core_stood(uint64_t *until);                    /* all such time together; until: when the last of it ended, 0 = never */

/* ---- verdicts: from memory, O(1) when nothing changed ----
 *
 * Starting, latching and draining belong to the group that is asked: as a member of another one, a group counts by its own
 * members alone. So `startup` may hold `ready`, and a group that holds `live` sees what live sees, not live's patience.
 * An unconfigured `health` stands on the members of `live` and is as patient as a configured `live` while starting. */

struct verdict {
    enum level level;
    enum why why;
    bool draining;          /* this group drains and we do */
    bool unknown;           /* some of what decided it was unknown or stale */
    bool forced;            /* a forced member counts in it */
    uint16_t code;          /* by the group's codes */
    uint64_t oldest;        /* clock_now() time of the oldest sample that mattered; 0 = none yet */
    uint64_t since;         /* when the level last changed */
    uint64_t stalled;       /* our own recent stall in microseconds, 0 = none: "self: stalled 41s" */
    uint64_t version;       /* changes when anything of the above does, but `oldest` */
};
/* Applies due expiries first, so no answer is greener than the age of its samples allows. */
void core_verdict(uint32_t group, struct verdict *);
uint32_t core_group_find(const char *name, size_t len);  /* UINT32_MAX = no such */
uint32_t core_probe_find(const char *name, size_t len);
bool core_is_member(uint32_t group, uint32_t probe);     /* at any depth, advisory ones included */
/* The verdict without some leaves: `?exclude=`. */
void core_verdict_without(uint32_t group, const uint32_t *probes, unsigned count, struct verdict *);

/* ---- for host.c: the module's side of an attempt ---- */

struct vital_probe *probe_handle(struct probe *);
struct probe *probe_of(struct vital_probe *);            /* aborts on a foreign handle */
void probe_begin_module(struct probe *);                 /* after hooks.refresh */
bool probe_in_attempt(const struct probe *);
void probe_finish(struct probe *, enum vital_class, enum vital_reason, const char *text);
void probe_number(struct probe *, unsigned row, const char *label, double value);
void probe_nudge(struct probe *);
uint64_t probe_left(const struct probe *);
void probe_module_bug(struct probe *, const char *what); /* the module broke its contract: ends the attempt so */
const struct conf_probe *probe_conf(const struct probe *);              /* policy: of the world as it is now */
const struct conf_options *probe_options(const struct probe *);     /* those its module was prepared with: a reload that keeps the probe keeps them */
void **probe_host_slot(struct probe *);                  /* host.c keeps its list of open handles there */
/* Pushes text to a module with receive(): heartbeats. NULL, or why not. */
const char *core_beat(const char *name, const char *text, size_t len);

/* ---- the engine about itself ---- */

struct core_stats {
    uint64_t attempts[VITAL_CLASS_COUNT], cancelled, nudges, starts_delayed, deferred_deadlines, module_bugs, stalls;
    uint64_t numbers_dropped;                            /* beyond OUTCOME_NUMBERS_MAX in one outcome */
    unsigned in_flight, queued, probes, groups, quarantined;
    uint64_t progress;                                   /* clock_now() when the scheduler last started or ended something, or had nothing to do */
    uint64_t started;                                    /* clock_now() of core_open */
    uint64_t reloads, reload_failures;                   /* failures are reported with core_reload_failed() */
    uint64_t last_reload; bool last_reload_ok;
};
void core_stats(struct core_stats *);
void core_reload_failed(void);

#endif
