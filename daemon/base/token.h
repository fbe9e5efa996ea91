/* Bearer tokens as we know them: by their SHA-256 alone. What a client presents is hashed and compared. */
#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/http1.h"

enum { TOKEN_HASH = 32, TOKEN_HASHES_MAX = 64 /* of one text */ };
struct token_hash { uint8_t bytes[TOKEN_HASH]; };

/* One hash of 64 hex digits a line; empty lines and what follows # do not count. Returns how many, 0 and *why when the text
 * cannot be used. Never tells what is in it. */
unsigned token_hashes(const char *text, size_t len, struct token_hash out[TOKEN_HASHES_MAX], const char **why);
bool token_same(const struct token_hash *, const struct token_hash *);      /* takes equally long for equal and different ones */

/* The token of an Authorization field ("Bearer x"): at NULL for another scheme and for what RFC 6750 does not call a token. */
struct span token_of(struct span authorization);

#endif
