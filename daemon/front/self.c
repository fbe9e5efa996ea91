#include "front/self.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/resident.h"
#include "core/core.h"
#include "front/agent.h"
#include "front/balancer.h"
#include "front/detail.h"
#include "front/gate.h"
#include "front/grpc.h"
#include "front/listen.h"
#include "front/notify.h"
#include "front/renewal.h"
#include "front/server.h"
#include "front/stats.h"
#include "io/loop.h"
#include "io/pool.h"
#include "io/resolve.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/zygote.h"

enum { FACTS_MAX = 1024 };

struct facts {
    struct arena *arena;
    struct view_fact *items;
    unsigned count;
};

static void add(struct facts *f, bool counter, const char *name, const char *help, double value)
{
    if (f->count < FACTS_MAX)
        f->items[f->count++] = (struct view_fact){ name, help, NULL, NULL, counter, value };
}

static void add_labelled(struct facts *f, bool counter, const char *name, const char *help, const char *label, const char *value_of,
                         double value)
{
    if (f->count < FACTS_MAX)
        f->items[f->count++] = (struct view_fact){ name, help, label, arena_copy(f->arena, value_of), counter, value };
}

static const char *balancer_label(const struct facts *f, const struct view_balancer *b)
{
    return arena_printf(f->arena, "%s %s %s/%s", b->listener, b->node, b->backend, b->server);
}

#define COUNTER(name, help, value) add(f, true, name, help, (double)(value))
#define GAUGE(name, help, value) add(f, false, name, help, (double)(value))
#define COUNTER_OF(name, help, label, word, value) add_labelled(f, true, name, help, label, word, (double)(value))
#define GAUGE_OF(name, help, label, word, value) add_labelled(f, false, name, help, label, word, (double)(value))

static void add_engine(struct facts *f)
{
    struct core_stats s;
    core_stats(&s);
    for (unsigned i = 0; i < VITAL_CLASS_COUNT; i++)
        COUNTER_OF("attempts", "Attempts that ended, of all probes", "outcome", vital_class_text(i), s.attempts[i]);
    COUNTER_OF("attempts", "Attempts that ended, of all probes", "outcome", "cancelled", s.cancelled);
    GAUGE("attempts_in_flight", "Attempts that run now", s.in_flight);
    GAUGE("attempts_queued", "Attempts that wait for a place under the caps", s.queued);
    COUNTER("nudges", "Attempts that an edge brought forward", s.nudges);
    COUNTER("starts_delayed", "Attempts that started late because a cap was reached", s.starts_delayed);
    COUNTER("deadlines_deferred", "Deadlines that were shifted because our own loop stood still", s.deferred_deadlines);
    COUNTER("module_bugs", "Attempts ended because a module broke its contract", s.module_bugs);
    COUNTER("stalls", "Times that our own loop stood still for more than a second", s.stalls);
    GAUGE("probes", "Configured probes", s.probes);
    GAUGE("groups", "Groups, the four that always exist included", s.groups);
    GAUGE("probes_quarantined", "Probes whose module broke its contract too often", s.quarantined);
    COUNTER("reloads", "Configurations adopted after the first", s.reloads);
    COUNTER("reload_failures", "Configurations refused", s.reload_failures);
    GAUGE("last_reload_success", "1 when the last reload was adopted", s.last_reload_ok);
}

static void add_access(struct facts *f)
{
    static const char refused[] = "Requests and connections refused because of who asks, by why", shaken[] = "TLS handshakes of clients, by how they ended";
    const struct front_stats *s = &front_stats;
    COUNTER_OF("http_refused", refused, "why", "network", s->refused_network);
    COUNTER_OF("http_refused", refused, "why", "no_credential", s->credentials_missing);
    COUNTER_OF("http_refused", refused, "why", "wrong_credential", s->credentials_wrong);
    COUNTER_OF("http_refused", refused, "why", "not_opened", s->credentials_short);
    COUNTER_OF("tls_handshakes", shaken, "result", "full", s->handshakes - s->resumed);
    COUNTER_OF("tls_handshakes", shaken, "result", "resumed", s->resumed);
    COUNTER_OF("tls_handshakes", shaken, "result", "failed", s->handshakes_failed);
    COUNTER_OF("tls_handshakes", shaken, "result", "late", s->handshakes_late);
    COUNTER_OF("tls_handshakes", shaken, "result", "not_tls", s->plain_on_tls);
}

