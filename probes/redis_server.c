/* One server: everything is asked in one round trip. */
#include <stdio.h>

#include "redis_parts.h"

enum { ASK_SELECT = REDIS_ASK_FIRST, ASK_PING, ASK_ROLE, ASK_INFO, ASK_WRITE, ASK_COMMAND };

#define MARGIN 10000        /* usec: so much before the deadline we say ourselves what was waited for */

static void ask(struct vital_probe *p, struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    const struct redis_server *s = &((struct redis *)p->priv)->server;
    char database[8];
    redis_link_login(p, l, redis_user(c), redis_password(c));
    if (redis_database(c, database))
        redis_link_words(l, ASK_SELECT, (const char *const[]){ "SELECT", database, NULL });
    redis_link_words(l, ASK_PING, (const char *const[]){ "PING", NULL });
    if (s->must_be_master || c->role != REDIS_ROLE_ANY)
        redis_link_words(l, ASK_ROLE, (const char *const[]){ "ROLE", NULL });
    if (c->info)
        redis_link_words(l, ASK_INFO, (const char *const[]){ "INFO", NULL });
    if (c->write_test)
        redis_link_words(l, ASK_WRITE, (const char *const[]){ "SET", c->write_test, "vitald", "EX", "60", NULL });
    const struct redis_command *commands = c->commands.items;
    for (unsigned i = 0; i < c->commands.count; i++)
        redis_command_ask(l, ASK_COMMAND, &commands[i]);
}

static void keep(struct redis_value **place, struct redis_value *v)
{
    redis_value_free(*place);
    *place = v;
}

/* An error that tells nothing new: of a login that was refused, or of a server that is loading. */
static bool is_known(const struct redis_server *s, const struct redis_value *v)
{
    if (v->kind != REDIS_ERROR)
        return false;
    enum vital_reason reason = redis_error_reason(v->text, v->len, VITAL_R_QUERY);
    return s->refused || (s->loading && reason == VITAL_R_LOADING);
}

static void answer_ping(struct vital_probe *p, struct redis_link *l, const struct redis_value *v)
{
    struct redis *r = p->priv;
    char shown[100];
    if (v->kind == REDIS_STATUS && !strcmp(v->text, "PONG"))
        r->server.pinged = vital_now(p) - l->sent;
    else if (v->kind == REDIS_ERROR && redis_error_reason(v->text, v->len, VITAL_R_QUERY) == VITAL_R_LOADING)
        r->server.loading = true; /* INFO will tell how far it has come */
    else if (v->kind == REDIS_ERROR)
        redis_error(r, l->where, v, VITAL_R_BAD_REPLY);
    else
        found_add(&r->found, VITAL_FAIL, VITAL_R_BAD_REPLY, "%s answers PING with \"%s\"", l->where,
                  redis_shown(v->text ? v->text : "", v->len, 40, shown, sizeof shown));
}

static void answer_info(struct redis *r, struct redis_link *l, const struct redis_value *v)
{
    if (v->kind == REDIS_ERROR && redis_error_reason(v->text, v->len, VITAL_R_QUERY) == VITAL_R_PERMISSION)
        r->server.no_info = true;
    else
        redis_error(r, l->where, v, VITAL_R_BAD_REPLY);
}

static void answer_write(struct vital_probe *p, struct redis_link *l, const struct redis_value *v)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    char where[REDIS_WHERE + 80];
    snprintf(where, sizeof where, "%s: writing %.60s", l->where, c->write_test);
    if (v->kind != REDIS_STATUS)
        redis_error(r, where, v, VITAL_R_BAD_REPLY);
}

