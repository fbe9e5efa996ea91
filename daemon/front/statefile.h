/* The state file: what is known outlives a restart and a crash (core/state.h says what, and what is believed of it).
 *
 * `state_file:` names it; under systemd it is $STATE_DIRECTORY/state by itself; otherwise there is none. A helper thread
 * writes aside, syncs and renames, so there is always a whole one: after transitions, at most every few seconds, after orders sooner; now and
 * then without any, so that a crash finds it fresh; and at exit. Its path may hang: nothing ever waits for it for long. */
#ifndef FRONT_STATEFILE_H
#define FRONT_STATEFILE_H

struct conf;

void statefile_load(const struct conf *);      /* at boot, before core_adopt() */
void statefile_publish(void);                  /* once a turn */
void statefile_close(void);                    /* at exit, before core_close(): the last one */

#endif
