#include "found.h"

#include <stdio.h>

static void append(char *room, const char *text)
{
    size_t used = strlen(room);
    snprintf(room + used, FOUND_TEXT - used, "%s%s", used ? "; " : "", text);
}

static void note(struct found *f, enum vital_class class, enum vital_reason reason, const char *text)
{
    if (*f->worst && class <= f->class) {
        append(f->others, text);
        return;
    }
    char rest[FOUND_TEXT];
    snprintf(rest, sizeof rest, "%s", f->others);
    snprintf(f->others, sizeof f->others, "%s", f->worst);
    if (*rest)
        append(f->others, rest);
    snprintf(f->worst, sizeof f->worst, "%s", text);
    f->class = class;
    f->reason = reason;
}

void found_add(struct found *f, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[FOUND_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    note(f, class, reason, text);
}

bool found_finish(struct vital_probe *p, const struct found *f)
{
    if (!*f->worst)
        return false;
    vital_finish(p, f->class, f->reason, "%s%s%s", f->worst, *f->others ? "; " : "", f->others);
    return true;
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void limit_text(const struct vital_threshold *t, double value, enum found_unit unit, char room[FOUND_AMOUNT])
{
    if (t->percent)
        snprintf(room, FOUND_AMOUNT, "%.4g%%", value);
    else if (unit == FOUND_BYTES)
        found_bytes(value, room);
    else if (unit == FOUND_TIME)
        found_span(value, room);
    else
        snprintf(room, FOUND_AMOUNT, unit == FOUND_DAYS ? "%.10g days" : "%.10g", value);
}

static double measured(const struct vital_threshold *t, const struct found_measure *m)
{
    return t->percent ? 100 * m->part / m->whole : m->part;
}

static bool is_beyond(const struct vital_threshold *t, bool above, const struct found_measure *m, bool *was)
{
    if (t->percent && m->whole <= 0)
        return *was = false;
    return (above ? vital_above : vital_below)(t, measured(t, m), was);
}

/* "fails above 95%", or, when only the hysteresis still holds it, "fails until 90%". */
static bool find(struct found *f, const struct found_limit *l, const struct found_measure *m, const char *fmt, va_list args)
{
    bool warns = is_beyond(l->warn, l->above, m, &l->was[0]), fails = is_beyond(l->fail, l->above, m, &l->was[1]);
    if (!warns && !fails)
        return false;
    const struct vital_threshold *t = fails ? l->fail : l->warn;
    double value = measured(t, m);
    bool held = l->above ? value <= t->enter : value >= t->enter;
    char text[FOUND_TEXT], limit[FOUND_AMOUNT];
    int used = vsnprintf(text, sizeof text - 64, fmt, args);
    size_t at = used < 0 ? 0 : (size_t)used < sizeof text - 64 ? (size_t)used : sizeof text - 65;
    limit_text(t, held ? t->leave : t->enter, m->unit, limit);
    snprintf(text + at, sizeof text - at, ", %s %s %s", fails ? "fails" : "warns", held ? "until" : l->above ? "above" : "below", limit);
    note(f, fails ? VITAL_FAIL : VITAL_WARN, m->reason, text);
    return true;
}

bool found_beyond(struct found *f, const struct found_limit *l, const struct found_measure *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool beyond = find(f, l, m, fmt, args);
    va_end(args);
    return beyond;
}

void found_prepare(const struct found_limit *l, struct vital_diag *diag, const char *warn_option, const char *fail_option)
{
    const struct vital_threshold *warn = l->warn, *fail = l->fail;
    if (warn->set && fail->set && warn->percent == fail->percent && (l->above ? warn->enter > fail->enter : warn->enter < fail->enter))
        diag->warning(diag, warn_option, "never comes into play: %s is reached before it", fail_option);
}

/* ---- limits in pairs ---------------------------------------------------------------------------------------- */

const char *const found_severities[] = { "ignore", "warn", "fail", NULL };

bool found_has_ceiling(const struct found_ceiling *c)
{
    return c->warn_above.set || c->fail_above.set;
}

bool found_has_floor(const struct found_floor *f)
{
    return f->warn_below.set || f->fail_below.set;
}

bool found_above(struct found *f, const struct found_ceiling *c, bool was[2], const struct found_measure *m, const char *fmt, ...)
{
    const struct found_limit l = { &c->warn_above, &c->fail_above, was, true };
    va_list args;
    va_start(args, fmt);
    bool beyond = find(f, &l, m, fmt, args);
    va_end(args);
    return beyond;
}

bool found_below(struct found *f, const struct found_floor *c, bool was[2], const struct found_measure *m, const char *fmt, ...)
{
    const struct found_limit l = { &c->warn_below, &c->fail_below, was, false };
    va_list args;
    va_start(args, fmt);
    bool beyond = find(f, &l, m, fmt, args);
    va_end(args);
    return beyond;
}

/* ---- amounts ------------------------------------------------------------------------------------------------ */

const char *found_bytes(double bytes, char room[FOUND_AMOUNT])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned i = 0;
    while (bytes >= 1023.5 && i + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        i++;
    }
    char tenths[FOUND_AMOUNT];
    snprintf(tenths, sizeof tenths, bytes >= 99.5 ? "%.0f.0" : "%.1f", bytes);
    snprintf(room, FOUND_AMOUNT, "%.*s %s", (int)(strlen(tenths) - (tenths[strlen(tenths) - 1] == '0' ? 2 : 0)), tenths, units[i]);
    return room;
}

const char *found_span(double usec, char room[FOUND_AMOUNT])
{
    if (usec < 1e6)
        snprintf(room, FOUND_AMOUNT, "%.3g ms", usec / 1e3);
    else if (usec < 120e6)
        snprintf(room, FOUND_AMOUNT, "%.3g s", usec / 1e6);
    else
        snprintf(room, FOUND_AMOUNT, "%.0f min", usec / 60e6);
    return room;
}
