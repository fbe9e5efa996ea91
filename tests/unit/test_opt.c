#include "unit.h"

#include "config_modules.h"

#include "base/clock.h"
#include "base/secret.h"
#include "base/tls_settings.h"
#include "config/opt.h"
#include "config/regex.h"
#include "config/scalar.h"
#include "config/tree.h"
#include "config/yaml.h"

struct all {
    bool truth;
    int64_t count;
    double number;
    uint64_t time, size;
    const char *text, *path;
    uint8_t word;
    const struct vital_secret *secret;
    const struct vital_url *url, *address;
    const struct vital_regex *regex;
    struct vital_list ranges, strings, words, pairs, blocks;
    struct vital_threshold below, above, slow, plain;
    const struct vital_tls *tls;
    struct exec_env block;
};

static const char *const colours[] = { "red", "green", "blue", NULL };
static const struct vital_opt rows[] = {
    VITAL_OPT(struct all, truth, BOOL, .help = "x"),
    VITAL_OPT(struct all, count, INT, .min = 1, .max = 100, .def = "7", .help = "x"),
    VITAL_OPT(struct all, number, NUMBER, .flags = VITAL_PERCENT, .max = 2, .help = "x"),
    VITAL_OPT(struct all, time, DURATION, .min = 1000, .max = 60000000, .def = "1s", .help = "x"),
    VITAL_OPT(struct all, size, SIZE, .min = 1024, .help = "x"),
    VITAL_OPT(struct all, text, STRING, .help = "x", .also = "words_of_others prose"),
    VITAL_OPT(struct all, path, STRING, .flags = VITAL_PATHNAME, .help = "x"),
    VITAL_OPT(struct all, word, WORD, .words = colours, .def = "green", .help = "x"),
    VITAL_OPT(struct all, secret, SECRET, .help = "x"),
    VITAL_OPT(struct all, url, URL, .flags = VITAL_TARGET, .help = "x"),
    VITAL_OPT(struct all, address, ADDRESS, .flags = VITAL_TARGET, .help = "x"),
    VITAL_OPT(struct all, regex, REGEX, .help = "x"),
    VITAL_OPT(struct all, ranges, RANGES, .min = 0, .max = 999, .def = "[200-299, 304]", .help = "x"),
    VITAL_OPT(struct all, strings, STRINGS, .max = 3, .help = "x"),
    VITAL_OPT(struct all, words, STRINGS, .words = colours, .help = "x"),
    VITAL_OPT(struct all, pairs, PAIRS, .help = "x"),
    VITAL_OPT(struct all, blocks, BLOCKS, .rows = exec_check_opts, .row_size = sizeof(struct exec_check), .help = "x"),
    VITAL_OPT_AS("free_below", struct all, below, THRESHOLD, .flags = VITAL_IN_BYTES | VITAL_PERCENT, .help = "x"),
    VITAL_OPT_AS("used_above", struct all, above, THRESHOLD, .flags = VITAL_PERCENT, .help = "x"),
    VITAL_OPT(struct all, slow, THRESHOLD, .flags = VITAL_IN_TIME, .help = "x"),
    VITAL_OPT(struct all, plain, THRESHOLD, .help = "x"),
    VITAL_OPT(struct all, tls, TLS, .def = "auto", .help = "x"),
    VITAL_OPT_BLOCK(struct all, block, exec_env_opts, .help = "x"),
    VITAL_OPT_END,
};

struct decoded {
    struct arena *arena;
    struct opt_scope scope;
    struct diag diag;
    struct all all;
    char *text;
    bool good;
};

static struct decoded decode(const char *yaml)
{
    static struct diag d; /* one test, one process */
    struct decoded r = { .arena = arena_new() };
    d = (struct diag){ 0 };
    r.scope = (struct opt_scope){ .arena = r.arena, .diag = &d };
    struct node *n = yaml_parse(r.arena, NULL, yaml, strlen(yaml), &d);
    r.good = n && opt_decode(&r.scope, n, "test", rows, &r.all);
    r.text = findings(&d);
    CHECK_INT(r.good, d.errors == 0);
    diag_free(&d);
    return r;
}

