/* The postgres module's parts: its options, an attempt's state, and who does what.
 *
 * postgres.c          the attempt from start to end, and the module's tables    postgres_conf.c     options and prepare()
 * postgres_login.c    files, hosts, addresses: the way to a session            postgres_connect.c  libpq's login, off the loop where it computes
 * postgres_session.c  one connection: questions, holding, its end             postgres_chain.c    the server's certificate
 * postgres_sql.c      the one question about the server, and its answer         postgres_judge.c    what that answer means
 * postgres_text.c     errors, URLs, hosts and password files, taken apart       found.c             findings and thresholds
 *
 * What blocks in libpq never runs on the loop: names come from the host, files are read by a helper and handed over as
 * memory, the certificate is verified and the password is hashed (SCRAM: 3 to 7 ms) in a helper thread. */
#ifndef PROBES_POSTGRES_PARTS_H
#define PROBES_POSTGRES_PARTS_H

#include <postgresql/libpq-fe.h>

#include "found.h"
#include "postgres_text.h"
#include "vital_probe.h"

enum { PG_HOSTS_MAX = 8, PG_ADDRESSES_MAX = 8, PG_QUERIES_MAX = 8, PG_STANDBYS_MAX = 16, PG_LABEL = 64, PG_ROWS_CAP = 1000, PG_VALUE_CAP = 1024 };

enum pg_role { PG_ROLE_ANY, PG_ROLE_PRIMARY, PG_ROLE_STANDBY };
enum pg_severity { PG_SAYS_IGNORE, PG_SAYS_WARN, PG_SAYS_FAIL };

struct pg_query {
    const char *query, *name, *equals;
    const struct vital_regex *matches;
    struct vital_threshold warn_above, fail_above, warn_below, fail_below;
    int64_t min_rows, max_rows;
};

struct pg_tls_conf { const char *ca, *cert; const struct vital_secret *key; };

struct pg_conf {
    const struct vital_url *url;
    struct vital_list hosts;
    const char *user, *database, *passfile;
    const struct vital_secret *password;
    const char *sslmode;
    struct pg_tls_conf tls;
    bool pooler, hold;
    uint64_t login_every;
    uint8_t role, receiver;
    bool writable;
    struct found_ceiling lag, lag_bytes, connections, transaction_age, xid_age;
    struct vital_list standbys;
    struct found_floor standby_count, certificate;
    struct vital_list queries;
    struct vital_threshold warn_above;
};

enum pg_number {
    PG_N_RESOLVE, PG_N_LOGIN, PG_N_ASK, PG_N_TOTAL, PG_N_TLS, PG_N_CERT_DAYS, PG_N_STANDBY, PG_N_READ_ONLY, PG_N_LAG, PG_N_LAG_BYTES,
    PG_N_RECEIVER, PG_N_STANDBYS, PG_N_STANDBY_LAG, PG_N_STANDBY_LAG_BYTES, PG_N_CONNECTIONS, PG_N_CONNECTIONS_MAX, PG_N_CONNECTIONS_RATIO,
    PG_N_TRANSACTION_AGE, PG_N_XID_AGE, PG_N_XID_RATIO, PG_N_QUERY_VALUE, PG_N_QUERY_ROWS, PG_NUMBERS,
};

/* ---- the connection ----------------------------------------------------------------------------------------- */

/* What is known of the server's certificates. */
struct pg_chain {
    bool known;
    double days;                        /* of the one that expires first */
    char subject[100];
    enum vital_reason reason;           /* OK, or why it is not trusted */
    char text[200];
};

/* Where and how to log in: options and URL made one. */
struct pg_login {
    struct pg_host hosts[PG_HOSTS_MAX];
    unsigned host_count;
    char user[256], database[256], ca[256];
    enum pg_sslmode sslmode;
    bool pooler;
};

struct pg_tally;

struct pg_target {
    const struct pg_host *host;
    const char *address;                /* numeric; NULL: a socket's directory */
    const char *user, *database, *password;
    enum pg_sslmode sslmode;            /* never PG_SSL_AUTO */
    const char *ca;                     /* PEM; NULL: the system's */
    size_t ca_len;
    const char *cert, *key;             /* PEM; NULL: none */
    size_t cert_len, key_len;
    uint64_t statement_timeout;         /* 0: no start-up options, there is a pooler */
};

struct pg_session {
    PGconn *conn;
    struct vital_io *watch, *job;
    bool used, open;                    /* there is something to close; logged in */
    bool hashes;                        /* a password was given: the answers to it are computed in a thread */
    bool chain_checked, tls, local;
    enum pg_sslmode sslmode;
    struct pg_chain chain;
    char host[256];
    char *ca;
    size_t ca_len;
    int cert_fd, key_fd;                /* of memory that libpq reads as files; -1 = none */
    unsigned gulps;                     /* reads since the last whole piece of an answer */
    uint64_t received;                  /* bytes of the connection, at that time */
    /* the question that is being answered */
    void (*row)(struct vital_probe *, const PGresult *);
    void (*asked)(struct vital_probe *, const struct pg_error *);     /* NULL: answered in full */
    unsigned rows;
    struct pg_error error;
};

/* Calls pg_opened() or pg_refused(), later or at once. */
void pg_session_open(struct vital_probe *, struct pg_session *, const struct pg_target *);
/* Calls row() for each, up to PG_ROWS_CAP, and asked() at the end. simple: several commands in one text. */
void pg_session_ask(struct vital_probe *, struct pg_session *, const char *sql, bool simple,
                    void (*row)(struct vital_probe *, const PGresult *), void (*asked)(struct vital_probe *, const struct pg_error *));
