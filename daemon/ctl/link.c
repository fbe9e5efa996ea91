#include "ctl/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/args.h"
#include "ctl/term.h"

enum { READ_STEP = 64 * 1024 };

static bool link_fail(struct link *l, char *error)
{
    mem_free(l->error);
    l->error = error;
    return false;
}

void request_open(struct request *r, enum ctl_verb verb)
{
    r->line = BUF(CTL_LINE_MAX - 1);
    r->json = JSON(&r->line);
    json_open_object(&r->json, NULL);
    json_int(&r->json, "id", 1);
    json_text(&r->json, "verb", ctl_verb_text(verb));
    json_open_object(&r->json, "args");
}

void request_close(struct request *r)
{
    json_close_object(&r->json);
    json_close_object(&r->json);
    buf_char(&r->line, '\n');
}

void request_free(struct request *r)
{
    buf_free(&r->line);
}

void reply_free(struct reply *r)
{
    mem_free(r->event);
    mem_free(r->text);
    *r = (struct reply){ 0 };
}

static bool link_wait(struct link *l, short events, uint64_t deadline)
{
    for (;;) {
        uint64_t now = clock_now();
        if (now >= deadline)
            return link_fail(l, mem_printf("vitald at %s does not answer in time: it hangs or is overloaded", l->path));
        struct pollfd p = { .fd = l->fd, .events = events };
        uint64_t ms = (deadline - now) / USEC_MS + 1;
        if (poll(&p, 1, ms < 60000 ? (int)ms : 60000) > 0)
            return true;
    }
}

static const char *advice(int error)
{
    switch (error) {
    case ENOENT: return "is vitald running? Name its socket with --socket or VITALCTL_SOCKET, or ask over HTTP with --url";
    case ECONNREFUSED: return "vitald is gone and left its socket behind; start it again";
    case EACCES: return "this user may not reach it; try sudo, or ask over HTTP with --url";
    case EAGAIN: return "vitald does not accept connections: it hangs or is overloaded";
    default: return "see --socket and --url in `vitalctl help`";
    }
}