static void done(struct decoded *r)
{
    opt_release(rows, &r->all);
    opt_free_secrets(&r->scope);
    arena_free(r->arena);
    mem_free(r->text);
}

static void refuses(const char *yaml, const char *finding)
{
    struct decoded r = decode(yaml);
    if (!strstr(r.text, finding)) {
        fprintf(stderr, "for %s\n", yaml);
        CHECK_TEXT(r.text, finding);
    }
    done(&r);
}

TEST(absent_options_get_their_default)
{
    struct decoded r = decode("{}");
    CHECK_TEXT(r.text, "");
    CHECK_INT(r.all.count, 7);
    CHECK_INT(r.all.time, USEC_S);
    CHECK_INT(r.all.word, 1);
    CHECK_INT(r.all.ranges.count, 2);
    CHECK_INT(((const struct vital_range *)r.all.ranges.items)[1].low, 304);
    CHECK(!r.all.text && !r.all.url && !r.all.secret && !r.all.below.set);
    CHECK_TEXT(r.all.block.dir, "/");
    done(&r);
}

TEST(every_type_decodes)
{
    struct decoded r = decode("truth: true\ncount: 42\nnumber: 5%\ntime: 1m\nsize: 2KiB\ntext: on\npath: /x\nword: blue\nsecret: s3cret\n"
                              "url: http://Host/p?a=1\naddress: '[::1]:80'\nregex: a+b\nranges: 1,5-9\nstrings: [a, b]\nwords: red\n"
                              "pairs: { X-Key: v }\nblocks: [first, { name: second, code: 3 }]\nfree_below: { enter: 5%, leave: 7% }\n"
                              "used_above: 90%\nslow: 250ms\nplain: 0.5\nblock: { nice: -5 }\n");
    CHECK_TEXT(r.text, "");
    CHECK(r.all.truth);
    CHECK_INT(r.all.count, 42);
    CHECK(fabs(r.all.number - 0.05) < 1e-12);
    CHECK_INT(r.all.time, 60 * USEC_S);
    CHECK_INT(r.all.size, 2048);
    CHECK_TEXT(r.all.text, "on");
    CHECK_INT(r.all.word, 2);
    CHECK_TEXT(r.all.secret->value, "s3cret");
    CHECK_TEXT(r.all.url->host, "host");
    CHECK_TEXT(r.all.url->port, "80");
    CHECK_TEXT(r.all.url->path, "/p?a=1");
    CHECK_TEXT(r.all.address->host, "::1");
    CHECK_INT(regex_match(r.all.regex, "xaab", 4), REGEX_YES);
    CHECK_INT(((const struct vital_range *)r.all.ranges.items)[1].high, 9);
    CHECK_INT(r.all.strings.count, 2);
    CHECK_INT(r.all.words.count, 1);
    CHECK_TEXT(((const struct vital_pair *)r.all.pairs.items)[0].key, "X-Key");
    const struct exec_check *checks = r.all.blocks.items;
    CHECK_INT(r.all.blocks.count, 2);
    CHECK_TEXT(checks[0].name, "first");
    CHECK_INT(checks[1].code, 3);
    CHECK(r.all.below.percent && fabs(r.all.below.enter - 5) < 1e-9 && fabs(r.all.below.leave - 7) < 1e-9);
    CHECK(r.all.above.percent && fabs(r.all.above.leave - 90) < 1e-9);
    CHECK(!r.all.slow.percent && fabs(r.all.slow.enter - 250000) < 1e-9);
    CHECK_INT(r.all.block.nice, -5);
    done(&r);
}

