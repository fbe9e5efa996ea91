/* Zero configuration: what the environment announces, and the traps in it. */
#include "unit.h"

#include "config_modules.h"

extern char **environ;

struct zero {
    char *dump, *text;
    bool good;
    unsigned probes;
};

/* vars: NAME=value ..., NULL. Nothing else is in the environment. */
static struct zero zero(const char *const *vars)
{
    struct conf_request q = { 0 };
    struct diag d = { 0 };
    struct buf out = BUF(1 << 20);
    clearenv();
    for (; *vars; vars++)
        putenv((char *)(uintptr_t)*vars);
    struct conf *c = conf_load(&q, &d);
    struct zero z = { .good = c, .probes = c ? c->probe_count : 0 };
    diag_sort(&d);
    z.text = findings(&d);
    diag_free(&d);
    conf_dump(&q, &out, &d);
    z.dump = buf_take(&out);
    diag_free(&d);
    conf_free(c);
    return z;
}
#define ZERO(...) zero((const char *const[]){ __VA_ARGS__, NULL })

static void end(struct zero *z)
{
    mem_free(z->dump);
    mem_free(z->text);
}

enum { HOST = 3 };   /* memory, disk, self */

static void gives(struct zero z, unsigned stores, const char *const *parts)
{
    CHECK_TEXT(z.text, "");
    CHECK_INT(z.probes, HOST + stores);
    for (; *parts; parts++)
        if (!strstr(z.dump, *parts)) {
            fprintf(stderr, "%s is not in\n%s\n", *parts, z.dump);
            unit_failures++;
        }
    end(&z);
}
#define GIVES(z, stores, ...) gives(z, stores, (const char *const[]){ __VA_ARGS__, NULL })

static void refuses(struct zero z, const char *finding)
{
    CHECK(!z.good);
    if (!strstr(z.text, finding))
        CHECK_TEXT(z.text, finding);
    CHECK(!strstr(z.text, "geheim"));
    end(&z);
}

/* A module that takes what the environment gives; postgres and redis in the tests are this one. */
TEST(nothing_announced_gives_the_host)
{
    GIVES(ZERO("HOME=/"), 0, "memory:", "disk:", "path: /", "127.0.0.1:8686");
    GIVES(ZERO("VITALD_LISTEN=0.0.0.0:9"), 0, "0.0.0.0:9");
}

TEST(stores_stay_unknown_and_required_without_their_module)
{
    struct conf_request q = { 0 };
    struct diag d = { 0 };
    clearenv();
    setenv("DATABASE_URL", "postgres://u:geheim@h/d", 1);
    struct conf *c = conf_load(&q, &d);
    const struct conf_probe *p = probe_named(c, "postgres");
    CHECK(p && p->missing && strstr(p->missing, "vitald-postgres"));
    const struct conf_group *ready = &c->groups[c->ready];
    CHECK_INT(ready->member_count, 2);
    CHECK_INT(ready->advisory_count, 2);
    conf_free(c);
    diag_free(&d);
}

TEST(service_links_announce_nothing)
{
    GIVES(ZERO("REDIS_PORT=tcp://10.0.0.1:6379", "REDIS_SERVICE_HOST=10.0.0.1", "REDIS_SERVICE_PORT=6379", "REDIS_PORT_6379_TCP=tcp://10.0.0.1:6379",
               "REDIS_PORT_6379_TCP_ADDR=10.0.0.1", "POSTGRES_PASSWORD=geheim", "POSTGRES_USER=u", "POSTGRES_DB=d", "DB_PORT=5432", "MYSQL_URL="),
          0, "memory:");
    GIVES(ZERO("REDIS_HOST=r", "REDIS_PORT=tcp://10.0.0.1:6379"), 1, "redis:");
}

/* Good, but this is said, and never a value. */
static void warns(struct zero z, const char *finding)
{
    CHECK(z.good);
    if (finding ? !strstr(z.text, finding) : strstr(z.text, "is not used") != NULL)
        CHECK_TEXT(z.text, finding ? finding : "nothing");
    CHECK(!strstr(z.text, "geheim"));
    end(&z);
}

