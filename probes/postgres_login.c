/* The way to a session: the files that a login needs, the hosts in their order, each of their addresses, all under the
 * attempt's one deadline. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "postgres_parts.h"

/* ---- the walk through the hosts ----------------------------------------------------------------------------- */

static void next_host(struct vital_probe *);
static void dial(struct vital_probe *, enum pg_sslmode);

/* Of several hosts that do not do, the one that came farthest tells most. */
static unsigned weight(enum vital_reason r)
{
    static const enum vital_reason farther[] = { VITAL_R_DNS, VITAL_R_UNREACHABLE, VITAL_R_REFUSED, VITAL_R_TIMEOUT, VITAL_R_RESET, VITAL_R_CLOSED };
    for (unsigned i = 0; i < sizeof farther / sizeof *farther; i++)
        if (farther[i] == r)
            return i + 1;
    return r == VITAL_R_ROLE ? 8 : 7;
}

void pg_note_failure(struct pg *g, enum vital_reason reason, const char *text)
{
    size_t used = strlen(g->failures);
    if (weight(reason) > (used ? weight(g->reason) : 0))
        g->reason = reason;
    snprintf(g->failures + used, sizeof g->failures - used, "%s%s", used ? "; " : "", text);
}

static void give_up(struct vital_probe *p)
{
    struct pg *g = p->priv;
    char text[FOUND_TEXT];
    snprintf(text, sizeof text, "%s", g->failures);
    pg_fail(p, VITAL_FAIL, g->reason, text);
}

/* What is being waited for, in words for its absence. */
static const char *missing(const struct pg_session *s)
{
    if (s->open)
        return "does not answer the query";
    if (!s->conn)
        return s->job ? "asks for a proof of the password that takes too long to compute" : "does not answer";
    switch (PQstatus(s->conn)) {
    case CONNECTION_STARTED: return "does not answer";
    case CONNECTION_MADE:
    case CONNECTION_SSL_STARTUP: return "accepts connections, but does not speak TLS or anything else";
    default: return "accepts connections, but does not answer the login";
    }
}

static void too_long(struct vital_probe *p, void *arg)
{
    (void)arg;
    struct pg *g = p->priv;
    char where[300], text[400], took[FOUND_AMOUNT];
    g->patience = NULL;
    bool asking = g->session.open;
    snprintf(text, sizeof text, "%s %s within %s", pg_where(g, where, sizeof where), missing(&g->session),
             found_span((double)(vital_now(p) - (asking ? g->ask_began : g->login_began)), took));
    if (asking) {
        pg_fail(p, VITAL_FAIL, VITAL_R_TIMEOUT, text);
        return;
    }
    pg_session_close(p, &g->session);
    pg_note_failure(g, VITAL_R_TIMEOUT, text);
    pg_next_address(p);
}

void pg_be_patient(struct vital_probe *p, unsigned shares)
{
    struct pg *g = p->priv;
    uint64_t left = vital_left(p);
    p->host->close(g->patience);
    g->patience = p->host->timer(p, shares > 1 ? left / shares : left - left / 16, too_long, NULL);
}

void pg_refused(struct vital_probe *p, const struct pg_error *e)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    char where[300], text[600];
    if (g->plain) {
        g->plain = false;
        dial(p, PG_SSL_DISABLE);
        return;
    }
    p->host->close(g->patience);
    g->patience = NULL;
    snprintf(text, sizeof text, "%s: %s%s", pg_where(g, where, sizeof where), e->text,
             e->reason == VITAL_R_TLS && strstr(e->text, "does not support SSL") && !c->sslmode ? "; where the network is trusted, set sslmode: disable" : "");
    if (e->internal) {
        pg_fail(p, VITAL_INTERNAL, e->reason, text);
        return;
    }
    pg_note_failure(g, e->reason, text);
    pg_next_address(p);
}

static const char *find_password(const struct vital_probe *p, char *room, size_t size)
{
    const struct pg_conf *c = p->conf;
    const struct pg *g = p->priv;
    const struct pg_host *h = &g->login.hosts[g->host];
    const char *const wanted[] = { pg_host_is_local(h) ? "localhost" : h->host, h->port, g->login.database, g->login.user };
    const struct pg_file *f = &g->files[PG_FILE_PASS];
    if (pg_password(c)) {
        const char *password = p->host->reveal(pg_password(c), NULL);
        return *password ? password : NULL;
    }
    if (!f->data && pg_url_value(c->url ? c->url->path : NULL, "password", room, size))
        return room;
    return f->data && pg_passfile_find(f->data, f->len, wanted, room, size) ? room : NULL;
}

