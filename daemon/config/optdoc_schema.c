/* JSON schema, draft 2020-12. Any scalar may also hold a variable, so every type allows text with ${...} in it. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "config/build.h"
#include "config/optdoc.h"
#include "config/optdoc_form.h"

static void put_rows(struct json *, const char *key, const struct vital_opt *rows, bool check_required);

static void put_ref(struct json *j, const char *key, const char *name)
{
    struct buf ref = BUF(256);
    buf_printf(&ref, "#/$defs/%s", name);
    json_open_object(j, key);
    json_text(j, "$ref", ref.data);
    json_close_object(j);
    buf_free(&ref);
}

static void put_pattern(struct json *j, const char *pattern)
{
    json_text(j, "type", "string");
    json_text(j, "pattern", pattern);
}

static void put_number(struct json *j, const struct vital_opt *row, const char *type)
{
    json_open_array(j, "anyOf");
    json_open_object(j, NULL);
    json_text(j, "type", type);
    if (row->min || row->max)
        json_int(j, "minimum", row->min);
    if ((row->min || row->max) && row->max >= row->min)
        json_int(j, "maximum", row->max);
    json_close_object(j);
    if (row->type == VITAL_NUMBER && row->flags & VITAL_PERCENT)
        put_ref(j, NULL, "percentage");
    put_ref(j, NULL, "variable");
    json_close_array(j);
}

static void schema_bool(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_open_array(j, "anyOf");
    json_open_object(j, NULL);
    json_text(j, "type", "boolean");
    json_close_object(j);
    put_ref(j, NULL, "variable");
    json_close_array(j);
}

static void schema_int(struct json *j, const struct vital_opt *row)
{
    put_number(j, row, "integer");
}

static void schema_number(struct json *j, const struct vital_opt *row)
{
    put_number(j, row, "number");
}

static void schema_duration(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_text(j, "$ref", "#/$defs/duration");
}

static void schema_size(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_text(j, "$ref", "#/$defs/size");
}

static void schema_text(struct json *j, const struct vital_opt *row)
{
    if (row->flags & VITAL_PATHNAME)
        put_pattern(j, "^(/|.*\\$\\{)");
    else
        json_raw(j, "type", "[\"string\",\"number\",\"boolean\"]");
}

static void schema_word(struct json *j, const struct vital_opt *row)
{
    json_open_array(j, "anyOf");
    json_open_object(j, NULL);
    json_open_array(j, "enum");
    for (unsigned i = 0; row->words[i]; i++)
        json_text(j, NULL, row->words[i]);
    json_close_array(j);
    json_close_object(j);
    put_ref(j, NULL, "variable");
    json_close_array(j);
}

static void schema_secret(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_text(j, "$ref", "#/$defs/secret");
}

static void schema_ranges(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_raw(j, "type", "[\"string\",\"integer\",\"array\"]");
}

static void schema_threshold(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_text(j, "$ref", "#/$defs/threshold");
}

static void schema_tls(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_text(j, "$ref", "#/$defs/tls");
}

static void schema_strings(struct json *j, const struct vital_opt *row)
{
    struct vital_opt one = *row;
    one.type = row->words ? VITAL_WORD : VITAL_STRING;
    json_open_array(j, "anyOf");
    json_open_object(j, NULL);
    (row->words ? schema_word : schema_text)(j, &one);
    json_close_object(j);
    json_open_object(j, NULL);
    json_text(j, "type", "array");
    json_open_object(j, "items");
    (row->words ? schema_word : schema_text)(j, &one);
    json_close_object(j);
    json_close_object(j);
    json_close_array(j);
}

static void schema_pairs(struct json *j, const struct vital_opt *row)
{
    (void)row;
    json_text(j, "type", "object");
    put_ref(j, "additionalProperties", "secret");
}

static void schema_block(struct json *j, const struct vital_opt *row)
{
    json_open_array(j, "allOf");
    put_rows(j, NULL, row->rows, true);
    json_close_array(j);
}

static void schema_blocks(struct json *j, const struct vital_opt *row)
{
    json_open_array(j, "anyOf");
    json_open_object(j, NULL);
    json_text(j, "type", "array");
    put_rows(j, "items", row->rows, true);
    json_close_object(j);
    put_rows(j, NULL, row->rows, true);
    json_close_array(j);
}

static void (*const writers[VITAL_TYPE_COUNT])(struct json *, const struct vital_opt *) = {
    [VITAL_BOOL] = schema_bool,           [VITAL_INT] = schema_int,       [VITAL_NUMBER] = schema_number, [VITAL_DURATION] = schema_duration,
    [VITAL_SIZE] = schema_size,           [VITAL_STRING] = schema_text,   [VITAL_WORD] = schema_word,     [VITAL_SECRET] = schema_secret,
    [VITAL_URL] = schema_secret,          [VITAL_ADDRESS] = schema_text,  [VITAL_REGEX] = schema_text,    [VITAL_RANGES] = schema_ranges,
    [VITAL_THRESHOLD] = schema_threshold, [VITAL_TLS] = schema_tls,       [VITAL_STRINGS] = schema_strings, [VITAL_PAIRS] = schema_pairs,
    [VITAL_BLOCK] = schema_block,         [VITAL_BLOCKS] = schema_blocks,
};

static void put_row(struct json *j, const struct vital_opt *row)
{
    struct buf text = BUF(2048);
    buf_printf(&text, "%s (", row->help);
    optdoc_form(row, &text);
    buf_text(&text, ")");
    json_open_object(j, row->name);
    json_text(j, "description", text.data);
    writers[row->type](j, row);
    json_close_object(j);
    buf_free(&text);
}

static void put_properties(struct json *j, const struct vital_opt *rows)
{
    for (; rows->name; rows++)
        put_row(j, rows);
}

/* A map; what has a bare form may be that alone. */
static void put_rows(struct json *j, const char *key, const struct vital_opt *rows, bool check_required)
{
    const struct vital_opt *bare = opt_bare(rows);
    json_open_object(j, key);
    json_open_array(j, "anyOf");
    if (bare) {
        json_open_object(j, NULL);
        writers[bare->type](j, bare);
        json_close_object(j);
    }
    json_open_object(j, NULL);
    json_text(j, "type", "object");
    json_bool(j, "additionalProperties", false);
    json_open_array(j, "required");
    for (const struct vital_opt *row = rows; check_required && row->name; row++)
        if (row->flags & VITAL_REQUIRED)
            json_text(j, NULL, row->name);
    json_close_array(j);
    json_open_object(j, "properties");
    put_properties(j, rows);
    json_close_object(j);
    json_close_object(j);
    json_open_object(j, NULL);
    json_text(j, "type", "null");
    json_close_object(j);
    json_close_array(j);
    json_close_object(j);
}

