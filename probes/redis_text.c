#include "redis_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "redis_resp.h"

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* In this order: the first that the error begins with. */
static const struct { const char *begin; enum vital_reason reason; } errors[] = {
    { "NOAUTH", VITAL_R_AUTH },
    { "WRONGPASS", VITAL_R_AUTH },
    { "ERR invalid password", VITAL_R_AUTH },
    { "ERR AUTH ", VITAL_R_AUTH },
    { "ERR Client sent AUTH", VITAL_R_AUTH },
    { "NOPERM", VITAL_R_PERMISSION },
    { "DENIED", VITAL_R_PERMISSION },
    { "LOADING", VITAL_R_LOADING },
    { "BUSY ", VITAL_R_BUSY },
    { "UNKILLABLE", VITAL_R_BUSY },
    { "MISCONF", VITAL_R_PERSISTENCE },
    { "OOM", VITAL_R_MEMORY },
    { "MASTERDOWN", VITAL_R_REPLICATION },
    { "NOREPLICAS", VITAL_R_REPLICATION },
    { "READONLY", VITAL_R_READ_ONLY },
    { "CLUSTERDOWN", VITAL_R_CLUSTER },
    { "TRYAGAIN", VITAL_R_CLUSTER },
    { "MOVED", VITAL_R_CONFIG },
    { "ASK ", VITAL_R_CONFIG },
    { "NOQUORUM", VITAL_R_QUORUM },
    { "ERR max number of clients", VITAL_R_TOO_MANY_CLIENTS },
    { "ERR This instance has cluster support disabled", VITAL_R_CONFIG },
    { "ERR No such master", VITAL_R_CONFIG },
    { "ERR DB index is out of range", VITAL_R_NO_DATABASE },
    { "ERR invalid DB index", VITAL_R_NO_DATABASE },
    { "ERR SELECT is not allowed in cluster mode", VITAL_R_CONFIG },
    { "ERR unknown command", VITAL_R_CONFIG },
    { "ERR unknown subcommand", VITAL_R_CONFIG },
};

enum vital_reason redis_error_reason(const char *text, size_t len, enum vital_reason other)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        size_t n = strlen(errors[i].begin);
        if (len >= n && !strncasecmp(text, errors[i].begin, n))
            return errors[i].reason;
    }
    return other;
}

/* ---- INFO --------------------------------------------------------------------------------------------------- */

struct redis_part redis_field(const char *info, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, n) && line[n] == ':')
            return (struct redis_part){ line + n + 1, strcspn(line + n + 1, "\r\n") };
    }
    return (struct redis_part){ NULL, 0 };
}

bool redis_field_is(const char *info, const char *name, const char *value)
{
    struct redis_part p = redis_field(info, name);
    return p.at && p.len == strlen(value) && !memcmp(p.at, value, p.len);
}

static bool number_of(struct redis_part p, double *value)
{
    char digits[40];
    if (!p.at || !p.len || p.len >= sizeof digits)
        return false;
    memcpy(digits, p.at, p.len);
    digits[p.len] = '\0';
    char *end;
    double v = strtod(digits, &end);
    if (*end || !(v > -1e18 && v < 1e18)) /* not NaN either */
        return false;
    *value = v;
    return true;
}

bool redis_field_number(const char *info, const char *name, double *value)
{
    return number_of(redis_field(info, name), value);
}

static bool next_part(struct redis_part *rest, char separator, struct redis_part *part)
{
    if (!rest->at || !rest->len)
        return false;
    const char *end = memchr(rest->at, separator, rest->len);
    size_t len = end ? (size_t)(end - rest->at) : rest->len;
    *part = (struct redis_part){ rest->at, len };
    size_t used = len + (end != NULL);
    *rest = (struct redis_part){ rest->at + used, rest->len - used };
    return true;
}

static bool part_value(struct redis_part pair, const char *name, struct redis_part *value)
{
    size_t n = strlen(name);
    if (pair.len <= n || memcmp(pair.at, name, n) != 0 || pair.at[n] != '=')
        return false;
    *value = (struct redis_part){ pair.at + n + 1, pair.len - n - 1 };
    return true;
}

