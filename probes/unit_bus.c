/* D-Bus by sd-bus, asynchronous only: sd_bus_call() and sd_bus_get_property() would wait up to 25 s. The connection is
 * kept, with a watch on its descriptor and an alarm for its timeouts, and systemd tells on it when a unit changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit_parts.h"

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_FACE MANAGER ".Manager"

enum { STEPS = 64 };                     /* messages a turn: a chatty bus costs only itself */

static struct unit_bus *link_of(struct vital_probe *p)
{
    return &((struct unit *)p->priv)->link;
}

static void fail(struct unit_bus *b, enum vital_reason reason, const char *text, const char *detail)
{
    if (b->error == VITAL_R_OK)
        snprintf(b->error_text, sizeof b->error_text, "%s%s%.200s", text, *detail ? ": " : "", detail);
    if (b->error == VITAL_R_OK)
        b->error = reason;
    b->answered = true;
}

/* ---- waiting ---- */

static void pump(struct vital_probe *p);

static void on_readable(struct vital_probe *p, int fd, unsigned what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    link_of(p)->watch = NULL;
    pump(p);
}

static void on_alarm(struct vital_probe *p, void *arg)
{
    (void)arg;
    link_of(p)->alarm = NULL;
    pump(p);
}

static void stop_waiting(struct vital_probe *p)
{
    struct unit_bus *b = link_of(p);
    if (b->watch)
        p->host->close(b->watch);
    if (b->alarm)
        p->host->close(b->alarm);
    b->watch = b->alarm = NULL;
}

static uint64_t until(uint64_t monotonic)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    return monotonic > now ? monotonic - now : 0;
}

static void wait_on(struct vital_probe *p, bool more)
{
    struct unit_bus *b = link_of(p);
    uint64_t at = UINT64_MAX;
    int fd = sd_bus_get_fd(b->bus), events = sd_bus_get_events(b->bus);
    stop_waiting(p);
    unsigned what = (events & 1 /* POLLIN */ ? VITAL_READ : 0u) | (events & 4 /* POLLOUT */ ? VITAL_WRITE : 0u);
    if (fd >= 0 && (b->watch = p->host->watch(p, fd, what ? what : VITAL_READ, on_readable, NULL)))
        p->host->keep(b->watch);
    if (!more && (sd_bus_get_timeout(b->bus, &at) < 0 || at == UINT64_MAX))
        return;
    if ((b->alarm = p->host->timer(p, more ? 0 : until(at), on_alarm, NULL)))
        p->host->keep(b->alarm);
}

static void lose(struct vital_probe *p, int error)
{
    struct unit_bus *b = link_of(p);
    unit_bus_close(p);
    b->edge = true;
    fail(b, VITAL_R_CLOSED, "the connection to the system bus was lost", strerror(-error));
}

static void pump(struct vital_probe *p)
{
    struct unit_bus *b = link_of(p);
    int more = 1;
    for (unsigned i = 0; i < STEPS && more > 0; i++)
        more = sd_bus_process(b->bus, NULL);
    if (more < 0)
        lose(p, more);
    else
        wait_on(p, more > 0);
    unit_served(p);
}

/* ---- edges ---- */

static int index_of(const struct unit_conf *c, const char *name)
{
    char full[UNIT_NAME_MAX];
    for (uint32_t i = 0; i < c->units.count; i++)
        if (!strcmp(unit_full_name(((const char *const *)c->units.items)[i], full), name))
            return (int)i;
    return -1;
}

static int on_job(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    struct vital_probe *p = arg;
    (void)m, (void)error;
    link_of(p)->edge = true;
    return 0;
}

/* Only what is news is an edge: asking alone makes systemd load a unit and tell about it. */
static bool is_news(const struct unit_conf *c, const struct unit_bus *b, const char *path, const char *active)
{
    char *name = NULL;
    bool news = false;
    if (sd_bus_path_decode(path, MANAGER_PATH "/unit", &name) > 0 && name) {
        int i = index_of(c, name);
        news = i >= 0 && strcmp(b->units[i].active, active) != 0;
    }
    free(name);
    return news;
}

static int on_changed(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    struct vital_probe *p = arg;
    struct unit_bus *b = link_of(p);
    const char *face, *key, *active;
    (void)error;
    if (sd_bus_message_read(m, "s", &face) < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
        return 0;
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        if (sd_bus_message_read(m, "s", &key) < 0)
            return 0;
        if (strcmp(key, "ActiveState") != 0)
            sd_bus_message_skip(m, "v");
        else if (sd_bus_message_read(m, "v", "s", &active) >= 0)
            b->edge |= is_news(p->conf, b, sd_bus_message_get_path(m), active);
        if (sd_bus_message_exit_container(m) < 0)
            return 0;
    }
    return 0;
}

