#include "offline.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "config/modules.h"
#include "config/optdoc.h"

enum { OUTPUT_MAX = 256 * 1024 * 1024, MODULES_MAX = 256 };

static void print_findings(struct diag *d)
{
    struct buf text = BUF(OUTPUT_MAX);
    diag_sort(d);
    diag_print(d, &text);
    if (text.len)
        fputs(text.data, stderr);
    buf_free(&text);
    diag_free(d);
}

/* What nobody could read is no success. */
static int told(int code)
{
    if (!fflush(stdout) && !ferror(stdout))
        return code;
    fputs("vitald: standard output did not take all of it: is its disk full, or its reader gone?\n", stderr);
    return 1;
}

static int check_configuration(const struct args *a)
{
    struct diag d = { 0 };
    struct conf *conf = conf_load(&a->request, &d);
    if (conf)
        conf_lint(conf, &d);
    unsigned errors = d.errors, warnings = d.warnings;
    bool good = conf && !errors;
    print_findings(&d);
    if (!good)
        printf("%u error%s, %u warning%s\n", errors, errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
    else
        printf("configuration is good: %u probe%s, %u groups, %u warning%s\n", conf->probe_count, conf->probe_count == 1 ? "" : "s", conf->group_count, warnings,
               warnings == 1 ? "" : "s");
    conf_free(conf);
    return told(good ? 0 : 1);
}

static int print_buffer(struct buf *out, bool good)
{
    bool printed = good && fwrite(out->data, 1, out->len, stdout) == out->len;
    buf_free(out);
    return told(printed ? 0 : 1);
}

static int dump_configuration(const struct args *a)
{
    struct diag d = { 0 };
    struct buf out = BUF(OUTPUT_MAX);
    conf_dump(&a->request, &out, &d);
    bool good = !d.errors;
    print_findings(&d);
    return print_buffer(&out, good);
}

static int dump_options(const struct args *a)
{
    static const struct { const char *name; void (*print)(struct buf *); } formats[] = {
        { "yaml", optdoc_yaml }, { "schema", optdoc_schema }, { "man", optdoc_man }, { "sections", optdoc_sections },
    };
    struct buf out = BUF(OUTPUT_MAX);
    for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(a->options_format, formats[i].name)) {
            formats[i].print(&out);
            return print_buffer(&out, true);
        }
    fprintf(stderr, "vitald: --dump-options=%s: there are yaml, schema, man and sections\n", a->options_format);
    return EXIT_USAGE;
}

static int list_modules(void)
{
    const struct vital_module *modules[MODULES_MAX];
    size_t count = modules_all(modules, MODULES_MAX);
    for (size_t i = 0; i < count; i++)
        printf("%-12s %s\n", modules[i]->name, modules[i]->summary);
    return told(0);
}

int offline_run(const struct args *a)
{
    switch (a->action) {
    case ACTION_CHECK: return check_configuration(a);
    case ACTION_DUMP: return dump_configuration(a);
    case ACTION_OPTIONS: return dump_options(a);
    default: return list_modules();
    }
}
