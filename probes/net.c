#include "net.h"

#include <arpa/inet.h>
#include <math.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"

static const double DAY = 86400.0;

const struct vital_opt net_certificate_rows[] = {
    VITAL_OPT(struct net_certificate, warn_below, THRESHOLD, .help = "warn when a certificate of the chain has fewer days left than this"),
    VITAL_OPT(struct net_certificate, fail_below, THRESHOLD, .help = "fail when a certificate of the chain has fewer days left than this"),
    VITAL_OPT_END,
};

bool net_first_to_expire(const struct vital_cert *certs, unsigned count, int64_t now, double *days, unsigned *which)
{
    if (!count)
        return false;
    *which = 0;
    for (unsigned i = 1; i < count; i++)
        if (certs[i].not_after < certs[*which].not_after)
            *which = i;
    *days = (double)(certs[*which].not_after - now) / DAY;
    return true;
}

void net_certificate_text(const struct vital_cert *cert, unsigned which, double days, char *room, size_t size)
{
    char subject[160];
    net_excerpt(cert->subject ? cert->subject : "?", strlen(cert->subject ? cert->subject : "?"), 120, subject, sizeof subject);
    const char *kind = which ? "intermediate certificate" : "certificate";
    double whole = floor(fabs(days));
    const char *unit = whole < 1.5 && whole > 0.5 ? "day" : "days";
    if (days < 0)
        snprintf(room, size, "%s of %s expired %.0f %s ago", kind, subject, whole, unit);
    else
        snprintf(room, size, "%s of %s expires in %.0f %s", kind, subject, whole, unit);
}

void net_judge_days(const struct net_certificate *rule, struct net_memory *m, double days, bool *warn, bool *fail)
{
    *fail = rule && vital_below(&rule->fail_below, days, &m->fail);
    *warn = rule && vital_below(&rule->warn_below, days, &m->warn);
}

static double report_days(struct vital_probe *p, const struct vital_cert *certs, unsigned count, unsigned *which)
{
    double days = (double)NAN;
    if (net_first_to_expire(certs, count, (int64_t)(clock_wall() / USEC_S), &days, which))
        vital_number(p, NET_CERT_DAYS, days);
    return days;
}

/* True when the address came from a name that can no longer be resolved. */
static bool report_phases(struct vital_probe *p, struct vital_io *io, uint64_t began)
{
    struct vital_stream_info info = { 0 };
    if (io) {
        p->host->stream_info(io, &info);
        vital_number(p, NET_RESOLVE, net_seconds(info.resolve));
    }
    if (info.connect)
        vital_number(p, NET_CONNECT, net_seconds(info.connect));
    if (info.tls)
        vital_number(p, NET_TLS, net_seconds(info.tls));
    vital_number(p, NET_TOTAL, net_seconds(vital_now(p) - began));
    return info.stale_name;
}

void net_report(struct vital_probe *p, struct vital_io *io, uint64_t began)
{
    struct vital_cert certs[NET_CERTS];
    unsigned which;
    report_phases(p, io, began);
    if (io)
        report_days(p, certs, p->host->certificates(io, certs, NET_CERTS), &which);
}

void net_see(struct vital_probe *p, struct vital_io *io, uint64_t began, const struct net_rules *rules, struct net_memory *memory, struct net_seen *seen)
{
    struct vital_cert certs[NET_CERTS];
    unsigned which = 0, count = io ? p->host->certificates(io, certs, NET_CERTS) : 0;
    *seen = (struct net_seen){ .stale = report_phases(p, io, began) };
    if (count) {
        seen->days = report_days(p, certs, count, &which);
        net_judge_days(rules->certificate, memory, seen->days, &seen->warn, &seen->fail);
        if (seen->warn || seen->fail)
            net_certificate_text(&certs[which], which, seen->days, seen->about, sizeof seen->about);
    }
    seen->took = vital_now(p) - began;
    seen->slow = rules->slow && vital_above(rules->slow, (double)seen->took, &memory->slow);
}

