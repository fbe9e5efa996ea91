#include "io/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/stream_state.h"
#include "io/tls.h"

enum { CERT_TEXTS = 8 * 1024, TLS_READS = 4 /* records a turn */ };

static char shared[STREAM_READ_MAX];
static unsigned streams;

unsigned stream_count(void)
{
    return streams;
}

/* ---- the end ---- */

static void stream_free(struct loop_dead *dead)
{
    struct stream *s = LIST_OWNER(dead, struct stream, dead);
    if (s->ssl)
        SSL_free(s->ssl);
    tls_release(s->tls);
    buf_free(&s->out);
    mem_free(s->host);
    mem_free(s->unix_path);
    mem_free(s->tls_name);
    mem_free(s->alpn);
    mem_free(s->addresses);
    mem_free(s->cert_texts);
    mem_free(s);
}

static void say_goodbye(struct stream *s)
{
    if (!s->ssl || s->away || s->tls_broken || s->deaf || !SSL_is_init_finished(s->ssl))
        return;
    ERR_clear_error();
    SSL_set_shutdown(s->ssl, SSL_RECEIVED_SHUTDOWN); /* does not wait for the peer's */
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void stream_bury(struct stream *s)
{
    for (unsigned i = 0; i < STREAM_TRIES; i++)
        stream_try_drop(&s->tries[i]);
    loop_bury(&s->dead, stream_free);
}

void stream_close(struct stream *s)
{
    if (s->state == STREAM_DEAD)
        return;
    say_goodbye(s);
    s->state = STREAM_DEAD;
    timer_clear(loop_timers(), &s->timer);
    if (s->resolve)
        resolve_cancel(s->resolve);
    streams--;
    if (s->away)
        s->unwanted = true;
    else
        stream_bury(s);
}

void stream_end(struct stream *s, enum vital_reason reason, const char *text)
{
    for (unsigned i = 0; i < STREAM_TRIES; i++)
        if (s->tries[i].used)
            loop_change(&s->tries[i].io, 0);
    timer_clear(loop_timers(), &s->timer);
    s->ops->closed(s->arg, reason, text);
    stream_close(s);
}

void stream_fail_later(struct stream *s, enum vital_reason reason, const char *text)
{
    if (s->failing)
        return;
    s->failing = true;
    s->reason = reason;
    snprintf(s->text, sizeof s->text, "%s", text);
    timer_set(loop_timers(), &s->timer, clock_now());
}

/* ---- open: reading and writing ---- */

static void want_as_needed(struct stream *s)
{
    loop_change(&s->won->io, LOOP_READ | (s->out.len && !s->deaf ? (unsigned)LOOP_WRITE : 0));
}

static void tls_ended(struct stream *s, int result)
{
    char text[STREAM_TEXT];
    int kind = SSL_get_error(s->ssl, result);
    if (kind == SSL_ERROR_ZERO_RETURN && SSL_is_init_finished(s->ssl)) {
        stream_end(s, VITAL_R_OK, "closed by the target");
        return;
    }
    s->tls_broken = true;
    enum vital_reason reason = tls_failure(s->ssl, result, text, sizeof text);
    stream_end(s, reason, text);
}

static void read_plain(struct stream *s)
{
    /* Once: a short read means that nothing is left, and what arrives meanwhile wakes us again. */
    ssize_t n = recv(s->won->io.fd, shared, sizeof shared, 0);
    if (n > 0) {
        s->ops->data(s->arg, shared, (size_t)n);
    } else if (n == 0) {
        stream_end(s, VITAL_R_OK, "closed by the target");
    } else if (errno != EAGAIN && errno != EINTR) {
        int error = errno;
        stream_end(s, stream_reason(error), strerror(error));
    }
}

static void read_tls(struct stream *s)
{
    for (unsigned i = 0; i < TLS_READS && s->state == STREAM_OPEN && !s->failing; i++) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_read(s->ssl, shared, sizeof shared);
        if (n <= 0) {
            int kind = SSL_get_error(s->ssl, n);
            if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
                tls_ended(s, n);
            return;
        }
        s->ops->data(s->arg, shared, (size_t)n);
        if (s->state != STREAM_OPEN || SSL_pending(s->ssl) == 0)
            return;
    }
    if (s->state == STREAM_OPEN && !s->failing) /* decrypted already: the descriptor will not tell */
        timer_set(loop_timers(), &s->timer, clock_now());
}

