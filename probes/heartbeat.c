/* heartbeat: is told that all is well, and notices when nobody says so any more. */
#include "builtin.h"

#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "judge.h"

enum { BEAT_TEXT = 200 };

enum { START_WARN, START_FAIL, START_PASS };
static const char *const start_words[] = { "warn", "fail", "pass", NULL };
static const enum vital_class start_class[] = { VITAL_WARN, VITAL_FAIL, VITAL_PASS };

struct heartbeat_conf {
    uint64_t max_silence, grace;
    uint8_t at_start;
};

struct heartbeat {
    uint64_t last, beats;            /* last: 0 = none yet */
    uint64_t from;                   /* silence is counted from here: the last beat, or later after a standstill of vitald's own; 0 = not begun */
    uint64_t stood, excused;         /* what the host told of its standstills; those since the last beat */
    enum vital_class class;
    char text[BEAT_TEXT];
    struct vital_io *alarm;
};

static const struct vital_opt rows[] = {
    VITAL_OPT(struct heartbeat_conf, max_silence, DURATION, .flags = VITAL_BARE | VITAL_REQUIRED, .min = 100000,
              .help = "fail when no beat came for longer than this"),
    VITAL_OPT(struct heartbeat_conf, grace, DURATION, .help = "how long to wait for the first beat after a start; default: max_silence"),
    VITAL_OPT(struct heartbeat_conf, at_start, WORD, .words = start_words, .def = "warn", .help = "what counts while the first beat is awaited"),
    VITAL_OPT_END,
};

enum { SILENCE, BEATS };
static const struct vital_number numbers[] = {
    [SILENCE] = { "silence_seconds", "seconds", "since the last beat", false, NULL },
    [BEATS] = { "beats_total", "", "beats received", true, NULL },
    { .name = NULL },
};

/* ---- beats ---- */

/* "warn: queue is long", "fail", "ok 17 jobs done": a first word that is a status, or the whole is a message. */
static const struct { const char *word; enum vital_class class; } statuses[] = {
    { "ok", VITAL_PASS },        { "pass", VITAL_PASS }, { "warn", VITAL_WARN },      { "warning", VITAL_WARN },
    { "fail", VITAL_FAIL },      { "critical", VITAL_FAIL },
};

static enum vital_class read_status(const char **text)
{
    size_t len = strcspn(*text, " :");
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (strlen(statuses[i].word) == len && !strncasecmp(*text, statuses[i].word, len)) {
            *text += len;
            *text += strspn(*text, " :");
            return statuses[i].class;
        }
    return VITAL_PASS;
}

/* A sender whom nobody could hear was not silent. Whoever waited for us through the first standstill since its beat may need a whole
 * period to come again; a further one only does not count, so that a dead sender shows even if we stand still again and again.
 * To be called before the clock is read: this may be where the standstill is noticed, and `from` lies at its end then. */
static void excuse(struct vital_probe *p)
{
    struct heartbeat *h = p->priv;
    uint64_t until, stood = p->host->stood(p, &until), gap = stood - h->stood;
    h->stood = stood;
    if (!h->from || !gap)
        return;
    h->from = h->excused ? h->from + gap : until;
    h->excused += gap;
}

static void count_from(struct heartbeat *h, uint64_t now)
{
    h->from = now;
    h->excused = 0;
}

static void receive(struct vital_probe *p, const char *text, size_t len)
{
    struct heartbeat *h = p->priv;
    char line[BEAT_TEXT];
    const char *message = line;
    judge_line(line, sizeof line, text, len);
    message += strspn(message, " ");
    enum vital_class class = read_status(&message);
    excuse(p);
    uint64_t now = vital_now(p);
    bool news = !h->last || class != h->class || now - h->from > ((const struct heartbeat_conf *)p->conf)->max_silence;
    h->class = class;
    h->last = now;
    count_from(h, now);
    h->beats++;
    snprintf(h->text, sizeof h->text, "%s", message);
    if (news)       /* a beat as usual changes nothing that could not wait for the next attempt */
        p->host->nudge(p);
}

/* ---- silence ---- */

static void silent(struct vital_probe *p, void *arg)
{
    (void)arg;
    ((struct heartbeat *)p->priv)->alarm = NULL;
    p->host->nudge(p);
}

