/* link: probes/mysql_status.c probes/mysql_error.c */
/* What a MySQL or MariaDB server says: a row of replication status under names of its own choice, positions, error texts. The first
 * byte says which: lines "name=value" are a row, two lines are positions, a number and a text are an error. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mysql_error.h"
#include "mysql_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

static void ends(const char *text, size_t room)
{
    require(memchr(text, '\0', room) != NULL);
}

static void as_row(char *text)
{
    enum { COLUMNS = 64 };
    static const char *names[COLUMNS], *values[COLUMNS];
    struct mysql_row row = { 0, names, values };
    struct mysql_channel c;
    char room[160];
    for (char *line, *rest = text; row.count < COLUMNS && (line = strsep(&rest, "\n"));) {
        names[row.count] = strsep(&line, "=");
        values[row.count++] = line;          /* without one: NULL */
    }
    if (!mysql_channel_read(&row, &c))
        return;
    ends(c.name, sizeof c.name), ends(c.source, sizeof c.source), ends(c.io, sizeof c.io), ends(c.sql, sizeof c.sql);
    ends(c.io_error, sizeof c.io_error), ends(c.sql_error, sizeof c.sql_error);
    require(!c.has_lag || (c.lag >= 0 && c.lag < 1e12));
    if (mysql_channel_broken(&c, room, sizeof room)) {
        ends(room, sizeof room);
        require(*room != '\0');
    } else {
        require(c.has_lag);
    }
}

/* What a server has reached, it has reached; and a position of nobody is no position. */
static void as_positions(char *text)
{
    char *have = text, *want = strsep(&have, "\n"), missing[80];
    ends(mysql_shown(want, missing, sizeof missing), sizeof missing);
    enum mysql_gtid_form form = mysql_gtid_form(want);
    require(*want || form == MYSQL_GTID_NONE);
    if (form != MYSQL_GTID_MARIADB)
        return;
    require(mysql_gtid_reached(want, want, missing, sizeof missing));
    if (!mysql_gtid_reached(want, have ? have : "", missing, sizeof missing))
        require(*missing && memchr(missing, '\0', sizeof missing));
}

static void as_error(char *text)
{
    char *message = text, *number = strsep(&message, " ");
    unsigned code = (unsigned)strtoul(number, NULL, 10);
    struct mysql_verdict v = mysql_error_verdict(code, message ? message : "");
    require(v.class < VITAL_CLASS_COUNT && v.reason < VITAL_REASON_COUNT && v.system >= 0);
    mysql_error_is_end(code);
    mysql_error_is_vague(code, message ? message : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(char *) = { as_row, as_positions, as_error };
    if (!size)
        return 0;
    char *text = malloc(size);
    require(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    readers[data[0] % 3](text);
    free(text);
    return 0;
}