bool redis_replica_nth(const char *info, unsigned n, struct redis_replica *r)
{
    char name[24], host[80], number[32];
    snprintf(name, sizeof name, "slave%u", n);
    struct redis_part rest = redis_field(info, name), pair, value, ip = { "?", 1 }, port = { "?", 1 };
    if (!rest.at)
        return false;
    *r = (struct redis_replica){ .online = false };
    while (next_part(&rest, ',', &pair)) {
        if (part_value(pair, "ip", &value))
            ip = value;
        else if (part_value(pair, "port", &value))
            port = value;
        else if (part_value(pair, "state", &value))
            r->online = value.len == 6 && !memcmp(value.at, "online", 6);
        else if (part_value(pair, "offset", &value))
            number_of(value, &r->offset);
        else if (part_value(pair, "lag", &value))
            number_of(value, &r->lag);
    }
    redis_shown(ip.at, ip.len, 48, host, sizeof host);
    redis_shown(port.at, port.len < 5 ? port.len : 5, 5, number, sizeof number);
    snprintf(r->name, sizeof r->name, strchr(host, ':') ? "[%.48s]:%.10s" : "%.48s:%.10s", host, number);
    return true;
}

/* ---- CLUSTER NODES ------------------------------------------------------------------------------------------ */

static unsigned flags_of(struct redis_part text)
{
    static const struct { const char *word; unsigned flag; } words[] = {
        { "myself", REDIS_MYSELF }, { "master", REDIS_MASTER }, { "slave", REDIS_REPLICA }, { "fail?", REDIS_SUSPECTED },
        { "fail", REDIS_FAILED }, { "noaddr", REDIS_NO_ADDRESS }, { "handshake", REDIS_HANDSHAKE },
    };
    unsigned flags = 0;
    struct redis_part word;
    while (next_part(&text, ',', &word))
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (word.len == strlen(words[i].word) && !memcmp(word.at, words[i].word, word.len))
                flags |= words[i].flag;
    return flags;
}

/* "10.0.0.1:6379@16379,cache-1.example": older servers lack the bus port, newer ones add a name. IPv6 is bare: "::1:6379". */
static void take_address(struct redis_node *n, struct redis_part text)
{
    struct redis_part rest = text, address = { NULL, 0 };
    if (!next_part(&rest, ',', &address))
        return;
    next_part(&rest, ',', &n->name);
    if (memchr(n->name.at ? n->name.at : "=", '=', n->name.at ? n->name.len : 1))
        n->name = (struct redis_part){ NULL, 0 }; /* "shard-id=...": an auxiliary field, and no name before it */
    const char *bus = memchr(address.at, '@', address.len);
    if (bus)
        address.len = (size_t)(bus - address.at);
    const char *colon = memrchr(address.at, ':', address.len);
    if (!colon)
        return;
    n->host = (struct redis_part){ address.at, (size_t)(colon - address.at) };
    n->port = (struct redis_part){ colon + 1, address.len - n->host.len - 1 };
}

/* "0-5460" or "77"; slots on their way ("[77->-id]") are counted where they are. */
static unsigned take_slots(struct redis_part text, bool *map, bool served)
{
    unsigned count = 0;
    char digits[16], *after;
    if (text.len >= sizeof digits || *text.at == '[')
        return 0;
    memcpy(digits, text.at, text.len);
    digits[text.len] = '\0';
    unsigned long low = strtoul(digits, &after, 10), high = *after == '-' ? strtoul(after + 1, NULL, 10) : low;
    if (after == digits || low >= REDIS_SLOTS)
        return 0;
    for (unsigned long slot = low; slot <= high && slot < REDIS_SLOTS; slot++, count++)
        map[slot] |= served;
    return count;
}

enum { LINE_WORDS = 8 };

