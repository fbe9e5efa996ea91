/* vital_probe.h: all that a probe module sees of vitald. libc only; time in microseconds, sizes in bytes.
 *
 * One module = one file = one const struct vital_module; built-in and loadable (.so, exporting `vital_module`)
 * are the same. The engine owns time, sockets, threads, processes, names and results; a module owns a conf struct
 * that the engine fills from the option rows, and a private area that is zeroed once, when the probe is made.
 *
 * The rules, in short:
 *   - Everything runs on the loop thread and never blocks, but prepare() (configuration thread) and job.run() (helper).
 *   - start() begins an attempt; it ends with exactly one vital_finish(), inside start() or later, and the module
 *     returns right after it. The engine then closes all that the attempt opened, but what was vital_keep()t.
 *   - There are never two attempts of one probe at once; after a handle was closed, nothing calls back.
 *   - A one-shot handle (timer, watch, resolve, job, spawn, file) is dead on entry to its callback.
 *   - A mistake ends the attempt as `internal: module_bug`, and three of them quarantine the probe; nothing aborts.
 *
 * Changes of the ABI:
 *   1  2026-11  first */
#ifndef VITAL_PROBE_H
#define VITAL_PROBE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { VITAL_MAGIC = 0x4c415456, VITAL_ABI = 1 }; /* "VTAL"; both must be equal, growth happens at the end, seen by size */

/* ---- what an attempt yields ------------------------------------------------------------------------------- */

enum vital_class { VITAL_PASS, VITAL_WARN, VITAL_FAIL, VITAL_INTERNAL, VITAL_CLASS_COUNT };

/* The closed table of reasons: name in code, name outside (JSON, metrics, logs), sentence. Append only. */
#define VITAL_REASONS(X)                                                                  \
    X(OK, "ok", "answered as expected")                                                   \
    X(SLOW, "slow", "answered, but slower than allowed")                                  \
    X(THRESHOLD, "threshold", "a number is beyond its threshold")                         \
    X(MISMATCH, "mismatch", "the answer is not the expected one")                         \
    X(REFUSED, "refused", "connection refused")                                           \
    X(UNREACHABLE, "unreachable", "no route to the target")                               \
    X(TIMEOUT, "timeout", "no answer inside the timeout")                                 \
    X(HUNG, "hung", "a file system or program hangs and cannot be interrupted")           \
    X(RESET, "reset", "connection reset by the target")                                   \
    X(CLOSED, "closed", "connection closed before the answer was complete")               \
    X(DNS, "dns", "the name cannot be resolved")                                          \
    X(TLS, "tls", "the TLS handshake failed")                                             \
    X(CERT_EXPIRED, "cert_expired", "the certificate has expired or is not yet valid")    \
    X(CERT_EXPIRING, "cert_expiring", "the certificate expires soon")                     \
    X(CERT_NAME, "cert_name", "the certificate is for another name")                      \
    X(CERT_UNTRUSTED, "cert_untrusted", "the certificate is not trusted")                 \
    X(AUTH, "auth", "the credentials were refused")                                       \
    X(PERMISSION, "permission", "not permitted")                                          \
    X(BAD_REPLY, "bad_reply", "the answer cannot be understood")                          \
    X(BAD_STATUS, "bad_status", "the status is not an accepted one")                      \
    X(TOO_LARGE, "too_large", "the answer is larger than the cap")                        \
    X(NOT_FOUND, "not_found", "what is checked does not exist")                           \
    X(COUNT, "count", "there are too few or too many")                                    \
    X(AGE, "age", "too old or too young")                                                 \
    X(EXIT, "exit", "the program reported a problem by its exit code")                    \
    X(SIGNAL, "signal", "the program was ended by a signal")                              \
    X(READ_ONLY, "read_only", "read-only where writing is expected")                      \
    X(FULL, "full", "no space is left")                                                   \
    X(IO_ERROR, "io_error", "reading or writing failed")                                  \
    X(NOT_AVAILABLE, "not_available", "this host does not offer what is checked")         \
    X(SILENT, "silent", "no heartbeat came for too long")                                 \
    X(STARTING, "starting", "the target is starting up")                                  \
    X(STOPPING, "stopping", "the target is shutting down")                                \
    X(LOADING, "loading", "the target is loading its data")                               \
    X(BUSY, "busy", "the target is busy and answers nothing else")                        \
    X(TOO_MANY_CLIENTS, "too_many_clients", "the target accepts no more clients")         \
    X(NO_DATABASE, "no_database", "the database does not exist")                          \
    X(QUERY, "query", "the query failed")                                                 \
    X(ROLE, "role", "the target has another role than expected")                          \
    X(LAGGING, "lagging", "the replica is too far behind")                                \
    X(REPLICATION, "replication", "replication is broken")                                \
    X(QUORUM, "quorum", "there is no quorum")                                             \
    X(CLUSTER, "cluster", "the cluster does not serve everything")                        \
    X(PERSISTENCE, "persistence", "the target cannot save its data")                      \
    X(MEMORY, "memory", "the target is out of memory")                                    \
    X(CONFIG, "config", "the target does not support what is configured")                 \
    X(NO_MODULE, "no_module", "the module for this type is not installed")                \
    /* internal: we could not even try */                                                 \
    X(OWN_LAG, "own_lag", "vitald itself was too late to tell")                           \
    X(NO_FDS, "no_fds", "vitald is out of file descriptors")                              \
    X(NO_HELPER, "no_helper", "all helper processes are busy or stuck")                   \
    X(NO_THREAD, "no_thread", "the helper threads' queue is full")                        \
    X(NO_SPAWN, "no_spawn", "the program could not be started for lack of resources")     \
    X(MODULE_BUG, "module_bug", "the module broke its contract")

