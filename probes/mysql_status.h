/* What servers say of replication, read by column names, and positions compared. Pure. */
#ifndef PROBES_MYSQL_STATUS_H
#define PROBES_MYSQL_STATUS_H

#include <stdbool.h>
#include <stddef.h>

enum { MYSQL_ERROR_TEXT = 200 };

struct mysql_row {
    unsigned count;
    const char *const *names, *const *values;       /* a value may be NULL */
};

/* One source that a replica follows. */
struct mysql_channel {
    char name[64], source[128];
    char io[24], sql[24];                           /* the threads' states: Yes, No, Connecting */
    bool has_lag;                                   /* false: NULL, which means broken, not zero */
    double lag;                                     /* seconds */
    unsigned io_errno, sql_errno;
    char io_error[MYSQL_ERROR_TEXT], sql_error[MYSQL_ERROR_TEXT];
};

/* A server's text, cut, and in one line. */
const char *mysql_shown(const char *text, char *room, size_t size);
const char *mysql_column(const struct mysql_row *, const char *name);      /* NULL: absent or NULL; any case */
/* One row of SHOW (ALL) REPLICA(S) STATUS or SHOW (ALL) SLAVE(S) STATUS, of MySQL or MariaDB. False: that is none. */
bool mysql_channel_read(const struct mysql_row *, struct mysql_channel *);
/* Why it does not replicate, or false. */
bool mysql_channel_broken(const struct mysql_channel *, char *room, size_t size);

enum mysql_gtid_form { MYSQL_GTID_NONE, MYSQL_GTID_MARIADB, MYSQL_GTID_MYSQL };
/* "0-1-100,1-2-5" is MariaDB's, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5" MySQL's. */
enum mysql_gtid_form mysql_gtid_form(const char *text);
/* MariaDB: every domain of want is at least that far in have. False: *missing is the first that is not. */
bool mysql_gtid_reached(const char *want, const char *have, char *missing, size_t size);

#endif
