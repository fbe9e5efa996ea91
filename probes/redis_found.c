#include "redis_found.h"

#include <stdio.h>

static void append(char *room, const char *text)
{
    size_t used = strlen(room);
    snprintf(room + used, REDIS_FOUND_TEXT - used, "%s%s", used ? "; " : "", text);
}

static void note(struct redis_found *f, enum vital_class class, enum vital_reason reason, const char *text)
{
    if (*f->worst && class <= f->class) {
        append(f->others, text);
        return;
    }
    char rest[REDIS_FOUND_TEXT];
    snprintf(rest, sizeof rest, "%s", f->others);
    snprintf(f->others, sizeof f->others, "%s", f->worst);
    if (*rest)
        append(f->others, rest);
    snprintf(f->worst, sizeof f->worst, "%s", text);
    f->class = class;
    f->reason = reason;
}

void redis_found(struct redis_found *f, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[REDIS_FOUND_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    note(f, class, reason, text);
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void limit_text(const struct vital_threshold *t, double value, enum redis_unit unit, char room[REDIS_AMOUNT])
{
    if (t->percent)
        snprintf(room, REDIS_AMOUNT, "%.4g%%", value);
    else if (unit == REDIS_BYTES)
        redis_bytes(value, room);
    else if (unit == REDIS_TIME)
        redis_span(value, room);
    else
        snprintf(room, REDIS_AMOUNT, unit == REDIS_DAYS ? "%.10g days" : "%.10g", value);
}

/* "fails above 95%", or, when only the hysteresis still holds it, "fails until 90%". */
static void finding(struct redis_found *f, const struct vital_threshold *t, bool fails, bool held, const char *direction, enum redis_unit unit,
                    enum vital_reason reason, const char *fmt, va_list args)
{
    char text[REDIS_FOUND_TEXT], limit[REDIS_AMOUNT];
    int used = vsnprintf(text, sizeof text - 64, fmt, args);
    size_t at = used < 0 ? 0 : (size_t)used < sizeof text - 64 ? (size_t)used : sizeof text - 65;
    limit_text(t, held ? t->leave : t->enter, unit, limit);
    snprintf(text + at, sizeof text - at, ", %s %s %s", fails ? "fails" : "warns", held ? "until" : direction, limit);
    note(f, fails ? VITAL_FAIL : VITAL_WARN, reason, text);
}

static double measured(const struct vital_threshold *t, double part, double whole)
{
    return t->percent ? 100 * part / whole : part;
}

static bool is_above(const struct vital_threshold *t, double part, double whole, bool *was)
{
    if (t->percent && whole <= 0)
        return *was = false;
    return vital_above(t, measured(t, part, whole), was);
}

bool redis_above(struct redis_found *f, const struct redis_ceiling *c, bool was[2], enum redis_unit unit, double part, double whole,
                 enum vital_reason reason, const char *fmt, ...)
{
    bool warns = is_above(&c->warn_above, part, whole, &was[0]), fails = is_above(&c->fail_above, part, whole, &was[1]);
    const struct vital_threshold *t = fails ? &c->fail_above : &c->warn_above;
    if (!warns && !fails)
        return false;
    va_list args;
    va_start(args, fmt);
    finding(f, t, fails, measured(t, part, whole) <= t->enter, "above", unit, reason, fmt, args);
    va_end(args);
    return true;
}

bool redis_below(struct redis_found *f, const struct redis_floor *c, bool was[2], enum redis_unit unit, double part,
                 enum vital_reason reason, const char *fmt, ...)
{
    bool warns = vital_below(&c->warn_below, part, &was[0]), fails = vital_below(&c->fail_below, part, &was[1]);
    const struct vital_threshold *t = fails ? &c->fail_below : &c->warn_below;
    if (!warns && !fails)
        return false;
    va_list args;
    va_start(args, fmt);
    finding(f, t, fails, part >= t->enter, "below", unit, reason, fmt, args);
    va_end(args);
    return true;
}

/* ---- amounts ------------------------------------------------------------------------------------------------ */

const char *redis_bytes(double bytes, char room[REDIS_AMOUNT])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    unsigned i = 0;
    while (bytes >= 1023.5 && i + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        i++;
    }
    snprintf(room, REDIS_AMOUNT, bytes >= 99.5 || !i ? "%.0f %s" : "%.1f %s", bytes, units[i]);
    return room;
}

const char *redis_span(double usec, char room[REDIS_AMOUNT])
{
    if (usec < 1e6)
        snprintf(room, REDIS_AMOUNT, "%.3g ms", usec / 1e3);
    else if (usec < 120e6)
        snprintf(room, REDIS_AMOUNT, "%.3g s", usec / 1e6);
    else
        snprintf(room, REDIS_AMOUNT, "%.0f min", usec / 60e6);
    return room;
}
