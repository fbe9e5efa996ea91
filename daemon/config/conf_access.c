#include "config/conf_access.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/network.h"
#include "base/secret.h"
#include "base/token.h"
#include "config/tree.h"

const char *const access_words[] = { "verdicts", "status", "metrics", "events", "page", "all", NULL };
const char *const access_listen_words[] = { "verdicts", "status", "metrics", "events", "page", "all", "grpc", NULL };
const char *const access_open_words[] = { "verdicts", "status", "metrics", "events", "page", "all", "none", NULL };
static const char *const any_word[] = { "verdicts", "status", "metrics", "events", "page", "all", "none", "grpc", NULL };
static const unsigned bits[] = { SERVE_VERDICTS, SERVE_STATUS, SERVE_METRICS, SERVE_EVENTS, SERVE_PAGE, SERVE_ALL, SERVE_NONE, SERVE_GRPC };
static const char *const client_words[] = { "required", "optional", NULL };
static const char *const version_words[] = { "1.2", "1.3", NULL };

/* Without a default: a listener without TLS has nothing here, and none is dumped for it. */
const struct vital_opt access_tls_rows[] = {
    VITAL_OPT(struct tls_rows, cert, STRING, .flags = VITAL_PATHNAME, .help = "our certificate and its chain (PEM file)"),
    VITAL_OPT(struct tls_rows, key, SECRET, .help = "its private key (PEM), usually { file: PATH }; default: it is in cert"),
    VITAL_OPT(struct tls_rows, min_version, WORD, .words = version_words, .help = "oldest TLS version that is accepted; default: 1.2"),
    VITAL_OPT(struct tls_rows, client_ca, STRING, .flags = VITAL_PATHNAME,
              .help = "CA certificates that clients' certificates are verified with; one that is good is a credential"),
    VITAL_OPT(struct tls_rows, client, WORD, .words = client_words,
              .help = "with client_ca: whether a client without a certificate is refused; default: required"),
    VITAL_OPT(struct tls_rows, client_names, STRINGS,
              .help = "with client_ca: only certificates with one of these names (a SAN, or the CN) are a credential; default: all"),
    VITAL_OPT(struct tls_rows, hsts, DURATION, .max = 10LL * 366 * 86400 * USEC_S,
              .help = "browsers shall use TLS for every port of this host name for that long; default: nothing is said"),
    VITAL_OPT_END,
};

const struct vital_opt access_token_rows[] = {
    VITAL_OPT(struct token_rows, sha256, SECRET, .flags = VITAL_REQUIRED | VITAL_BARE,
              .help = "the token's SHA-256 in hex, or { file: PATH } with one a line"),
    VITAL_OPT(struct token_rows, serve, STRINGS, .def = "all", .words = access_words, .help = "what it opens, of what the listener serves"),
    VITAL_OPT_END,
};

unsigned access_bits(const struct vital_list *words)
{
    unsigned sum = 0;
    for (uint32_t i = 0; i < words->count; i++)
        for (unsigned w = 0; any_word[w]; w++)
            if (!strcmp(any_word[w], ((const char *const *)words->items)[i]))
                sum |= bits[w];
    return sum;
}

static void fail(struct build *b, const struct node *map, const char *key, const char *text)
{
    const struct node *at = map_find(map, key);
    diag_add(b->diag, DIAG_ERROR, at ? at->place : map->place, "`%s`: %s", key, text);
}

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

static const char *fault_of(const struct tls_rows *r, const struct node *tls)
{
    if (!r->cert)
        return "a listener that speaks TLS needs `cert` (and `key`, unless it is in the same file)";
    if (!r->client_ca && (map_find(tls, "client") || map_find(tls, "client_names")))
        return "`client` and `client_names` need `client_ca`: clients' certificates are verified with it";
    return NULL;
}

static void read_tls(struct build *b, const struct node *map, const struct tls_rows *r, unsigned serves, struct conf_access *a)
{
    static const unsigned versions[] = { 12, 13 };
    const struct node *tls = map_find(map, "tls");
    if (!tls || tls->kind != NODE_MAP)
        return;
    const char *fault = fault_of(r, tls);
    if (fault) {
        fail(b, map, "tls", fault);
        return;
    }
    char *error = NULL;
    a->settings = (struct tls_settings){ .ca = r->client_ca, .cert = r->cert, .key = r->key, .min_version = versions[r->min_version],
                                         .verify = r->client_ca, .serves = true, .demands = r->client_ca && r->client == 0,
                                         .alpn = serves & SERVE_GRPC ? "h2" : "http/1.1" };
    a->names = r->client_names.items;
    a->name_count = r->client_names.count;
    a->hsts = r->hsts;
    a->tls = conf_hooks()->tls_build ? conf_hooks()->tls_build(&a->settings, &error) : NULL;
    if (error)
        fail(b, map, "tls", error);
    mem_free(error);
}