static bool take_node(struct redis_node *n, struct redis_part line, bool *map)
{
    struct redis_part words[LINE_WORDS] = { 0 }, slots;
    for (unsigned i = 0; i < LINE_WORDS; i++)
        if (!next_part(&line, ' ', &words[i]) || !words[i].len)
            return false;
    *n = (struct redis_node){ .id = words[0], .flags = flags_of(words[2]) };
    take_address(n, words[1]);
    if (words[3].len > 1)
        n->master = words[3];
    while (next_part(&line, ' ', &slots))
        if (slots.len)
            n->slots += take_slots(slots, map, !(n->flags & REDIS_FAILED));
    return n->flags & (REDIS_MASTER | REDIS_REPLICA | REDIS_HANDSHAKE | REDIS_NO_ADDRESS) || n->host.at;
}

static unsigned count_lines(const char *text)
{
    unsigned n = 1;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

bool redis_nodes_parse(const char *text, struct redis_nodes *out)
{
    bool map[REDIS_SLOTS] = { false };
    unsigned lines = count_lines(text);
    bool good = true;
    *out = (struct redis_nodes){ .crowded = lines > REDIS_NODES_CAP };
    out->items = redis_alloc((out->crowded ? REDIS_NODES_CAP : lines) * sizeof *out->items);
    struct redis_part rest = { text, strlen(text) }, line;
    while (good && out->count < REDIS_NODES_CAP && next_part(&rest, '\n', &line)) {
        line.len -= line.len && line.at[line.len - 1] == '\r';
        if (line.len)
            good = take_node(&out->items[out->count++], line, map);
    }
    for (unsigned i = 0; i < REDIS_SLOTS; i++)
        out->served += map[i];
    if (!good || !out->count)
        redis_nodes_free(out);
    return good && out->count;
}

void redis_nodes_free(struct redis_nodes *nodes)
{
    redis_free(nodes->items);
    *nodes = (struct redis_nodes){ .items = NULL };
}

unsigned redis_node_replicas(const struct redis_nodes *nodes, const struct redis_node *master)
{
    unsigned count = 0;
    for (unsigned i = 0; i < nodes->count; i++) {
        const struct redis_node *n = &nodes->items[i];
        count += n->flags & REDIS_REPLICA && !(n->flags & (REDIS_FAILED | REDIS_SUSPECTED | REDIS_NO_ADDRESS))
              && n->master.len == master->id.len && !memcmp(n->master.at, master->id.at, master->id.len);
    }
    return count;
}

/* ---- addresses, and bytes for people ------------------------------------------------------------------------ */

static const char *take_port(const char *text, struct redis_address *a)
{
    size_t len = strlen(text);
    if (!len || len > 5 || strspn(text, "0123456789") != len || strtol(text, NULL, 10) < 1 || strtol(text, NULL, 10) > 65535)
        return "a port is a number from 1 to 65535";
    snprintf(a->port, sizeof a->port, "%s", text);
    return NULL;
}

const char *redis_address_parse(const char *text, const char *default_port, struct redis_address *a)
{
    bool bracket = *text == '[';
    const char *host = text + bracket, *end = bracket ? strchr(host, ']') : NULL;
    if (bracket && !end)
        return "']' is missing";
    if (!bracket)
        end = host + strcspn(host, ":");
    size_t len = (size_t)(end - host);
    if (!len || len >= sizeof a->host)
        return "a host name or address is expected";
    if (host[strcspn(host, "/@ \t")])
        return "an address is host:port or [IPv6]:port";
    memcpy(a->host, host, len);
    a->host[len] = '\0';
    const char *rest = end + bracket;
    if (!*rest)
        return take_port(default_port, a);
    if (*rest != ':' || (!bracket && strchr(rest + 1, ':')))
        return "an address is host:port or [IPv6]:port";
    return take_port(rest + 1, a);
}

const char *redis_shown(const char *bytes, size_t len, size_t most, char *room, size_t size)
{
    size_t out = 0, i = 0;
    for (; i < len && i < most && out + 8 < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool plain = c >= 0x20 && c < 0x7f;
        out += (size_t)snprintf(room + out, size - out, plain ? "%c" : "\\x%02x", c);
    }
    snprintf(room + out, size - out, "%s", i < len ? "..." : "");
    return room;
}