TEST(what_is_wrong_with_a_value_is_explained)
{
    refuses("truth: yes", "1:8:error: `truth`: \"yes\": a truth value is written true or false; yes, no, on, off");
    refuses("truth: 'true'", "in quotes is text: remove the quotes");
    refuses("count: 0", "must be from 1 to 100");
    refuses("count: 010", "may not begin with 0");
    refuses("count: 0x10", "written in decimal");
    refuses("count: 1:30", "base 60");
    refuses("count: 1_000", "without '_'");
    refuses("count: 99999999999999999999", "too large");
    refuses("count: 1.5", "expected a whole number");
    refuses("count:", "has no value");
    refuses("number: 201%", "must be from");
    refuses("time: 10", "a duration needs a unit");
    refuses("time: 1:30", "like 1m30s; 1:30 is not accepted");
    refuses("time: 5s1m", "expected a duration");
    refuses("time: 2h", "must be from 1ms to 1m");
    refuses("size: 64", "a size needs a unit");
    refuses("size: 1KiB2B", "expected a size");
    refuses("size: 1B", "must be at least 1KiB");
    refuses("path: x", "absolute path");
    refuses("word: gren", "did you mean green?");
    refuses("words: [red, bleu]", "did you mean blue? (one of: red, green, blue)");
    refuses("url: nowhere", "not a URL");
    refuses("address: 'a b'", "not an address");
    refuses("regex: '('", "not a regular expression");
    refuses("ranges: 9-5", "from the lower to the higher");
    refuses("ranges: 1000", "outside of what makes sense");
    refuses("ranges: 5-x", "expected numbers and ranges");
    refuses("strings: [a, b, c, d]", "has 4 elements, must have");
    refuses("strings: [[a]]", "expected a list of text, not a list");
    refuses("pairs: [a]", "expected a map of names and values");
    refuses("blocks: [{ code: 1 }]", "needs `name`");
    refuses("blocks: [{ name: ~ }]", "1:10:error: blocks needs `name` (name)");
    refuses("blocks: [{ name: }]", "`name`: has no value: write one, or remove the line");
    refuses("blocks: [~]", "needs `name`");
    refuses("free_below: { enter: 7%, leave: 5% }", "`leave` must not be below `enter`");
    refuses("used_above: { enter: 80%, leave: 90% }", "`leave` must not be above `enter`");
    refuses("free_below: { enter: 5%, leave: 1GiB }", "must both be percentages");
    refuses("free_below: { enter: 5% }", "needs both");
    refuses("free_below: { enter: 5%, leave: 7%, x: 1 }", "has no option `x`");
    refuses("free_below: 7", "expected a size like 2GiB or a percentage");
    refuses("slow: 10%", "expected a duration");
    refuses("plain: 10%", "expected a number");
    refuses("tls: yes", "expected true, false, auto");
    refuses("tls: { cert: /x }", "needs both `cert` and `key`");
    refuses("tls: { min_version: 1.4 }", "must be one of: 1.0, 1.1, 1.2, 1.3");
    refuses("cuont: 1", "test has no option `cuont`: did you mean `count`?");
}

TEST(what_is_wrong_with_others_is_explained)
{
    refuses("prose: x", "test has no option `prose`: did you mean `text`?");
    refuses("words_of_others: x", "did you mean `text`?");
    refuses("words_of_other: x", "lists them");
    refuses("block: { nicer: 1 }", "did you mean `nice`?");
    refuses("secret: { file: /nonexistent/secret }", "/nonexistent/secret");
    refuses("secret: { env: VITALD_TEST_UNSET }", "VITALD_TEST_UNSET is not set");
    refuses("secret: {}", "exactly one of file, env, credential");
    refuses("secret: [a]", "expected a secret, not a list");
    refuses("number: [1]", "expected a number, not a list");
    refuses("number: '5'", "what stands in quotes is text");
    refuses("number: x", "`number`: \"x\": expected a number");
    refuses("number: 1e999", "this number is too large");
    refuses("number: 5.%", "expected a percentage like 15%");
    refuses("number: 50", "must be from 0% to 200%, and a number without % is a ratio: write 50%");
    refuses("number: 5000", "\"5000\": must be from 0% to 200%\n");
    refuses("truth: [a]", "expected a boolean, not a list");
    refuses("truth: perhaps", "`truth`: \"perhaps\": expected true or false");
    refuses("time: [a]", "expected a duration, not a list");
    refuses("time: 0x1s", "numbers are written in decimal");
    refuses("time: 5000000000000w", "this duration is too long");
    refuses("size: 0x1B", "numbers are written in decimal");
    refuses("size: 5000000000PB", "this size is too large");
    refuses("size: -1KiB", "expected a size");
    refuses("word: [a]", "expected a word, not a list");
    refuses("word: re", "`word`: \"re\": must be one of: red, green, blue");
    refuses("url: [a]", "expected a URL, not a list");
    refuses("url: { env: VITALD_TEST_UNSET }", "VITALD_TEST_UNSET is not set");
    refuses("address: { a: 1 }", "expected an address, not a map");
    refuses("ranges: ''", "`ranges`: \"\": is empty");
    refuses("ranges: 1-x", "expected numbers and ranges");
    refuses("ranges: 1-1000", "outside of what makes sense");
    refuses("ranges: '1,,2'", "expected numbers and ranges");
    refuses("ranges: [{ a: 1 }, [2]]", "expected a list of ranges, not a list");
    refuses("free_below: { enter: [1], leave: 2 }", "expected a threshold, not a list");
    refuses("free_below: { enter: 5% }", "needs both `enter` and `leave`");
    refuses("free_below: { leave: 5% }", "needs both `enter` and `leave`");
    refuses("used_above: x", "`used_above`: \"x\": expected a percentage like 15%, or a number");
    refuses("used_above: x%", "expected a percentage like 15%");
    refuses("used_above: -5%", "expected a percentage like 15%");
    refuses("tls: [a]", "expected true, false, auto");
    refuses("tls: 'true'", "expected true, false, auto");
    refuses("tls: 'auto'", "expected true, false, auto");
    refuses("tls: { verify: 5 }", "`verify`: \"5\"");
    refuses("text: { a: 1 }", "expected a text, not a map");
    refuses("regex: [a]", "expected a regular expression, not a list");
    refuses("block: { nice: 1, dir: x }", "must be an absolute path");
    refuses("time: 10s\ntim: 5", "test has no option `tim`: did you mean `time`?");
}

