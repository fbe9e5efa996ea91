#include "base/ctlproto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X(name, text, changes) text,
ENUM_TEXT(ctl_verb, CTL_VERB_COUNT, CTL_VERBS(X))
#undef X
ENUM_TEXT(ctl_code, CTL_CODE_COUNT, "usage", "not_found", "denied", "timeout", "busy", "failed")

bool ctl_verb_changes(enum ctl_verb verb)
{
#define X(name, text, changes) changes,
    static const bool table[] = { CTL_VERBS(X) };
#undef X
    return verb < CTL_VERB_COUNT && table[verb];
}

static bool path_printed(int n)
{
    return n > 0 && n < CTL_PATH_MAX;
}

bool ctl_default_path(unsigned i, char room[CTL_PATH_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (i == 0)
        return path_printed(snprintf(room, CTL_PATH_MAX, "/run/vitald/control.sock"));
    if (i > 1 || !runtime || runtime[0] != '/')
        return false;
    return path_printed(snprintf(room, CTL_PATH_MAX, "%s/vitald/control.sock", runtime));
}

bool ctl_beat_path(const char *control, char room[CTL_PATH_MAX])
{
    static const char usual[] = "/control.sock";
    size_t len = strlen(control), tail = sizeof usual - 1;
    if (len > tail && !strcmp(control + len - tail, usual))
        return path_printed(snprintf(room, CTL_PATH_MAX, "%.*s/beat.sock", (int)(len - tail), control));
    return path_printed(snprintf(room, CTL_PATH_MAX, "%s.beat", control));
}
