#include "unit.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "config_modules.h"

#include "base/clock.h"
#include "base/secret.h"
#include "config/conf_notify.h"

/* ---- golden: every tests/golden/config/NAME.yaml gives the findings of NAME.expected ------------------------- */

static char *slurp(const char *path)
{
    struct buf b = BUF(1 << 20);
    char part[4096];
    FILE *f = fopen(path, "r");
    for (size_t n; f && (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_add(&b, part, n);
    if (f)
        fclose(f);
    return buf_take(&b);
}

static void check_golden(const char *name)
{
    char expected[300];
    struct loaded l = load_files(&name, 1);
    snprintf(expected, sizeof expected, "%.*s.expected", (int)(strlen(name) - 5), name);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(expected, "w");
        fputs(l.text, f);
        fclose(f);
    }
    char *want = slurp(expected);
    if (strcmp(want, l.text) != 0) {
        fprintf(stderr, "%s: UPDATE_GOLDEN=1 writes what is found now:\n%s", name, l.text);
        unit_failures++;
    }
    CHECK_INT(l.conf != NULL, l.diag.errors == 0);
    mem_free(want);
    unload(&l);
}

TEST(golden_findings)
{
    struct dirent **found;
    unsetenv("VITALD_LISTEN");
    CHECK(chdir("tests/golden/config") == 0);
    int n = scandir(".", &found, NULL, alphasort);
    unsigned count = 0;
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(found[i]->d_name, '.');
        if (dot && !strcmp(dot, ".yaml")) {
            check_golden(found[i]->d_name);
            count++;
        }
        free(found[i]);
    }
    free(found);
    CHECK(count >= 8);
}

/* ---- probes ------------------------------------------------------------------------------------------------- */

TEST(policy_comes_from_defaults_types_and_the_probe)
{
    struct loaded l = load_text("defaults: { interval: 20s, fall: 5, http: { interval: 30s, status: 204 } }\n"
                                "probes:\n  a: { tcp: 'x:1' }\n  b: { http: 'http://x' }\n  c: { http: { url: 'http://x', status: 200 }, interval: 500ms, fall: ~ }\n");
    CHECK_TEXT(l.text, "");
    const struct conf_probe *a = probe_named(l.conf, "a"), *b = probe_named(l.conf, "b"), *c = probe_named(l.conf, "c");
    CHECK_INT(a->interval, 20 * USEC_S);
    CHECK_INT(a->fall, 5);
    CHECK_INT(b->interval, 30 * USEC_S);
    const struct http_conf *hb = b->options->data, *hc = c->options->data;
    CHECK_INT(((const struct vital_range *)hb->status.items)->low, 204);
    CHECK_INT(((const struct vital_range *)hc->status.items)->low, 200);
    CHECK_INT(c->interval, 500 * USEC_MS);
    CHECK_INT(c->interval_unsettled, 500 * USEC_MS); /* min(1s, interval) */
    CHECK_INT(c->interval_down, 500 * USEC_MS);
    CHECK_INT(c->fall, 3);                           /* ~: the built-in default again */
    CHECK_INT(a->interval_unsettled, USEC_S);
    CHECK_INT(a->max_age, 3 * 20 * USEC_S + 2 * USEC_S + USEC_S);
    CHECK_TEXT(b->options->target, "http://x");
    unload(&l);
}

TEST(defaults_of_types)
{
    struct loaded l = load_text("defaults: { postgres: { interval: 40s, url: 'postgres://h' }, http: { status: 204, timeout: 1s } }\n"
                                "probes: { a: { postgres: ~ }, b: { postgres: { role: any }, interval: 9s }, c: { http: 'http://x' } }\n");
    CHECK_TEXT(l.text, "");
    CHECK_INT(probe_named(l.conf, "a")->interval, 40 * USEC_S);
    CHECK_INT(probe_named(l.conf, "b")->interval, 9 * USEC_S);
    CHECK_INT(probe_named(l.conf, "c")->timeout, USEC_S);
    unload(&l);
    l = load_text("defaults: { http: { status: x } }\nprobes: { c: { http: 'http://x' } }\n");
    CHECK(!l.conf && strstr(l.text, "`status`: \"x\": expected numbers and ranges"));
    CHECK_INT(l.diag.errors, 1);    /* told once, not again for each probe */
    unload(&l);
}

