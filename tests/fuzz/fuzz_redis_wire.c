/* link: probes/redis.c probes/redis_*.c -lhiredis -lpcre2-8 */
/* The whole redis module at the other end of a hostile server, Sentinel or cluster: whatever comes, and however it is cut, an attempt
 * ends once, by the rules of the contract (the scripted host aborts where one is broken), or waits for more. The first byte chooses
 * the mode, the second how bytes are cut. A 0xff byte goes to the next connection that is open, a 0xfe closes one. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_host.h"

extern const struct vital_module *const vital_module;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(unsigned mode)
{
    switch (mode % 4) {
    case 0: fake_probe(vital_module, "url", "redis://cache:6379", NULL); break;
    case 1: fake_probe(vital_module, "mode", "sentinel", "hosts", "s1", "hosts", "s2:26380", "master", "m", "password", "pw", NULL); break;
    case 2: fake_probe(vital_module, "mode", "cluster", "hosts", "n1:7000", "hosts", "n2:7000", NULL); break;
    default: fake_probe(vital_module, "url", "redis://:pw@cache:6379", "role", "replica", "write_test", "k", NULL); break;
    }
}

static bool connected[FAKE_IOS];

/* FAKE_IOS: none is open. */
static unsigned next_stream(unsigned skip)
{
    unsigned found = FAKE_IOS;
    for (unsigned i = 0, n = 0; i < fake.io_count; i++)
        if (fake.ios[i]->open && fake.ios[i]->kind == FAKE_STREAM && n++ <= skip)
            found = i;
    return found;
}

/* All that the module was given is taken back, so that what it kept shows as a leak. */
static void forget(void)
{
    fake_end();
    for (unsigned i = 0; i < fake.io_count; i++)
        buf_free(&fake.ios[i]->sent);
    arena_free(fake.arena);
    memset(&fake, 0, sizeof fake);
    memset(connected, 0, sizeof connected);
}

static size_t piece(const uint8_t *data, size_t size, size_t step)
{
    size_t n = 0;
    while (n < size && n < step && data[n] < 0xfe)
        n++;
    return n;
}

static void play(const uint8_t *data, size_t size, size_t step)
{
    unsigned skip = 0;
    for (size_t at = 0; at < size && fake.running && !fake.finished && fake.io_count < FAKE_IOS - 80;) {
        unsigned which = next_stream(skip);
        if (which == FAKE_IOS)
            return;
        struct vital_io *io = fake.ios[which];
        if (!connected[which]) {
            connected[which] = true;
            fake_open(io);
            continue;
        }
        size_t n = piece(data + at, size - at, step);
        if (n)
            fake_data_n(io, data + at, n);
        else if (data[at] == 0xff)
            skip = skip < 8 ? skip + 1 : 0;
        else
            fake_shut(io, VITAL_R_CLOSED, "closed");
        at += n ? n : 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    begin(data[0]);
    for (unsigned attempt = 0; attempt < 2; attempt++) {     /* the second one finds what the first one kept */
        fake_start();
        play(data + 2, size - 2, 1 + data[1] % 200U);
        if (fake.finished != (fake.class < VITAL_CLASS_COUNT))
            abort();
        if (!fake.finished)
            fake_pass_time(3000000);
    }
    forget();
    return 0;
}
