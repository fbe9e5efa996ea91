/* Starting a program with a message: no shell, a clean environment, the facts as VITALD_* and as JSON on standard input. What
 * strangers wrote comes as values only, never as a part of a command. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/envlist.h"
#include "base/mem.h"
#include "base/secret.h"
#include "core/outcome.h"
#include "front/notify_send.h"
#include "io/zygote.h"

enum { VALUE_MAX = 4096, OUTPUT_MAX = 4096, EXIT_TRY_AGAIN = 75 };

struct start {
    struct send send;
    struct zygote_call *call;
};

/* ---- its environment ---- */

static void add_fact(struct envlist *env, const struct notice *n, unsigned field)
{
    char key[64] = "VITALD_";
    const char *name = notice_field_name(field);
    struct buf text = BUF(VALUE_MAX);
    struct template_value v = notice_value(n, field);
    for (size_t i = 0; name[i]; i++)
        key[7 + i] = (char)toupper((unsigned char)name[i]);
    template_plain(&v, &text);
    envlist_add(env, key, text.data ? text.data : "", text.len);
    buf_free(&text);
}

static struct envlist make_env(const struct conf_outlet *o, const struct notice *n)
{
    const struct vital_pair *pairs = o->env.items;
    struct envlist env = { 0 };
    for (uint32_t i = 0; i < o->env.count; i++)
        envlist_add(&env, pairs[i].key, pairs[i].value->value, pairs[i].value->len);
    for (unsigned f = 0; f < NOTICE_FIELD_COUNT; f++)
        if (f != NOTICE_CONTENT)
            add_fact(&env, n, f);
    envlist_basics(&env);
    return env;
}

/* ---- how it ends ---- */

static void exited(void *arg, const struct vital_exit *e)
{
    struct start *s = arg;
    size_t line = 0;
    s->call = NULL;
    while (line < e->len && e->out[line] != '\n' && line < 120)
        line++;
    if (e->error)
        send_end(&s->send, QUEUE_RETRY, "cannot be started: %s", strerror(e->error));
    else if (WIFSIGNALED(e->status))
        send_end(&s->send, QUEUE_RETRY, "ended by signal %d", WTERMSIG(e->status));
    else if (WEXITSTATUS(e->status) == 0)
        send_end(&s->send, QUEUE_DELIVERED, "exit code 0");
    else
        send_end(&s->send, WEXITSTATUS(e->status) == EXIT_TRY_AGAIN ? QUEUE_RETRY : QUEUE_REFUSED, "exit code %d%s%.*s", WEXITSTATUS(e->status),
                 line ? ": " : "", (int)line, line ? e->out : "");
}

static void stop(struct send *send)
{
    struct start *s = LIST_OWNER(send, struct start, send);
    if (s->call)
        zygote_kill(s->call);
    s->call = NULL;
}

static void free_start(struct send *send)
{
    mem_free(LIST_OWNER(send, struct start, send));
}

struct send *send_exec(const struct conf_outlet *o, struct conf_options *options, struct buf *body, const struct notice *n, send_fn *fn, void *arg)
{
    struct start *s = mem_alloc(sizeof *s);
    const char *const *items = o->command.items;
    const char **argv = mem_alloc((o->command.count + 1) * sizeof *argv);
    struct envlist env = make_env(o, n);
    enum vital_reason why = VITAL_R_OK;
    s->send.stop = stop;
    s->send.free = free_start;
    send_open(&s->send, o, options, fn, arg);
    for (uint32_t i = 0; i < o->command.count; i++)
        argv[i] = items[i];
    const struct vital_child child = { .argv = argv, .env = (const char *const *)env.items, .dir = o->dir, .input = body->data, .input_len = body->len, .cap = OUTPUT_MAX };
    s->call = zygote_spawn(&child, exited, s, &why);
    if (!s->call && !s->send.known)
        send_end(&s->send, QUEUE_RETRY, "cannot be started: %s", reason_sentence(why));
    envlist_free(&env);
    mem_free(argv);
    buf_free(body);
    return &s->send;
}
