/* A whole probe module at the other end of a hostile server: whatever comes, and however it is cut, an attempt ends once, by the rules
 * of the contract (the scripted host aborts where one is broken), or waits for more until its time is over. A target gives begin(),
 * which makes the probe. Of its input the first byte chooses what is begun, the second how bytes are cut; in the rest a 0xff byte
 * goes on with the next connection that is open, and 0xfe closes one. */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_host.h"

static bool wire_connected[FAKE_IOS];

/* FAKE_IOS: none is open. */
static unsigned wire_stream(unsigned skip)
{
    unsigned found = FAKE_IOS;
    for (unsigned i = 0, n = 0; i < fake.io_count; i++)
        if (fake.ios[i]->open && fake.ios[i]->kind == FAKE_STREAM && n++ <= skip)
            found = i;
    return found;
}

static size_t wire_piece(const uint8_t *data, size_t size, size_t step)
{
    size_t n = 0;
    while (n < size && n < step && data[n] < 0xfe)
        n++;
    return n;
}

static void wire_play(const uint8_t *data, size_t size, size_t step)
{
    unsigned skip = 0;
    for (size_t at = 0; at < size && fake.running && !fake.finished && fake.io_count < FAKE_IOS - 80;) {
        unsigned which = wire_stream(skip);
        if (which == FAKE_IOS)
            return;
        struct vital_io *io = fake.ios[which];
        if (!wire_connected[which]) {
            wire_connected[which] = true;
            fake_open(io);
            continue;
        }
        size_t n = wire_piece(data + at, size - at, step);
        if (n)
            fake_data_n(io, data + at, n);
        else if (data[at] == 0xff)
            skip = skip < 8 ? skip + 1 : 0;
        else
            fake_shut(io, VITAL_R_CLOSED, "closed");
        at += n ? n : 1;
    }
}

/* All that the module was given is taken back, so that what it kept shows as a leak. */
static void wire_forget(void)
{
    fake_end();
    for (unsigned i = 0; i < fake.io_count; i++)
        buf_free(&fake.ios[i]->sent);
    arena_free(fake.arena);
    memset(&fake, 0, sizeof fake);
    memset(wire_connected, 0, sizeof wire_connected);
}

static void wire_run(void (*begin)(unsigned which), const uint8_t *data, size_t size)
{
    if (size < 2)
        return;
    begin(data[0]);
    for (unsigned attempt = 0; attempt < 2; attempt++) {     /* the second one finds what the first one kept */
        fake_start();
        wire_play(data + 2, size - 2, 1 + data[1] % 200U);
        if (fake.finished != (fake.class < VITAL_CLASS_COUNT))
            abort();
        if (!fake.finished)
            fake_pass_time(3000000);
    }
    wire_forget();
}

#endif
