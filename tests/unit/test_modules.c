/* The registry, with the modules that are really built in, and with .so files that a compiler makes for the test. */
#include "unit.h"

#include <sys/stat.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "config/conf.h"
#include "config/modules.h"
#include "config/opt.h"
#include "config/optdoc.h"

TEST(every_built_in_module_is_sound_and_its_defaults_decode)
{
    unsigned count = 0;
    for (size_t i = 0; builtin_modules[i]; i++, count++) {
        const struct vital_module *m = builtin_modules[i];
        char why[512];
        struct diag d = { 0 };
        struct buf text = BUF(65536);
        struct opt_scope s = { .arena = arena_new(), .diag = &d };
        void *data = arena_alloc(s.arena, m->conf_size);
        CHECK_TEXT(modules_check(m, why, sizeof why), NULL);
        CHECK(opt_defaults(&s, m->opts, data));
        diag_print(&d, &text);
        if (d.count)
            fprintf(stderr, "%s: %s", m->name, text.data);
        CHECK_INT(d.count, 0);
        opt_release(m->opts, data);
        opt_free_secrets(&s);
        arena_free(s.arena);
        diag_free(&d);
        buf_free(&text);
    }
    CHECK(count >= 10);
}

/* max_age is not in the list: in `defaults` of `file` it is the file's own. */
TEST(no_module_option_hides_one_of_every_probe)
{
    static const char *const policy[] = { "interval", "timeout", "rise", "fall", "jitter", "shared", "notify", "depends_on", "initial", "on_edge" };
    for (size_t i = 0; builtin_modules[i]; i++)
        for (size_t k = 0; k < sizeof policy / sizeof *policy; k++)
            CHECK(!opt_row(builtin_modules[i]->opts, policy[k]));
}

TEST(a_struct_of_another_build_is_refused_with_both_versions)
{
    struct vital_module m = *builtin_modules[0];
    char why[512];
    m.abi = VITAL_ABI + 1;
    CHECK(strstr(modules_check(&m, why, sizeof why), "ABI 2, this vitald has ABI 1"));
    m.abi = VITAL_ABI;
    m.magic = 1;
    CHECK(strstr(modules_check(&m, why, sizeof why), "no vitald module"));
    m.magic = VITAL_MAGIC;
    uint32_t *const strides[] = { &m.size, &m.opt_size, &m.number_size };
    for (size_t i = 0; i < 3; i++) {
        *strides[i] -= 8;
        CHECK(strstr(modules_check(&m, why, sizeof why), ": rebuild it with this version's vital_probe.h"));
        *strides[i] += 8;
    }
    CHECK_TEXT(modules_check(&m, why, sizeof why), NULL);
}

TEST(a_careless_module_is_refused)
{
    static const char big[] = "a23456789a23456789a23456789a23456789a23456789a23456789a23456789a23456789";
    static const struct vital_number numbers[][2] = { { { .name = "Big", .unit = "", .help = "h" } }, { { .name = "a", .help = "h" } }, { { .name = "a", .unit = "" } }, { { .name = "a_b9", .unit = "", .help = "h" } } };
    static const char *const number_faults[] = { "a number has no proper name, unit or help", "a number has no proper name, unit or help", "a number has no proper name, unit or help", NULL };
    static const char *const names[] = { NULL, "", "Big", "a b", "a{", big };
    struct vital_module m = *builtin_modules[0];
    char why[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        m.name = names[i];
        CHECK_TEXT(modules_check(&m, why, sizeof why), "it has no proper name");
    }
    m = *builtin_modules[0];
    m.summary = NULL;
    CHECK_TEXT(modules_check(&m, why, sizeof why), "it has no summary");
    m.summary = "";
    CHECK_TEXT(modules_check(&m, why, sizeof why), "it has no summary");
    m = *builtin_modules[0];
    m.opts = NULL;
    CHECK_TEXT(modules_check(&m, why, sizeof why), "it has no options, no start() or no conf struct");
    m = *builtin_modules[0];
    m.start = NULL;
    CHECK_TEXT(modules_check(&m, why, sizeof why), "it has no options, no start() or no conf struct");
    m = *builtin_modules[0];
    m.conf_size = 0;
    CHECK_TEXT(modules_check(&m, why, sizeof why), "it has no options, no start() or no conf struct");
    m = *builtin_modules[0];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        m.numbers = numbers[i];
        CHECK_TEXT(modules_check(&m, why, sizeof why), number_faults[i]);
    }
}