/* 0 or errno. Non-blocking from birth: a daemon with a full backlog must not hold us. */
static int connect_path(struct link *l, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(l->path, path, len + 1);
    memcpy(address.sun_path, path, len + 1);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return errno;
    if (connect(l->fd, (struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    int error = errno;
    close(l->fd);
    l->fd = -1;
    return error;
}

static bool link_connect(struct link *l, const struct args *a)
{
    const char *path = a->socket ? a->socket : getenv("VITALCTL_SOCKET");
    char room[CTL_PATH_MAX], first[CTL_PATH_MAX] = "";
    int error = 0, first_error = 0;
    if (path && *path) {
        snprintf(first, sizeof first, "%s", path);
        first_error = connect_path(l, path);
    } else {
        for (unsigned i = 0; l->fd < 0 && ctl_default_path(i, room); i++) {
            error = connect_path(l, room);
            if (i == 0 || (first_error == ENOENT && error != ENOENT)) {      /* tell of the place where there is something */
                first_error = error;
                snprintf(first, sizeof first, "%s", room);
            }
        }
    }
    if (l->fd >= 0)
        return true;
    l->hopeless = first_error == EACCES || first_error == ENAMETOOLONG;
    return link_fail(l, mem_printf("cannot reach vitald at %s: %s: %s", first, strerror(first_error), advice(first_error)));
}

/* The next line, NUL-ended, inside l->in; NULL with the error set. */
static char *link_line(struct link *l, size_t *len, uint64_t deadline)
{
    buf_consume(&l->in, l->used);
    l->used = 0;
    for (size_t seen = 0;;) {
        char *end = l->in.len > seen ? memchr(l->in.data + seen, '\n', l->in.len - seen) : NULL;
        if (end) {
            *end = '\0';
            *len = (size_t)(end - l->in.data);
            l->used = *len + 1;
            return l->in.data;
        }
        seen = l->in.len;
        char *room = buf_reserve(&l->in, READ_STEP);
        if (!room) {
            link_fail(l, mem_printf("vitald at %s sent a line of more than %d bytes; ask for a single probe", l->path, CTL_REPLY_MAX));
            return NULL;
        }
        if (!link_wait(l, POLLIN, deadline))
            return NULL;
        ssize_t n = read(l->fd, room, READ_STEP);
        if (n > 0) {
            l->in.len += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            link_fail(l, mem_printf("vitald at %s closed the connection%s%s", l->path, n ? ": " : "", n ? strerror(errno) : ""));
            return NULL;
        }
    }
}

static char *text_of(const struct json_value *object, const char *key)
{
    struct json_value v = json_member(object, key);
    char *text = mem_alloc(v.kind == JSON_STRING ? v.len + 1 : 1);
    if (v.kind != JSON_STRING || !json_string(&v, text, v.len + 1))
        *text = '\0';
    return text;
}

static bool link_object(struct link *l, struct json_value *root, uint64_t deadline)
{
    size_t len, at = 0;
    char *line = link_line(l, &len, deadline);
    if (!line)
        return false;
    if (json_check(line, len, &at, root) || root->kind != JSON_OBJECT)
        return link_fail(l, mem_printf("what answers at %s does not speak vitald's control protocol", l->path));
    return true;
}

static bool link_greeting(struct link *l, uint64_t deadline)
{
    struct json_value root;
    if (!link_object(l, &root, deadline))
        return false;
    struct json_value version = json_member(&root, "vitald"), protocol = json_member(&root, "protocol");
    char *error = text_of(&root, "error");
    bool fits = version.kind == JSON_STRING && json_string(&version, l->version, sizeof l->version);
    if (*error) {
        link_fail(l, mem_printf("vitald at %s: %s", l->path, error));
    } else if (!fits || protocol.kind != JSON_NUMBER) {
        l->hopeless = true;
        link_fail(l, mem_printf("what answers at %s is not vitald", l->path));
    } else if ((int)protocol.number != CTL_PROTOCOL) {
        l->hopeless = true;
        link_fail(l, mem_printf("vitald %s at %s speaks control protocol %d, this vitalctl speaks %d: use the vitalctl of the same release",
                                l->version, l->path, (int)protocol.number, CTL_PROTOCOL));
    }
    mem_free(error);
    return !l->error;
}

bool link_open(struct link *l, const struct args *a, uint64_t deadline)
{
    *l = (struct link){ .fd = -1, .in = BUF(CTL_REPLY_MAX + READ_STEP) };
    return link_connect(l, a) && link_greeting(l, deadline);
}

bool link_send(struct link *l, const struct request *r, uint64_t deadline)
{
    if (r->line.over)
        return link_fail(l, mem_printf("the request is longer than %d bytes", CTL_LINE_MAX));
    for (size_t sent = 0; sent < r->line.len;) {
        if (!link_wait(l, POLLOUT, deadline))
            return false;
        ssize_t n = send(l->fd, r->line.data + sent, r->line.len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return link_fail(l, mem_printf("vitald at %s closed the connection: %s", l->path, strerror(errno)));
    }
    return true;
}

bool link_read(struct link *l, struct reply *r, uint64_t deadline)
{
    struct json_value root;
    *r = (struct reply){ 0 };
    if (!link_object(l, &root, deadline))
        return false;
    struct json_value ok = json_member(&root, "ok");
    r->last = ok.kind == JSON_BOOL;
    r->ok = r->last && ok.truth;
    r->text = text_of(&root, r->last && !r->ok ? "error" : "text");
    if (!r->last) {
        r->event = text_of(&root, "event");
    } else if (!r->ok) {
        char *word = text_of(&root, "code");
        int code = ctl_code_from(word);
        r->code = code < 0 ? CTL_FAILED : (enum ctl_code)code;
        mem_free(word);
    }
    return true;
}

void link_close(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    buf_free(&l->in);
    mem_free(l->error);
    l->error = NULL;
}

int link_exit(enum ctl_code code)
{
    static const int exits[CTL_CODE_COUNT] = {
        [CTL_USAGE] = EXIT_USAGE, [CTL_NOT_FOUND] = EXIT_USAGE, [CTL_DENIED] = EXIT_NO,
        [CTL_TIMEOUT] = EXIT_NO, [CTL_BUSY] = EXIT_NO_DAEMON, [CTL_FAILED] = EXIT_NO,
    };
    return code < CTL_CODE_COUNT ? exits[code] : EXIT_NO;
}

/* Reads until the last line; the exit code. */
static int link_listen(struct link *l, uint64_t deadline, bool colour, link_event_fn *on_event)
{
    struct reply r;
    while (link_read(l, &r, deadline)) {
        bool last = r.last;
        int code = r.ok ? EXIT_OK : link_exit(r.code);
        if (!last && on_event)
            on_event(&r);
        else if (last && r.ok)
            term_print(stdout, r.text, colour);
        else if (last)
            term_error("%s", r.text);
        reply_free(&r);
        if (last)
            return code;
    }
    term_error("%s", l->error);
    return EXIT_NO_DAEMON;
}

int link_ask(const struct args *a, struct request *r, uint64_t patience, bool colour, link_event_fn *on_event)
{
    uint64_t now = clock_now(), deadline = patience == TIME_NEVER ? TIME_NEVER : now + patience;
    struct link l;
    int code = EXIT_NO_DAEMON;
    request_close(r);
    if (link_open(&l, a, now + LINK_PATIENCE_S * USEC_S) && link_send(&l, r, now + LINK_PATIENCE_S * USEC_S))
        code = link_listen(&l, deadline, colour, on_event);
    else
        term_error("%s", l.error);
    link_close(&l);
    request_free(r);
    return code;
}
