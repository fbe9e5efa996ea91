#include "unit.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/template.h"

static const char *const names[] = { "title", "count", "list", "nothing", NULL };
static const char *title = "db";
static const char *const listed[] = { "a\"b", "c" };

static struct template_value value(const void *arg, unsigned name)
{
    (void)arg;
    const struct template_value all[] = {
        { .kind = TEMPLATE_TEXT, .text = title }, { .kind = TEMPLATE_NUMBER, .number = 5 },
        { .kind = TEMPLATE_TEXTS, .texts = listed, .count = 2 }, { .kind = TEMPLATE_TEXT },
    };
    return all[name];
}

/* What comes out, or "! " and what is wrong with the template. */
static char *rendered(const char *text)
{
    struct arena *arena = arena_new();
    struct template *t;
    struct buf out = BUF(65536);
    size_t at;
    const char *wrong = template_parse(arena, text, strlen(text), names, &t, &at);
    if (wrong)
        buf_printf(&out, "! %s", wrong);
    else
        template_render(t, value, NULL, &out);
    char *kept = buf_take(&out);
    arena_free(arena);
    return kept;
}

static void gives(const char *text, const char *want, const char *file, int line)
{
    char *got = rendered(text);
    if (*want == '!' ? strncmp(got, want, strlen(want)) != 0 : strcmp(got, want) != 0) {
        fprintf(stderr, "%s:%d: %s\n gives %s\n   not %s\n", file, line, text, got, want);
        unit_failures++;
    }
    mem_free(got);
}
#define GIVES(text, want) gives(text, want, __FILE__, __LINE__)

TEST(values_become_parts_of_strings_or_whole_values)
{
    GIVES("{\"a\": \"{{title}} x {{ count }}\"}", "{\"a\": \"db x 5\"}");
    GIVES("{\"a\": {{title}}, \"n\": {{count}}, \"l\": {{list}}, \"s\": \"{{list}}\"}",
          "{\"a\": \"db\", \"n\": 5, \"l\": [\"a\\\"b\",\"c\"], \"s\": \"a\\\"b, c\"}");
    GIVES("{\"a\": \"\\\"{{title}}\\\\\", \"b\": {{nothing}}}", "{\"a\": \"\\\"db\\\\\", \"b\": \"\"}");
    GIVES("[]", "[]");
    GIVES("\"\\\"{{title}}\"", "\"\\\"db\"");
}

TEST(no_value_changes_the_shape)
{
    static const char *const evil[] = { "\",\"admin\":true,\"x\":\"", "\\", "{{count}}", "\n\r\t\x01\x7f", "\xff\xc3\x28", "</script>", "\xed\xa0\x80" };
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        title = evil[i];
        char *got = rendered("{\"a\": \"x{{title}}y\", \"b\": {{title}}}");
        struct json_value root, key, v;
        size_t at, cursor = 0, members = 0;
        CHECK_TEXT(json_check(got, strlen(got), &at, &root), NULL);
        while (json_next(&root, &cursor, &key, &v))
            members++;
        CHECK_INT(members, 2);
        CHECK(json_member(&root, "admin").kind == JSON_NONE && json_member(&root, "b").kind == JSON_STRING);
        mem_free(got);
    }
    title = "db";
}

TEST(bad_templates_are_refused_when_they_are_read)
{
    GIVES("{\"a\": \"{{titel}}\"}", "! there is no placeholder of this name: did you mean {{title}}?");
    GIVES("{\"a\": \"{{}}\"}", "! there is no placeholder of this name");
    GIVES("{\"a\": \"{{title\"}", "! this {{ has no }}");
    GIVES("{\"a\": \"{{title count}}\"}", "! between {{ and }}");
    GIVES("{\"a\": \"{{title}x}}\"}", "! between {{ and }}");
    GIVES("{{", "! this {{ has no }}");
    GIVES("{{title}", "! this {{ has no }}");
    GIVES("\"\\", "! this is no JSON");
    GIVES("\\", "! this is no JSON");
    GIVES("{", "! this is no JSON");
    GIVES("{\"{{title}}\": 1}", "! a member's name cannot hold a placeholder");
    GIVES("{\"a{{title}}\"  : 1}", "! a member's name cannot hold a placeholder");
    GIVES("{ {{count}}: 1}", "! a member's name cannot hold a placeholder");
    GIVES("{\"a\": 1, {{title}} : 1}", "! a member's name cannot hold a placeholder");
    GIVES("{{{title}}: 1}", "! ");
    GIVES("{\"a\": {{title}}", "! this is no JSON");
    GIVES("{\"a\": 1{{count}}}", "! this is no JSON");
    GIVES("{\"a\": \"\\u00{{title}}41\"}", "! this is no JSON"); /* an escape that a value would complete */
    GIVES("{\"a\": \"\\{{title}}\"}", "! this is no JSON");
    GIVES("{\"a\": \"\\ud83d{{nothing}}\\ude00\"}", "! this is no JSON");
    GIVES("{\"a\": 1, \"a\": 2}", "! this is no JSON");
    GIVES("", "! this is no JSON");
}

TEST(a_template_has_an_end)
{
    struct arena *arena = arena_new();
    struct template *t;
    struct buf text = BUF(1 << 20);
    size_t at;
    buf_text(&text, "\"");
    for (int i = 0; i < TEMPLATE_PIECES; i++)
        buf_text(&text, "{{count}} ");
    buf_text(&text, "\"");
    CHECK_TEXT(template_parse(arena, text.data, text.len, names, &t, &at), "there are too many placeholders");
    while (text.len <= TEMPLATE_MAX)
        buf_text(&text, "          ");
    CHECK_TEXT(template_parse(arena, text.data, text.len, names, &t, &at), "it is too long");
    CHECK_TEXT(template_parse(arena, "\"\0\"", 3, names, &t, &at), "it holds a NUL");
    buf_free(&text);
    arena_free(arena);
}
