/* The configuration, decoded: one immutable struct, one arena. core/ builds a world from it, front/ its listeners. */
#ifndef CONFIG_CONF_H
#define CONFIG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/tls_settings.h"
#include "vital_probe.h"

struct arena;
struct buf;
struct network;

/* A probe's decoded module options: counted, for a probe that moves to a new world keeps the old ones while its
 * callbacks may still point into them. */
struct conf_options {
    unsigned refs;
    unsigned secret_count;
    struct arena *arena;                   /* it lies in this one itself, see conf_options_new() */
    void *data;                            /* the module's conf struct */
    const struct vital_module *module;     /* NULL: its .so is not installed */
    const struct vital_secret *const *secrets;   /* every secret in here, for scrubbing and re-reading */
    const char *target;                    /* printable */
};
struct conf_options *conf_options_new(size_t room);      /* room: what is expected to come into its arena */
void conf_options_hold(struct conf_options *);
void conf_options_release(struct conf_options *);
bool conf_options_equal(const struct conf_options *, const struct conf_options *);          /* all rows */
bool conf_options_same_target(const struct conf_options *, const struct conf_options *);    /* the TARGET rows */

enum conf_edge { EDGE_HASTEN, EDGE_CONFIRM };
enum conf_initial { INITIAL_FIRST, INITIAL_UP, INITIAL_DOWN };    /* FIRST: unknown until the first outcome settles it */

struct conf_probe {
    const char *name, *type;
    struct conf_options *options;
    const char *missing;                   /* why there is no module; NULL = there is one */
    uint64_t interval, interval_unsettled, interval_down, timeout, max_age;
    double jitter, jitter_unsettled;       /* ratios: 0.05, 0.20 */
    const uint32_t *depends_on;            /* indexes into conf.probes */
    uint32_t depends_count;
    uint8_t rise, fall;
    enum conf_initial initial : 4;
    enum conf_edge on_edge : 4;
    bool shared : 1;
    bool notify : 1;                       /* false: its transitions tell nobody */
    struct diag_place place;
};

enum conf_kind { GROUP_ALL, GROUP_ANY, GROUP_AT_LEAST, GROUP_HAD_OUTCOME /* unconfigured startup */ };
enum conf_unknown { UNKNOWN_PASS, UNKNOWN_WARN, UNKNOWN_FAIL };
enum conf_shared { SHARED_FAIL, SHARED_WARN };
enum { CODE_PASS, CODE_WARN, CODE_FAIL, CODE_DRAINING, CODE_COUNT };

struct conf_member { bool is_group; uint32_t index; };     /* into conf.groups / conf.probes */
struct conf_group {
    const char *name;
    enum conf_kind kind;
    uint32_t need;                         /* N; count of members for `all`, 1 for `any` */
    const struct conf_member *members, *advisory;
    uint32_t member_count, advisory_count;
    enum conf_unknown unknown;
    enum conf_shared on_shared;
    uint16_t codes[CODE_COUNT];
    bool drains;
    bool configured;                       /* false: made by us (live, ready, startup, health) */
    struct diag_place place;
};

/* What a listener serves. */
enum { SERVE_NONE = 0, SERVE_VERDICTS = 1, SERVE_STATUS = 2, SERVE_METRICS = 4, SERVE_EVENTS = 8, SERVE_PAGE = 16, SERVE_ALL = 31,
       SERVE_GRPC = 32 /* another protocol, so not among all */ };
