#include "base/token.h"

#include <string.h>
#include <strings.h>

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool read_hash(struct span text, struct token_hash *out)
{
    if (text.len != 2 * TOKEN_HASH)
        return false;
    for (size_t i = 0; i < TOKEN_HASH; i++) {
        int high = digit(text.at[2 * i]), low = digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Up to the comment, without the blanks around: what sha256sum prints behind the hash ("  -") is no part of it. */
static struct span trimmed(const char *at, size_t len)
{
    const char *comment = memchr(at, '#', len);
    len = comment ? (size_t)(comment - at) : len;
    while (len && strchr(" \t\r", at[len - 1]))
        len--;
    while (len && strchr(" \t", *at)) {
        at++;
        len--;
    }
    if (len > 3 && !memcmp(at + len - 3, "  -", 3))
        len -= 3;
    return (struct span){ at, len };
}

unsigned token_hashes(const char *text, size_t len, struct token_hash out[TOKEN_HASHES_MAX], const char **why)
{
    unsigned count = 0;
    *why = NULL;
    while (len && !*why) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;
        struct span hash = trimmed(text, line);
        if (hash.len && count == TOKEN_HASHES_MAX)
            *why = "there are more than 64 tokens";
        else if (hash.len && !read_hash(hash, &out[count++]))
            *why = "expected the SHA-256 of a token, 64 hex digits: printf %s \"$TOKEN\" | sha256sum";
        text += line + (end != NULL);
        len -= line + (end != NULL);
    }
    if (!count && !*why)
        *why = "there is no token's hash in it";
    return *why ? 0 : count;
}

bool token_same(const struct token_hash *a, const struct token_hash *b)
{
    volatile uint8_t differs = 0;
    for (unsigned i = 0; i < TOKEN_HASH; i++)
        differs = differs | (uint8_t)(a->bytes[i] ^ b->bytes[i]);
    return !differs;
}

static bool is_token_char(char c)
{
    return ('0' <= c && c <= '9') || ('a' <= (c | 0x20) && (c | 0x20) <= 'z') || (c && strchr("-._~+/=", c));
}

struct span token_of(struct span field)
{
    static const char scheme[] = "Bearer";
    const struct span none = { NULL, 0 };
    size_t skip = sizeof scheme - 1;
    if (field.len <= skip || strncasecmp(field.at, scheme, skip) != 0 || field.at[skip] != ' ')
        return none;
    while (skip < field.len && field.at[skip] == ' ')
        skip++;
    struct span token = { field.at + skip, field.len - skip };
    for (size_t i = 0; i < token.len; i++)
        if (!is_token_char(token.at[i]))
            return none;
    return token.len ? token : none;
}
