#include <string.h>

#include "base/buf.h"
#include "base/promname.h"
#include "config/build.h"
#include "config/optdoc.h"
#include "config/optdoc_form.h"

/* mdoc takes a line that begins with '.' or "'" as a request, and '\' as an escape; a sentence begins its own line. */
static void put(struct buf *out, const char *text)
{
    bool start = !out->len || out->data[out->len - 1] == '\n';
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            buf_text(out, "\\&");
        if (*text == '\\')
            buf_text(out, "\\e");
        else
            buf_char(out, *text);
        start = *text == '\n';
        if (*text == '.' && text[1] == ' ' && text[2] >= 'A' && text[2] <= 'Z') {
            buf_char(out, '\n');
            start = true;
            text++;
        }
    }
}

static void put_sentence(struct buf *out, const char *text)
{
    put(out, text);
    buf_text(out, ".\n");
}

static void put_rows(struct buf *out, const struct vital_opt *rows)
{
    buf_text(out, ".Bl -tag -width Ds\n");
    for (; rows->name; rows++) {
        struct buf form = BUF(1024);
        optdoc_form(rows, &form);
        buf_printf(out, ".It Cm %s\n", rows->name);
        put(out, rows->help);
        buf_text(out, "\n(");
        put(out, form.data);
        buf_text(out, ").\n");
        if (rows->rows || rows->type == VITAL_TLS)
            put_rows(out, rows->rows ? rows->rows : opt_tls_rows);
        buf_free(&form);
    }
    buf_text(out, ".El\n");
}

static void put_numbers(struct buf *out, const char *type, const struct vital_number *n)
{
    buf_text(out, "It reports these numbers:\n.Bl -tag -width Ds\n");
    for (; n->name; n++) {
        buf_printf(out, ".It Va %s", n->name);
        if (*n->unit)
            buf_printf(out, " No ( %s )", n->unit);
        buf_char(out, '\n');
        put(out, n->help);
        if (n->label)
            buf_printf(out, ", one for each %s", n->label);
        buf_text(out, n->counter ? "; a counter.\nMetric:\n.Li " : ".\nMetric:\n.Li ");
        promname_put(out, type, n->name, n->unit, n->counter);
        buf_text(out, " .\n");
    }
    buf_text(out, ".El\n");
}

/* Paragraphs are separated by empty lines. */
static void put_manual(struct buf *out, const char *text)
{
    for (bool blank = false; *text; text++) {
        if (*text == '\n' && text[1] == '\n') {
            blank = true;
        } else if (*text == '\n') {
            buf_text(out, blank ? "\n.Pp\n" : "\n");
            blank = false;
        } else {
            size_t n = strcspn(text, "\n");
            struct buf line = BUF(4096);
            buf_add(&line, text, n);
            put(out, line.data);
            buf_free(&line);
            text += n - 1;
        }
    }
    buf_char(out, '\n');
}

static void put_module(struct buf *out, const struct vital_module *m)
{
    const struct vital_opt *bare = opt_bare(m->opts);
    buf_printf(out, ".Ss %s\n", m->name);
    put_sentence(out, m->summary);
    if (m->manual) {
        buf_text(out, ".Pp\n");
        put_manual(out, m->manual);
    }
    if (bare)
        buf_printf(out, ".Pp\n.Ql %s: VALUE\nis short for\n.Ql %s: { %s: VALUE } .\n", m->name, m->name, bare->name);
    put_rows(out, m->opts);
    if (m->numbers && m->numbers->name)
        put_numbers(out, m->name, m->numbers);
}

void optdoc_sections(struct buf *out)
{
    buf_text(out, ".Ss General settings\n");
    put_rows(out, conf_setting_rows);
    for (const struct conf_section *s = conf_sections; s->name; s++) {
        buf_printf(out, ".Ss %s\n", s->name);
        put(out, s->help);
        buf_text(out, ":\n");
        put_sentence(out, s->form);
        if (s->rows == conf_policy_rows)
            buf_text(out, "The options are told in\n.Xr vitald-probes 7 .\n");
        else if (s->rows)
            put_rows(out, s->rows);
    }
}

void optdoc_man(struct buf *out)
{
    const struct vital_module *modules[DOC_MODULES_MAX];
    size_t count = optdoc_modules(modules);
    buf_text(out, ".\\\" Written by vitald --dump-options=man; change the option rows instead.\n"
                  ".Dd November 20, 2026\n.Dt VITALD-PROBES 7\n.Os vitald\n.Sh NAME\n.Nm vitald-probes\n"
                  ".Nd what vitald can check, with every option\n.Sh DESCRIPTION\n"
                  "A probe in\n.Xr vitald.yaml 5\nhas exactly one type, and these options besides:\n");
    put_rows(out, conf_policy_rows);
    buf_text(out, ".Sh TYPES\n");
    for (size_t i = 0; i < count; i++)
        put_module(out, modules[i]);
    buf_text(out, ".Sh SEE ALSO\n.Xr vital-probe 3 ,\n.Xr vitald.yaml 5 ,\n.Xr vitald 8\n");
}
