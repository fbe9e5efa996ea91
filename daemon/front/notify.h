/* Notifications: when a state or verdict has settled and lasted, its receivers are told. What is told, and when, is decided
 * by notify_policy.c from facts (notify_facts.c); notify_queue.c keeps what waits; notify_send.c tries to deliver.
 *
 * Nothing here delays a probe or an answer: looks are at least a tenth of a second apart, all that leaves goes over the
 * loop's streams or helper processes, and what a dead receiver costs is bounded by its queue. */
#ifndef FRONT_NOTIFY_H
#define FRONT_NOTIFY_H

#include <stdbool.h>

#include "view/receiver.h"

struct arena;

void notify_adopt(void);             /* after core_adopt() */
void notify_publish(void);           /* once a turn, after core_publish() */
void notify_close(void);

const struct view_receiver *notify_list(struct arena *, unsigned *count);

/* A test message to every outlet of a receiver. How many there are; 0: no such receiver. told is called for each of them,
 * later, also when a reload removes it. */
typedef void notify_told_fn(void *arg, bool ok, const char *text);
unsigned notify_test(const char *receiver, notify_told_fn *, void *arg);
const char *notify_name(unsigned i); /* of the i-th receiver; NULL: there is none */

#endif