TEST(a_careless_row_is_refused)
{
    static const struct vital_opt inner[] = { { .name = "x", .type = VITAL_INT, .help = "h" }, VITAL_OPT_END };
    static const struct vital_opt middle[] = { { .name = "x", .type = VITAL_BLOCK, .help = "h", .rows = inner, .row_size = 8 }, VITAL_OPT_END };
    static const struct vital_opt outer[] = { { .name = "x", .type = VITAL_BLOCK, .help = "h", .rows = middle, .row_size = 8 }, VITAL_OPT_END };
    static struct vital_opt many[66];
    static const struct { struct vital_opt row; const char *why; } rows[] = {
        { { .name = "x", .type = VITAL_TYPE_COUNT, .help = "h" }, "unknown type" },
        { { .name = "X", .type = VITAL_INT, .help = "h" }, "lower case" },
        { { .name = "x", .type = VITAL_INT }, "has no help" },
        { { .name = "x", .type = VITAL_WORD, .help = "h" }, "without words" },
        { { .name = "x", .type = VITAL_BLOCKS, .help = "h" }, "without rows" },
        { { .name = "x", .type = VITAL_BLOCK, .help = "h", .rows = inner }, "without rows" },
        { { .name = "x", .type = VITAL_INT, .help = "" }, "has no help" },
        { { .name = "x", .type = VITAL_BLOCK, .help = "h", .rows = outer, .row_size = 8 }, "its option `x` nests blocks too deeply" },
        { { .name = "x", .type = VITAL_BLOCK, .help = "h", .rows = many, .row_size = 8 }, "its option `a` is one too many: at most 64" },
    };
    for (unsigned i = 0; i < 65; i++)
        many[i] = (struct vital_opt){ .name = "a", .type = VITAL_INT, .help = "h" };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vital_opt opts[2] = { rows[i].row, VITAL_OPT_END };
        struct vital_module m = *builtin_modules[0];
        char why[512];
        m.opts = opts;
        const char *said = modules_check(&m, why, sizeof why);
        CHECK(said && strstr(said, rows[i].why));
    }
    struct vital_opt twice[] = { { .name = "a", .type = VITAL_INT, .flags = VITAL_BARE, .help = "h" }, { .name = "b", .type = VITAL_INT, .flags = VITAL_BARE, .help = "h" }, VITAL_OPT_END };
    struct vital_module m = *builtin_modules[0];
    char why[512];
    m.opts = twice;
    CHECK(strstr(modules_check(&m, why, sizeof why), "second BARE"));
}

/* ---- .so files ---------------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/vitald-modules-XXXXXX";

static void compile_text(const char *name, const char *text)
{
    struct buf command = BUF(4096), path = BUF(256);
    buf_printf(&path, "%s/%s.c", dir, name);
    FILE *f = fopen(path.data, "w");
    fputs(text, f);
    fclose(f);
    buf_printf(&command, "cc -std=c11 -shared -fPIC -Iprobes -o %s/%s.so %s", dir, name, path.data);
    CHECK_INT(system(command.data), 0);
    buf_free(&command);
    buf_free(&path);
}

static void compile(const char *name, const char *head, const char *inside)
{
    char text[2048];
    snprintf(text, sizeof text,
            "#include \"vital_probe.h\"\nstruct c { int64_t x; };\n"
            "static const struct vital_opt opts[] = { VITAL_OPT(struct c, x, INT, .def = \"1\", .help = \"x\"), VITAL_OPT_END };\n"
            "static void start(struct vital_probe *p) { (void)p; }\n"
            "static const struct vital_module m = { %s, .name = \"%s\", .summary = \"s\", .opts = opts, .conf_size = sizeof(struct c), .start = start };\nVITAL_EXPORT(m);\n",
            head, inside);
    compile_text(name, text);
}

static void clean(void)
{
    struct buf command = BUF(256);
    buf_printf(&command, "rm -rf %s", dir);
    CHECK_INT(system(command.data), 0);
    buf_free(&command);
}

static void refuses(const char *type, enum modules_result result, const char *why)
{
    const struct vital_module *m;
    char *error;
    CHECK_INT(modules_lookup(type, &m, &error), result);
    CHECK(!m && error && strstr(error, why));
    if (error && !strstr(error, why))
        fprintf(stderr, "%s\n", error);
    mem_free(error);
}

TEST(files_are_loaded_by_name_and_gated)
{
    CHECK(mkdtemp(dir) != NULL);
    modules_set_dir(dir);
    compile("good", "VITAL_MODULE_HEAD", "good");
    compile("old", ".magic = VITAL_MAGIC, .abi = 0, .size = sizeof(struct vital_module)", "old");
    compile("other", "VITAL_MODULE_HEAD", "another");
    compile_text("empty", "int nothing;\n");
    compile_text("null", "const void *const vital_module = 0;\n");
    char path[64];
    snprintf(path, sizeof path, "%s/.so", dir); /* no name at all */
    CHECK(symlink("good.so", path) == 0);
    snprintf(path, sizeof path, "%s/text.so", dir);
    FILE *f = fopen(path, "w");
    fputs("no library", f);
    fclose(f);
    char *error;
    const struct vital_module *m = modules_find("good", &error);
    CHECK(m && !error && strcmp(m->name, "good") == 0);
    CHECK(modules_find("good", &error) == m);
    refuses("old", MODULES_UNUSABLE, "built for module ABI 0, this vitald has ABI 1");
    refuses("other", MODULES_UNUSABLE, "its name inside is another one");
    refuses("text", MODULES_UNUSABLE, "cannot be used");
    refuses("postgres", MODULES_NOT_INSTALLED, "install the package vitald-postgres");
    refuses("nonsense", MODULES_UNKNOWN, "no probe type `nonsense`");
    refuses("../good", MODULES_UNKNOWN, "no probe type");
    refuses("empty", MODULES_UNUSABLE, "it exports no `vital_module`: its file must end in VITAL_EXPORT(...)");
    refuses("null", MODULES_UNUSABLE, "it exports no `vital_module`: its file must end in VITAL_EXPORT(...)");
    const struct vital_module *all[64];
    size_t n = modules_all(all, 64);
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found |= all[i] == m;
    CHECK(found);
    CHECK_INT(modules_all(all, 1), 1);
    CHECK_INT(modules_all(all, n - 1), n - 1);
    const char *names[64];
    size_t known = modules_names(names, 64);
    CHECK_INT(modules_names(names, 1), 1);
    CHECK_INT(modules_names(names, known - 1), known - 1);
    clean();
}

