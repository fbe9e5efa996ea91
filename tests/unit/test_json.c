#include "unit.h"

#include <dlfcn.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

/* ---- writer ---- */

TEST(writes_commas_keys_and_nesting)
{
    struct buf out = BUF(4096);
    struct json j = JSON(&out);
    json_open_object(&j, NULL);
    json_text(&j, "name", "db");
    json_open_array(&j, "list");
    json_int(&j, NULL, -1);
    json_bool(&j, NULL, true);
    json_open_object(&j, NULL);
    json_close_object(&j);
    json_open_array(&j, NULL);
    json_close_array(&j);
    json_close_array(&j);
    json_text(&j, "none", NULL);
    json_null(&j, "null");
    json_raw(&j, "raw", "{}");
    json_time(&j, "never", TIME_NEVER);
    json_time(&j, "zero", 0);
    json_time(&j, "then", UINT64_C(1795198147123000));
    json_close_object(&j);
    CHECK_TEXT(out.data, "{\"name\":\"db\",\"list\":[-1,true,{},[]],\"none\":null,\"null\":null,\"raw\":{},\"never\":null,"
                         "\"zero\":null,\"then\":\"2026-11-20T18:09:07.123Z\"}");
    buf_free(&out);
}

static const char *written(struct buf *out, const char *text, size_t len)
{
    struct json j = JSON(out);
    buf_reset(out);
    json_text_n(&j, NULL, text, len);
    return out->data;
}