/* The moment when silence becomes a fault lies between two attempts: have one right then. */
static void set_alarm(struct vital_probe *p, uint64_t in)
{
    struct heartbeat *h = p->priv;
    if (h->alarm)
        p->host->close(h->alarm);
    h->alarm = p->host->timer(p, in + USEC_MS, silent, NULL);
    if (h->alarm)
        p->host->keep(h->alarm);
}

/* ", and vitald itself stood still for 54s of it": nothing when it did not. */
static const char *own_part(const struct heartbeat *h, char room[BEAT_TEXT])
{
    char span[CLOCK_TEXT];
    if (!h->excused)
        return "";
    snprintf(room, BEAT_TEXT, ", and vitald itself stood still for %s of it", clock_span(h->excused, span));
    return room;
}

static void report_beat(struct vital_probe *p, uint64_t now)
{
    const struct heartbeat_conf *c = p->conf;
    const struct heartbeat *h = p->priv;
    char ago[CLOCK_TEXT], limit[CLOCK_TEXT], own[BEAT_TEXT];
    clock_span(now - h->last, ago);
    clock_span(c->max_silence, limit);
    vital_number(p, SILENCE, (double)(now - h->last) / 1e6);
    if (now - h->from > c->max_silence)
        vital_finish(p, VITAL_FAIL, VITAL_R_SILENT, "last beat %s ago, expected every %s%s%s%s", ago, limit, own_part(h, own),
                     *h->text ? "; it said: " : "", h->text);
    else
        vital_finish(p, h->class, h->class == VITAL_PASS ? VITAL_R_OK : VITAL_R_BAD_STATUS, "%s%slast beat %s ago%s", h->text, *h->text ? "; " : "", ago,
                     own_part(h, own));
}

static void report_none(struct vital_probe *p, uint64_t waited, uint64_t grace)
{
    const struct heartbeat_conf *c = p->conf;
    char limit[CLOCK_TEXT];
    enum vital_class class = start_class[c->at_start];
    clock_span(grace, limit);
    if (waited > grace)
        vital_finish(p, VITAL_FAIL, VITAL_R_SILENT, "no beat in the first %s", limit);
    else
        vital_finish(p, class, class == VITAL_PASS ? VITAL_R_OK : VITAL_R_STARTING, "waiting up to %s for the first beat", limit);
}

static void start(struct vital_probe *p)
{
    const struct heartbeat_conf *c = p->conf;
    struct heartbeat *h = p->priv;
    excuse(p);
    uint64_t now = vital_now(p), grace = c->grace ? c->grace : c->max_silence;
    if (!h->from)
        count_from(h, now);
    uint64_t since = now - h->from, allowed = h->last ? c->max_silence : grace;
    vital_number(p, BEATS, h->beats);
    if (since <= allowed)
        set_alarm(p, allowed - since);
    if (h->last)
        report_beat(p, now);
    else
        report_none(p, since, grace);
}

const struct vital_module heartbeat_module = {
    VITAL_MODULE_HEAD,
    .name = "heartbeat",
    .summary = "pushed to by `vitalctl beat`; silence for too long fails",
    .manual =
        "A job, script or program says that it is alive: `vitalctl beat NAME`, at the end of a cron job for example. A text may follow; when it begins with ok, "
        "warn or fail (\"warn: queue is long\") that is its status, until the next beat. Without a beat for `max_silence` the probe fails, and it looks at "
        "that very moment, not at its next turn. While vitald itself stands still for more than a second (stopped, or without a processor) nobody can be heard: "
        "that time is no silence, and from the end of the first such spell since the last beat a sender has a whole `max_silence` again. A later one counts as little, but gives nothing anew.\n\n"
        "vitald keeps no beats over a restart. Until the first one comes the probe has the state of `at_start`, for as long as `grace`: warn, so that neither a "
        "restart of vitald turns everything red nor silence looks green. Give `at_start: fail` where nothing may count on a worker that was never heard of.",
    .opts = rows,
    .numbers = numbers,
    .conf_size = sizeof(struct heartbeat_conf),
    .priv_size = sizeof(struct heartbeat),
    .start = start,
    .receive = receive,
};