/* Whom it serves. Everything is open to everybody whom `networks` admit, unless there are credentials. */
struct conf_token {
    const struct vital_secret *sha256;     /* hashes, line by line: see base/token.h */
    unsigned serve;                        /* what it opens */
};
struct conf_access {
    const struct vital_tls *tls;           /* NULL: plain */
    struct tls_settings settings;          /* what it was made of, for looking at the files again */
    const char *const *names; uint32_t name_count;          /* of client certificates that count as a credential; 0 = any */
    const struct conf_token *tokens; uint32_t token_count;
    const struct network *networks; uint32_t network_count; /* 0 = everybody may connect */
    unsigned open;                         /* SERVE_ bits that need no credential */
    const char *const *hosts; uint32_t host_count;
    bool any_host;                         /* hosts do not matter */
    uint64_t reread;                       /* its files are looked at that often */
    uint64_t hsts;                         /* 0: not sent */
};
struct conf_listen {
    const char *name;                      /* for socket activation, logs, metrics; default: its address */
    const struct vital_url *address;       /* host:port or unix path */
    uint16_t mode;                         /* unix: permissions, default 0666 */
    unsigned serve;
    uint32_t max_connections, max_per_source;
    struct conf_access access;
    struct diag_place place;
};
struct conf_file {
    const char *path;
    const char *content, *otherwise;       /* NULL: the verdict's word; NULL: no file while the group fails */
    uint32_t group;
    struct diag_place place;
};
/* A TCP port that stands for one group: an agent of HAProxy's, or a gate. */
struct conf_port { const struct vital_url *address; uint32_t group; struct diag_place place; };
struct conf_weight {
    uint8_t pass, warn;                    /* percent, by verdict */
    uint32_t probe;                        /* whose number lowers it further; UINT32_MAX = none */
    const char *number, *label;            /* label NULL: the first of that name */
    double full_at, least_at;              /* the number at which it is 100, and at which it is `least`; either may be larger */
    uint8_t least;
};
struct conf_agent {
    struct conf_port port;
    bool admin_words;                      /* ready, drain, maint, stopped too */
    struct conf_weight weight;
};
/* Who is told of what (config/conf_notify.h), and what may be told to: its own options with their secrets. */
struct conf_receiver;
struct conf_alias { const char *path; uint32_t group; struct diag_place place; };
struct conf_consumer { const char *name; uint32_t group; uint64_t period, timeout; uint32_t threshold; struct diag_place place; };

struct conf {
    struct arena *arena;
    const char *source;                    /* "built-in defaults and environment", or the files' names */
    const struct conf_probe *probes; uint32_t probe_count;
    const struct conf_group *groups; uint32_t group_count;
    const struct conf_listen *listeners; uint32_t listen_count;
    const struct conf_file *files; uint32_t file_count;
    const struct conf_agent *agents; uint32_t agent_count;
    const struct conf_port *gates; uint32_t gate_count;
    const struct conf_receiver *receivers; uint32_t receiver_count;
    const struct conf_alias *aliases; uint32_t alias_count;
    const struct conf_consumer *consumers; uint32_t consumer_count;
    uint32_t live, ready, startup, health; /* the four that always exist: indexes into groups */
    uint32_t max_in_flight, max_per_address;
    uint64_t startup_timeout, shutdown_delay;
    const char *control_path;              /* NULL = the default places */
    const char *control_group;             /* system group whose members may change things; NULL = none */
    bool control_beats_trusted;            /* heartbeats only from those who may change things */
    int log_level;
    uint8_t log_format;                    /* enum log_format */
    const char *user;                      /* whom to become when started as root; NULL = see user.c */
    bool core_dumps;
    const char *state_file;                /* NULL = none */
    uint32_t role_probe;                   /* answers /primary, /replica ...; UINT32_MAX = none */
    struct vital_secret **secrets; uint32_t secret_count;    /* of listeners and whatever else is no probe */
};

/* How conf is made without seeing io/: main wires these. */
struct conf_hooks {
    /* settings: struct tls_settings (base/tls_settings.h), made by the TLS row type; see config/opt_secret.c */
    const struct vital_tls *(*tls_build)(const void *settings, char **error);
    void (*tls_release)(const struct vital_tls *);
    bool (*tls_same)(const struct vital_tls *, const struct vital_tls *);
    int64_t (*tls_expires)(const struct vital_tls *);      /* our own certificate, in seconds since 1970 */
};
void conf_set_hooks(const struct conf_hooks *);

struct conf_request {
    const char *const *paths;              /* -c, in order: files or directories (conf.d: *.yaml by byte order); count 0: zero configuration */
    unsigned path_count;
    const char *const *env_files;          /* --env-file */
    unsigned env_file_count;
};
/* Any thread; loads modules and secrets, builds TLS contexts. NULL when diag has errors. */
struct conf *conf_load(const struct conf_request *, struct diag *);
void conf_free(struct conf *);             /* options that a probe still holds stay */
void conf_dump(const struct conf_request *, struct buf *out, struct diag *);     /* effective YAML, secrets redacted */
void conf_lint(const struct conf *, struct diag *);                              /* config/lint.c: warnings and notes */
/* Worst cases from a fault, or its end, to the probe's state: also what the simulation holds the engine to. */
uint64_t conf_detect_time(const struct conf_probe *);
uint64_t conf_recover_time(const struct conf_probe *);

#endif
