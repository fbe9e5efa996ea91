/* A scripted host for the tests of probe modules: it records what a module opens, writes and reports, and the test
 * plays the world: it opens, feeds and closes streams, answers files and names, lets time pass. Nothing here waits.
 *
 *     fake_probe(&tcp_module, "address", "127.0.0.1:80", "expect", "OK", NULL);
 *     fake_start();
 *     fake_open(fake_io(FAKE_STREAM));
 *     fake_data(fake_io(FAKE_STREAM), "OK");
 *     CHECK_INT(fake.class, VITAL_PASS);
 *     fake_end();
 *
 * Options are set through the module's own rows, by name ("basic.user" for one in a block), after the rows' defaults.
 * What breaks the contract (two ends of an attempt, a number after the end, a dead handle) aborts the test. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdarg.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/url.h"
#include "vital_probe.h"

enum fake_kind { FAKE_STREAM, FAKE_TIMER, FAKE_WATCH, FAKE_RESOLVE, FAKE_FILE, FAKE_CHILD, FAKE_JOB };
enum { FAKE_IOS = 1024, FAKE_NUMBERS = 128 };

struct vital_regex { pcre2_code *code; };
struct vital_tls { int unused; };
static const struct vital_tls fake_tls;

struct vital_io {
    enum fake_kind kind;
    bool open, kept;
    void *arg;
    /* stream */
    const struct vital_stream_ops *ops;
    struct vital_dial dial;             /* strings are copies */
    struct buf sent;                    /* all that the module wrote, ever */
    bool tls;                           /* starttls() was called */
    bool no_tls;                        /* the test may set it: starttls() refuses */
    struct vital_stream_info info;      /* the test may fill these two */
    struct vital_cert certs[8];
    unsigned cert_count;
    /* timer, watch, resolve, file, child */
    uint64_t at;
    vital_timer_fn *timer;
    int fd;
    unsigned what;
    vital_fd_fn *watch;
    char *text;                         /* of resolve: the name; of file: the path */
    vital_address_fn *resolve;
    enum vital_file_op op;
    vital_file_fn *file;
    const struct vital_child *child;    /* valid while spawn() runs: fake.argv keeps a copy of argv */
    vital_exit_fn *exit;
    const struct vital_job *job;
    void *block;
};

struct fake_number { unsigned row; char label[64]; double value; };

static struct fake {
    struct vital_probe probe;
    struct vital_host host;
    const struct vital_module *module;
    void *conf;
    uint64_t now, deadline;
    bool running, finished;             /* an attempt is under way; it has ended by finish() */
    unsigned attempts, nudges, logs;
    enum vital_class class;
    enum vital_reason reason;
    char text[1024];
    struct fake_number numbers[FAKE_NUMBERS];
    unsigned number_count;
    struct vital_io *ios[FAKE_IOS];
    unsigned io_count;
    struct vital_self self;
    uint64_t stood, stood_until;        /* vitald's own standstills */
    uint64_t stands;                    /* one that is noticed only when it is asked for */
    char diag[1024];                    /* the last finding of prepare(): "option: text" */
    unsigned errors, warnings;
    char *argv[64];                     /* of the last child */
    unsigned opened;                    /* handles ever */
    struct arena *arena;                /* what the fake itself allocates: a leak that is reported is the module's */
} fake;

#define FAKE_NEED(condition)                                                                     \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "%s:%d: the module broke its contract or the test its script: %s\n", \
                    __FILE__, __LINE__, #condition);                                             \
            abort();                                                                             \
        }                                                                                        \
    } while (0)

static inline void *fake_alloc(size_t size)
{
    if (!fake.arena)
        fake.arena = arena_new();
    return arena_alloc(fake.arena, size);
}

static inline char *fake_copy(const char *text)
{
    return text ? strcpy(fake_alloc(strlen(text) + 1), text) : NULL;
}

/* ---- the host table --------------------------------------------------------------------------------------- */

