#include "judge.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"

static void append(char *room, size_t size, const char *between, const char *text)
{
    size_t used = strlen(room);
    snprintf(room + used, size - used, "%s%s", used ? between : "", text);
}

static void judge_note(struct judge *j, enum vital_class class, enum vital_reason reason, const char *text)
{
    if (!*j->worst || class <= j->class) {
        append(*j->worst ? j->others : j->worst, JUDGE_TEXT, "; ", text);
    } else {
        char rest[JUDGE_TEXT];
        snprintf(rest, sizeof rest, "%s", j->others);
        snprintf(j->others, sizeof j->others, "%s", j->worst);
        if (*rest)
            append(j->others, sizeof j->others, "; ", rest);
        snprintf(j->worst, sizeof j->worst, "%s", text);
    }
    if (class > j->class) {
        j->class = class;
        j->reason = reason;
    }
}

void judge_add(struct judge *j, enum vital_class class, enum vital_reason reason, const char *fmt, ...)
{
    char text[JUDGE_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    judge_note(j, class, reason, text);
}

/* ---- numbers ---- */

const char *judge_bytes(double bytes, char room[JUDGE_AMOUNT])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned i = 0;
    while (bytes >= 1023.5 && i + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        i++;
    }
    bool whole = bytes >= 99.5 || fabs(bytes - floor(bytes + 0.5)) < 0.05;
    snprintf(room, JUDGE_AMOUNT, "%.*f %s", whole ? 0 : 1, bytes, units[i]);
    return room;
}

static double measured(const struct vital_threshold *t, double part, double whole)
{
    if (!t->percent)
        return part;
    return whole > 0 ? 100 * part / whole : 0;
}

static void limit_text(const struct vital_threshold *t, double value, enum judge_unit unit, char room[CLOCK_TEXT])
{
    if (t->percent)
        snprintf(room, CLOCK_TEXT, "%.4g%%", value);
    else if (unit == JUDGE_BYTES)
        judge_bytes(value, room);
    else if (unit == JUDGE_SECONDS)
        clock_span((uint64_t)value, room);
    else
        snprintf(room, CLOCK_TEXT, "%.4g", value);
}

static bool beyond(const struct judge_limit *l, const struct vital_threshold *t, double part, double whole, bool *was)
{
    if (t->percent && whole <= 0)
        return *was = false;
    return (l->above ? vital_above : vital_below)(t, measured(t, part, whole), was);
}

/* "fails below 5%", or, when only the hysteresis still holds it, "fails until 7%". */
static void explain(const struct judge_limit *l, const struct vital_threshold *t, const char *verb, double value, char *room, size_t size)
{
    bool held = l->above ? value <= t->enter : value >= t->enter;
    char limit[CLOCK_TEXT];
    limit_text(t, held ? t->leave : t->enter, l->unit, limit);
    snprintf(room, size, "%s %s %s", verb, held ? "until" : l->above ? "above" : "below", limit);
}

bool judge_number(struct judge *j, const struct judge_limit *l, double part, double whole, enum vital_reason reason, const char *fmt, ...)
{
    bool warns = beyond(l, l->warn, part, whole, &l->was[0]);
    bool fails = beyond(l, l->fail, part, whole, &l->was[1]);
    if (!warns && !fails)
        return true;
    const struct vital_threshold *t = fails ? l->fail : l->warn;
    char text[JUDGE_TEXT], why[64];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text - sizeof why, fmt, args);
    va_end(args);
    explain(l, t, fails ? "fails" : "warns", measured(t, part, whole), why, sizeof why);
    append(text, sizeof text, ", ", why);
    judge_note(j, fails ? VITAL_FAIL : VITAL_WARN, reason, text);
    return false;
}

void judge_prepare(const struct judge_limit *l, struct vital_diag *diag, const char *warn_option, const char *fail_option)
{
    const struct vital_threshold *warn = l->warn, *fail = l->fail;
    if (warn->set && fail->set && warn->percent == fail->percent && (l->above ? warn->enter > fail->enter : warn->enter < fail->enter))
        diag->warning(diag, warn_option, "never comes into play: %s is reached before it", fail_option);
}

/* ---- files ---- */

enum vital_reason judge_errno(int error)
{
    static const struct { int error; enum vital_reason reason; } table[] = {
        { ENOENT, VITAL_R_NOT_FOUND }, { ENOTDIR, VITAL_R_NOT_FOUND }, { EACCES, VITAL_R_PERMISSION },
        { EPERM, VITAL_R_PERMISSION }, { ENOSPC, VITAL_R_FULL },       { EDQUOT, VITAL_R_FULL },
        { EROFS, VITAL_R_READ_ONLY },  { ETIMEDOUT, VITAL_R_HUNG },    { EMFILE, VITAL_R_NO_FDS },
        { ENFILE, VITAL_R_NO_FDS },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].error == error)
            return table[i].reason;
    return VITAL_R_IO_ERROR;
}

bool judge_file(struct judge *j, const struct vital_file *f, const char *path)
{
    if (f->hung) {
        judge_add(j, VITAL_FAIL, VITAL_R_HUNG, "the file system of %s does not answer", path);
    } else if (f->error) {
        enum vital_reason reason = judge_errno(f->error);
        judge_add(j, reason == VITAL_R_NO_FDS ? VITAL_INTERNAL : VITAL_FAIL, reason, "%s: %s", path, strerror(f->error));
    }
    return !f->hung && !f->error;
}

/* ---- texts ---- */

void judge_finish(struct vital_probe *p, const struct judge *j, const char *fmt, ...)
{
    char text[JUDGE_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!*j->worst)
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s", text);
    else
        vital_finish(p, j->class, j->reason, "%s%s%s", j->worst, *j->others ? "; " : "", j->others);
}

void judge_line(char *room, size_t size, const char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len && text[i] != '\n';) {
        unsigned char c = (unsigned char)text[i];
        unsigned n = utf8_length(text + i, len - i);
        if (used + (n ? n : 1) >= size)
            break;
        if (n && c >= ' ' && c != 0x7f) {
            memcpy(room + used, text + i, n);
            used += n;
        } else {
            room[used++] = c == '\t' || c == '\r' ? ' ' : '?';
        }
        i += n ? n : 1;
    }
    while (used && room[used - 1] == ' ')
        used--;
    room[used] = 0;
}