static void put_types(struct json *j)
{
    static const struct { const char *name, *pattern; } texts[] = {
        { "variable", "\\$\\{" },
        { "percentage", "^[0-9.]+%$" },
        { "duration", "^(0|([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d|w))+|.*\\$\\{.*)$" },
        { "size", "^(0|[0-9]+(\\.[0-9]+)?(B|kB|KB|MB|GB|TB|PB|KiB|MiB|GiB|TiB|PiB)|.*\\$\\{.*)$" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_open_object(j, texts[i].name);
        put_pattern(j, texts[i].pattern);
        json_close_object(j);
    }
    json_raw(j, "secret", "{\"anyOf\":[{\"type\":[\"string\",\"number\"]},{\"type\":\"object\",\"additionalProperties\":false,\"minProperties\":1,\"maxProperties\":1,"
                          "\"properties\":{\"file\":{\"type\":\"string\"},\"env\":{\"type\":\"string\"},\"credential\":{\"type\":\"string\"}}}]}");
    json_raw(j, "threshold", "{\"anyOf\":[{\"type\":[\"string\",\"number\"]},{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"enter\",\"leave\"],"
                             "\"properties\":{\"enter\":{\"type\":[\"string\",\"number\"]},\"leave\":{\"type\":[\"string\",\"number\"]}}}]}");
    json_open_object(j, "tls");
    json_open_array(j, "anyOf");
    json_raw(j, NULL, "{\"enum\":[true,false,\"auto\"]}");
    put_rows(j, NULL, opt_tls_rows, true);
    json_close_array(j);
    json_close_object(j);
}

static void put_probe(struct json *j, const struct vital_module *const *modules, size_t count)
{
    json_open_object(j, "probe");
    json_text(j, "type", "object");
    json_bool(j, "additionalProperties", false);
    json_open_object(j, "properties");
    put_properties(j, conf_policy_rows);
    for (size_t i = 0; i < count; i++)
        put_rows(j, modules[i]->name, modules[i]->opts, false); /* what is required may come from `defaults` */
    json_close_object(j);
    json_open_array(j, "oneOf");
    for (size_t i = 0; i < count; i++) {
        json_open_object(j, NULL);
        json_open_array(j, "required");
        json_text(j, NULL, modules[i]->name);
        json_close_array(j);
        json_close_object(j);
    }
    json_close_array(j);
    json_close_object(j);
}

static void put_map_of(struct json *j, const char *key, const struct vital_opt *rows)
{
    json_open_object(j, key);
    json_text(j, "type", "object");
    put_rows(j, "additionalProperties", rows, true);
    json_close_object(j);
}

static void put_list_of(struct json *j, const char *key, const struct vital_opt *rows)
{
    json_open_object(j, key);
    json_open_array(j, "anyOf");
    json_open_object(j, NULL);
    json_text(j, "type", "array");
    put_rows(j, "items", rows, true);
    json_close_object(j);
    put_rows(j, NULL, rows, true);
    json_close_array(j);
    json_close_object(j);
}

static void put_sections(struct json *j)
{
    put_list_of(j, "listen", conf_listen_rows);
    put_list_of(j, "files", conf_file_rows);
    put_list_of(j, "agents", conf_agent_rows);
    put_list_of(j, "gates", conf_gate_rows);
    put_map_of(j, "groups", conf_group_rows);
    put_map_of(j, "consumers", conf_consumer_rows);
    put_map_of(j, "notify", conf_receiver_rows);
    json_raw(j, "defaults", "{\"type\":\"object\"}");
    json_raw(j, "aliases", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}");
    json_open_object(j, "probes");
    json_text(j, "type", "object");
    put_ref(j, "additionalProperties", "probe");
    json_close_object(j);
}

void optdoc_schema(struct buf *out)
{
    const struct vital_module *modules[DOC_MODULES_MAX];
    size_t count = optdoc_modules(modules);
    struct json j = JSON(out);
    json_open_object(&j, NULL);
    json_text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_text(&j, "title", "vitald configuration");
    json_text(&j, "type", "object");
    json_bool(&j, "additionalProperties", false);
    json_open_object(&j, "properties");
    put_properties(&j, conf_setting_rows);
    put_sections(&j);
    json_close_object(&j);
    json_open_object(&j, "$defs");
    put_types(&j);
    put_probe(&j, modules, count);
    json_close_object(&j);
    json_close_object(&j);
    buf_char(out, '\n');
}
