/* Cluster mode: any seed gives the map; then every master is asked whether it sees the cluster whole, for one that does not
 * may be the only one to know for a while. */
#include <stdio.h>

#include "redis_parts.h"

enum { ASK_INFO = REDIS_ASK_FIRST, ASK_NODES };

static struct redis_cluster *cluster_of(struct vital_probe *p)
{
    return &((struct redis *)p->priv)->cluster;
}

void redis_cluster_free(struct redis_cluster *k)
{
    redis_value_free(k->info);
    redis_value_free(k->map);
    redis_nodes_free(&k->nodes);
    *k = (struct redis_cluster){ .offset = k->offset };
}

static bool is_serving(const struct redis_node *n)
{
    return n->flags & REDIS_MASTER && n->slots && !(n->flags & REDIS_FAILED);
}

static const char *node_text(const struct redis_node *n, char *room, size_t size)
{
    char host[140];
    redis_shown(n->host.at ? n->host.at : "?", n->host.at ? n->host.len : 1, 120, host, sizeof host);
    snprintf(room, size, strchr(host, ':') ? "[%.120s]:%.*s" : "%.120s:%.*s", host, (int)(n->port.len > 5 ? 5 : n->port.len),
             n->port.at ? n->port.at : "");
    return room;
}

/* ---- what the map says -------------------------------------------------------------------------------------- */

struct census { unsigned masters, replicas, failed, fewest; const struct redis_node *bereft, *lost; };

static struct census take_census(const struct redis_nodes *nodes)
{
    struct census c = { .fewest = ~0U };
    for (unsigned i = 0; i < nodes->count; i++) {
        const struct redis_node *n = &nodes->items[i];
        if (n->flags & REDIS_FAILED) {
            c.failed++;
            c.lost = n;
        }
        c.replicas += (n->flags & REDIS_REPLICA) != 0;
        if (!is_serving(n))
            continue;
        unsigned replicas = redis_node_replicas(nodes, n);
        c.masters++;
        if (replicas < c.fewest) {
            c.fewest = replicas;
            c.bereft = n;
        }
    }
    return c;
}

static void judge_slots(struct redis *r)
{
    const struct redis_cluster *k = &r->cluster;
    if (!redis_field_is(k->info->text, "cluster_state", "ok"))
        found_add(&r->found, VITAL_FAIL, VITAL_R_CLUSTER, "%s says that the cluster is down: %u of %d slots are served", r->seeds.link->where,
                  k->nodes.served, REDIS_SLOTS);
    else if (k->nodes.served < REDIS_SLOTS)
        found_add(&r->found, VITAL_FAIL, VITAL_R_CLUSTER, "%u of %d slots are served, says %s", k->nodes.served, REDIS_SLOTS, r->seeds.link->where);
}

static void judge_nodes(struct vital_probe *p, const struct census *census)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    const struct redis_nodes *nodes = &r->cluster.nodes;
    char name[160];
    if (census->failed && c->failed_nodes != REDIS_SAYS_IGNORE)
        found_add(&r->found, redis_class(c->failed_nodes), VITAL_R_CLUSTER, "%u of %u nodes %s failed, %s%s", census->failed, nodes->count,
                  census->failed == 1 ? "has" : "have", node_text(census->lost, name, sizeof name), census->failed == 1 ? "" : " for one");
    if (census->bereft)
        found_below(&r->found, &c->replicas, r->was.replicas, &(struct found_measure){ FOUND_COUNT, census->fewest, 0, VITAL_R_REPLICATION },
                    "master %s has %u %s", node_text(census->bereft, name, sizeof name), census->fewest,
                    census->fewest == 1 ? "replica" : "replicas");
}

