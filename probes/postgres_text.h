/* What PostgreSQL, libpq and people say in text, taken apart by pure functions. */
#ifndef PROBES_POSTGRES_TEXT_H
#define PROBES_POSTGRES_TEXT_H

#include "vital_probe.h"

enum pg_sslmode { PG_SSL_AUTO, PG_SSL_DISABLE, PG_SSL_REQUIRE, PG_SSL_VERIFY_CA, PG_SSL_VERIFY_FULL, PG_SSL_REFUSED, PG_SSL_UNKNOWN };
enum pg_sslmode pg_sslmode_of(const char *word);        /* REFUSED: prefer, allow */
extern const char *const pg_sslmode_words[];

/* "db1:5433", "10.0.0.1", "[::1]:5432", "/run/postgresql", "/run/postgresql/.s.PGSQL.5433"; NULL, or what is wrong. */
struct pg_host { char host[256], port[6]; };
const char *pg_host_parse(const char *text, const char *default_port, struct pg_host *);
/* A socket's path: its directory and port. */
void pg_host_of_socket(const char *path, const char *default_port, struct pg_host *);
bool pg_host_is_local(const struct pg_host *);

/* The path and query of a URL: "/name?sslmode=require". False when it is not there, malformed or too long. */
bool pg_url_database(const char *path, char *room, size_t size);
bool pg_url_value(const char *path, const char *name, char *room, size_t size);

/* A line of a password file, host:port:database:user:password. */
bool pg_passfile_find(const char *text, size_t len, const char *const wanted[4], char *room, size_t size);

/* Why something failed. state: SQLSTATE, "" when the server did not say any. */
struct pg_error { enum vital_reason reason; bool internal; char state[6]; char text[240]; };
/* From libpq's verbose message; the SQLSTATE stands in it whatever the language. pooler: PgBouncer says all by 08P01. */
void pg_error_read(const char *message, bool pooler, struct pg_error *);
/* From an answer's fields; other: when the SQLSTATE tells nothing. */
void pg_error_of_state(const char *state, const char *text, bool pooler, struct pg_error *);
/* The server has no TLS to offer. */
bool pg_says_no_tls(const char *message);

/* At most `most` bytes of a stranger's first line, fit for a sentence. */
const char *pg_shown(const char *bytes, size_t len, size_t most, char *room, size_t size);

#endif