static void add_connections(struct facts *f, const struct listener *l)
{
    GAUGE_OF("listener_connections", "Connections open now, by listener", "listener", l->name, l->connections);
}
static void add_handshakes(struct facts *f, const struct listener *l)
{
    if (l->tls)
        GAUGE_OF("listener_handshakes", "Connections that have not finished their TLS handshake, by listener", "listener", l->name, l->handshakes);
}
static void add_expiry(struct facts *f, const struct listener *l)
{
    if (l->tls)
        GAUGE_OF("listener_certificate_expiry_timestamp_seconds", "When our own certificate ends, by listener", "listener", l->name, tls_expires(l->tls));
}
static void add_renewal(struct facts *f, const struct listener *l)
{
    if (l->renewal)
        GAUGE_OF("listener_files_unusable", "1 while the files of its certificate or tokens cannot be used as they are, by listener", "listener",
                 l->name, renewal_has_failed(l->renewal));
}

/* A family's series stand together. */
static void add_listeners(struct facts *f)
{
    static void (*const families[])(struct facts *, const struct listener *) = { add_connections, add_handshakes, add_expiry, add_renewal };
    for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
        LIST_EACH(at, listen_all())
            families[i](f, LIST_OWNER(at, struct listener, link));
}

static void add_http(struct facts *f)
{
    static const char requests[] = "Requests answered, by kind", ended[] = "Connections closed because a bound was hit";
    const struct front_stats *s = &front_stats;
    COUNTER("http_connections_accepted", "Connections accepted", s->accepted);
    GAUGE("http_connections", "Connections open now", server_connections());
    GAUGE("http_connections_limit", "The most connections that the descriptor limit allows", server_connections_max());
    COUNTER_OF("http_requests", requests, "kind", "verdict", s->verdicts);
    COUNTER_OF("http_requests", requests, "kind", "detail", s->details);
    COUNTER_OF("http_requests", requests, "kind", "metrics", s->metrics);
    COUNTER_OF("http_requests", requests, "kind", "error", s->errors);
    COUNTER_OF("http_connections_limited", ended, "bound", "full", s->refused_full);
    COUNTER_OF("http_connections_limited", ended, "bound", "source", s->refused_source);
    COUNTER_OF("http_connections_limited", ended, "bound", "evicted", s->evicted);
    COUNTER_OF("http_connections_limited", ended, "bound", "head_deadline", s->late_heads);
    COUNTER_OF("http_connections_limited", ended, "bound", "write_deadline", s->late_writes);
    COUNTER_OF("http_connections_limited", ended, "bound", "idle", s->idle_ends);
    COUNTER_OF("http_connections_limited", ended, "bound", "requests", s->worn_out);
    COUNTER("http_accept_pauses", "Times that no descriptor was left to accept with", s->out_of_fds);
    COUNTER("http_streams_refused", "Large bodies refused because too many were under way", s->streams_refused);
    GAUGE("event_followers", "Clients that follow /events now", s->followers);
    COUNTER("event_follows", "Streams of /events begun", s->follows);
    COUNTER("event_follows_refused", "Streams refused because as many as there may be were open", s->followers_refused);
    COUNTER("events_sent", "Events sent, to all followers", s->events_sent);
    COUNTER("events_skipped", "Events that followers missed because they did not read", s->events_skipped);
    COUNTER("files_failed", "Writes and removals of the files: front that failed", s->files_failed);
    add_access(f);
    add_listeners(f);
}

static void add_ports(struct facts *f)
{
    static const char limited[] = "Connections to agents that were ended early, by bound";
    const struct agent_stats *a = agent_stats();
    const struct gate_stats *g = gate_stats();
    COUNTER("agent_answers", "Lines sent to HAProxy's agent-check", a->lines);
    GAUGE("agent_connections", "Connections to agents that are still ending", a->peers);
    COUNTER_OF("agent_connections_limited", limited, "bound", "full", a->evicted);
    COUNTER_OF("agent_connections_limited", limited, "bound", "deadline", a->late);
    GAUGE("gates", "Configured gates", g->all);
    GAUGE("gates_open", "Gates that take connections now", g->open);
    COUNTER("gate_connections", "Connections that gates took", g->accepted);
    COUNTER("gate_failures", "Times that a gate could not be opened or shut", g->failed);
}