/* Failures here cost the edges, and not the truth, which is asked for. */
static void follow(struct vital_probe *p, const char *name)
{
    struct unit_bus *b = link_of(p);
    char rule[1024], *path = NULL;
    if (sd_bus_path_encode(MANAGER_PATH "/unit", name, &path) < 0)
        return;
    snprintf(rule, sizeof rule, "type='signal',sender='" MANAGER "',path='%s',interface='org.freedesktop.DBus.Properties',"
             "member='PropertiesChanged',arg0='" MANAGER ".Unit'", path);
    sd_bus_add_match_async(b->bus, NULL, rule, on_changed, NULL, p);
    snprintf(rule, sizeof rule, "type='signal',sender='" MANAGER "',path='" MANAGER_PATH "',interface='" MANAGER_FACE "',"
             "member='JobRemoved',arg2='%s'", name);
    sd_bus_add_match_async(b->bus, NULL, rule, on_job, NULL, p);
    free(path);
}

/* ---- coming and going ---- */

bool unit_bus_open(struct vital_probe *p)
{
    const struct unit_conf *c = p->conf;
    struct unit_bus *b = link_of(p);
    char full[UNIT_NAME_MAX];
    if (b->bus)
        return true;
    int rc = sd_bus_open_system(&b->bus); /* connects and returns: the greeting is pump()'s business */
    if (rc < 0) {
        b->bus = NULL;
        b->error = VITAL_R_OK;
        fail(b, VITAL_R_NOT_AVAILABLE, "there is no system bus to ask systemd on", strerror(-rc));
        return false;
    }
    sd_bus_set_exit_on_disconnect(b->bus, 0);
    sd_bus_call_method_async(b->bus, NULL, MANAGER, MANAGER_PATH, MANAGER_FACE, "Subscribe", NULL, NULL, NULL);
    for (uint32_t i = 0; i < c->units.count; i++)
        follow(p, unit_full_name(((const char *const *)c->units.items)[i], full));
    return true;
}

static void forget_slots(struct unit_bus *b)
{
    b->list = sd_bus_slot_unref(b->list);
    for (unsigned i = 0; i < UNITS_MAX; i++)
        b->details[i] = sd_bus_slot_unref(b->details[i]);
    b->waiting = 0;
    b->answered = false;
}

void unit_bus_forget(struct vital_probe *p)
{
    struct unit_bus *b = link_of(p);
    forget_slots(b);
    if (b->bus && sd_bus_is_ready(b->bus) <= 0)
        unit_bus_close(p);
}

void unit_bus_close(struct vital_probe *p)
{
    struct unit_bus *b = link_of(p);
    stop_waiting(p);
    forget_slots(b);
    b->bus = sd_bus_close_unref(b->bus);
}

/* ---- asking ---- */