TEST(all_problems_are_told_at_once)
{
    struct decoded r = decode("count: 0\ntime: 5\nnope: 1\n");
    CHECK(strstr(r.text, "1:8:") && strstr(r.text, "2:7:") && strstr(r.text, "3:1:"));
    done(&r);
}

TEST(a_url_gives_its_password_away_to_nobody)
{
    struct decoded r = decode("url: 'https://me:pa%40ss@h:444/x?token=abcdef&b=2'");
    CHECK_TEXT(r.all.url->text, "https://h:444/x?token=***&b=2");
    CHECK_TEXT(r.all.url->user, "me");
    CHECK_TEXT(r.all.url->password->value, "pa@ss");
    char said[] = "refused pa@ss and abcdef";
    for (uint32_t i = 0; i < r.scope.secret_count; i++)
        secret_scrub(r.scope.secrets[i], said);
    CHECK_TEXT(said, "refused *** and ***");
    done(&r);
    refuses("url: 'http://u:geheim@h:99999/'", "not a URL");
    struct decoded bad = decode("url: 'http://u:geheim@h:99999/'");
    CHECK(!strstr(bad.text, "geheim"));
    done(&bad);
}

TEST(a_url_may_come_from_somewhere_else)
{
    setenv("VITALD_TEST_URL", "redis://:pw@r1/2", 1);
    struct decoded r = decode("url: { env: VITALD_TEST_URL }");
    CHECK_TEXT(r.text, "");
    CHECK_TEXT(r.all.url->port, "6379");
    CHECK_TEXT(r.all.url->password->value, "pw");
    CHECK_INT(r.all.url->password->source, SECRET_LITERAL); /* never re-read: the source holds the whole URL */
    done(&r);
}

TEST(unix_sockets_print)
{
    struct decoded r = decode("url: 'http+unix://%2Frun%2Fx.sock/p'\naddress: unix:/run/y.sock");
    CHECK_TEXT(r.text, "");
    CHECK_TEXT(r.all.url->unix_path, "/run/x.sock");
    CHECK_TEXT(r.all.url->text, "http+unix:/run/x.sock/p");
    CHECK_TEXT(r.all.address->text, "unix:/run/y.sock");
    done(&r);
}

/* ---- TLS ---------------------------------------------------------------------------------------------------- */

static unsigned built, released;
static struct tls_settings last;

static const struct vital_tls *build(const void *settings, char **error)
{
    last = *(const struct tls_settings *)settings;
    if (last.ca && strcmp(last.ca, "/bad") == 0) {
        *error = mem_copy("cannot read /bad");
        return NULL;
    }
    built++;
    return (const struct vital_tls *)&built;
}

