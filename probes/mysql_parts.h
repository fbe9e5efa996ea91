/* The mysql module's parts: its options, the job that a helper thread does, and who does what.
 *
 * libmariadb blocks: in name service, in connect, in the TLS handshake. So one attempt is one job: mysql.c copies all that
 * it needs into a block and submits it, mysql_run.c (the only one that knows the library) asks the server and writes down
 * what it said, mysql_judge.c, back on the loop, says what that means. mysql_error.c and mysql_status.c are pure. */
#ifndef PROBES_MYSQL_PARTS_H
#define PROBES_MYSQL_PARTS_H

#include "found.h"
#include "mysql_status.h"
#include "vital_probe.h"

enum { MYSQL_SSL_AUTO, MYSQL_SSL_DISABLE, MYSQL_SSL_REQUIRE, MYSQL_SSL_VERIFY_CA, MYSQL_SSL_VERIFY_FULL };
enum { MYSQL_ROLE_ANY, MYSQL_ROLE_PRIMARY, MYSQL_ROLE_REPLICA };
enum { MYSQL_REPLICATION_AUTO, MYSQL_REPLICATION_REQUIRED, MYSQL_REPLICATION_IGNORE };

enum {
    MYSQL_QUERIES_MAX = 8,
    MYSQL_CHANNELS_MAX = 16,
    MYSQL_ROWS_MAX = 10000,         /* of a query of the user's; more end the conversation */
    MYSQL_VALUE_MAX = 1024,
    MYSQL_THREADS = 8,              /* started when they are needed */
    MYSQL_SERVER_THREADS = 2,       /* that attempts at one server may hold: one that hangs takes none from the others */
    MYSQL_WHERE = 160,
};

struct mysql_tls_conf { const char *ca, *cert; const struct vital_secret *key; };

struct mysql_query {
    const char *query, *name, *equals;
    const struct vital_regex *matches;
    struct vital_threshold warn_above, fail_above, warn_below, fail_below;
    int64_t min_rows, max_rows;     /* max -1: none */
};

struct mysql_conf {
    const struct vital_url *url;
    const char *host;
    int64_t port;
    const char *socket, *user;
    const struct vital_secret *password;
    const char *database;
    uint8_t sslmode;
    struct mysql_tls_conf tls;
    uint8_t role, replication;
    struct found_ceiling lag, connections;
    const char *gtid;
    struct vital_list queries;
    struct vital_threshold warn_above;
};

enum mysql_number {
    MYSQL_N_LOGIN, MYSQL_N_TOTAL, MYSQL_N_UPTIME, MYSQL_N_READ_ONLY, MYSQL_N_CONNECTIONS, MYSQL_N_CONNECTIONS_MAX,
    MYSQL_N_CONNECTIONS_RATIO, MYSQL_N_RUNNING, MYSQL_N_REFUSED, MYSQL_N_CHANNELS, MYSQL_N_IO_RUNNING, MYSQL_N_SQL_RUNNING,
    MYSQL_N_LAG, MYSQL_N_QUERY_VALUE, MYSQL_N_QUERY_ROWS, MYSQL_N_QUERY_SECONDS, MYSQL_NUMBERS,
};

/* What the thread is about: read by the loop when the attempt's time is over. */
enum mysql_stage { MYSQL_QUEUED, MYSQL_LOGIN, MYSQL_STATUS, MYSQL_REPLICATION, MYSQL_GTID, MYSQL_LIMITS, MYSQL_QUERY /* + which */ };

/* An error number of 0 means that it went well. */
struct mysql_failure { unsigned code; char text[MYSQL_ERROR_TEXT + 60]; };

struct mysql_answer {
    struct mysql_failure failure;
    bool asked, has_value, cut;     /* has_value: there is a row, and its first column is not NULL */
    unsigned rows;
    uint64_t took;
    char value[MYSQL_VALUE_MAX];
};

/* What to ask. All texts are copies inside the job. */
struct mysql_ask {
    const char *host, *socket, *user, *password, *database;
    unsigned port;
    bool tls, verify;               /* verify: the name too */
    const char *ca, *cert;
    const char *key;                /* PEM; NULL: none */
    bool replication;
    const char *gtid;               /* NULL: not asked for */
    const char *queries[MYSQL_QUERIES_MAX];
    unsigned query_count;
};

/* What was answered. */
struct mysql_seen {
    bool complete;                          /* everything was asked */
    struct mysql_failure failure;           /* what ended it before */
    enum mysql_stage failed_at;
    bool no_tls;                            /* the server let us in, but without TLS */
    bool mariadb;
    char version[64];
    uint64_t login;                         /* usec */
    bool read_only;
    double connections, connections_max, running, refused, uptime;     /* < 0: not said */
    struct mysql_failure replication;
    bool strange_replication;               /* rows without the columns that are needed */
    struct mysql_channel channels[MYSQL_CHANNELS_MAX];
    unsigned channel_count;                 /* may be more than are kept */
    struct mysql_failure gtid;
    bool gtid_reached;                      /* MySQL */
    char gtid_at[512];                      /* MariaDB */
    struct mysql_answer answers[MYSQL_QUERIES_MAX];
};

struct mysql_job {
    struct mysql_job **mine;                /* loop only: the probe's pointer to this, cleared when the thread is done with it */
    struct mysql_job *next;                 /* loop only */
    size_t size;
    uint64_t submitted, deadline;           /* of mysql_clock() */
    _Atomic uint64_t started;               /* the same; 0: no thread has it yet */
    _Atomic int stage;
    char where[MYSQL_WHERE];
    struct mysql_ask ask;
    struct mysql_seen seen;
    size_t used;
    char room[];
};

struct mysql {
    struct mysql_job *job;                  /* also after the attempt, as long as a thread has it */
    uint64_t began, allowed;
    bool was_lag[MYSQL_CHANNELS_MAX][2], was_connections[2], was_slow, was_value[MYSQL_QUERIES_MAX][2][2];
};

/* mysql_conf.c */
extern const struct vital_opt mysql_opts[];
bool mysql_prepare(void *conf, struct vital_diag *);
unsigned mysql_sslmode(const struct mysql_conf *);                     /* never AUTO */
const char *mysql_user(const struct mysql_conf *);
const struct vital_secret *mysql_password(const struct mysql_conf *);
const char *mysql_socket(const struct mysql_conf *);                    /* NULL: TCP */
const char *mysql_host(const struct mysql_conf *);
unsigned mysql_port_number(const struct mysql_conf *);
bool mysql_database(const struct mysql_conf *, char *room, size_t size);   /* false: the URL's is no name; "" = none */
const char *mysql_where(const struct mysql_conf *, char room[MYSQL_WHERE]);
const char *mysql_target(const void *conf, char *room, size_t size);
const char *mysql_query_name(const struct mysql_conf *, unsigned which, char *room, size_t size);
bool mysql_needs_replication(const struct mysql_conf *);                /* replication that is absent or not seen is a failure */

/* mysql_run.c: in a helper thread */
uint64_t mysql_clock(void);                                             /* monotonic, usec */
void mysql_job_run(void *block);

/* mysql_judge.c: on the loop, ends the attempt */
extern const struct vital_number mysql_numbers[];
void mysql_judge(struct vital_probe *, const struct mysql_seen *);
const char *mysql_stage_text(const struct mysql_conf *, int stage, char *room, size_t size);

#endif
