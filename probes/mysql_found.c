#include "mysql_found.h"

#include <stdio.h>

static void append(char *room, const char *text)
{
    size_t used = strlen(room);
    if (*text)
        snprintf(room + used, MYSQL_FOUND_TEXT - used, "%s%s", used ? "; " : "", text);
}

static void note(struct mysql_found *f, enum vital_class class, enum vital_reason reason, const char *text)
{
    char old[MYSQL_FOUND_TEXT];
    bool worst = !*f->text || class > f->class;
    snprintf(old, sizeof old, "%s", f->text);
    f->text[0] = '\0';
    append(f->text, worst ? text : old);
    append(f->text, worst ? old : text);
    if (worst) {
        f->class = class;
        f->reason = reason;
    }
}

void mysql_found(struct mysql_found *f, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[MYSQL_FOUND_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    note(f, class, reason, text);
}

static double measured(const struct vital_threshold *t, double part, double whole)
{
    return t->percent ? 100 * part / whole : part;
}

static bool is_beyond(const struct mysql_limit *l, const struct vital_threshold *t, double part, double whole, bool *was)
{
    if (t->percent && whole <= 0)
        return *was = false;
    double value = measured(t, part, whole);
    return l->above ? vital_above(t, value, was) : vital_below(t, value, was);
}

static void bound_text(const struct vital_threshold *t, double value, enum mysql_unit unit, char room[MYSQL_AMOUNT])
{
    if (t->percent)
        snprintf(room, MYSQL_AMOUNT, "%.4g%%", value);
    else if (unit == MYSQL_AS_TIME)
        mysql_span(value, room);
    else
        snprintf(room, MYSQL_AMOUNT, "%.10g", value);
}

bool mysql_limit(struct mysql_found *f, const struct mysql_limit *l, double part, double whole, enum vital_reason reason, const char *fmt, ...)
{
    bool warns = is_beyond(l, l->warn, part, whole, &l->was[0]), fails = is_beyond(l, l->fail, part, whole, &l->was[1]);
    if (!warns && !fails)
        return false;
    const struct vital_threshold *t = fails ? l->fail : l->warn;
    double value = measured(t, part, whole);
    bool held = l->above ? value <= t->enter : value >= t->enter; /* only the hysteresis still holds it */
    char text[MYSQL_FOUND_TEXT - 80], bound[MYSQL_AMOUNT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bound_text(t, held ? t->leave : t->enter, l->unit, bound);
    mysql_found(f, fails ? VITAL_FAIL : VITAL_WARN, reason, "%s, %s %s %s", text, fails ? "fails" : "warns",
                held ? "until" : l->above ? "above" : "below", bound);
    return true;
}

const char *mysql_span(double usec, char room[MYSQL_AMOUNT])
{
    if (usec < 1e6)
        snprintf(room, MYSQL_AMOUNT, "%.3g ms", usec / 1e3);
    else if (usec < 120e6)
        snprintf(room, MYSQL_AMOUNT, "%.3g s", usec / 1e6);
    else
        snprintf(room, MYSQL_AMOUNT, "%.0f min", usec / 60e6);
    return room;
}

const char *mysql_shown(const char *text, char *room, size_t size)
{
    size_t at = 0;
    for (; text && *text && at + 4 < size; text++)
        room[at++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
    if (text && *text) {
        memcpy(room + at, "...", 3);
        at += 3;
    }
    room[at] = '\0';
    return room;
}
