/* skeleton: a module to copy. It connects to a TCP server and checks the line that the server greets with.
 *
 *     gcc -std=c11 -O2 -fPIC -shared -I probes -o skeleton.so probes/skeleton.c
 *     cp skeleton.so /usr/local/lib/vitald/modules/
 *
 *     probes:
 *       mail: { skeleton: { address: "127.0.0.1:25", greeting: "220 " } }
 *
 * A module sees vital_probe.h and nothing else of vitald. This one has the parts that nearly every module has: options,
 * numbers, a private area, a start that opens something, callbacks that end the attempt. See vital-probe(3). */
#include "vital_probe.h"

enum { LINE_MAX_LEN = 256 };

/* 1. What can be configured. The engine fills this struct from the rows below, checks every value, and never changes it
 *    while the probe lives. The same rows make the manual, the reference configuration and the JSON schema. */
struct skeleton_conf {
    const struct vital_url *address;
    const char *greeting;
    uint64_t slow;
};

static const struct vital_opt rows[] = {
    VITAL_OPT(struct skeleton_conf, address, ADDRESS, .flags = VITAL_BARE | VITAL_TARGET | VITAL_REQUIRED, .help = "host:port, or unix:/path"),
    VITAL_OPT(struct skeleton_conf, greeting, STRING, .def = "", .help = "what its first line must begin with"),
    VITAL_OPT(struct skeleton_conf, slow, DURATION, .def = "1s", .help = "warn when the greeting takes longer"),
    VITAL_OPT_END,
};

/* 2. What is measured. Rows too: names and units of metrics come from here. */
enum { GREETING_SECONDS };
static const struct vital_number numbers[] = {
    [GREETING_SECONDS] = { "greeting_seconds", "seconds", "from the start of the attempt to the end of the greeting", false, NULL },
    { .name = NULL },
};

/* 3. What is remembered: zeroed when the probe is made, kept from attempt to attempt. What belongs to one attempt is set
 *    anew in start(). */
struct skeleton {
    uint64_t began;
    size_t len;
    char line[LINE_MAX_LEN];
};

/* 4. The end. Exactly one vital_finish() an attempt; numbers come before it, and the function returns right after it,
 *    for the stream is closed by then. */
static void judge(struct vital_probe *p)
{
    const struct skeleton_conf *c = p->conf;
    struct skeleton *s = p->priv;
    uint64_t took = vital_now(p) - s->began;
    vital_number(p, GREETING_SECONDS, (double)took / 1e6);
    if (strncmp(s->line, c->greeting, strlen(c->greeting)) != 0)
        vital_finish(p, VITAL_FAIL, VITAL_R_MISMATCH, "greeted with \"%s\", expected \"%s\"", s->line, c->greeting);
    else if (took > c->slow)
        vital_finish(p, VITAL_WARN, VITAL_R_SLOW, "greeted with \"%s\", but only after %llu ms", s->line, (unsigned long long)took / 1000);
    else
        vital_finish(p, VITAL_PASS, VITAL_R_OK, "greeted with \"%s\"", s->line);
}

/* 5. Bytes come in any portions: one line may take several calls, and one call may hold more than the line. */
static void on_data(struct vital_probe *p, struct vital_io *io, void *arg, const char *bytes, size_t len)
{
    (void)io, (void)arg;
    struct skeleton *s = p->priv;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            s->line[s->len - (s->len && s->line[s->len - 1] == '\r')] = 0;
            judge(p);
            return;
        }
        if (s->len + 1 == LINE_MAX_LEN) { /* whatever comes from outside has a bound */
            vital_finish(p, VITAL_FAIL, VITAL_R_TOO_LARGE, "the greeting is longer than %d bytes", LINE_MAX_LEN - 1);
            return;
        }
        s->line[s->len++] = bytes[i] >= ' ' ? bytes[i] : bytes[i] == '\r' ? '\r' : '?';
    }
}

/* Without `closed` the engine ends the attempt itself, with the right reason: refused, dns, reset, closed ... Nor does a
 * module look at the clock: at the deadline the engine ends the attempt as `timeout`. */
static const struct vital_stream_ops stream_ops = { .data = on_data };

/* 6. The beginning. It opens something and returns; it never waits. */
static void start(struct vital_probe *p)
{
    const struct skeleton_conf *c = p->conf;
    struct skeleton *s = p->priv;
    struct vital_dial dial = { .host = c->address->host, .port = c->address->port, .unix_path = c->address->unix_path };
    s->began = vital_now(p);
    s->len = 0;
    p->host->dial(p, &dial, &stream_ops, NULL);
}

/* 7. All of it, under one name. */
static const struct vital_module skeleton_module = {
    VITAL_MODULE_HEAD,
    .name = "skeleton",
    .summary = "a module to copy: checks the first line that a TCP server sends",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct skeleton_conf),
    .priv_size = sizeof(struct skeleton),
    .outside = true,
    .start = start,
};

VITAL_EXPORT(skeleton_module);