static inline struct vital_io *fake_new(enum fake_kind kind, void *arg)
{
    FAKE_NEED(fake.io_count < FAKE_IOS);
    struct vital_io *io = fake_alloc(sizeof *io);
    *io = (struct vital_io){ .kind = kind, .open = true, .arg = arg, .sent = BUF(4 << 20), .fd = -1 };
    fake.ios[fake.io_count++] = io;
    fake.opened++;
    return io;
}

static inline uint64_t fake_now(struct vital_probe *p) { (void)p; return fake.now; }
static inline uint64_t fake_left(struct vital_probe *p)
{
    (void)p;
    return fake.running && fake.deadline > fake.now ? fake.deadline - fake.now : 0;
}

static inline void fake_close_all(void)
{
    for (unsigned i = 0; i < fake.io_count; i++) {
        struct vital_io *io = fake.ios[i];
        if (io->kept || !io->open)
            continue;
        io->open = false;
        if (io->kind == FAKE_JOB && io->job->wipe)
            io->job->wipe(io->block);
    }
}

__attribute__((format(printf, 4, 5))) static inline void fake_finish(struct vital_probe *p, enum vital_class c,
                                                                     enum vital_reason r, const char *fmt, ...)
{
    (void)p;
    FAKE_NEED(fake.running && !fake.finished);
    FAKE_NEED(c < VITAL_CLASS_COUNT && r < VITAL_REASON_COUNT);
    va_list args;
    va_start(args, fmt);
    vsnprintf(fake.text, sizeof fake.text, fmt, args);
    va_end(args);
    fake.class = c;
    fake.reason = r;
    fake.finished = true;
    fake.running = false;
    fake_close_all();
}

static inline void fake_report(struct vital_probe *p, unsigned row, const char *label, double value)
{
    (void)p;
    FAKE_NEED(fake.running && fake.number_count < FAKE_NUMBERS);
    unsigned rows = 0;
    while (fake.module->numbers && fake.module->numbers[rows].name)
        rows++;
    FAKE_NEED(row < rows);
    FAKE_NEED(!label == !fake.module->numbers[row].label);
    struct fake_number *n = &fake.numbers[fake.number_count++];
    n->row = row;
    n->value = value;
    snprintf(n->label, sizeof n->label, "%s", label ? label : "");
}

__attribute__((format(printf, 3, 4))) static inline void fake_log(struct vital_probe *p, int level, const char *fmt, ...)
{
    (void)p, (void)level, (void)fmt;
    fake.logs++;
}

static inline const char *fake_reveal(const struct vital_secret *s, size_t *len)
{
    if (len)
        *len = s ? s->len : 0;
    return s ? s->value : "";
}

static inline bool fake_match(struct vital_probe *p, const struct vital_regex *r, const char *text, size_t len)
{
    (void)p;
    pcre2_match_data *m = pcre2_match_data_create_from_pattern(r->code, NULL);
    int rc = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, 0, m, NULL);
    pcre2_match_data_free(m);
    return rc >= 0;
}

static inline void fake_nudge(struct vital_probe *p) { (void)p; fake.nudges++; }

static inline struct vital_io *fake_watch(struct vital_probe *p, int fd, unsigned what, vital_fd_fn *fn, void *arg)
{
    (void)p;
    FAKE_NEED(fd >= 0);
    struct vital_io *io = fake_new(FAKE_WATCH, arg);
    io->fd = fd;
    io->what = what;
    io->watch = fn;
    return io;
}

static inline struct vital_io *fake_timer(struct vital_probe *p, uint64_t in, vital_timer_fn *fn, void *arg)
{
    (void)p;
    struct vital_io *io = fake_new(FAKE_TIMER, arg);
    io->at = fake.now + in;
    io->timer = fn;
    return io;
}

static inline struct vital_io *fake_resolve(struct vital_probe *p, const char *host, vital_address_fn *fn, void *arg)
{
    (void)p;
    struct vital_io *io = fake_new(FAKE_RESOLVE, arg);
    io->text = fake_copy(host);
    io->resolve = fn;
    return io;
}

