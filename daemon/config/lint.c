/* A configuration that can be loaded, but that will not do what its writer hopes: each rule is one function in the table
 * at the end. Warnings come before the notes, for the report has an end. */
#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/build.h"
#include "config/conf.h"
#include "config/conf_notify.h"
#include "config/opt.h"
#include "config/weak.h"

/* Worst cases of a group: the slowest probe that it requires, in each direction. */
struct pace {
    uint64_t detect, recover, interval;
    uint32_t slowest;            /* probe that gives `detect`; UINT32_MAX: none */
};

struct lint {
    const struct conf *conf;
    struct diag *diag;
    struct arena *scratch;
    struct pace *paces;          /* by group */
    uint8_t *in_live, *in_ready, *in_health, *anywhere;   /* by probe: required there; a member of any group */
};

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* From the fault to the verdict: the fault falls right after a start, every attempt needs its whole timeout. */
uint64_t conf_detect_time(const struct conf_probe *p)
{
    return longer(p->interval, p->timeout) + p->timeout + (p->fall - 1u) * longer(p->interval_unsettled, p->timeout);
}

uint64_t conf_recover_time(const struct conf_probe *p)
{
    return longer(p->interval_down, p->timeout) + p->timeout + (p->rise - 1u) * longer(p->interval_unsettled, p->timeout);
}

/* ---- groups ------------------------------------------------------------------------------------------------- */

/* Members before the groups that hold them; the configuration has no circles. */
static uint32_t *members_first(const struct lint *l)
{
    uint32_t count = l->conf->group_count, done = 0, depth;
    uint32_t *order = arena_alloc(l->scratch, (count + 1) * sizeof *order), *stack = arena_alloc(l->scratch, (count + 1) * sizeof *stack);
    uint32_t *step = arena_alloc(l->scratch, (count + 1) * sizeof *step);
    bool *seen = arena_alloc(l->scratch, count + 1);
    for (uint32_t start = 0; start < count; start++) {
        depth = 0;
        if (!seen[start])
            stack[depth++] = start;
        seen[start] = true;
        while (depth) {
            uint32_t at = stack[depth - 1];
            const struct conf_group *g = &l->conf->groups[at];
            if (step[at] == g->member_count) {
                order[done++] = at;
                depth--;
                continue;
            }
            const struct conf_member *m = &g->members[step[at]++];
            if (m->is_group && !seen[m->index]) {
                seen[m->index] = true;
                stack[depth++] = m->index;
            }
        }
    }
    return order;
}

static struct pace pace_of(const struct lint *l, const struct conf_member *m)
{
    if (m->is_group)
        return l->paces[m->index];
    const struct conf_probe *p = &l->conf->probes[m->index];
    return (struct pace){ conf_detect_time(p), conf_recover_time(p), p->interval, m->index };
}

/* Whatever the group counts, the last member that matters may be its slowest one. */
static void measure(struct lint *l)
{
    const uint32_t *order = members_first(l);
    l->paces = arena_alloc(l->scratch, (l->conf->group_count + 1) * sizeof *l->paces);
    for (uint32_t i = 0; i < l->conf->group_count; i++) {
        const struct conf_group *g = &l->conf->groups[order[i]];
        struct pace *sum = &l->paces[order[i]];
        sum->slowest = UINT32_MAX;
        for (uint32_t k = 0; k < g->member_count; k++) {
            struct pace one = pace_of(l, &g->members[k]);
            if (one.detect > sum->detect)
                sum->slowest = one.slowest;
            sum->detect = longer(sum->detect, one.detect);
            sum->recover = longer(sum->recover, one.recover);
            sum->interval = longer(sum->interval, one.interval);
        }
    }
}

static uint8_t *required_by(const struct lint *l, uint32_t group)
{
    uint8_t *probes = arena_alloc(l->scratch, l->conf->probe_count + 1), *groups = arena_alloc(l->scratch, l->conf->group_count + 1);
    uint32_t *stack = arena_alloc(l->scratch, (l->conf->group_count + 1) * sizeof *stack), depth = 0;
    stack[depth++] = group;
    groups[group] = 1;
    while (depth) {
        const struct conf_group *g = &l->conf->groups[stack[--depth]];
        for (uint32_t i = 0; i < g->member_count; i++) {
            const struct conf_member *m = &g->members[i];
            if (!m->is_group) {
                probes[m->index] = 1;
            } else if (!groups[m->index]) {
                groups[m->index] = 1;
                stack[depth++] = m->index;
            }
        }
    }
    return probes;
}

