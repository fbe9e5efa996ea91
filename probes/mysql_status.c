#include "mysql_status.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- texts -------------------------------------------------------------------------------------------------- */

const char *mysql_shown(const char *text, char *room, size_t size)
{
    size_t at = 0;
    for (; text && *text && at + 4 < size; text++)
        room[at++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
    if (text && *text) {
        memcpy(room + at, "...", 3);
        at += 3;
    }
    room[at] = '\0';
    return room;
}

/* ---- replication -------------------------------------------------------------------------------------------- */

const char *mysql_column(const struct mysql_row *r, const char *name)
{
    for (unsigned i = 0; i < r->count; i++)
        if (!strcasecmp(r->names[i], name))
            return r->values[i];
    return NULL;
}

/* Old name and new name; MariaDB has no word for some. */
static const char *either(const struct mysql_row *r, const char *old, const char *new)
{
    const char *value = mysql_column(r, old);
    return value ? value : mysql_column(r, new);
}

static bool has(const struct mysql_row *r, const char *old, const char *new)
{
    for (unsigned i = 0; i < r->count; i++)
        if (!strcasecmp(r->names[i], old) || !strcasecmp(r->names[i], new))
            return true;
    return false;
}

static void text(char *room, size_t size, const char *value)
{
    snprintf(room, size, "%s", value ? value : "");
}

static unsigned number(const char *value)
{
    return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

bool mysql_channel_read(const struct mysql_row *r, struct mysql_channel *c)
{
    *c = (struct mysql_channel){ .has_lag = false };
    if (!has(r, "Slave_IO_Running", "Replica_IO_Running") || !has(r, "Slave_SQL_Running", "Replica_SQL_Running")
        || !has(r, "Seconds_Behind_Master", "Seconds_Behind_Source"))
        return false;
    text(c->io, sizeof c->io, either(r, "Slave_IO_Running", "Replica_IO_Running"));
    text(c->sql, sizeof c->sql, either(r, "Slave_SQL_Running", "Replica_SQL_Running"));
    text(c->name, sizeof c->name, either(r, "Connection_name", "Channel_Name"));
    const char *host = either(r, "Master_Host", "Source_Host"), *port = either(r, "Master_Port", "Source_Port");
    if (host)
        snprintf(c->source, sizeof c->source, "%.100s%s%.10s", host, port ? ":" : "", port ? port : "");
    const char *lag = either(r, "Seconds_Behind_Master", "Seconds_Behind_Source");
    char *end = NULL;
    c->lag = lag ? strtod(lag, &end) : 0;
    c->has_lag = lag && end != lag && !*end && c->lag >= 0 && c->lag < 1e12;
    c->io_errno = number(mysql_column(r, "Last_IO_Errno"));
    c->sql_errno = number(mysql_column(r, "Last_SQL_Errno"));
    text(c->io_error, sizeof c->io_error, mysql_column(r, "Last_IO_Error"));
    text(c->sql_error, sizeof c->sql_error, mysql_column(r, "Last_SQL_Error"));
    return true;
}

static bool thread_broken(const char *what, const char *state, unsigned code, const char *error, char *room, size_t size)
{
    if (!strcasecmp(state, "Yes"))
        return false;
    static const struct { const char *state, *text; } words[] = {
        { "No", "is stopped" }, { "Connecting", "is still connecting" }, { "Preparing", "is about to connect" },
    };
    const char *is = state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(state, words[i].state))
            is = words[i].text;
    if (code)
        snprintf(room, size, "the %s thread %s: error %u: %s", what, is, code, error);
    else
        snprintf(room, size, "the %s thread %s", what, is);
    return true;
}

bool mysql_channel_broken(const struct mysql_channel *c, char *room, size_t size)
{
    if (thread_broken("SQL", c->sql, c->sql_errno, c->sql_error, room, size)) {
        size_t used = strlen(room);
        if (strcasecmp(c->io, "Yes") != 0)
            snprintf(room + used, size - used, "; the IO thread says %s", c->io);
        return true;
    }
    if (thread_broken("IO", c->io, c->io_errno, c->io_error, room, size))
        return true;
    if (!c->has_lag)
        snprintf(room, size, "both threads run, but the lag is NULL");
    return !c->has_lag;
}

/* ---- positions ---------------------------------------------------------------------------------------------- */

struct gtid { unsigned long domain, server; unsigned long long number; };

/* One "d-s-n" at *at, which moves behind it and a comma. */
static bool gtid_next(const char **at, struct gtid *g)
{
    char *end;
    const char *t = *at + strspn(*at, " \n");
    if (!isdigit((unsigned char)*t))
        return false;
    g->domain = strtoul(t, &end, 10);
    if (*end != '-' || !isdigit((unsigned char)end[1]))
        return false;
    g->server = strtoul(end + 1, &end, 10);
    if (*end != '-' || !isdigit((unsigned char)end[1]))
        return false;
    g->number = strtoull(end + 1, &end, 10);
    end += strspn(end, " \n");
    *at = end + (*end == ',');
    return *end == ',' || !*end;
}

static bool is_uuid(const char *t)
{
    for (unsigned i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? t[i] != '-' : !isxdigit((unsigned char)t[i]))
            return false;
    return true;
}

/* What follows the UUID: ":1-5:9", with tags in newer versions. It goes into a statement: nothing that could end a quote. */
static bool is_mysql_set(const char *t)
{
    for (;;) {
        t += strspn(t, " \n");
        if (strlen(t) < 38 || !is_uuid(t) || t[36] != ':')
            return false;
        t += 36;
        t += strspn(t, "0123456789:-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        t += strspn(t, " \n");
        if (!*t)
            return true;
        if (*t++ != ',')
            return false;
    }
}

enum mysql_gtid_form mysql_gtid_form(const char *all)
{
    struct gtid g;
    const char *at = all;
    while (*at && gtid_next(&at, &g))
        if (!*at)
            return at[-1] == ',' ? MYSQL_GTID_NONE : MYSQL_GTID_MARIADB;
    return is_mysql_set(all) ? MYSQL_GTID_MYSQL : MYSQL_GTID_NONE;
}

static bool domain_reached(const struct gtid *want, const char *have)
{
    struct gtid g;
    while (*have && gtid_next(&have, &g))
        if (g.domain == want->domain && g.number >= want->number)
            return true;
    return false;
}

bool mysql_gtid_reached(const char *want, const char *have, char *missing, size_t size)
{
    struct gtid g;
    while (*want && gtid_next(&want, &g))
        if (!domain_reached(&g, have)) {
            snprintf(missing, size, "%lu-%lu-%llu", g.domain, g.server, g.number);
            return false;
        }
    return true;
}
