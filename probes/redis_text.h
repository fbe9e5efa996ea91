/* What Redis says in text, taken apart by pure functions: errors by their first words, INFO, CLUSTER NODES, addresses. */
#ifndef PROBES_REDIS_TEXT_H
#define PROBES_REDIS_TEXT_H

#include "vital_probe.h"

struct redis_part { const char *at; size_t len; };

/* The reason behind an error reply ("-LOADING Redis is loading ..."), `other` when its words are not known. */
enum vital_reason redis_error_reason(const char *text, size_t len, enum vital_reason other);

/* One field of INFO or CLUSTER INFO: "used_memory:1048576\r\n". .at is NULL when it is not there. */
struct redis_part redis_field(const char *info, const char *name);
bool redis_field_is(const char *info, const char *name, const char *value);
bool redis_field_number(const char *info, const char *name, double *value);

/* The replicas in INFO: "slave0:ip=10.0.0.2,port=6379,state=online,offset=1234,lag=0". False after the last one. */
struct redis_replica { char name[64]; bool online; double offset, lag; };
bool redis_replica_nth(const char *info, unsigned n, struct redis_replica *);

enum { REDIS_SLOTS = 16384, REDIS_NODES_CAP = 1000 };
enum {
    REDIS_MYSELF = 1, REDIS_MASTER = 2, REDIS_REPLICA = 4, REDIS_SUSPECTED = 8, REDIS_FAILED = 16, REDIS_NO_ADDRESS = 32,
    REDIS_HANDSHAKE = 64,
};
/* The parts point into the text that was parsed. */
struct redis_node {
    struct redis_part id, host, port, name, master;      /* name: announced host name */
    unsigned flags, slots;
};
struct redis_nodes {
    struct redis_node *items;
    unsigned count;
    unsigned served;                            /* slots of masters that are not failed */
    bool crowded;                               /* there were more than the cap */
};
/* CLUSTER NODES. False when it is not one. */
bool redis_nodes_parse(const char *text, struct redis_nodes *);
void redis_nodes_free(struct redis_nodes *);
unsigned redis_node_replicas(const struct redis_nodes *, const struct redis_node *master);    /* that are well */

/* "cache:6379", "10.0.0.1", "[::1]:6379"; NULL, or what is wrong. */
struct redis_address { char host[256], port[6]; };
const char *redis_address_parse(const char *text, const char *default_port, struct redis_address *);

/* A stranger's bytes, made fit for a sentence: quotes nothing, escapes what is not printable ASCII. */
const char *redis_shown(const char *bytes, size_t len, size_t most, char *room, size_t size);

#endif