static void release(const struct vital_tls *t)
{
    (void)t;
    released++;
}

TEST(tls_is_built_by_the_hook)
{
    conf_set_hooks(&(struct conf_hooks){ .tls_build = build, .tls_release = release });
    struct decoded r = decode("tls: { min_version: 1.3, verify: false, name: n }\nurl: http://x");
    CHECK_INT(built, 1);
    CHECK_INT(last.min_version, 13);
    CHECK(!last.verify);
    CHECK_TEXT(last.name, "n");
    done(&r);
    CHECK_INT(released, 1);
    refuses("tls: { ca: /bad }", "`tls`: cannot read /bad");
}

TEST(tls_auto_follows_the_scheme_wherever_it_stands)
{
    conf_set_hooks(&(struct conf_hooks){ .tls_build = build, .tls_release = release });
    struct decoded r = decode("tls: auto\nurl: https://x"), s = decode("url: http://x"), t = decode("url: rediss://x"), u = decode("tls: false\nurl: https://x");
    CHECK(r.all.tls && !s.all.tls && t.all.tls && !u.all.tls);
    CHECK_INT(last.min_version, 12);
    CHECK(last.verify);
    done(&r);
    done(&s);
    done(&t);
    done(&u);
}

/* ---- comparing, overriding ---------------------------------------------------------------------------------- */

TEST(decoded_structs_compare_by_value)
{
    const char *base = "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-2\n";
    static const char *const others[] = {
        "url: http://u:q@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 4\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [b]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: b\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: w}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [y]\nfree_below: 5%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 6%\ntext: t\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\nranges: 1-2\n",
        "url: http://u:p@h/x\ncount: 3\nstrings: [a]\nregex: a\npairs: {k: v}\nblocks: [x]\nfree_below: 5%\ntext: t\nranges: 1-3\n",
    };
    struct decoded a = decode(base), b = decode(base);
    CHECK(opt_same(rows, &a.all, &b.all, 0));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct decoded c = decode(others[i]);
        CHECK_TEXT(c.text, "");
        CHECK(!opt_same(rows, &a.all, &c.all, 0));
        CHECK_INT(opt_same(rows, &a.all, &c.all, VITAL_TARGET), i != 0);
        done(&c);
    }
    done(&a);
    done(&b);
}

