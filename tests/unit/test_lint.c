#include "unit.h"

#include "config_modules.h"

#include <sys/stat.h>

#include "base/clock.h"

static char *lint(const char *text)
{
    unsetenv("VITALD_LISTEN");
    struct loaded l = load_text(text);
    CHECK_TEXT(l.text, "");
    if (l.conf)
        conf_lint(l.conf, &l.diag);
    char *said = findings(&l.diag);
    unload(&l);
    return said;
}

static void says(const char *text, const char *part, bool yes)
{
    char *said = lint(text);
    if ((strstr(said, part) != NULL) != yes) {
        fprintf(stderr, "for\n%s\n%s `%s` in\n%s\n", text, yes ? "there is no" : "there should be no", part, said);
        unit_failures++;
    }
    mem_free(said);
}
#define SAYS(text, part) says(text, part, true)
#define SILENT(text, part) says(text, part, false)

TEST(times_are_the_formula)
{
    struct conf_probe p = { .interval = 10 * USEC_S, .timeout = 2 * USEC_S, .interval_unsettled = USEC_S, .interval_down = 30 * USEC_S, .rise = 2, .fall = 3 };
    CHECK_INT(conf_detect_time(&p), 16 * USEC_S);   /* 10 + 2 + 2 x max(1, 2) */
    CHECK_INT(conf_recover_time(&p), 34 * USEC_S);  /* 30 + 2 + 1 x 2 */
    p.interval_unsettled = 5 * USEC_S;
    p.fall = 1;
    CHECK_INT(conf_detect_time(&p), 12 * USEC_S);
}

TEST(a_group_is_as_slow_as_its_slowest_probe)
{
    const char *text = "probes: { fast: { tcp: 'x:1', interval: 1s, timeout: 500ms }, slow: { tcp: 'x:1', interval: 1m } }\n"
                       "groups: { inner: [slow], outer: { all: [fast, inner] }, quick: [fast] }";
    SAYS(text, "group `outer`: a fault shows in the verdict after at most 1m6s, its end after at most 1m4s (slowest: probe `slow`)");
    SAYS(text, "group `quick`: a fault shows in the verdict after at most 3.5s");
    SILENT(text, "group `startup`");
}

TEST(consumers_add_their_own_time)
{
    const char *text = "probes: { a: { tcp: 'x:1' } }\nshutdown_delay: 31s\nconsumers: { kubelet: { period: 10s, threshold: 3 } }\n";
    SAYS(text, "consumer `kubelet` acts on a fault of `ready` after at most 47s: 16s until the verdict, and 31s until it has seen it 3 times");
    SILENT(text, "drains");
    SILENT(text, "confirms nothing");
    SAYS("probes: { a: { tcp: 'x:1' } }\nconsumers: { kubelet: {} }\n", "needs up to 31s to see that `ready` drains, but shutdown_delay is 0s");
    SAYS("probes: { a: { tcp: 'x:1' } }\nconsumers: { lb: { period: 1s, timeout: 1s } }\n", "its timeout is not shorter than its period");
    SAYS("probes: { a: { tcp: 'x:1' } }\nconsumers: { lb: { period: 1s, threshold: 3 } }\n", "its threshold confirms nothing");
}

TEST(live_does_not_lean_on_the_outside)
{
    SAYS("probes: { a: { tcp: 'x:1' } }\ngroups: { live: [self, a] }\n", "`live` requires probe `a` (tcp), which looks outside");
    SAYS("probes: { a: { tcp: 'x:1' } }\ngroups: { g: [a], live: [g] }\n", "`live` requires probe `a`");
    SAYS("probes: { a: { tcp: 'x:1' } }\ngroups: { health: [a] }\n", "`health` requires probe `a`");
    SILENT("probes: { a: { tcp: 'x:1' } }\n", "looks outside");
    SILENT("probes: { a: { tcp: 'x:1' } }\ngroups: { live: { all: [self], advisory: [a] } }\n", "looks outside");
}

TEST(a_shared_dependency_can_remove_everybody)
{
    SAYS("probes: { a: { tcp: 'x:1', shared: true } }\n", "all instances leave at once");
    SILENT("probes: { a: { tcp: 'x:1', shared: true } }\ngroups: { ready: { all: [a], on_shared: warn } }\n", "all instances");
    SILENT("probes: { a: { tcp: 'x:1', shared: true }, b: { tcp: 'x:1' } }\ngroups: { ready: { all: [b], advisory: [a] } }\n", "all instances");
}

TEST(schedules_that_cannot_work)
{
    SAYS("probes: { a: { tcp: 'x:1', interval: 2s } }\n", "its timeout (2s) is not shorter than its interval (2s)");
    SAYS("probes: { a: { tcp: 'x:1', max_age: 5s } }\n", "max_age (5s) is shorter than interval and timeout together (12s)");
    SAYS("probes: { a: { tcp: 'x:1', interval_unsettled: 20s } }\n", "interval_unsettled is longer than interval");
    SILENT("probes: { a: { tcp: 'x:1' } }\n", "probe `a`:");
}