static void take(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

static enum vital_reason reason_of(const sd_bus_error *e)
{
    static const struct { const char *name; enum vital_reason reason; } known[] = {
        { "org.freedesktop.DBus.Error.ServiceUnknown", VITAL_R_NOT_AVAILABLE },
        { "org.freedesktop.DBus.Error.NameHasNoOwner", VITAL_R_NOT_AVAILABLE },
        { "org.freedesktop.DBus.Error.NoReply", VITAL_R_TIMEOUT },
        { "org.freedesktop.DBus.Error.Timeout", VITAL_R_TIMEOUT },
        { "org.freedesktop.DBus.Error.Disconnected", VITAL_R_CLOSED },
        { "org.freedesktop.DBus.Error.AccessDenied", VITAL_R_PERMISSION },
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (e->name && !strcmp(e->name, known[i].name))
            return known[i].reason;
    return VITAL_R_BAD_REPLY;
}

static void detail_over(struct unit_bus *b)
{
    if (b->waiting && !--b->waiting)
        b->answered = true;
}

static void take_property(sd_bus_message *m, const char *key, struct unit_state *s)
{
    const char *text;
    if (!strcmp(key, "Type") && sd_bus_message_read(m, "v", "s", &text) >= 0)
        take(s->type, sizeof s->type, text);
    else if (!strcmp(key, "Result") && sd_bus_message_read(m, "v", "s", &text) >= 0)
        take(s->result, sizeof s->result, text);
    else if (!strcmp(key, "ExecMainStatus"))
        sd_bus_message_read(m, "v", "i", &s->status);
    else if (!strcmp(key, "NRestarts"))
        sd_bus_message_read(m, "v", "u", &s->restarts);
    else
        sd_bus_message_skip(m, "v");
}

/* A unit that went between the two questions has no details: judged without. */
static int on_details(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    struct vital_probe *p = arg;
    struct unit_bus *b = link_of(p);
    const char *key;
    (void)error;
    sd_bus_slot *slot = sd_bus_get_current_slot(b->bus);
    for (unsigned i = 0; i < UNITS_MAX; i++) {
        if (!slot || b->details[i] != slot)
            continue;
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_enter_container(m, 'a', "{sv}") >= 0)
            while (sd_bus_message_enter_container(m, 'e', "sv") > 0 && sd_bus_message_read(m, "s", &key) >= 0) {
                take_property(m, key, &b->units[i]);
                if (sd_bus_message_exit_container(m) < 0)
                    break;
            }
    }
    detail_over(b);
    return 0;
}

static void ask_details(struct vital_probe *p, unsigned i, const char *path)
{
    struct unit_bus *b = link_of(p);
    sd_bus_message *m = NULL;
    if (sd_bus_message_new_method_call(b->bus, &m, MANAGER, path, "org.freedesktop.DBus.Properties", "GetAll") >= 0 &&
        sd_bus_message_append(m, "s", MANAGER ".Service") >= 0 &&
        sd_bus_call_async(b->bus, &b->details[i], m, on_details, p, vital_left(p)) >= 0)
        b->waiting++;
    sd_bus_message_unref(m);
}

struct unit_row { const char *name, *load, *active, *sub, *path; };

static void take_row(struct vital_probe *p, const struct unit_row *row)
{
    struct unit_bus *b = link_of(p);
    int i = index_of(p->conf, row->name);
    if (i < 0)
        return;
    struct unit_state *s = &b->units[i];
    uint64_t since = s->changing_since;
    *s = (struct unit_state){ 0 };
    take(s->load, sizeof s->load, row->load);
    take(s->active, sizeof s->active, row->active);
    take(s->sub, sizeof s->sub, row->sub);
    if (unit_is_changing(s))
        s->changing_since = since ? since : vital_now(p);
    if (unit_wants_details(row->name, s))
        ask_details(p, (unsigned)i, row->path);
}

static int on_list(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    struct vital_probe *p = arg;
    struct unit_bus *b = link_of(p);
    struct unit_row r;
    (void)error;
    if (sd_bus_message_is_method_error(m, NULL)) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        fail(b, reason_of(e), "systemd did not answer", e->message ? e->message : e->name);
        return 0;
    }
    if (sd_bus_message_enter_container(m, 'a', "(ssssssouso)") < 0) {
        fail(b, VITAL_R_BAD_REPLY, "systemd's answer cannot be understood", "");
        return 0;
    }
    for (unsigned i = 0; i < UNITS_MAX; i++)
        b->units[i].load[0] = '\0';
    while (sd_bus_message_read(m, "(ssssssouso)", &r.name, NULL, &r.load, &r.active, &r.sub, NULL, &r.path, NULL, NULL, NULL) > 0)
        take_row(p, &r);
    b->answered = !b->waiting;
    return 0;
}

void unit_bus_ask(struct vital_probe *p)
{
    const struct unit_conf *c = p->conf;
    struct unit_bus *b = link_of(p);
    char full[UNIT_NAME_MAX];
    sd_bus_message *m = NULL;
    forget_slots(b);
    b->error = VITAL_R_OK;
    int rc = sd_bus_message_new_method_call(b->bus, &m, MANAGER, MANAGER_PATH, MANAGER_FACE, "ListUnitsByNames");
    if (rc >= 0)
        rc = sd_bus_message_open_container(m, 'a', "s");
    for (uint32_t i = 0; rc >= 0 && i < c->units.count; i++)
        rc = sd_bus_message_append(m, "s", unit_full_name(((const char *const *)c->units.items)[i], full));
    if (rc >= 0)
        rc = sd_bus_message_close_container(m);
    if (rc >= 0)
        rc = sd_bus_call_async(b->bus, &b->list, m, on_list, p, vital_left(p));
    sd_bus_message_unref(m);
    if (rc >= 0) {
        pump(p);
        return;
    }
    lose(p, rc);
    unit_served(p);
}
