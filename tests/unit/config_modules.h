/* Probe types for the tests of config/: every option type is in one of them. Including this replaces the built-in list. */
#ifndef CONFIG_MODULES_TEST_H
#define CONFIG_MODULES_TEST_H

#include "config/conf.h"
#include "config/modules.h"

struct tcp_conf { const struct vital_url *address; const struct vital_tls *tls; const char *send; };
static const struct vital_opt tcp_opts[] = {
    VITAL_OPT(struct tcp_conf, address, ADDRESS, .flags = VITAL_REQUIRED | VITAL_TARGET | VITAL_BARE, .help = "where"),
    VITAL_OPT(struct tcp_conf, tls, TLS, .help = "TLS"),
    VITAL_OPT(struct tcp_conf, send, STRING, .help = "what is sent"),
    VITAL_OPT_END,
};

struct http_conf {
    const struct vital_url *url;
    const struct vital_tls *tls;
    struct vital_list status, headers;
    const struct vital_regex *body;
    const struct vital_secret *bearer;
    struct vital_threshold warn_above;
};
static const struct vital_opt http_opts[] = {
    VITAL_OPT(struct http_conf, url, URL, .flags = VITAL_REQUIRED | VITAL_TARGET | VITAL_BARE, .help = "where"),
    VITAL_OPT(struct http_conf, tls, TLS, .def = "auto", .help = "TLS"),
    VITAL_OPT(struct http_conf, status, RANGES, .def = "200-299", .min = 100, .max = 599, .help = "good ones"),
    VITAL_OPT(struct http_conf, headers, PAIRS, .help = "sent along"),
    VITAL_OPT(struct http_conf, body, REGEX, .help = "must match"),
    VITAL_OPT(struct http_conf, bearer, SECRET, .help = "token"),
    VITAL_OPT(struct http_conf, warn_above, THRESHOLD, .flags = VITAL_IN_TIME, .help = "too slow"),
    VITAL_OPT_END,
};

struct disk_conf { const char *path; struct vital_threshold warn_below, fail_below; uint64_t least; };
static const struct vital_opt disk_opts[] = {
    VITAL_OPT(struct disk_conf, path, STRING, .flags = VITAL_REQUIRED | VITAL_TARGET | VITAL_BARE | VITAL_PATHNAME, .help = "where"),
    VITAL_OPT(struct disk_conf, warn_below, THRESHOLD, .flags = VITAL_IN_BYTES | VITAL_PERCENT, .help = "warn"),
    VITAL_OPT(struct disk_conf, fail_below, THRESHOLD, .flags = VITAL_IN_BYTES | VITAL_PERCENT, .help = "fail"),
    VITAL_OPT(struct disk_conf, least, SIZE, .def = "1MiB", .help = "smallest"),
    VITAL_OPT_END,
};

struct memory_conf { uint8_t scope; struct vital_threshold fail_below; double factor; };
static const char *const memory_scopes[] = { "auto", "host", "cgroup", NULL };
static const struct vital_opt memory_opts[] = {
    VITAL_OPT(struct memory_conf, scope, WORD, .words = memory_scopes, .def = "auto", .help = "whose"),
    VITAL_OPT(struct memory_conf, fail_below, THRESHOLD, .flags = VITAL_IN_BYTES | VITAL_PERCENT, .help = "fail"),
    VITAL_OPT(struct memory_conf, factor, NUMBER, .def = "1.5", .min = 0, .max = 10, .help = "a number"),
    VITAL_OPT_END,
};

