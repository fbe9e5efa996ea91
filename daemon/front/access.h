/* Whom a listener serves, and what: the networks that may connect, the classes that are open, and what a credential (a
 * bearer token, a client certificate) opens beyond them. Knows nothing of sockets; where a request says that it comes
 * from (X-Forwarded-For) is nowhere asked, for everybody can write that. */
#ifndef FRONT_ACCESS_H
#define FRONT_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/http1.h"
#include "base/token.h"

struct conf_access;
struct peer;
struct sockaddr;

struct access_token { struct token_hash hash; unsigned serve; };
struct access_tokens { struct access_token *items; unsigned count; };

struct access;
struct access *access_new(const struct conf_access *);
void access_free(struct access *);

/* The hashes of these secrets; NULL and *why (static) when one cannot be used. Any thread. */
struct conf_token;
struct access_tokens *access_tokens_new(const struct conf_token *, unsigned count, const char **why);
void access_tokens_free(struct access_tokens *);
void access_set_tokens(struct access *, struct access_tokens *);       /* takes them over */

bool access_admits(const struct access *, const struct sockaddr *);
bool access_by_network(const struct access *);                /* it matters where somebody comes from */
bool access_has_credentials(const struct access *);
/* A certificate of this peer counts as a credential. */
bool access_knows(const struct access *, const struct peer *);

enum access_credential { ACCESS_NONE, ACCESS_WRONG, ACCESS_GOOD };
struct access_grant {
    unsigned serve;                      /* SERVE_ bits that this request may see, of what is served */
    enum access_credential credential;
    bool by_token;                       /* a token would open more */
};
/* known: by its certificate. */
struct access_grant access_judge(const struct access *, const struct http1_request *, bool known);
/* It asks by a name that is none of ours: verdicts only, unless it has a credential. */
bool access_is_stranger(const struct access *, const struct http1_request *);

#endif
