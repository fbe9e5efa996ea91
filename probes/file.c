/* file: whether it exists, how old and large it is, what it says. */
#include "builtin.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "judge.h"

enum { TYPE_ANY, TYPE_FILE, TYPE_DIRECTORY, TYPE_SOCKET, TYPE_FIFO, TYPE_BLOCK, TYPE_CHARACTER };
static const char *const type_words[] = { "any", "file", "directory", "socket", "fifo", "block_device", "character_device", NULL };
static const uint64_t type_modes[] = { 0, S_IFREG, S_IFDIR, S_IFSOCK, S_IFIFO, S_IFBLK, S_IFCHR };

struct file_conf {
    const char *path;
    bool exists;
    uint8_t type;
    uint64_t min_age, max_age;
    uint64_t min_size, max_size;
    const char *contains;
    const struct vital_regex *matches, *matches_not;
};

struct file { struct found found; char good[FOUND_TEXT]; };

static const struct vital_opt rows[] = {
    VITAL_OPT(struct file_conf, path, STRING, .flags = VITAL_BARE | VITAL_TARGET | VITAL_REQUIRED | VITAL_PATHNAME,
              .help = "the file, directory, socket ...; symbolic links are followed"),
    VITAL_OPT(struct file_conf, exists, BOOL, .def = "true", .help = "false: it must not exist"),
    VITAL_OPT(struct file_conf, type, WORD, .words = type_words, .def = "any", .help = "what it must be"),
    VITAL_OPT(struct file_conf, min_age, DURATION, .help = "fail when it was changed more recently than this"),
    VITAL_OPT(struct file_conf, max_age, DURATION, .help = "fail when it was last changed longer ago than this: a backup, a cron job's mark"),
    VITAL_OPT(struct file_conf, min_size, SIZE, .help = "fail when it is smaller"),
    VITAL_OPT(struct file_conf, max_size, SIZE, .help = "fail when it is larger"),
    VITAL_OPT(struct file_conf, contains, STRING, .help = "text that must be in its first 64 KiB"),
    VITAL_OPT(struct file_conf, matches, REGEX, .help = "regular expression that must match its first 64 KiB"),
    VITAL_OPT(struct file_conf, matches_not, REGEX, .help = "regular expression that must not match its first 64 KiB"),
    VITAL_OPT_END,
};

enum { SIZE, AGE };
static const struct vital_number numbers[] = {
    [SIZE] = { "size_bytes", "bytes", "its size", false, NULL },
    [AGE] = { "age_seconds", "seconds", "since it was last changed", false, NULL },
    { .name = NULL },
};

static bool has_content_check(const struct file_conf *c)
{
    return c->contains || c->matches || c->matches_not;
}

static bool prepare(void *conf, struct vital_diag *diag)
{
    const struct file_conf *c = conf;
    bool fine = true;
    if (c->max_age && c->min_age > c->max_age) {
        diag->error(diag, "min_age", "is larger than max_age: no file could pass");
        fine = false;
    }
    if (c->max_size && c->min_size > c->max_size) {
        diag->error(diag, "min_size", "is larger than max_size: no file could pass");
        fine = false;
    }
    if (!c->exists && (c->min_age || c->max_age || c->min_size || c->max_size || c->type != TYPE_ANY || has_content_check(c))) {
        diag->error(diag, "exists", "a file that must not exist has no age, size, type or content to check");
        fine = false;
    }
    if (has_content_check(c) && c->type != TYPE_ANY && c->type != TYPE_FILE) {
        diag->error(diag, "type", "only regular files have content to check");
        fine = false;
    }
    return fine;
}

static void finish(struct vital_probe *p)
{
    struct file *f = p->priv;
    judge_finish(p, &f->found, "%s", f->good);
}

static void judge_content(struct vital_probe *p, const struct vital_file *f)
{
    const struct file_conf *c = p->conf;
    struct found *found = &((struct file *)p->priv)->found;
    const char *part = f->cut ? " in its first 64 KiB" : "";
    const char *data = f->data ? f->data : "";
    if (c->contains && !memmem(data, f->len, c->contains, strlen(c->contains)))
        found_add(found, VITAL_FAIL, VITAL_R_MISMATCH, "%.200s does not contain \"%.60s\"%s", c->path, c->contains, part);
    if (c->matches && !p->host->match(p, c->matches, data, f->len))
        found_add(found, VITAL_FAIL, VITAL_R_MISMATCH, "%.200s does not match the expression%s", c->path, part);
    if (c->matches_not && p->host->match(p, c->matches_not, data, f->len))
        found_add(found, VITAL_FAIL, VITAL_R_MISMATCH, "%.200s matches the expression that it must not%s", c->path, part);
}

