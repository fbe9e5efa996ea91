#include "config/weak.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/secret.h"
#include "config/conf.h"
#include "config/opt.h"

enum { LENGTH_LEAST = 8 };

/* ---- one password ------------------------------------------------------------------------------------------- */

static bool is(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && !strncasecmp(text, word, len);
}

static bool has(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++)
        if (!strncasecmp(text + i, word, n))
            return true;
    return false;
}

/* Whole words that guessing begins with, and those that images and tutorials come with. */
static const char *const common[] = {
    "password", "passw0rd", "password1", "password123", "passwd", "pass", "secret", "geheim", "default", "admin", "administrator", "root",
    "toor", "postgres", "postgresql", "mysql", "mariadb", "redis", "rabbitmq", "mongo", "guest", "user", "test", "testing", "testtest", "demo",
    "letmein", "welcome", "qwerty", "qwertyuiop", "qwerty123", "abc123", "abcd1234", "iloveyou", "foobar", "superuser", "supersecret",
    "topsecret", "mysecretpassword", "mypassword", "dbpassword", "grafana", "elastic", "flower", "celery", "vitald",
};
/* Found anywhere: somebody meant to come back. */
static const char *const placeholders[] = {
    "changeme", "change-me", "change_me", "change me", "changeit", "changethis", "change-this", "change_this", "replaceme", "replace-me",
    "replace_me", "your-password", "your_password", "yourpassword", "your-secret", "your_secret", "yoursecret", "example", "placeholder", "to-do", "fixme",
    "insert-", "insert_", "xxxx", "****", "dummy",
};

static bool is_run(const char *text, size_t len)
{
    for (int step = -1; step <= 1; step++) {
        size_t i = 1;
        while (i < len && text[i] - text[i - 1] == step)
            i++;
        if (i == len)
            return true;
    }
    return false;
}

static bool is_placeholder(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (has(text, len, placeholders[i]))
            return true;
    return len > 2 && (text[0] == '<' || text[0] == '[') && (text[len - 1] == '>' || text[len - 1] == ']');
}

const char *weak_password(const char *password, size_t len, const char *user, size_t user_len)
{
    if (!len)
        return "is empty";
    if (is_placeholder(password, len))
        return "is a placeholder";
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (is(password, len, common[i]))
            return "is one of the first that are tried";
    if (user_len && user_len == len && !strncasecmp(password, user, len))
        return "is the user's own name";
    if (is_run(password, len) || is(password, len, "1234567890"))
        return "is a run of characters";
    return len < LENGTH_LEAST ? "is shorter than 8 characters" : NULL;
}

/* ---- a variable --------------------------------------------------------------------------------------------- */

/* DB_PASSWORD and API_TOKEN, but neither DB_PASSWORD_FILE nor PASSWORD_MIN_LENGTH. */
static bool names_password(const char *name)
{
    static const char *const endings[] = { "PASSWORD", "PASSWD", "PASSPHRASE", "_PASS", "_PWD", "SECRET", "SECRET_KEY", "TOKEN", "API_KEY", "APIKEY" };
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (len >= n && !strcasecmp(name + len - n, endings[i]))
            return true;
    }
    return !strcasecmp(name, "PASS");
}

size_t weak_find_password(const char *name, const char *value, const char **password, const char **user, size_t *user_len)
{
    const char *authority = strstr(value, "://");
    if (names_password(name)) {
        *password = value;
        return strlen(value);
    }
    if (!authority)
        return 0;
    authority += 3;
    size_t room = strcspn(authority, "/?# \n"), login = room;
    while (login && authority[login - 1] != '@')
        login--;
    const char *colon = login ? memchr(authority, ':', login - 1) : NULL;
    if (!colon)
        return 0;
    *user = authority;
    *user_len = (size_t)(colon - authority);
    *password = colon + 1;
    return (size_t)(authority + login - 1 - *password);
}

/* ---- a probe ------------------------------------------------------------------------------------------------ */

static const char *user_of(const struct vital_opt *rows, const char *data, const char *prefix)
{
    const char *user = NULL;
    for (const struct vital_opt *row = rows; row->name; row++) {
        const void *field = data + row->offset;
        if (row->type == VITAL_URL && *(const struct vital_url *const *)field && !*prefix && !user)
            user = (*(const struct vital_url *const *)field)->user;
        if (row->type == VITAL_STRING && !strncmp(row->name, prefix, strlen(prefix)) && !strcmp(row->name + strlen(prefix), "user") &&
            *(const char *const *)field)
            user = *(const char *const *)field;
    }
    return user;
}

static void check_one(const struct conf_probe *p, const char *option, const struct vital_secret *s, const char *user, struct diag *d)
{
    static const char *const origins[] = { [SECRET_ENV] = "environment variable ", [SECRET_FILE] = "file ", [SECRET_CREDENTIAL] = "credential " };
    const char *why = weak_password(s->value, s->len, user, user ? strlen(user) : 0);
    if (why)
        diag_add(d, DIAG_WARNING, p->place, "probe `%s`: the password in `%s`%s%s%s%s %s: whoever guesses gets in; set one that is random", p->name, option,
                 s->origin ? " (" : "", s->origin ? origins[s->source] : "", s->origin ? s->origin : "", s->origin ? ")" : "", why);
}

static void check_rows(const struct conf_probe *p, const struct vital_opt *rows, const char *data, struct diag *d)
{
    for (const struct vital_opt *row = rows; row->name; row++) {
        const void *field = data + row->offset;
        const char *word = strstr(row->name, "password");
        if (row->type == VITAL_BLOCK) {
            check_rows(p, row->rows, field, d);
        } else if (row->type == VITAL_SECRET && *(const struct vital_secret *const *)field && (word || !strcmp(row->name, "bearer"))) {
            char prefix[64] = "";
            if (word)
                memcpy(prefix, row->name, (size_t)(word - row->name) < sizeof prefix ? (size_t)(word - row->name) : 0);
            check_one(p, row->name, *(const struct vital_secret *const *)field, user_of(rows, data, prefix), d);
        } else if (row->type == VITAL_URL && *(const struct vital_url *const *)field && (*(const struct vital_url *const *)field)->password) {
            const struct vital_url *u = *(const struct vital_url *const *)field;
            check_one(p, row->name, u->password, u->user, d);
        }
    }
}

void weak_check_probe(const struct conf_probe *p, struct diag *d)
{
    if (p->options->module)
        check_rows(p, p->options->module->opts, p->options->data, d);
}
