/* Sentinel mode: where is the master, could it be replaced, and is it well? Asked anew at every attempt. */
#include <stdio.h>
#include <stdlib.h>

#include "redis_parts.h"

enum { ASK_QUORUM = REDIS_ASK_FIRST, ASK_ADDRESS, ASK_INFO };

static void ask(struct vital_probe *p, struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    struct redis_sentinel *s = &((struct redis *)p->priv)->sentinel;
    s->answer_unknown = s->answer_quorum = s->tilt = false;
    s->problem = VITAL_R_OK;
    redis_link_login(p, l, c->sentinel_user, c->sentinel_password);
    redis_link_words(l, ASK_QUORUM, (const char *const[]){ "SENTINEL", "CKQUORUM", c->master, NULL });
    redis_link_words(l, ASK_ADDRESS, (const char *const[]){ "SENTINEL", "GET-MASTER-ADDR-BY-NAME", c->master, NULL });
    redis_link_words(l, ASK_INFO, (const char *const[]){ "INFO", "sentinel", NULL });
}

static void problem(struct redis_sentinel *s, enum vital_reason reason, const struct redis_value *v)
{
    if (s->problem != VITAL_R_OK)
        return;
    s->problem = reason;
    redis_shown(v->text ? v->text : "", v->len, 120, s->text, sizeof s->text);
}

static void answer_quorum(struct vital_probe *p, struct redis_sentinel *s, const struct redis_value *v)
{
    if (v->kind == REDIS_STATUS) {
        s->answer_quorum = s->has_quorum = true;
        vital_number(p, REDIS_N_SENTINELS, strtol(v->len > 3 ? v->text + 3 : "0", NULL, 10)); /* "OK 3 usable Sentinels. ..." */
        return;
    }
    enum vital_reason reason = v->kind == REDIS_ERROR ? redis_error_reason(v->text, v->len, VITAL_R_BAD_REPLY) : VITAL_R_BAD_REPLY;
    if (reason == VITAL_R_QUORUM)
        redis_shown(v->text, v->len, 140, s->quorum_text, sizeof s->quorum_text);
    else if (reason == VITAL_R_CONFIG && !strncasecmp(v->text, "ERR No such master", 18))
        s->answer_unknown = true;
    else
        problem(s, reason, v);
}

static bool take_address(struct redis_sentinel *s, const struct redis_value *v)
{
    if (v->count != 2 || !v->items[0]->text || !v->items[1]->text || v->items[0]->len >= sizeof s->master.host
        || v->items[1]->len >= sizeof s->master.port || !v->items[0]->len || !v->items[1]->len)
        return false;
    snprintf(s->master.host, sizeof s->master.host, "%s", v->items[0]->text);
    snprintf(s->master.port, sizeof s->master.port, "%s", v->items[1]->text);
    return s->found = true;
}

static void answer_address(struct redis_sentinel *s, const struct redis_value *v)
{
    if (v->kind == REDIS_NIL)
        s->answer_unknown = true;
    else if (v->kind == REDIS_ERROR)
        problem(s, redis_error_reason(v->text, v->len, VITAL_R_BAD_REPLY), v);
    else if (v->kind != REDIS_ARRAY || !take_address(s, v))
        problem(s, VITAL_R_BAD_REPLY, v);
}

static bool answer(struct vital_probe *p, struct redis_link *l, unsigned question, struct redis_value *v)
{
    struct redis_sentinel *s = &((struct redis *)p->priv)->sentinel;
    (void)l;
    switch (question) {
    case REDIS_ASK_AUTH:
        if (v->kind == REDIS_ERROR)
            problem(s, redis_error_reason(v->text, v->len, VITAL_R_AUTH), v);
        break;
    case ASK_QUORUM: answer_quorum(p, s, v); break;
    case ASK_ADDRESS: answer_address(s, v); break;
    case ASK_INFO: s->tilt = v->kind == REDIS_TEXT && redis_field_is(v->text, "sentinel_tilt", "1"); break;
    }
    return false;
}

/* ---- and then the master ------------------------------------------------------------------------------------ */

static void ask_master(struct vital_probe *p)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    const struct redis_target target = { .address = r->sentinel.master, .tls = c->tls };
    redis_server_begin(p, &target, true, "the master ");
}

/* Every Sentinel was asked and none had nothing to complain about. */
static void out(struct vital_probe *p)
{
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    bool own = r->seeds.reason == VITAL_R_NO_FDS || r->seeds.reason == VITAL_R_NO_THREAD;
    if (r->sentinel.found) {
        if (c->quorum != REDIS_SAYS_IGNORE)
            found_add(&r->found, redis_class(c->quorum), VITAL_R_QUORUM, "%s cannot be failed over: %s", c->master, r->seeds.failures);
        ask_master(p);
        return;
    }
    found_add(&r->found, own ? VITAL_INTERNAL : VITAL_FAIL, r->seeds.reason, "no Sentinel tells where %s is: %s", c->master, r->seeds.failures);
    redis_conclude(p, NULL);
}

static void done(struct vital_probe *p, struct redis_link *l)
{
    const struct redis_conf *c = p->conf;
    struct redis_sentinel *s = &((struct redis *)p->priv)->sentinel;
    char text[REDIS_WHERE + 240];
    vital_number(p, REDIS_N_TILT, s->tilt);
    if (s->problem != VITAL_R_OK) {
        snprintf(text, sizeof text, "%s: %s", l->where, s->text);
        redis_seeds_failed(p, s->problem, text);
    } else if (s->answer_unknown) {
        snprintf(text, sizeof text, "%s: knows no master \"%s\"", l->where, c->master);
        redis_seeds_failed(p, VITAL_R_CONFIG, text);
    } else if (s->tilt || !s->answer_quorum) {
        snprintf(text, sizeof text, "%s: %s", l->where, s->tilt ? "is in TILT mode" : s->quorum_text);
        redis_seeds_failed(p, VITAL_R_QUORUM, text);
    } else {
        redis_seeds_answered(p);
        ask_master(p);
    }
}

static void gone(struct vital_probe *p, struct redis_link *l, enum vital_reason reason, const char *text)
{
    char about[FOUND_TEXT];
    reason = redis_end_text(l, reason, text, about, sizeof about);
    redis_seeds_failed(p, reason, about);
}

void redis_sentinel_begin(struct vital_probe *p)
{
    static const struct redis_link_ops ops = { ask, answer, done, gone };
    const struct redis_conf *c = p->conf;
    struct redis *r = p->priv;
    r->sentinel = (struct redis_sentinel){ .found = false };
    r->seeds.ops = &ops;
    r->seeds.out = out;
    r->seeds.default_port = "26379";
    r->seeds.tls = c->sentinel_tls;
    redis_seeds_begin(p);
}
