/* What the probes that dial have in common: their first numbers, how a certificate's age and a slow answer are judged,
 * how bytes of a stranger are shown to people, and what the end of a stream means. */
#ifndef PROBES_NET_H
#define PROBES_NET_H

#include <sys/socket.h>

#include "vital_probe.h"

/* The first rows of every dialling module's numbers: NET_NUMBER_ROWS, then its own from NET_NUMBERS on. */
enum { NET_RESOLVE, NET_CONNECT, NET_TLS, NET_TOTAL, NET_CERT_DAYS, NET_NUMBERS };
#define NET_NUMBER_ROWS                                                                                              \
    [NET_RESOLVE] = { "resolve_seconds", "seconds", "time to resolve the name; 0 for a numeric address", false, NULL }, \
    [NET_CONNECT] = { "connect_seconds", "seconds", "time to connect, once the name was resolved", false, NULL },    \
    [NET_TLS] = { "tls_seconds", "seconds", "time of the TLS handshake", false, NULL },                              \
    [NET_TOTAL] = { "total_seconds", "seconds", "time from the start of the attempt to its result", false, NULL },   \
    [NET_CERT_DAYS] = { "certificate_days", "days", "how long until the first certificate of the chain expires; negative: since when it has", false, NULL }

/* certificate: { warn_below: 21, fail_below: 7 } */
struct net_certificate { struct vital_threshold warn_below, fail_below; };
extern const struct vital_opt net_certificate_rows[];

/* How an answer that is right is judged further, and the thresholds' memory, which lives in the probe. */
struct net_rules {
    const struct vital_threshold *slow;          /* NULL = none */
    const struct net_certificate *certificate;   /* NULL = none */
};
struct net_memory { bool slow, warn, fail; };

enum { NET_CERTS = 8, NET_TEXT = 512 };

struct net_verdict { enum vital_class class; enum vital_reason reason; char text[NET_TEXT]; };

/* The chain's certificate that expires first; reports its days. False when there is none. */
bool net_first_to_expire(const struct vital_cert *, unsigned count, int64_t now, double *days, unsigned *which);
/* "certificate of CN=x expires in 5 days" or "... expired 3 days ago"; which > 0 names it as intermediate. */
void net_certificate_text(const struct vital_cert *, unsigned which, double days, char *room, size_t size);
/* Judges days against the thresholds; pass leaves the verdict as it is. */
void net_judge_days(const struct net_certificate *, struct net_memory *, double days, bool *warn, bool *fail);

/* Reports the phases and the certificate's days of a stream (NULL: the total alone). */
void net_report(struct vital_probe *, struct vital_io *, uint64_t began);
/* The attempt's good end: what was found (pass or warn) may still get worse by the certificate or by slowness. */
void net_conclude(struct vital_probe *, struct vital_io *, uint64_t began, const struct net_rules *, struct net_memory *,
                  const struct net_verdict *found);
/* The same in two steps, for a verdict that comes when the stream has gone: what it tells is looked at and reported first. */
struct net_seen { bool stale, warn, fail, slow; double days; uint64_t took; char about[NET_TEXT]; };
void net_see(struct vital_probe *, struct vital_io *, uint64_t began, const struct net_rules *, struct net_memory *, struct net_seen *);
void net_end(struct vital_probe *, const struct net_rules *, const struct net_seen *, const struct net_verdict *found);
/* The attempt's bad end by a closed stream. doing: "before the whole answer had come". */
void net_closed(struct vital_probe *, enum vital_reason, const char *text, const char *where, const char *doing);

/* At most `most` bytes as printable text, the rest as "...": quotes none, escapes control and foreign bytes. */
const char *net_excerpt(const char *bytes, size_t len, size_t most, char *room, size_t size);
/* Where it dials to, for people: host:port, [v6]:port or the path. */
const char *net_where(const struct vital_url *, char *room, size_t size);

/* A numeric address (with a zone, too) as the kernel wants it. False when it is none. */
bool net_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *out, socklen_t *len);

static inline double net_seconds(uint64_t usec) { return (double)usec / 1e6; }

#endif
