/* What is known, as bytes that outlive the process: settled states with their runs, since when, history, modes, an ordered
 * drain, and when each probe is next due, so that a restart neither forgets anything nor checks everything at once.
 *
 * A probe takes its record over when name, type and target are the same. Within one boot of the machine its clock goes on,
 * and what is too old by now is stale. After another boot everything is stale: whatever ran here has stopped meanwhile.
 *
 * The bytes are this machine's (byte order and all), with a version, a checksum and the lengths of all that is in them;
 * whatever else comes is refused as a whole. Files are front/statefile.c's business. */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct world;

enum { STATE_BOOT = 40, STATE_SIZE_MAX = 256 << 20 };

/* Taken in portions, for a hundred thousand probes are too many for one turn. */
struct state_export {
    struct buf bytes;
    uint64_t generation;
    uint32_t next;                      /* the probe whose turn it is */
    bool noted;
    char boot[STATE_BOOT];
};
void state_begin(struct state_export *, const char *boot);
bool state_continue(struct state_export *, uint32_t probes);     /* so many more; true: complete. After a reload it begins anew */
/* What somebody else wants to be kept with it: text that means nothing here. put is called at the end of each export. */
void state_on_note(void (*put)(struct buf *));
/* The text that was restored, once core_adopt() has taken the states over: heap, the caller's; NULL = none. */
char *state_take_note(void);
/* Writes the checksum: what remains, for another thread. */
void state_seal(struct buf *);

/* NULL, or what is wrong with them. Any thread. */
const char *state_check(const char *bytes, size_t len);
/* Before the first core_adopt(), which takes it over: bytes that state_check() accepted (heap, ours from now on). */
void state_restore(char *bytes, size_t len, const char *boot);
/* core_adopt(), between placing the probes and counting them. */
void state_apply(struct world *, uint64_t now);

#endif
