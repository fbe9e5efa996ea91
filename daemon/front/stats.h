/* What the HTTP server counts: its work, and every bound that was hit. */
#ifndef FRONT_STATS_H
#define FRONT_STATS_H

#include <stdint.h>

struct front_stats {
    uint64_t accepted;
    uint64_t verdicts, details, metrics, errors;      /* answers by kind; errors: 4xx and 5xx that are no verdicts */
    uint64_t refused_full, refused_source;            /* closed at once: nobody could be evicted */
    uint64_t evicted;                                 /* waiting longest, closed for the sake of a new connection */
    uint64_t out_of_fds;                              /* pauses */
    uint64_t late_heads, late_writes, idle_ends;      /* deadlines */
    uint64_t worn_out;                                /* closed after the most requests a connection may make */
    uint64_t refused_network;                         /* not in the listener's allow list: closed before a byte was read */
    uint64_t credentials_missing, credentials_wrong, credentials_short;   /* 401, 401 and 403: answers */
    uint64_t handshakes, resumed, handshakes_failed, handshakes_late, plain_on_tls;
    uint64_t streams_refused;                         /* large bodies beyond DETAIL_STREAMS */
    uint64_t followers, followers_refused, follows;   /* of /events: now, beyond a bound, ever */
    uint64_t events_sent, events_skipped;             /* to all of them; by those who did not read */
    uint64_t files_failed;                            /* of the files: front */
};
extern struct front_stats front_stats;

#endif
