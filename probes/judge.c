#include "judge.h"

#include <errno.h>
#include <stdio.h>

#include "base/utf8.h"

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

bool judge_file(struct found *found, const struct vital_file *f, const char *path)
{
    if (f->hung) {
        found_add(found, VITAL_FAIL, VITAL_R_HUNG, "the file system of %s does not answer", path);
    } else if (f->error) {
        enum vital_reason reason = judge_errno(f->error);
        found_add(found, reason == VITAL_R_NO_FDS ? VITAL_INTERNAL : VITAL_FAIL, reason, "%s: %s", path, strerror(f->error));
    }
    return !f->hung && !f->error;
}

/* ---- texts ---- */

void judge_finish(struct vital_probe *p, const struct found *found, const char *fmt, ...)
{
    char text[FOUND_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!found_finish(p, found))
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%s", text);
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
