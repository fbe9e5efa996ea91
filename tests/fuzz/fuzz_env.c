/* An environment file, and what its variables announce. Whatever they hold: every store that is found has a URL that can be
 * read again, and no finding shows a value. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/url.h"
#include "config/build.h"
#include "config/environ.h"
#include "config/tree.h"

#define MARK "s3cr3t_"      /* can stand in a value, but in no scheme, for those are shown */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check_probe(const struct node *probe)
{
    MAP_EACH(e, probe) {
        const struct node *text = e->value->kind == NODE_MAP ? map_find(e->value, "url") : NULL;
        struct url u;
        if (!text)
            continue;
        if (url_parse(text->text, text->len, &u)) {     /* a socket's path or a name may be more than a URL holds: refused when it is decoded */
            require(strstr(text->text, "%2F") || text->len > sizeof u.user);
            continue;
        }
        require(!u.has_password && (*u.host || *u.unix_path));
    }
}

static void check_findings(struct diag *d)
{
    struct buf out = BUF(1 << 20);
    diag_print(d, &out);
    require(!out.data || !strstr(out.data, MARK));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *tree = arena_new(), *names = arena_new();
    struct environment env = { .arena = tree };
    struct diag of_file = { 0 }, d = { 0 };
    char *text = arena_copy_n(tree, (const char *)data, size);
    bool reads_files = memmem(data, size, "_FILE", 5);     /* any path, also one that never answers */
    clearenv();
    environ_parse(&env, "env", text, strlen(text), &of_file);
    if (!reads_files) {
        const struct node *root = env_tree(tree, names, &env, &d);
        MAP_EACH(e, map_find(root, "probes"))
            check_probe(e->value);
        check_findings(&d);
    }
    diag_free(&of_file);
    diag_free(&d);
    arena_free(tree);
    arena_free(names);
    return 0;
}
