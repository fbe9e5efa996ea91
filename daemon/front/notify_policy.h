/* Whom to tell what, and when: pure rules over what is known at a moment. Facts in, events out; time is an argument.
 *
 * Subjects are probes, then groups. Each has one track per receiver: what was seen, what was told, and under whose name.
 *   - A change is told when it has lasted for group_wait, so a short dip is nobody's business.
 *   - What fails because of something else (its root) is never told by itself: it rides on the root's message. While it may
 *     still turn out that a parent is down, a child's message is held back. Groups ride on a cause that is told now.
 *   - When a root is over, what rode on it and fails still is told under its own name after its time to recover.
 *   - When many fail at once for reasons of their own, the first of them speaks for all.
 *   - Flapping is told once; then nothing until there was quiet for half the window.
 *   - Silenced (paused, maintenance, forced, draining) counts as passing: nothing new is told, what was told ends.
 *   - Unknown changes nothing: neither alarm nor relief. */
#ifndef FRONT_NOTIFY_POLICY_H
#define FRONT_NOTIFY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/outcome.h"
#include "view/notice.h"

struct policy_rule {
    enum level least;                 /* what passes below it passes */
    bool resolved;                    /* tell of the end, too */
    uint64_t group_wait, repeat;      /* repeat 0: no reminders */
    uint32_t flap_changes;
    uint64_t flap_window;
    uint32_t most;                    /* firing messages of one look; 0: as many as there are */
};

struct policy_fact {
    enum level level;
    bool is_group, unknown, silenced;
    bool doubtful;                    /* a parent may yet turn out to be down ... */
    uint64_t patience;                /* ... within that long */
    uint64_t recover;                 /* worst case from the end of the fault to its state */
    uint32_t root;                    /* what takes it along; itself: nothing does */
    const uint32_t *causes;           /* of a group: subjects */
    uint32_t cause_count;
};

struct policy_event {
    enum notice_status status;
    uint32_t subject;
    enum level level;                 /* of a firing one; what it was, of one that is over */
    uint64_t since;
    unsigned changes;
    bool together;                    /* with: not because of it, only at the same time */
    const uint32_t *with;             /* what rides on it, or is over with it */
    uint32_t with_count;
};
typedef void policy_tell_fn(void *arg, const struct policy_event *);

struct policy_track;
struct policy {
    struct policy_rule rule;
    uint32_t count;
    struct policy_track **tracks;     /* made when there is something to remember */
    uint32_t *first, *next, *with;    /* scratch of one run: who rides on whom */
};

void policy_open(struct policy *, const struct policy_rule *, uint32_t count);
void policy_close(struct policy *);
/* One look. watched: by subject. Returns when to look again, TIME_NEVER: when something changes. */
uint64_t policy_run(struct policy *, const struct policy_fact *, const bool *watched, uint64_t now, policy_tell_fn *, void *arg);
/* What an earlier process has told: under whose name, since when. */
void policy_restore(struct policy *, uint32_t subject, enum level told, uint32_t cover, uint64_t since, uint64_t now);
/* Tells what is open at `subject` once more, as it is: for one who has not heard of it. */
void policy_retell(struct policy *, uint32_t subject, policy_tell_fn *, void *arg);
/* A reload: the track of `from` goes on as subject `at` of `to`; covers follow through map (UINT32_MAX: gone). */
void policy_move(struct policy *from, uint32_t subject, struct policy *to, uint32_t at, const uint32_t *map);
/* What is remembered at all: the next one from `at`, or UINT32_MAX. */
uint32_t policy_next(const struct policy *, uint32_t at);
/* What is told and goes on under its own name. NULL-free iteration: the next one from `at`, or UINT32_MAX. */
uint32_t policy_open_from(const struct policy *, uint32_t at);
/* What was told of it, since when, and under whose name (UINT32_MAX: nobody's). */
enum level policy_told(const struct policy *, uint32_t subject, uint64_t *since, uint32_t *cover);

#endif
