/* Files of NAME=value lines, as docker compose and the dotenv libraries read them, without their quarrels: nothing in a value is
 * filled in, so that a password with a dollar sign stays what it is.
 *
 *   NAME=value  # a remark begins after a blank      NAME='as it is, \' but for this'
 *   export NAME = value                              NAME="with \n \r \t \" \\ \$"       either may go over several lines
 *
 * Findings never show a value. */
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "config/environ.h"
#include "config/files.h"
#include "config/weak.h"

enum { ENV_FILE_MAX = 1 << 20 };

struct reader {
    struct environment *env;
    struct diag *diag;
    struct diag_place place;          /* its line is the one that `at` is in */
    char *at, *end, *line_start;      /* *end is a NUL */
    const char *secret;               /* the first variable that looks like one */
};

static struct diag_place here(const struct reader *r)
{
    return (struct diag_place){ r->place.file, r->place.line, (uint32_t)(r->at - r->line_start) + 1 };
}

static void skip_blanks(struct reader *r)
{
    r->at += strspn(r->at, " \t\r");
}

static void end_line(struct reader *r)
{
    r->line_start = r->at;
    r->place.line++;
}

static void skip_line(struct reader *r)
{
    while (r->at < r->end && *r->at != '\n')
        r->at++;
    if (r->at < r->end) {
        r->at++;
        end_line(r);
    }
}

/* Other programs' variables may have names that no ${...} can name. */
static size_t name_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (text[n] && strchr("_.-", text[n])))
        n++;
    return isdigit((unsigned char)*text) || *text == '-' ? 0 : n;
}

/* At the first character; ends at the line's end, before a remark, without blanks behind. */
static char *plain_value(struct reader *r)
{
    char *value = r->at, *stop = r->at + strcspn(r->at, "\n");
    for (char *c = value; c < stop; c++)
        if (*c == '#' && isblank((unsigned char)c[-1]))
            stop = c;
    char *last = stop;
    while (last > value && strchr(" \t\r", last[-1]))
        last--;
    r->at = stop;
    skip_line(r);
    *last = '\0';
    return value;
}

static char escaped(char quote, char c)
{
    static const char codes[] = "nrt", meant[] = "\n\r\t";
    const char *code = quote == '"' && c ? strchr(codes, c) : NULL;
    if (code)
        return meant[code - codes];
    return c == quote || (quote == '"' && (c == '\\' || c == '$')) ? c : '\0';
}

/* Shortens the text in place; NULL when the quote is never closed. */
static char *quoted_value(struct reader *r)
{
    char quote = *r->at++, *value = r->at, *to = value;
    while (r->at < r->end && *r->at != quote) {
        char c = *r->at++, meant = c == '\\' ? escaped(quote, *r->at) : '\0';
        *to++ = meant ? meant : c;
        r->at += meant != '\0';
        if (c == '\n')
            end_line(r);
    }
    if (r->at == r->end)
        return NULL;
    r->at++;
    *to = '\0';
    return value;
}

static char *read_quoted(struct reader *r)
{
    struct diag_place open = here(r);
    char *value = quoted_value(r);
    if (!value) {
        diag_add(r->diag, DIAG_ERROR, open, "this quote is never closed: a quote inside of a value is written \\\" or \\'");
        return NULL;
    }
    skip_blanks(r);
    if (r->at < r->end && *r->at != '\n' && *r->at != '#') {
        diag_add(r->diag, DIAG_ERROR, here(r), "something stands behind the closing quote: a quote inside of a value is written \\\" or \\'");
        value = NULL;
    }
    skip_line(r);
    return value;
}

/* What a name or a URL gives away as a secret is looked at. */
static void inspect(struct reader *r, struct diag_place place, const char *name, const char *value)
{
    const char *password = NULL, *user = NULL;
    size_t user_len = 0, len = weak_find_password(name, value, &password, &user, &user_len);
    if (!password)
        return;
    if (!r->secret)
        r->secret = name;
    const char *why = weak_password(password, len, user, user_len);
    if (why)
        diag_add(r->diag, DIAG_WARNING, place, "the password in %.100s %s: whoever guesses gets in; set one that is random", name, why);
}

static void read_entry(struct reader *r)
{
    if (!strncmp(r->at, "export", 6) && isblank((unsigned char)r->at[6])) {
        r->at += 6;
        skip_blanks(r);
    }
    struct diag_place place = here(r);
    char *name = r->at;
    size_t n = name_length(name);
    r->at += n;
    skip_blanks(r);
    if (!n || *r->at != '=') {
        diag_add(r->diag, DIAG_ERROR, here(r), "not a NAME=value line");
        skip_line(r);
        return;
    }
    r->at++;
    skip_blanks(r);
    char *value = *r->at == '"' || *r->at == '\'' ? read_quoted(r) : plain_value(r);
    name[n] = '\0';
    if (!value)
        return;
    environ_set(r->env, name, value);
    inspect(r, place, name, value);
}

static void read_all(struct reader *r)
{
    if (!strncmp(r->at, "\xef\xbb\xbf", 3))
        r->at += 3;
    while (r->at < r->end) {
        skip_blanks(r);
        if (*r->at == '\n' || *r->at == '#' || r->at == r->end)
            skip_line(r);
        else
            read_entry(r);
    }
}

static void parse(struct reader *r, char *text, size_t len)
{
    r->at = r->line_start = text;
    r->end = text + len;
    if (!memchr(text, '\0', len)) {
        read_all(r);
        return;
    }
    r->at = text + strlen(text);
    for (char *c = text; c < r->at; c++)
        r->place.line += *c == '\n';
    diag_add(r->diag, DIAG_ERROR, r->place, "there is a NUL byte in this line: a file of variables is text");
}

void environ_parse(struct environment *env, const char *path, char *text, size_t len, struct diag *d)
{
    struct reader r = { .env = env, .diag = d, .place = { path, 1, 1 } };
    parse(&r, text, len);
}

/* root:vitald 0640 is how a service's file should be, so its group may read when it is not our own file. */
static void check_access(const struct reader *r, const struct stat *st)
{
    struct diag_place place = { .file = r->place.file };
    if (!r->secret || !S_ISREG(st->st_mode))
        return;
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        diag_add(r->diag, DIAG_WARNING, place, "others than its owner can change this file, which holds %.100s: chmod 0600 it", r->secret);
    if (st->st_mode & S_IROTH)
        diag_add(r->diag, DIAG_WARNING, place, "everybody on this host can read this file, which holds %.100s: chmod 0600 it", r->secret);
    else if (st->st_mode & S_IRGRP && st->st_uid == geteuid())
        diag_add(r->diag, DIAG_WARNING, place, "its group can read this file, which holds %.100s: chmod 0600 it", r->secret);
}

void environ_read(struct environment *env, const char *path, struct diag *d)
{
    struct reader r = { .env = env, .diag = d, .place = { path, 1, 1 } };
    struct stat st;
    size_t len = 0;
    char *text = file_read(env->arena, path, ENV_FILE_MAX, &len, d);
    if (!text)
        return;
    parse(&r, text, len);
    if (stat(path, &st) == 0)
        check_access(&r, &st);
}