static void mark_members(struct lint *l)
{
    l->anywhere = arena_alloc(l->scratch, l->conf->probe_count + 1);
    for (uint32_t g = 0; g < l->conf->group_count; g++) {
        const struct conf_group *group = &l->conf->groups[g];
        if (!group->configured && g == l->conf->health)
            continue; /* it holds everything */
        for (uint32_t i = 0; i < group->member_count; i++)
            if (!group->members[i].is_group)
                l->anywhere[group->members[i].index] = 1;
        for (uint32_t i = 0; i < group->advisory_count; i++)
            if (!group->advisory[i].is_group)
                l->anywhere[group->advisory[i].index] = 1;
    }
    l->in_live = required_by(l, l->conf->live);
    l->in_ready = required_by(l, l->conf->ready);
    l->in_health = required_by(l, l->conf->health);
}

/* ---- rules about one probe ---------------------------------------------------------------------------------- */

static void rule_missing(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    if (p->missing)
        diag_add(l->diag, DIAG_WARNING, p->place, "probe `%s` stays unknown: %s%s", p->name, p->missing, l->in_ready[i] ? "; `ready` cannot pass" : "");
}

static void rule_timeout(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    char timeout[CLOCK_TEXT], interval[CLOCK_TEXT];
    if (p->timeout >= p->interval)
        diag_add(l->diag, DIAG_WARNING, p->place, "probe `%s`: its timeout (%s) is not shorter than its interval (%s): while the target hangs, attempts come later than configured",
                 p->name, clock_span(p->timeout, timeout), clock_span(p->interval, interval));
}

static void rule_age(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    uint64_t longest = longer(p->interval, longer(p->interval_unsettled, p->interval_down)) + p->timeout;
    char age[CLOCK_TEXT], need[CLOCK_TEXT];
    if (p->max_age < longest)
        diag_add(l->diag, DIAG_WARNING, p->place, "probe `%s`: max_age (%s) is shorter than interval and timeout together (%s): it will be stale between two attempts that work",
                 p->name, clock_span(p->max_age, age), clock_span(longest, need));
}

static void rule_unsettled(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    if (p->interval_unsettled > p->interval)
        diag_add(l->diag, DIAG_WARNING, p->place, "probe `%s`: interval_unsettled is longer than interval: doubt would make it look less often", p->name);
}

static void rule_secrets(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    for (uint32_t s = 0; s < p->options->secret_count; s++)
        if (secret_is_exposed(p->options->secrets[s]))
            diag_add(l->diag, DIAG_WARNING, p->place, "probe `%s`: everybody on this host can read the secret in %s: chmod 0400 it, or use a systemd credential",
                     p->name, p->options->secrets[s]->origin);
}

static void rule_weak(struct lint *l, uint32_t i)
{
    weak_check_probe(&l->conf->probes[i], l->diag);
}

static bool is_outside(const struct conf_probe *p)
{
    return p->options->module ? p->options->module->outside : p->missing != NULL;
}

static void rule_outside_live(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    if (l->in_live[i] && is_outside(p))
        diag_add(l->diag, DIAG_WARNING, p->place, "`live` requires probe `%s` (%s), which looks outside: when that fails this instance is restarted, which does not mend it; move it to `ready`",
                 p->name, p->type);
    else if (l->in_health[i] && is_outside(p))
        diag_add(l->diag, DIAG_WARNING, p->place, "`health` requires probe `%s` (%s), which looks outside: a liveness probe that is pointed at /healthz would restart instances when it fails; make it advisory",
                 p->name, p->type);
}

/* A member below several groups counts as failing only when each of them lets a shared member fail. */
static void rule_shared(struct lint *l, uint32_t i)
{
    const struct conf_probe *p = &l->conf->probes[i];
    if (p->shared && l->in_ready[i] && l->conf->groups[l->conf->ready].on_shared == SHARED_FAIL)
        diag_add(l->diag, DIAG_WARNING, p->place, "`ready` requires probe `%s`, which every instance shares: when it fails, all instances leave at once; `on_shared: warn` in `ready` keeps them",
                 p->name);
}

static bool is_unused(const struct lint *l, uint32_t i)
{
    return !l->anywhere[i] && strcmp(l->conf->probes[i].type, "self") != 0;
}

