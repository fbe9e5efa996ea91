#include "front/access.h"

#include <string.h>

#include "base/mem.h"
#include "base/network.h"
#include "base/secret.h"
#include "config/conf.h"
#include "io/digest.h"
#include "io/peer.h"

struct access {
    unsigned open;
    bool by_certificate;
    struct network *networks;
    unsigned network_count;
    char **names;
    unsigned name_count;
    struct access_tokens *tokens;
};

/* ---- tokens ---- */

struct access_tokens *access_tokens_new(const struct conf_token *from, unsigned count, const char **why)
{
    struct token_hash hashes[TOKEN_HASHES_MAX];
    struct access_tokens *t = mem_alloc(sizeof *t);
    *why = NULL;
    for (unsigned i = 0; i < count && !*why; i++) {
        unsigned found = token_hashes(from[i].sha256->value, from[i].sha256->len, hashes, why);
        t->items = mem_grow(t->items, (t->count + found + 1) * sizeof *t->items);
        for (unsigned h = 0; h < found; h++)
            t->items[t->count++] = (struct access_token){ hashes[h], from[i].serve };
    }
    if (!*why)
        return t;
    access_tokens_free(t);
    return NULL;
}

void access_tokens_free(struct access_tokens *t)
{
    if (t)
        mem_free(t->items);
    mem_free(t);
}

void access_set_tokens(struct access *a, struct access_tokens *t)
{
    access_tokens_free(a->tokens);
    a->tokens = t;
}

/* ---- made of the configuration ---- */

struct access *access_new(const struct conf_access *c)
{
    struct access *a = mem_alloc(sizeof *a);
    const char *why;
    a->open = c->open;
    a->by_certificate = c->settings.ca;
    a->networks = mem_alloc((c->network_count + 1) * sizeof *a->networks);
    a->network_count = c->network_count;
    if (c->network_count)
        memcpy(a->networks, c->networks, c->network_count * sizeof *a->networks);
    a->names = mem_alloc((c->name_count + 1) * sizeof *a->names);
    for (; a->name_count < c->name_count; a->name_count++)
        a->names[a->name_count] = mem_copy(c->names[a->name_count]);
    a->tokens = access_tokens_new(c->tokens, c->token_count, &why); /* the configuration was refused if they are bad */
    return a;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    for (unsigned i = 0; i < a->name_count; i++)
        mem_free(a->names[i]);
    mem_free(a->names);
    mem_free(a->networks);
    access_tokens_free(a->tokens);
    mem_free(a);
}

/* ---- asked ---- */

bool access_by_network(const struct access *a)
{
    return a->network_count;
}

bool access_admits(const struct access *a, const struct sockaddr *from)
{
    bool admitted = !a->network_count;
    for (unsigned i = 0; i < a->network_count && !admitted; i++)
        admitted = network_holds(&a->networks[i], from);
    return admitted;
}

bool access_has_credentials(const struct access *a)
{
    return a->by_certificate || (a->tokens && a->tokens->count);
}

bool access_knows(const struct access *a, const struct peer *p)
{
    if (!a->by_certificate || !peer_is_certified(p))
        return false;
    bool known = !a->name_count;
    for (unsigned i = 0; i < a->name_count && !known; i++)
        known = peer_is_named(p, a->names[i]);
    return known;
}

/* Every hash is compared, whichever it is: the time tells nothing. */
static void judge_token(const struct access *a, struct span field, struct access_grant *g)
{
    struct token_hash presented;
    struct span token = token_of(field);
    g->credential = ACCESS_WRONG;
    if (!token.at)
        return;
    digest_sha256(token.at, token.len, presented.bytes);
    for (unsigned i = 0; i < a->tokens->count; i++)
        if (token_same(&a->tokens->items[i].hash, &presented)) {
            g->credential = ACCESS_GOOD;
            g->serve |= a->tokens->items[i].serve;
        }
}

/* Two of them would let two readers see different ones. */
static bool is_given_twice(const struct http1_request *r, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < r->count; i++)
        count += span_is_nocase(r->fields[i].name, name);
    return count > 1;
}

struct access_grant access_judge(const struct access *a, const struct http1_request *r, bool known)
{
    struct access_grant g = { .serve = a->open, .by_token = a->tokens && a->tokens->count };
    if (!access_has_credentials(a))
        return g;
    struct span field = g.by_token ? http1_field(r->fields, r->count, "authorization") : (struct span){ NULL, 0 };
    if (known) {
        g.serve |= SERVE_ALL;
        g.credential = ACCESS_GOOD;
    } else if (field.at && is_given_twice(r, "authorization")) {
        g.credential = ACCESS_WRONG;
    } else if (field.at) {
        judge_token(a, field, &g);
    }
    return g;
}