/* One line differs, or is missing: no value may pass for another. */
TEST(values_that_are_nearly_the_same_are_not)
{
    static const char *const pairs[][2] = {
        { "url: http://u:p@h/x", "url: https://u:p@h/x" }, { "url: http://u:p@h/x", "url: http://u:p@i/x" }, { "url: http://u:p@h/x", "url: http://u:p@h:81/x" },
        { "url: http://u:p@h/x", "url: http://u:p@h/y" }, { "url: http://u:p@h/x", "url: http://v:p@h/x" }, { "url: http://u:p@h/x", "url: http://u@h/x" },
        { "url: http://h/x", "count: 7" }, { "address: unix:/a", "address: unix:/b" }, { "address: h:1", "address: unix:/b" },
        { "ranges: 1-2", "ranges: [1-2, 5]" }, { "ranges: 1-2", "ranges: 1-3" }, { "ranges: 1-2", "ranges: 2-2" },
        { "strings: [a, b]", "strings: [a]" }, { "strings: [a, b]", "strings: [a, c]" }, { "strings: [a]", "strings: []" },
        { "pairs: { k: v }", "pairs: { l: v }" }, { "pairs: { k: v }", "pairs: { k: v, l: v }" }, { "pairs: { k: v }", "pairs: { k: { env: HOME } }" },
        { "secret: a", "secret: b" }, { "secret: a", "count: 7" }, { "regex: a", "count: 7" }, { "word: red", "word: blue" },
        { "free_below: 5%", "free_below: 5B" }, { "free_below: 5%", "count: 7" }, { "plain: 5", "plain: { enter: 5, leave: 4 }" },
        { "blocks: [x]", "blocks: [x, y]" }, { "blocks: [{ name: x, code: 1 }]", "blocks: [{ name: x, code: 2 }]" },
        { "block: { nice: 1 }", "block: { nice: 2 }" }, { "block: { dir: /a }", "block: { dir: /b }" }, { "truth: true", "truth: false" },
        { "number: 1", "number: 1.5" }, { "time: 2s", "time: 3s" }, { "size: 2KiB", "size: 3KiB" }, { "path: /a", "path: /b" }, { "text: a", "text: ''" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct decoded a = decode(pairs[i][0]), again = decode(pairs[i][0]), b = decode(pairs[i][1]);
        if (opt_same(rows, &a.all, &b.all, 0) || opt_same(rows, &b.all, &a.all, 0) || !opt_same(rows, &a.all, &again.all, 0)) {
            fprintf(stderr, "`%s` and `%s`: %s\n", pairs[i][0], pairs[i][1], "taken for the same, or not like themselves");
            unit_failures++;
        }
        done(&a);
        done(&again);
        done(&b);
    }
}

TEST(an_override_changes_only_what_it_names)
{
    struct decoded r = decode("count: 9\ntime: 5s\ntext: x");
    struct node *n = yaml_parse(r.arena, NULL, "time: 7s\ncount: ~", 17, r.scope.diag);
    CHECK(opt_override(&r.scope, n, "test", rows, &r.all));
    CHECK_INT(r.all.time, 7 * USEC_S);
    CHECK_INT(r.all.count, 7); /* ~ brings the default back */
    CHECK_TEXT(r.all.text, "x");
    done(&r);
}

TEST(targets_print)
{
    struct decoded r = decode("url: http://u:p@h/x\naddress: a:1");
    struct buf out = BUF(256);
    opt_target(rows, &r.all, &out);
    CHECK_TEXT(out.data, "http://h/x a:1");
    buf_free(&out);
    done(&r);
}

TEST(a_pattern_that_runs_away_is_stopped)
{
    char *error = NULL, *body = mem_alloc(65537);
    struct vital_regex *r = regex_new("(a+)+$", &error);
    memset(body, 'a', 65536);
    body[40] = 'b';
    uint64_t start = clock_now();
    enum regex_answer answer = regex_match(r, body, 41);
    CHECK_INT(answer, REGEX_LIMIT);
    CHECK(clock_now() - start < 100 * USEC_MS);
    regex_free(r);
    r = regex_new("xyz", &error);
    CHECK_INT(regex_match(r, body, 65536), REGEX_NO);
    memcpy(body + 65000, "xyz", 3);
    CHECK_INT(regex_match(r, body, 65536), REGEX_YES);
    regex_free(r);
    mem_free(body);
}

TEST(values_print_as_they_are_written)
{
    static const struct { const char *option, *value, *printed; } cases[] = {
        { "secret", "geheim", "***" }, { "secret", "~", "" }, { "regex", "a+b", "a+b" }, { "regex", "~", "" }, { "url", "~", "" }, { "text", "~", "" },
        { "ranges", "1,5-9", "1,5-9" }, { "ranges", "[]", "" }, { "free_below", "5%", "5%" }, { "free_below", "2KiB", "2KiB" }, { "slow", "250ms", "250ms" },
        { "plain", "0.5", "0.5" }, { "plain", "~", "" }, { "strings", "[a, b]", "a,b" }, { "tls", "~", "" }, { "pairs", "{ a: geheim }", "" }, { "word", "red", "red" },
        { "truth", "true", "true" }, { "count", "42", "42" }, { "number", "5%", "0.05" }, { "time", "90ms", "90ms" }, { "size", "2KiB", "2KiB" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        struct buf out = BUF(256);
        snprintf(text, sizeof text, "%s: %s", cases[i].option, cases[i].value);
        struct decoded r = decode(text);
        const struct vital_opt *row = opt_row(rows, cases[i].option);
        CHECK_TEXT(r.text, "");
        opt_print(row, (const char *)&r.all + row->offset, &out);
        CHECK_TEXT(out.data ? out.data : "", cases[i].printed);
        buf_free(&out);
        done(&r);
    }
}

TEST(an_override_that_is_wrong_says_so)
{
    struct decoded r = decode("count: 9");
    const char *wrong[] = { "count: 0", "tls: 5", "count: 0\ntls: 5" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct node *n = yaml_parse(r.arena, NULL, wrong[i], strlen(wrong[i]), r.scope.diag);
        CHECK(!opt_override(&r.scope, n, "test", rows, &r.all));
    }
    CHECK_INT(r.scope.diag->errors, 4);
    diag_free(r.scope.diag);
    done(&r);
}

TEST(forms_of_values)
{
    struct decoded r = decode("number: 1e-3\nranges: ' 1, 5 - 9'\ntime: 0\nused_above: 1e3\nurl: 'unix:/run/x.sock'");
    CHECK(strstr(r.text, "`ranges`") && strstr(r.text, "`time`"));
    CHECK(fabs(r.all.number - 0.001) < 1e-12);
    CHECK(fabs(r.all.above.enter - 1000) < 1e-9);
    CHECK_TEXT(r.all.url->text, "unix:/run/x.sock");
    done(&r);
    struct decoded s = decode("number: 1E+0\nranges: '1,  5-9'\nurl: 'http://[::1]?x=&token=&a&y'\nsize: 2KB\nused_above: { enter: 5, leave: 4 }\nslow: { enter: 5s, leave: 6s }\npairs: ~\nblock: ~");
    CHECK_TEXT(s.text, "");
    CHECK_INT(((const struct vital_range *)s.all.ranges.items)[1].low, 5);
    CHECK_TEXT(s.all.url->path, "/?x=&token=&a&y");
    CHECK_TEXT(s.all.url->text, "http://[::1]/?x=&token=***&a&y");
    CHECK_INT(s.all.size, 2000);
    CHECK_TEXT(s.all.block.dir, "/");
    done(&s);
}

TEST(numbers_are_read_strictly)
{
    static const struct { const char *text; uint64_t usec; } times[] = { { "0", 0 },       { "10s", 10000000 },  { "250ms", 250000 },
                                                                         { "1m30s", 90000000 }, { "1.5s", 1500000 }, { "2d4h", UINT64_C(187200000000) },
                                                                         { "1us", 1 },     { "1w", UINT64_C(604800000000) } };
    static const char *const bad[] = { "", "s", "10", "10 s", "-1s", "1s1s", "1e3s", "1.s", ".5s", "1mm", "99999999999999999999w", "010s" };
    uint64_t v;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        CHECK(!scalar_duration(times[i].text, &v));
        CHECK_INT(v, times[i].usec);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(scalar_duration(bad[i], &v) != NULL);
    CHECK(!scalar_size("1.5GiB", &v));
    CHECK_INT(v, 1610612736);
    CHECK(!scalar_size("2GB", &v));
    CHECK_INT(v, 2000000000);
    CHECK(scalar_size("2G", &v) && scalar_size("64k", &v) && scalar_size("1EiB", &v));
    int64_t n;
    CHECK(!scalar_int("-9223372036854775808", &n));
    CHECK(n == INT64_MIN);
    CHECK(scalar_int("9223372036854775808", &n) && scalar_int("+1", &n) && scalar_int("", &n) && scalar_int("-", &n));
    double f;
    CHECK(!scalar_number("1e3", &f) && fabs(f - 1000) < 1e-9);
    CHECK(!scalar_number("1E+3", &f) && fabs(f - 1000) < 1e-9);
    CHECK(!scalar_number("-1e-1", &f) && fabs(f + 0.1) < 1e-9);
    CHECK(!scalar_size("0", &v) && v == 0);
    CHECK_TEXT(scalar_number("0x1", &f), "numbers are written in decimal");
    CHECK_TEXT(scalar_number("x", &f), "expected a number");
    CHECK_TEXT(scalar_percent("%", &f), "expected a percentage like 15%");
    CHECK_TEXT(scalar_percent("5", &f), "expected a percentage like 15%");
    CHECK_TEXT(scalar_percent("-1%", &f), "expected a percentage like 15%");
    CHECK_TEXT(scalar_number("11111111111111111111111111111111111111111111111111111111111111111", &f), "expected a number");
    CHECK(scalar_number("nan", &f) && scalar_number("1e999", &f) && scalar_number("inf", &f) && scalar_number("1e", &f));
}