enum vital_reason {
#define X(name, code, text) VITAL_R_##name,
    VITAL_REASONS(X)
#undef X
    VITAL_REASON_COUNT
};

/* ---- options ---------------------------------------------------------------------------------------------- */

struct vital_secret;    /* reveal() gives its bytes; never print them */
struct vital_tls;       /* a ready TLS client context, shared by all who ask for the same */
struct vital_regex;     /* compiled, bounded */
struct vital_diag;      /* where prepare() reports to */

struct vital_list { const void *items; uint32_t count; };
struct vital_pair { const char *key; const struct vital_secret *value; };   /* header and environment values are secrets */
struct vital_range { int64_t low, high; };
struct vital_threshold { double enter, leave; bool set, percent; };          /* absolute values in the row's unit */
struct vital_url {
    const char *scheme, *host, *port, *path, *user;   /* path with query, at least "/"; port: never NULL after decode when the scheme has a default */
    const struct vital_secret *password;
    const char *unix_path;                            /* unix:/run/x.sock, http+unix://... */
    const char *text;                                 /* printable: without user information */
};

/* Field type for each option type: see VITAL_FIELD below. Absent and without default: zero / NULL / .set false. */
enum vital_type {
    VITAL_BOOL,       /* bool */
    VITAL_INT,        /* int64_t */
    VITAL_NUMBER,     /* double */
    VITAL_DURATION,   /* uint64_t, microseconds; 10s, 1m30s, 250ms */
    VITAL_SIZE,       /* uint64_t, bytes; 64KiB, 2GB */
    VITAL_STRING,     /* const char * */
    VITAL_WORD,       /* uint8_t: index into row.words */
    VITAL_SECRET,     /* const struct vital_secret * */
    VITAL_URL,        /* const struct vital_url * */
    VITAL_ADDRESS,    /* const struct vital_url *: host:port, [v6]:port or unix:/path */
    VITAL_REGEX,      /* const struct vital_regex * */
    VITAL_RANGES,     /* struct vital_list of struct vital_range; 200-299,304 */
    VITAL_THRESHOLD,  /* struct vital_threshold; 15%, 2GiB, 0.8, or { enter:, leave: } */
    VITAL_TLS,        /* const struct vital_tls *; true, or { ca:, cert:, key:, name:, min_version:, verify: } */
    VITAL_STRINGS,    /* struct vital_list of const char *; a scalar is a list of one */
    VITAL_PAIRS,      /* struct vital_list of struct vital_pair; a map */
    VITAL_BLOCK,      /* the struct itself, nested in place, described by row.rows */
    VITAL_BLOCKS,     /* struct vital_list of row.row_size structs described by row.rows */
    VITAL_TYPE_COUNT
};

