/* Several addresses, any of which will do: asked one after the other, each for its share of the time. */
#include <stdio.h>

#include "redis_parts.h"

unsigned redis_seeds_count(const struct redis_conf *c)
{
    return c->hosts.count + (c->url != NULL);
}

/* The URL's host comes first. */
static void target_of(const struct redis_conf *c, const struct redis_seeds *s, unsigned which, struct redis_target *t)
{
    const char *const *hosts = c->hosts.items;
    *t = (struct redis_target){ .tls = s->tls };
    if (c->url && which == 0) {
        t->unix_path = c->url->unix_path;
        snprintf(t->address.host, sizeof t->address.host, "%s", c->url->host ? c->url->host : "");
        snprintf(t->address.port, sizeof t->address.port, "%s", c->url->port ? c->url->port : "");
    } else {
        redis_address_parse(hosts[which - (c->url != NULL)], s->default_port, &t->address); /* prepare() has checked them */
    }
}

static void next(struct vital_probe *p);

static void stop_waiting(struct vital_probe *p, struct redis_seeds *s)
{
    p->host->close(s->patience);
    s->patience = NULL;
}

/* A reason that names a cause beats one that names a broken wire. */
static bool is_telling(enum vital_reason reason)
{
    switch (reason) {
    case VITAL_R_OK: case VITAL_R_REFUSED: case VITAL_R_UNREACHABLE: case VITAL_R_TIMEOUT: case VITAL_R_RESET: case VITAL_R_CLOSED:
    case VITAL_R_DNS: return false;
    default: return true;
    }
}

void redis_seeds_failed(struct vital_probe *p, enum vital_reason reason, const char *text)
{
    struct redis_seeds *s = &((struct redis *)p->priv)->seeds;
    size_t used = strlen(s->failures);
    stop_waiting(p, s);
    snprintf(s->failures + used, sizeof s->failures - used, "%s%s", used ? "; " : "", text);
    if (!is_telling(s->reason))
        s->reason = reason;
    next(p);
}

static void out_of_patience(struct vital_probe *p, void *arg)
{
    struct redis *r = p->priv;
    char text[REDIS_WHERE + 40];
    (void)arg;
    r->seeds.patience = NULL;
    snprintf(text, sizeof text, "%s: no answer in its share of the time", r->seeds.link->where);
    redis_link_close(p, &r->links, r->seeds.link);
    r->seeds.link = NULL;
    redis_seeds_failed(p, VITAL_R_TIMEOUT, text);
}

static void next(struct vital_probe *p)
{
    struct redis *r = p->priv;
    struct redis_seeds *s = &r->seeds;
    struct redis_target target;
    if (s->asked == s->count) {
        s->link = NULL;
        s->out(p);
        return;
    }
    target_of(p->conf, s, (s->first + s->asked) % s->count, &target);
    s->asked++;
    unsigned shares = s->count - s->asked + 2; /* this one, those behind it, and what comes after them */
    s->patience = p->host->timer(p, vital_left(p) / shares, out_of_patience, NULL);
    s->link = redis_link_begin(p, &r->links, &target, s->ops);
}

void redis_seeds_begin(struct vital_probe *p)
{
    struct redis_seeds *s = &((struct redis *)p->priv)->seeds;
    s->count = redis_seeds_count(p->conf);
    s->first %= s->count;
    s->asked = 0;
    s->reason = VITAL_R_OK;
    s->failures[0] = '\0';
    s->link = NULL;
    s->patience = NULL;
    next(p);
}

void redis_seeds_answered(struct vital_probe *p)
{
    struct redis_seeds *s = &((struct redis *)p->priv)->seeds;
    stop_waiting(p, s);
    s->first = (s->first + s->asked - 1) % s->count;
}
