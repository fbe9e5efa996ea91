#include "postgres_found.h"

#include <stdio.h>

static void append(char *room, const char *text)
{
    size_t used = strlen(room);
    snprintf(room + used, PG_FOUND_TEXT - used, "%s%s", used ? "; " : "", text);
}

static void note(struct pg_found *f, enum vital_class class, enum vital_reason reason, const char *text)
{
    if (*f->worst && class <= f->class) {
        append(f->others, text);
        return;
    }
    char rest[PG_FOUND_TEXT];
    snprintf(rest, sizeof rest, "%s", f->others);
    snprintf(f->others, sizeof f->others, "%s", f->worst);
    if (*rest)
        append(f->others, rest);
    snprintf(f->worst, sizeof f->worst, "%s", text);
    f->class = class;
    f->reason = reason;
}

void pg_found(struct pg_found *f, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[PG_FOUND_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    note(f, class, reason, text);
}

bool pg_is_set(const struct pg_ceiling *c)
{
    return c->warn_above.set || c->fail_above.set;
}

bool pg_is_set_floor(const struct pg_floor *f)
{
    return f->warn_below.set || f->fail_below.set;
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void limit_text(const struct vital_threshold *t, double value, enum pg_unit unit, char room[PG_AMOUNT])
{
    if (t->percent)
        snprintf(room, PG_AMOUNT, "%.4g%%", value);
    else if (unit == PG_BYTES)
        pg_bytes(value, room);
    else if (unit == PG_TIME)
        pg_span(value, room);
    else
        snprintf(room, PG_AMOUNT, unit == PG_DAYS ? "%.10g days" : "%.10g", value);
}

static double measured(const struct vital_threshold *t, const struct pg_measure *m)
{
    return t->percent ? 100 * m->part / m->whole : m->part;
}

/* "fails above 95%", or, when only the hysteresis still holds it, "fails until 90%". */
static void finding(struct pg_found *f, const struct vital_threshold *t, bool fails, bool above, const struct pg_measure *m, const char *fmt,
                    va_list args)
{
    char text[PG_FOUND_TEXT], limit[PG_AMOUNT];
    double value = measured(t, m);
    bool held = above ? value <= t->enter : value >= t->enter;
    int used = vsnprintf(text, sizeof text - 64, fmt, args);
    size_t at = used < 0 ? 0 : (size_t)used < sizeof text - 64 ? (size_t)used : sizeof text - 65;
    limit_text(t, held ? t->leave : t->enter, m->unit, limit);
    snprintf(text + at, sizeof text - at, ", %s %s %s", fails ? "fails" : "warns", held ? "until" : above ? "above" : "below", limit);
    note(f, fails ? VITAL_FAIL : VITAL_WARN, m->reason, text);
}

static bool is_beyond(const struct vital_threshold *t, bool above, const struct pg_measure *m, bool *was)
{
    if (t->percent && m->whole <= 0)
        return *was = false;
    return above ? vital_above(t, measured(t, m), was) : vital_below(t, measured(t, m), was);
}

bool pg_above(struct pg_found *f, const struct pg_ceiling *c, bool was[2], const struct pg_measure *m, const char *fmt, ...)
{
    bool warns = is_beyond(&c->warn_above, true, m, &was[0]), fails = is_beyond(&c->fail_above, true, m, &was[1]);
    if (!warns && !fails)
        return false;
    va_list args;
    va_start(args, fmt);
    finding(f, fails ? &c->fail_above : &c->warn_above, fails, true, m, fmt, args);
    va_end(args);
    return true;
}

bool pg_below(struct pg_found *f, const struct pg_floor *c, bool was[2], const struct pg_measure *m, const char *fmt, ...)
{
    bool warns = is_beyond(&c->warn_below, false, m, &was[0]), fails = is_beyond(&c->fail_below, false, m, &was[1]);
    if (!warns && !fails)
        return false;
    va_list args;
    va_start(args, fmt);
    finding(f, fails ? &c->fail_below : &c->warn_below, fails, false, m, fmt, args);
    va_end(args);
    return true;
}

/* ---- amounts ------------------------------------------------------------------------------------------------ */

const char *pg_bytes(double bytes, char room[PG_AMOUNT])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    unsigned i = 0;
    while (bytes >= 1023.5 && i + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        i++;
    }
    snprintf(room, PG_AMOUNT, bytes >= 99.5 || !i ? "%.0f %s" : "%.1f %s", bytes, units[i]);
    return room;
}

const char *pg_span(double usec, char room[PG_AMOUNT])
{
    if (usec < 1e6)
        snprintf(room, PG_AMOUNT, "%.3g ms", usec / 1e3);
    else if (usec < 120e6)
        snprintf(room, PG_AMOUNT, "%.3g s", usec / 1e6);
    else
        snprintf(room, PG_AMOUNT, "%.0f min", usec / 60e6);
    return room;
}
