#include "front/control_client.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { READ_STEP = 16 * 1024, ERROR_MAX = 64 * 1024, NOTICE_MAX = 512 };

static struct list clients = { &clients, &clients };
static uint64_t last_serial;

static void client_free(struct loop_dead *dead)
{
    struct control_client *c = LIST_OWNER(dead, struct control_client, dead);
    buf_free(&c->in);
    buf_free(&c->out);
    mem_free(c);
}

static void task_over(struct control_client *c)
{
    if (c->task && c->task->end)
        c->task->end(c);
    mem_free(c->state);
    c->task = NULL;
    c->state = NULL;
    timer_clear(loop_timers(), &c->wake);
}

static void client_drop(struct control_client *c)
{
    task_over(c);
    timer_clear(loop_timers(), &c->patience);
    loop_remove(&c->watch);
    close(c->fd);
    list_remove(&c->link);
    control_counts.clients--;
    loop_bury(&c->dead, client_free);
}

/* ---- what is written ---- */

static struct json line_open(struct control_client *c)
{
    struct json j = JSON(&c->out);
    json_open_object(&j, NULL);
    json_int(&j, "id", c->request);
    return j;
}

static void line_close(struct control_client *c, struct json *j)
{
    json_close_object(j);
    buf_char(&c->out, '\n');
}

void client_ok(struct control_client *c, const char *text)
{
    struct json j = line_open(c);
    json_bool(&j, "ok", true);
    json_text(&j, "text", text);
    line_close(c, &j);
}

void client_error(struct control_client *c, enum ctl_code code, const char *fmt, ...)
{
    struct buf text = BUF(ERROR_MAX);
    struct json j = line_open(c);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    json_bool(&j, "ok", false);
    json_text(&j, "code", ctl_code_text(code));
    json_text(&j, "error", text.data ? text.data : "");
    line_close(c, &j);
    buf_free(&text);
}

void client_event(struct control_client *c, const char *event, const char *text)
{
    struct json j = line_open(c);
    json_text(&j, "event", event);
    json_text(&j, "text", text);
    line_close(c, &j);
}

static size_t pending(const struct control_client *c)
{
    return c->out.len - c->sent;
}

bool client_is_full(const struct control_client *c)
{
    return pending(c) >= CLIENT_OUT_FULL;
}