/* One finding for all of them, as long as a log line may be. */
static void rule_unused(struct lint *l)
{
    enum { SHOWN = 12 };
    struct buf names = BUF(4096);
    uint32_t count = 0, first = 0;
    for (uint32_t i = 0; i < l->conf->probe_count; i++) {
        if (!is_unused(l, i))
            continue;
        first = count ? first : i;
        if (++count <= SHOWN)
            buf_printf(&names, "%s`%s`", count > 1 ? ", " : "", l->conf->probes[i].name);
    }
    if (count > SHOWN)
        buf_printf(&names, " and %u more", count - SHOWN);
    if (count == 1)
        diag_add(l->diag, DIAG_NOTE, l->conf->probes[first].place, "probe %s is in no group: it is measured and shown, but decides nothing", names.data);
    else if (count)
        diag_add(l->diag, DIAG_NOTE, l->conf->probes[first].place, "%u probes are in no group: they are measured and shown, but decide nothing: %s", count, names.data);
    buf_free(&names);
}

/* ---- rules about who asks ----------------------------------------------------------------------------------- */

/* What tells names, targets and errors. */
enum { CERTIFICATE_DAYS = 14, DETAILS = SERVE_STATUS | SERVE_EVENTS | SERVE_PAGE };

static void lint_reach(struct lint *l, const struct conf_listen *listen)
{
    const struct conf_access *a = &listen->access;
    const char *at = listen->address->text;
    if (listen->address->unix_path || build_is_loopback(listen->address))
        return;
    if (listen->serve & a->open & DETAILS && !(listen->serve & SERVE_GRPC))
        diag_add(l->diag, DIAG_WARNING, listen->place, "listener %s shows every probe, its target and its errors to whoever reaches it, without a credential: serve verdicts only there and the rest on 127.0.0.1 or a unix socket, or set `tls` and `tokens`", at);
    else if (!a->tls && (listen->serve & ~a->open & ~(unsigned)SERVE_GRPC))
        diag_add(l->diag, DIAG_WARNING, listen->place, "listener %s takes tokens without TLS: whoever listens on the way can read them; set `tls`", at);
}

static void lint_credentials(struct lint *l, const struct conf_listen *listen)
{
    const struct conf_access *a = &listen->access;
    for (uint32_t i = 0; i < a->token_count; i++)
        if (!(a->tokens[i].serve & listen->serve & ~a->open))
            diag_add(l->diag, DIAG_WARNING, listen->place, "listener %s: a token opens nothing that is not open anyway: see `serve` and `open`", listen->name);
    if (a->settings.key && secret_is_exposed(a->settings.key))
        diag_add(l->diag, DIAG_WARNING, listen->place, "listener %s: everybody on this host can read the private key in %s: chmod 0400 it, or use a systemd credential",
                 listen->name, a->settings.key->origin);
    if (a->token_count && listen->serve & ~a->open & SERVE_VERDICTS)
        diag_add(l->diag, DIAG_NOTE, listen->place, "listener %s: verdicts need a credential there: probes of Kubernetes and of most balancers send none", listen->name);
}

static void lint_certificate(struct lint *l, const struct conf_listen *listen)
{
    int64_t expires = listen->access.tls && conf_hooks()->tls_expires ? conf_hooks()->tls_expires(listen->access.tls) : INT64_MAX;
    int64_t days = expires == INT64_MAX ? INT64_MAX : (expires - (int64_t)(clock_wall() / USEC_S)) / 86400;
    if (expires <= (int64_t)(clock_wall() / USEC_S))
        diag_add(l->diag, DIAG_WARNING, listen->place, "listener %s: the certificate in %s has expired: clients will refuse it", listen->name, listen->access.settings.cert);
    else if (days < CERTIFICATE_DAYS)
        diag_add(l->diag, DIAG_WARNING, listen->place, "listener %s: the certificate in %s expires in %lld day%s: renew it", listen->name,
                 listen->access.settings.cert, (long long)days, days == 1 ? "" : "s");
}

static void rule_listeners(struct lint *l)
{
    for (uint32_t i = 0; i < l->conf->listen_count; i++) {
        lint_reach(l, &l->conf->listeners[i]);
        lint_credentials(l, &l->conf->listeners[i]);
        lint_certificate(l, &l->conf->listeners[i]);
    }
}

static void rule_consumer_drain(struct lint *l, const struct conf_consumer *c, const struct conf_group *g)
{
    char delay[CLOCK_TEXT], need[CLOCK_TEXT];
    uint64_t notices = c->period * c->threshold + c->timeout;
    if (g->drains && l->conf->shutdown_delay < notices)
        diag_add(l->diag, DIAG_WARNING, c->place, "consumer `%s` needs up to %s to see that `%s` drains, but shutdown_delay is %s: requests will still come when nobody answers any more",
                 c->name, clock_span(notices, need), g->name, l->conf->shutdown_delay ? clock_span(l->conf->shutdown_delay, delay) : "0s");
}

