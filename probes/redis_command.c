/* Commands of the user's own, with what they should yield: queue lengths, keys that must exist. */
#include <stdio.h>
#include <stdlib.h>

#include "redis_parts.h"

enum { COMMAND_TEXT = 512, VALUE_SHOWN = 80 };

struct words { char room[COMMAND_TEXT]; const char *at[REDIS_WORDS_MAX]; unsigned count; bool over; };

static void add_word(struct words *w, size_t *used, const char *text, size_t len)
{
    if (w->count == REDIS_WORDS_MAX || *used + len + 1 > sizeof w->room) {
        w->over = true;
        return;
    }
    memcpy(w->room + *used, text, len);
    w->room[*used + len] = '\0';
    w->at[w->count++] = w->room + *used;
    *used += len + 1;
}

/* One text is split at its spaces; a list is taken as it is, so that a word may hold spaces. */
static void split(const struct redis_command *c, struct words *w)
{
    const char *const *items = c->command.items;
    size_t used = 0;
    w->count = 0;
    w->over = false;
    if (c->command.count != 1) {
        for (unsigned i = 0; i < c->command.count; i++)
            add_word(w, &used, items[i], strlen(items[i]));
        return;
    }
    for (const char *at = items[0]; *(at += strspn(at, " \t"));) {
        size_t len = strcspn(at, " \t");
        add_word(w, &used, at, len);
        at += len;
    }
}

void redis_command_ask(struct redis_link *l, unsigned question, const struct redis_command *c)
{
    struct words w;
    split(c, &w);
    redis_link_ask(l, question, w.count, w.at, NULL);
}

static const char *label_of(const struct redis_command *c, char *room, size_t size)
{
    const char *const *items = c->command.items;
    size_t used = 0;
    room[0] = '\0';
    if (c->name) {
        snprintf(room, size, "%s", c->name);
        return room;
    }
    for (unsigned i = 0; i < c->command.count && used < size; i++)
        used += (size_t)snprintf(room + used, size - used, "%s%s", i ? " " : "", items[i]);
    return room;
}

/* ---- judging ------------------------------------------------------------------------------------------------ */

/* An array is worth its length; text counts when it is a number from end to end. */
static bool number_of(const struct redis_value *v, double *number)
{
    char *end;
    switch (v->kind) {
    case REDIS_INTEGER: *number = (double)v->integer; return true;
    case REDIS_ARRAY: *number = v->count; return true;
    case REDIS_TEXT:
    case REDIS_STATUS:
        if (!v->len)
            return false;
        *number = strtod(v->text, &end);
        return end == v->text + v->len && *number > -1e300 && *number < 1e300;
    default: return false;
    }
}

static const char *text_of(const struct redis_value *v, char room[32], size_t *len)
{
    if (v->kind == REDIS_INTEGER)
        snprintf(room, 32, "%lld", v->integer);
    else
        snprintf(room, 32, v->kind == REDIS_NIL ? "(nil)" : "(%u elements)", v->count);
    *len = v->text ? v->len : strlen(room);
    return v->text ? v->text : room;
}

static void judge_limits(struct redis *r, const struct redis_command *c, bool was[4], const char *label, double number)
{
    const struct found_ceiling ceiling = { c->warn_above, c->fail_above };
    const struct found_floor floor = { c->warn_below, c->fail_below };
    found_above(&r->found, &ceiling, was, &(struct found_measure){ FOUND_COUNT, number, 0, VITAL_R_THRESHOLD }, "%s is %.10g", label, number);
    found_below(&r->found, &floor, was + 2, &(struct found_measure){ FOUND_COUNT, number, 0, VITAL_R_THRESHOLD }, "%s is %.10g", label, number);
}

static bool has_limits(const struct redis_command *c)
{
    return c->warn_above.set || c->fail_above.set || c->warn_below.set || c->fail_below.set;
}

void redis_command_judge(struct vital_probe *p, unsigned which, const struct redis_value *v)
{
    const struct redis_conf *conf = p->conf;
    const struct redis_command *c = (const struct redis_command *)conf->commands.items + which;
    struct redis *r = p->priv;
    char label[64], room[32], shown[VALUE_SHOWN * 4 + 8];
    size_t len;
    double number;
    label_of(c, label, sizeof label);
    if (v->kind == REDIS_ERROR) {
        redis_error(r, label, v, VITAL_R_QUERY);
        return;
    }
    bool numeric = number_of(v, &number);
    const char *text = text_of(v, room, &len);
    redis_shown(text, len, VALUE_SHOWN, shown, sizeof shown);
    if (numeric)
        vital_number_of(p, REDIS_N_COMMAND, label, number);
    if (c->equals && (strlen(c->equals) != len || memcmp(c->equals, text, len) != 0))
        found_add(&r->found, VITAL_FAIL, VITAL_R_MISMATCH, "%s is \"%s\", not \"%s\"", label, shown, c->equals);
    if (c->matches && !p->host->match(p, c->matches, text, len))
        found_add(&r->found, VITAL_FAIL, VITAL_R_MISMATCH, "%s is \"%s\", which does not match", label, shown);
    if (numeric)
        judge_limits(r, c, r->was.commands[which], label, number);
    else if (has_limits(c))
        found_add(&r->found, VITAL_FAIL, VITAL_R_MISMATCH, "%s is \"%s\", which is not a number", label, shown);
}

/* ---- prepare() ---------------------------------------------------------------------------------------------- */

/* They block, change what the connection is, answer more than once, or do harm. */
static const char *const refused[] = {
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR", "SYNC", "PSYNC", "REPLCONF",
    "HELLO", "RESET", "QUIT", "AUTH", "SELECT", "MULTI", "EXEC", "DISCARD", "WATCH", "CLIENT", "READONLY", "READWRITE", "ASKING",
    "BLPOP", "BRPOP", "BLMOVE", "BLMPOP", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF", "SHUTDOWN", "DEBUG",
    "FLUSHALL", "FLUSHDB", "SWAPDB", "FAILOVER", "REPLICAOF", "SLAVEOF", "SAVE", "MIGRATE", NULL,
};

bool redis_command_check(const struct redis_command *c, struct vital_diag *d)
{
    struct words w;
    split(c, &w);
    if (!w.count || w.over) {
        d->error(d, "commands", "a command has from 1 to %d words, %d bytes in all", REDIS_WORDS_MAX, COMMAND_TEXT - REDIS_WORDS_MAX);
        return false;
    }
    for (unsigned i = 0; refused[i]; i++)
        if (!strcasecmp(w.at[0], refused[i])) {
            d->error(d, "commands", "%s is not for a health check: it waits, changes the connection or does harm", refused[i]);
            return false;
        }
    if (!strcasecmp(w.at[0], "KEYS"))
        d->warning(d, "commands", "KEYS walks through all keys while every other client waits");
    return true;
}