static void content_read(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    const struct file_conf *c = p->conf;
    struct file *priv = p->priv;
    if (judge_file(&priv->found, f, c->path))
        judge_content(p, f);
    finish(p);
}

static void judge_age(struct vital_probe *p, const struct vital_file *f, char text[CLOCK_TEXT])
{
    const struct file_conf *c = p->conf;
    struct found *found = &((struct file *)p->priv)->found;
    uint64_t now = clock_wall();
    uint64_t age = now > f->mtime_us ? now - f->mtime_us : 0;       /* a time in the future is no age */
    char limit[CLOCK_TEXT];
    vital_number(p, AGE, (double)age / 1e6);
    clock_span(age, text);
    if (c->min_age && age < c->min_age)
        found_add(found, VITAL_FAIL, VITAL_R_AGE, "%.200s changed %s ago, expected at least %s", c->path, text, clock_span(c->min_age, limit));
    if (c->max_age && age > c->max_age)
        found_add(found, VITAL_FAIL, VITAL_R_AGE, "%.200s changed %s ago, expected at most %s", c->path, text, clock_span(c->max_age, limit));
}

static void judge_size(struct vital_probe *p, const struct vital_file *f, char text[FOUND_AMOUNT])
{
    const struct file_conf *c = p->conf;
    struct found *found = &((struct file *)p->priv)->found;
    char limit[FOUND_AMOUNT];
    vital_number(p, SIZE, f->size);
    found_bytes((double)f->size, text);
    if (f->size < c->min_size)
        found_add(found, VITAL_FAIL, VITAL_R_THRESHOLD, "%.200s has %s, expected at least %s", c->path, text, found_bytes((double)c->min_size, limit));
    if (c->max_size && f->size > c->max_size)
        found_add(found, VITAL_FAIL, VITAL_R_THRESHOLD, "%.200s has %s, expected at most %s", c->path, text, found_bytes((double)c->max_size, limit));
}

static const char *type_name(uint64_t kind)
{
    for (size_t i = 1; i < sizeof type_modes / sizeof *type_modes; i++)
        if (type_modes[i] == kind)
            return type_words[i];
    return "something else";
}

static void judge_present(struct vital_probe *p, const struct vital_file *f)
{
    const struct file_conf *c = p->conf;
    struct file *priv = p->priv;
    char age[CLOCK_TEXT], size[FOUND_AMOUNT];
    uint64_t want = has_content_check(c) ? S_IFREG : type_modes[c->type];
    judge_age(p, f, age);
    judge_size(p, f, size);
    snprintf(priv->good, sizeof priv->good, "%.200s: %s, changed %s ago", c->path, size, age);
    if (want && f->kind != want) {
        found_add(&priv->found, VITAL_FAIL, VITAL_R_MISMATCH, "%.200s is a %s, expected a %s", c->path, type_name(f->kind), type_name(want));
        finish(p);
    } else if (has_content_check(c)) {
        p->host->file(p, VITAL_READFILE, c->path, content_read, NULL);
    } else {
        finish(p);
    }
}

static void looked(struct vital_probe *p, const struct vital_file *f, void *arg)
{
    (void)arg;
    const struct file_conf *c = p->conf;
    struct file *priv = p->priv;
    bool absent = !f->hung && (f->error == ENOENT || f->error == ENOTDIR);
    if (!c->exists && absent) {
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "%.300s does not exist", c->path);
    } else if (!judge_file(&priv->found, f, c->path)) {
        finish(p);
    } else if (!c->exists) {
        vital_finish(p, VITAL_FAIL, VITAL_R_MISMATCH, "%.300s exists, and must not", c->path);
    } else {
        judge_present(p, f);
    }
}

static void start(struct vital_probe *p)
{
    const struct file_conf *c = p->conf;
    struct file *priv = p->priv;
    *priv = (struct file){ .found = { .class = VITAL_PASS } };
    p->host->file(p, VITAL_STAT, c->path, looked, NULL);
}

const struct vital_module file_module = {
    VITAL_MODULE_HEAD,
    .name = "file",
    .summary = "a file or directory: existence, type, age, size, content",
    .manual =
        "Good for what other programs leave behind: the mark of a nightly backup (`max_age: 25h`), a flag that must not be there (`exists: false`), a state file "
        "with a word in it. Content is read up to 64 KiB. Calls are made by a helper process: a file system that hangs fails as `hung` and holds up nothing.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct file_conf),
    .priv_size = sizeof(struct file),
    .prepare = prepare,
    .start = start,
};
