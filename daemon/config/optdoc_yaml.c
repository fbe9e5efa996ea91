#include <string.h>

#include "base/buf.h"
#include "config/build.h"
#include "config/optdoc.h"
#include "config/optdoc_form.h"

enum { COLUMN = 34 };

/* "#   name: default    # form: help" */
static void put_row(struct buf *out, const struct vital_opt *row, unsigned depth, bool comment)
{
    size_t start = out->len;
    struct buf form = BUF(1024);
    optdoc_form(row, &form);
    buf_printf(out, "%s%*s%s: %s", comment ? "# " : "", (int)depth * 2, "", row->name, row->def && !row->rows ? row->def : "");
    while (out->len - start < COLUMN)
        buf_char(out, ' ');
    buf_printf(out, " # %s: %s\n", form.data, row->help);
    buf_free(&form);
}

static void put_rows(struct buf *out, const struct vital_opt *rows, unsigned depth)
{
    for (; rows->name; rows++) {
        put_row(out, rows, depth, true);
        if (rows->rows)
            put_rows(out, rows->rows, depth + 1);
        else if (rows->type == VITAL_TLS)
            put_rows(out, opt_tls_rows, depth + 1);
    }
}

/* With their default they are a configuration that changes nothing. */
static void put_settings(struct buf *out)
{
    buf_text(out, "# General settings\n");
    for (const struct vital_opt *row = conf_setting_rows; row->name; row++) {
        put_row(out, row, 0, row->rows || !row->def);
        if (row->rows)
            put_rows(out, row->rows, 1);
    }
}

static void put_section(struct buf *out, const struct conf_section *s)
{
    buf_printf(out, "\n# %s: %s\n# %s:   # %s\n", s->name, s->help, s->name, s->form);
    if (s->rows && strcmp(s->name, "probes") != 0)
        put_rows(out, s->rows, 2);
}

static void put_module(struct buf *out, const struct vital_module *m)
{
    const struct vital_opt *bare = opt_bare(m->opts);
    buf_printf(out, "\n# Probe type %s: %s\n", m->name, m->summary);
    if (bare)
        buf_printf(out, "# `%s: VALUE` is short for `%s: { %s: VALUE }`\n", m->name, m->name, bare->name);
    buf_printf(out, "# %s:\n", m->name);
    put_rows(out, m->opts, 1);
    for (const struct vital_number *n = m->numbers; n && n->name; n++)
        buf_printf(out, "#   reports %s%s%s%s: %s\n", n->name, n->label ? " by " : "", n->label ? n->label : "", n->counter ? " (counter)" : "", n->help);
}

void optdoc_yaml(struct buf *out)
{
    const struct vital_module *modules[DOC_MODULES_MAX];
    size_t count = optdoc_modules(modules);
    buf_text(out, "# Every option of vitald, with its default. Written by `vitald --dump-options=yaml`.\n\n");
    put_settings(out);
    for (const struct conf_section *s = conf_sections; s->name; s++)
        put_section(out, s);
    for (size_t i = 0; i < count; i++)
        put_module(out, modules[i]);
}