static void add_grpc(struct facts *f)
{
    static const char calls[] = "gRPC calls, by method", limited[] = "gRPC connections and calls ended because a bound was hit";
    const struct grpc_stats *s = grpc_stats();
    COUNTER_OF("grpc_calls", calls, "method", "Check", s->checks);
    COUNTER_OF("grpc_calls", calls, "method", "Watch", s->watches);
    COUNTER_OF("grpc_calls", calls, "method", "List", s->lists);
    COUNTER("grpc_calls_refused", "gRPC calls that ended with another status than OK", s->refused);
    GAUGE("grpc_watching", "Watch calls open now", s->watching);
    COUNTER("grpc_changes_sent", "Verdicts told to Watch calls, the first of each included", s->changes);
    GAUGE("grpc_connections", "gRPC connections open now", s->sessions);
    COUNTER_OF("grpc_limited", limited, "bound", "flood", s->floods);
    COUNTER_OF("grpc_limited", limited, "bound", "not_http2", s->not_http2);
    COUNTER_OF("grpc_limited", limited, "bound", "broken", s->broken);
    COUNTER_OF("grpc_limited", limited, "bound", "deadline", s->late);
    COUNTER_OF("grpc_limited", limited, "bound", "idle", s->idle);
    COUNTER_OF("grpc_limited", limited, "bound", "watches", s->watches_refused);
}

/* A family's series stand together, so each number is a pass over the list. */
static void add_balancers(struct facts *f)
{
    static const struct { const char *name, *help; size_t at; } numbers[] = {
        { "haproxy_weight", "Our weight, as HAProxy told it", offsetof(struct view_balancer, weight) },
        { "haproxy_weight_of_all", "The weight of all servers that this HAProxy can use", offsetof(struct view_balancer, weight_all) },
        { "haproxy_sessions", "Connections that HAProxy has to us", offsetof(struct view_balancer, sessions) },
        { "haproxy_queued", "Requests that wait in HAProxy for us", offsetof(struct view_balancer, queued) },
    };
    static const char label[] = "server";
    const struct balancer_stats *s = balancer_stats();
    unsigned count;
    const struct view_balancer *all = balancer_list(f->arena, &count);
    COUNTER_OF("haproxy_states_heard", "X-Haproxy-Server-State fields, by what became of them", "result", "taken", s->heard);
    COUNTER_OF("haproxy_states_heard", "X-Haproxy-Server-State fields, by what became of them", "result", "malformed", s->malformed);
    COUNTER_OF("haproxy_states_heard", "X-Haproxy-Server-State fields, by what became of them", "result", "no_room", s->dropped);
    for (unsigned i = 0; i < count; i++)
        GAUGE_OF("haproxy_server_up", "1 while HAProxy says that we are up, by listener, node, backend and server", label, balancer_label(f, &all[i]), all[i].up);
    for (unsigned n = 0; n < sizeof numbers / sizeof *numbers; n++)
        for (unsigned i = 0; i < count; i++)
            GAUGE_OF(numbers[n].name, numbers[n].help, label, balancer_label(f, &all[i]),
                     *(const uint32_t *)(const void *)((const char *)&all[i] + numbers[n].at));
}

/* A family's series stand together here too. */
static void add_receivers(struct facts *f)
{
    static const struct { const char *name, *help; size_t at; } counters[] = {
        { "notify_delivered", "Messages delivered, by receiver", offsetof(struct view_receiver, delivered) },
        { "notify_retried", "Tries that failed and are repeated, by receiver", offsetof(struct view_receiver, retried) },
        { "notify_refused", "Messages that the receiver refused for good, by receiver", offsetof(struct view_receiver, refused) },
        { "notify_expired", "Messages dropped because they could not be delivered in time, by receiver", offsetof(struct view_receiver, expired) },
        { "notify_dropped", "Messages dropped because the queue was full, by receiver", offsetof(struct view_receiver, dropped) },
        { "notify_merged", "Messages replaced by a newer one about the same before they were sent, by receiver", offsetof(struct view_receiver, merged) },
    };
    unsigned count;
    const struct view_receiver *all = notify_list(f->arena, &count);
    for (unsigned n = 0; n < sizeof counters / sizeof *counters; n++)
        for (unsigned i = 0; i < count; i++)
            COUNTER_OF(counters[n].name, counters[n].help, "receiver", all[i].label, *(const uint64_t *)(const void *)((const char *)&all[i] + counters[n].at));
    for (unsigned i = 0; i < count; i++)
        GAUGE_OF("notify_waiting", "Messages or alerts that an outlet keeps, by receiver", "receiver", all[i].label, all[i].waiting);
    for (unsigned i = 0; i < count; i++)
        GAUGE_OF("notify_failing", "1 while the last try to tell a receiver failed", "receiver", all[i].label, all[i].failing_since != 0);
}

