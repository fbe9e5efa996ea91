#include "front/balancer.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define SHOWN_FOR (600 * USEC_S)      /* checks come every few seconds: one that is silent for so long is gone */
#define REPLACEABLE_AFTER (60 * USEC_S)

static struct { struct view_balancer said; uint64_t heard; } table[BALANCERS];     /* heard 0: free */
static struct balancer_stats stats;

const struct balancer_stats *balancer_stats(void)
{
    return &stats;
}

/* ---- the field ---- */

static bool take_number(struct span *s, uint32_t *out)
{
    size_t digits = 0;
    uint32_t value = 0;
    while (digits < s->len && digits < 9 && s->at[digits] >= '0' && s->at[digits] <= '9')
        value = value * 10 + (uint32_t)(s->at[digits++] - '0');
    *out = value;
    s->at += digits;
    s->len -= digits;
    return digits > 0;
}

/* "13/22" */
static bool read_pair(struct span s, uint32_t *a, uint32_t *b)
{
    if (!take_number(&s, a) || !s.len || *s.at != '/')
        return false;
    s.at++;
    s.len--;
    return take_number(&s, b) && s.len == 0;
}

static bool read_name(struct span s, char out[BALANCER_NAME_MAX])
{
    if (s.len == 0 || s.len >= BALANCER_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] <= ' ' || s.at[i] >= 0x7f || strchr("\"\\/;=", s.at[i]))
            return false;
    memcpy(out, s.at, s.len);
    out[s.len] = '\0';
    return true;
}

/* "UP", "UP 2/3" */
static bool read_state(struct span s, struct view_balancer *b)
{
    static const char *const states[] = { "UP", "DOWN", "NOLB", "no check" };
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++) {
        size_t n = strlen(states[i]);
        if (s.len < n || memcmp(s.at, states[i], n) != 0 || (s.len > n && s.at[n] != ' '))
            continue;
        b->state = states[i];
        b->up = i == 0;
        struct span checks = { s.at + n + 1, s.len - n - (s.len > n) };
        return s.len == n || read_pair(checks, &b->checks, &b->checks_needed);
    }
    return false;
}

static bool read_server(struct span s, struct view_balancer *b)
{
    const char *slash = memchr(s.at, '/', s.len);
    if (!slash)
        return false;
    struct span backend = { s.at, (size_t)(slash - s.at) }, server = { slash + 1, s.len - backend.len - 1 };
    return read_name(backend, b->backend) && read_name(server, b->server);
}

static bool read_node(struct span s, struct view_balancer *b)
{
    return read_name(s, b->node);
}

static bool read_weight(struct span s, struct view_balancer *b)
{
    return read_pair(s, &b->weight, &b->weight_all);
}

static bool read_sessions(struct span s, struct view_balancer *b)
{
    return read_pair(s, &b->sessions, &b->sessions_all);
}

static bool read_queued(struct span s, struct view_balancer *b)
{
    return take_number(&s, &b->queued) && s.len == 0;
}

/* Variables in any order; those that are not listed (address, port, throttle) are of no use here. */
static bool read_variable(struct span s, struct view_balancer *b)
{
    static const struct { const char *name; bool (*read)(struct span, struct view_balancer *); } variables[] = {
        { "name", read_server }, { "node", read_node }, { "weight", read_weight }, { "scur", read_sessions }, { "qcur", read_queued },
    };
    const char *equals = memchr(s.at, '=', s.len);
    if (!equals)
        return false;
    struct span name = { s.at, (size_t)(equals - s.at) }, value = { equals + 1, s.len - name.len - 1 };
    for (unsigned i = 0; i < sizeof variables / sizeof *variables; i++)
        if (span_is(name, variables[i].name))
            return variables[i].read(value, b);
    return true;
}

bool balancer_parse(struct span value, struct view_balancer *b)
{
    *b = (struct view_balancer){ .state = NULL };
    if (value.len > BALANCER_FIELD_MAX)
        return false;
    for (bool first = true; first || value.len; first = false) {
        const char *end = memchr(value.at, ';', value.len);
        struct span part = { value.at, end ? (size_t)(end - value.at) : value.len };
        size_t used = part.len + (end != NULL);
        while (used < value.len && value.at[used] == ' ')
            used++;
        if (!(first ? read_state(part, b) : read_variable(part, b)))
            return false;
        value.at += used;
        value.len -= used;
    }
    return *b->server && *b->node;
}

/* ---- the table ---- */

static bool is_same(const struct view_balancer *a, const struct view_balancer *b)
{
    return !strcmp(a->server, b->server) && !strcmp(a->backend, b->backend) && !strcmp(a->node, b->node) && !strcmp(a->listener, b->listener);
}

/* A flood of invented names must not drive out those that speak: only a silent one is replaced. */
static int find_slot(const struct view_balancer *said, uint64_t now)
{
    int oldest = 0;
    for (int i = 0; i < BALANCERS; i++) {
        if (table[i].heard && is_same(&table[i].said, said))
            return i;
        if (table[i].heard < table[oldest].heard)
            oldest = i;
    }
    return !table[oldest].heard || now - table[oldest].heard > REPLACEABLE_AFTER ? oldest : -1;
}

void balancer_hear(const struct http1_request *r, const char *listener)
{
    struct span field = http1_field(r->fields, r->count, "x-haproxy-server-state");
    if (!field.at)
        return;
    struct view_balancer said; /* not before: every request comes by, and it is zeroed where it stands */
    if (!balancer_parse(field, &said)) {
        stats.malformed++;
        return;
    }
    uint64_t now = clock_now();
    snprintf(said.listener, sizeof said.listener, "%s", listener);
    int slot = find_slot(&said, now);
    if (slot < 0) {
        stats.dropped++;
        return;
    }
    stats.heard++;
    table[slot].said = said;
    table[slot].heard = now;
}

const struct view_balancer *balancer_list(struct arena *arena, unsigned *count)
{
    struct view_balancer *list = arena_alloc(arena, BALANCERS * sizeof *list);
    uint64_t now = clock_now();
    *count = 0;
    for (unsigned i = 0; i < BALANCERS; i++) {
        if (!table[i].heard || now - table[i].heard > SHOWN_FOR)
            continue;
        list[*count] = table[i].said;
        list[(*count)++].heard = clock_wall_of(table[i].heard);
    }
    return list;
}
