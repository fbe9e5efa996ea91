/* The configuration in force, as it is written out: it loads again, and no secret is in it. */
#include "unit.h"

#include "config_modules.h"

static char *dump(const char *text)
{
    const char *path = temp_file(text);
    struct buf out = BUF(1 << 20);
    struct diag d = { 0 };
    conf_dump(&(struct conf_request){ .paths = &path, .path_count = 1 }, &out, &d);
    CHECK_INT(d.errors, 0);
    diag_free(&d);
    unlink(path);
    return buf_take(&out);
}

TEST(a_dump_hides_secrets_and_loads_again)
{
    setenv("VITALD_T", "geheim", 1);
    const char *text = "defaults: { http: { bearer: geheim1, status: 204 } }\n"
                       "probes:\n  a: { http: { url: 'http://u:geheim2@h/x?token=geheim3&a=b', headers: { X: geheim4, Y: { env: VITALD_T } }, body: 'a$$|b', tls: { key: geheim5, cert: /c } }, rise: 4 }\n"
                       "  b: { exec: { command: [a, 'b c'], checks: [x, { name: y, code: 2 }] }, depends_on: [a] }\n  c: { postgres: { url: 'postgres://u:geheim6@h' } }\n"
                       "groups: { g: { at_least: 1, of: [a, b] } }\naliases: { /x: g }\nfiles: [ { path: /tmp/f, group: g } ]\nconsumers: { k: {} }\nlisten: [ ':4', { address: ':5', serve: all } ]\n";
    char *first = dump(text);
    CHECK(!strstr(first, "geheim"));
    CHECK(strstr(first, "env: VITALD_T") && strstr(first, "token=***&a=b") && strstr(first, "u:***@h"));
    CHECK(strstr(first, "rise: 4") && strstr(first, "status: 204") && strstr(first, "# built in: ready:"));
    char *second = dump(first);
    CHECK_TEXT(strchr(second, '\n'), strchr(first, '\n')); /* the first line names the file */
    mem_free(first);
    mem_free(second);
}

static void dumps(const char *text, const char *const *parts)
{
    char *out = dump(text);
    for (; *parts; parts++)
        if (!strstr(out, *parts)) {
            fprintf(stderr, "%s\nis not in\n%s\n", *parts, out);
            unit_failures++;
        }
    mem_free(out);
}
#define DUMPS(text, ...) dumps(text, (const char *const[]){ __VA_ARGS__, NULL })

TEST(a_dump_quotes_what_would_be_read_as_something_else)
{
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: \"a\\\"b\\\\c\\n\\x7f$$\" } } }", "send: \"a\\\"b\\\\c\\x0a\\x7f$$\"\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: 'yes' } } }", "send: \"yes\"\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: '' } } }", "send: \"\"\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: '%5' } } }", "send: \"%5\"\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: '.5' } } }", "send: \".5\"\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: '-5' } } }", "send: \"-5\"\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: a-5 } } }", "send: a-5\n");
    DUMPS("probes: { a: { tcp: { address: 'x:1', send: a b } } }", "send: \"a b\"\n");
    DUMPS("probes: { a: { exec: { command: [a, -5, 5, 'true', -, '-a b'], quiet: true, place: { nice: -5 } } } }",
          "command: [a, -5, 5, \"true\", \"-\", \"-a b\"]\n", "quiet: true\n", "nice: -5\n");
}

TEST(a_dump_shows_urls_without_what_is_secret_in_them)
{
    setenv("VITALD_URL", "http://u:geheim@h/x", 1);
    DUMPS("probes: { a: { http: 'http://h/x?token=geheim' } }", "url: \"http://h/x?token=***\"\n");
    DUMPS("probes: { a: { http: 'http://u@h' } }", "url: \"http://u@h\"\n");
    DUMPS("probes: { a: { http: 'http://h/a@b' } }", "url: \"http://h/a@b\"\n");
    DUMPS("probes: { a: { http: 'http://u:geheim@h/x?a=b' } }", "url: \"http://u:***@h/x?a=b\"\n");
    DUMPS("probes: { a: { http: 'unix:/run/x.sock' } }", "url: \"unix:/run/x.sock\"\n");
    DUMPS("probes: { a: { http: { url: { env: VITALD_URL } } } }", "url:\n", "env: VITALD_URL\n");
}

TEST(a_dump_has_what_nobody_here_can_read_but_no_value_of_it)
{
    DUMPS("probes: { db: { postgres: { url: geheim, list: [geheim, [geheim]], map: { a: geheim }, none: {}, nothing: ~ } } }", "url: \"***\"\n", "list: [\"***\", \"***\"]\n", "map:\n", "a: \"***\"\n",
          "none: {}\n", "nothing: ~\n");
    DUMPS("probes: { db: { postgres: ~ } }", "postgres: ~\n");
}

TEST(a_dump_has_blocks_lists_and_defaults)
{
    DUMPS("probes: { a: { meter: {} }, b: { exec: a, depends_on: [a, c] }, c: { meter: { login: { user: me } }, depends_on: [a] } }", "codes: [1-2, 5]\n", "depends_on: [a, c]\n", "depends_on: [a]\n",
          "login:\n", "user: me\n", "dir: /\n");
    DUMPS("probes: { a: { http: { url: 'https://h', tls: true } }, b: { http: { url: 'https://h', tls: { ca: /ca } } } }", "tls: true\n", "ca: /ca\n");
    DUMPS("probes: { a: { exec: { command: a, checks: [] } }, b: { exec: { command: a, checks: one } } }", "checks: []\n", "name: one\n");
    DUMPS("probes: { a: { self: {} } }\ngroups: { g: [a], h: { any: [g, a], advisory: [self], on_shared: warn }, i: { all: [a], on_shared: fail } }", "h: { any: [g, a], advisory: [self],", "on_shared: warn", "on_shared: fail");
    DUMPS("probes: { a: { http: { url: 'http://h', headers: {} } } }", "headers: {}\n");
    DUMPS("probes: { a: { self: {} } }\naliases: {}\nfiles: []\nconsumers: { k: { period: 5s } }\nlisten: ':1'\nagents: ~\nnotify: { r: { exec: /bin/x } }\ngates: { address: ':2', group: ready }\n",
          "aliases: {}\n", "files: []\n", "consumers:\n  k:\n", "period: 5s\n", "exec:\n", "gates:\n", "r:\n");
}

TEST(a_dump_shows_what_is_left_when_the_first_is_deleted)
{
    const char *paths[] = { temp_file("groups: { ready: [self] }\naliases: { /a: ready, /b: ready }"), temp_file("aliases: { /a: ~ }") };
    struct buf out = BUF(1 << 20);
    struct diag d = { 0 };
    conf_dump(&(struct conf_request){ .paths = paths, .path_count = 2 }, &out, &d);
    CHECK(strstr(out.data, "aliases:\n  \"/b\": ready\n") || strstr(out.data, "aliases:\n  /b: ready\n"));
    CHECK_INT(d.count, 0);
    unlink(paths[0]);
    unlink(paths[1]);
    buf_free(&out);
}