static void add_pool_threads(const char *name, const struct pool_stats *s, void *arg)
{
    struct facts *f = arg;
    GAUGE_OF("pool_threads", "Helper threads, by pool", "pool", name, s->threads);
}
static void add_pool_busy(const char *name, const struct pool_stats *s, void *arg)
{
    struct facts *f = arg;
    GAUGE_OF("pool_busy", "Helper threads with a job, by pool", "pool", name, s->busy);
}
static void add_pool_stuck(const char *name, const struct pool_stats *s, void *arg)
{
    struct facts *f = arg;
    GAUGE_OF("pool_stuck", "Helper threads stuck in a job, by pool", "pool", name, s->stuck);
}
static void add_pool_queued(const char *name, const struct pool_stats *s, void *arg)
{
    struct facts *f = arg;
    GAUGE_OF("pool_queued", "Jobs that wait, by pool", "pool", name, s->queued);
}
static void add_pool_refused(const char *name, const struct pool_stats *s, void *arg)
{
    struct facts *f = arg;
    COUNTER_OF("pool_refused", "Jobs refused because the queue was full, by pool", "pool", name, s->refused);
}

static void add_io(struct facts *f)
{
    struct zygote_stats z;
    struct resolve_stats r;
    zygote_stats(&z);
    resolve_stats(&r);
    GAUGE("loop_lag_seconds", "How late the loop's last turn was", (double)loop_lag() / 1e6);
    GAUGE("loop_lag_max_seconds", "The worst lateness of the last minute", (double)loop_lag_max() / 1e6);
    COUNTER("loop_turns", "Turns of the loop", loop_turns());
    GAUGE("streams", "Connections of probes open now", stream_count());
    pool_each(add_pool_threads, f);
    pool_each(add_pool_busy, f);
    pool_each(add_pool_stuck, f);
    pool_each(add_pool_queued, f);
    pool_each(add_pool_refused, f);
    GAUGE("helpers", "Helper processes", z.helpers);
    GAUGE("helpers_busy", "Helper processes with a call", z.busy);
    GAUGE("helpers_parked", "Helper processes stuck in the kernel", z.parked);
    GAUGE("children", "Programs that run for probes now", z.children);
    COUNTER("helper_calls", "Calls to helper processes", z.calls);
    COUNTER("helper_refused", "Calls refused because no helper was left", z.refused);
    COUNTER("helper_hung", "Calls refused because their mount hangs", z.hung);
    COUNTER("helper_makers_died", "Deaths of the process that makes helpers; each is followed by another", z.deaths);
    COUNTER("resolve_hits", "Names answered from the cache", r.hits);
    COUNTER("resolve_misses", "Names that had to be looked up", r.misses);
    COUNTER("resolve_failures", "Look-ups that failed", r.failures);
    COUNTER("resolve_stale", "Names answered from an old cache entry because the resolver is down", r.stale);
    COUNTER("resolve_refused", "Look-ups refused because the queue was full", r.refused);
    COUNTER("log_dropped", "Log lines dropped because stderr did not take them", log_dropped());
}

static void add_process(struct facts *f)
{
    struct rusage used;
    struct rlimit files = { 0 };
    uint64_t resident = resident_bytes();
    if (resident)
        GAUGE("resident_memory_bytes", "Resident memory of the daemon", resident);
    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_NOFILE, &files);
    COUNTER("cpu_seconds", "CPU time of the daemon", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
            (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    GAUGE("descriptors_limit", "The most file descriptors", files.rlim_cur);
}

const struct view_fact *self_facts(struct arena *arena, unsigned *count)
{
    struct facts f = { .arena = arena, .items = arena_alloc(arena, FACTS_MAX * sizeof *f.items) };
    add_engine(&f);
    add_http(&f);
    add_ports(&f);
    add_grpc(&f);
    add_balancers(&f);
    add_receivers(&f);
    add_io(&f);
    add_process(&f);
    *count = f.count;
    return f.items;
}