struct exec_env { const char *dir; int64_t nice; };
struct exec_check { const char *name; int64_t code; };
struct exec_conf { struct vital_list command, checks; struct exec_env place; bool quiet; };
static const struct vital_opt exec_env_opts[] = {
    VITAL_OPT(struct exec_env, dir, STRING, .flags = VITAL_PATHNAME, .def = "/", .help = "directory"),
    VITAL_OPT(struct exec_env, nice, INT, .def = "0", .min = -20, .max = 19, .help = "niceness"),
    VITAL_OPT_END,
};
static const struct vital_opt exec_check_opts[] = {
    VITAL_OPT(struct exec_check, name, STRING, .flags = VITAL_REQUIRED | VITAL_BARE, .help = "name"),
    VITAL_OPT(struct exec_check, code, INT, .def = "0", .help = "code"),
    VITAL_OPT_END,
};
static const struct vital_opt exec_opts[] = {
    VITAL_OPT(struct exec_conf, command, STRINGS, .flags = VITAL_REQUIRED | VITAL_TARGET | VITAL_BARE, .min = 1, .max = 8, .help = "program and arguments"),
    VITAL_OPT(struct exec_conf, checks, BLOCKS, .rows = exec_check_opts, .row_size = sizeof(struct exec_check), .help = "checks"),
    VITAL_OPT_BLOCK(struct exec_conf, place, exec_env_opts, .help = "where it runs"),
    VITAL_OPT(struct exec_conf, quiet, BOOL, .def = "false", .help = "says nothing"),
    VITAL_OPT_END,
};

struct self_conf { uint64_t max_lag; };
static const struct vital_opt self_opts[] = {
    VITAL_OPT(struct self_conf, max_lag, DURATION, .def = "30s", .help = "lag"),
    VITAL_OPT_END,
};

struct meter_login { const char *user; const struct vital_secret *password; };
struct meter_conf {
    const char *says, *db_user;
    const struct vital_secret *key, *db_password;
    const struct vital_regex *match;
    struct vital_list codes, paths, steps;
    struct vital_threshold size_above, time_above, plain_above;
    struct meter_login login;
};
static const struct vital_opt meter_login_opts[] = {
    VITAL_OPT(struct meter_login, user, STRING, .also = "name", .help = "who"),
    VITAL_OPT(struct meter_login, password, SECRET, .help = "proof"),
    VITAL_OPT_END,
};
static const struct vital_opt meter_opts[] = {
    VITAL_OPT(struct meter_conf, says, STRING, .help = "what prepare() does"),
    VITAL_OPT(struct meter_conf, db_user, STRING, .help = "who"),
    VITAL_OPT(struct meter_conf, db_password, SECRET, .help = "proof"),
    VITAL_OPT(struct meter_conf, key, SECRET, .flags = VITAL_TARGET, .help = "a key"),
    VITAL_OPT(struct meter_conf, match, REGEX, .flags = VITAL_TARGET, .help = "a pattern"),
    VITAL_OPT(struct meter_conf, codes, RANGES, .def = "[1-2, 5]", .help = "ranges without bounds"),
    VITAL_OPT(struct meter_conf, paths, STRINGS, .flags = VITAL_TARGET | VITAL_PATHNAME, .help = "paths"),
    VITAL_OPT(struct meter_conf, steps, BLOCKS, .rows = exec_check_opts, .row_size = sizeof(struct exec_check), .min = 1, .max = 2, .help = "steps"),
    VITAL_OPT(struct meter_conf, size_above, THRESHOLD, .flags = VITAL_TARGET | VITAL_IN_BYTES | VITAL_PERCENT, .help = "bytes"),
    VITAL_OPT(struct meter_conf, time_above, THRESHOLD, .flags = VITAL_TARGET | VITAL_IN_TIME | VITAL_PERCENT, .help = "time"),
    VITAL_OPT(struct meter_conf, plain_above, THRESHOLD, .flags = VITAL_TARGET | VITAL_PERCENT, .help = "neither"),
    VITAL_OPT_BLOCK(struct meter_conf, login, meter_login_opts, .help = "login"),
    VITAL_OPT_END,
};
static const struct vital_number meter_numbers[] = {
    { .name = "level", .unit = "", .help = "how high" },
    { .name = "standby", .unit = "", .help = "whether it stands by" },
    { .name = NULL },
};

