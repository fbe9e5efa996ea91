/* What the files of the gRPC front share: a session, its streams, and what a stream watches. */
#ifndef FRONT_GRPC_PARTS_H
#define FRONT_GRPC_PARTS_H

#include <nghttp2/nghttp2.h>

#include "base/grpc.h"
#include "base/timer.h"
#include "front/grpc.h"
#include "front/guest.h"
#include "io/loop.h"
#include "io/peer.h"

#define GRPC_REQUEST_TIME (5 * USEC_S)     /* from accept, or from a call's first byte, to its last; absolute */
#define GRPC_ANSWER_TIME (10 * USEC_S)
#define GRPC_IDLE_TIME (60 * USEC_S)
#define GRPC_BEAT (30 * USEC_S)            /* whoever watches shows that often that it is there */
#define GRPC_DRAIN_TIME (1 * USEC_S)

#define GRPC_BYTES_PER_COST 256.0           /* so many bytes cost what a frame does */

enum { GRPC_FIELDS_MAX = 8 * 1024 };       /* of one call's header, as HTTP/2 counts them */

struct grpc_session {
    struct guest guest;
    struct list link;                      /* in grpc_sessions */
    struct list news;                      /* in those that have something to send */
    struct loop_fd io;
    struct timer timer;
    struct peer peer;
    struct loop_dead dead;
    nghttp2_session *http2;
    struct list streams;
    struct buf out;
    size_t out_at;
    uint64_t since;                        /* it has no stream, or it was accepted */
    uint64_t blocked, beat, end_at;        /* the peer takes nothing since; watchers are looked at; 0 = no */
    uint64_t refilled;
    double credit;                         /* for frames that cost us more than the peer; see grpc_session_spend() */
    uint32_t stream_count, watch_count, drained;
    unsigned generation;                   /* of the listener's access that `known` was found under */
    bool watched, begun, heard, flooding, served, leaving, known, gone;
};

enum grpc_method { GRPC_METHOD_NONE, GRPC_METHOD_CHECK, GRPC_METHOD_WATCH, GRPC_METHOD_LIST, GRPC_METHODS };

struct grpc_watched;

struct grpc_stream {
    struct list link;                      /* in its session */
    struct list watch;                     /* in what it watches */
    struct grpc_session *session;
    struct grpc_watched *watched;          /* NULL = nothing */
    uint64_t deadline;
    struct grpc_reader request;
    struct buf out;
    size_t out_at;
    uint32_t fields;                       /* bytes of the header so far */
    int32_t id;
    uint16_t http_status;                  /* 0 = the call looks like gRPC; else what an HTTP client is told */
    uint8_t method, status, told;
    unsigned serve;                        /* SERVE_ bits that its credentials open */
    bool vouched, refused;                 /* it brought a token; one that is none of ours */
    bool posted, typed, whole, answered, ending, remote_done;
};

/* ---- grpc_session.c ---- */
extern struct list grpc_sessions;
extern struct grpc_stats grpc_counts;
void grpc_session_spend(struct grpc_session *, double cost);         /* negative: gives back */
void grpc_session_judge(struct grpc_stream *, struct span authorization);    /* at NULL: it has none so far */
void grpc_session_news(struct grpc_session *);                       /* a stream has something to send: soon, within a turn's budget */
void grpc_session_leave(struct grpc_session *);

/* ---- grpc_stream.c ---- */
nghttp2_session *grpc_http2_open(struct grpc_session *);
void grpc_stream_free(struct grpc_stream *);
void grpc_stream_refuse(struct grpc_stream *, enum grpc_status, const char *text);
void grpc_stream_answer(struct grpc_stream *);                       /* what is in ->out, and the end */
void grpc_stream_follow(struct grpc_stream *);                       /* what is watched, now and at each change */
void grpc_stream_resume(struct grpc_stream *);
void grpc_stream_end(struct grpc_stream *, enum grpc_status);        /* of one that follows */

/* ---- grpc_health.c ---- */
void grpc_health_serve(struct grpc_stream *, struct span message);   /* the request is whole */
enum grpc_serving grpc_health_serving(const struct grpc_watched *);
void grpc_health_forget(struct grpc_stream *);                       /* the stream is gone */
void grpc_health_adopt(void);
void grpc_health_publish(void);

#endif