/* Keeps it between attempts: whatever the server says then is a reason to look. */
void pg_session_hold(struct vital_probe *, struct pg_session *);
/* From held to asked again. */
void pg_session_resume(struct vital_probe *, struct pg_session *);
void pg_session_close(struct vital_probe *, struct pg_session *);
void pg_tally_leave(struct pg_tally *);      /* the probe goes */
/* The one of this attempt, and what both files do with it. */
/* One more read without a whole row, or before the login is done: true when it was too much. */
bool pg_session_is_flooded(struct pg_session *);
struct pg_session *pg_session_of(struct vital_probe *);
void pg_session_await(struct vital_probe *, struct pg_session *, unsigned what, vital_fd_fn *);
void pg_session_refuse(struct vital_probe *, struct pg_session *, const struct pg_error *);
void pg_session_refuse_because(struct vital_probe *, struct pg_session *, enum vital_reason, const char *text);
void pg_session_refuse_as_said(struct vital_probe *, struct pg_session *);      /* by libpq, on the connection */
void pg_close_fd(int *fd);
/* The same when the engine has closed what the attempt had opened. */
void pg_session_abandon(struct pg_session *);

/* ---- the answers -------------------------------------------------------------------------------------------- */

struct pg_standby { char name[PG_LABEL], state[16]; bool measured; double lag, now, replayed; };

struct pg_facts {
    bool known, recovery, read_only;
    int version;
    struct pg_standby own;              /* a standby, by itself: now = what it has received */
    bool lag_known, paused; double receivers;
    struct pg_standby standbys[PG_STANDBYS_MAX * 2];
    unsigned standby_count, streaming;
    bool connections_known; double connections, connections_max, connections_total;
    bool transactions_seen, transactions_known; double transaction_age, prepared_age;
    bool xid_known; double xid_age;
};

/* How long a standby has been behind is measured here: the server's replay_lag stands still while replay does. */
struct pg_mark { char name[PG_LABEL]; double position; uint64_t at; bool set; };

struct pg_was {
    bool lag[2], lag_bytes[2], connections[2], transaction_age[2], xid_age[2], standby_count[2], certificate[2], slow;
    bool standby_lag[PG_STANDBYS_MAX * 2][2], standby_lag_bytes[PG_STANDBYS_MAX * 2][2], queries[PG_QUERIES_MAX][4];
};

enum { PG_FILE_PASS, PG_FILE_CA, PG_FILE_CERT, PG_FILES };
struct pg_file { char *data; size_t len; };

/* Which hosts' logins are still being computed, after their attempt too: outlives the probe when it must. */
struct pg_tally { uint8_t busy; bool orphan; };

struct pg {
    struct pg_tally *tally;
    uint64_t began, login_began, ask_began, resolved;
    struct pg_login login;
    struct pg_session session, held;
    bool has_held, resumed;             /* this attempt asks the held session */
    uint64_t last_login;
    struct pg_file files[PG_FILES];
    unsigned file;
    unsigned host, address, address_count;
    char addresses[PG_ADDRESSES_MAX][64];
    bool plain;                         /* sslmode auto: this server has no TLS */
    struct vital_io *patience;
    /* why the hosts so far did not do */
    enum vital_reason reason;
    char failures[FOUND_TEXT];
    struct pg_facts facts;
    unsigned query;
    char value[PG_VALUE_CAP];
    size_t value_len;
    bool value_null, value_cut;
    struct found found;
    struct pg_was was;
    struct pg_mark own_mark, marks[PG_STANDBYS_MAX];
};

/* postgres.c */
void pg_opened(struct vital_probe *);
void pg_refused(struct vital_probe *, const struct pg_error *);
const char *pg_where(const struct pg *, char *room, size_t size);
void pg_fail(struct vital_probe *, enum vital_class, enum vital_reason, const char *text);     /* ends the attempt */
void pg_drop_files(struct pg *);

/* postgres_login.c */
void pg_begin_login(struct vital_probe *);
void pg_next_address(struct vital_probe *);             /* this one does not do */
void pg_note_failure(struct pg *, enum vital_reason, const char *text);
void pg_be_patient(struct vital_probe *, unsigned shares);  /* a new timer for its part of what is left */

/* postgres_conf.c */
extern const struct vital_opt pg_opts[];
bool pg_prepare(void *conf, struct vital_diag *);
/* NULL, or what is wrong, with the option's name in *option. */
const char *pg_login_read(const struct pg_conf *, struct pg_login *, const char **option);
const struct vital_secret *pg_password(const struct pg_conf *);

/* postgres_chain.c. Memory: zeroed and never NULL, cleared when freed. Certificates: verify off the loop, for it reads them. */
void *pg_alloc(size_t size);
void pg_free(void *, size_t size);
struct pg_trust { bool verify, names; const char *host, *ca; size_t ca_len; };
void pg_chain_read(void *ssl, struct pg_chain *);
void pg_chain_verify(void *ssl, const struct pg_trust *, struct pg_chain *);

/* postgres_sql.c */
enum { PG_SQL_CAP = 4096 };
void pg_sql_facts(const struct pg_conf *, char room[PG_SQL_CAP]);
void pg_sql_row(struct pg_facts *, const char *const cells[6]);
/* What a pooler gets: the same in a transaction that bounds itself. False: does not fit. */
bool pg_sql_bounded(const char *sql, uint64_t timeout, char *room, size_t size);

/* postgres_judge.c */
void pg_judge_role(struct pg *, const struct pg_conf *, const char *where);
bool pg_role_fits(const struct pg_conf *, const struct pg_facts *);
void pg_judge_facts(struct vital_probe *, const char *where);
void pg_judge_query(struct vital_probe *, const char *where);
void pg_judge_chain(struct vital_probe *, const struct pg_chain *);
double pg_standby_lag(struct pg_mark *, const struct pg_standby *, uint64_t now);   /* microseconds */

#endif