/* ---- documentation ------------------------------------------------------------------------------------------ */

TEST(the_schema_is_json_and_names_every_module)
{
    struct buf out = BUF(8 << 20);
    size_t at = 0;
    struct json_value root;
    modules_set_dir("/nonexistent");
    optdoc_schema(&out);
    CHECK(!out.over);
    CHECK_TEXT(json_check(out.data, out.len, &at, &root), NULL);
    for (size_t i = 0; builtin_modules[i]; i++) {
        char pointer[128];
        snprintf(pointer, sizeof pointer, "/$defs/probe/properties/%s", builtin_modules[i]->name);
        CHECK_INT(json_pointer(&root, pointer).kind, JSON_OBJECT);
    }
    buf_free(&out);
}

TEST(the_reference_is_a_configuration_that_changes_nothing)
{
    char path[] = "/tmp/vitald-reference-XXXXXX.yaml";
    struct buf out = BUF(8 << 20);
    struct diag d = { 0 };
    const char *paths[] = { path };
    optdoc_yaml(&out);
    FILE *f = fdopen(mkstemps(path, 5), "w");
    fputs(out.data, f);
    fclose(f);
    struct conf *c = conf_load(&(struct conf_request){ .paths = paths, .path_count = 1 }, &d);
    CHECK_INT(d.count, 0);
    CHECK(c && c->max_in_flight == 256 && c->probe_count == 1);
    for (size_t i = 0; builtin_modules[i]; i++)
        for (const struct vital_opt *row = builtin_modules[i]->opts; row->name; row++)
            CHECK(strstr(out.data, row->help) != NULL);
    conf_free(c);
    diag_free(&d);
    unlink(path);
    buf_free(&out);
}

TEST(the_sections_are_all_in_the_manual)
{
    struct buf out = BUF(8 << 20);
    optdoc_sections(&out);
    static const char *const parts[] = { ".Ss General settings\n", ".Ss listen\nwhere HTTP is answered:\n", ".Ss probes\n", ".Xr vitald-probes 7 .\n", ".Ss aliases\nother paths", "max_in_flight", "max_connections" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(out.data, parts[i]))
            CHECK_TEXT("what the manual lacks", parts[i]);
    for (const char *line = out.data; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        CHECK(*line != '\'' && (*line != '.' || line[1] == '\\' || (line[1] >= 'A' && line[1] <= 'Z')));
    buf_free(&out);
}

TEST(the_manual_has_no_line_that_mdoc_would_obey_by_mistake)
{
    struct buf out = BUF(8 << 20);
    optdoc_man(&out);
    for (const char *line = out.data; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        CHECK(*line != '\'' && (*line != '.' || line[1] == '\\' || (line[1] >= 'A' && line[1] <= 'Z')));
    buf_free(&out);
}
