/* What decides who may come in: networks, files of token hashes, Authorization fields. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/network.h"
#include "base/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

/* A network holds its own first address, and, unless it is all of them, not the one with its first bit turned. */
static void check_network(const char *text)
{
    struct network n;
    struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
    if (network_parse(text, &n))
        return;
    require(n.bits <= 128 && strspn(text, "0123456789abcdefABCDEF:./") == strlen(text));
    memcpy(six.sin6_addr.s6_addr, n.bytes, 16);
    require(network_holds(&n, (struct sockaddr *)&six));
    six.sin6_addr.s6_addr[0] ^= 0x80;
    require(network_holds(&n, (struct sockaddr *)&six) == (n.bits == 0));
}

static void check_hashes(const char *text, size_t size)
{
    static struct token_hash hashes[TOKEN_HASHES_MAX];
    const char *why;
    unsigned count = token_hashes(text, size, hashes, &why);
    require(!count == !!why && count <= TOKEN_HASHES_MAX);
    require(size >= count * (size_t)(2 * TOKEN_HASH));
    for (unsigned i = 0; i < count; i++)
        require(token_same(&hashes[i], &hashes[0]) == !memcmp(&hashes[i], &hashes[0], TOKEN_HASH));
}

static void check_field(const char *text, size_t size)
{
    struct span token = token_of((struct span){ text, size });
    if (!token.at)
        return;
    require(token.len && token.at + token.len == text + size && !strncasecmp(text, "bearer ", 7));
    for (size_t i = 0; i < token.len; i++)
        require(token.at[i] > ' ' && token.at[i] < 0x7f && token.at[i] != ',' && token.at[i] != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = strndup((const char *)data, size);
    check_network(copy);
    check_hashes((const char *)data, size);
    check_field((const char *)data, size);
    free(copy);
    return 0;
}
