#include "config/environ.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/mem.h"
#include "config/tree.h"

enum { EXPANDED_MAX = 1 << 20, NAME_MAX_LEN = 255 };

const char *environ_get(const struct environment *env, const char *name)
{
    const char *own = getenv(name);
    if (own || !env)
        return own;
    uint32_t i = names_get(&env->index, name);
    return i == NAMES_NONE ? NULL : env->values[i];
}

void environ_set(struct environment *env, const char *name, const char *value)
{
    uint32_t i = names_get(&env->index, name);
    if (i != NAMES_NONE) {
        env->values[i] = value;
        return;
    }
    if (env->count == env->room) {
        env->room = env->room ? env->room * 2 : 32;
        const char **wider = arena_alloc(env->arena, env->room * sizeof *wider);
        if (env->count)
            memcpy(wider, env->values, env->count * sizeof *wider);
        env->values = wider;
    }
    env->values[env->count] = value;
    names_put(&env->index, env->arena, name, env->count++);
}

/* ---- ${...} ------------------------------------------------------------------------------------------------- */

static size_t name_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return isdigit((unsigned char)text[0]) ? 0 : n;
}

struct expansion {
    struct buf out;
    const struct environment *env;
    struct diag *diag;
    struct node *node;
};

/* What follows the name: nothing, :-default or :?message; returns the value, or NULL after an error. */
static const char *value_of(struct expansion *x, const char *name, const char *rest, size_t rest_len, size_t *len)
{
    const char *value = environ_get(x->env, name);
    struct diag_place place = x->node->place;
    if (rest_len >= 2 && rest[0] == ':' && (rest[1] == '-' || rest[1] == '?')) {
        if (value && *value)
            return *len = strlen(value), value;
        if (rest[1] == '-')
            return *len = rest_len - 2, rest + 2;
        diag_add(x->diag, DIAG_ERROR, place, "environment variable %s %s: %.*s", name, value ? "is empty" : "is not set",
                 rest_len > 2 ? (int)rest_len - 2 : -1, rest_len > 2 ? rest + 2 : "it is required");
        return NULL;
    }
    if (rest_len)
        diag_add(x->diag, DIAG_ERROR, place, "`${%s%.*s}` is not understood: write ${%s}, ${%s:-default} or ${%s:?message}", name,
                 (int)rest_len, rest, name, name, name);
    else if (!value)
        diag_add(x->diag, DIAG_ERROR, place, "environment variable %s is not set: set it, or write ${%s:-default}", name, name);
    else
        return *len = strlen(value), value;
    return NULL;
}

/* at: after "${". Returns where to go on, or NULL after an error. */
static const char *expand_one(struct expansion *x, const char *at)
{
    const char *end = strchr(at, '}');
    size_t n = name_length(at), len = 0;
    if (!end || !n || n > NAME_MAX_LEN) {
        diag_add(x->diag, DIAG_ERROR, x->node->place, !end ? "`${` is never closed: write $${ for the characters themselves"
                                                           : "`${` must be followed by a variable's name: write $${ for the characters themselves");
        return NULL;
    }
    const char *rest = at + n;
    if (memmem(rest, (size_t)(end - rest), "${", 2)) {
        diag_add(x->diag, DIAG_ERROR, x->node->place, "`${...}` inside of `${...}` is not supported");
        return NULL;
    }
    char name[NAME_MAX_LEN + 1];
    memcpy(name, at, n);
    name[n] = '\0';
    const char *value = value_of(x, name, rest, (size_t)(end - rest), &len);
    if (!value)
        return NULL;
    buf_add(&x->out, value, len);
    return end + 1;
}

static void expand_scalar(struct expansion *x, struct arena *a)
{
    struct node *n = x->node;
    const char *at = n->text;
    while (at && *at) {
        const char *dollar = strchrnul(at, '$');
        buf_add(&x->out, at, (size_t)(dollar - at));
        at = dollar;
        if (*at && at[1] == '{') {
            at = expand_one(x, at + 2);
            n->expanded = true;
        } else if (*at) {
            buf_char(&x->out, '$');
            at += at[1] == '$' ? 2 : 1;
        }
    }
    if (x->out.over)
        diag_add(x->diag, DIAG_ERROR, n->place, "more than %d KiB after its variables were filled in", EXPANDED_MAX >> 10);
    n->broken = !at;
    n->text = at && x->out.data ? arena_copy_n(a, x->out.data, x->out.len) : "";
    n->len = at ? x->out.len : 0;
    mem_wipe(x->out.data, x->out.len);
    buf_free(&x->out);
}

void tree_expand(struct node *n, struct arena *a, const struct environment *env, struct diag *d)
{
    if (n->kind == NODE_SCALAR && !n->verbatim && memchr(n->text, '$', n->len)) {
        struct expansion x = { .out = BUF(EXPANDED_MAX), .env = env, .diag = d, .node = n };
        expand_scalar(&x, a);
    } else if (n->kind == NODE_LIST) {
        for (uint32_t i = 0; i < n->count; i++)
            tree_expand(n->items[i], a, env, d);
    } else if (n->kind == NODE_MAP) {
        MAP_EACH(e, n)
            tree_expand(e->value, a, env, d);
    }
}