TEST(a_type_whose_file_cannot_be_loaded_says_so)
{
    char dir[] = "/tmp/vitald-test-XXXXXX", file[64];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(file, sizeof file, "%s/postgres.so", dir);
    FILE *f = fopen(file, "w");
    fputs("no library", f);
    fclose(f);
    modules_set_dir(dir);
    struct loaded l = load_text("probes: { a: { postgres: 'postgres://h' } }");
    CHECK(!l.conf && strstr(l.text, ":1:16: error: probe `a`: ") && strstr(l.text, "cannot be used"));
    unload(&l);
    unlink(file);
    rmdir(dir);
}

TEST(max_age_follows_the_longest_interval)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1', interval: 5s, interval_down: 1m, timeout: 4s }, b: { tcp: 'x:1', max_age: 9s } }");
    CHECK_INT(probe_named(l.conf, "a")->max_age, 185 * USEC_S);
    CHECK_INT(probe_named(l.conf, "b")->max_age, 9 * USEC_S);
    unload(&l);
}

TEST(a_type_without_its_package_stays_as_a_probe)
{
    struct loaded l = load_text("probes: { db: { postgres: { url: 'postgres://u:p@h/d', anything: [1] } } }");
    const struct conf_probe *db = probe_named(l.conf, "db");
    CHECK_TEXT(l.text, "");
    CHECK(db && !db->options->module && strstr(db->missing, "vitald-postgres"));
    unload(&l);
}

TEST(self_exists_unless_configured)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1' } }"), m = load_text("probes: { self: { self: { max_lag: 5s } } }");
    CHECK_TEXT(probe_named(l.conf, "self")->type, "self");
    CHECK_INT(m.conf->probe_count, 1);
    CHECK_INT(((const struct self_conf *)m.conf->probes[0].options->data)->max_lag, 5 * USEC_S);
    unload(&l);
    unload(&m);
}

TEST(dependencies_are_indexes)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1', depends_on: c }, b: { tcp: 'x:1', depends_on: [c, a] }, c: { tcp: 'x:1' } }");
    const struct conf_probe *b = probe_named(l.conf, "b");
    CHECK_INT(b->depends_count, 2);
    CHECK_TEXT(l.conf->probes[b->depends_on[0]].name, "c");
    CHECK_TEXT(l.conf->probes[b->depends_on[1]].name, "a");
    unload(&l);
}

TEST(options_are_equal_by_value_and_targets_by_their_rows)
{
    struct loaded l = load_text("probes: { a: { http: { url: 'http://x', status: 200 } }, b: { http: { url: 'http://x', status: 200-200 } },\n"
                                "  c: { http: { url: 'http://x', status: 201 } }, d: { http: 'http://y' }, e: { tcp: 'x:1' } }");
    const struct conf_options *a = probe_named(l.conf, "a")->options;
    struct conf_options *b = probe_named(l.conf, "b")->options;
    CHECK(conf_options_equal(a, b));
    CHECK(!conf_options_equal(a, probe_named(l.conf, "c")->options));
    CHECK(conf_options_same_target(a, probe_named(l.conf, "c")->options));
    CHECK(!conf_options_same_target(a, probe_named(l.conf, "d")->options));
    CHECK(!conf_options_same_target(a, probe_named(l.conf, "e")->options));
    conf_options_hold(b);
    unload(&l);
    CHECK_TEXT(b->target, "http://x"); /* a probe that moved to a new world still has it */
    conf_options_release(b);
}

/* ---- groups ------------------------------------------------------------------------------------------------- */

static bool has(const struct conf *c, const struct conf_member *m, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(m[i].is_group ? c->groups[m[i].index].name : c->probes[m[i].index].name, name))
            return true;
    return false;
}
#define REQUIRES(g, name) has(l.conf, (g)->members, (g)->member_count, name)
#define ADVISES(g, name) has(l.conf, (g)->advisory, (g)->advisory_count, name)