static inline struct vital_io *fake_dial(struct vital_probe *p, const struct vital_dial *d, const struct vital_stream_ops *ops, void *arg)
{
    (void)p;
    struct vital_io *io = fake_new(FAKE_STREAM, arg);
    io->ops = ops;
    io->dial = (struct vital_dial){ fake_copy(d->host), fake_copy(d->port), fake_copy(d->unix_path), d->tls,
                                    fake_copy(d->tls_name), fake_copy(d->alpn), fake_copy(d->source), d->speaks_first };
    io->info.connect = 1000;
    return io;
}

static inline bool fake_write(struct vital_io *io, const void *bytes, size_t len)
{
    FAKE_NEED(io->open && io->kind == FAKE_STREAM);
    buf_add(&io->sent, bytes, len);
    return true;
}

static inline bool fake_starttls(struct vital_io *io, const struct vital_tls *tls, const char *name, const char *alpn)
{
    (void)name, (void)alpn;
    FAKE_NEED(io->open && io->kind == FAKE_STREAM && tls && !io->tls);
    io->tls = !io->no_tls;
    return io->tls;
}

static inline void fake_stream_info(struct vital_io *io, struct vital_stream_info *info) { *info = io->info; }

static inline unsigned fake_certificates(struct vital_io *io, struct vital_cert *out, unsigned room)
{
    unsigned n = io->cert_count < room ? io->cert_count : room;
    memcpy(out, io->certs, n * sizeof *out);
    return n;
}

static inline struct vital_io *fake_submit(struct vital_probe *p, const struct vital_job *job, void *block)
{
    (void)p;
    FAKE_NEED(fake.module->job_threads > 0);
    struct vital_io *io = fake_new(FAKE_JOB, NULL);
    io->job = job;
    io->block = block;
    return io;
}

static inline struct vital_io *fake_spawn(struct vital_probe *p, const struct vital_child *c, vital_exit_fn *fn, void *arg)
{
    (void)p;
    struct vital_io *io = fake_new(FAKE_CHILD, arg);
    io->exit = fn;
    for (unsigned i = 0; i < 63; i++) {
        fake.argv[i] = fake_copy(c->argv[i]);
        if (!c->argv[i])
            break;
    }
    return io;
}

static inline struct vital_io *fake_file(struct vital_probe *p, enum vital_file_op op, const char *path, vital_file_fn *fn, void *arg)
{
    (void)p;
    struct vital_io *io = fake_new(FAKE_FILE, arg);
    io->op = op;
    io->text = fake_copy(path);
    io->file = fn;
    return io;
}

static inline void fake_self(struct vital_probe *p, struct vital_self *s) { (void)p; *s = fake.self; }
static inline uint64_t fake_stood(struct vital_probe *p, uint64_t *until)
{
    (void)p;
    if (fake.stands) {
        fake.stood += fake.stands;
        fake.stood_until = fake.now += fake.stands;
        fake.stands = 0;
    }
    *until = fake.stood_until;
    return fake.stood;
}
static inline void fake_keep(struct vital_io *io) { io->kept = true; }

static inline void fake_drop(struct vital_io *io)
{
    if (!io)
        return;
    FAKE_NEED(io->open);
    io->open = false;
}

/* ---- options ---------------------------------------------------------------------------------------------- */

static inline double fake_quantity(const char *text, bool time)
{
    static const struct { const char *unit; double factor; } units[] = {
        { "%", 0.01 }, { "ms", 1e3 }, { "s", 1e6 }, { "m", 6e7 }, { "h", 36e8 }, { "d", 864e8 },
        { "KiB", 1024 }, { "MiB", 1048576 }, { "GiB", 1073741824 }, { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 },
    };
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].unit))
            return value * units[i].factor;
    FAKE_NEED(!*end && (!time || value == 0.0));
    return value;
}

static inline const struct vital_secret *fake_secret(const char *value)
{
    struct vital_secret *s = fake_alloc(sizeof *s);
    s->value = fake_copy(value);
    s->len = strlen(value);
    return s;
}