TEST(a_login_that_is_not_used_is_told)
{
    const char *url = "DATABASE_URL=postgres://a:geheim@h/d";
    warns(ZERO(url, "DATABASE_USER=b"), "environment variable DATABASE_USER: warning: is not used: DATABASE_URL announces the store, with another user");
    warns(ZERO(url, "DATABASE_PASSWORD=geheim2"), "DATABASE_PASSWORD: warning: is not used: DATABASE_URL announces the store, with another password");
    warns(ZERO(url, "DATABASE_NAME=e"), "DATABASE_NAME: warning: is not used");
    warns(ZERO(url, "DATABASE_USER=a", "DATABASE_PASSWORD=geheim", "DATABASE_NAME=d"), NULL);
    warns(ZERO(url, "DB_USER=b"), "environment variable DB_USER: warning: is not used: DATABASE_URL announces the store, with another user");
    warns(ZERO(url, "DB_PASSWORD=geheim2"), "DB_PASSWORD: warning: is not used: DATABASE_URL");
    warns(ZERO(url, "DB_USER=a", "DB_PASSWORD=geheim"), NULL);
    warns(ZERO(url, "MYSQL_USER=b"), NULL);
    warns(ZERO(url, "REDIS_URL=redis://h", "DB_USER=b"), NULL);     /* of which of them? */
    warns(ZERO(url, "DB_HOST=h", "DB_PORT=5432", "DB_USER=a", "DB_PASSWORD=geheim2"), "DB_PASSWORD: warning: is not used: DATABASE_URL");
}

TEST(a_data_source_names_a_host_and_a_port_or_nothing)
{
    refuses(ZERO("DB_DSN=host=a/b@c port=5432 user=geheim"), "environment variable DB_DSN: error: its value cannot be understood");
    refuses(ZERO("DB_DSN=host=h port=5432x user=u"), "its port is no number from 1 to 65535");
    refuses(ZERO("DB_DSN=host=h port=70000 user=u"), "its port is no number from 1 to 65535");
    refuses(ZERO("DB_DSN=mysql:unix_socket=m.sock;user=u"), "its socket is no absolute path");
}

TEST(what_has_a_variable_is_found_fault_with_by_that_name)
{
    refuses(ZERO("MYSQL_HOST=h"), "environment variable MYSQL_HOST: error: announces a store, but nothing says who logs in: set MYSQL_USER");
}