TEST(the_four_groups_exist_unconfigured)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1' }, m: { memory: {} } }");
    const struct conf_group *live = &l.conf->groups[l.conf->live], *ready = &l.conf->groups[l.conf->ready];
    const struct conf_group *startup = &l.conf->groups[l.conf->startup], *health = &l.conf->groups[l.conf->health];
    CHECK_TEXT(live->name, "live");
    CHECK(live->member_count == 1 && REQUIRES(live, "self") && live->unknown == UNKNOWN_PASS && !live->drains && !live->configured);
    CHECK(ready->member_count == 2 && REQUIRES(ready, "a") && REQUIRES(ready, "self") && ADVISES(ready, "m"));
    CHECK(ready->drains && ready->unknown == UNKNOWN_FAIL && ready->need == 2);
    CHECK(startup->kind == GROUP_HAD_OUTCOME && startup->member_count == 2 && startup->unknown == UNKNOWN_FAIL && !REQUIRES(startup, "m"));
    CHECK(health->member_count == 1 && REQUIRES(health, "self") && ADVISES(health, "a") && ADVISES(health, "m") && !health->drains);
    CHECK_INT(ready->codes[CODE_PASS], 200);
    CHECK_INT(ready->codes[CODE_WARN], 200);
    CHECK_INT(ready->codes[CODE_FAIL], 503);
    CHECK_INT(ready->codes[CODE_DRAINING], 503);
    unload(&l);
}

TEST(unconfigured_ones_follow_configured_ones)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1' }, b: { tcp: 'x:1' }, c: { tcp: 'x:1' } }\n"
                                "groups: { pair: { any: [a, b] }, ready: { all: [pair], advisory: [c] }, live: { any: [a, self] } }");
    const struct conf_group *startup = &l.conf->groups[l.conf->startup], *health = &l.conf->groups[l.conf->health];
    CHECK_TEXT(l.text, "");
    CHECK(startup->member_count == 2 && REQUIRES(startup, "a") && REQUIRES(startup, "b")); /* leaves, required ones */
    CHECK(health->member_count == 1 && REQUIRES(health, "live")); /* any: its members one by one would be stricter */
    CHECK(!ADVISES(health, "a") && ADVISES(health, "b") && ADVISES(health, "c"));
    unload(&l);
}

TEST(nothing_is_no_value)
{
    static const struct { const char *text, *finding; } refused[] = {
        { "groups: { g: { all: ~ } }", "group `g` needs exactly one of `all`, `any` and `at_least` with `of`" },
        { "groups: { g: { at_least: ~, of: [self] } }", "group `g` needs exactly one of" },
        { "groups: { g: { at_least: 1, of: ~ } }", "`at_least: N` and `of: [...]` belong together" },
        { "agents: { address: ':1', weight: { probe: self, number: x, full_at: ~, least_at: 2 } }", "`probe`, `number`, `full_at` and `least_at` belong together" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct loaded l = load_text(refused[i].text);
        if (l.conf || !strstr(l.text, refused[i].finding))
            CHECK_TEXT(l.text, refused[i].finding);
        unload(&l);
    }
    struct loaded l = load_text("groups: { g: { all: [self], codes: { warn: ~, fail: 500 }, advisory: ~ }, ready: { all: [self], codes: ~, drains: ~, unknown: ~ }, gone: ~ }\n"
                                "agents: { address: ':1', group: ~, weight: { probe: ~, number: ~, full_at: ~, least_at: ~ } }\n"
                                "listen: { address: ':2', tls: ~, tokens: ~, allow: ~, serve: ~ }\nconsumers: { k: ~ }\naliases: { /x: ~ }\nlog: { level: ~ }\n");
    CHECK_TEXT(l.text, "");
    const struct conf_group *g = group_named(l.conf, "g"), *ready = group_named(l.conf, "ready");
    CHECK(g->codes[CODE_WARN] == 200 && g->codes[CODE_FAIL] == 500 && !group_named(l.conf, "gone"));
    CHECK(ready->codes[CODE_FAIL] == 503 && ready->drains && ready->unknown == UNKNOWN_FAIL);
    CHECK(l.conf->agent_count == 1 && !l.conf->consumer_count && !l.conf->alias_count && !l.conf->listeners[0].access.network_count);
    unload(&l);
}

TEST(groups_say_how_many)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1' }, b: { tcp: 'x:1' }, c: { tcp: 'x:1' } }\n"
                                "groups: { all: [a, b], any: { any: [a, b] }, two: { at_least: 2, of: [a, b, c], codes: { warn: 429 }, drains: true, unknown: warn, on_shared: warn } }");
    CHECK_INT(group_named(l.conf, "all")->need, 2);
    CHECK_INT(group_named(l.conf, "any")->need, 1);
    const struct conf_group *two = group_named(l.conf, "two");
    CHECK(two->need == 2 && two->member_count == 3 && two->codes[CODE_WARN] == 429 && two->codes[CODE_PASS] == 200);
    CHECK(two->drains && two->unknown == UNKNOWN_WARN && two->on_shared == SHARED_WARN && two->configured);
    unload(&l);
}