enum {
    VITAL_REQUIRED = 1,   /* must be given */
    VITAL_TARGET = 2,     /* part of the probe's identity on reload, and of what is shown as its target */
    VITAL_BARE = 4,       /* `tcp: host:port` means this row */
    VITAL_IN_BYTES = 8,   /* THRESHOLD: a plain value is a size */
    VITAL_IN_TIME = 16,   /* THRESHOLD: a plain value is a duration */
    VITAL_PERCENT = 32,   /* THRESHOLD: may be a percentage */
    VITAL_PATHNAME = 64,  /* STRING: an absolute path */
};

struct vital_opt {
    const char *name;
    uint8_t type;
    uint8_t flags;
    uint16_t offset;
    int64_t min, max;               /* for INT, DURATION, SIZE, NUMBER (whole), STRINGS/PAIRS/BLOCKS (count); both 0 = none */
    const char *def;                /* as it would be written in YAML; NULL = none */
    const char *const *words;       /* WORD: NULL-ended */
    const struct vital_opt *rows;   /* BLOCK, BLOCKS: ended by a row without a name */
    size_t row_size;
    const char *help;               /* one line, no full stop needed; goes into manual, reference, schema */
    const char *also;               /* what others call it, words between spaces: suggested for them, never taken */
};

/* VITAL_OPT(struct tcp_conf, timeout, DURATION, ...) refuses a row whose field has another C type. */
#define VITAL_FIELD_BOOL bool
#define VITAL_FIELD_INT int64_t
#define VITAL_FIELD_NUMBER double
#define VITAL_FIELD_DURATION uint64_t
#define VITAL_FIELD_SIZE uint64_t
#define VITAL_FIELD_STRING const char *
#define VITAL_FIELD_WORD uint8_t
#define VITAL_FIELD_SECRET const struct vital_secret *
#define VITAL_FIELD_URL const struct vital_url *
#define VITAL_FIELD_ADDRESS const struct vital_url *
#define VITAL_FIELD_REGEX const struct vital_regex *
#define VITAL_FIELD_RANGES struct vital_list
#define VITAL_FIELD_THRESHOLD struct vital_threshold
#define VITAL_FIELD_TLS const struct vital_tls *
#define VITAL_FIELD_STRINGS struct vital_list
#define VITAL_FIELD_PAIRS struct vital_list
#define VITAL_FIELD_BLOCKS struct vital_list
#define VITAL_TYPED(st, field, kind) \
    (sizeof(char[_Generic(&((st *)0)->field, VITAL_FIELD_##kind *: 1, default: -1)]) * 0 + offsetof(st, field))
#define VITAL_OPT(st, field, kind, ...) \
    { .name = #field, .type = VITAL_##kind, .offset = (uint16_t)VITAL_TYPED(st, field, kind), __VA_ARGS__ }
/* When the option's name is not a C name or differs from the field's. */
#define VITAL_OPT_AS(text, st, field, kind, ...) \
    { .name = text, .type = VITAL_##kind, .offset = (uint16_t)VITAL_TYPED(st, field, kind), __VA_ARGS__ }
#define VITAL_OPT_BLOCK(st, field, table, ...) \
    { .name = #field, .type = VITAL_BLOCK, .offset = (uint16_t)offsetof(st, field), .rows = table, \
      .row_size = sizeof(((st *)0)->field), __VA_ARGS__ }
#define VITAL_OPT_END { .name = NULL }

/* Numbers a module reports are declared as rows too: manual, metric names, HELP and units come from them. */
struct vital_number {
    const char *name;      /* [a-z0-9_]+, with the unit as suffix where there is one: free_bytes, lag_seconds, used_ratio */
    const char *unit;      /* "seconds", "bytes", "ratio", "" */
    const char *help;
    bool counter;          /* only ever grows */
    const char *label;     /* the label's name where the number has one per something (mount, standby), else NULL */
};

/* ---- the probe and its host ------------------------------------------------------------------------------- */

struct vital_host;
struct vital_io;           /* one thing opened through the host: stream, timer, watch, job ... */

/* The only handle, and the first argument of everything. */
struct vital_probe {
    const struct vital_host *host;
    const char *name;
    const void *conf;      /* the module's conf struct, immutable */
    void *priv;            /* priv_size bytes, zeroed when the probe is made */
};

enum { VITAL_READ = 1, VITAL_WRITE = 2, VITAL_PRIORITY = 4 };

typedef void vital_fd_fn(struct vital_probe *, int fd, unsigned what, void *arg);
typedef void vital_timer_fn(struct vital_probe *, void *arg);
/* addresses: numeric texts, count 0 = failed and error says why; stale: the resolver is down, these are its last known */
typedef void vital_address_fn(struct vital_probe *, const char *const *addresses, unsigned count, bool stale, const char *error, void *arg);

struct vital_stream_ops {
    void (*open)(struct vital_probe *, struct vital_io *, void *arg);       /* connected, TLS done; also after starttls() */
    void (*data)(struct vital_probe *, struct vital_io *, void *arg, const char *bytes, size_t len); /* consume all or copy; at most 16 KiB */
    /* The end. NULL: the engine finishes the attempt with this reason. REASON is OK for a clean end of file. */
    void (*closed)(struct vital_probe *, struct vital_io *, void *arg, enum vital_reason, const char *text);
};

struct vital_dial {
    const char *host, *port;        /* a name or a numeric address; every address is tried, under the attempt's deadline */
    const char *unix_path;          /* instead of host and port */
    const struct vital_tls *tls;    /* NULL = plain */
    const char *tls_name;           /* NULL = host */
    const char *alpn;               /* "h2", "http/1.1"; NULL = none */
    const char *source;             /* numeric local address; NULL = any */
    bool speaks_first;              /* open() writes: the connection's last acknowledgement waits for those bytes and goes with them */
};

/* What is known of a stream: durations of its phases (0 = not reached) and of its certificate. */
struct vital_stream_info {
    uint64_t resolve, connect, tls;
    const char *address;            /* numeric address it is connected to */
    const char *tls_version;        /* "TLSv1.3" or NULL */
    const char *alpn;
    bool stale_name;                /* resolved from a stale cache entry */
};

struct vital_cert {
    const char *subject, *issuer;
    int64_t not_before, not_after;  /* seconds since 1970 */
    const char *problem;            /* verification result when the context does not refuse by itself; NULL = fine */
    enum vital_reason reason;       /* of that problem, else OK */
};

/* A job block is self-contained heap memory with copies of all it needs. It belongs to the engine from submit()
 * until wipe(), which is called once, on the loop. run() touches its block and its library only. */
struct vital_job {
    void (*run)(void *block);
    void (*done)(struct vital_probe *, void *block);   /* not called after the attempt has ended */
    void (*wipe)(void *block);
};

struct vital_child {
    const char *const *argv;        /* argv[0] is an absolute path; no shell */
    const char *const *env;         /* the whole environment */
    const char *dir;                /* NULL = / */
    const char *input;              /* for its standard input; NULL = nothing */
    size_t input_len;
    size_t cap;                     /* bytes of output kept */
};
struct vital_exit {
    int status;                     /* as from waitpid */
    const char *out;                /* stdout, then stderr when stdout was empty */
    size_t len;
    bool cut;                       /* there was more output than cap */
    int error;                      /* errno when it could not be started: ENOENT, EACCES are the target's fault */
};
typedef void vital_exit_fn(struct vital_probe *, const struct vital_exit *, void *arg);

/* File-system calls are made by a helper process, for any path may hang for ever. */
enum vital_file_op { VITAL_STATFS, VITAL_STAT, VITAL_READFILE, VITAL_WRITETEST };
struct vital_file {
    int error;                      /* errno, 0 = done */
    bool hung;                      /* no answer inside the attempt; further calls on that mount fail hung at once */
    uint64_t block_size, blocks, blocks_free, blocks_available, inodes, inodes_free, flags;   /* STATFS */
    uint64_t size, mode, uid, gid, mtime_us, kind;                                            /* STAT; kind = st_mode & S_IFMT */
    const char *data;               /* READFILE: at most 64 KiB */
    size_t len;
    bool cut;
};
typedef void vital_file_fn(struct vital_probe *, const struct vital_file *, void *arg);

/* What the engine knows of itself: for the `self` module. */
struct vital_self {
    uint64_t loop_lag, loop_lag_max;         /* how late the loop is: now, and the worst of the last minute */
    uint64_t scheduler_age;                  /* since the scheduler last made progress */
    uint64_t resident_bytes, fds, fds_limit, threads, helpers, helpers_stuck, children;
    bool helpers_lost;                       /* none can be made just now: file, disk and exec probes cannot run */
};

struct vital_host {
    uint32_t abi, size;
    uint64_t (*now)(struct vital_probe *);
    uint64_t (*left)(struct vital_probe *);   /* of this attempt; 0 between attempts */
    void (*finish)(struct vital_probe *, enum vital_class, enum vital_reason, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
    void (*number)(struct vital_probe *, unsigned row, const char *label, double value);   /* before finish() */
    void (*log)(struct vital_probe *, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4))); /* syslog levels */
    const char *(*reveal)(const struct vital_secret *, size_t *len);     /* len may be NULL; "" when it is not set */
    bool (*match)(struct vital_probe *, const struct vital_regex *, const char *text, size_t len); /* a limit hit counts as no match, and is logged */
    void (*nudge)(struct vital_probe *);      /* between attempts: something happened, look now */
    struct vital_io *(*watch)(struct vital_probe *, int fd, unsigned what, vital_fd_fn *, void *arg);    /* one-shot */
    struct vital_io *(*timer)(struct vital_probe *, uint64_t in, vital_timer_fn *, void *arg);           /* one-shot */
    struct vital_io *(*resolve)(struct vital_probe *, const char *host, vital_address_fn *, void *arg);
    struct vital_io *(*dial)(struct vital_probe *, const struct vital_dial *, const struct vital_stream_ops *, void *arg);
    bool (*write)(struct vital_io *, const void *bytes, size_t len);     /* queued; false = over the queue's bound, stream is closing */
    bool (*starttls)(struct vital_io *, const struct vital_tls *, const char *name, const char *alpn);   /* open() comes again */
    void (*stream_info)(struct vital_io *, struct vital_stream_info *);
    unsigned (*certificates)(struct vital_io *, struct vital_cert *, unsigned room);   /* leaf first; also in closed() after a refusal */
    struct vital_io *(*submit)(struct vital_probe *, const struct vital_job *, void *block);   /* NULL: refused and wiped, attempt finished */
    struct vital_io *(*spawn)(struct vital_probe *, const struct vital_child *, vital_exit_fn *, void *arg);
    struct vital_io *(*file)(struct vital_probe *, enum vital_file_op, const char *path, vital_file_fn *, void *arg);
    void (*self)(struct vital_probe *, struct vital_self *);
    void (*keep)(struct vital_io *);          /* it outlives the attempt */
    void (*close)(struct vital_io *);         /* NULL is fine */
    /* How long vitald itself has stood still since it began, stopped or without a processor: only spells of more than a second,
     * and nothing that the machine slept. `until`: when it last went on, 0 = never. For what measures the silence of others. */
    uint64_t (*stood)(struct vital_probe *, uint64_t *until);
};

/* Reads so at the place of use: vital_finish(p, VITAL_FAIL, VITAL_R_REFUSED, "..."). */
#define vital_finish(p, ...) ((p)->host->finish((p), __VA_ARGS__))
#define vital_number(p, row, value) ((p)->host->number((p), (row), NULL, (double)(value)))
#define vital_number_of(p, row, label, value) ((p)->host->number((p), (row), (label), (double)(value)))
#define vital_log(p, ...) ((p)->host->log((p), __VA_ARGS__))
#define vital_now(p) ((p)->host->now(p))
#define vital_left(p) ((p)->host->left(p))

/* Tells about one option while the configuration is read; the caller adds file:line:column. A warning refuses nothing. */
struct vital_diag {
    void (*error)(struct vital_diag *, const char *option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
    void (*warning)(struct vital_diag *, const char *option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
    void (*note)(struct vital_diag *, const char *option, const char *fmt, ...) __attribute__((format(printf, 3, 4)));  /* worth knowing, not wrong */
};

struct vital_module {
    uint32_t magic, abi, size;               /* VITAL_MODULE_HEAD fills these and the strides */
    uint32_t opt_size, number_size;
    const char *name, *summary;              /* summary: one line */
    const char *manual;                      /* paragraphs in plain text for the manual; may be NULL */
    const struct vital_opt *opts;            /* ended by VITAL_OPT_END */
    const struct vital_number *numbers;      /* ended by a row without a name; NULL = none */
    size_t conf_size, priv_size;
    unsigned job_threads;                    /* how many helper threads its jobs may use; 0 = it submits none */
    bool host_probe;                         /* about this host (memory, disk, load): advisory in an unconfigured `ready` */
    bool outside;                            /* leans on something outside this host or pod: the linter warns about it in `live` */
    bool (*prepare)(void *conf, struct vital_diag *);   /* cross checks; pure; false after an error. May be NULL */
    void (*start)(struct vital_probe *);
    void (*cancel)(struct vital_probe *);    /* the attempt ended without finish(): deadline, reload, pause. May be NULL */
    void (*release)(struct vital_probe *);   /* the probe goes: free what priv holds. May be NULL */
    void (*receive)(struct vital_probe *, const char *text, size_t len);   /* pushed to: heartbeat. May be NULL */
    const char *(*target)(const void *conf, char *room, size_t size);      /* printable target; NULL: made from the TARGET rows */
};

#define VITAL_MODULE_HEAD                                                                     \
    .magic = VITAL_MAGIC, .abi = VITAL_ABI, .size = sizeof(struct vital_module),              \
    .opt_size = sizeof(struct vital_opt), .number_size = sizeof(struct vital_number)
/* A loadable module's file ends in: VITAL_EXPORT(my_module) */
#define VITAL_EXPORT(module) \
    extern const struct vital_module *const vital_module; \
    __attribute__((visibility("default"))) const struct vital_module *const vital_module = &(module)

/* Numeric hysteresis: `was` is the caller's memory of the last answer. */
static inline bool vital_below(const struct vital_threshold *t, double value, bool *was)
{
    return *was = t->set && value < (*was ? t->leave : t->enter);
}
static inline bool vital_above(const struct vital_threshold *t, double value, bool *was)
{
    return *was = t->set && value > (*was ? t->leave : t->enter);
}

#endif
