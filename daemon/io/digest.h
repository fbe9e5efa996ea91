/* SHA-256, for what is compared by its hash. */
#ifndef IO_DIGEST_H
#define IO_DIGEST_H

#include <stddef.h>
#include <stdint.h>

void digest_sha256(const void *bytes, size_t len, uint8_t out[32]);

#endif
