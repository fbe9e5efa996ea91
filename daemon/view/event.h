/* Journal entries as JSON and as server-sent events. vitald(8) documents them. */
#ifndef VIEW_EVENT_H
#define VIEW_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal.h"

struct buf;

/* {"id":17,"time":TIME,"kind":"probe","name":"db","from":"up","to":"down","reason":"refused","text":"..."} */
void event_json(struct buf *, const struct journal_entry *);

/* An event's id in a stream: "18c5e0-17": which process, then the entry, for ids begin anew in each. */
enum { EVENT_ID_MAX = 40 };
const char *event_id(uint64_t process, uint64_t entry, char out[EVENT_ID_MAX]);
/* False: not an id of this process. */
bool event_id_read(const char *text, size_t len, uint64_t process, uint64_t *entry);

void event_stream(struct buf *, uint64_t process, const struct journal_entry *);
/* `hello`, the first of each stream. resumed: what comes next follows on what the client had seen. */
void event_stream_hello(struct buf *, uint64_t process, uint64_t at, bool resumed);
void event_stream_skipped(struct buf *, uint64_t process, uint64_t at, uint64_t count);

#endif
