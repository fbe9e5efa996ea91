#include "ctl/args.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/ctlproto.h"
#include "base/diag.h"
#include "base/mem.h"

enum kind { KIND_FLAG, KIND_TEXT, KIND_PERIOD, KIND_COUNT, KIND_WORD };

struct row {
    const char *name;
    char letter;
    enum kind kind;
    unsigned bit;
    size_t offset;
    const char *value;          /* as usage shows it; WORD: the words, divided by '|' */
    const char *help;
};

#define AT(field) offsetof(struct args, field)
static const struct row rows[] = {
    { "socket", 's', KIND_TEXT, ARG_SOCKET, AT(socket), "PATH", "control socket (also VITALCTL_SOCKET); default /run/vitald/control.sock,\n"
      "then $XDG_RUNTIME_DIR/vitald/control.sock" },
    { "url", 'u', KIND_TEXT, ARG_URL, AT(url), "URL", "ask over HTTP instead: http://HOST:PORT[/PATH], HOST:PORT, unix:/PATH" },
    { "output", 'o', KIND_TEXT, ARG_OUTPUT, AT(output), NULL, "how to print" },
    { "color", 0, KIND_WORD, ARG_COLOR, AT(color), "auto|always|never", "auto: on a terminal, unless NO_COLOR is set" },
    { "watch", 'w', KIND_FLAG, ARG_WATCH, 0, NULL, "again every 2 seconds until interrupted" },
    { "for", 0, KIND_PERIOD, ARG_FOR, AT(period), "PERIOD", "how long (10s, 1m30s, 2h)" },
    { "timeout", 't', KIND_PERIOD, ARG_TIMEOUT, AT(timeout), "PERIOD", "give up after that long" },
    { "until", 0, KIND_WORD, ARG_UNTIL, AT(until), "pass|fail", "what to wait for; pass (the default) is also reached by warn" },
    { "wait", 0, KIND_PERIOD, ARG_WAIT, AT(wait), "PERIOD", "return only after that long, so that load balancers have noticed" },
    { "since", 0, KIND_COUNT, ARG_SINCE, AT(since), "ID", "only events after this one" },
    { "follow", 'f', KIND_FLAG, ARG_FOLLOW, 0, NULL, "go on with what happens from now on" },
    { "last", 'n', KIND_COUNT, ARG_LAST, AT(last), "N", "at most the last N (default 20)" },
    { "quiet", 'q', KIND_FLAG, ARG_QUIET, 0, NULL, "print nothing but errors" },
};
enum { ROWS = sizeof rows / sizeof *rows, USAGE_LEFT = 34 };

bool args_period(const char *text, uint64_t *usec)
{
    static const struct { const char *unit; double usec; } units[] = {
        { "us", 1 }, { "ms", 1e3 }, { "s", 1e6 }, { "m", 60e6 }, { "h", 3600e6 }, { "d", 86400e6 },
    };
    double sum = 0;
    if (!strcmp(text, "0")) {
        *usec = 0;
        return true;
    }
    while (*text) {
        size_t digits = strspn(text, "0123456789."), letters;
        if (!digits || digits > 15 || *text == '.')
            return false;
        char *end;
        double value = strtod(text, &end);
        if (end != text + digits)
            return false;
        text += digits;
        letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        unsigned u = 0;
        while (u < sizeof units / sizeof *units && (strlen(units[u].unit) != letters || strncmp(units[u].unit, text, letters) != 0))
            u++;
        if (u == sizeof units / sizeof *units)
            return false;
        sum += value * units[u].usec;
        text += letters;
    }
    *usec = (uint64_t)(sum < (double)CTL_PERIOD_MAX ? sum : (double)CTL_PERIOD_MAX);
    return sum > 0;
}

/* Is `word` one of the words in `list`, which `mark` divides? */
static bool is_word(const char *list, char mark, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; len; at++) {
        const char *end = strchr(at, mark);
        size_t n = end ? (size_t)(end - at) : strlen(at);
        if (n == len && !strncmp(at, word, len))
            return true;
        if (!end)
            break;
        at = end;
    }
    return false;
}

static const char *words_of(const struct command *c, const struct row *r)
{
    return r->bit == ARG_OUTPUT ? c->outputs : r->value;
}

static char *set_value(const struct command *c, const struct row *r, const char *value, struct args *a)
{
    void *field = (char *)a + r->offset;
    char *end;
    a->given |= r->bit;
    if (r->kind == KIND_PERIOD) {
        if (!args_period(value, field))
            return mem_printf("--%s %s: not a period: write a number with a unit, such as 10s, 1m30s or 2h (or 0)", r->name, value);
    } else if (r->kind == KIND_COUNT) {
        *(uint64_t *)field = strtoull(value, &end, 10);
        if (!*value || *end || strspn(value, "0123456789") > 18 || *value == '-')
            return mem_printf("--%s %s: not a number", r->name, value);
    } else {
        if ((r->kind == KIND_WORD || r->bit == ARG_OUTPUT) && !is_word(words_of(c, r), '|', value))
            return mem_printf("--%s %s: must be one of %s", r->name, value, words_of(c, r));
        *(const char **)field = value;
    }
    return NULL;
}