static void test_start(struct vital_probe *p)
{
    (void)p;
}

static bool exec_prepare(void *conf, struct vital_diag *d)
{
    const struct exec_conf *c = conf;
    if (c->command.count && strcmp(((const char *const *)c->command.items)[0], "forbidden") == 0) {
        d->error(d, "command", "this program is forbidden");
        return false;
    }
    return true;
}

static bool meter_prepare(void *conf, struct vital_diag *d)
{
    const char *says = ((struct meter_conf *)conf)->says;
    if (says && !strcmp(says, "warn"))
        d->warning(d, NULL, "prepare warns");
    if (says && !strcmp(says, "note"))
        d->note(d, "says", "prepare notes");
    if (says && !strcmp(says, "absent"))
        d->error(d, "match", "prepare misses this");
    return !says || (strcmp(says, "absent") != 0 && strcmp(says, "nothing") != 0);
}

static const char *meter_target(const void *conf, char *room, size_t size)
{
    const struct meter_conf *c = conf;
    if (!c->says)
        return NULL;
    snprintf(room, size, "the meter that says %s", c->says);
    return room;
}

#define TEST_MODULE(type, ...)                                                                                                     \
    static const struct vital_module type##_module = { VITAL_MODULE_HEAD, .name = #type, .summary = "for tests", .opts = type##_opts, \
                                                       .conf_size = sizeof(struct type##_conf), .start = test_start, __VA_ARGS__ }
TEST_MODULE(tcp, .outside = true);
TEST_MODULE(http, .outside = true);
TEST_MODULE(disk, .host_probe = true);
TEST_MODULE(memory, .host_probe = true);
TEST_MODULE(exec, .prepare = exec_prepare);
TEST_MODULE(self, .host_probe = false);
TEST_MODULE(meter, .prepare = meter_prepare, .numbers = meter_numbers, .target = meter_target);

const struct vital_module *const builtin_modules[] = { &tcp_module,    &http_module, &disk_module, &memory_module,
                                                       &exec_module, &self_module, &meter_module, NULL };

/* ---- helpers ------------------------------------------------------------------------------------------------ */

#include "base/buf.h"
#include "base/mem.h"

struct loaded {
    struct conf *conf;
    struct diag diag;
    char *text;            /* the findings */
};

/* Its name lives as long as the test. */
static inline const char *temp_file(const char *text)
{
    static char paths[8][32];
    static unsigned next;
    char *path = strcpy(paths[next++ % 8], "/tmp/vitald-test-XXXXXX.yaml");
    int fd = mkstemps(path, 5);
    FILE *f = fdopen(fd, "w");
    fputs(text, f);
    fclose(f);
    return path;
}

static inline char *findings(struct diag *d)
{
    struct buf out = BUF(1 << 20);
    diag_print(d, &out);
    return buf_take(&out);
}

static inline struct loaded load_files(const char *const *paths, unsigned count)
{
    struct loaded l = { 0 };
    l.conf = conf_load(&(struct conf_request){ .paths = paths, .path_count = count }, &l.diag);
    l.text = findings(&l.diag);
    return l;
}

static inline struct loaded load_text(const char *text)
{
    const char *path = temp_file(text);
    struct loaded l = load_files(&path, 1);
    unlink(path);
    return l;
}

static inline void unload(struct loaded *l)
{
    conf_free(l->conf);
    diag_free(&l->diag);
    mem_free(l->text);
}

static inline const struct conf_probe *probe_named(const struct conf *c, const char *name)
{
    for (uint32_t i = 0; c && i < c->probe_count; i++)
        if (!strcmp(c->probes[i].name, name))
            return &c->probes[i];
    return NULL;
}

static inline const struct conf_group *group_named(const struct conf *c, const char *name)
{
    for (uint32_t i = 0; c && i < c->group_count; i++)
        if (!strcmp(c->groups[i].name, name))
            return &c->groups[i];
    return NULL;
}

#endif
