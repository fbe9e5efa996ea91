#include "config/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"

/* Measured: at this limit the worst pattern stops within a few milliseconds; the just-in-time compiler is not used, for
 * its code does not count steps the same way. */
enum { MATCH_LIMIT = 100000, HEAP_LIMIT_KIB = 1024, PATTERN_LIMIT = 4096 };

struct vital_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
    char *pattern;
};

static void *allocate(size_t size, void *arg)
{
    (void)arg;
    return mem_alloc(size);
}

static void release(void *block, void *arg)
{
    (void)arg;
    mem_free(block);
}

static struct vital_regex *compile(const char *pattern, pcre2_general_context *memory, char **error)
{
    int code = 0;
    size_t offset = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    pcre2_set_max_pattern_length(context, PATTERN_LIMIT);
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_BACKSLASH_C, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!compiled) {
        PCRE2_UCHAR text[160] = "";
        pcre2_get_error_message(code, text, sizeof text);
        *error = mem_printf("not a regular expression: %s (at its character %zu)", (const char *)text, offset + 1);
        return NULL;
    }
    struct vital_regex *r = mem_alloc(sizeof *r);
    r->code = compiled;
    r->pattern = mem_copy(pattern);
    r->limits = pcre2_match_context_create(memory);
    pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(r->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(r->limits, HEAP_LIMIT_KIB);
    return r;
}

struct vital_regex *regex_new(const char *pattern, char **error)
{
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    struct vital_regex *r = compile(pattern, memory, error);
    pcre2_general_context_free(memory);
    return r;
}

void regex_free(const struct vital_regex *regex)
{
    struct vital_regex *r = (struct vital_regex *)(uintptr_t)regex;
    if (!r)
        return;
    pcre2_match_context_free(r->limits);
    pcre2_code_free(r->code);
    mem_free(r->pattern);
    mem_free(r);
}

const char *regex_pattern(const struct vital_regex *r)
{
    return r->pattern;
}

enum regex_answer regex_match(const struct vital_regex *r, const char *text, size_t len)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL); /* only whether it matches matters */
    if (!data)
        return REGEX_LIMIT;
    int rc = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, 0, data, r->limits);
    pcre2_match_data_free(data);
    return rc >= 0 ? REGEX_YES : rc == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_LIMIT;
}