static inline const char *fake_some(const char *text) { return *text ? fake_copy(text) : NULL; }

static inline const struct vital_url *fake_url(const char *text, bool address)
{
    struct url *u = fake_alloc(sizeof *u);
    const char *wrong = address ? url_parse_address(text, strlen(text), false, u) : url_parse(text, strlen(text), u);
    if (wrong)
        fprintf(stderr, "%s: %s\n", text, wrong);
    FAKE_NEED(!wrong);
    struct vital_url *v = fake_alloc(sizeof *v);
    const char *known = !strcmp(u->scheme, "https") ? "443" : !strcmp(u->scheme, "http") ? "80" : NULL;
    *v = (struct vital_url){ fake_some(u->scheme), fake_some(u->host), fake_some(u->port),
                             u->path[0] ? fake_copy(u->path) : address ? NULL : "/", u->has_user ? fake_copy(u->user) : NULL,
                             u->has_password ? fake_secret(u->password) : NULL, fake_some(u->unix_path), fake_copy(text) };
    if (!v->port && !v->unix_path)
        v->port = known;
    return v;
}

static inline const struct vital_regex *fake_regex(const char *pattern)
{
    int error;
    PCRE2_SIZE at;
    struct vital_regex *r = fake_alloc(sizeof *r);
    r->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &error, &at, NULL);
    FAKE_NEED(r->code);
    return r;
}

static inline void fake_append(struct vital_list *list, const void *item, size_t size)
{
    char *items = fake_alloc((list->count + 1) * size);
    if (list->count)
        memcpy(items, list->items, list->count * size);
    memcpy(items + list->count * size, item, size);
    list->items = items;
    list->count++;
}

static inline struct vital_threshold fake_threshold(const char *text, const struct vital_opt *o)
{
    double v = fake_quantity(text, o->flags & VITAL_IN_TIME);
    bool percent = strchr(text, '%') != NULL;
    v *= percent ? 100 : 1; /* a percentage stays one in a threshold, in a NUMBER it is a ratio */
    return (struct vital_threshold){ v, v, true, percent };
}

/* Lists grow by one item a call; PAIRS take "key=value", RANGES "200-299". A threshold's "5:7" is enter:leave. */
static inline void fake_put(void *field, const struct vital_opt *o, const char *text)
{
    struct vital_list *list = field;
    switch (o->type) {
    case VITAL_BOOL: *(bool *)field = !strcmp(text, "true"); return;
    case VITAL_INT: *(int64_t *)field = strtoll(text, NULL, 10); return;
    case VITAL_NUMBER: *(double *)field = strtod(text, NULL); return;
    case VITAL_DURATION: *(uint64_t *)field = (uint64_t)fake_quantity(text, true); return;
    case VITAL_SIZE: *(uint64_t *)field = (uint64_t)fake_quantity(text, false); return;
    case VITAL_STRING: *(const char **)field = fake_copy(text); return;
    case VITAL_SECRET: *(const struct vital_secret **)field = fake_secret(text); return;
    case VITAL_URL: *(const struct vital_url **)field = fake_url(text, false); return;
    case VITAL_ADDRESS: *(const struct vital_url **)field = fake_url(text, true); return;
    case VITAL_REGEX: *(const struct vital_regex **)field = fake_regex(text); return;
    case VITAL_TLS: *(const struct vital_tls **)field = !strcmp(text, "true") ? &fake_tls : NULL; return; /* auto: off here */
    case VITAL_STRINGS: {
        char *copy = fake_copy(text);
        fake_append(list, &copy, sizeof copy);
        return;
    }
    case VITAL_PAIRS: {
        const char *equals = strchr(text, '=');
        FAKE_NEED(equals);
        char *key = fake_copy(text);
        key[equals - text] = '\0';
        struct vital_pair pair = { key, fake_secret(equals + 1) };
        fake_append(list, &pair, sizeof pair);
        return;
    }
    case VITAL_RANGES: {
        struct vital_range range;
        int n = sscanf(text, "%ld-%ld", &range.low, &range.high);
        FAKE_NEED(n > 0);
        if (n == 1)
            range.high = range.low;
        fake_append(list, &range, sizeof range);
        return;
    }
    case VITAL_THRESHOLD: {
        char *copy = fake_copy(text), *colon = strchr(copy, ':');
        if (colon)
            *colon = '\0';
        struct vital_threshold t = fake_threshold(copy, o);
        if (colon)
            t.leave = fake_threshold(colon + 1, o).leave;
        *(struct vital_threshold *)field = t;
        return;
    }
    case VITAL_WORD:
        for (uint8_t i = 0; o->words[i]; i++)
            if (!strcmp(o->words[i], text)) {
                *(uint8_t *)field = i;
                return;
            }
    }
    fprintf(stderr, "option %s cannot be %s\n", o->name, text);
    abort();
}

