/* The control protocol: what vitald and vitalctl have in common.
 *
 * A unix stream socket that carries JSON lines. The daemon speaks first: {"vitald":VERSION,"protocol":1}. A request is
 * {"id":1,"verb":"status","args":{"format":"json"}}; its last line comes back as {"id":1,"ok":true,"text":"..."} or
 * {"id":1,"ok":false,"code":"not_found","error":"..."}. `wait`, `run` and `events` send any number of
 * {"id":1,"event":"...","text":"..."} lines before that. One request at a time; the next one waits its turn. Texts are
 * rendered by the daemon, so that an older vitalctl prints what a newer daemon knows.
 *
 * Beside it lies a datagram socket for heartbeats: one datagram, "NAME text", is one beat. */
#ifndef BASE_CTLPROTO_H
#define BASE_CTLPROTO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/enumtext.h"

enum {
    CTL_PROTOCOL = 1,
    CTL_LINE_MAX = 64 * 1024,              /* a request */
    CTL_REPLY_MAX = 48 * 1024 * 1024,      /* any line of the daemon's, escapes included */
    CTL_BEAT_MAX = 1024,                   /* a heartbeat's datagram */
    CTL_NAME_MAX = 256,                    /* of a probe or group */
    CTL_PATH_MAX = 108,                    /* sun_path */
};
/* The longest period a request may name; longer ones would be `for ever`, which is 0. In microseconds: ten years. */
#define CTL_PERIOD_MAX (UINT64_C(10) * 365 * 86400 * 1000000)

/* Verb, name, and whether it changes something: those ask for root, the daemon's user or a member of `control_group`. */
#define CTL_VERBS(X)                      \
    X(STATUS, "status", false)            \
    X(EXPLAIN, "explain", false)          \
    X(CHECK, "check", false)              \
    X(WAIT, "wait", false)                \
    X(EVENTS, "events", false)            \
    X(STATS, "stats", false)              \
    X(VERSION, "version", false)          \
    X(BEAT, "beat", false)                \
    X(DRAIN, "drain", true)               \
    X(UNDRAIN, "undrain", true)           \
    X(PAUSE, "pause", true)               \
    X(RESUME, "resume", true)             \
    X(MAINTENANCE, "maintenance", true)   \
    X(FORCE, "force", true)               \
    X(RUN, "run", true)                   \
    X(NOTIFY, "notify", false)            \
    X(NOTIFY_TEST, "notify_test", true)   \
    X(RELOAD, "reload", true)             \
    X(STOP, "stop", true)

enum ctl_verb {
#define X(name, text, changes) CTL_##name,
    CTL_VERBS(X)
#undef X
    CTL_VERB_COUNT
};
ENUM_TEXT_DECLARE(ctl_verb);
bool ctl_verb_changes(enum ctl_verb);

/* Why a request failed, for programs. usage: the request is wrong; not_found: no such name; denied: not permitted;
 * timeout: it did not happen in time; busy: try again later; failed: anything else. */
enum ctl_code { CTL_USAGE, CTL_NOT_FOUND, CTL_DENIED, CTL_TIMEOUT, CTL_BUSY, CTL_FAILED, CTL_CODE_COUNT };
ENUM_TEXT_DECLARE(ctl_code);

/* The places where the socket lies unless the configuration names another, best first; false when there is no i-th. */
bool ctl_default_path(unsigned i, char room[CTL_PATH_MAX]);
/* The heartbeat socket that belongs to a control socket: /run/vitald/control.sock -> /run/vitald/beat.sock, any other
 * name gets `.beat` appended. False when that is too long for a socket's path. */
bool ctl_beat_path(const char *control, char room[CTL_PATH_MAX]);

#endif
