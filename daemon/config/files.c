#include "config/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/yaml.h"

static char *fails(struct diag *d, const char *path, const char *what)
{
    diag_add(d, DIAG_ERROR, (struct diag_place){ .file = path }, "%s", what);
    return NULL;
}

static char *refused(struct diag *d, const char *path, int error)
{
    d->host |= mem_is_short(error);
    return fails(d, path, strerror(error));
}

/* Pipes are welcome (-c /dev/stdin), so the size is found by reading. */
static char *read_fd(struct arena *a, int fd, const char *path, size_t max, size_t *len, struct diag *d)
{
    struct buf text = BUF(max);
    for (;;) {
        char part[16384];
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || text.over) {
            char *out = n < 0 ? refused(d, path, errno) : text.over ? fails(d, path, "the file is too large") : NULL;
            if (n == 0 && !text.over) {
                *len = text.len;
                out = arena_copy_n(a, text.data ? text.data : "", text.len);
            }
            mem_wipe(text.data, text.len);
            buf_free(&text);
            mem_wipe(part, sizeof part);
            return out;
        }
        buf_add(&text, part, (size_t)n);
    }
}

char *file_read(struct arena *a, const char *path, size_t max, size_t *len, struct diag *d)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return refused(d, path, errno);
    char *text = read_fd(a, fd, path, max, len, d);
    close(fd);
    return text;
}

struct reading {
    struct arena *tree, *names;
    struct node *root;
    struct buf source;
    struct diag *diag;
    bool failed;
};

static void read_one(struct reading *r, const char *path)
{
    size_t len = 0;
    struct arena *bytes = arena_new_apart(); /* the text is not needed once it is a tree, and it may be large */
    char *text = file_read(bytes, path, YAML_BYTES, &len, r->diag);
    struct node *n = text ? yaml_parse(r->tree, path, text, len, r->diag) : NULL;
    arena_free(bytes);
    buf_printf(&r->source, "%s%s", r->source.len ? ", " : "", path);
    r->failed |= !n;
    if (n && n->kind == NODE_MAP)
        tree_merge_root(r->tree, r->root, n);
    else if (n && n->kind != NODE_NULL)
        diag_add(r->diag, DIAG_ERROR, n->place, "the configuration must be a map (`probes:` ...), not %s", node_kind_text(n));
}

static int is_yaml(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return e->d_name[0] != '.' && ((n > 5 && !strcmp(e->d_name + n - 5, ".yaml")) || (n > 4 && !strcmp(e->d_name + n - 4, ".yml")));
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_directory(struct reading *r, const char *path)
{
    struct dirent **found = NULL;
    int n = scandir(path, &found, is_yaml, by_bytes);
    if (n < 0) {
        r->failed = !refused(r->diag, path, errno);
        return;
    }
    if (n == 0)
        diag_add(r->diag, DIAG_WARNING, (struct diag_place){ .file = path }, "this directory holds no *.yaml file");
    for (int i = 0; i < n; i++) {
        read_one(r, arena_printf(r->names, "%s/%s", path, found[i]->d_name));
        free(found[i]);
    }
    free(found);
}

struct node *files_read(struct arena *tree, struct arena *names, const char *const *paths, unsigned count, const char **source,
                        struct diag *d)
{
    struct reading r = { .tree = tree, .names = names, .source = BUF(4096), .diag = d };
    r.root = node_map(tree, (struct diag_place){ 0 });
    for (unsigned i = 0; i < count; i++) {
        struct stat st;
        const char *path = arena_copy(names, paths[i]);
        if (stat(path, &st) < 0)
            r.failed = !refused(d, path, errno);
        else if (S_ISDIR(st.st_mode))
            read_directory(&r, path);
        else
            read_one(&r, path);
    }
    *source = arena_copy(names, r.source.data ? r.source.data : "");
    buf_free(&r.source);
    return r.failed ? NULL : r.root;
}
