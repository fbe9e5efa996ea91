#include "unit.h"

#include <time.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/yaml.h"

static struct arena *arena;

/* The findings without the file's name, or "" */
static char *parse(const char *text, size_t len, struct node **root)
{
    struct diag d = { 0 };
    struct buf out = BUF(65536);
    struct node *n;
    arena = arena ? arena : arena_new();
    n = yaml_parse(arena, NULL, text, len, &d);
    diag_sort(&d);
    diag_print(&d, &out);
    diag_free(&d);
    if (root)
        *root = n;
    return buf_take(&out);
}

static void refuses(const char *text, const char *finding)
{
    char *got = parse(text, strlen(text), NULL);
    if (strncmp(got, finding, strlen(finding)) != 0) {
        fprintf(stderr, "for %s\n", text);
        CHECK_TEXT(got, finding);
    }
    mem_free(got);
}

TEST(says_where_and_what)
{
    refuses("a: 1\nb: \"x\n", "2:4:error: not valid YAML: this quote is never closed");
    refuses("a: 1\na: 2\n", "2:1:error: duplicate key `a`: it is already at 1:1, remove one of them");
    refuses("a: &x 1\n", "1:4:error: anchors are not supported (&x)");
    refuses("a: *x\n", "1:4:error: aliases are not supported (*x)");
    refuses("a: !!int 1\n", "1:4:error: tags are not supported");
    refuses("a: {<<: {b: 1}}\n", "1:5:error: merge keys (<<) are not supported");
    refuses("a: 1\n---\nb: 1\n", "2:1:error: a second document (---) begins here");
    refuses("a:\n\tb: 1\n", "2:1:error: not valid YAML: a tab cannot indent: use spaces");
    refuses("\xc3\xa4: 1\nb:\n\tc: 1\n", "3:1:error: not valid YAML: a tab cannot indent: use spaces");
    refuses("a: @x\n", "1:4:error: not valid YAML: text that begins with one of @ ` % must be quoted");
    refuses("a: b: c\n", "1:5:error: not valid YAML: a ':' cannot stand here");
    refuses("a: [1, 2\nb: 3\n", "2:2:error: not valid YAML: a ',' or ']' is missing");
    refuses("? [1, 2]\n: x\n", "1:3:error: a key must be text, not a list");
    refuses("\"\": x\n", "1:1:error: a key is empty");
    char text[300];
    snprintf(text, sizeof text, "%0256d: x\n", 0);
    refuses(text, "1:1:error: a key is longer than 255 bytes: `0000000000000000000000000000000000000000...`");
    refuses("a: \"x\\0y\"\n", "1:4:error: text may not contain a NUL character");
    refuses("*x : 1\n", "1:1:error: aliases are not supported (*x)");
    refuses("- *x\n", "1:3:error: aliases are not supported (*x)");
    refuses("*x", "1:1:error: aliases are not supported (*x)");
    refuses("a: \"x\\qy\"\n", "1:6:error: not valid YAML: unknown escape in double quotes");
    refuses("a: 'x\n", "1:4:error: not valid YAML: this quote is never closed");
    refuses("a: [1, 2\n", "2:1:error: not valid YAML: a ',' or ']' is missing");
    refuses("a: {b: 1\n", "2:1:error: not valid YAML: a ',' or '}' is missing");
    refuses("a: *\n", "1:5:error: not valid YAML: text that begins with '*' or '&' must be quoted");
    refuses("a: - b\n", "1:4:error: not valid YAML: a list's '-' cannot stand here");
    refuses("a: |9x\n b\n", "1:6:error: not valid YAML: did not find expected comment or line break");
    refuses("a: %x\n", "1:4:error: not valid YAML: text that begins with one of @ ` % must be quoted");
    refuses("%YAML 1.1\n%YAML 1.1\n---\na: 1\n", "2:1:error: not valid YAML: found duplicate %YAML directive");
}

TEST(finds_the_place_of_bytes_that_are_no_text)
{
    refuses("ab: 1\nc: \xff\n", "2:4:error: invalid leading UTF-8 octet");
    refuses("ab: 1\nc: \x01\n", "2:4:error: control characters are not allowed");
    refuses("ab: \xc3\xa4\nc\xc3\xa4: \xff\n", "2:5:error: invalid leading UTF-8 octet");
    refuses("a: \xc3", "1:4:error: incomplete UTF-8 octet sequence");
}

TEST(reports_all_that_it_can)
{
    char *got = parse("a: &x 1\nb: *x\na: 2\n", 19, NULL);
    CHECK(strstr(got, "1:4:") && strstr(got, "2:4:") && strstr(got, "3:1:"));
    mem_free(got);
}

