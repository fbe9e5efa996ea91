#include "redis_link.h"

#include <stdio.h>

#include "redis_parts.h"

const char *redis_where(const struct redis_target *t, char *room, size_t size)
{
    if (t->unix_path)
        snprintf(room, size, "%s", t->unix_path);
    else
        snprintf(room, size, strchr(t->address.host, ':') ? "[%s]:%s" : "%s:%s", t->address.host, t->address.port);
    return room;
}

/* ---- their list --------------------------------------------------------------------------------------------- */

static void drop(struct redis_link *l)
{
    redis_reader_close(&l->reader);
    redis_commands_free(&l->out);
    redis_free(l);
}

static void unlink_from(struct redis_link **all, const struct redis_link *l)
{
    for (; *all; all = &(*all)->next)
        if (*all == l) {
            *all = l->next;
            return;
        }
}

void redis_link_close(struct vital_probe *p, struct redis_link **all, struct redis_link *l)
{
    unlink_from(all, l);
    p->host->close(l->io);
    drop(l);
}

/* All is answered, and nothing came beyond it. */
static bool is_in_order(const struct redis_link *l)
{
    return l->io && l->open && l->used && l->answered == l->count && redis_reader_is_empty(&l->reader);
}

void redis_links_settle(struct vital_probe *p, struct redis_link **all, bool hold)
{
    struct redis_link *l = *all, *next;
    for (; l; l = next) {
        next = l->next;
        if (hold && is_in_order(l)) {
            p->host->keep(l->io);
            l->kept = true;
            l->used = false;
            redis_reader_close(&l->reader);     /* empty, but with room for the largest answer so far */
        } else {
            redis_link_close(p, all, l);
        }
    }
}

void redis_links_cut(struct vital_probe *p, struct redis_link **all)
{
    for (struct redis_link *l = *all; l; l = l->next)
        if (l->kept)
            p->host->close(l->io);
    redis_links_free(all);
}

void redis_links_free(struct redis_link **all)
{
    while (*all) {
        struct redis_link *l = *all;
        *all = l->next;
        drop(l);
    }
}

/* ---- the stream --------------------------------------------------------------------------------------------- */

static void dial(struct vital_probe *p, struct redis_link *l);

static void ask_now(struct vital_probe *p, struct redis_link *l)
{
    l->count = l->answered = 0;
    l->ops->ask(p, l);
    l->sent = vital_now(p);
    p->host->write(l->io, l->out.data, l->out.len);
    redis_commands_free(&l->out);
}

static void gone(struct vital_probe *p, struct redis_link *l, enum vital_reason reason, const char *text)
{
    p->host->close(l->io);
    l->io = NULL;
    l->ops->gone(p, l, reason, text);
}

static struct redis *attempt_of(struct vital_probe *p)
{
    return p->priv;
}

/* Between attempts nobody is waiting: whatever happens on a kept link is a reason to look. */
static void surprise(struct vital_probe *p, struct redis_link *l)
{
    redis_link_close(p, &attempt_of(p)->links, l);
    p->host->nudge(p);
}

static void stream_open(struct vital_probe *p, struct vital_io *io, void *arg)
{
    struct redis_link *l = arg;
    (void)io;
    l->open = true;
    ask_now(p, l);
}

static bool one_answer(struct vital_probe *p, struct redis_link *l, struct redis_value *v)
{
    l->reused = false;
    unsigned question = l->asked[l->answered++];
    if (!l->ops->answer(p, l, question, v))
        redis_value_free(v);
    return l->answered < l->count;
}

static void bad_reply(struct vital_probe *p, struct redis_link *l)
{
    char shown[200], text[280];
    const char *error = redis_reader_error(&l->reader);
    redis_shown(error, strlen(error), 120, shown, sizeof shown);
    snprintf(text, sizeof text, "does not speak Redis's protocol: %s", shown);
    gone(p, l, VITAL_R_BAD_REPLY, text);
}

static void read_answers(struct vital_probe *p, struct redis_link *l)
{
    struct redis_value *v;
    for (;;) {
        switch (redis_reader_next(&l->reader, &v)) {
        case REDIS_MORE: return;
        case REDIS_BAD: bad_reply(p, l); return;
        case REDIS_TOO_LARGE:
            gone(p, l, VITAL_R_TOO_LARGE, "sends a reply that is larger, deeper or longer than any that was asked for");
            return;
        case REDIS_READ:
            if (!one_answer(p, l, v)) {
                l->ops->done(p, l);
                return;
            }
        }
    }
}

static void stream_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    struct redis_link *l = arg;
    (void)io;
    if (!attempt_of(p)->running) {
        surprise(p, l);
        return;
    }
    if (l->answered == l->count) {
        l->open = false; /* it talks on: not to be kept */
        return;
    }
    redis_reader_feed(&l->reader, bytes, len);
    read_answers(p, l);
}

static void stream_closed(struct vital_probe *p, struct vital_io *io, void *arg, enum vital_reason reason, const char *text)
{
    struct redis_link *l = arg;
    (void)io;
    l->io = NULL;
    l->kept = l->open = false;
    if (!attempt_of(p)->running) {
        surprise(p, l);
    } else if (l->reused) {
        dial(p, l);
    } else if (l->used && (!l->count || l->answered < l->count)) {
        l->ops->gone(p, l, reason, text);
    }
}

static void dial(struct vital_probe *p, struct redis_link *l)
{
    static const struct vital_stream_ops ops = { stream_open, stream_data, stream_closed };
    const struct redis_target *t = &l->target;
    const struct vital_dial where = {
        .host = t->unix_path ? NULL : t->address.host, .port = t->unix_path ? NULL : t->address.port,
        .unix_path = t->unix_path, .tls = t->tls, .tls_name = *t->name ? t->name : NULL,
    };
    l->open = l->kept = l->reused = false;
    l->count = l->answered = 0;
    redis_reader_open(&l->reader);
    l->io = p->host->dial(p, &where, &ops, l);
}

/* ---- use ---------------------------------------------------------------------------------------------------- */

static struct redis_link *find(struct redis_link *l, const char *where)
{
    while (l && strcmp(l->where, where) != 0)
        l = l->next;
    return l;
}

static struct redis_link *new_link(struct redis_link **all, const char *where)
{
    struct redis_link *l = redis_alloc(sizeof *l);
    snprintf(l->where, sizeof l->where, "%s", where);
    l->next = *all;
    *all = l;
    return l;
}

struct redis_link *redis_link_begin(struct vital_probe *p, struct redis_link **all, const struct redis_target *target,
                                    const struct redis_link_ops *ops)
{
    char where[REDIS_WHERE];
    struct redis_link *l = find(*all, redis_where(target, where, sizeof where));
    if (!l)
        l = new_link(all, where);
    l->target = *target;
    l->ops = ops;
    l->used = true;
    l->reused = l->io != NULL;
    if (l->io) {
        redis_reader_open(&l->reader);
        ask_now(p, l);
    } else {
        dial(p, l);
    }
    return l;
}

void redis_link_ask(struct redis_link *l, unsigned question, unsigned count, const char *const *words, const size_t *lens)
{
    if (l->count == REDIS_QUESTIONS)
        return;
    l->asked[l->count++] = (uint8_t)question;
    redis_commands_add(&l->out, count, words, lens);
}