static void rule_consumer_pace(struct lint *l, const struct conf_consumer *c, const struct conf_group *g)
{
    char period[CLOCK_TEXT], window[CLOCK_TEXT], interval[CLOCK_TEXT];
    const struct pace *pace = &l->paces[c->group];
    if (c->timeout >= c->period)
        diag_add(l->diag, DIAG_WARNING, c->place, "consumer `%s`: its timeout is not shorter than its period (%s)", c->name, clock_span(c->period, period));
    if (c->threshold > 1 && c->period * (c->threshold - 1) < pace->interval)
        diag_add(l->diag, DIAG_NOTE, c->place, "consumer `%s` asks %u times within %s, but a probe of `%s` runs every %s: it counts one outcome several times; its threshold confirms nothing that `fall` has not confirmed",
                 c->name, c->threshold, clock_span(c->period * (c->threshold - 1), window), g->name, clock_span(pace->interval, interval));
}

static void rule_consumer_time(struct lint *l, const struct conf_consumer *c, const struct conf_group *g)
{
    char total[CLOCK_TEXT], ours[CLOCK_TEXT], theirs[CLOCK_TEXT];
    uint64_t detect = l->paces[c->group].detect, asks = c->period * c->threshold + c->timeout;
    diag_add(l->diag, DIAG_NOTE, c->place, "consumer `%s` acts on a fault of `%s` after at most %s: %s until the verdict, and %s until it has seen it %u times",
             c->name, g->name, clock_span(detect + asks, total), clock_span(detect, ours), clock_span(asks, theirs), c->threshold);
}

static void for_consumers(struct lint *l, void (*rule)(struct lint *, const struct conf_consumer *, const struct conf_group *))
{
    for (uint32_t i = 0; i < l->conf->consumer_count; i++)
        rule(l, &l->conf->consumers[i], &l->conf->groups[l->conf->consumers[i].group]);
}

static void rule_consumers(struct lint *l)
{
    for_consumers(l, rule_consumer_drain);
    for_consumers(l, rule_consumer_pace);
    for_consumers(l, rule_consumer_time);
}

static void rule_times(struct lint *l)
{
    for (uint32_t i = 0; i < l->conf->group_count; i++) {
        const struct conf_group *g = &l->conf->groups[i];
        const struct pace *p = &l->paces[i];
        char detect[CLOCK_TEXT], recover[CLOCK_TEXT];
        if (g->kind == GROUP_HAD_OUTCOME || p->slowest == UINT32_MAX)
            continue;
        diag_add(l->diag, DIAG_NOTE, g->place, "group `%s`: a fault shows in the verdict after at most %s, its end after at most %s (slowest: probe `%s`)", g->name,
                 clock_span(p->detect, detect), clock_span(p->recover, recover), l->conf->probes[p->slowest].name);
    }
}

static void rule_in_flight(struct lint *l)
{
    double attempts = 0;
    for (uint32_t i = 0; i < l->conf->probe_count; i++)
        attempts += (double)l->conf->probes[i].timeout / (double)longer(l->conf->probes[i].interval_down, l->conf->probes[i].timeout);
    if (attempts > l->conf->max_in_flight)
        diag_add(l->diag, DIAG_WARNING, (struct diag_place){ 0 }, "when all targets hang, %.0f attempts run at the same time, but max_in_flight is %u: probes would come late; raise it, or shorten timeouts",
                 attempts, l->conf->max_in_flight);
}

/* Without a listener of their own, it should be seen what the default one offers. */
static void rule_listener(struct lint *l)
{
    for (uint32_t i = 0; i < l->conf->listen_count; i++)
        if (!l->conf->listeners[i].place.line)
            diag_add(l->diag, DIAG_NOTE, (struct diag_place){ 0 }, "no listener is configured: everything is served on %s", l->conf->listeners[i].address->text);
}

static void rule_receivers(struct lint *l)
{
    conf_lint_receivers(l->conf, l->diag);
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static void (*const probe_rules[])(struct lint *, uint32_t probe) = { rule_missing,      rule_timeout, rule_age,    rule_unsettled, rule_secrets, rule_weak,
                                                                      rule_outside_live, rule_shared };
static void (*const rules[])(struct lint *) = { rule_unused, rule_listeners, rule_in_flight, rule_consumers, rule_receivers, rule_listener, rule_times };

void conf_lint(const struct conf *c, struct diag *d)
{
    struct lint l = { .conf = c, .diag = d, .scratch = arena_new() };
    measure(&l);
    mark_members(&l);
    for (size_t r = 0; r < sizeof probe_rules / sizeof *probe_rules; r++)
        for (uint32_t i = 0; i < c->probe_count; i++)
            probe_rules[r](&l, i);
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
        rules[r](&l);
    arena_free(l.scratch);
    diag_sort(d);
}