TEST(the_type_is_found)
{
    static const struct { const char *var, *probe; } cases[] = {
        { "DATABASE_URL=postgres://h/d", "\n  postgres:" },
        { "DATABASE_URL=postgresql+psycopg://u:geheim@h/d", "\n  postgres:" },
        { "DATABASE_URL=jdbc:postgresql://h:5433/d?user=u&password=geheim", "\n  postgres:" },
        { "DB_URL=mysql+pymysql://u:geheim@h/d", "\n  mysql:" },
        { "DB_URL=mariadb://u@h", "\n  mysql:" },
        { "REDIS_URL=rediss://:geheim@h:6380/1", "\n  redis:" },
        { "REDIS_URL=unix:///run/redis.sock", "\n  redis:" },
        { "PG_HOST=h", "\n  postgres:" },
        { "POSTGRES_HOST=/var/run/postgresql", "\n  postgres:" },
        { "DATABASE_DSN=host=h port=5432 user=u password='geheim x' dbname=d", "\n  postgres:" },
        { "DATABASE_DSN=u:geheim@tcp(h:3306)/d?parseTime=true", "\n  mysql:" },
        { "DB_DSN=mysql:host=h;port=3307;dbname=d;user=u", "\n  mysql:" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zero z = ZERO(cases[i].var);
        CHECK_TEXT(z.text, "");
        CHECK_INT(z.probes, HOST + 1);
        if (!strstr(z.dump, cases[i].probe))
            CHECK_TEXT(z.dump, cases[i].var);
        CHECK(!strstr(z.dump, "geheim"));
        end(&z);
    }
    GIVES(ZERO("DB_HOST=h", "DB_TYPE=postgresql"), 1, "\n  postgres:");
    GIVES(ZERO("DB_HOST=h", "DB_PORT=3306", "DB_USER=u"), 1, "\n  mysql:");
    refuses(ZERO("DB_HOST=h"), "environment variable DB_HOST: error: neither DB_TYPE nor DB_PORT says what it is");
}

TEST(one_target_is_one_probe)
{
    GIVES(ZERO("DATABASE_URL=postgres://u:geheim@Db.local/app", "POSTGRES_HOST=db.local", "PG_HOST=db.local", "PG_PORT=5432"), 1, "postgres:");
    GIVES(ZERO("DATABASE_URL=postgres://h/a", "POSTGRES_URL=postgres://h/b"), 2, "\n  postgres-postgres:");
    GIVES(ZERO("REDIS_URL=redis://h/0", "DATABASE_URL=redis://h:6379/1"), 1, "\n  redis:");
    GIVES(ZERO("DATABASE_URL=postgres://h/a", "POSTGRES_URL=postgres://h:5433/a"), 2, "\n  postgres-postgres:");
}

TEST(what_contradicts_itself_is_named_and_never_shown)
{
    refuses(ZERO("POSTGRES_URL=mysql://u:geheim@h"), "environment variable POSTGRES_URL: error: the variable says postgres, but its scheme says mysql");
    refuses(ZERO("DATABASE_URL=postgres://u:geheim@a", "DATABASE_HOST=b"), "environment variable DATABASE_HOST: error: contradicts DATABASE_URL");
    refuses(ZERO("DATABASE_URL=postgres://u:geheim@a", "DATABASE_TYPE=mysql"), "the variable says mysql, but its scheme says postgres");
    refuses(ZERO("POSTGRES_HOST=a", "POSTGRES_TYPE=redis"), "environment variable POSTGRES_TYPE: error:");
    refuses(ZERO("DATABASE_URL=geheim"), "environment variable DATABASE_URL: error: its value cannot be understood");
    refuses(ZERO("DATABASE_URL=postgres://u:geheim@h:999999/"), "its value cannot be understood: the port");
    refuses(ZERO("DB_HOST=a,b", "DB_PORT=5432"), "environment variable DB_HOST: error: its value cannot be understood: several hosts");
    refuses(ZERO("DB_HOST=a", "DB_PORT=geheim"), "environment variable DB_PORT: error: its value is not a port");
    refuses(ZERO("DB_HOST=a:1", "DB_PORT=5432"), "environment variable DB_PORT: error: contradicts DB_HOST");
    refuses(ZERO("REDIS_URL=redis://a:6379", "REDIS_HOST=a", "REDIS_PORT=6380"), "environment variable REDIS_PORT: error: contradicts REDIS_URL");
    refuses(ZERO("DB_URL=postgres://a", "DB_DSN=postgres://b"), "environment variable DB_DSN: error: contradicts DB_URL");
    refuses(ZERO("DB_URL=postgres://a", "DB_URL_FILE=/x"), "DB_URL_FILE is set as well");
    refuses(ZERO("DB_URL_FILE=/nonexistent/url"), "environment variable DB_URL_FILE: error: cannot open");
}

TEST(stores_that_we_cannot_check_are_warned_about)
{
    struct zero z = ZERO("DATABASE_URL=mongodb://u:geheim@h/d"), y = ZERO("DB_HOST=h", "DB_TYPE=sqlserver");
    CHECK(z.good && strstr(z.text, "environment variable DATABASE_URL: warning:") && !strstr(z.text, "geheim"));
    CHECK(y.good && strstr(y.text, "environment variable DB_TYPE: warning:"));
    end(&z);
    end(&y);
}

/* ---- the tree itself, for a type that is installed ------------------------------------------------------------ */

#include "base/secret.h"
#include "config/build.h"
#include "config/env.h"
#include "config/tree.h"

static const struct node *options(struct arena *a, struct diag *d, const char *name, const char *type)
{
    struct environment env = { .arena = a };
    return map_find(map_find(map_find(env_tree(a, a, &env, d), "probes"), name) , type);
}

TEST(passwords_stand_apart_from_urls)
{
    struct arena *a = arena_new();
    struct diag d = { 0 };
    clearenv();
    setenv("DATABASE_URL", "postgresql+psycopg://a%40b:ge%23heim@h/d%2Fx?sslmode=require&password=other", 1);
    const struct node *o = options(a, &d, "postgres", "postgres");
    CHECK_TEXT(map_find(o, "url")->text, "postgres://a%40b@h/d%2Fx?sslmode=require");
    CHECK_TEXT(map_find(o, "password")->text, "ge#heim");
    clearenv();
    setenv("REDIS_HOST", "[::1]", 1);
    setenv("REDIS_PASSWORD", "x${y}", 1);
    setenv("REDIS_PORT", "7000", 1);
    setenv("REDIS_DB", "3", 1);
    o = options(a, &d, "redis", "redis");
    CHECK_TEXT(map_find(o, "url")->text, "redis://[::1]:7000/");
    CHECK_TEXT(map_find(map_find(o, "password"), "env")->text, "REDIS_PASSWORD");
    CHECK(!map_find(o, "database")->quoted);     /* a number */
    clearenv();
    setenv("MYSQL_HOST", "h", 1);
    setenv("MYSQL_USER", "u", 1);
    setenv("MYSQL_DB", "d", 1);
    setenv("MYSQL_PASSWORD_FILE", "/run/secrets/db", 1);
    o = options(a, &d, "mysql", "mysql");
    CHECK_TEXT(map_find(o, "url")->text, "mysql://h/");
    CHECK_TEXT(map_find(o, "user")->text, "u");
    CHECK_TEXT(map_find(o, "user")->place.file, "environment variable MYSQL_USER");
    CHECK_TEXT(map_find(o, "database")->text, "d");
    CHECK_TEXT(map_find(o, "password")->place.file, "environment variable MYSQL_PASSWORD_FILE");
    CHECK_TEXT(map_find(map_find(o, "password"), "file")->text, "/run/secrets/db");
    clearenv();
    setenv("PG_HOST", "/var/run/postgresql", 1);
    o = options(a, &d, "postgres", "postgres");
    CHECK_TEXT(map_find(o, "url")->text, "postgres://%2Fvar%2Frun%2Fpostgresql/");
    clearenv();
    setenv("REDIS_URL", "rediss://h", 1);
    CHECK_TEXT(map_find(options(a, &d, "redis", "redis"), "url")->text, "rediss://h/");
    CHECK_INT(d.count, 0);
    arena_free(a);
}

TEST(files_hold_urls_too)
{
    const char *path = temp_file("postgres://u:geheim@h/d\n");
    struct arena *a = arena_new();
    struct diag d = { 0 };
    clearenv();
    setenv("DATABASE_URL_FILE", path, 1);
    const struct node *o = options(a, &d, "postgres", "postgres");
    CHECK_TEXT(map_find(o, "url")->text, "postgres://u@h/d");
    CHECK_TEXT(map_find(o, "password")->text, "geheim");
    CHECK_TEXT(map_find(o, "url")->place.file, "environment variable DATABASE_URL_FILE");
    unlink(path);
    arena_free(a);
    diag_free(&d);
}

TEST(sockets_and_bare_addresses)
{
    static const struct { const char *name, *value, *type, *url; } cases[] = {
        { "DATABASE_URL", "postgresql:///d?host=/run/postgresql&user=u&sslmode=disable", "postgres", "postgres://u@%2Frun%2Fpostgresql/d?sslmode=disable" },
        { "REDIS_HOST", "2001:db8::1", "redis", "redis://[2001:db8::1]/" },
        { "REDIS_HOST", "10.0.0.1", "redis", "redis://10.0.0.1/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new();
        struct diag d = { 0 };
        clearenv();
        setenv(cases[i].name, cases[i].value, 1);
        CHECK_TEXT(map_find(options(a, &d, cases[i].type, cases[i].type), "url")->text, cases[i].url);
        CHECK_INT(d.count, 0);
        arena_free(a);
    }
}

TEST(words_for_another_client_of_redis_are_left_out)
{
    struct arena *a = arena_new();
    struct diag d = { 0 };
    clearenv();
    setenv("REDIS_URL", "rediss://:geheim@h:6379/0?ssl_cert_reqs=CERT_NONE", 1);
    CHECK_TEXT(map_find(options(a, &d, "redis", "redis"), "url")->text, "rediss://h:6379/0");
    char *text = findings(&d);
    CHECK(strstr(text, "environment variable REDIS_URL: warning: what follows the ? is for the application's client"));
    mem_free(text);
    arena_free(a);
    diag_free(&d);
}

TEST(data_source_names_that_cannot_be_read)
{
    static const struct { const char *var, *finding; } cases[] = {
        { "DB_DSN=just words", "environment variable DB_DSN: error: its value cannot be understood: expected a URL, or key=value words (the value is not shown, it may hold a password)" },
        { "DB_DSN==h", "expected a URL, or key=value words" },
        { "DB_DSN=host=h password='geheim", "its value cannot be understood: a quote is never closed" },
        { "DB_DSN=u:geheim(h", "expected a URL, key=value words, or user:password@tcp(host:port)/name" },
        { "DB_DSN=u:geheim@tcp(h)", "expected a URL, key=value words, or user:password@tcp(host:port)/name" },
        { "DB_DSN=user=geheim", "its value cannot be understood: there is no host in it" },
        { "PG_DSN=u:geheim@tcp(h)/d", "environment variable PG_DSN: error: the variable says postgres, but its value is for mysql: they contradict each other" },
        { "DATABASE_URL=postgres:///d?user=u", "its value cannot be understood: there is no host in it" },
        { "DB_HOST=localhost:65536", "environment variable DB_HOST: error: its value cannot be understood: the port" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(ZERO(cases[i].var), cases[i].finding);
    refuses(ZERO("DB_HOST=h", "DB_PORT=1234"), "neither DB_TYPE nor DB_PORT says what it is");
    refuses(ZERO("DB_HOST=h", "DB_PORT=012"), "its value is not a port from 1 to 65535");
    refuses(ZERO("DB_HOST=h", "DB_PORT=123456"), "its value is not a port from 1 to 65535");
    refuses(ZERO("DB_HOST=h", "DB_PORT=x"), "its value is not a port from 1 to 65535");
    refuses(ZERO("DB_URL=postgres://h", "DB_HOST=a b"), "environment variable DB_HOST: error: its value cannot be understood");
    refuses(ZERO("DB_URL=postgres://h", "DB_HOST=h", "DB_PORT=99999"), "environment variable DB_PORT: error: its value is not a port");
    refuses(ZERO("DB_URL=postgres://h", "DB_HOST=/run/postgresql"), "environment variable DB_HOST: error: contradicts DB_URL");
    refuses(ZERO("DB_URL=postgres://h", "DB_HOST=h:5433"), "environment variable DB_PORT: error: contradicts DB_URL");
}

TEST(what_says_the_same_twice_is_no_contradiction)
{
    GIVES(ZERO("DB_URL=postgres://h", "DB_DSN=postgres://h"), 1, "\n  postgres:");
    GIVES(ZERO("DB_URL=postgres://h", "DB_HOST=tcp://h"), 1, "\n  postgres:");
    GIVES(ZERO("DB_URL=postgres://h", "DB_HOST=h", "DB_PORT=5432"), 1, "\n  postgres:");
    GIVES(ZERO("DB_URL=postgres://h", "DB_HOST=h:5432"), 1, "\n  postgres:");
    GIVES(ZERO("POSTGRES_URL=postgres://h", "POSTGRES_TYPE=postgres"), 1, "\n  postgres:");
    GIVES(ZERO("DB_HOST=h:5432", "DB_PORT=5432"), 1, "\n  postgres:");
    GIVES(ZERO("DB_URL=postgres:///d?host=/run/postgresql", "DB_HOST=/run/postgresql"), 1, "\n  postgres:");
}

TEST(one_store_of_two_families_has_what_either_says)
{
    GIVES(ZERO("DATABASE_URL=postgres://h", "POSTGRES_URL=postgres://u:geheim@h/d"), 1, "\n  postgres:");
    GIVES(ZERO("DATABASE_URL=postgres://u@h", "POSTGRES_HOST=h", "POSTGRES_USER=u", "POSTGRES_PASSWORD=geheim", "POSTGRES_DB=d"), 1, "\n  postgres:");
    GIVES(ZERO("DATABASE_URL=postgres://h", "POSTGRES_HOST=h", "POSTGRES_USER=u"), 1, "\n  postgres:");
    GIVES(ZERO("DATABASE_URL=postgres:///d?host=/a", "POSTGRES_URL=postgres:///d?host=/b"), 2, "\n  postgres-postgres:");
    GIVES(ZERO("DATABASE_URL=postgres://h", "MYSQL_URL=mysql://u@h:5432"), 2, "\n  mysql:");
    warns(ZERO("DATABASE_URL=postgres://a@h", "POSTGRES_URL=postgres://b@h"), "environment variable POSTGRES_URL: warning: announces the same store as DATABASE_URL with another user: DATABASE_URL is used");
    warns(ZERO("DATABASE_URL=postgres://a:geheim@h", "POSTGRES_URL=postgres://a:geheim2@h"), "environment variable POSTGRES_URL: warning: is not used: DATABASE_URL announces the store, with another password");
    warns(ZERO("DATABASE_URL=postgres://h", "DB_PASSWORD=geheim"), "environment variable DB_PASSWORD: warning: is not used: DATABASE_URL announces the store, with no password");
    warns(ZERO("DATABASE_URL=postgres://h", "DB_USER=a"), "environment variable DB_USER: warning: is not used: DATABASE_URL announces the store, with no user");
}

TEST(a_password_in_a_file_is_compared_by_what_it_holds)
{
    const char *path = temp_file("geheim\n");
    char file[64], again[64];
    snprintf(file, sizeof file, "DATABASE_PASSWORD_FILE=%s", path);
    snprintf(again, sizeof again, "DB_PASSWORD_FILE=%s", path);
    warns(ZERO("DATABASE_URL=postgres://a:geheim@h", file), NULL);
    warns(ZERO("DATABASE_URL=postgres://a:other@h", file), "environment variable DATABASE_PASSWORD_FILE: warning: is not used: DATABASE_URL announces the store, with another password");
    warns(ZERO("DATABASE_HOST=h", "DATABASE_PORT=5432", file, "DB_PASSWORD=geheim2"), "environment variable DB_PASSWORD: warning: is not used");
    warns(ZERO("DATABASE_URL=postgres://a:geheim@h", again), NULL);
    unlink(path);
}

TEST(forms_of_addresses)
{
    static const struct { const char *name, *value, *type, *url; } cases[] = {
        { "DB_DSN", "host=/run/postgresql", "postgres", "postgres://%2Frun%2Fpostgresql/" },
        { "DB_DSN", "postgres://h/d", "postgres", "postgres://h/d" },
        { "PG_DSN", "host=h", "postgres", "postgres://h/" },
        { "DB_DSN", "host=h nosuch=x; port=5433", "postgres", "postgres://h:5433/" },
        { "DB_DSN", "mysql:unix_socket=/run/m.sock;user=u", "mysql", "mysql://u@%2Frun%2Fm.sock/" },
        { "DB_DSN", "u@unix(/run/m.sock)/d?charset=utf8", "mysql", "mysql://u@%2Frun%2Fm.sock/d" },
        { "DB_DSN", "u:a=b@tcp(h)/d", "mysql", "mysql://u@h/d" },
        { "DB_DSN", "u:a=b@unix(/s)/d", "mysql", "mysql://u@%2Fs/d" },
        { "MYSQL_URL", "mysql://a%7Bb-c_d~1@h", "mysql", "mysql://a%7Bb-c_d~1@h/" },
        { "DB_URL", "postgres://h/?a=1&&username=x&host=/s&b=2", "postgres", "postgres://h/?a=1&username=x&host=/s&b=2" },
        { "DB_URL", "postgres:///d?host=/s&userx=1&hostx=2&passwords=3&user&password=", "postgres", "postgres://%2Fs/d?userx=1&hostx=2&passwords=3" },
        { "DB_URL", "postgres:///d?host=/s&host=/t", "postgres", "postgres://%2Fs/d" },
        { "DB_URL", "postgres://h/?user=u", "postgres", "postgres://u@h/" },
        { "DB_URL", "postgres://h/d%00x", "postgres", "postgres://h/" },
        { "REDIS_URL", "valkeys://h", "redis", "rediss://h/" },
        { "REDIS_HOST", "redis://h:1", "redis", "redis://h:1/" },
        { "REDIS_HOST", "h:1", "redis", "redis://h:1/" },
        { "REDIS_HOST", "unix:/run/r.sock", "redis", "redis://%2Frun%2Fr.sock/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new();
        struct diag d = { 0 };
        clearenv();
        setenv(cases[i].name, cases[i].value, 1);
        const struct node *o = options(a, &d, cases[i].type, cases[i].type);
        char *said = findings(&d);
        if (!o || *said)
            fprintf(stderr, "%s: %s\n", cases[i].value, said);
        CHECK_TEXT(o ? map_find(o, "url")->text : "", cases[i].url);
        mem_free(said);
        diag_free(&d);
        arena_free(a);
    }
}

TEST(another_protocol_of_redis_is_not_redis)
{
    warns(ZERO("REDIS_URL=redis+sentinel://h"), "announces a store with the scheme `redis+sentinel`, for which there is no probe: it is not checked");
    warns(ZERO("DB_URL=unix:/run/x.sock"), "announces a store with the scheme `unix`, for which there is no probe: it is not checked");
    warns(ZERO("REDIS_URL=redis+tls://h", "REDIS_TYPE=redis+sentinel"), "for which there is no probe");
}
