/* The bytes of a state file: head, putting and getting. Getting beyond the end, or what cannot be, breaks the reader, and
 * from then on all it yields is zero. Inside core/ only. */
#ifndef CORE_STATE_BYTES_H
#define CORE_STATE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/state.h"

enum { STATE_VERSION = 2, STATE_TEXT = 512 };
#define STATE_MAGIC UINT64_C(0x3154535f4c415456)   /* "VTAL_ST1" on little endian; another order reads another number */

struct state_head {
    uint64_t magic, checksum;           /* of all that follows it */
    uint64_t length;                    /* of everything */
    uint32_t version, unused;
    uint64_t wall, now;                 /* when it was taken */
    char boot[STATE_BOOT];
};

void put_8(struct buf *, uint8_t);
void put_32(struct buf *, uint32_t);
void put_64(struct buf *, uint64_t);
void put_text(struct buf *, const char *);      /* NULL as "" ; cut at STATE_TEXT - 1 bytes */

struct state_reader { const char *at; size_t left; bool broken; };

void get_bytes(struct state_reader *, void *to, size_t len);
uint8_t get_8(struct state_reader *);
uint32_t get_32(struct state_reader *);
uint64_t get_64(struct state_reader *);
uint8_t get_below(struct state_reader *, unsigned limit);
void get_text(struct state_reader *, char *to, size_t size);

const char *state_check_head(const char *bytes, size_t len, struct state_head *);

#endif