/* ---- credentials -------------------------------------------------------------------------------------------- */

static void read_tokens(struct build *b, const struct node *map, const struct vital_list *list, struct conf_access *a)
{
    const struct token_rows *rows = list->items;
    struct conf_token *tokens = arena_alloc(b->conf->arena, (list->count + 1) * sizeof *tokens);
    struct token_hash hashes[TOKEN_HASHES_MAX];
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node *n = map_find(map, "tokens");
        const char *why = NULL;
        tokens[i] = (struct conf_token){ rows[i].sha256, access_bits(&rows[i].serve) };
        if (rows[i].sha256 && !token_hashes(rows[i].sha256->value, rows[i].sha256->len, hashes, &why))
            diag_add(b->diag, DIAG_ERROR, n->kind == NODE_LIST ? n->items[i]->place : n->place, "`sha256`: %s", why);
    }
    a->tokens = tokens;
    a->token_count = list->count;
}

static void read_open(struct build *b, const struct node *map, const struct vital_list *words, struct conf_access *a)
{
    bool credentials = a->token_count || a->settings.ca;
    a->open = words->count ? access_bits(words) : credentials ? SERVE_VERDICTS : SERVE_ALL;
    if (words->count && !credentials)
        fail(b, map, "open", "without `tokens` or `client_ca` everything that is served is open: remove it, or add a credential");
}

/* ---- networks ----------------------------------------------------------------------------------------------- */

static void read_networks(struct build *b, const struct node *map, const struct vital_list *texts, struct conf_listen *l)
{
    struct network *all = arena_alloc(b->conf->arena, (texts->count + 1) * sizeof *all);
    const struct node *n = map_find(map, "allow");
    for (uint32_t i = 0; i < texts->count; i++) {
        const char *text = ((const char *const *)texts->items)[i], *why = network_parse(text, &all[i]);
        if (why)
            diag_add(b->diag, DIAG_ERROR, n->kind == NODE_LIST ? n->items[i]->place : n->place, "`allow`: \"%s\" %s", text, why);
    }
    if (n && !texts->count)
        fail(b, map, "allow", "nobody could connect: name a network, or remove it");
    if (texts->count && l->address && l->address->unix_path)
        fail(b, map, "allow", "a unix socket has no networks: set `mode`");
    l->access.networks = all;
    l->access.network_count = texts->count;
}

static bool is_host(const char *name)
{
    size_t len = strlen(name);
    return len && name[len - 1] != '.' && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

/* A page in a browser makes its own name mean the loopback, and then reads what is there as if it were its own. */
static void read_hosts(struct build *b, const struct node *map, const struct vital_list *names, struct conf_listen *l)
{
    struct conf_access *a = &l->access;
    const struct node *n = map_find(map, "hosts");
    a->hosts = names->items;
    a->host_count = names->count;
    a->any_host = !names->count && (a->settings.cert || !l->address || l->address->unix_path || !build_is_loopback(l->address));
    for (uint32_t i = 0; i < names->count; i++) {
        bool every = !strcmp(a->hosts[i], "*");
        a->any_host |= every;
        if (!every && !is_host(a->hosts[i]))
            diag_add(b->diag, DIAG_ERROR, n->kind == NODE_LIST ? n->items[i]->place : n->place,
                     "`hosts`: \"%s\" would never be asked for: write a name alone, as in status.example.com, or \"*\" for all", a->hosts[i]);
    }
}

void access_read(struct build *b, const struct node *map, const struct access_rows *r, struct conf_listen *l)
{
    struct conf_access *a = &l->access;
    read_tls(b, map, &r->tls, l->serve, a);
    read_tokens(b, map, &r->tokens, a);
    read_open(b, map, &r->open, a);
    read_networks(b, map, &r->allow, l);
    read_hosts(b, map, &r->hosts, l);
    a->reread = r->reread;
}