TEST(text_is_escaped_and_repaired)
{
    struct buf out = BUF(4096);
    CHECK_TEXT(written(&out, "a\"b\\c\n\r\t\b\f\x01\x7f", 12), "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u007f\"");
    CHECK_TEXT(written(&out, "</script>&", 10), "\"\\u003c/script\\u003e\\u0026\"");
    CHECK_TEXT(written(&out, "a\0b", 3), "\"a\\u0000b\"");
    CHECK_TEXT(written(&out, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    CHECK_TEXT(written(&out, "\xe2\x80\xa8\xe2\x80\xa9", 6), "\"\\u2028\\u2029\"");
    CHECK_TEXT(written(&out, "x\xff\xc3", 3), "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
    CHECK_TEXT(written(&out, "\xed\xa0\x80", 3), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    CHECK_TEXT(written(&out, "\xc0\xaf", 2), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    buf_free(&out);
}

static const char *number(struct buf *out, double value)
{
    buf_reset(out);
    json_format_number(out, value);
    return out->data;
}

TEST(numbers_are_short_and_fixed)
{
    struct buf out = BUF(256);
    CHECK_TEXT(number(&out, 0), "0");
    CHECK_TEXT(number(&out, -0.0), "0");
    CHECK_TEXT(number(&out, -0.0000001), "0");
    CHECK_TEXT(number(&out, 0.1), "0.1");
    CHECK_TEXT(number(&out, -1.25), "-1.25");
    CHECK_TEXT(number(&out, 0.000001), "0.000001");
    CHECK_TEXT(number(&out, 2.0000004), "2");
    CHECK_TEXT(number(&out, 0.9999999), "1");
    CHECK_TEXT(number(&out, 1.050), "1.05");
    CHECK_TEXT(number(&out, 999999999999999), "999999999999999");
    CHECK_TEXT(number(&out, 1e15), "1.00000000000000e+15");
    CHECK_TEXT(number(&out, -1.7976931348623157e308), "-1.7976931348623157e+308");
    CHECK_TEXT(number(&out, (double)NAN), "null");
    CHECK_TEXT(number(&out, (double)INFINITY), "null");
    buf_free(&out);
}

/* ---- reader ---- */

static const char *check(const char *text, size_t *at, struct json_value *root)
{
    return json_check(text, strlen(text), at, root);
}

static const char *const accepted[] = {
    "{}", "[]", "0", "-0", "1.5e+3", "1E-2", "\"\"", "true", " null ", "[1,2,[3,{\"a\":[]}]]", "{\"a\":1,\"b\":{\"a\":1}}",
    "\"\\u0041\\ud83d\\ude00\\/\"", "\"\xf0\x9f\x98\x80\"", "123456789012345678901234567890", "1e-999", "[\"\x7f\"]",
    "\t\r\n [ ] ", "{\"\":0}", "-1.0", "[1e5]", "{\"a\\u0041\":1,\"aa\":2}", "\"\\u0000\"",
};
static const char *const refused[] = {
    "", " ", "{", "[", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "1.", ".5", "+1", "-", "1e", "1e+", "0x10",
    "tru", "True", "nul", "NaN", "Infinity", "'a'", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"",
    "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"a\nb\"", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "[1 2]", "1 2", "{} {}", "//x\n1",
    "\"\\", "\"\\u", "\"\\u1", "\"\\u123\x01\"", "\"\\ud800\\", "\"\\ud800\\u12\"", "\"\\ud800\\ue000\"", "-1e999",
    "\xef\xbb\xbf{}", "1e999", "[1]]", "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":2,\"\\u0061\":3}", "{\"a\" 1}", "[\"\\",
    "{1:2}", "{\"x\":{\"y\":1,\"y\":2}}", "\"\xf5\x80\x80\x80\"", "\"\\U0041\"", "--1", "1-", "\"\x1f\"", "[\x0b]", "\"\\",
};

TEST(accepts_what_is_json_and_nothing_else)
{
    size_t at;
    struct json_value root;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        const char *why = check(accepted[i], &at, &root);
        if (why)
            fprintf(stderr, "%s: %s\n", accepted[i], why);
        CHECK(!why);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *why = check(refused[i], &at, &root);
        if (!why)
            fprintf(stderr, "accepted: %s\n", refused[i]);
        CHECK(why);
        CHECK(at <= strlen(refused[i]));
    }
}

TEST(says_where)
{
    size_t at;
    struct json_value root;
    CHECK_TEXT(check("{\"a\":1,\"b\":2,\"\\u0061\":3}", &at, &root), "the same key twice in an object");
    CHECK_INT(at, 13);
    CHECK_TEXT(check("[1,x]", &at, &root), "a value is expected");
    CHECK_INT(at, 3);
}

static char *nested(size_t depth)
{
    char *text = malloc(2 * depth + 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

TEST(depth_and_number_length_are_bounded)
{
    size_t at;
    struct json_value root;
    char *good = nested(JSON_MAX_DEPTH), *deep = nested(JSON_MAX_DEPTH + 1), *silly = nested(1000000);
    CHECK(!check(good, &at, &root));
    CHECK_TEXT(check(deep, &at, &root), "nested too deeply");
    CHECK(check(silly, &at, &root));
    free(good);
    free(deep);
    free(silly);
    char digits[JSON_MAX_NUMBER + 2];
    memset(digits, '1', sizeof digits);
    digits[0] = '0';
    digits[1] = '.';
    CHECK_TEXT(json_check(digits, JSON_MAX_NUMBER, &at, &root), NULL);
    CHECK_TEXT(json_check(digits, JSON_MAX_NUMBER + 1, &at, &root), "a number is too long");
}

TEST(many_keys_are_checked_in_reasonable_time)
{
    enum { N = 200000 };
    struct buf out = BUF(64 << 20);
    struct json j = JSON(&out);
    size_t at;
    struct json_value root;
    char key[32];
    json_open_object(&j, NULL);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "key-%d", i * 7919 % N); /* 7919 and N have no common factor: all differ */
        json_int(&j, key, i);
    }
    json_close_object(&j);
    CHECK_TEXT(json_check(out.data, out.len, &at, &root), NULL);
    out.data[out.len - 1] = ',';
    buf_text(&out, "\"key-4711\":1}");
    CHECK_TEXT(json_check(out.data, out.len, &at, &root), "the same key twice in an object");
    CHECK_INT(at, out.len - 13);
    buf_free(&out);
}

TEST(walks_members_elements_and_pointers)
{
    static const char text[] = "{ \"a\\/b\" : [10, {\"x\":\"y\\n\\u00e4\"}, []], \"m~n\": {\"0\": false}, \"\": 5, \"k\\\"l\":-2.5e1 }";
    size_t at, cursor = 0, members = 0;
    struct json_value root, key, value, v;
    char room[16];
    CHECK_TEXT(check(text, &at, &root), NULL);
    CHECK_INT(root.kind, JSON_OBJECT);
    while (json_next(&root, &cursor, &key, &value))
        members++;
    CHECK_INT(members, 4);
    CHECK(!json_next(&root, &cursor, &key, &value));
    v = json_member(&root, "a/b");
    CHECK_INT(v.kind, JSON_ARRAY);
    CHECK(json_element(&v, 0).number == 10);
    CHECK_INT(json_element(&v, 2).kind, JSON_ARRAY);
    CHECK_INT(json_element(&v, 3).kind, JSON_NONE);
    CHECK_INT(json_element(&root, 0).kind, JSON_NONE);
    CHECK(json_member(&root, "k\"l").number == -25);
    CHECK_INT(json_member(&root, "k\\\"l").kind, JSON_NONE);
    CHECK_INT(json_member(&root, "nope").kind, JSON_NONE);
    v = json_pointer(&root, "/a~1b/1/x");
    CHECK_INT(v.kind, JSON_STRING);
    CHECK(json_string(&v, room, sizeof room));
    CHECK_TEXT(room, "y\n\xc3\xa4");
    CHECK(json_string(&v, room, 5));
    CHECK(!json_string(&v, room, 4));
    CHECK_INT(json_pointer(&root, "").kind, JSON_OBJECT);
    CHECK_INT(json_pointer(&root, "/").kind, JSON_NUMBER);
    CHECK_INT(json_pointer(&root, "/m~0n/0").kind, JSON_BOOL);
    static const char *const nowhere[] = { "a", "/a~1b/01", "/a~1b/-", "/a~1b/-1", "/a~1b/3", "/a~1b/0/0", "/m~0n/1", "/m~2n", "/m~", "/a~1b/" };
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        CHECK_INT(json_pointer(&root, nowhere[i]).kind, JSON_NONE);
}

TEST(a_string_with_a_nul_is_not_a_c_string)
{
    size_t at, cursor = 0;
    struct json_value root, key, value;
    char room[16];
    CHECK_TEXT(json_check("\"\\", 2, &at, &root), "unknown escape in a string");
    CHECK_TEXT(json_check("\"\\\0\"", 4, &at, &root), "unknown escape in a string");
    CHECK_TEXT(json_check("\"\\u00\0\0\"", 8, &at, &root), "four hexadecimal digits are expected behind \\u");
    CHECK_TEXT(check("1e999", &at, &root), "a number is too large");
    CHECK_TEXT(check("\"\\ud83d\\ude00\\u20ac\\u00e4z\"", &at, &root), NULL);
    CHECK(json_string(&root, room, sizeof room));
    CHECK_TEXT(room, "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa4z");
    CHECK(!json_next(&root, &cursor, &key, &value));
    CHECK_TEXT(check("5", &at, &root), NULL);
    CHECK(!json_string(&root, room, sizeof room));
    CHECK_INT(json_pointer(&root, "/a/b").kind, JSON_NONE);
    CHECK_TEXT(check("{\"b\":1,\"a\":{},\"b\":2,\"c\":3}", &at, &root), "the same key twice in an object");
    CHECK_INT(at, 14);
    CHECK_TEXT(check("[1]", &at, &root), NULL);
    CHECK_INT(json_pointer(&root, "/0000000001").kind, JSON_NONE);
    CHECK_INT(json_pointer(&root, "//").kind, JSON_NONE);
    CHECK_INT(json_pointer(&root, "/:").kind, JSON_NONE);
    CHECK_TEXT(check("\"a\\u0000b\"", &at, &root), NULL);
    CHECK(!json_string(&root, room, sizeof room));
}

/* ---- another parser as judge ---- */

/* Loaded by hand: its names and ours are the same. */
static struct {
    void *(*load)(const char *, size_t, size_t flags, void *error);
    void (*delete)(void *);
} jansson;

static bool jansson_open(void)
{
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    *(void **)&jansson.load = dlsym(library, "json_loadb");
    *(void **)&jansson.delete = dlsym(library, "json_delete");
    return jansson.load && jansson.delete;
}

/* It knows no NUL in a key: told apart, for we allow it. */
static bool jansson_accepts(const char *text, size_t len, bool *nul_key)
{
    enum { REJECT_DUPLICATES = 1, DECODE_ANY = 4, DECODE_INT_AS_REAL = 8, ALLOW_NUL = 16 };
    struct { int line, column, position; char source[80], text[160]; } error = { 0 };
    void *tree = jansson.load(text, len, REJECT_DUPLICATES | DECODE_ANY | DECODE_INT_AS_REAL | ALLOW_NUL, &error);
    *nul_key = !tree && strstr(error.text, "NUL byte in object key");
    if (tree)
        jansson.delete(tree);
    return tree;
}

static size_t mutate(char *text, size_t len, size_t room)
{
    static const char salt[] = "{}[]\",:\\u0123456789abcdefDd8.eE+-truefalsn \t\n/\x80\xc3\xe2\xf0\xff\x01";
    for (unsigned n = (unsigned)random() % 4 + 1; n > 0; n--) {
        size_t i = len ? (size_t)random() % len : 0;
        char c = salt[(size_t)random() % (sizeof salt - 1)];
        long what = random() % 3;
        if (what == 0 && len) {
            text[i] = c;
        } else if (what == 1 && len < room) {
            memmove(text + i + 1, text + i, len - i);
            text[i] = c;
            len++;
        } else if (len) {
            memmove(text + i, text + i + 1, len - i - 1);
            len--;
        }
    }
    return len;
}

TEST(agrees_with_jansson)
{
    enum { ROUNDS = 300000, COUNT = sizeof accepted / sizeof *accepted };
    unsigned both = 0;
    CHECK(jansson_open());
    if (!jansson.load)
        return;
    srandom(11);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[256];
        bool nul_key;
        struct json_value root;
        size_t at, len = strlen(accepted[i % COUNT]);
        memcpy(text, accepted[i % COUNT], len);
        if (i >= COUNT)
            len = mutate(text, len, sizeof text);
        bool theirs = jansson_accepts(text, len, &nul_key), ours = !json_check(text, len, &at, &root);
        both += ours;
        if (ours != theirs && !nul_key) {
            fprintf(stderr, "we %s, jansson does not: %.*s\n", ours ? "accept" : "refuse", (int)len, text);
            CHECK(ours == theirs);
            return;
        }
    }
    CHECK(both > ROUNDS / 100);
}