/* ---- the rest ----------------------------------------------------------------------------------------------- */

TEST(listeners)
{
    struct loaded l = load_text("listen: [ { address: '0.0.0.0:1', name: pub, max_connections: 5 }, { address: 'unix:/run/x.sock', mode: 0660, serve: [status, metrics] }, ':3' ]");
    CHECK_TEXT(l.text, "");
    CHECK_INT(l.conf->listen_count, 3);
    CHECK_TEXT(l.conf->listeners[0].name, "pub");
    CHECK_INT(l.conf->listeners[0].serve, SERVE_VERDICTS);
    CHECK_INT(l.conf->listeners[0].max_connections, 5);
    CHECK_INT(l.conf->listeners[1].mode, 0660);
    CHECK_INT(l.conf->listeners[1].serve, SERVE_STATUS | SERVE_METRICS);
    CHECK_TEXT(l.conf->listeners[1].address->unix_path, "/run/x.sock");
    CHECK(!l.conf->listeners[2].address->host);
    CHECK_TEXT(l.conf->listeners[2].address->port, "3");
    unload(&l);
}

TEST(a_listener_is_there_without_being_written)
{
    unsetenv("VITALD_LISTEN");
    struct loaded l = load_text("probes: {}");
    CHECK_TEXT(l.conf->listeners[0].address->text, "127.0.0.1:8686");
    CHECK_INT(l.conf->listeners[0].serve, SERVE_ALL);
    unload(&l);
    setenv("VITALD_LISTEN", "[::1]:9", 1);
    l = load_text("probes: {}");
    CHECK_TEXT(l.conf->listeners[0].address->host, "::1");
    unload(&l);
    l = load_text("listen: ':7'");
    CHECK_TEXT(l.conf->listeners[0].address->port, "7");
    unload(&l);
    setenv("VITALD_LISTEN", "nonsense:", 1);
    l = load_text("probes: {}");
    CHECK(!l.conf && strstr(l.text, "environment variable VITALD_LISTEN: error:"));
    unload(&l);
}

static struct loaded load_two(const char *a, const char *b)
{
    const char *paths[] = { temp_file(a), temp_file(b) };
    struct loaded l = load_files(paths, 2);
    for (unsigned i = 0; i < 2; i++)
        unlink(paths[i]);
    return l;
}

TEST(files_merge)
{
    struct loaded l = load_two("probes: { a: { http: 'http://x', interval: 5s }, b: { tcp: 'x:1' }, c: { tcp: 'x:1', interval: 7s } }\ngroups: { g: [a, b] }",
                               "probes: { a: { http: { status: 204 } }, b: ~, c: { disk: / } }\ngroups: { g: [a] }\n");
    CHECK_TEXT(l.text, "");
    const struct http_conf *a = probe_named(l.conf, "a")->options->data;
    CHECK_TEXT(a->url->host, "x");                        /* a bare value and a map add up */
    CHECK_INT(((const struct vital_range *)a->status.items)->low, 204);
    CHECK_INT(probe_named(l.conf, "a")->interval, 5 * USEC_S);
    CHECK(!probe_named(l.conf, "b"));
    CHECK_TEXT(probe_named(l.conf, "c")->type, "disk");   /* another module key replaces the old one */
    CHECK_INT(probe_named(l.conf, "c")->interval, 7 * USEC_S);
    CHECK_INT(group_named(l.conf, "g")->member_count, 1); /* lists replace */
    unload(&l);
}

