/* Files of variables: the forms that docker compose and dotenv read, findings with their places, and what protects nothing. */
#include "unit.h"

#include "config_modules.h"

#include <sys/stat.h>

#include "config/environ.h"
#include "config/weak.h"

struct file {
    struct arena *arena;
    struct environment env;
    struct diag diag;
    char *said;
};

static struct file parse(const char *text)
{
    struct file f = { .arena = arena_new() };
    clearenv();
    f.env.arena = f.arena;
    environ_parse(&f.env, "env", arena_copy(f.arena, text), strlen(text), &f.diag);
    f.said = findings(&f.diag);
    return f;
}

static void end(struct file *f)
{
    mem_free(f->said);
    diag_free(&f->diag);
    arena_free(f->arena);
}

static void gives(const char *text, const char *value)
{
    struct file f = parse(text);
    CHECK_TEXT(f.said, "");
    CHECK_TEXT(environ_get(&f.env, "A"), value);
    end(&f);
}

static void says(const char *text, const char *finding)
{
    struct file f = parse(text);
    CHECK_TEXT(f.said, finding);
    end(&f);
}

TEST(values_are_what_dotenv_reads)
{
    static const struct { const char *text, *value; } forms[] = {
        { "A=x", "x" },
        { "A=x\n", "x" },
        { "A=x\r\nB=y\r\n", "x" },
        { "\xef\xbb\xbf" "A=x", "x" },
        { "  export\tA = x y \t\n", "x y" },
        { "exporter=1\nA=x", "x" },
        { "# A=y\n\n \t\nA=x", "x" },
        { "A=y\nA=x\n", "x" },
        { "A=", "" },
        { "A=  \n", "" },
        { "A=\nB=y", "" },
        { "A=x # why", "x" },
        { "A=x\t#why", "x" },
        { "A=x#y", "x#y" },
        { "A=#x", "#x" },
        { "A= # why", "" },
        { "A=x=y==", "x=y==" },
        { "A=it's", "it's" },
        { "A=p$w${B}$$", "p$w${B}$$" },
        { "A=C:\\new", "C:\\new" },
        { "A='x # y'", "x # y" },
        { "A=\"x # y\" # why", "x # y" },
        { "A='p$w\\n'", "p$w\\n" },
        { "A='it\\'s'", "it's" },
        { "A=\"a\\n\\t\\r\\\"b\\\" \\\\n \\$c \\d\"", "a\n\t\r\"b\" \\n $c \\d" },
        { "A=\"one\ntwo\"\nB=y", "one\ntwo" },
        { "A='one\r\ntwo'\n", "one\r\ntwo" },
        { "A=\"\"", "" },
        { "spring.x-y=1\nA=x", "x" },
        { "A=x\n  ", "x" },
        { "A=x\n\t# end", "x" },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        gives(forms[i].text, forms[i].value);
}

TEST(mistakes_have_a_place_and_never_a_value)
{
    says("A=1\nB\n", "env:2:2: error: not a NAME=value line\n");
    says("A=1\n  geheim horse=2", "env:2:10: error: not a NAME=value line\n");
    says("1A=x", "env:1:1: error: not a NAME=value line\n");
    says("=x", "env:1:1: error: not a NAME=value line\n");
    says("-A=x", "env:1:1: error: not a NAME=value line\n");
    says("A=\"x\\", "env:1:3: error: this quote is never closed: a quote inside of a value is written \\\" or \\'\n");
    says("A=\"one\ntwo\nB=x\n", "env:1:3: error: this quote is never closed: a quote inside of a value is written \\\" or \\'\n");
    says("A='x'y\nB=\"1\ntwo\" three\n",
         "env:1:6: error: something stands behind the closing quote: a quote inside of a value is written \\\" or \\'\n"
         "env:3:6: error: something stands behind the closing quote: a quote inside of a value is written \\\" or \\'\n");
    struct file f = parse("");
    char bytes[] = "A=1\nB=\0x\n";
    environ_parse(&f.env, "env", bytes, sizeof bytes - 1, &f.diag);
    CHECK_INT(f.diag.errors, 1);
    CHECK_INT(f.diag.items[0].place.line, 2);
    end(&f);
}

TEST(weak_passwords_are_named_by_their_variable)
{
    says("DB_PASSWORD=changeme\n", "env:1:1: warning: the password in DB_PASSWORD is a placeholder: whoever guesses gets in; set one that is random\n");
    says("\nexport DATABASE_URL=postgres://app:App@db/x\n",
         "env:2:8: warning: the password in DATABASE_URL is the user's own name: whoever guesses gets in; set one that is random\n");
    says("DB_PASSWORD=\"k8Jq-2vX9\"\nURL=redis://:k8Jq-2vX9@cache\nPLAIN=http://x:80/a@b\nDB_PASSWORD_FILE=/x\nDEBUG=test\n", "");
}

TEST(what_is_weak)
{
    static const struct { const char *password, *user, *why; } known[] = {
        { "", NULL, "is empty" },
        { "Password", NULL, "is one of the first that are tried" },
        { "postgres", "x", "is one of the first that are tried" },
        { "please-change-me-now", NULL, "is a placeholder" },
        { "<your password>", NULL, "is a placeholder" },
        { "example-value-1", NULL, "is a placeholder" },
        { "[set this one]", NULL, "is a placeholder" },
        { "<[a-k9v2q]", NULL, "is a placeholder" },
        { "<kX9-2vQ0", NULL, NULL },
        { "<>", NULL, "is shorter than 8 characters" },
        { "1234567890", NULL, "is a run of characters" },
        { "applications", "application", NULL },
        { "applicatiom", "application", NULL },
        { "application", "application", "is the user's own name" },
        { "aaaaaaaaaaaa", NULL, "is a run of characters" },
        { "123456789", NULL, "is a run of characters" },
        { "hgfedcba", NULL, "is a run of characters" },
        { "kX9-2v", NULL, "is shorter than 8 characters" },
        { "kX9-2vQ0", "k", NULL },
        { "correct horse", "application", NULL },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *why = weak_password(known[i].password, strlen(known[i].password), known[i].user, known[i].user ? strlen(known[i].user) : 0);
        CHECK_TEXT(why ? why : "", known[i].why ? known[i].why : "");
    }
}

static void permissions(const char *text, unsigned mode, const char *part)
{
    const char *path = temp_file(text);
    struct arena *a = arena_new();
    struct environment env = { .arena = a };
    struct diag d = { 0 };
    chmod(path, mode);
    environ_read(&env, path, &d);
    char *said = findings(&d);
    CHECK(!d.errors);
    if (part ? !strstr(said, part) : *said)
        CHECK_TEXT(said, part ? part : "");
    mem_free(said);
    diag_free(&d);
    arena_free(a);
    unlink(path);
}

TEST(files_with_secrets_belong_to_their_owner)
{
    permissions("DB_PASSWORD=kX9-2vQ0\n", 0600, NULL);
    permissions("DB_PASSWORD=kX9-2vQ0\n", 0400, NULL);
    permissions("DB_PASSWORD=kX9-2vQ0\n", 0644, "everybody on this host can read this file, which holds DB_PASSWORD: chmod 0600 it");
    permissions("DB_PASSWORD=kX9-2vQ0\n", 0640, "its group can read this file");
    permissions("X=redis://:kX9-2vQ0@c\n", 0620, "others than its owner can change this file, which holds X");
    permissions("LEVEL=info\n", 0666, NULL);
    struct arena *a = arena_new();
    struct environment env = { .arena = a };
    struct diag d = { 0 };
    environ_read(&env, "/dev/null", &d);
    CHECK_INT(d.count, 0);
    environ_read(&env, "/nonexistent/env", &d);
    environ_read(&env, "/", &d);
    char *said = findings(&d);
    CHECK_TEXT(said, "/nonexistent/env: error: No such file or directory\n/: error: Is a directory\n");
    mem_free(said);
    diag_free(&d);
    arena_free(a);
}

TEST(what_a_probe_logs_in_with)
{
    setenv("VITALD_T", "changeme", 1);
    struct loaded l = load_text("probes:\n"
                                "  a: { http: { url: 'http://joe:joe@x' } }\n"
                                "  b: { http: { url: 'http://x', bearer: { env: VITALD_T } } }\n"
                                "  c: { http: { url: 'http://joe:kX9-2vQ0@x', headers: { X-Kind: test } } }\n"
                                "  d: { meter: { db_user: joesmith, db_password: joesmith, key: changeme } }\n"
                                "  e: { meter: { db_user: other, login: { user: smithjoe, password: smithjoe } } }\n"
                                "  f: { meter: { db_password: qwerty, login: { user: me } } }\n");
    CHECK_TEXT(l.text, "");
    conf_lint(l.conf, &l.diag);
    char *said = findings(&l.diag);
    CHECK(strstr(said, "probe `d`: the password in `db_password` is the user's own name"));
    CHECK(strstr(said, "probe `e`: the password in `password` is the user's own name"));
    CHECK(strstr(said, "probe `f`: the password in `db_password` is one of the first that are tried"));
    CHECK(strstr(said, "warning: probe `a`: the password in `url` is the user's own name"));
    CHECK(strstr(said, "warning: probe `b`: the password in `bearer` (environment variable VITALD_T) is a placeholder"));
    CHECK(!strstr(said, "probe `c`: the password"));
    CHECK(!strstr(said, "changeme"));
    mem_free(said);
    unload(&l);
}

/* ---- filling in ----------------------------------------------------------------------------------------------- */

TEST(variables_are_filled_in_or_explained)
{
    static const struct { const char *written, *value, *finding; } forms[] = {
        { "${VITALD_T}", "7s", NULL },
        { "${VITALD_T:-9s}", "7s", NULL },
        { "${VITALD_E:-9s}", "9s", NULL },
        { "${VITALD_U:-9s}", "9s", NULL },
        { "${VITALD_T:?set it}", "7s", NULL },
        { "${VITALD_U:?set it}", NULL, "error: environment variable VITALD_U is not set: set it" },
        { "${VITALD_E:?}", NULL, "error: environment variable VITALD_E is empty: it is required" },
        { "${VITALD_U}", NULL, "VITALD_U is not set" },
        { "${VITALD_T:+x}", NULL, "`${VITALD_T:+x}` is not understood: write ${VITALD_T}, ${VITALD_T:-default} or ${VITALD_T:?message}" },
        { "${VITALD_T-}", NULL, "`${VITALD_T-}` is not understood" },
        { "${VITALD_T:}", NULL, "`${VITALD_T:}` is not understood" },
        { "${VITALD_T", NULL, "`${` is never closed: write $${ for the characters themselves" },
        { "${}", NULL, "`${` must be followed by a variable's name" },
        { "${1A}", NULL, "`${` must be followed by a variable's name" },
        { "${A234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345}",
          NULL, "`${` must be followed by a variable's name" },
    };
    setenv("VITALD_T", "7s", 1);
    setenv("VITALD_E", "", 1);
    unsetenv("VITALD_U");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[1024];
        snprintf(text, sizeof text, "probes: { a: { tcp: { address: 'x:1', send: '%s' } } }", forms[i].written);
        struct loaded l = load_text(text);
        const struct conf_probe *p = probe_named(l.conf, "a");
        CHECK_TEXT(p ? ((const struct tcp_conf *)p->options->data)->send : NULL, forms[i].value);
        if (forms[i].finding ? !strstr(l.text, forms[i].finding) : *l.text)
            CHECK_TEXT(l.text, forms[i].finding);
        unload(&l);
    }
}

TEST(what_grows_without_end_is_cut_off)
{
    char *big = mem_alloc(100001);
    memset(big, 'x', 100000);
    setenv("VITALD_T", big, 1);
    struct buf text = BUF(1 << 20);
    buf_text(&text, "probes: { a: { tcp: { address: 'x:1', send: '");
    for (unsigned i = 0; i < 20; i++)
        buf_text(&text, "${VITALD_T}");
    buf_text(&text, "' } } }");
    struct loaded l = load_text(text.data);
    CHECK(strstr(l.text, "KiB after its variables were filled in"));
    unload(&l);
    buf_free(&text);
    mem_free(big);
}

TEST(many_variables_are_all_found)
{
    struct buf text = BUF(1 << 20);
    char name[16], value[16];
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&text, "V%u=x%u\n", i, i);
    struct file f = parse(text.data);
    CHECK_TEXT(f.said, "");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "V%u", i);
        snprintf(value, sizeof value, "x%u", i);
        CHECK_TEXT(environ_get(&f.env, name), value);
    }
    end(&f);
    buf_free(&text);
}
