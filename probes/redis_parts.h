/* The redis module's parts: its options, an attempt's state, and who does what.
 *
 * An attempt is one of three: `standalone` asks one server (redis_server.c), `sentinel` asks Sentinels where the master is
 * and then that server (redis_sentinel.c), `cluster` asks any seed for the map and then every master (redis_cluster.c).
 * redis_seeds.c walks through Sentinels and seeds until one answers. All of them end in redis_conclude(). */
#ifndef PROBES_REDIS_PARTS_H
#define PROBES_REDIS_PARTS_H

#include "found.h"
#include "redis_link.h"
#include "redis_text.h"
#include "vital_probe.h"

enum { REDIS_STANDALONE, REDIS_SENTINEL, REDIS_CLUSTER };
enum { REDIS_ROLE_ANY, REDIS_ROLE_MASTER, REDIS_ROLE_REPLICA };
enum redis_severity { REDIS_SAYS_IGNORE, REDIS_SAYS_WARN, REDIS_SAYS_FAIL };

enum { REDIS_COMMANDS_MAX = 16, REDIS_WORDS_MAX = 16, REDIS_HOSTS_MAX = 16, REDIS_PEERS = 16 };

struct redis_memory_conf { struct vital_threshold warn_above, fail_above; uint8_t full; };

struct redis_command {
    struct vital_list command;
    const char *name, *equals;
    const struct vital_regex *matches;
    struct vital_threshold warn_above, fail_above, warn_below, fail_below;
};

struct redis_conf {
    const struct vital_url *url;
    struct vital_list hosts;
    uint8_t mode;
    const char *master;
    const char *user;
    const struct vital_secret *password;
    int64_t database;
    const struct vital_tls *tls;
    const char *sentinel_user;
    const struct vital_secret *sentinel_password;
    const struct vital_tls *sentinel_tls;
    uint8_t role, link, persistence, rejected, quorum, failed_nodes;
    bool hold, info;
    const char *write_test;
    struct redis_memory_conf memory;
    struct found_ceiling clients, lag, lag_bytes;
    struct found_floor replicas, certificate;
    struct vital_list commands;
    struct vital_threshold warn_above;
};

enum redis_number {
    REDIS_N_RESOLVE, REDIS_N_CONNECT, REDIS_N_TLS, REDIS_N_TOTAL, REDIS_N_CERT_DAYS, REDIS_N_PING, REDIS_N_UPTIME, REDIS_N_MASTER,
    REDIS_N_MEMORY, REDIS_N_MEMORY_MAX, REDIS_N_MEMORY_RATIO, REDIS_N_CLIENTS, REDIS_N_CLIENTS_MAX, REDIS_N_BLOCKED, REDIS_N_REJECTED,
    REDIS_N_EVICTED, REDIS_N_OPS, REDIS_N_SAVE_AGE, REDIS_N_UNSAVED, REDIS_N_LINK_UP, REDIS_N_LAG, REDIS_N_REPLICAS,
    REDIS_N_REPLICA_LAG, REDIS_N_REPLICA_LAG_BYTES, REDIS_N_LOADED, REDIS_N_COMMAND, REDIS_N_SENTINELS, REDIS_N_TILT,
    REDIS_N_SLOTS, REDIS_N_NODES, REDIS_N_NODES_FAILED, REDIS_N_MASTERS, REDIS_N_MASTER_REPLICAS, REDIS_NUMBERS,
};

/* What one server has answered in this attempt. */
struct redis_server {
    struct redis_link *link;
    struct redis_value *info, *role;
    bool loading;
    uint64_t pinged;                    /* from the question to the PONG; 0 = none yet */
    bool no_info;                       /* INFO is not permitted */
    bool must_be_master;
    bool refused;                       /* the login: what follows says nothing new */
    unsigned command;                   /* of conf.commands, the next one to be answered */
    const char *prefix;                 /* "the master " in the texts of sentinel mode */
};

