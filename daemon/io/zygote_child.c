/* Programs: started by a helper, which sees them through to their end; their output comes straight to the loop. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/zygote_call.h"

enum {
    FOR_FILES = 8,                   /* helpers that programs may not take */
    STEP = 16 * 1024,
    TURN_STEPS = 4,                  /* reads a turn: a flood costs only itself */
    LAST_STEPS = 64,                 /* reads after the exit: the largest pipe there is, once */
};
/* After that long a killed program that is still there will not die: it hangs in the kernel. */
#define UNKILLABLE_AFTER ((HELPER_GRACE_MS + 1000) * USEC_MS)

struct sink {
    struct loop_fd io;
    struct buf kept;
};

struct child_call {
    struct zygote_call call;
    struct list all;
    zygote_exit_fn *fn;              /* NULL: killed */
    struct sink out, err;
    uint64_t command;                /* hash of what was started */
    uint64_t killed;
};

static struct list children = { &children, &children };

static struct child_call *child_of(struct zygote_call *call)
{
    return LIST_OWNER(call, struct child_call, call);
}

/* ---- output ---- */

static void sink_close(struct sink *s)
{
    if (s->io.fd < 0)
        return;
    loop_remove(&s->io);
    close(s->io.fd);
    s->io.fd = -1;
}

/* Keeps up to the cap and drops the rest. */
static void sink_read(struct sink *s, unsigned steps)
{
    static char bytes[STEP];
    while (steps-- && s->io.fd >= 0) {
        ssize_t n = read(s->io.fd, bytes, sizeof bytes);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0)
            buf_add(&s->kept, bytes, (size_t)n);
        else
            sink_close(s);
    }
}

static void sink_ready(struct loop_fd *f, unsigned what)
{
    (void)what;
    sink_read(LIST_OWNER(f, struct sink, io), TURN_STEPS);
}

/* Both ends: ours does not block, the program's does, as it expects. */
static bool sink_open(struct sink *s, size_t cap, int *theirs)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    s->kept = BUF(cap);
    loop_add(&s->io, ends[0], LOOP_READ, sink_ready);
    *theirs = ends[1];
    return true;
}

/* ---- the end ---- */

static void child_free(struct child_call *c)
{
    sink_close(&c->out);
    sink_close(&c->err);
    buf_free(&c->out.kept);
    buf_free(&c->err.kept);
    list_remove(&c->all);
    zygote_counts.children--;
    call_free(&c->call);
}

static void child_ends(struct child_call *c, int error, int status)
{
    zygote_exit_fn *fn = c->fn;
    if (fn) {
        sink_read(&c->out, LAST_STEPS);
        sink_read(&c->err, LAST_STEPS);
        sink_close(&c->out); /* a grandchild may hold it for ever: nobody waits for its end */
        sink_close(&c->err);
        const struct buf *b = c->out.kept.len ? &c->out.kept : &c->err.kept;
        c->fn = NULL;
        fn(c->call.arg, &(struct vital_exit){ .status = status, .error = error, .out = b->len ? b->data : "", .len = b->len, .cut = b->over });
    }
    child_free(c);
}

static void child_reply(struct zygote_call *call, const struct helper_reply *reply, const char *bytes, size_t len)
{
    (void)bytes, (void)len;
    child_ends(child_of(call), reply->error, reply->status);
}

static void child_lost(struct zygote_call *call, int error)
{
    child_ends(child_of(call), error, 0);
}

static const struct call_kind child_kind = { .reply = child_reply, .lost = child_lost };

static void too_big(struct zygote_call *call)
{
    child_ends(child_of(call), E2BIG, 0);
}

/* ---- the start ---- */

static unsigned add_strings(struct buf *b, const char *const *list)
{
    unsigned n = 0;
    for (; list && list[n]; n++)
        buf_add(b, list[n], strlen(list[n]) + 1);
    return n;
}

static uint64_t hash(const char *bytes, size_t len)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)bytes[i]) * 1099511628211u;
    return h;
}

/* The same command was killed and did not die, so the next one would not either. */
static bool is_unkillable(uint64_t command)
{
    LIST_EACH(l, &children) {
        const struct child_call *c = LIST_OWNER(l, struct child_call, all);
        if (c->command == command && c->killed && clock_now() > c->killed + UNKILLABLE_AFTER)
            return true;
    }
    return false;
}

static int child_send(struct child_call *c, const struct helper_request *request, const struct buf *payload, size_t cap)
{
    int theirs[2] = { -1, -1 }, error = 0;
    if (!sink_open(&c->out, cap, &theirs[0]) || !sink_open(&c->err, cap, &theirs[1]))
        error = errno;
    if (!error)
        error = call_send(&c->call, request, payload->data, payload->len, theirs, 2, ZYGOTE_HELPERS_MAX - FOR_FILES);
    for (unsigned i = 0; i < 2; i++)
        if (theirs[i] >= 0)
            close(theirs[i]);
    return error;
}

static struct child_call *child_new(zygote_exit_fn *fn, void *arg, uint64_t command)
{
    struct child_call *c = mem_alloc(sizeof *c);
    c->call.kind = &child_kind;
    c->call.arg = arg;
    list_init(&c->call.link);
    c->fn = fn;
    c->command = command;
    c->out.io.fd = c->err.io.fd = -1;
    list_append(&children, &c->all);
    zygote_counts.children++;
    return c;
}

struct zygote_call *zygote_spawn(const struct vital_child *child, zygote_exit_fn *fn, void *arg, enum vital_reason *reason)
{
    struct buf payload = BUF(HELPER_MESSAGE_MAX - sizeof(struct helper_request));
    struct helper_request request = { .order = HELPER_CHILD, .input_len = (uint32_t)child->input_len };
    const char *dir = child->dir ? child->dir : "/";
    buf_add(&payload, dir, strlen(dir) + 1);
    request.argc = add_strings(&payload, child->argv);
    uint64_t command = hash(payload.data, payload.len);
    request.envc = add_strings(&payload, child->env);
    if (child->input_len)
        buf_add(&payload, child->input, child->input_len);
    struct child_call *c = NULL;
    if (zygote_is_hung(child->argv[0]) || zygote_is_hung(dir) || is_unkillable(command)) {
        *reason = VITAL_R_HUNG;
        zygote_counts.hung++;
    } else {
        c = child_new(fn, arg, command);
        int error = payload.over ? 0 : child_send(c, &request, &payload, child->cap);
        *reason = error ? call_reason(error) : VITAL_R_OK;
        if (payload.over)
            call_later(&c->call, too_big);
        if (error) {
            child_free(c);
            c = NULL;
        }
    }
    mem_wipe(payload.data, payload.room); /* environment and input hold secrets */
    buf_free(&payload);
    return c ? &c->call : NULL;
}

void zygote_kill(struct zygote_call *call)
{
    struct child_call *c = child_of(call);
    if (!c->fn)
        return; /* inside its own callback: it has ended */
    c->fn = NULL;
    sink_close(&c->out);
    sink_close(&c->err);
    if (!call->helper) {
        child_free(c);
        return;
    }
    c->killed = clock_now();
    call_order(call, &(struct helper_request){ .order = HELPER_KILL });
}
