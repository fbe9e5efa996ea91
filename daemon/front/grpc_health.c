#include <string.h>

#include "base/mem.h"
#include "config/conf.h"
#include "core/core.h"
#include "front/grpc_parts.h"
#include "front/listen.h"

/* Whoever watches the same service shares one of these, so a change costs as many looks as there are services. */
struct grpc_watched {
    struct list link;
    struct list streams;
    uint32_t group;                        /* UINT32_MAX = no such */
    uint8_t serving;
    size_t len;
    char name[];
};

static struct list all = { &all, &all };

/* ---- what a service is ---- */

static uint32_t find_group(struct span service)
{
    return service.len ? core_group_find(service.at, service.len) : core_conf()->health;
}

static enum grpc_serving serving_of(uint32_t group)
{
    struct verdict v;
    if (group == UINT32_MAX)
        return GRPC_SERVICE_UNKNOWN;
    core_verdict(group, &v);
    return v.level == LEVEL_FAIL ? GRPC_NOT_SERVING : GRPC_SERVING;
}

enum grpc_serving grpc_health_serving(const struct grpc_watched *w)
{
    return w->serving;
}

/* ---- Check and List ---- */

static void check(struct grpc_stream *st, struct span service)
{
    uint32_t group = find_group(service);
    grpc_counts.checks++;
    if (group == UINT32_MAX) {
        grpc_stream_refuse(st, GRPC_NOT_FOUND, "no such group; the empty service is the group health");
        return;
    }
    grpc_put_reply(&st->out, serving_of(group));
    grpc_stream_answer(st);
}

static void list(struct grpc_stream *st, struct span service)
{
    const struct conf *c = core_conf();
    (void)service;
    grpc_counts.lists++;
    if (c->group_count > GRPC_LISTED) {
        grpc_stream_refuse(st, GRPC_RESOURCE_EXHAUSTED, "there are more groups than may be listed");
        return;
    }
    struct buf content = BUF(GRPC_LISTED * 512);
    grpc_put_listed(&content, "", serving_of(c->health));
    for (uint32_t i = 0; i < c->group_count; i++)
        grpc_put_listed(&content, c->groups[i].name, serving_of(i));
    grpc_put_list(&st->out, &content);
    buf_free(&content);
    grpc_stream_answer(st);
}

/* ---- Watch ---- */

static struct grpc_watched *watched_get(struct span service)
{
    LIST_EACH(at, &all) {
        struct grpc_watched *w = LIST_OWNER(at, struct grpc_watched, link);
        if (w->len == service.len && !memcmp(w->name, service.at, service.len))
            return w;
    }
    struct grpc_watched *w = mem_alloc(sizeof *w + service.len);
    w->len = service.len;
    memcpy(w->name, service.at, service.len);
    w->group = find_group(service);
    w->serving = (uint8_t)serving_of(w->group);
    list_init(&w->streams);
    list_append(&all, &w->link);
    return w;
}

static void watch(struct grpc_stream *st, struct span service)
{
    struct grpc_session *s = st->session;
    grpc_counts.watches++;
    if (s->watch_count >= GRPC_WATCHES_OF_SESSION || grpc_counts.watching >= GRPC_WATCHES) {
        grpc_counts.watches_refused++;
        grpc_stream_refuse(st, GRPC_RESOURCE_EXHAUSTED, "as many watches as there may be are open");
        return;
    }
    st->watched = watched_get(service);
    list_append(&st->watched->streams, &st->watch);
    s->watch_count++;
    grpc_counts.watching++;
    grpc_stream_follow(st);
}

void grpc_health_forget(struct grpc_stream *st)
{
    struct grpc_watched *w = st->watched;
    if (!w)
        return;
    list_remove(&st->watch);
    st->session->watch_count--;
    grpc_counts.watching--;
    st->watched = NULL;
    if (!list_empty(&w->streams))
        return;
    list_remove(&w->link);
    mem_free(w);
}

static void tell(struct grpc_watched *w)
{
    enum grpc_serving now = serving_of(w->group);
    if (now == w->serving)
        return;
    w->serving = (uint8_t)now;
    LIST_EACH(at, &w->streams)
        grpc_stream_resume(LIST_OWNER(at, struct grpc_stream, watch));
}

void grpc_health_publish(void)
{
    LIST_EACH(at, &all) {
        struct grpc_watched *w = LIST_OWNER(at, struct grpc_watched, link);
        if (w->group != UINT32_MAX)
            tell(w);
    }
}

void grpc_health_adopt(void)
{
    LIST_EACH(at, &all) {
        struct grpc_watched *w = LIST_OWNER(at, struct grpc_watched, link);
        w->group = find_group((struct span){ w->name, w->len });
        tell(w);
    }
}

/* ---- calls ---- */

/* List tells names, so it stands behind the class that may. */
static bool may(struct grpc_stream *st)
{
    bool lists = st->method == GRPC_METHOD_LIST;
    if (lists && !(st->session->guest.listener->serve & SERVE_STATUS))
        grpc_stream_refuse(st, GRPC_PERMISSION_DENIED, "List needs a listener that serves status too");
    else if (st->refused)
        grpc_stream_refuse(st, GRPC_UNAUTHENTICATED, "this token is not known here");
    else if (!(st->serve & (lists ? SERVE_STATUS : SERVE_VERDICTS)))
        grpc_stream_refuse(st, st->vouched ? GRPC_PERMISSION_DENIED : GRPC_UNAUTHENTICATED, "this needs a credential that opens it");
    return !st->answered;
}

void grpc_health_serve(struct grpc_stream *st, struct span message)
{
    static void (*const by_method[GRPC_METHODS])(struct grpc_stream *, struct span service) = {
        [GRPC_METHOD_CHECK] = check, [GRPC_METHOD_WATCH] = watch, [GRPC_METHOD_LIST] = list,
    };
    struct span service = { "", 0 };
    if (!may(st))
        return;
    if (st->method != GRPC_METHOD_LIST && !grpc_get_request(message, &service))
        grpc_stream_refuse(st, GRPC_INTERNAL, "the request is no HealthCheckRequest");
    else
        by_method[st->method](st, service);
}