TEST(probes_merge_by_their_module)
{
    static const struct { const char *base, *over, *type, *finding; } cases[] = {
        { "probes: { a: { tcp: 'x:1' } }", "probes: { a: { interval: 7s } }", "tcp", NULL },
        { "probes: { a: { interval: 7s } }", "probes: { a: { tcp: 'x:1' } }", "tcp", NULL },
        { "probes: { a: { http: { url: 'http://x' } } }", "probes: { a: { http: 'http://y' } }", "http", NULL },
        { "probes: { a: { http: 'http://x' } }", "probes: { a: { http: 'http://y' } }", "http", NULL },
        { "probes: { a: { http: 'http://x' } }", "probes: { a: { http: } }", "http", NULL },
        { "probes: { a: { postgres: 'postgres://x' } }", "probes: { a: { postgres: { role: any } } }", "postgres", NULL },
        { "probes: { a: { http: 'http://x' } }", "probes: { a: { http: ~ } }", NULL, "probe `a`" },
        { "probes: { a: { http: 'http://x' } }", "probes: { a: { tcp: 'x:1' } }", "tcp", NULL },
        { "probes: { a: { http: 'http://x' } }", "probes: ~", NULL, "" },
        { "probes: ~", "probes: { a: { tcp: 'x:1' } }", "tcp", NULL },
        { "probes: { a: text }", "probes: { a: { tcp: 'x:1' } }", "tcp", NULL },
        { "probes: { a: { tcp: 'x:1' } }", "probes: { a: text }", NULL, "probe `a` must be a map" },
        { "probes: { a: { tcp: 'x:1' } }", "probes: [a]", NULL, "`probes` must be a map, not a list" },
        { "probes: [a]", "probes: { a: { tcp: 'x:1' } }", "tcp", NULL },
        { "probes: { a: { tcp: 'x:1' } }", "max_in_flight: 5", "tcp", NULL },
        { "probes: { a: { tcp: 'x:1' } }", "# nothing", "tcp", NULL },
        { "probes: { a: { tcp: 'x:1' } }", "just text", NULL, "the configuration must be a map (`probes:` ...), not text" },
        { "probes: { a: { tcp: 'x:1' } }", "probes: { a: { tcp: { send: }, interval: } }", NULL, "`send`: has no value" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded l = load_two(cases[i].base, cases[i].over);
        const struct conf_probe *a = probe_named(l.conf, "a");
        if (a ? !cases[i].type || strcmp(a->type, cases[i].type) != 0 : cases[i].type != NULL)
            CHECK_TEXT(l.text, cases[i].over);
        if (cases[i].finding ? !strstr(l.text, cases[i].finding) : *l.text)
            CHECK_TEXT(l.text, cases[i].finding);
        unload(&l);
    }
}

TEST(directories_are_read_by_byte_order)
{
    char dir[] = "/tmp/vitald-test-XXXXXX", path[64];
    static const struct { const char *name, *text; } files[] = { { "20.yaml", "max_in_flight: 20" }, { "B.yaml", "max_per_address: 3" },
                                                                 { "9.yaml", "max_in_flight: 9" },   { "x.txt", "nonsense" }, { ".h.yaml", "nonsense" },
                                                                 { "C.yml", "startup_timeout: 9s" }, { "d.ymk", "nonsense" },      { "yaml", "nonsense" }, { "yml", "nonsense" } };
    enum { COUNT = sizeof files / sizeof *files };
    CHECK(mkdtemp(dir) != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        FILE *f = fopen(path, "w");
        fputs(files[i].text, f);
        fclose(f);
    }
    const char *d = dir;
    struct loaded l = load_files(&d, 1);
    CHECK_TEXT(l.text, "");
    CHECK_INT(l.conf->max_in_flight, 9);
    CHECK_INT(l.conf->max_per_address, 3);
    CHECK_INT(l.conf->startup_timeout, 9 * USEC_S);
    CHECK(strstr(l.conf->source, "20.yaml, ") != NULL);
    unload(&l);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        unlink(path);
    }
    rmdir(dir);
}

TEST(variables_are_typed_after_they_were_filled_in)
{
    setenv("VITALD_T", "7s", 1);
    setenv("VITALD_U", "a: [b, c]", 1);
    setenv("VITALD_E", "", 1);
    struct loaded l = load_text("probes: { a: { tcp: { address: 'x:1', send: \"${VITALD_U}\" }, interval: \"${VITALD_T}\", rise: 4 }, b: { tcp: { address: 'x:1', send: \"$$x$y${VITALD_E:-d}\" } } }");
    CHECK_TEXT(l.text, "");
    CHECK_INT(probe_named(l.conf, "a")->interval, 7 * USEC_S);
    CHECK_TEXT(((const struct tcp_conf *)probe_named(l.conf, "a")->options->data)->send, "a: [b, c]");
    CHECK_TEXT(((const struct tcp_conf *)probe_named(l.conf, "b")->options->data)->send, "$x$yd");
    unload(&l);
}

