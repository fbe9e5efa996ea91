/* Between the files that make a conf out of a tree: conf.c runs them in order. */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include <string.h>

#include "config/conf.h"
#include "config/names.h"
#include "config/opt.h"

struct arena;
struct environment;
struct node;

/* What a probe may say beside its module; also in `defaults`. 0 = not given where the default depends on others. */
struct policy {
    uint64_t interval, interval_unsettled, interval_down, timeout, max_age;
    double jitter, jitter_unsettled;
    int64_t rise, fall;
    uint8_t initial, on_edge;
    bool shared, notify;
    struct vital_list depends_on;
};

/* A probe type that this configuration names. */
struct build_type {
    const char *name;
    const struct vital_module *module;   /* NULL: see missing, or unknown altogether */
    const char *missing;                 /* its package is not installed */
    const char *error;                   /* it exists but cannot be used */
    struct node *defaults;               /* its map in `defaults`, module options only; NULL = none */
    struct policy policy;                /* defaults and the type's defaults */
    size_t room;                         /* that the options of the last probe of this type took: those of the next are alike */
};

struct build {
    struct conf *conf;
    struct diag *diag;
    const struct environment *env;
    struct arena *tree;                  /* everything that is not needed afterwards */
    struct node *root;
    struct opt_scope scope;              /* for what belongs to the conf itself */
    struct policy policy;
    struct names types;
    struct build_type **type_list;
    uint32_t type_count, type_room;
    const char *const *type_names;       /* of every type there is: for suggestions */
    struct names names;                  /* probes and groups: index * 2 + is_group */
};

extern const struct vital_opt conf_policy_rows[], conf_setting_rows[], conf_group_rows[], conf_listen_rows[], conf_file_rows[],
    conf_agent_rows[], conf_gate_rows[], conf_consumer_rows[], conf_receiver_rows[];
/* All sections of a configuration file, for findings, dump and documentation: ended by a name of NULL. */
struct conf_section { const char *name; const struct vital_opt *rows; const char *form, *help; };
extern const struct conf_section conf_sections[];

void build_implied(struct build *);     /* conf_settings.c: what is there without being written goes into the tree */
void build_settings(struct build *);
void build_defaults(struct build *);    /* conf_defaults.c */
void build_probes(struct build *);      /* conf_probes.c */
void build_groups(struct build *);      /* conf_groups.c */
void build_listeners(struct build *);   /* conf_listen.c */
void build_files(struct build *);
void build_aliases(struct build *);
void build_role(struct build *);
void build_agents(struct build *);      /* conf_ports.c */
void build_gates(struct build *);
void build_doors(struct build *);       /* after all that listen: no two at one address */
void build_consumers(struct build *);
void build_receivers(struct build *);  /* conf_notify.c */

/* A section that is a list; what is not a list is a list of one. `room` holds that one. */
uint32_t build_list(const struct build *, const char *section, struct node ***items, struct node **room);
bool build_is_loopback(const struct vital_url *);      /* a listener there is reached from this host only; not of unix sockets */
const struct vital_url *build_address(struct build *, const struct node *);   /* where to listen; NULL after a finding */
bool build_is_name(const char *);
bool build_name(struct build *, const char *name, struct diag_place, bool is_group, uint32_t index);   /* false after a finding */
/* The group's index, or NAMES_NONE after a finding that is placed at `n`. */
uint32_t build_find_group(struct build *, const char *name, struct diag_place);
void build_unknown(struct build *, const char *name, struct diag_place, const char *what);             /* with a suggestion */
const char *const *build_policy_names(struct build *);
const char *const *build_type_names(struct build *);
struct build_type *build_type(struct build *, const char *name);      /* NULL: there is no such type */
struct conf_options *build_options(struct build *, struct build_type *, struct node *, const char *what);
struct node *build_section(struct build *, const char *name);   /* a section that is a map; NULL: absent, or no map (a finding) */

/* The tree that zero configuration stands for: env.c. */
struct node *env_tree(struct arena *tree, struct arena *names, const struct environment *, struct diag *);

/* As it is in force: what the dump prints. */
struct policy policy_of(const struct conf_probe *);

/* Everything up to the decoded conf; the tree is kept when `tree` is not NULL. */
struct conf *conf_make(const struct conf_request *, struct arena *tree, struct node **root, struct diag *);

enum { GRAPH_SKIP = UINT32_MAX - 1 };
/* A way in a graph that comes back to itself: its length in `path`, 0 = there is none. next(arg, node, i): the i-th
 * successor, GRAPH_SKIP, or NAMES_NONE after the last. path: room for count. */
uint32_t graph_cycle(uint32_t count, uint32_t (*next)(const void *arg, uint32_t node, uint32_t i), const void *arg, uint32_t *path,
                     struct arena *scratch);

#endif
