#include "front/roles.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

const struct role_name role_names[] = {
    { "/primary", ROLE_PRIMARY }, { "/leader", ROLE_PRIMARY },     { "/master", ROLE_PRIMARY },     { "/read-write", ROLE_READ_WRITE },
    { "/replica", ROLE_REPLICA }, { "/read-only", ROLE_READ_ONLY }, { NULL, ROLE_PATH_COUNT },
};

static struct role_seen seen;

static const struct { const char *word; enum role_lag kind; double factor; } units[] = {
    { "", ROLE_LAG_BYTES, 1 },           { "B", ROLE_LAG_BYTES, 1 },          { "kB", ROLE_LAG_BYTES, 1024 },
    { "MB", ROLE_LAG_BYTES, 1048576 },   { "GB", ROLE_LAG_BYTES, 1073741824 }, { "TB", ROLE_LAG_BYTES, 1099511627776 },
    { "ms", ROLE_LAG_TIME, 0.001 },      { "s", ROLE_LAG_TIME, 1 },           { "min", ROLE_LAG_TIME, 60 },
    { "h", ROLE_LAG_TIME, 3600 },
};

bool roles_read_lag(struct span text, struct role_ask *ask)
{
    char room[32], *end;
    if (text.len == 0 || text.len >= sizeof room || !isdigit((unsigned char)*text.at))
        return false;
    memcpy(room, text.at, text.len);
    room[text.len] = '\0';
    if (room[strspn(room, "0123456789.")] == 'x')
        return false;
    double value = strtod(room, &end);
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].word)) {
            ask->lag = units[i].kind;
            ask->most = value * units[i].factor;
            return true;
        }
    return false;
}

unsigned roles_answer(uint32_t probe, const struct role_ask *ask, enum answer_format format, struct buf *body, uint64_t *oldest)
{
    const struct picture *pic = picture_probe(probe);
    const struct picture_probe *p = &pic->probes[0];
    struct role_answer a;
    role_see(&seen, p);
    role_judge(p, &seen, ask, &a);
    *oldest = p->had_outcome ? p->at : 0;
    if (format == ANSWER_TEXT)
        role_text(body, &a);
    else if (format != ANSWER_NOTHING)
        role_json(body, &a, p, clock_wall());
    picture_free(pic);
    return a.yes ? 200 : 503;
}

void roles_reset(void)
{
    seen = (struct role_seen){ .known = false };
}