/* False: the client is gone. */
static bool client_flush(struct control_client *c)
{
    while (pending(c)) {
        ssize_t n = send(c->fd, c->out.data + c->sent, pending(c), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        c->sent += (size_t)n;
        timer_set(loop_timers(), &c->patience, clock_now() + CLIENT_STUCK_S * USEC_S);
    }
    if (c->out.room > CLIENT_OUT_FULL * 2)
        buf_free(&c->out);
    else
        buf_reset(&c->out);
    c->sent = 0;
    return true;
}

/* ---- what is read ---- */

static void client_ready(struct loop_fd *watch, unsigned what)
{
    struct control_client *c = LIST_OWNER(watch, struct control_client, watch);
    (void)what;      /* what can be written is written by client_publish(), in this same turn */
    size_t fits = c->in.max - c->in.len < READ_STEP ? c->in.max - c->in.len : READ_STEP;
    if (c->eof || !fits)
        return;
    ssize_t n = recv(c->fd, buf_reserve(&c->in, fits), fits, MSG_DONTWAIT);
    if (n > 0)
        c->in.len += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        c->eof = true;
}

/* The interests and the patience that fit what is going on. */
static void client_settle(struct control_client *c)
{
    unsigned what = (!c->eof && c->in.len < c->in.max ? LOOP_READ : 0u) | (pending(c) ? LOOP_WRITE : 0u);
    if (c->watch.what != what)
        loop_change(&c->watch, what);
    if (c->task && !pending(c))
        timer_clear(loop_timers(), &c->patience);
    else if (!timer_is_set(&c->patience))
        timer_set(loop_timers(), &c->patience, clock_now() + (pending(c) ? CLIENT_STUCK_S : CLIENT_IDLE_S) * USEC_S);
}

static void on_patience(struct timer *t, uint64_t now)
{
    struct control_client *c = TIMER_OWNER(t, struct control_client, patience);
    (void)now;
    if (pending(c))
        control_counts.closed_slow++;
    else
        control_counts.closed_idle++;
    c->closing = true;
    c->sent = c->out.len;
}

static void on_wake(struct timer *t, uint64_t now)
{
    (void)t;         /* the loop turns, and client_publish() steps the task */
    (void)now;
}

static size_t line_length(const struct control_client *c)
{
    const char *end = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL;
    return end ? (size_t)(end - c->in.data) + 1 : c->eof ? c->in.len : 0;
}

/* One request a turn for each client, so that one that sends many does not hold the loop. */
static void client_serve(struct control_client *c)
{
    size_t len = line_length(c);
    if (!len && c->in.len >= c->in.max) {
        control_counts.malformed++;
        c->request = 0;
        client_error(c, CTL_USAGE, "a request may have at most %d bytes", CTL_LINE_MAX);
        c->closing = true;
    }
    if (!len) {
        c->closing |= c->eof && !c->in.len;
        return;
    }
    size_t text = len - (c->in.data[len - 1] == '\n');
    control_counts.requests++;
    timer_clear(loop_timers(), &c->patience);
    control_request(c, c->in.data, text);
    buf_consume(&c->in, len);
}

static void client_turn(struct control_client *c)
{
    if (c->task && c->eof && c->task->endless)
        c->closing = true;
    if (!c->task && !c->closing)
        client_serve(c);
    if (c->task && !c->closing && !c->task->step(c))
        task_over(c);
    bool full = client_is_full(c), there = client_flush(c) && !c->out.over;
    if (!there || (c->closing && !pending(c))) {
        client_drop(c);
        return;
    }
    client_settle(c);
    /* A task that waited for room may have got it just now, and then nothing else would wake it. */
    if ((c->task && full && !client_is_full(c)) || (!c->task && !c->closing && line_length(c)))
        loop_soon();
}

void client_publish(void)
{
    LIST_EACH_SAFE(at, after, &clients)
        client_turn(LIST_OWNER(at, struct control_client, link));
}

/* ---- coming and going ---- */

void client_begin(struct control_client *c, const struct control_task *task, void *state)
{
    c->task = task;
    c->state = state;
}

void client_wake_at(struct control_client *c, uint64_t when)
{
    if (when == TIME_NEVER)
        timer_clear(loop_timers(), &c->wake);
    else
        timer_set(loop_timers(), &c->wake, when);
}

struct control_client *client_find(uint64_t serial)
{
    LIST_EACH(at, &clients) {
        struct control_client *c = LIST_OWNER(at, struct control_client, link);
        if (c->serial == serial)
            return c;
    }
    return NULL;
}

static bool own_user_counts = true;

void client_trust_own_user(bool yes)
{
    own_user_counts = yes;
}

bool peer_may_change(const struct ucred *peer, int fd)
{
    return peer->uid == 0 || (own_user_counts && peer->uid == geteuid()) || group_is_member(fd, peer->gid);
}

bool client_may_change(const struct control_client *c)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        return false;
    return peer_may_change(&peer, c->fd);
}

static void client_greet(struct control_client *c, bool full)
{
    struct json j = JSON(&c->out);
    json_open_object(&j, NULL);
    json_text(&j, "vitald", VITALD_VERSION);
    json_int(&j, "protocol", CTL_PROTOCOL);
    if (full)
        json_text(&j, "error", "too many clients; try again in a moment");
    json_close_object(&j);
    buf_char(&c->out, '\n');
}

void client_open(int fd)
{
    struct control_client *c = mem_alloc(sizeof *c);
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t len = sizeof peer;
    c->fd = fd;
    c->serial = ++last_serial;
    c->in = BUF(CTL_LINE_MAX);
    c->out = BUF(CLIENT_OUT_MAX);
    if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        c->pid = peer.pid;
    c->uid = peer.uid;
    timer_init(&c->patience, on_patience);
    timer_init(&c->wake, on_wake);
    list_append(&clients, &c->link);
    loop_add(&c->watch, fd, LOOP_READ, client_ready);
    control_counts.clients++;
    control_counts.accepted++;
    unsigned room = client_may_change(c) ? CLIENT_MAX : CLIENT_MAX - CLIENT_PRIVILEGED;
    c->closing = control_counts.clients > room;
    control_counts.refused += c->closing;
    client_greet(c, c->closing);
}

void client_close_all(void)
{
    LIST_EACH_SAFE(at, after, &clients) {
        struct control_client *c = LIST_OWNER(at, struct control_client, link);
        if (c->task && !pending(c))
            client_error(c, CTL_FAILED, "vitald is leaving");
        client_flush(c);
        client_drop(c);
    }
}
