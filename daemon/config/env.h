/* Zero configuration: what the environment announces, as the same tree that a file would have given. */
#ifndef CONFIG_ENV_H
#define CONFIG_ENV_H

#include <stdbool.h>

#include "base/diag.h"
#include "config/environ.h"

struct node;

/* A store that one family of variables (DATABASE_*, REDIS_* ...) announces. */
struct env_store {
    const char *type;            /* the probe's type; NULL: announced, but nothing that we can check */
    const char *family;          /* "DATABASE" */
    const char *variable;        /* which variable announced it, for findings */
    const char *host, *port, *socket;
    const char *user, *database;
    const char *query;           /* without user and password; NULL = none */
    bool tls;                    /* rediss:// */
    const char *password;        /* the value, when it stood inside of a URL or DSN */
    const char *password_env, *password_file;   /* or where it is */
    const char *user_variable, *database_variable, *password_variable;     /* NULL: they stood in `variable` itself */
};

struct env_reader {
    struct arena *arena;         /* of the tree: may hold secrets */
    struct arena *names;         /* of the conf: variables' names stand in places */
    const struct environment *env;
    struct diag *diag;
};

/* The value of FAMILY_SUFFIX, or of the file that FAMILY_SUFFIX_FILE names; *variable says which of them. NULL: neither is set. */
const char *env_value(struct env_reader *, const char *family, const char *suffix, const char **variable);
struct diag_place env_place(struct env_reader *, const char *variable);

/* env_url.c: a URL or DSN taken apart; false after a finding that names the variable and never shows the value. */
bool env_read_url(struct env_reader *, const char *variable, const char *text, const char *family_type, struct env_store *);
bool env_read_dsn(struct env_reader *, const char *variable, const char *text, const char *family_type, struct env_store *);
bool env_read_host(struct env_reader *, const char *variable, const char *text, struct env_store *);
const char *env_type_of(const char *word);                /* "postgresql+psycopg", "pgsql" -> "postgres"; NULL = none of ours */
const char *env_type_of_port(const char *port);
bool env_is_port(const char *text);
const char *env_port_of(const struct env_store *);        /* the port that is in force */
/* The URL for the tree: everything but the password, and what has a variable of its own. */
const char *env_url_text(struct arena *, const struct env_store *);

#endif