static bool answer(struct vital_probe *p, struct redis_link *l, unsigned question, struct redis_value *v)
{
    struct redis *r = p->priv;
    struct redis_server *s = &r->server;
    unsigned command = s->command;
    if (question == ASK_COMMAND)
        s->command++;
    if (is_known(s, v))
        return false;
    if ((question == ASK_INFO && v->kind == REDIS_TEXT) || (question == ASK_ROLE && v->kind == REDIS_ARRAY)) {
        keep(question == ASK_INFO ? &s->info : &s->role, v);
        return true;
    }
    switch (question) {
    case REDIS_ASK_AUTH: s->refused = v->kind == REDIS_ERROR; /* fall through */
    case ASK_SELECT:
        if (v->kind != REDIS_STATUS)
            redis_error(r, l->where, v, question == REDIS_ASK_AUTH ? VITAL_R_AUTH : VITAL_R_QUERY);
        break;
    case ASK_PING: answer_ping(p, l, v); break;
    case ASK_INFO: answer_info(r, l, v); break;
    case ASK_ROLE: redis_error(r, l->where, v, VITAL_R_BAD_REPLY); break;
    case ASK_WRITE: answer_write(p, l, v); break;
    case ASK_COMMAND: redis_command_judge(p, command, v); break;
    }
    return false;
}

static void done(struct vital_probe *p, struct redis_link *l)
{
    redis_server_judge(p, &((struct redis *)p->priv)->server);
    redis_conclude(p, l);
}

/* What it said before it left, "max number of clients reached" for one, is the better reason. */
static void gone(struct vital_probe *p, struct redis_link *l, enum vital_reason reason, const char *text)
{
    struct redis *r = p->priv;
    char about[FOUND_TEXT];
    if (!*r->found.worst || r->found.class != VITAL_FAIL) {
        reason = redis_end_text(l, reason, text, about, sizeof about);
        bool own = reason == VITAL_R_NO_FDS || reason == VITAL_R_NO_THREAD;
        bool named = !strncmp(about, l->where, strlen(l->where));
        found_add(&r->found, own ? VITAL_INTERNAL : VITAL_FAIL, reason, "%s%s%s", r->server.prefix,
                  *r->server.prefix && !named ? "cannot be reached: " : "", about);
    }
    redis_conclude(p, l);
}

/* The engine would only say that there was no answer: here it is known what was waited for. */
static void give_up(struct vital_probe *p, void *arg)
{
    static const char *const questions[] = {
        [REDIS_ASK_AUTH] = "AUTH", [ASK_SELECT] = "SELECT", [ASK_PING] = "PING", [ASK_ROLE] = "ROLE", [ASK_INFO] = "INFO", [ASK_WRITE] = "SET (`write_test`)",
        [ASK_COMMAND] = "a command of `commands`",
    };
    (void)arg;
    struct redis *r = p->priv;
    const struct redis_link *l = r->server.link;
    if (!r->running || !l || !vital_left(p)) /* late ourselves: the engine knows what to make of it */
        return;
    char span[FOUND_AMOUNT];
    found_span((double)(vital_now(p) - r->began), span);
    if (l->open && l->answered < l->count)
        found_add(&r->found, VITAL_FAIL, VITAL_R_TIMEOUT, "%s%s accepts connections, but does not answer %s within %s", r->server.prefix, l->where,
                  questions[l->asked[l->answered]], span);
    else
        found_add(&r->found, VITAL_FAIL, VITAL_R_TIMEOUT, "%s%s: no connection within %s", r->server.prefix, l->where, span);
    redis_conclude(p, NULL);
}

void redis_server_begin(struct vital_probe *p, const struct redis_target *target, bool must_be_master, const char *prefix)
{
    static const struct redis_link_ops ops = { ask, answer, done, gone };
    struct redis *r = p->priv;
    r->server.must_be_master = must_be_master;
    r->server.prefix = prefix;
    uint64_t left = vital_left(p);
    p->host->timer(p, left > 20 * MARGIN ? left - MARGIN : left - left / 20, give_up, NULL);
    r->server.link = redis_link_begin(p, &r->links, target, &ops);
}

void redis_server_free(struct redis_server *s)
{
    redis_value_free(s->info);
    redis_value_free(s->role);
    *s = (struct redis_server){ .prefix = "" };
}
