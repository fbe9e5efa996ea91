/* URLs, addresses and queries: what is accepted keeps its promises, what is refused leaves nothing behind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void check(const char *error, bool to_listen, const struct url *u)
{
    static const struct url none;
    if (error) {
        require(!memcmp(u, &none, sizeof none));
        return;
    }
    for (const char *c = u->host; *c; c++)
        require(*c > ' ' && *c < 0x7f && !strchr("/@?#[]\\,", *c));
    require(!*u->host || !*u->unix_path);
    require(!*u->port || (to_listen && !strcmp(u->port, "0")) || (atoi(u->port) >= 1 && atoi(u->port) <= 65535 && u->port[0] != '0'));
    require(!*u->path || u->path[0] == '/');
    require(!*u->unix_path || u->unix_path[0] == '/');
    require(!strpbrk(u->path, " #\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct url u;
    const char *text = (const char *)data;
    char room[16];
    int family;
    check(url_parse(text, size, &u), false, &u);
    check(url_parse_address(text, size, false, &u), false, &u);
    check(url_parse_address(text, size, true, &u), true, &u);
    if (url_query(text, size, "exclude", room, sizeof room))
        require(strlen(room) < sizeof room);
    char *copy = strndup(text, size);
    url_is_numeric(copy, &family);
    free(copy);
    return 0;
}