static void dial(struct vital_probe *p, enum pg_sslmode mode)
{
    const struct pg_conf *c = p->conf;
    struct pg *g = p->priv;
    const struct pg_host *h = &g->login.hosts[g->host];
    char room[1024] = "";
    uint64_t left = vital_left(p);
    struct pg_target t = {
        .host = h, .address = pg_host_is_local(h) ? NULL : g->addresses[g->address], .user = g->login.user, .database = g->login.database,
        .password = find_password(p, room, sizeof room), .sslmode = mode == PG_SSL_AUTO ? PG_SSL_REQUIRE : mode,
        .ca = g->files[PG_FILE_CA].data, .ca_len = g->files[PG_FILE_CA].len, .cert = g->files[PG_FILE_CERT].data, .cert_len = g->files[PG_FILE_CERT].len,
        .statement_timeout = g->login.pooler ? 0 : left - left / 8,
    };
    if (c->tls.key)
        t.key = p->host->reveal(c->tls.key, &t.key_len);
    pg_session_open(p, &g->session, &t);
    explicit_bzero(room, sizeof room);
}

void pg_next_address(struct vital_probe *p)
{
    struct pg *g = p->priv;
    if (++g->address >= g->address_count) {
        g->host++;
        next_host(p);
        return;
    }
    g->login_began = vital_now(p);
    g->plain = false;
    pg_be_patient(p, g->address_count - g->address + g->login.host_count - g->host - 1);
    dial(p, g->login.sslmode);
}

static void resolved(struct vital_probe *p, const char *const *addresses, unsigned count, bool stale, const char *error, void *arg)
{
    (void)stale, (void)arg;
    struct pg *g = p->priv;
    char text[400];
    g->resolved += vital_now(p) - g->login_began;
    g->address = UINT32_MAX;
    g->address_count = count < PG_ADDRESSES_MAX ? count : PG_ADDRESSES_MAX;
    for (unsigned i = 0; i < g->address_count; i++)
        snprintf(g->addresses[i], sizeof g->addresses[i], "%s", addresses[i]);
    if (!count) {
        snprintf(text, sizeof text, "%s: %s", g->login.hosts[g->host].host, error ? error : "the name has no address");
        pg_note_failure(g, VITAL_R_DNS, text);
    }
    pg_next_address(p);
}

static void next_host(struct vital_probe *p)
{
    struct pg *g = p->priv;
    if (g->host >= g->login.host_count) {
        give_up(p);
        return;
    }
    g->login_began = vital_now(p);
    g->address = UINT32_MAX;
    g->address_count = 1;
    if (pg_host_is_local(&g->login.hosts[g->host])) {
        pg_next_address(p);
        return;
    }
    pg_be_patient(p, g->login.host_count - g->host);
    p->host->resolve(p, g->login.hosts[g->host].host, resolved, NULL);
}

/* ---- the files that a login needs --------------------------------------------------------------------------- */

static const char *file_path(const struct vital_probe *p, unsigned which)
{
    const struct pg_conf *c = p->conf;
    const struct pg *g = p->priv;
    bool verifies = g->login.sslmode == PG_SSL_VERIFY_CA || g->login.sslmode == PG_SSL_VERIFY_FULL;
    switch (which) {
    case PG_FILE_PASS: return c->passfile;
    case PG_FILE_CA: return verifies && *g->login.ca ? g->login.ca : NULL;
    default: return c->tls.cert;
    }
}

static void next_file(struct vital_probe *);

static void file_failed(struct vital_probe *p, const struct vital_file *f, const char *path)
{
    const struct pg *g = p->priv;
    char text[400];
    enum vital_reason reason = f->error == ENOENT ? VITAL_R_NOT_FOUND : f->error == EACCES ? VITAL_R_PERMISSION : VITAL_R_IO_ERROR;
    if (f->hung)
        snprintf(text, sizeof text, "the file system of %s does not answer", path);
    else if (f->error)
        snprintf(text, sizeof text, "%s: %s", path, strerror(f->error));
    else
        snprintf(text, sizeof text, "%s is larger than 64 KiB%s", path, g->file == PG_FILE_CA ? ": for the system's certificates leave `tls: ca` out" : "");
    pg_fail(p, VITAL_FAIL, f->hung ? VITAL_R_HUNG : f->cut ? VITAL_R_TOO_LARGE : reason, text);
}

static void file_read(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    struct pg *g = p->priv;
    const char *path = file_path(p, g->file);
    if (f->hung || f->error || f->cut) {
        file_failed(p, f, path);
        return;
    }
    struct pg_file *to = &g->files[g->file];
    to->data = pg_alloc(f->len);
    memcpy(to->data, f->data, f->len);
    to->len = f->len;
    g->file++;
    next_file(p);
}

static void next_file(struct vital_probe *p)
{
    struct pg *g = p->priv;
    while (g->file < PG_FILES && !file_path(p, g->file))
        g->file++;
    if (g->file < PG_FILES) {
        p->host->file(p, VITAL_READFILE, file_path(p, g->file), file_read, NULL);
        return;
    }
    g->host = 0;
    next_host(p);
}

void pg_begin_login(struct vital_probe *p)
{
    struct pg *g = p->priv;
    pg_drop_files(g);
    p->host->close(g->patience);
    g->patience = NULL;
    g->file = 0;
    g->resumed = false;
    g->login_began = vital_now(p);
    next_file(p);
}