/* Walking through several addresses. */
struct redis_seeds {
    const struct redis_link_ops *ops;
    void (*out)(struct vital_probe *);  /* all were asked */
    const char *default_port;
    const struct vital_tls *tls;
    unsigned first, asked, count;       /* starts with the one that answered last */
    struct redis_link *link;
    struct vital_io *patience;
    enum vital_reason reason;           /* why the most telling one did not do */
    char failures[FOUND_TEXT];
};

struct redis_sentinel {
    struct redis_address master;
    bool found, has_quorum, tilt;
    bool answer_unknown, answer_quorum;          /* of the Sentinel that is being asked */
    enum vital_reason problem;
    char text[200], quorum_text[200];
};

struct redis_cluster {
    struct redis_value *info, *map;
    struct redis_nodes nodes;
    enum vital_reason problem;
    char text[200];
    unsigned waiting;                   /* for masters */
    unsigned offset;                    /* of the first master asked: all have their turn, when they are many */
    struct vital_io *patience;
};

/* The thresholds' memory; [0] warn, [1] fail. */
struct redis_was {
    bool memory[2], clients[2], lag[2], lag_bytes[2], replicas[2], certificate[2], slow;
    bool commands[REDIS_COMMANDS_MAX][4];
};

struct redis {
    bool running;
    uint64_t began;
    struct redis_link *links;
    struct found found;
    struct redis_server server;
    struct redis_seeds seeds;
    struct redis_sentinel sentinel;
    struct redis_cluster cluster;
    struct redis_was was;
    bool rejected_known;
    double rejected;                    /* at the last attempt */
    char good[REDIS_WHERE + 200];       /* what to say when nothing was found */
};

enum { REDIS_ASK_AUTH, REDIS_ASK_FIRST };   /* each conversation's own questions follow */

/* redis.c */
void redis_conclude(struct vital_probe *, const struct redis_link *);   /* link: whose phases and certificate are reported; may be NULL */
enum vital_class redis_class(enum redis_severity);
const struct vital_secret *redis_password(const struct redis_conf *);
const char *redis_user(const struct redis_conf *);
bool redis_database(const struct redis_conf *, char room[8]);           /* false: there is none to select */
void redis_link_words(struct redis_link *, unsigned question, const char *const *words);   /* NULL-ended */
void redis_link_login(struct vital_probe *, struct redis_link *, const char *user, const struct vital_secret *password);
/* An error reply as a finding. */
void redis_error(struct redis *, const char *where, const struct redis_value *, enum vital_reason other);
/* A stream's end in words: "10.0.0.1:6379: connection refused"; own: it is vitald's own shortage. */
enum vital_reason redis_end_text(const struct redis_link *, enum vital_reason, const char *text, char *room, size_t size);

/* redis_server.c */
void redis_server_begin(struct vital_probe *, const struct redis_target *, bool must_be_master, const char *prefix);
void redis_server_free(struct redis_server *);
/* redis_judge.c: what INFO and ROLE say */
void redis_server_judge(struct vital_probe *, struct redis_server *);
/* redis_command.c */
void redis_command_ask(struct redis_link *, unsigned question, const struct redis_command *);
void redis_command_judge(struct vital_probe *, unsigned which, const struct redis_value *);
bool redis_command_check(const struct redis_command *, struct vital_diag *);
/* redis_seeds.c */
void redis_seeds_begin(struct vital_probe *);           /* the fields above `first` are set */
void redis_seeds_failed(struct vital_probe *, enum vital_reason, const char *text);   /* this one does not do: the next */
void redis_seeds_answered(struct vital_probe *);        /* it does */
unsigned redis_seeds_count(const struct redis_conf *);
/* redis_sentinel.c, redis_cluster.c */
void redis_sentinel_begin(struct vital_probe *);
void redis_cluster_begin(struct vital_probe *);
void redis_cluster_free(struct redis_cluster *);

#endif
