#include "core/history.h"

/* From the top: two bits of class, five of exponent, nine of mantissa. Exponent 0 holds the number itself, others have a
 * leading bit that is not stored. */
enum { CLASS_SHIFT = 14, MANTISSA_BITS = 9, LEADING = 1 << MANTISSA_BITS, DURATION_MASK = (1 << CLASS_SHIFT) - 1 };
#define DURATION_MAX UINT64_C(0xffffffff)

static uint16_t pack(uint64_t duration)
{
    unsigned exponent = 0;
    if (duration > DURATION_MAX)
        duration = DURATION_MAX;
    while (duration >> exponent >= 2 * LEADING)
        exponent++;
    if (exponent) { /* the nearest one, which may be the first of the next exponent */
        duration += UINT64_C(1) << (exponent - 1);
        exponent += duration >> exponent >= 2 * LEADING;
    }
    unsigned mantissa = (unsigned)(duration >> exponent);
    return (uint16_t)(mantissa < LEADING ? mantissa : (exponent + 1) << MANTISSA_BITS | (mantissa - LEADING));
}

static uint64_t unpack(uint16_t packed)
{
    unsigned exponent = (unsigned)packed >> MANTISSA_BITS, mantissa = packed & (LEADING - 1U);
    return exponent ? (uint64_t)(LEADING + mantissa) << (exponent - 1) : mantissa;
}

static uint16_t moment(const struct history *h, unsigned i)
{
    return h->moments[((unsigned)h->next + HISTORY_MAX - h->count + i) % HISTORY_MAX];
}

void history_add(struct history *h, enum vital_class class, uint64_t duration)
{
    h->moments[h->next] = (uint16_t)((unsigned)class << CLASS_SHIFT | pack(duration));
    h->next = (uint8_t)((h->next + 1) % HISTORY_MAX);
    if (h->count < HISTORY_MAX)
        h->count++;
}

enum vital_class history_class(const struct history *h, unsigned i)
{
    return (enum vital_class)(moment(h, i) >> CLASS_SHIFT);
}

uint64_t history_duration(const struct history *h, unsigned i)
{
    return unpack(moment(h, i) & DURATION_MASK);
}
