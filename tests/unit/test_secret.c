#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/secret.h"

static char dir[] = "/tmp/vitald-test-secret-XXXXXX";
static char path[PATH_MAX];

static const char *make_file(const char *bytes, size_t len)
{
    if (!*path && !mkdtemp(dir))
        abort();
    snprintf(path, sizeof path, "%s/token", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK_INT(write(fd, bytes, len), (long long)len);
    close(fd);
    return path;
}

static void remove_file(void)
{
    unlink(path);
    rmdir(dir);
}

TEST(a_file_loses_one_newline)
{
    static const struct { const char *bytes, *value; } rows[] = {
        { "hunter2", "hunter2" }, { "hunter2\n", "hunter2" }, { "hunter2\r\n", "hunter2" }, { "hunter2\n\n", "hunter2\n" },
        { " two words ", " two words " }, { "cr\r", "cr\r" },
    };
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vital_secret s = { .source = SECRET_FILE, .origin = make_file(rows[i].bytes, strlen(rows[i].bytes)) };
        CHECK_TEXT(secret_load(&s, a), NULL);
        CHECK_TEXT(s.value, rows[i].value);
        CHECK_INT(s.len, strlen(rows[i].value));
        secret_free(&s);
    }
    remove_file();
    arena_free(a);
}

static void check_refused(struct arena *a, const char *bytes, size_t len, const char *because)
{
    struct vital_secret s = { .source = SECRET_FILE, .origin = make_file("before", 6) };
    CHECK_TEXT(secret_load(&s, a), NULL);
    make_file(bytes, len);
    const char *error = secret_load(&s, a);
    CHECK(error && strstr(error, because) && strstr(error, path));
    CHECK_TEXT(s.value, "before");
    secret_free(&s);
}

TEST(a_bad_file_is_named_and_the_old_value_stays)
{
    static char large[SECRET_MAX + 3];
    struct arena *a = arena_new();
    memset(large, 'x', sizeof large);
    check_refused(a, "", 0, "empty");
    check_refused(a, "\n", 1, "empty");
    check_refused(a, "a\0b", 3, "NUL");
    check_refused(a, large, SECRET_MAX + 1, "larger");
    check_refused(a, large, SECRET_MAX + 3, "larger");
    large[SECRET_MAX] = '\r';
    large[SECRET_MAX + 1] = '\n';
    struct vital_secret s = { .source = SECRET_FILE, .origin = make_file(large, SECRET_MAX + 2) };
    CHECK_TEXT(secret_load(&s, a), NULL);
    CHECK_INT(s.len, SECRET_MAX);
    unlink(path);
    const char *error = secret_load(&s, a);
    CHECK(error && strstr(error, "No such file"));
    CHECK_INT(mkfifo(path, 0600), 0);
    error = secret_load(&s, a);
    CHECK(error && strstr(error, "not a regular file"));
    secret_free(&s);
    remove_file();
    arena_free(a);
}

TEST(from_the_environment)
{
    struct arena *a = arena_new();
    struct vital_secret s = { .source = SECRET_ENV, .origin = "VITALD_TEST_TOKEN" };
    unsetenv("VITALD_TEST_TOKEN");
    const char *error = secret_load(&s, a);
    CHECK(error && strstr(error, "VITALD_TEST_TOKEN is not set"));
    CHECK_TEXT(s.value, "");
    setenv("VITALD_TEST_TOKEN", "abc\n", 1);
    CHECK_TEXT(secret_load(&s, a), NULL);
    CHECK_TEXT(s.value, "abc\n");
    secret_free(&s);
    arena_free(a);
}

TEST(from_a_credential)
{
    static const char *const bad[] = { "", "a/b", ".", "..", "../token" };
    struct arena *a = arena_new();
    struct vital_secret s = { .source = SECRET_CREDENTIAL, .origin = "token" };
    make_file("cred\n", 5);
    unsetenv("CREDENTIALS_DIRECTORY");
    const char *error = secret_load(&s, a);
    CHECK(error && strstr(error, "LoadCredential=token"));
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    CHECK_TEXT(secret_load(&s, a), NULL);
    CHECK_TEXT(s.value, "cred");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s.origin = bad[i];
        error = secret_load(&s, a);
        CHECK(error && strstr(error, "not a credential's name"));
    }
    secret_free(&s);
    remove_file();
    arena_free(a);
}

static struct vital_secret literal(const char *value)
{
    struct vital_secret s = { .source = SECRET_LITERAL };
    secret_set(&s, value, strlen(value));
    return s;
}

TEST(equal_means_source_and_value)
{
    struct vital_secret a = literal("abcd"), b = literal("abcd"), c = literal("abce"), d = literal("abc");
    CHECK_TEXT(secret_load(&a, NULL), NULL);
    CHECK(secret_equal(&a, &b));
    CHECK(!secret_equal(&a, &c));
    CHECK(!secret_equal(&a, &d));
    b.source = SECRET_ENV;
    b.origin = "X";
    CHECK(!secret_equal(&a, &b));
    a.source = SECRET_ENV;
    a.origin = "Y";
    CHECK(!secret_equal(&a, &b));
    a.origin = "X";
    CHECK(secret_equal(&a, &b));
    secret_free(&a);
    secret_free(&b);
    secret_free(&c);
    secret_free(&d);
}

TEST(scrubbing_leaves_no_trace)
{
    static const struct { const char *value, *text, *clean; } rows[] = {
        { "hunter2", "password hunter2 refused, hunter2!", "password *** refused, ***!" },
        { "hunter2", "hunter2", "***" },
        { "hunter2", "hunter2hunter2", "******" },
        { "hunter2", "hunter", "hunter" },
        { "hunter2", "", "" },
        { "aaaa", "aaaaaaa", "***aaa" },
        { "****", "********", "******" },
        { "abc", "abc", "abc" },
        { "", "abc", "abc" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64] = { 0 };
        struct vital_secret s = literal(rows[i].value);
        strcpy(text, rows[i].text);
        secret_scrub(&s, text);
        CHECK_TEXT(text, rows[i].clean);
        CHECK(s.len < 4 || s.value[0] == '*' || !memmem(text, sizeof text, s.value, s.len)); /* nor behind the end */
        secret_free(&s);
    }
}

TEST(exposed_means_that_everybody_gets_to_it)
{
    struct vital_secret s = { .source = SECRET_FILE, .origin = make_file("x", 1) };
    CHECK(!secret_is_exposed(&s));
    chmod(path, 0644);
    CHECK(!secret_is_exposed(&s)); /* mkdtemp's directory is 0700 */
    chmod(dir, 0711);
    CHECK(secret_is_exposed(&s));
    s.source = SECRET_ENV;
    CHECK(!secret_is_exposed(&s));
    remove_file();
    CHECK(!secret_is_exposed(&s));
}