/* How much was taken; 0 = not now, < 0 = the connection is broken. */
static ssize_t put(struct stream *s, const char *bytes, size_t len)
{
    if (!s->ssl) {
        ssize_t n = send(s->won->io.fd, bytes, len, MSG_NOSIGNAL);
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
    }
    ERR_clear_error();
    int n = SSL_write(s->ssl, bytes, len > INT32_MAX ? INT32_MAX : (int)len), kind = n > 0 ? 0 : SSL_get_error(s->ssl, n);
    ERR_clear_error();
    return n > 0 ? n : kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void go_deaf(struct stream *s)
{
    s->deaf = true;
    buf_reset(&s->out);
    want_as_needed(s);
}

static void flush(struct stream *s)
{
    while (s->out.len) {
        ssize_t n = put(s, s->out.data, s->out.len);
        if (n < 0) {
            go_deaf(s);
            return;
        }
        if (n == 0)
            break;
        buf_consume(&s->out, (size_t)n);
    }
    want_as_needed(s);
}

bool stream_write(struct stream *s, const void *bytes, size_t len)
{
    const char *from = bytes;
    if (s->state != STREAM_OPEN || s->failing || s->deaf || len > STREAM_QUEUE_MAX - s->out.len)
        return false;
    ssize_t n = 0;
    while (!s->out.len && len && (n = put(s, from, len)) > 0) {
        from += n;
        len -= (size_t)n;
    }
    if (n < 0) { /* its reason is found by reading, after what it may still have said */
        go_deaf(s);
        return false;
    }
    if (len) {
        buf_add(&s->out, from, len);
        want_as_needed(s);
    }
    return true;
}

static void on_ready(struct loop_fd *io, unsigned what)
{
    struct stream *s = LIST_OWNER(io, struct stream_try, io)->stream;
    if (s->failing)
        return;
    if (s->state == STREAM_HANDSHAKE) {
        stream_handshake(s);
        return;
    }
    if (what & LOOP_WRITE)
        flush(s);
    if (what & LOOP_READ && s->state == STREAM_OPEN)
        (s->ssl ? read_tls : read_plain)(s);
}

void stream_opened(struct stream *s)
{
    s->state = STREAM_OPEN;
    s->ops->open(s->arg);
    if (s->state == STREAM_OPEN && !s->failing)
        want_as_needed(s);
}

void stream_connected(struct stream *s, struct stream_try *t)
{
    s->won = t;
    for (unsigned i = 0; i < STREAM_TRIES; i++)
        if (&s->tries[i] != t)
            stream_try_drop(&s->tries[i]);
    timer_clear(loop_timers(), &s->timer);
    s->look_again = false;
    s->connect_took = clock_now() - s->phase_started;
    t->io.ready = on_ready;
    if (!s->tls)
        stream_opened(s);
    else if (stream_tls(s))
        stream_handshake(s);
    else
        stream_end(s, VITAL_R_TLS, "TLS: the name to verify is not a valid one");
}

static void on_timer(struct timer *t, uint64_t now)
{
    struct stream *s = TIMER_OWNER(t, struct stream, timer);
    (void)now;
    if (s->failing)
        stream_end(s, s->reason, s->text);
    else if (s->state == STREAM_HANDSHAKE)
        stream_handshake(s);
    else if (s->state == STREAM_CONNECTING)
        stream_try_again(s);
    else if (s->state == STREAM_OPEN && s->ssl && SSL_pending(s->ssl))
        read_tls(s);
}

/* ---- dialling ---- */

static void resolved(void *arg, const struct resolve_answer *answer)
{
    struct stream *s = arg;
    s->resolve = NULL;
    s->resolve_took = clock_now() - s->started;
    s->stale_name = answer->stale;
    if (!answer->count) {
        char text[STREAM_TEXT];
        snprintf(text, sizeof text, "%s: %s", s->host, answer->error);
        stream_fail_later(s, answer->refused ? VITAL_R_NO_THREAD : VITAL_R_DNS, text);
        return;
    }
    s->addresses = mem_alloc(answer->count * sizeof *s->addresses);
    memcpy(s->addresses, answer->addresses, answer->count * sizeof *s->addresses);
    for (unsigned i = 0; i < answer->count; i++)
        s->addresses[i].u.v4.sin_port = htons(s->port); /* at the same place in both families */
    stream_connect(s, answer->count);
}

/* NULL, or what is wrong with it. */
static const char *take_target(struct stream *s, const struct vital_dial *d)
{
    char *end = NULL;
    unsigned long port = d->port ? strtoul(d->port, &end, 10) : 0;
    if (d->source && !resolve_numeric(d->source, &s->source))
        return "the source is not a numeric address";
    if (d->unix_path)
        return strlen(d->unix_path) < sizeof((struct sockaddr_un *)0)->sun_path ? NULL : "the path of the unix socket is longer than 107 bytes";
    if (!d->host)
        return "there is neither a host nor a unix socket";
    if (!port || port > UINT16_MAX || *end)
        return "the port is not a number from 1 to 65535";
    s->port = (in_port_t)port;
    return NULL;
}

struct stream *stream_dial(const struct vital_dial *d, const struct stream_ops *ops, void *arg)
{
    struct stream *s = mem_alloc(sizeof *s);
    s->ops = ops;
    s->arg = arg;
    s->out = BUF((size_t)STREAM_QUEUE_MAX);
    s->host = mem_copy(d->host);
    s->unix_path = mem_copy(d->unix_path);
    s->tls = tls_hold(d->tls);
    s->speaks_first = d->speaks_first || d->tls;
    s->tls_name = mem_copy(d->tls_name);
    s->alpn = mem_copy(d->alpn);
    s->started = clock_now();
    timer_init(&s->timer, on_timer);
    streams++;
    const char *wrong = take_target(s, d);
    if (wrong)
        stream_fail_later(s, VITAL_R_CONFIG, wrong);
    else if (s->unix_path)
        stream_connect(s, 1);
    else
        s->resolve = resolve_name(s->host, resolved, s);
    return s;
}

/* ---- what is known ---- */

static const char *alpn_of(const struct stream *s, char *room, size_t size)
{
    const unsigned char *chosen;
    unsigned len;
    SSL_get0_alpn_selected(s->ssl, &chosen, &len);
    if (!len || len >= size)
        return NULL;
    memcpy(room, chosen, len);
    room[len] = '\0';
    return room;
}

void stream_info(const struct stream *constant, struct vital_stream_info *info)
{
    struct stream *s = (struct stream *)(uintptr_t)constant; /* the texts are made when asked for */
    *info = (struct vital_stream_info){
        .resolve = s->resolve_took,
        .connect = s->connect_took,
        .tls = s->tls_took,
        .stale_name = s->stale_name,
    };
    if (s->won && !s->unix_path)
        stream_address_text(&s->addresses[s->won->address], s->address_text, sizeof s->address_text);
    if (s->won)
        info->address = s->unix_path ? s->unix_path : s->address_text;
    if (s->ssl && !s->away && SSL_is_init_finished(s->ssl)) {
        info->tls_version = SSL_get_version(s->ssl);
        info->alpn = alpn_of(s, s->alpn_text, sizeof s->alpn_text);
    }
}

unsigned stream_certificates(const struct stream *constant, struct vital_cert *certs, unsigned room)
{
    struct stream *s = (struct stream *)(uintptr_t)constant;
    if (!s->ssl || s->away)
        return 0;
    if (!s->cert_texts)
        s->cert_texts = mem_alloc(CERT_TEXTS);
    return tls_certificates(s->ssl, certs, room, s->cert_texts, CERT_TEXTS);
}
