/* Names to addresses: getaddrinfo in helper threads, a bounded cache, one look-up per name at a time.
 *
 * Positive answers are kept 30 s, negative 5 s. When the resolver is down, or slow, the last good addresses go on being used
 * for hours and are reported as stale, so that a DNS outage does not turn every probe red; a name that the resolver
 * says does not exist is a failure at once. */
#ifndef IO_RESOLVE_H
#define IO_RESOLVE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { RESOLVE_ADDRESSES_MAX = 16, RESOLVE_CACHE_MAX = 4096 };

struct resolve_address { union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } u; socklen_t len; };
struct resolve_answer {
    struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];   /* port 0; families interleaved, IPv6 first */
    unsigned count;              /* 0 = failed */
    bool stale;
    bool refused;                /* the queue is full: our fault, not the name's */
    const char *error;           /* why there are none, or why they are stale; static */
};
struct resolve;
typedef void resolve_fn(void *arg, const struct resolve_answer *);

/* NULL: fn was already called (numeric, or cached). Else it is called later, unless resolve_cancel() comes first. */
struct resolve *resolve_name(const char *host, resolve_fn *, void *arg);
void resolve_cancel(struct resolve *);
bool resolve_numeric(const char *host, struct resolve_address *);
struct resolve_stats { uint64_t hits, misses, failures, stale, refused; unsigned cached, waiting; };
void resolve_stats(struct resolve_stats *);

#endif