static void conclude(struct vital_probe *p)
{
    struct redis *r = p->priv;
    struct redis_cluster *k = &r->cluster;
    const struct census census = take_census(&k->nodes);
    judge_slots(r);
    judge_nodes(p, &census);
    vital_number(p, REDIS_N_SLOTS, k->nodes.served);
    vital_number(p, REDIS_N_NODES, k->nodes.count);
    vital_number(p, REDIS_N_NODES_FAILED, census.failed);
    vital_number(p, REDIS_N_MASTERS, census.masters);
    if (census.bereft)
        vital_number(p, REDIS_N_MASTER_REPLICAS, census.fewest);
    if (k->nodes.crowded)
        vital_log(p, 4, "the cluster has more nodes than the %d that are looked at", REDIS_NODES_CAP);
    snprintf(r->good, sizeof r->good, "all %d slots are served by %u masters; %u replicas", REDIS_SLOTS, census.masters, census.replicas);
    redis_conclude(p, r->seeds.link);
}

/* ---- the masters -------------------------------------------------------------------------------------------- */

static void one_less(struct vital_probe *p)
{
    if (--cluster_of(p)->waiting == 0)
        conclude(p);
}

static void ask_peer(struct vital_probe *p, struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    redis_link_login(p, l, redis_user(c), redis_password(c));
    redis_link_words(l, ASK_INFO, (const char *const[]){ "CLUSTER", "INFO", NULL });
}

static bool answer_peer(struct vital_probe *p, struct redis_link *l, unsigned question, struct redis_value *v)
{
    struct redis *r = p->priv;
    double slots = 0;
    if (question == REDIS_ASK_AUTH && v->kind == REDIS_STATUS)
        return false;
    if (v->kind == REDIS_ERROR || v->kind != REDIS_TEXT) {
        redis_error(r, l->where, v, VITAL_R_CLUSTER);
    } else if (!redis_field_is(v->text, "cluster_state", "ok")) {
        redis_field_number(v->text, "cluster_slots_ok", &slots);
        found_add(&r->found, VITAL_FAIL, VITAL_R_CLUSTER, "master %s says that the cluster is down: %.0f of %d slots are served", l->where, slots,
                  REDIS_SLOTS);
    }
    return false;
}

static void peer_done(struct vital_probe *p, struct redis_link *l)
{
    (void)l;
    one_less(p);
}

static void peer_gone(struct vital_probe *p, struct redis_link *l, enum vital_reason reason, const char *text)
{
    struct redis *r = p->priv;
    char about[FOUND_TEXT];
    reason = redis_end_text(l, reason, text, about, sizeof about);
    bool own = reason == VITAL_R_NO_FDS || reason == VITAL_R_NO_THREAD;
    found_add(&r->found, own ? VITAL_INTERNAL : VITAL_FAIL, own ? reason : VITAL_R_CLUSTER, "the slots of a master cannot be reached: %s", about);
    one_less(p);
}

static const struct redis_link_ops peer_ops = { ask_peer, answer_peer, peer_done, peer_gone };

static bool is_silent(const struct redis_link *l)
{
    return l->used && l->ops == &peer_ops && l->io && (!l->open || l->answered < l->count);
}

static void peers_out_of_patience(struct vital_probe *p, void *arg)
{
    struct redis *r = p->priv;
    (void)arg;
    r->cluster.patience = NULL;
    for (const struct redis_link *l = r->links; l; l = l->next)
        if (is_silent(l))
            found_add(&r->found, VITAL_FAIL, VITAL_R_CLUSTER, "master %s does not answer in time", l->where);
    conclude(p);
}

static bool peer_target(const struct redis_conf *c, const struct redis_node *n, struct redis_target *t)
{
    *t = (struct redis_target){ .tls = c->tls };
    if (!n->host.at || !n->host.len || n->host.len >= sizeof t->address.host || n->port.len >= sizeof t->address.port
        || n->name.len >= sizeof t->name)
        return false;
    memcpy(t->address.host, n->host.at, n->host.len);
    memcpy(t->address.port, n->port.at, n->port.len);
    if (n->name.at)
        memcpy(t->name, n->name.at, n->name.len);
    return true;
}