static inline void fake_defaults(void *conf, const struct vital_opt *rows)
{
    for (; rows->name; rows++) {
        if (rows->type == VITAL_BLOCK)
            fake_defaults((char *)conf + rows->offset, rows->rows);
        else if (rows->def)
            fake_put((char *)conf + rows->offset, rows, rows->def);
    }
}

static inline const struct vital_opt *fake_row(const struct vital_opt *rows, const char *name, size_t len)
{
    for (; rows->name; rows++)
        if (strlen(rows->name) == len && !memcmp(rows->name, name, len))
            return rows;
    fprintf(stderr, "no option %s\n", name);
    abort();
}

static inline void fake_set_in(void *conf, const struct vital_opt *rows, const char *name, const char *value)
{
    static const char *cleared[64];
    static unsigned count;
    const char *dot = strchr(name, '.');
    const struct vital_opt *o = fake_row(rows, name, dot ? (size_t)(dot - name) : strlen(name));
    void *field = (char *)conf + o->offset;
    if (dot && o->type == VITAL_BLOCK) {
        fake_set_in(field, o->rows, dot + 1, value);
        return;
    }
    if (o->def && (o->type == VITAL_STRINGS || o->type == VITAL_RANGES || o->type == VITAL_PAIRS)) {
        bool again = false; /* what is given replaces the default list, then grows */
        for (unsigned i = 0; i < count; i++)
            again |= cleared[i] == (const char *)field;
        if (!again && count < 64) {
            memset(field, 0, sizeof(struct vital_list));
            cleared[count++] = field;
        }
    }
    fake_put(field, o, value);
}

static inline void fake_set(const char *name, const char *value)
{
    fake_set_in(fake.conf, fake.module->opts, name, value);
}

/* One more block of a list of blocks: fake_block("json", "pointer", "/status", "equals", "UP", NULL). */
__attribute__((sentinel)) static inline void fake_block(const char *name, ...)
{
    const struct vital_opt *o = fake_row(fake.module->opts, name, strlen(name));
    FAKE_NEED(o->type == VITAL_BLOCKS);
    void *block = fake_alloc(o->row_size);
    fake_defaults(block, o->rows);
    va_list args;
    va_start(args, name);
    for (const char *key; (key = va_arg(args, const char *));)
        fake_set_in(block, o->rows, key, va_arg(args, const char *));
    va_end(args);
    fake_append((struct vital_list *)(void *)((char *)fake.conf + o->offset), block, o->row_size);
}

__attribute__((format(printf, 2, 0))) static inline void fake_note(const char *option, const char *fmt, va_list args)
{
    int n = snprintf(fake.diag, sizeof fake.diag, "%s: ", option ? option : "");
    vsnprintf(fake.diag + n, sizeof fake.diag - (size_t)n, fmt, args);
}

__attribute__((format(printf, 3, 4))) static inline void fake_error(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    (void)d;
    va_list args;
    va_start(args, fmt);
    fake_note(option, fmt, args);
    va_end(args);
    fake.errors++;
}

__attribute__((format(printf, 3, 4))) static inline void fake_warning(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    (void)d;
    va_list args;
    va_start(args, fmt);
    fake_note(option, fmt, args);
    va_end(args);
    fake.warnings++;
}