TEST(a_variables_value_is_never_shown)
{
    setenv("VITALD_T", "geheim", 1);
    struct loaded where = load_text("listen: \"${VITALD_T}\"\nagents: { address: \"geheim${VITALD_T}\" }\ngates: \"127.0.0.1:0\"\n");
    CHECK(strstr(where.text, ":1:9: error: `address`: the variable's value: the port is missing: write host:port"));
    CHECK(strstr(where.text, ":2:20: error: `address`: the variable's value: the port is missing") && !strstr(where.text, "geheim"));
    CHECK(strstr(where.text, ":3:8: error: `address`: \"127.0.0.1:0\": a TCP port that others know is needed here"));
    unload(&where);
    where = load_text("listen: \"${VITALD_NONE:?}\"\n");
    CHECK_INT(where.diag.errors, 1);        /* what is lost is told once */
    unload(&where);
    where = load_text("listen: { address: ~ }\n");
    CHECK(strstr(where.text, "`listen` needs `address`"));
    unload(&where);
    struct loaded l = load_text("probes:\n  a: { tcp: 'x:1', interval: \"${VITALD_T}\" }\n");
    CHECK(!l.conf && !strstr(l.text, "geheim") && strstr(l.text, "the variable's value"));
    unload(&l);
}

TEST(env_files_lie_below_the_environment)
{
    const char *env = temp_file("# a remark\nexport VITALD_A=5s\nVITALD_B=\"6s\"\r\nVITALD_C='x'\n\nVITALD_D = 1\nVITALD_E 1\n");
    const char *conf = temp_file("probes: { a: { tcp: 'x:1', interval: \"${VITALD_A}\", timeout: \"${VITALD_B}\" } }");
    setenv("VITALD_B", "7s", 1);
    struct conf_request q = { .paths = &conf, .path_count = 1, .env_files = &env, .env_file_count = 1 };
    struct diag d = { 0 };
    CHECK(!conf_load(&q, &d)); /* the last line */
    CHECK_INT(d.errors, 1);
    CHECK_INT(d.items[0].place.line, 7);
    diag_free(&d);
    FILE *f = fopen(env, "w");
    fputs("VITALD_A=5s\nVITALD_B=6s\n", f);
    fclose(f);
    struct conf *c = conf_load(&q, &d);
    CHECK_INT(probe_named(c, "a")->interval, 5 * USEC_S);
    CHECK_INT(probe_named(c, "a")->timeout, 7 * USEC_S);
    conf_free(c);
    diag_free(&d);
    unlink(env);
    unlink(conf);
}

TEST(missing_files_are_findings)
{
    const char *path = "/nonexistent/vitald.yaml";
    struct loaded l = load_files(&path, 1);
    CHECK(!l.conf);
    CHECK_TEXT(l.text, "/nonexistent/vitald.yaml: error: No such file or directory\n");
    unload(&l);
    char dir[] = "/tmp/vitald-test-XXXXXX", file[64], want[128];
    const char *at = mkdtemp(dir);
    l = load_files(&at, 1);
    snprintf(want, sizeof want, "%s: warning: this directory holds no *.yaml file\n", dir);
    CHECK(l.conf != NULL);
    CHECK_TEXT(l.text, want);
    unload(&l);
    snprintf(file, sizeof file, "%s/a.yaml", dir);
    CHECK(mkdir(file, 0700) == 0);
    l = load_files(&at, 1);
    snprintf(want, sizeof want, "%s: error: Is a directory\n", file);
    CHECK_TEXT(l.text, want);
    unload(&l);
    rmdir(file);
    FILE *f = fopen(file, "w");
    CHECK(f && ftruncate(fileno(f), (64 << 20) + 1) == 0);
    fclose(f);
    l = load_files(&at, 1);
    snprintf(want, sizeof want, "%s: error: the file is too large\n", file);
    CHECK_TEXT(l.text, want);
    unload(&l);
    unlink(file);
    rmdir(dir);
}

/* ---- size --------------------------------------------------------------------------------------------------- */

