/* The small world with listeners: the real server on real loopback sockets. Clients are blocking-free: a test sends, and
 * turns the loop until what it waits for has come. */
#ifndef FRONT_WORLD_H
#define FRONT_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "small_world.h"

#include "front/connection.h"
#include "front/events.h"
#include "front/files.h"
#include "front/listen.h"
#include "front/server.h"
#include "front/stats.h"

enum { FRONT_STATUS, FRONT_PUBLIC };                     /* the two listeners: everything, and verdicts only */

static struct conf_listen front_listeners[4];
static struct vital_url front_urls[4];
static char front_names[4][8], front_texts[4][128];
static uint32_t front_listen_count;
static uint32_t front_extra;                             /* probes p0, p1 ... beside the two, in no group */
static const struct conf_file *front_files;
static uint32_t front_file_count;

static void front_listen(const char *host, const char *port, const char *unix_path, unsigned serve)
{
    uint32_t i = front_listen_count++;
    front_urls[i] = (struct vital_url){ .host = host, .port = port, .unix_path = unix_path };
    snprintf(front_names[i], sizeof front_names[i], "l%u", i);
    snprintf(front_texts[i], sizeof front_texts[i], "%s:%s", unix_path ? "unix" : host, unix_path ? unix_path : port);
    front_urls[i].text = front_texts[i];
    front_listeners[i] = (struct conf_listen){ .name = front_names[i], .address = &front_urls[i], .mode = 0600, .serve = serve,
                                                 .access = { .open = SERVE_ALL } };
}

static void front_add_probes(struct conf *c)
{
    struct conf_probe *p = arena_alloc(c->arena, (2 + front_extra) * sizeof *p);
    memcpy(p, c->probes, 2 * sizeof *p);
    for (uint32_t i = 2; i < 2 + front_extra; i++) {
        struct conf_options *o = conf_options_new(0);
        o->module = &small_module;
        o->target = "nowhere";
        p[i] = p[1];
        p[i].name = arena_printf(c->arena, "p%u", i - 2);
        p[i].options = o;
    }
    c->probes = p;
    c->probe_count = 2 + front_extra;
}

static struct conf *front_conf(void)
{
    static const struct conf_alias aliases[] = { { .path = "/api/ready", .group = 1 }, { .path = "/livez", .group = 1 } };
    static const struct conf_member db = { .index = 0 };
    struct conf *c = small_conf(NULL);
    front_add_probes(c);
    struct conf_group *groups = arena_alloc(c->arena, 5 * sizeof *groups);
    memcpy(groups, c->groups, 4 * sizeof *groups);
    groups[4] = (struct conf_group){ .name = "only-db", .need = 1, .members = &db, .member_count = 1, .unknown = UNKNOWN_FAIL,
                                     .codes = { 200, 200, 503, 503 }, .configured = true };
    c->groups = groups;
    c->group_count = 5;
    c->aliases = aliases;
    c->alias_count = 2;
    c->listeners = front_listeners;
    c->listen_count = front_listen_count;
    c->files = front_files;
    c->file_count = front_file_count;
    return c;
}

static bool front_adopt(void)
{
    struct diag diag = { 0 };
    struct conf *c = front_conf();
    bool ok = listen_prepare(c, &diag);
    if (ok) {
        listen_commit();
        core_adopt(c);
        server_adopt();
        files_adopt();
    } else {
        conf_free(c);
    }
    diag_free(&diag);
    return ok;
}

static void front_publish(void)
{
    files_publish();
    events_publish();
}

static void front_turn(void) { small_turn(front_publish); }

static void front_open(void)
{
    small_open(NULL);
    if (front_listen_count == 0) {
        front_listen("127.0.0.1", "0", NULL, SERVE_ALL);
        front_listen("127.0.0.1", "0", NULL, SERVE_VERDICTS);
    }
    CHECK(front_adopt());
}

/* Every probe has had its outcome. */
static void front_settle(enum vital_class db, enum vital_class web)
{
    struct verdict v;
    small[0].next = db;
    small[1].next = web;
    do {
        front_turn();
        core_verdict(2, &v);
    } while (v.level != LEVEL_PASS);
}

static void front_set(const char *probe, enum vital_class class)
{
    unsigned i = strcmp(probe, "db") != 0, starts = small[i].starts;
    small[i].next = class;
    mem_free(admin_run(probe));
    while (small[i].starts == starts)
        front_turn();
    front_turn();
}

static struct listener *front_listener(unsigned index)
{
    struct list *at = listen_all()->next;
    while (index--)
        at = at->next;
    return LIST_OWNER(at, struct listener, link);
}

static int front_dial(unsigned listener)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    getsockname(front_listener(listener)->in.fd, (struct sockaddr *)&at, &len);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (struct sockaddr *)&at, len) == 0);
    return fd;
}

static char front_got[8 << 20];
static size_t front_got_len;
static bool front_was_reset;                             /* the last end was no clean one */

/* Reads until there are `answers` complete answers (by Content-Length), or, with 0, until the end. False: the end came first. */
static bool front_read(int fd, unsigned answers)
{
    front_got_len = 0;
    for (;;) {
        const char *at = front_got;
        unsigned complete = 0;
        front_got[front_got_len] = '\0';
        for (char *end; (end = strstr(at, "\r\n\r\n"));) {
            const char *length = strcasestr(at, "content-length: ");
            size_t body = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
            if (end + 4 + body > front_got + front_got_len)
                break;
            at = end + 4 + body;
            complete++;
        }
        if (answers && complete >= answers)
            return true;
        ssize_t n = recv(fd, front_got + front_got_len, sizeof front_got - 1 - front_got_len, MSG_DONTWAIT);
        front_was_reset = n < 0 && errno != EAGAIN;
        if (n == 0 || front_was_reset)
            return !answers;
        if (n > 0)
            front_got_len += (size_t)n;
        else
            front_turn();
    }
}

static void front_send(int fd, const char *text) { CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text)); }

/* A request of its own connection; the whole answer is in front_got, its status comes back. */
static unsigned front_ask(unsigned listener, const char *request)
{
    int fd = front_dial(listener);
    front_send(fd, request);
    front_read(fd, 0);
    close(fd);
    return front_got_len > 12 ? (unsigned)atoi(front_got + 9) : 0;
}

static unsigned front_get(unsigned listener, const char *path)
{
    char request[2048];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    return front_ask(listener, request);
}

static const char *front_body(void)
{
    const char *end = strstr(front_got, "\r\n\r\n");
    return end ? end + 4 : "";
}

/* Tests close their sockets before. */
static void front_close(void)
{
    while (server_connections())
        front_turn();
    listen_close();
    small_close();
}

#endif