TEST(more_attempts_than_fit)
{
    SAYS("max_in_flight: 1\nprobes: { a: { tcp: 'x:1', interval: 2s }, b: { tcp: 'x:1', interval: 2s } }\n", "when all targets hang, 2 attempts run");
    SILENT("max_in_flight: 2\nprobes: { a: { tcp: 'x:1', interval: 2s }, b: { tcp: 'x:1' } }\n", "when all targets hang");
}

TEST(secrets_that_everybody_can_read)
{
    const char *path = temp_file("geheim\n");
    char text[256];
    snprintf(text, sizeof text, "probes: { a: { http: { url: 'http://x', bearer: { file: %s } } } }\n", path);
    chmod(path, 0644);
    SAYS(text, "everybody on this host can read the secret in /tmp/vitald-test-");
    chmod(path, 0600);
    SILENT(text, "everybody");
    unlink(path);
}

TEST(details_on_open_addresses)
{
    SAYS("listen: { address: '0.0.0.0:1', serve: all }", "listener 0.0.0.0:1 shows every probe");
    SAYS("listen: { address: ':1', serve: [status] }", "listener :1 shows every probe");
    SILENT("listen: { address: '0.0.0.0:1' }", "shows every probe");
    SILENT("listen: [ { address: '127.3.2.1:1', serve: all }, { address: '[::1]:1', serve: all }, { address: 'unix:/x', serve: all } ]", "shows every probe");
    SILENT("listen: { address: '0.0.0.0:1', serve: [grpc, status] }", "takes tokens");
}

TEST(what_decides_nothing_or_cannot_pass)
{
    SAYS("probes: { a: { tcp: 'x:1' }, b: { tcp: 'x:1' } }\ngroups: { ready: [a] }\n", "probe `b` is in no group");
    SAYS("probes: { a: { tcp: 'x:1' }, b: { tcp: 'x:1' }, c: { tcp: 'x:1' } }\ngroups: { ready: [a] }\n", "2 probes are in no group: they are measured and shown, but decide nothing: `b`, `c`");
    SILENT("probes: { a: { tcp: 'x:1' }, b: { tcp: 'x:1' } }\n", "is in no group");
    SAYS("probes: { db: { postgres: 'postgres://h' } }\n", "vitald-postgres");
    SAYS("probes: { db: { postgres: 'postgres://h' } }\n", "`ready` cannot pass");
    SAYS("probes: {}\n", "no listener is configured: everything is served on 127.0.0.1:8686");
}

#define RECEIVER(text) "probes: { a: { tcp: '10.0.0.1:1' } }\ngroups: { ready: { all: [a] }, other: { all: [a] } }\nnotify: { r: " text " }\n"

TEST(credentials_of_receivers_in_the_clear)
{
    static const char *const clear[] = {
        RECEIVER("{ webhook: { url: 'http://example.com/x', bearer: abc } }"), RECEIVER("{ webhook: 'http://u:p@example.com/x' }"),
        RECEIVER("{ webhook: { url: 'http://[2001:db8::1]/x', headers: { authorization: abc } } }"), RECEIVER("{ alertmanager: 'http://u:p@128.0.0.1' }"),
    };
    static const char *const good[] = {
        RECEIVER("{ webhook: 'http://example.com/x' }"), RECEIVER("{ webhook: { url: 'http://example.com/', headers: { X-A: b } } }"),
        RECEIVER("{ webhook: { url: 'http://localhost/x', bearer: abc } }"), RECEIVER("{ webhook: { url: 'http://127.9.9.9/', bearer: abc } }"),
        RECEIVER("{ webhook: { url: 'http://[::1]/', bearer: abc } }"), RECEIVER("{ webhook: { url: 'http+unix://%2Fs/hook', bearer: abc } }"),
        RECEIVER("{ exec: /usr/local/bin/x }"),
    };
    for (size_t i = 0; i < sizeof clear / sizeof *clear; i++)
        SAYS(clear[i], "receiver `r` sends a credential to http://");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        SILENT(good[i], "in the clear");
}

TEST(receivers_that_hear_nothing_or_too_much)
{
    SAYS(RECEIVER("{ webhook: 'http://h', groups: none, probes: none }"), "receiver `r` is told of nothing: it has neither groups nor probes");
    SILENT(RECEIVER("{ webhook: 'http://h', groups: none, probes: a }"), "is told of nothing");
    SILENT(RECEIVER("{ webhook: 'http://h', groups: other, probes: none }"), "is told of nothing");
    SAYS(RECEIVER("{ webhook: 'http://h', groups: other }"), "no receiver is told of the group `ready`");
    SILENT(RECEIVER("{ webhook: 'http://h', groups: [other, ready] }"), "no receiver is told");
    SAYS(RECEIVER("{ webhook: 'http://h', repeat: 59s }"), "receiver `r` is told again within less than a minute");
    SILENT(RECEIVER("{ webhook: 'http://h', repeat: 60s }"), "less than a minute");
    SILENT(RECEIVER("{ webhook: 'http://h', repeat: 0s }"), "less than a minute");
}