TEST(a_hundred_thousand_probes_load_quickly)
{
    struct buf text = BUF(32 << 20);
    buf_text(&text, "probes:\n");
    for (unsigned i = 0; i < 100000; i++)
        buf_printf(&text, "  p%u: { tcp: 'x:1', depends_on: [p%u] }\n", i, i + 1);
    buf_text(&text, "  p100000: { tcp: 'x:1' }\ngroups:\n");
    for (unsigned i = 0; i < 2000; i++)
        buf_printf(&text, "  g%u: [g%u, p%u]\n", i, i + 1, i);
    buf_text(&text, "  g2000: [p1]\n");
    clock_t start = clock();
    struct loaded l = load_text(text.data);
    CHECK_TEXT(l.text, "");
    CHECK_INT(l.conf->probe_count, 100002);
    CHECK(clock() - start < 8 * CLOCKS_PER_SEC); /* 0.6 s without a sanitizer; quadratic would be minutes */
    unload(&l);
    buf_free(&text);
}

TEST(the_findings_of_a_large_broken_file_end)
{
    struct buf text = BUF(32 << 20);
    buf_text(&text, "probes:\n");
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&text, "  p%u: { tcp: 'x:1', intervall: 5, depends_on: [q%u] }\n", i, i);
    clock_t start = clock();
    struct loaded l = load_text(text.data);
    CHECK(!l.conf && l.diag.dropped > 0 && l.diag.count == DIAG_MAX);
    CHECK(clock() - start < 8 * CLOCKS_PER_SEC);
    unload(&l);
    buf_free(&text);
}

/* Whoever wrote as many wrong names has another problem. */
TEST(near_names_are_looked_for_only_so_often)
{
    struct buf text = BUF(1 << 20);
    buf_text(&text, "probes:\n  known: { tcp: 'x:1' }\n");
    for (unsigned i = 0; i < 60; i++)
        buf_printf(&text, "  p%u: { tcp: 'x:1', depends_on: [knowm] }\n", i);
    struct loaded l = load_text(text.data);
    unsigned with = 0, all = 0;
    for (const char *at = l.text; (at = strstr(at, "there is no `knowm`")); at++, all++)
        with += !strncmp(at + 19, ": did you mean `known`?", 23);
    CHECK_INT(all, 60);
    CHECK_INT(with, 50);
    unload(&l);
    buf_free(&text);
}

/* ---- what the environment sets -------------------------------------------------------------------------------- */

TEST(settings_may_come_from_the_environment)
{
    setenv("VITALD_LISTEN", "", 1);
    setenv("VITALD_SHUTDOWN_DELAY", "7s", 1);
    setenv("VITALD_USER", "", 1);
    struct loaded l = load_text("probes: {}"), m = load_text("shutdown_delay: 9s\nlisten: ~\nprobes: ~");
    CHECK_INT(l.conf->shutdown_delay, 7 * USEC_S);
    CHECK_TEXT(l.conf->user, NULL);
    CHECK_TEXT(l.conf->listeners[0].address->text, "127.0.0.1:8686");
    CHECK_INT(m.conf->shutdown_delay, 9 * USEC_S);
    CHECK_INT(m.conf->listen_count, 1);
    CHECK_TEXT(m.conf->probes[0].name, "self");
    unload(&l);
    unload(&m);
    setenv("VITALD_SHUTDOWN_DELAY", "soon", 1);
    l = load_text("probes: {}");
    CHECK(!l.conf && strstr(l.text, "environment variable VITALD_SHUTDOWN_DELAY: error: `shutdown_delay`: \"soon\": expected a duration"));
    unload(&l);
    unsetenv("VITALD_SHUTDOWN_DELAY");
}

/* ---- modules -------------------------------------------------------------------------------------------------- */

TEST(kinds_of_outlets_have_words)
{
    for (unsigned i = 0; i < OUTLET_KIND_COUNT; i++)
        CHECK_INT(outlet_kind_from(outlet_kind_text(i)), i);
    CHECK_TEXT(outlet_kind_text(OUTLET_KIND_COUNT), "?");
    CHECK_INT(outlet_kind_from("pager"), -1);
}

