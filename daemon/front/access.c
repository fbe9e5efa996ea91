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
    char **hosts;
    unsigned host_count;
    bool any_host;
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

static char **copies(const char *const *texts, unsigned count)
{
    char **all = mem_alloc((count + 1) * sizeof *all);
    for (unsigned i = 0; i < count; i++)
        all[i] = mem_copy(texts[i]);
    return all;
}

static void free_copies(char **all)
{
    for (char **at = all; *at; at++)
        mem_free(*at);
    mem_free(all);
}

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
    a->names = copies(c->names, c->name_count);
    a->name_count = c->name_count;
    a->hosts = copies(c->hosts, c->host_count);
    a->host_count = c->host_count;
    a->any_host = c->any_host;
    a->tokens = access_tokens_new(c->tokens, c->token_count, &why); /* the configuration was refused if they are bad */
    return a;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    free_copies(a->names);
    free_copies(a->hosts);
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

static const char *before_digits(const char *from, const char *at)
{
    while (at > from && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return at;
}

/* Names that anybody may give an address: they have a dot, and are none. No name ends in a label of digits. `host` loses its
 * port, and the dot of a full name. */
static bool is_public_name(struct span *host)
{
    static const struct span local = { ".localhost", sizeof ".localhost" - 1 };
    const char *from = host->at, *end = from + host->len, *digits = before_digits(from, end);
    end = digits > from && digits[-1] == ':' ? digits - 1 : end;
    end -= end > from && end[-1] == '.';
    digits = before_digits(from, end);
    host->len = (size_t)(end - from);
    if (digits == from || digits[-1] == ']' || (digits < end && digits[-1] == '.') || !memchr(from, '.', host->len))
        return false;
    return host->len < local.len || !span_is_nocase((struct span){ end - local.len, local.len }, local.at);
}

bool access_is_stranger(const struct access *a, const struct http1_request *r)
{
    struct span host = r->host;
    if (a->any_host || !host.len || !is_public_name(&host))
        return false;
    for (unsigned i = 0; i < a->host_count; i++)
        if (span_is_nocase(host, a->hosts[i]))
            return false;
    return true;
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