TEST(a_receivers_secret_that_everybody_can_read)
{
    const char *path = temp_file("geheim\n");
    char text[512];
    snprintf(text, sizeof text, RECEIVER("{ webhook: { url: 'http://localhost', bearer: { file: %s } } }"), path);
    chmod(path, 0644);
    SAYS(text, "receiver `r`: everybody on this host can read the secret in /tmp/vitald-test-");
    chmod(path, 0600);
    SILENT(text, "everybody");
    unlink(path);
}

#define LISTEN(text) "listen: { address: '10.0.0.1:1', " text " }\n"
#define HASH "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

TEST(tokens_that_open_nothing_or_travel_in_the_clear)
{
    SAYS(LISTEN("serve: [status], tokens: '" HASH "'"), "listener 10.0.0.1:1 takes tokens");
    SAYS(LISTEN("serve: [verdicts, status], tokens: { sha256: '" HASH "', serve: metrics }"), "opens nothing");
    SILENT(LISTEN("serve: [status, metrics], tokens: { sha256: '" HASH "', serve: metrics }"), "opens nothing");
}

#define FIVE "a: { tcp: 'x:1' }, b: { tcp: 'x:1' }, c: { tcp: 'x:1' }, d: { tcp: 'x:1' }, e: { tcp: 'x:1' }"

TEST(groups_of_groups_are_measured_once)
{
    const char *text = "probes: { " FIVE ", slow: { tcp: 'x:1', interval: 60s } }\n"
                       "groups: { outer: [inner, other], inner: [leaf, a], other: { any: [leaf, b] }, leaf: [slow, c], ready: { all: [outer, inner], advisory: [other, d] }, again: [inner] }\n";
    SAYS(text, "group `outer`: a fault shows in the verdict after at most 1m6s");
    SAYS(text, "group `leaf`: a fault shows in the verdict after at most 1m6s, its end after at most 1m4s (slowest: probe `slow`)");
    SAYS(text, "probe `e` is in no group");
    SILENT(text, "probe `d` is in no group");
}

TEST(what_is_unused_is_told_as_far_as_a_line_goes)
{
    struct buf text = BUF(65536);
    buf_text(&text, "probes:\n");
    for (unsigned i = 0; i < 40; i++)
        buf_printf(&text, "  p%u: { tcp: 'x:1' }\n", i);
    buf_text(&text, "groups: { ready: [p0], live: [p0] }\n");
    SAYS(text.data, "39 probes are in no group: they are measured and shown, but decide nothing: `p1`, ");
    SAYS(text.data, " more\n");
    SILENT(text.data, "`self`");
    buf_free(&text);
    SAYS("probes: { a: { tcp: 'x:1' }, db: { postgres: 'postgres://h' } }\ngroups: { ready: [a] }\n", "probe `db` stays unknown: ");
    SILENT("probes: { a: { tcp: 'x:1' }, db: { postgres: 'postgres://h' } }\ngroups: { ready: [a] }\n", "`ready` cannot pass");
    SAYS("probes: { db: { postgres: 'postgres://h' } }\ngroups: { live: [db] }\n", "`live`");
}

TEST(what_counts_as_this_host)
{
    static const struct { const char *address; bool open; } cases[] = {
        { "localhost:1", false }, { "[::1]:1", false }, { "127.0.0.1:1", false }, { "unix:/x", false }, { "128.0.0.1:1", true }, { "[fd00::1]:1", true }, { "[::]:1", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "listen: { address: '%s', serve: all }", cases[i].address);
        says(text, "shows every probe", cases[i].open);
    }
}

TEST(verdicts_that_need_a_credential)
{
    SAYS(LISTEN("serve: [verdicts], open: none, tokens: '" HASH "'"), "listener 10.0.0.1:1: verdicts need a credential there: probes of Kubernetes and of most balancers send none");
    SILENT(LISTEN("serve: [verdicts, status], tokens: '" HASH "'"), "verdicts need a credential");
}

TEST(consumers_that_see_a_drain_too_late)
{
    SAYS("shutdown_delay: 5s\nprobes: { a: { tcp: 'x:1' } }\nconsumers: { k: { period: 10s, threshold: 3, timeout: 1s, group: ready } }\n",
         "consumer `k` needs up to 31s to see that `ready` drains, but shutdown_delay is 5s");
    SAYS("probes: { a: { tcp: 'x:1' } }\nconsumers: { k: { period: 10s, threshold: 3, timeout: 1s, group: ready } }\n", "but shutdown_delay is 0s");
    SILENT("shutdown_delay: 40s\nprobes: { a: { tcp: 'x:1' } }\nconsumers: { k: { period: 10s, threshold: 3, timeout: 1s, group: ready } }\n", "drains, but");
    SILENT("probes: { a: { tcp: 'x:1' } }\nconsumers: { k: { period: 10s, threshold: 1, timeout: 1s, group: live } }\n", "drains, but");
    SILENT("probes: { a: { tcp: 'x:1' } }\nconsumers: { k: { period: 1s, threshold: 1, timeout: 500ms, group: ready } }\n", "counts one outcome several times");
}
