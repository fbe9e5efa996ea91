/* link: probes/postgres_text.c probes/postgres_conf.c */
/* What people write for the postgres module (URLs, hosts, password files) and what servers answer it: whatever is accepted is a
 * login with a host and a port, and texts stay inside their rooms. */
#include <stdio.h>
#include <stdlib.h>

#include "base/url.h"
#include "postgres_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void heard(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    (void)d, (void)option;
    require(*fmt);
}

static void check_host(const struct pg_host *h)
{
    long port = strtol(h->port, NULL, 10);
    require(*h->host && memchr(h->host, '\0', sizeof h->host) && port > 0 && port < 65536);
}

static void as_url(const char *line)
{
    struct url u;
    struct vital_diag d = { heard, heard, heard };
    if (url_parse(line, strlen(line), &u))
        return;
    const struct vital_url url = { .scheme = u.scheme, .host = u.host, .port = *u.port ? u.port : NULL, .path = *u.path ? u.path : "/",
                                   .user = u.has_user ? u.user : NULL, .unix_path = *u.unix_path ? u.unix_path : NULL, .text = "" };
    const struct pg_conf conf = { .url = &url };
    struct pg_login l;
    const char *option = NULL, *why = pg_login_read(&conf, &l, &option);
    require(!why || (option && *why));
    pg_prepare((void *)(uintptr_t)&conf, &d);
    if (why)
        return;
    require(l.host_count == 1 && *l.user && *l.database && l.sslmode < PG_SSL_REFUSED);
    check_host(&l.hosts[0]);
}

static void as_text(const char *line)
{
    static const char *const wanted[] = { "db", "5432", "app", "me" };
    struct pg_host h;
    struct pg_error e;
    char room[64];
    if (!pg_host_parse(line, "5432", &h))
        check_host(&h);
    if (pg_url_value(line, "sslmode", room, sizeof room))
        pg_sslmode_of(room);
    pg_url_database(line, room, sizeof room);
    if (pg_passfile_find(line, strlen(line), wanted, room, sizeof room))
        require(strlen(room) < sizeof room);
    require(strlen(pg_shown(line, strlen(line), 20, room, sizeof room)) < sizeof room);
    for (int pooler = 0; pooler < 2; pooler++) {
        pg_error_read(line, pooler, &e);
        require(e.reason < VITAL_REASON_COUNT && memchr(e.text, '\0', sizeof e.text) && memchr(e.state, '\0', sizeof e.state));
        pg_error_of_state(line, line, pooler, &e);
        require(e.reason < VITAL_REASON_COUNT && memchr(e.text, '\0', sizeof e.text));
    }
    pg_says_no_tls(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    as_text(text);
    as_url(text);
    free(text);
    return 0;
}