TEST(depth_is_bounded_and_cheap)
{
    char deep[YAML_DEPTH + 2];
    memset(deep, '[', sizeof deep);
    char *got = parse(deep, YAML_DEPTH + 1, NULL);
    CHECK(strstr(got, "1:17:error: nested deeper than 16 levels") != NULL);
    mem_free(got);
    size_t len = 1 << 20;
    char *bomb = mem_alloc(len + 1);
    memset(bomb, '[', len);
    clock_t start = clock();
    got = parse(bomb, len, NULL);
    CHECK(clock() - start < CLOCKS_PER_SEC);
    CHECK(strstr(got, "nested deeper") != NULL);
    mem_free(got);
    mem_free(bomb);
}

TEST(scalars_keep_their_text)
{
    struct node *root;
    const char *text = "a: on\nb: 010\nc: 12:30\nd: ~\ne:\nf: '~'\ng: \"x\\ty\"\nh: null\n";
    char *got = parse(text, strlen(text), &root);
    CHECK_TEXT(got, "");
    CHECK_TEXT(map_find(root, "a")->text, "on");
    CHECK_TEXT(map_find(root, "b")->text, "010");
    CHECK_TEXT(map_find(root, "c")->text, "12:30");
    CHECK_INT(map_find(root, "d")->kind, NODE_NULL);
    CHECK(!map_find(root, "d")->blank && map_find(root, "e")->blank);
    CHECK_INT(map_find(root, "f")->kind, NODE_SCALAR);
    CHECK_TEXT(map_find(root, "g")->text, "x\ty");
    CHECK_INT(map_find(root, "h")->kind, NODE_NULL);
    CHECK_INT(map_find(root, "g")->place.line, 7);
    CHECK_INT(map_find(root, "g")->place.column, 4);
    mem_free(got);
}

TEST(json_is_yaml)
{
    struct node *root;
    const char *text = "{\"a\":\t[1, {\"b\": \"c\"}],\n\t\"d\": true}";
    char *got = parse(text, strlen(text), &root);
    CHECK_TEXT(got, "");
    CHECK_TEXT(map_find(map_find(root, "a")->items[1], "b")->text, "c");
    mem_free(got);
}

TEST(nothing_is_an_empty_map)
{
    struct node *root;
    mem_free(parse("# only a remark\n", 16, &root));
    CHECK_INT(root->kind, NODE_MAP);
    CHECK_INT(root->count, 0);
}

TEST(maps_merge_and_the_rest_replaces)
{
    struct node *base, *over;
    const char *a = "m: { x: 1, y: [1, 2], z: { q: 1 } }\ns: 1\nd: 1\nk: { a: 1 }\n";
    const char *b = "m: { y: [3], z: { r: 2 }, n: 5 }\ns: { t: 1 }\nd: ~\nk:\n";
    mem_free(parse(a, strlen(a), &base));
    mem_free(parse(b, strlen(b), &over));
    tree_merge(arena, base, over);
    const struct node *m = map_find(base, "m");
    CHECK_TEXT(map_find(m, "x")->text, "1");
    CHECK_INT(map_find(m, "y")->count, 1);
    CHECK_TEXT(map_find(map_find(m, "z"), "q")->text, "1");
    CHECK_TEXT(map_find(map_find(m, "z"), "r")->text, "2");
    CHECK_TEXT(map_find(m, "n")->text, "5");
    CHECK_INT(map_find(base, "s")->kind, NODE_MAP);
    CHECK(!map_find(base, "d"));
    CHECK(map_find(base, "k") && map_find(map_find(base, "k"), "a")); /* a section with everything commented out deletes nothing */
}

TEST(a_deleted_key_can_come_back)
{
    struct node *base, *gone, *again;
    mem_free(parse("a: 1", 4, &base));
    mem_free(parse("a: ~", 4, &gone));
    mem_free(parse("a: 2", 4, &again));
    tree_merge(arena, base, gone);
    CHECK(!map_find(base, "a"));
    tree_merge(arena, base, again);
    CHECK_TEXT(map_find(base, "a")->text, "2");
    CHECK_INT(base->count, 1);
}

TEST(large_maps_are_found_by_hash)
{
    struct node *root;
    struct buf text = BUF(8 << 20);
    for (unsigned i = 0; i < 50000; i++)
        buf_printf(&text, "key%u: %u\n", i, i);
    char *got = parse(text.data, text.len, &root);
    CHECK_TEXT(got, "");
    CHECK_INT(root->count, 50000);
    CHECK_TEXT(map_find(root, "key49999")->text, "49999");
    CHECK(!map_find(root, "key50000"));
    mem_free(got);
    buf_free(&text);
}