__attribute__((format(printf, 3, 4))) static inline void fake_remark(struct vital_diag *d, const char *option, const char *fmt, ...)
{
    (void)d, (void)option, (void)fmt;
}

/* Runs prepare(); false after an error, whose text is in fake.diag. fake_start() does it by itself. */
static inline bool fake_prepare(void)
{
    struct vital_diag d = { fake_error, fake_warning, fake_remark };
    fake.errors = fake.warnings = 0;
    bool good = !fake.module->prepare || fake.module->prepare(fake.conf, &d);
    FAKE_NEED(good == !fake.errors);
    return good;
}

/* ---- the script ------------------------------------------------------------------------------------------- */

/* A probe of this module; name, value pairs of options, NULL at the end. Once a test. */
__attribute__((sentinel)) static inline void fake_probe(const struct vital_module *m, ...)
{
    FAKE_NEED(m->magic == VITAL_MAGIC && !fake.module);
    fake.host = (struct vital_host){
        VITAL_ABI, sizeof(struct vital_host), fake_now, fake_left, fake_finish, fake_report, fake_log, fake_reveal,
        fake_match, fake_nudge, fake_watch, fake_timer, fake_resolve, fake_dial, fake_write, fake_starttls,
        fake_stream_info, fake_certificates, fake_submit, fake_spawn, fake_file, fake_self, fake_keep, fake_drop, fake_stood,
    };
    fake.module = m;
    fake.now = 1000000;
    fake.conf = fake_alloc(m->conf_size);
    fake_defaults(fake.conf, m->opts);
    va_list args;
    va_start(args, m);
    for (const char *key; (key = va_arg(args, const char *));)
        fake_set(key, va_arg(args, const char *));
    va_end(args);
    fake.probe = (struct vital_probe){ &fake.host, "fake", fake.conf, fake_alloc(m->priv_size) };
}

/* Begins an attempt with two seconds. */
static inline void fake_start(void)
{
    FAKE_NEED(!fake.running);
    if (!fake.attempts)
        FAKE_NEED(fake_prepare());
    fake.attempts++;
    fake.running = true;
    fake.finished = false;
    fake.class = VITAL_CLASS_COUNT; /* none yet: no outcome must look like a pass */
    fake.reason = VITAL_REASON_COUNT;
    fake.number_count = 0;
    fake.text[0] = '\0';
    fake.deadline = fake.now + 2000000;
    fake.module->start(&fake.probe);
}

/* The newest open handle of that kind; NULL when there is none. */
static inline struct vital_io *fake_find(enum fake_kind kind)
{
    for (unsigned i = fake.io_count; i--;)
        if (fake.ios[i]->open && fake.ios[i]->kind == kind)
            return fake.ios[i];
    return NULL;
}

static inline struct vital_io *fake_io(enum fake_kind kind)
{
    struct vital_io *io = fake_find(kind);
    FAKE_NEED(io);
    return io;
}

/* The newest of that kind, open or not: for what was sent before the end. */
static inline struct vital_io *fake_last(enum fake_kind kind)
{
    for (unsigned i = fake.io_count; i--;)
        if (fake.ios[i]->kind == kind)
            return fake.ios[i];
    FAKE_NEED(!"none was ever opened");
    return NULL;
}

static inline unsigned fake_open_count(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < fake.io_count; i++)
        n += fake.ios[i]->open;
    return n;
}

static inline void fake_open(struct vital_io *io)
{
    FAKE_NEED(io->open && io->kind == FAKE_STREAM);
    if (io->ops->open)
        io->ops->open(&fake.probe, io, io->arg);
}

/* The bytes are given as an exact heap block, so that the sanitizer sees every read beyond them. */
static inline void fake_data_n(struct vital_io *io, const void *bytes, size_t len)
{
    FAKE_NEED(io->open && io->kind == FAKE_STREAM);
    char *exact = malloc(len ? len : 1);
    FAKE_NEED(exact);
    memcpy(exact, bytes, len);
    io->ops->data(&fake.probe, io, io->arg, exact, len);
    free(exact);
}