static const char *row_name(const void *unused, size_t i)
{
    (void)unused;
    return rows[i].name;
}

static const struct row *find_long(const char *name, size_t len)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == len && !strncmp(rows[i].name, name, len))
            return &rows[i];
    return NULL;
}

static const struct row *find_short(char letter)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (letter && rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static char *unknown_option(const struct command *c, const char *word)
{
    const char *near = !strncmp(word, "--", 2) ? diag_nearest(word + 2, row_name, NULL, ROWS) : NULL;
    const struct row *r = near ? find_long(near, strlen(near)) : NULL;
    if (r && (c->accepts & r->bit))
        return mem_printf("%s: no such option; did you mean --%s?", word, near);
    return mem_printf("%s: `vitalctl %s` has no such option; see `vitalctl help %s`", word, c->name, c->name);
}

/* The row that `word` names, and the value that stands in the same word, or NULL. */
static const struct row *find_row(const char *word, const char **value)
{
    *value = NULL;
    if (word[1] != '-') {
        *value = word[1] && word[2] ? word + 2 : NULL;
        return find_short(word[1]);
    }
    const char *equals = strchr(word, '=');
    *value = equals ? equals + 1 : NULL;
    return find_long(word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
}

int args_leading(int argc, char *const *argv)
{
    int i = 0;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        const char *value;
        const struct row *r = find_row(argv[i], &value);
        i += r && r->kind != KIND_FLAG && !value ? 2 : 1;
    }
    return i < argc ? i : argc;
}

/* One option, at argv[*i]; its value may be in the same word (--for=10s, -t5s) or the next. */
static char *parse_option(const struct command *c, int argc, char *const *argv, int *i, struct args *a)
{
    const char *word = argv[*i], *value;
    const struct row *r = find_row(word, &value);
    if (!r || !(c->accepts & r->bit))
        return unknown_option(c, word);
    if (r->kind == KIND_FLAG) {
        a->given |= r->bit;
        return value ? mem_printf("%s: takes no value", word) : NULL;
    }
    if (!value && *i + 1 >= argc)
        return mem_printf("%s: needs a value (%s)", word, words_of(c, r));
    return set_value(c, r, value ? value : argv[++*i], a);
}

char *args_parse(const struct command *c, int argc, char *const *argv, struct args *a)
{
    bool options = true;
    char *error = NULL;
    *a = (struct args){ 0 };
    for (int i = 0; i < argc; i++) {
        char *wrong = NULL;
        if (options && !strcmp(argv[i], "--"))
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1])
            wrong = parse_option(c, argc, argv, &i, a);
        else if (a->count >= c->max)
            wrong = mem_printf("%s: one argument too many; usage: vitalctl %s %s", argv[i], c->name, c->operands);
        else
            a->names[a->count++] = argv[i];
        if (error)
            mem_free(wrong);
        else
            error = wrong;
    }
    if (!error && a->count < c->min)
        error = mem_printf("something is missing; usage: vitalctl %s %s", c->name, c->operands);
    return error;
}

/* One option's help: its name, and beside it, or below when the name is long, what it does. */
static void usage_row(const struct row *r, const char *value, struct buf *out)
{
    char left[64], letter[8] = "   ";
    if (r->letter)
        snprintf(letter, sizeof letter, "-%c,", r->letter);
    int n = snprintf(left, sizeof left, "  %s --%s%s%s", letter, r->name, value ? " " : "", value ? value : "");
    buf_text(out, left);
    if (n >= USAGE_LEFT)
        buf_char(out, '\n');
    buf_printf(out, "%*s", n >= USAGE_LEFT ? USAGE_LEFT : USAGE_LEFT - n, "");
    for (const char *at = r->help; *at; at++) {
        buf_char(out, *at);
        if (*at == '\n')
            buf_printf(out, "%*s", USAGE_LEFT, "");
    }
    buf_char(out, '\n');
}

void args_usage(const struct command *c, struct buf *out)
{
    buf_printf(out, "usage: vitalctl %s [OPTIONS]%s%s\n\n%s.\n", c->name, *c->operands ? " " : "",
               c->operands, c->summary);
    if (c->help)
        buf_printf(out, "\n%s\n", c->help);
    buf_text(out, "\nOptions:\n");
    for (unsigned i = 0; i < ROWS; i++)
        if (c->accepts & rows[i].bit)
            usage_row(&rows[i], words_of(c, &rows[i]), out);
}
