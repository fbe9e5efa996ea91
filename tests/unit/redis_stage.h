/* What the tests of the redis module share: a server whose replies are written here, and what a probe says about them. */
#ifndef REDIS_STAGE_H
#define REDIS_STAGE_H

#include <time.h>

#include "fake_host.h"
#include "redis_parts.h"

extern const struct vital_module *const vital_module;

#define INFO_OF(role_part)                                                                                                          \
    "# Server\r\nuptime_in_seconds:100\r\n# Clients\r\nconnected_clients:5\r\nmaxclients:100\r\nblocked_clients:0\r\n# Memory\r\n"   \
    "used_memory:1048576\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nmem_not_counted_for_evict:0\r\n# Persistence\r\n"          \
    "loading:0\r\nrdb_changes_since_last_save:3\r\nrdb_last_save_time:1700000000\r\nrdb_last_bgsave_status:ok\r\n"                   \
    "aof_last_write_status:ok\r\n# Stats\r\nrejected_connections:0\r\nevicted_keys:0\r\ninstantaneous_ops_per_sec:7\r\n"             \
    "# Replication\r\n" role_part
#define MASTER_PART "role:master\r\nconnected_slaves:0\r\nmaster_repl_offset:1000\r\n"

static void send_bulk(struct vital_io *io, const char *text)
{
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", strlen(text));
    fake_data(io, head);
    fake_data(io, text);
    fake_data(io, "\r\n");
}

/* The INFO of a healthy server with some fields replaced: "name:value", NULL at the end. */
__attribute__((sentinel)) static void send_info(struct vital_io *io, const char *change, ...)
{
    char info[4096] = INFO_OF(MASTER_PART);
    va_list args;
    va_start(args, change);
    for (; change; change = va_arg(args, const char *)) {
        size_t name = strcspn(change, ":") + 1;
        char *at = info, line[128];
        while ((at = strstr(at, "\r\n")) && strncmp(at + 2, change, name) != 0)
            at += 2;
        snprintf(line, sizeof line, "\r\n%s", change);
        if (!at) {
            strcat(strcat(info, change), "\r\n");
            continue;
        }
        char rest[4096];
        snprintf(rest, sizeof rest, "%s", strstr(at + 2, "\r\n"));
        strcpy(at, line);
        strcat(at, rest);
    }
    va_end(args);
    send_bulk(io, info);
}

static struct vital_io *begin_open(void)
{
    fake_start();
    struct vital_io *io = fake_io(FAKE_STREAM);
    fake_open(io);
    return io;
}

/* The stream to that host. */
static struct vital_io *to(const char *host)
{
    for (unsigned i = fake.io_count; i--;)
        if (fake.ios[i]->open && fake.ios[i]->kind == FAKE_STREAM && !strcmp(fake.ios[i]->dial.host, host))
            return fake.ios[i];
    FAKE_NEED(!"no stream to that host");
    return NULL;
}

static void expect(enum vital_class class, enum vital_reason reason)
{
    CHECK(fake.finished);
    CHECK_INT(fake.class, class);
    CHECK_INT(fake.reason, reason);
    if (fake.class != class || fake.reason != reason)
        fprintf(stderr, "    text: %s\n", fake.text);
}

static bool says(const char *text)
{
    bool found = strstr(fake.text, text) != NULL;
    if (!found)
        fprintf(stderr, "    \"%s\" is not in: %s\n", text, fake.text);
    return found;
}

static const char *sent(struct vital_io *io)
{
    return io->sent.data ? io->sent.data : "";
}

#endif