static inline void fake_data(struct vital_io *io, const char *text) { fake_data_n(io, text, strlen(text)); }

static inline void fake_shut(struct vital_io *io, enum vital_reason reason, const char *text)
{
    FAKE_NEED(io->open && io->kind == FAKE_STREAM);
    if (io->ops->closed)
        io->ops->closed(&fake.probe, io, io->arg, reason, text);
    else
        fake_finish(&fake.probe, VITAL_FAIL, reason, "%s", text ? text : "");
    io->open = false;
}

static inline void fake_ready(struct vital_io *io, unsigned what)
{
    FAKE_NEED(io->open && io->kind == FAKE_WATCH);
    io->open = false;
    io->watch(&fake.probe, io->fd, what, io->arg);
}

static inline void fake_addresses(struct vital_io *io, const char *one, const char *error)
{
    FAKE_NEED(io->open && io->kind == FAKE_RESOLVE);
    io->open = false;
    io->resolve(&fake.probe, &one, one != NULL, false, error, io->arg);
}

static inline void fake_file_done(struct vital_io *io, const struct vital_file *f)
{
    FAKE_NEED(io->open && io->kind == FAKE_FILE);
    io->open = false;
    io->file(&fake.probe, f, io->arg);
}

static inline void fake_file_text(struct vital_io *io, const char *text)
{
    struct vital_file f = { .data = text, .len = strlen(text), .size = strlen(text) };
    fake_file_done(io, &f);
}

static inline void fake_exit(struct vital_io *io, const struct vital_exit *e)
{
    FAKE_NEED(io->open && io->kind == FAKE_CHILD);
    io->open = false;
    io->exit(&fake.probe, e, io->arg);
}

/* Runs the job to its end, here and now. */
static inline void fake_job(struct vital_io *io)
{
    FAKE_NEED(io->open && io->kind == FAKE_JOB);
    io->open = false;
    io->job->run(io->block);
    io->job->done(&fake.probe, io->block);
    io->job->wipe(io->block);
}

/* Time passes; due timers fire in their order; at the deadline the attempt is cancelled. */
static inline void fake_pass_time(uint64_t usec)
{
    uint64_t until = fake.now + usec;
    for (;;) {
        struct vital_io *next = NULL;
        for (unsigned i = 0; i < fake.io_count; i++) {
            struct vital_io *io = fake.ios[i];
            if (io->open && io->kind == FAKE_TIMER && io->at <= until && (!next || io->at < next->at))
                next = io;
        }
        if (fake.running && fake.deadline <= until && (!next || fake.deadline <= next->at)) {
            fake.now = fake.deadline;
            fake_close_all();
            fake.running = false;
            if (fake.module->cancel)
                fake.module->cancel(&fake.probe);
            continue;
        }
        if (!next)
            break;
        fake.now = next->at > fake.now ? next->at : fake.now;
        next->open = false;
        next->timer(&fake.probe, next->arg);
    }
    fake.now = until;
}

/* A reported number by its row's name; NAN when it was not reported. label NULL: any. */
static inline double fake_number_of(const char *name, const char *label)
{
    for (unsigned i = 0; i < fake.number_count; i++)
        if (!strcmp(fake.module->numbers[fake.numbers[i].row].name, name) && (!label || !strcmp(label, fake.numbers[i].label)))
            return fake.numbers[i].value;
    return (double)NAN;
}

static inline double fake_number(const char *name) { return fake_number_of(name, NULL); }

/* The probe goes, in the middle of an attempt or between two. Its private area is emptied, so that the leak checker sees
 * what the module forgot there. */
static inline void fake_end(void)
{
    if (fake.running) {
        fake_close_all();
        fake.running = false;
        if (fake.module->cancel)
            fake.module->cancel(&fake.probe);
    }
    if (fake.module->release)
        fake.module->release(&fake.probe);
    memset(fake.probe.priv, 0, fake.module->priv_size);
    fake.probe.priv = NULL;
}

#endif