/* The worst word wins: a certificate that fails, what the caller found, a certificate that warns, slowness. */
void net_end(struct vital_probe *p, const struct net_rules *rules, const struct net_seen *seen, const struct net_verdict *found)
{
    bool passes = found->class == VITAL_PASS;
    if (seen->fail || (seen->warn && passes)) {
        vital_finish(p, seen->fail ? VITAL_FAIL : VITAL_WARN, seen->days < 0 ? VITAL_R_CERT_EXPIRED : VITAL_R_CERT_EXPIRING, "%s", seen->about);
    } else if (seen->slow && passes) {
        char is[CLOCK_TEXT], most[CLOCK_TEXT];
        vital_finish(p, VITAL_WARN, VITAL_R_SLOW, "%s, but it took %s, more than %s", found->text, clock_span(seen->took, is),
                     clock_span((uint64_t)rules->slow->enter, most));
    } else {
        vital_finish(p, found->class, found->reason, "%s%s", found->text, seen->stale ? "; its name cannot be resolved now, this was the last known address" : "");
    }
}

void net_conclude(struct vital_probe *p, struct vital_io *io, uint64_t began, const struct net_rules *rules,
                  struct net_memory *memory, const struct net_verdict *found)
{
    struct net_seen seen;
    net_see(p, io, began, rules, memory, &seen);
    net_end(p, rules, &seen, found);
}

void net_closed(struct vital_probe *p, enum vital_reason reason, const char *text, const char *where, const char *doing)
{
    bool own = reason == VITAL_R_NO_FDS || reason == VITAL_R_NO_THREAD;
    if (reason == VITAL_R_OK || reason == VITAL_R_CLOSED)
        vital_finish(p, VITAL_FAIL, VITAL_R_CLOSED, "%s closed the connection %s", where, doing);
    else if (reason == VITAL_R_RESET)
        vital_finish(p, VITAL_FAIL, VITAL_R_RESET, "%s reset the connection %s", where, doing);
    else
        vital_finish(p, own ? VITAL_INTERNAL : VITAL_FAIL, reason, "%s", text && *text ? text : where);
}

const char *net_excerpt(const char *bytes, size_t len, size_t most, char *room, size_t size)
{
    size_t out = 0, i = 0;
    while (i < len && i < most && out + 8 < size) {
        unsigned char c = (unsigned char)bytes[i];
        unsigned n = utf8_length(bytes + i, len - i);
        if (c < 0x20 || c == 0x7f || !n || (n == 2 && c == 0xc2 && (unsigned char)bytes[i + 1] < 0xa0)) {
            const char *named = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
            out += (size_t)(named ? snprintf(room + out, size - out, "%s", named) : snprintf(room + out, size - out, "\\x%02x", c));
            i++;
            continue;
        }
        memcpy(room + out, bytes + i, n);
        out += n;
        i += n;
    }
    snprintf(room + out, size - out, "%s", i < len ? "..." : "");
    return room;
}

const char *net_where(const struct vital_url *u, char *room, size_t size)
{
    if (u->unix_path)
        snprintf(room, size, "%s", u->unix_path);
    else
        snprintf(room, size, strchr(u->host, ':') ? "[%s]:%s" : "%s:%s", u->host, u->port ? u->port : "?");
    return room;
}

static unsigned zone_index(const char *zone)
{
    char *end;
    unsigned long number = strtoul(zone, &end, 10);
    return *end ? if_nametoindex(zone) : (unsigned)number;
}

bool net_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    char plain[INET6_ADDRSTRLEN];
    size_t n = strcspn(address, "%");
    if (n >= sizeof plain)
        return false;
    memcpy(plain, address, n);
    plain[n] = '\0';
    memset(out, 0, sizeof *out);
    if (!address[n] && inet_pton(AF_INET, plain, &v4.sin_addr) == 1) {
        memcpy(out, &v4, *len = sizeof v4);
        return true;
    }
    if (inet_pton(AF_INET6, plain, &v6.sin6_addr) != 1)
        return false;
    v6.sin6_scope_id = address[n] ? zone_index(address + n + 1) : 0;
    memcpy(out, &v6, *len = sizeof v6);
    return true;
}
