#include "config/scalar.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_MAX = 64 };

const char *scalar_bool(const char *text, bool *out)
{
    static const char *const others[] = { "yes", "no", "on", "off", "y", "n", "true", "false", "1", "0" };
    *out = !strcmp(text, "true");
    if (*out || !strcmp(text, "false"))
        return NULL;
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcasecmp(text, others[i]))
            return "a truth value is written true or false; yes, no, on, off and capitals are not accepted";
    return "expected true or false";
}

/* Shapes that other YAML readers take for numbers with another value: we refuse them instead of choosing. */
static const char *odd_number(const char *t)
{
    const char *digits = t + (*t == '-' || *t == '+');
    if (digits[0] == '0' && isdigit((unsigned char)digits[1]))
        return "a number may not begin with 0: some readers take it as octal";
    if (digits[0] == '0' && digits[1] && strchr("xXoObB", digits[1]))
        return "numbers are written in decimal";
    if (isdigit((unsigned char)*digits) && strchr(digits, ':'))
        return "a ':' in a number is not accepted: some readers take it as base 60";
    if (isdigit((unsigned char)*digits) && strchr(digits, '_'))
        return "numbers are written without '_'";
    return NULL;
}

const char *scalar_int(const char *text, int64_t *out)
{
    const char *odd = odd_number(text), *digits = text + (*text == '-');
    if (odd)
        return odd;
    if (!*digits || digits[strspn(digits, "0123456789")])
        return "expected a whole number";
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + (*text == '-');
    for (; *digits; digits++) {
        uint64_t digit = (uint64_t)(*digits - '0');
        if (value > (limit - digit) / 10)
            return "this number is too large";
        value = value * 10 + digit;
    }
    *out = *text == '-' ? (int64_t)(0 - value) : (int64_t)value;
    return NULL;
}

/* Digits with an optional fraction and exponent; returns its end, NULL when there is no number. */
static const char *read_decimal(const char *t, bool exponent, double *out)
{
    const char *at = t + (*t == '-');
    size_t whole = strspn(at, "0123456789");
    at += whole;
    if (whole && *at == '.') {
        size_t part = strspn(at + 1, "0123456789");
        if (!part)
            return NULL;
        at += 1 + part;
    }
    if (exponent && whole && (*at == 'e' || *at == 'E')) {
        const char *e = at + 1 + (at[1] == '-' || at[1] == '+');
        if (!isdigit((unsigned char)*e))
            return NULL;
        at = e + strspn(e, "0123456789");
    }
    if (!whole || at - t >= NUMBER_MAX)
        return NULL;
    char room[NUMBER_MAX];
    memcpy(room, t, (size_t)(at - t));
    room[at - t] = '\0';
    *out = strtod(room, NULL); /* the daemon never sets a locale */
    return at;
}

const char *scalar_number(const char *text, double *out)
{
    const char *odd = odd_number(text), *end = odd ? NULL : read_decimal(text, true, out);
    if (odd)
        return odd;
    if (!end || *end)
        return "expected a number";
    return isfinite(*out) ? NULL : "this number is too large";
}

const char *scalar_percent(const char *text, double *out)
{
    const char *end = read_decimal(text, false, out);
    if (!end || strcmp(end, "%") != 0 || *out < 0)
        return "expected a percentage like 15%";
    return NULL;
}

struct unit { const char *name; double factor; };
static const struct unit time_units[] = { { "us", 1 },    { "ms", 1e3 },    { "s", 1e6 },       { "m", 60e6 },
                                          { "h", 3600e6 }, { "d", 86400e6 }, { "w", 7 * 86400e6 }, { NULL, 0 } };
static const struct unit size_units[] = { { "B", 1 },         { "kB", 1e3 },      { "KB", 1e3 },        { "MB", 1e6 },
                                          { "GB", 1e9 },      { "TB", 1e12 },     { "PB", 1e15 },       { "KiB", 1024 },
                                          { "MiB", 1048576 }, { "GiB", 0x1p30 }, { "TiB", 0x1p40 }, { "PiB", 0x1p50 }, { NULL, 0 } };

/* One number with its unit; NULL when there is none. */
static const char *read_with_unit(const char *t, const struct unit *units, const struct unit **found, double *out)
{
    double number;
    const char *unit = read_decimal(t, false, &number);
    if (!unit || *t == '-')
        return NULL;
    size_t len = 0;
    while (isalpha((unsigned char)unit[len]))
        len++;
    for (; units->name; units++)
        if (strlen(units->name) == len && !strncmp(units->name, unit, len)) {
            *found = units;
            *out = number * units->factor;
            return unit + len;
        }
    return NULL;
}

static bool is_bare(const char *text)
{
    return *text && !text[strspn(text, "0123456789.")];
}

const char *scalar_duration(const char *text, uint64_t *out)
{
    const struct unit *last = NULL, *unit;
    double sum = 0, part;
    *out = 0;
    if (!strcmp(text, "0"))
        return NULL;
    if (odd_number(text) && strchr(text, ':'))
        return "a duration is written with units, like 1m30s; 1:30 is not accepted";
    if (is_bare(text))
        return "a duration needs a unit, like 10s, 250ms or 1m30s";
    if (odd_number(text))
        return odd_number(text);
    for (const char *at = text; !*out || *at;) {
        const char *end = read_with_unit(at, time_units, &unit, &part);
        if (!end || (last && unit >= last))
            return "expected a duration like 10s, 250ms or 1m30s (units: us ms s m h d w)";
        last = unit;
        sum += part;
        *out = 1;
        at = end;
    }
    if (sum > 1e17)
        return "this duration is too long";
    *out = (uint64_t)(sum + 0.5);
    return NULL;
}

const char *scalar_size(const char *text, uint64_t *out)
{
    const struct unit *unit;
    double bytes;
    *out = 0;
    if (!strcmp(text, "0"))
        return NULL;
    if (is_bare(text))
        return "a size needs a unit, like 64KiB, 2GB or 512B";
    if (odd_number(text))
        return odd_number(text);
    const char *end = read_with_unit(text, size_units, &unit, &bytes);
    if (!end || *end)
        return "expected a size like 64KiB, 2GB or 512B (units: B kB MB GB TB PB KiB MiB GiB TiB PiB)";
    if (bytes > 9e18)
        return "this size is too large";
    *out = (uint64_t)bytes;
    return NULL;
}
