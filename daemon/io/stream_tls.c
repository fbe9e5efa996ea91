/* The TLS handshake of a stream, off the loop: one step of it checks a chain and a signature, which takes the better part of
 * a millisecond, and any time at all with the keys that a hostile target may choose. Meanwhile the session and the descriptor
 * belong to the helper thread, and who closes the stream leaves both to the step's way home. */
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/stream_state.h"
#include "io/tls.h"

/* One does some 1,700 handshakes a second; a step for each stream that can be open. */
enum { THREADS = 1, QUEUE_MAX = 16 * 1024 };
/* A hostile target's keys keep a thread for more than a second, which is the timeout of others: they get another thread. */
#define PATIENCE (100 * USEC_MS)

static struct pool *helpers;

/* Of a thread, in us; 0 = it is gone. */
static uint64_t processor_time(clockid_t of)
{
    struct timespec t = { 0 };
    clock_gettime(of, &t);
    return (uint64_t)t.tv_sec * USEC_S + (uint64_t)t.tv_nsec / 1000;
}

static void note_start(struct stream *s)
{
    clockid_t mine;
    if (pthread_getcpuclockid(pthread_self(), &mine) != 0)
        return;
    s->started_at = processor_time(mine);
    s->clock = mine;
}

/* A helper thread, or the loop where there is none. What the library says of a failure must be asked by the same thread. */
static void step(struct pool_job *job)
{
    struct stream *s = LIST_OWNER(job, struct stream, step);
    if (s->unwanted)
        return;
    note_start(s);
    ERR_clear_error();
    errno = 0;
    int n = SSL_do_handshake(s->ssl), kind = n == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
    s->wants = kind == SSL_ERROR_WANT_READ ? LOOP_READ : kind == SSL_ERROR_WANT_WRITE ? LOOP_WRITE : 0;
    s->reason = n == 1 || s->wants ? VITAL_R_OK : tls_failure(s->ssl, n, s->text, sizeof s->text);
}

static void home(struct pool_job *job)
{
    struct stream *s = LIST_OWNER(job, struct stream, step);
    s->away = 0;
    if (s->state == STREAM_DEAD) {
        stream_bury(s);
    } else if (s->wants) {
        loop_change(&s->won->io, s->wants);
    } else if (s->reason != VITAL_R_OK) {
        s->tls_broken = true;
        stream_end(s, s->reason, s->text);
    } else {
        s->tls_took = clock_now() - s->phase_started;
        stream_opened(s);
    }
}

void stream_handshake(struct stream *s)
{
    if (!helpers) {
        helpers = pool_new("tls", THREADS, QUEUE_MAX);
        pool_set_patience(helpers, PATIENCE);
    }
    s->step = (struct pool_job){ .run = step, .done = home };
    s->clock = 0;
    s->away = clock_now();
    loop_change(&s->won->io, 0); /* from both that wake it: the other one's turn may come before the step is home */
    timer_clear(loop_timers(), &s->timer);
    if (pool_submit(helpers, &s->step))
        return;
    step(&s->step); /* no thread is to be had: slow is better than red */
    home(&s->step);
}

bool stream_tls(struct stream *s)
{
    s->phase_started = clock_now();
    s->state = STREAM_HANDSHAKE;
    s->ssl = tls_client_session(s->tls, s->tls_name ? s->tls_name : s->host, s->alpn);
    return s->ssl && SSL_set_fd(s->ssl, s->won->io.fd) == 1;
}

/* What the step itself computes is what the target's keys cost. */
uint64_t stream_held(const struct stream *s)
{
    clockid_t helper = s->away ? s->clock : 0;
    uint64_t held = s->away ? clock_now() - s->away : 0, now = helper ? processor_time(helper) : 0;
    uint64_t computed = helper && now > s->started_at ? now - s->started_at : 0;
    return held > computed ? held - computed : 0;
}

bool stream_starttls(struct stream *s, const struct vital_tls *tls, const char *name, const char *alpn)
{
    if (s->state != STREAM_OPEN || s->failing || s->deaf || s->ssl || s->out.len || !tls)
        return false;
    s->tls = tls_hold(tls);
    mem_free(s->tls_name);
    mem_free(s->alpn);
    s->tls_name = mem_copy(name);
    s->alpn = mem_copy(alpn);
    if (stream_tls(s))
        timer_set(loop_timers(), &s->timer, clock_now()); /* we may stand in a callback of this stream */
    else
        stream_fail_later(s, VITAL_R_TLS, "TLS: the name to verify is not a valid one");
    return true;
}
