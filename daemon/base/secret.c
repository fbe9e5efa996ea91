#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { SCRUB_LEAST = 4 };

void secret_set(struct vital_secret *s, const char *value, size_t len)
{
    char *old = s->value;
    size_t old_len = s->len;
    s->value = mem_copy_n(value, len);
    s->len = len;
    mem_wipe(old, old_len);
    mem_free(old);
}

void secret_free(struct vital_secret *s)
{
    mem_wipe(s->value, s->len);
    mem_free(s->value);
    s->value = NULL;
    s->len = 0;
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static size_t without_newline(const char *text, size_t len)
{
    if (!len || text[len - 1] != '\n')
        return len;
    len--;
    return len && text[len - 1] == '\r' ? len - 1 : len;
}

/* Reads until the end of the file or until room is full; -1 with errno. */
static ssize_t read_all(int fd, char *room, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, room + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static const char *take(struct vital_secret *s, struct arena *a, const char *path, const char *bytes, size_t read_len)
{
    size_t len = without_newline(bytes, read_len);
    if (len > SECRET_MAX)
        return arena_printf(a, "secret file %s is larger than %d KiB: is it the right file?", path, SECRET_MAX / 1024);
    if (!len)
        return arena_printf(a, "secret file %s is empty: write the secret into it", path);
    if (memchr(bytes, '\0', len))
        return arena_printf(a, "secret file %s contains a NUL byte: a secret is text", path);
    secret_set(s, bytes, len);
    return NULL;
}

static const char *load_open_file(struct vital_secret *s, struct arena *a, const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return arena_printf(a, "cannot read secret file %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return arena_printf(a, "secret file %s is not a regular file", path);
    enum { ROOM = SECRET_MAX + 3 };             /* CRLF, and one more to see that it is too large */
    char *room = mem_alloc(ROOM);
    ssize_t n = read_all(fd, room, ROOM);
    const char *error = n < 0 ? arena_printf(a, "cannot read secret file %s: %s", path, strerror(errno))
                              : take(s, a, path, room, (size_t)n);
    mem_wipe(room, ROOM);
    mem_free(room);
    return error;
}

static const char *load_file(struct vital_secret *s, struct arena *a, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO must not hold us: it is refused below */
    if (fd < 0)
        return arena_printf(a, "cannot open secret file %s: %s", path, strerror(errno));
    const char *error = load_open_file(s, a, path, fd);
    close(fd);
    return error;
}

static const char *load_from_file(struct vital_secret *s, struct arena *a)
{
    return load_file(s, a, s->origin);
}

static const char *load_from_env(struct vital_secret *s, struct arena *a)
{
    const char *value = getenv(s->origin);
    if (!value)
        return arena_printf(a, "environment variable %s is not set: it should hold the secret", s->origin);
    size_t len = strlen(value);
    if (len > SECRET_MAX)
        return arena_printf(a, "environment variable %s is larger than %d KiB", s->origin, SECRET_MAX / 1024);
    secret_set(s, value, len);
    return NULL;
}

static const char *credential_path(const char *name, struct arena *a, const char **error)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        *error = arena_printf(a, "credential \"%s\" is not a credential's name: it is one file name, without '/'", name);
    else if (!dir)
        *error = arena_printf(a, "credential %s: CREDENTIALS_DIRECTORY is not set: add LoadCredential=%s:PATH to the unit",
                              name, name);
    else
        return arena_printf(a, "%s/%s", dir, name);
    return NULL;
}

static const char *load_from_credential(struct vital_secret *s, struct arena *a)
{
    const char *error = NULL;
    const char *path = credential_path(s->origin, a, &error);
    return path ? load_file(s, a, path) : error;
}

static const char *load_literal(struct vital_secret *s, struct arena *a)
{
    (void)s;
    (void)a;
    return NULL;
}

const char *secret_load(struct vital_secret *s, struct arena *a)
{
    static const char *(*const loaders[])(struct vital_secret *, struct arena *) = {
        [SECRET_LITERAL] = load_literal,
        [SECRET_ENV] = load_from_env,
        [SECRET_FILE] = load_from_file,
        [SECRET_CREDENTIAL] = load_from_credential,
    };
    if (!s->value)
        secret_set(s, "", 0);
    return loaders[s->source](s, a);
}

/* ---- comparing and scrubbing ------------------------------------------------------------------------------- */

static bool same_origin(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

bool secret_equal(const struct vital_secret *a, const struct vital_secret *b)
{
    if (a->source != b->source || !same_origin(a->origin, b->origin) || a->len != b->len)
        return false;
    unsigned char differs = 0;
    for (size_t i = 0; i < a->len; i++)
        differs |= (unsigned char)(a->value[i] ^ b->value[i]);
    return !differs;
}

void secret_scrub(const struct vital_secret *s, char *text)
{
    if (s->len < SCRUB_LEAST)
        return;
    char *to = text, *end = text + strlen(text);
    for (char *at = text, *hit; at < end; at = hit + s->len) {
        hit = memmem(at, (size_t)(end - at), s->value, s->len);
        size_t kept = (size_t)((hit ? hit : end) - at);
        memmove(to, at, kept);
        to += kept;
        if (!hit)
            break;
        memcpy(to, "***", 3);
        to += 3;
    }
    memset(to, 0, (size_t)(end - to)); /* the text shrank: its old tail may hold the value */
}

/* Everybody can read the file when it says so and every directory above lets everybody through. */
bool secret_is_exposed(const struct vital_secret *s)
{
    struct stat st;
    if (s->source != SECRET_FILE || stat(s->origin, &st) < 0 || !(st.st_mode & S_IROTH))
        return false;
    char *dir = mem_copy(s->origin);
    bool open_to_all = true;
    for (char *slash = strrchr(dir, '/'); slash && slash != dir && open_to_all; slash = strrchr(dir, '/')) {
        *slash = '\0';
        open_to_all = stat(dir, &st) == 0 && (st.st_mode & S_IXOTH);
    }
    mem_free(dir);
    return open_to_all;
}

/* ---- read again, by a helper process --------------------------------------------------------------------------- */

const char *secret_path(const struct vital_secret *s, char *room, size_t size)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (s->source == SECRET_FILE)
        snprintf(room, size, "%s", s->origin);
    else if (s->source == SECRET_CREDENTIAL && dir)
        snprintf(room, size, "%s/%s", dir, s->origin);
    else
        return NULL;
    return room;
}

bool secret_refill(struct vital_secret *s, const char *bytes, size_t read_len, bool *changed)
{
    size_t len = without_newline(bytes, read_len);
    if (!len || len > SECRET_MAX || memchr(bytes, '\0', len))
        return false;
    if (len != s->len || memcmp(bytes, s->value, len) != 0) {
        secret_set(s, bytes, len);
        *changed = true;
    }
    return true;
}