/* With more masters than are asked at once, each attempt goes on where the last one ended. */
static void ask_peers(struct vital_probe *p)
{
    struct redis *r = p->priv;
    struct redis_cluster *k = &r->cluster;
    unsigned begin = k->offset, i = 0;
    k->patience = p->host->timer(p, vital_left(p) - vital_left(p) / 8, peers_out_of_patience, NULL);
    k->waiting = 1; /* ours, until all are asked */
    for (; i < k->nodes.count && k->waiting <= REDIS_PEERS; i++) {
        const struct redis_node *n = &k->nodes.items[(begin + i) % k->nodes.count];
        struct redis_target target;
        if (!is_serving(n) || n->flags & REDIS_MYSELF || !peer_target(p->conf, n, &target))
            continue;
        k->waiting++;
        redis_link_begin(p, &r->links, &target, &peer_ops);
    }
    k->offset = i < k->nodes.count ? (begin + i) % k->nodes.count : 0;
    one_less(p);
}

/* ---- the seed ----------------------------------------------------------------------------------------------- */

static void ask(struct vital_probe *p, struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    redis_cluster_free(cluster_of(p));
    redis_link_login(p, l, redis_user(c), redis_password(c));
    redis_link_words(l, ASK_INFO, (const char *const[]){ "CLUSTER", "INFO", NULL });
    redis_link_words(l, ASK_NODES, (const char *const[]){ "CLUSTER", "NODES", NULL });
}

static bool answer(struct vital_probe *p, struct redis_link *l, unsigned question, struct redis_value *v)
{
    struct redis_cluster *k = cluster_of(p);
    (void)l;
    if (question != REDIS_ASK_AUTH && v->kind == REDIS_TEXT) {
        *(question == ASK_INFO ? &k->info : &k->map) = v;
        return true;
    }
    if ((question != REDIS_ASK_AUTH || v->kind == REDIS_ERROR) && k->problem == VITAL_R_OK) {
        enum vital_reason other = question == REDIS_ASK_AUTH ? VITAL_R_AUTH : VITAL_R_BAD_REPLY;
        k->problem = v->kind == REDIS_ERROR ? redis_error_reason(v->text, v->len, other) : other;
        redis_shown(v->text ? v->text : "no text", v->text ? v->len : 7, 120, k->text, sizeof k->text);
    }
    return false;
}

static void done(struct vital_probe *p, struct redis_link *l)
{
    struct redis_cluster *k = cluster_of(p);
    char text[REDIS_WHERE + 220];
    if (k->problem == VITAL_R_OK && !redis_nodes_parse(k->map->text, &k->nodes)) {
        k->problem = VITAL_R_BAD_REPLY;
        snprintf(k->text, sizeof k->text, "its CLUSTER NODES cannot be understood");
    }
    if (k->problem != VITAL_R_OK) {
        snprintf(text, sizeof text, "%s: %s", l->where, k->text);
        redis_seeds_failed(p, k->problem, text);
        return;
    }
    redis_seeds_answered(p);
    ask_peers(p);
}

static void gone(struct vital_probe *p, struct redis_link *l, enum vital_reason reason, const char *text)
{
    char about[FOUND_TEXT];
    reason = redis_end_text(l, reason, text, about, sizeof about);
    redis_seeds_failed(p, reason, about);
}

static void out(struct vital_probe *p)
{
    struct redis *r = p->priv;
    bool own = r->seeds.reason == VITAL_R_NO_FDS || r->seeds.reason == VITAL_R_NO_THREAD;
    found_add(&r->found, own ? VITAL_INTERNAL : VITAL_FAIL, r->seeds.reason, "no seed tells about the cluster: %s", r->seeds.failures);
    redis_conclude(p, NULL);
}

void redis_cluster_begin(struct vital_probe *p)
{
    static const struct redis_link_ops ops = { ask, answer, done, gone };
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    r->seeds.ops = &ops;
    r->seeds.out = out;
    r->seeds.default_port = "6379";
    r->seeds.tls = c->tls;
    redis_seeds_begin(p);
}