TEST(a_target_is_what_the_module_says_or_what_its_rows_say)
{
    static const struct { const char *meter, *target; } cases[] = {
        { "{}", "" },
        { "{ says: note }", "the meter that says note" },
        { "{ key: geheim, match: 'a|b', paths: [/a, /b], size_above: 5%, time_above: 90s, plain_above: 0.5 }", "*** a|b /a,/b 5% 90s 0.5" },
        { "{ size_above: 2KiB, time_above: 3% }", "2KiB 3%" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "probes: { a: { meter: %s } }", cases[i].meter);
        struct loaded l = load_text(text);
        CHECK_TEXT(probe_named(l.conf, "a") ? probe_named(l.conf, "a")->options->target : l.text, cases[i].target);
        unload(&l);
    }
}

TEST(options_without_their_module_are_equal_by_type)
{
    struct loaded l = load_text("probes: { a: { postgres: 'postgres://a' }, b: { postgres: 'postgres://b' } }");
    const struct conf_options *a = probe_named(l.conf, "a")->options, *b = probe_named(l.conf, "b")->options;
    CHECK(conf_options_equal(a, b) && conf_options_same_target(a, b));
    unload(&l);
}

TEST(the_role_probe_is_named_or_the_only_one)
{
    static const struct { const char *text, *name; } cases[] = {
        { "probes: { a: { meter: {} }, b: { tcp: 'x:1' } }", "a" },
        { "probes: { a: { meter: {} }, b: { meter: {} } }", NULL },
        { "role_probe: b\nprobes: { a: { meter: {} }, b: { meter: {} } }", "b" },
        { "role_probe: b\nprobes: { a: { meter: {} }, b: { postgres: 'postgres://h' } }", "b" },
        { "probes: { b: { tcp: 'x:1' } }", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded l = load_text(cases[i].text);
        CHECK_TEXT(l.text, "");
        CHECK_TEXT(l.conf->role_probe == UINT32_MAX ? NULL : l.conf->probes[l.conf->role_probe].name, cases[i].name);
        unload(&l);
    }
}

/* ---- receivers ---------------------------------------------------------------------------------------------- */

static const struct conf_receiver *receiver_named(const struct conf *c, const char *name)
{
    for (uint32_t i = 0; i < c->receiver_count; i++)
        if (!strcmp(c->receivers[i].name, name))
            return &c->receivers[i];
    return NULL;
}

TEST(where_receivers_are)
{
    struct loaded l = load_text("probes: { a: { tcp: 'x:1' } }\ngroups: { ready: { all: [a] } }\n"
                                "notify:\n  am: { alertmanager: [ 'http://h:9093', 'http://h/am//', 'http://[::1]:9/api/v2/alerts' ], level: warn }\n"
                                "  hook: { webhook: [ 'http+unix://%2Frun%2Fx.sock/hook', { url: 'http://me:secret@h/p?q=1', timeout: 2s } ], resolved: false, repeat: 0s,"
                                " flapping: { changes: 3, window: 1m } }\n");
    CHECK(l.conf != NULL);
    const struct conf_receiver *am = receiver_named(l.conf, "am"), *hook = receiver_named(l.conf, "hook");
    CHECK_INT(am->outlet_count, 3);
    CHECK_TEXT(am->outlets[0].to.path, "/api/v2/alerts");
    CHECK_TEXT(am->outlets[0].to.port, "9093");
    CHECK_TEXT(am->outlets[0].text, "http://h:9093");
    CHECK_TEXT(am->outlets[1].to.path, "/am/api/v2/alerts");
    CHECK_TEXT(am->outlets[1].to.port, "80");
    CHECK_TEXT(am->outlets[2].to.path, "/api/v2/alerts");
    CHECK_TEXT(am->outlets[2].to.host_field, "[::1]:9");
    CHECK_INT(am->least, TELL_WARN);
    CHECK(am->every_probe && am->resolved);
    CHECK_INT(am->group_count, 1);
    CHECK_TEXT(hook->outlets[0].to.unix_path, "/run/x.sock");
    CHECK_TEXT(hook->outlets[0].text, "unix:/run/x.sock");
    CHECK_TEXT(hook->outlets[1].to.user, "me");
    CHECK_TEXT(hook->outlets[1].to.password->value, "secret");
    CHECK_TEXT(hook->outlets[1].text, "http://h");
    CHECK_INT(hook->outlets[1].timeout, 2 * USEC_S);
    CHECK(!hook->resolved && !hook->repeat);
    CHECK_INT(hook->flap_changes, 3);
    CHECK_INT(hook->flap_window, 60 * USEC_S);
    unload(&l);
}
